/* First program of the pod VM, alone in its initrd: opens the root file system under dm-verity.
 *
 * It loads the modules listed in /modules and /modules.beside, finds the disk whose virtio serial is "root", lays
 * dm-verity over it with the root hash of the (measured) kernel command line, mounts it read-only
 * and starts /sbin/init of it, and beside that what readies the machine: modules that the root lists,
 * mounts, settings of the kernel, the sealed scratch disk (scratch.c). No shell, no library, no second way:
 * whatever goes wrong is told on the console as a casemate-event line (wire/console.py), then the machine is
 * powered off.
 *
 * Command line: casemate.verity=<root hash: 64 hex> casemate.blocks=<data blocks of 4096 bytes>
 *               casemate.salt=<64 hex>
 * The hash tree follows the data at once, without a superblock (block size 4096, BLAKE2b with 32 bytes, format 1).
 *
 * Built by the image build with tcc -nostdlib -nostdinc -static: only system calls (x86-64).
 * With -DBARE it is the init of the bare image instead: says that it runs, and powers off.
 * With -DDEBUG a shell opens on the console (debug image, measured differently).
 */

typedef unsigned int u32;
typedef unsigned long long u64;

enum { /* system calls, x86-64 */
    READ = 0, WRITE = 1, OPEN = 2, CLOSE = 3, IOCTL = 16, PREAD = 17, NANOSLEEP = 35, FORK = 57, EXECVE = 59,
    EXIT = 60, WAIT4 = 61, FSYNC = 74, CHDIR = 80, MKDIR = 83, UNLINK = 87, SETSID = 112, SETPRIORITY = 141,
    CHROOT = 161, MOUNT = 165, REBOOT = 169, INIT_MODULE = 175, READAHEAD = 187, SCHED_SETAFFINITY = 203,
    GETRANDOM = 318
};
enum { O_RDONLY = 0, O_WRONLY = 1, O_RDWR = 2, O_CLOEXEC = 1 << 19 };
enum { MS_RDONLY = 1, MS_NOSUID = 2, MS_NODEV = 4, MS_NOEXEC = 8, MS_NOATIME = 1024, MS_MOVE = 8192 };
enum { HARD = MS_NOSUID | MS_NODEV | MS_NOEXEC };
enum { EPERM = 1, ENOENT = 2, EIO = 5, EEXIST = 17, EKEYREJECTED = 129 };
enum { BLOCK = 4096, SECTORS_PER_BLOCK = 8, HEX_DIGEST = 64, LIST = 1 << 14, STEP = 1 << 17, NICE = 10 };

long call(long number, long a, long b, long c, long d, long e);
__asm__(".text\n.global call\ncall:\n"
        "mov %rdi, %rax\nmov %rsi, %rdi\nmov %rdx, %rsi\nmov %rcx, %rdx\nmov %r8, %r10\n"
        "mov %r9, %r8\nsyscall\nret\n"
        ".global _start\n_start:\nand $-16, %rsp\ncall begin\n");

/* ---- text ---- */

static long length(const char *text)
{
    long n = 0;
    while (text[n]) n++;
    return n;
}

void *memset(void *to, int value, unsigned long n)
{
    char *c = to;
    while (n--) *c++ = value;
    return to;
}

void *memcpy(void *to, const void *from, unsigned long n)
{
    char *c = to;
    const char *f = from;
    while (n--) *c++ = *f++;
    return to;
}

static int same(const char *a, const char *b)
{
    while (*a && *a == *b) a++, b++;
    return *a == *b;
}

/* A line that is put together piece by piece; what does not fit is left out. */
static char line[3072];
static long used;

static void say(const char *text)
{
    while (*text && used < (long)sizeof line - 1) line[used++] = *text++;
}

static void say_number(u64 value)
{
    char digits[24];
    int n = sizeof digits - 1;
    digits[n] = 0;
    do digits[--n] = '0' + value % 10;
    while (value /= 10);
    say(digits + n);
}

static void print(void)
{
    call(WRITE, 1, (long)line, used, 0, 0);
    used = 0;
}

/* ---- the end ---- */

