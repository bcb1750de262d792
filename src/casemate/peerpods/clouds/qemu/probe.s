# Boot sector: real mode -> long mode with paging -> prints on the serial port -> debug-exit.
.code16
.globl _start
_start:
    cli
    xor %ax, %ax
    mov %ax, %ds
    mov %ax, %es
    mov %ax, %ss
    mov $0x7c00, %sp
    cld
    # page tables at 0x1000 (PML4), 0x2000 (PDPT), 0x3000 (PD): first 2 MiB identity mapped
    mov $0x1000, %di
    xor %eax, %eax
    mov $0xc00, %cx
    rep stosl
    movw $0x2003, 0x1000
    movw $0x3003, 0x2000
    movw $0x0083, 0x3000
    lgdt gdtr
    mov $0x20, %eax          # PAE
    mov %eax, %cr4
    mov $0x1000, %eax
    mov %eax, %cr3
    mov $0xc0000080, %ecx    # EFER.LME
    rdmsr
    or $0x100, %eax
    wrmsr
    mov %cr0, %eax
    or $0x80000001, %eax     # PG, PE
    mov %eax, %cr0
    ljmp $0x08, $long
.code64
long:
    mov $0x10, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %ss
    mov $message, %esi
    mov $0x3f8, %edx
    mov $9, %ecx
1:  lodsb
    out %al, %dx
    loop 1b
    mov $0xf4, %edx          # isa-debug-exit: QEMU ends with status 2 * 0x10 + 1
    mov $0x10, %al
    out %al, %dx
2:  hlt
    jmp 2b
message: .ascii "casemate\n"
.balign 8
gdt: .quad 0, 0x00af9a000000ffff, 0x00cf92000000ffff
gdtr: .word 23
    .long gdt
.org 510
.word 0xaa55