static void power_off(void)
{
    struct { long s, ns; } moment = {0, 200000000}; /* lets the serial line drain */
    call(NANOSLEEP, (long)&moment, 0, 0, 0, 0);
    call(REBOOT, 0xfee1dead, 672274793, 0x4321fedc, 0, 0);
    for (;;) call(NANOSLEEP, (long)&moment, 0, 0, 0, 0);
}

#ifdef BARE

void begin(void)
{
    say("casemate-event {\"kind\":\"ready\",\"station\":\"boot\",\"note\":\"bare\"}\n");
    print();
    power_off();
}

#else

static void fail(const char *what, const char *which, long error)
{
    say("casemate-event {\"kind\":\"failed\",\"station\":\"boot\",\"note\":\"initrd: ");
    say(what);
    say(" ");
    say(which);
    if (error < 0) {
        say(": error ");
        say_number(-error);
    }
    say("\"}\n");
    print();
    power_off();
}

static void refuse(const char *got, const char *expected, const char *remedy)
{
    say("casemate-event {\"kind\":\"refused\",\"station\":\"boot\",\"refusal\":{\"step\":\"boot\","
        "\"claim\":\"root file system\",\"got\":\"");
    say(got);
    say("\",\"expected\":\"");
    say(expected);
    say("\",\"rule\":\"dm-verity root hash on the measured kernel command line\",\"remedy\":\"");
    say(remedy);
    say("\"}}\n");
    print();
    power_off();
}

/* ---- files ---- */

static long read_file(const char *path, char *into, long size)
{
    long file = call(OPEN, (long)path, O_RDONLY, 0, 0, 0), n = 0, got;
    if (file < 0) return file;
    while (n < size - 1 && (got = call(READ, file, (long)into + n, size - 1 - n, 0, 0)) > 0) n += got;
    call(CLOSE, file, 0, 0, 0, 0);
    into[n] = 0;
    return n;
}

static void write_file(const char *path, const char *text)
{
    long file = call(OPEN, (long)path, O_WRONLY, 0, 0, 0), error = file;
    if (file >= 0) error = call(WRITE, file, (long)text, length(text), 0, 0);
    if (error < 0) fail("cannot write", path, error);
    call(CLOSE, file, 0, 0, 0, 0);
}

static void mount(const char *what, const char *where, const char *type, long flags, const char *options)
{
    long error;
    call(MKDIR, (long)where, 0755, 0, 0, 0);
    error = call(MOUNT, (long)what, (long)where, (long)type, flags, (long)options);
    if (error < 0) fail("cannot mount", where, error);
}

static char commandline[4096];

/* The value of a parameter: at most size-1 characters, lower-case hex or decimal only. */
static void parameter(const char *name, char *into, long size)
{
    const char *at = commandline;
    long n = length(name), i;
    for (; *at; at++) {
        for (i = 0; i < n && at[i] == name[i]; i++) {}
        if (i < n || (at != commandline && at[-1] != ' ')) continue;
        for (at += n, i = 0; i < size - 1; i++) {
            char c = at[i];
            if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) break;
            into[i] = c;
        }
        into[i] = 0;
        if (i) return;
    }
    refuse("kernel command line without a verity parameter", name, "boot the image as it was built");
}

/* Size of a module without the signature that its builder appended: the signature, 12 bytes of which the
 * last four give its size (big-endian), a mark (Linux, scripts/sign-file.c). */
static long without_signature(const char *module, long size)
{
    static const char mark[] = "~Module signature appended~\n";
    const char *end = module + size - (sizeof mark - 1);
    u32 signature = 0;
    long i, rest;
    if (size < 12 + (long)sizeof mark) return size;
    for (i = 0; mark[i]; i++)
        if (end[i] != mark[i]) return size;
    for (i = -4; i < 0; i++) signature = signature << 8 | (unsigned char)end[i];
    rest = end - 12 - module;
    return signature < rest ? rest - signature : size;
}

/* Loads a module. Its signature says nothing that is not known, since it comes from a file system that is
 * measured or verified, and costs more than all else about it: the kernel hashes the whole file again and
 * does RSA with 4096 bits. A kernel that insists on signatures (Secure Boot) says so and gets it. */
static long load_module(const char *name)
{
    static char module[1 << 20];
    long size = read_file(name, module, sizeof module), error;
    if (size < 0) return size;
    error = call(INIT_MODULE, (long)module, without_signature(module, size), (long)"", 0, 0);
    if (error == -EPERM || error == -EKEYREJECTED)
        error = call(INIT_MODULE, (long)module, size, (long)"", 0, 0);
    return error;
}

/* Loads the files named in a list, one a line, and drops them: they were in memory, or stay on a
 * disk that is read-only. */
static void load_modules(const char *from)
{
    static char list[LIST];
    char *name = list, *end;
    if (read_file(from, list, sizeof list) < 0) fail("cannot read", from, 0);
    for (; *name; name = end + 1) {
        long error;
        for (end = name; *end != '\n'; end++) {}
        *end = 0;
        error = load_module(name);
        if (error < 0 && error != -EEXIST) fail("cannot load", name, error);
        call(UNLINK, (long)name, 0, 0, 0, 0);
    }
}

static char disk[] = "/dev/vd?";

/* Whether there is a disk with this serial; if so, disk names it. */
static int is_there(const char *wanted)
{
    char path[] = "/sys/block/vd?/serial", serial[32], letter;
    long n;
    for (letter = 'a'; letter <= 'h'; letter++) {
        disk[7] = path[13] = letter;
        n = read_file(path, serial, sizeof serial);
        if (n > 0 && serial[n - 1] == '\n') serial[n - 1] = 0;
        if (n > 0 && same(serial, wanted)) return 1;
    }
    return 0;
}

static void find_disk(void)
{
    struct { long s, ns; } moment = {0, 10000000};
    int tries;
    for (tries = 0; tries < 500; tries++) {
        if (is_there("root")) return;
        call(NANOSLEEP, (long)&moment, 0, 0, 0, 0);
    }
    fail("found no disk with serial", "root", 0);
}

/* ---- device mapper: include/uapi/linux/dm-ioctl.h ---- */

struct request {
    u32 version[3], data_size, data_start, target_count, open_count, flags, event_nr, padding;
    u64 dev;
    char name[128], uuid[129], data[7];
    u64 sector_start, sectors;
    u32 status, next;
    char target[16];
    char parameters[512];
};
enum { DM_CREATE = 0xc138fd03, DM_SUSPEND = 0xc138fd06, DM_LOAD = 0xc138fd09 };
enum { DM_READONLY = 1, DM_SUSPENDED = 2, DM_SECURE = 1 << 15 }; /* the last: the kernel wipes its copies */

static struct request request;
static const char *asked_about; /* the kernel may overwrite the name in the request */

static void begin_request(const char *name)
{
    memset(&request, 0, sizeof request);
    request.version[0] = 4;
    request.data_size = sizeof request;
    request.data_start = 312;
    request.flags = DM_SECURE;
    memcpy(request.name, name, length(name) + 1);
    asked_about = name;
}

static void ask_mapper(u32 command)
{
    static long control;
    long error;
    if (!control) control = call(OPEN, (long)"/dev/mapper/control", O_RDWR | O_CLOEXEC, 0, 0, 0);
    if (control < 0) fail("cannot open", "/dev/mapper/control", control);
    error = call(IOCTL, control, command, (long)&request, 0, 0);
    if (error < 0) fail("device mapper refused", asked_about, error);
}

static char root_hash[HEX_DIGEST + 1], salt[HEX_DIGEST + 1], blocks[16];

static u64 number(const char *text)
{
    u64 value = 0;
    while (*text >= '0' && *text <= '9') value = value * 10 + (*text++ - '0');
    return value;
}

static char *after_space(char *text)
{
    while (*text && *text != ' ') text++;
    return *text ? text + 1 : text;
}

static void lay_verity(const char *more)
{
    begin_request("root");
    request.target_count = 1;
    request.flags |= DM_READONLY;
    request.sectors = number(blocks) * SECTORS_PER_BLOCK;
    memcpy(request.target, "verity", 7);
    used = 0;
    say("1 "), say(disk), say(" "), say(disk), say(" 4096 4096 "), say(blocks), say(" "), say(blocks);
    say(" blake2b-256 "), say(root_hash), say(" "), say(salt), say(more);
    line[used] = 0;
    memcpy(request.parameters, line, used + 1);
    used = 0;
    ask_mapper(DM_LOAD);
    begin_request("root");
    ask_mapper(DM_SUSPEND);
}

/* The first block is read once before anything trusts the device, so that a wrong root hash is
 * told in words; from then on a wrong block stops the machine at once. */
static void open_root(void)
{
    static char block[BLOCK];
    long device, n;
    parameter("casemate.verity=", root_hash, sizeof root_hash);
    parameter("casemate.salt=", salt, sizeof salt);
    parameter("casemate.blocks=", blocks, sizeof blocks);
    begin_request("root");
    ask_mapper(DM_CREATE);
    lay_verity("");
    device = call(OPEN, (long)"/dev/dm-0", O_RDONLY, 0, 0, 0);
    n = call(READ, device, (long)block, BLOCK, 0, 0);
    if (n == -EIO) refuse("dm-verity: root hash mismatch", root_hash, "the disk was changed after the build: deploy the image again");
    if (n != BLOCK) fail("cannot read", "the root file system", n);
    call(CLOSE, device, 0, 0, 0, 0);
    lay_verity(" 1 panic_on_corruption");
}

static void move_to_root(void)
{
    mount("/dev/dm-0", "/root", "erofs", MS_RDONLY | MS_NODEV, 0);
    mount("/dev", "/root/dev", 0, MS_MOVE, 0);
    mount("/proc", "/root/proc", 0, MS_MOVE, 0);
    mount("/sys", "/root/sys", 0, MS_MOVE, 0);
    call(CHDIR, (long)"/root", 0, 0, 0, 0);
    mount(".", "/", 0, MS_MOVE, 0);
    call(CHROOT, (long)".", 0, 0, 0, 0);
}

/* A fault reads 32 KiB around it where the kernel would read 128: of a library most is never used, and all
 * that is read is hashed and unpacked. A kernel that cannot be told reads more, and nothing is wrong. */
static void read_less_around(void)
{
    long file = call(OPEN, (long)"/sys/block/dm-0/queue/read_ahead_kb", O_RDWR, 0, 0, 0);
    call(WRITE, file, (long)"32\n", 3, 0, 0);
    call(CLOSE, file, 0, 0, 0, 0);
}

/* Begins a process beside the root's init, which starts on the first processor and shall have it alone: the
 * others are for this one. A machine with one processor refuses that, and they share it. Gives 0 in the new
 * process. */
static long fork_beside(void)
{
    static const u64 others = ~(u64)1;
    long process = call(FORK, 0, 0, 0, 0, 0);
    if (process < 0) fail("cannot fork", "beside the root's init", process);
    if (!process) call(SCHED_SETAFFINITY, 0, sizeof others, (long)&others, 0, 0);
    return process;
}

/* The root's init starts on one processor: meanwhile the other fetches, verifies and unpacks what will be
 * needed of some files, listed in the root in the order of their use: offset, bytes, path. One step at a
 * time, and each is waited for by reading its last byte: the kernel verifies with high priority on any
 * processor, so what is asked for at once goes before what init itself waits for. An image without the list,
 * or a file that cannot be read, is for init to find out: here nothing depends on it. */
static void read_ahead(void)
{
    static char list[LIST];
    char *line = list, *end, *name, byte;
    read_file("/usr/lib/casemate/ahead", list, sizeof list);
    for (; *line; line = end + 1) {
        u64 at = number(line), until;
        long file;
        for (end = line; *end != '\n'; end++) {}
        *end = 0;
        name = after_space(line);
        until = at + number(name);
        file = call(OPEN, (long)after_space(name), O_RDONLY, 0, 0, 0);
        while (at < until) {
            u64 step = until - at < STEP ? until - at : STEP;
            call(READAHEAD, file, at, step, 0, 0);
            at += step;
            call(PREAD, file, (long)&byte, 1, at - 1, 0);
        }
        call(CLOSE, file, 0, 0, 0, 0);
    }
}

/* Mounts what the root's init and its containers expect. */
static void mount_all(void)
{
    char path[] = "/sys/kernel/config";
    long there = call(OPEN, (long)path, O_RDONLY, 0, 0, 0);
    mount("securityfs", "/sys/kernel/security", "securityfs", HARD, 0);
    if (there >= 0) mount("configfs", path, "configfs", HARD, 0); /* reports of TDX, CCA */
    call(CLOSE, there, 0, 0, 0, 0);
    mount("devpts", "/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "ptmxmode=0666,mode=0620");
    mount("tmpfs", "/dev/shm", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777");
    mount("mqueue", "/dev/mqueue", "mqueue", HARD, 0);
    mount("tmpfs", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777");
}

/* Loads the modules for the root's device mapper and file system while others find the disks. Gives the
 * process; it ends with 0, or the machine does. */
static long load_beside(void)
{
    long process = fork_beside();
    if (process) return process;
    load_modules("/modules.beside");
    call(EXIT, 0, 0, 0, 0, 0);
    return 0;
}

/* Makes a control group that stays, empty: with the first that has memory, processors and a quota of them, the
 * kernel changes its own text (static keys, in the allocator and in the scheduler). QEMU's emulation, as of 7.2,
 * can keep the breakpoint that stands there for a moment, if the other processor runs through it just then, and
 * that processor meets it for ever. Here the other processor has nothing to do; later it had. */
static void settle_control_groups(void)
{
    mount("cgroup2", "/sys/fs/cgroup", "cgroup2", HARD, 0);
    write_file("/sys/fs/cgroup/cgroup.subtree_control", "+cpu +cpuset +memory");
    call(MKDIR, (long)"/sys/fs/cgroup/settled", 0755, 0, 0, 0);
    write_file("/sys/fs/cgroup/settled/cpu.max", "100000 100000");
}

/* Closes doors of the kernel that no pod needs; the host's serial line reaches the one of sysrq too. */
static void harden(void)
{
    write_file("/proc/sys/kernel/dmesg_restrict", "1");
    write_file("/proc/sys/kernel/kexec_load_disabled", "1");
    write_file("/proc/sys/kernel/kptr_restrict", "2");
    write_file("/proc/sys/kernel/sysrq", "0");
    write_file("/proc/sys/kernel/unprivileged_bpf_disabled", "1");
    write_file("/proc/sys/kernel/unprivileged_userns_clone", "0");
}

/* Readies the machine for the root's init while that starts, which takes one processor: loads the modules
 * that it needs; mounts; hardens. Gives the process; it ends with 0, or the machine does. */
static long ready_beside(void)
{
    long process = fork_beside();
    if (process) return process;
    call(SETPRIORITY, 0, 0, NICE, 0, 0);
    load_modules("/usr/lib/casemate/modules");
    mount_all();
    harden();
    call(EXIT, 0, 0, 0, 0, 0);
    return 0;
}

#include "scratch.c"

#ifdef DEBUG
static void open_shell(void)
{
    char *arguments[] = {"/usr/bin/busybox", "sh", "-i", 0}, *environment[] = {"PATH=/usr/sbin:/usr/bin", 0};
    if (call(FORK, 0, 0, 0, 0, 0)) return;
    call(SETSID, 0, 0, 0, 0, 0);
    call(EXECVE, (long)arguments[0], (long)arguments, (long)environment, 0, 0);
    fail("cannot start", arguments[0], 0);
}
#endif

static void name_process(char *variable, const char *name, long process)
{
    say(name), say_number(process);
    memcpy(variable, line, used);
    used = 0;
}

void begin(void)
{
    static char readying[40], sealing[40];
    char *arguments[] = {"/sbin/init", 0};
    char *environment[] = {"PATH=/usr/sbin:/usr/bin", "HOME=/", "LANG=C.UTF-8", readying, sealing, 0};
    long process;
    mount("devtmpfs", "/dev", "devtmpfs", MS_NOSUID, 0);
    mount("proc", "/proc", "proc", HARD, 0);
    mount("sysfs", "/sys", "sysfs", HARD, 0);
    if (read_file("/proc/cmdline", commandline, sizeof commandline) < 0) fail("cannot read", "/proc/cmdline", 0);
    process = load_beside();
    load_modules("/modules");
    call(WAIT4, process, 0, 0, 0, 0);
    settle_control_groups();
    find_disk();
    open_root();
    read_less_around();
    move_to_root();
    mount("tmpfs", "/run", "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755"); /* the scratch disk is mounted in it */
    name_process(readying, "CASEMATE_READYING=", ready_beside());
    name_process(sealing, "CASEMATE_SEALING=", read_and_seal_beside());
#ifdef DEBUG
    open_shell();
#endif
    fail("cannot start", arguments[0], call(EXECVE, (long)arguments[0], (long)arguments, (long)environment, 0, 0));
}

#endif
