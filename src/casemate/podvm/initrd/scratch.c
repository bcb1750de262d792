/* The scratch disk: the host's sectors, encrypted and authenticated with a key that dies with the machine.
 *
 * dm-integrity keeps a tag for each 4096-byte block, dm-crypt seals the block and its number into it. A
 * changed block is an I/O error. An old block put back in its old place is not noticed: the disk is written
 * once per pod, and what is read back is what this pod wrote.
 *
 * The cipher is AEGIS-128 with a random 16-byte nonce and a 16-byte tag for each block: the fastest by far of
 * what Debian's kernel has, with AES instructions and without (emulated, it writes 27 and reads 56 MB/s,
 * where HMAC-SHA-256 over AES-XTS does 16 and 20, AES-GCM 15 and 16).
 *
 * Part of init.c.
 */

enum { CIPHER_KEY = 16, SUPERBLOCK = 24, FIRST_READ = 4 * BLOCK };
enum { SEALED = 0, ABSENT = 3 }; /* exit status, as guest/storage/sealing.py reads it */
#define INTEGRITY " 0 32 D 2 block_size:4096 journal_sectors:1"
#define TARGET "/run/kata-containers/image"
/* Tables of inodes are written nowhere but where an inode is: 16 MB less to seal for every pod. Nobody reads
 * the rest of them: the kernel takes a block of a table for empty when the bitmap says that no inode of it is
 * in use, and writes it whole with the first that is (fs/ext4/inode.c). */
#define WITHOUT_TABLES "num_backup_sb=0,nodiscard,lazy_itable_init=1"

static void wipe_beginning(const char *device, long size)
{
    static const char zeros[FIRST_READ];
    long file = call(OPEN, (long)device, O_WRONLY, 0, 0, 0), written = file;
    if (file >= 0) written = call(WRITE, file, (long)zeros, size, 0, 0);
    if (written == size && call(FSYNC, file, 0, 0, 0, 0) < 0) written = -EIO;
    if (written != size) fail("cannot write to", device, written);
    call(CLOSE, file, 0, 0, 0, 0);
}

/* Gives a device the one-target table whose parameters stand in line. A key may be among them, and line is
 * what is told if this fails: so it is empty before the kernel is asked. */
static void load_table(const char *name, const char *kind, u64 sectors)
{
    begin_request(name);
    request.target_count = 1;
    request.sectors = sectors;
    memcpy(request.target, kind, length(kind) + 1);
    line[used] = 0;
    memcpy(request.parameters, line, used + 1);
    memset(line, 0, used);
    used = 0;
    ask_mapper(DM_LOAD);
    memset(&request, 0, sizeof request);
}

static void create(const char *name)
{
    begin_request(name);
    ask_mapper(DM_CREATE);
}

static void set_suspended(const char *name, u32 flags)
{
    begin_request(name);
    request.flags |= flags;
    ask_mapper(DM_SUSPEND);
}

/* Node of the device that the last request was about; its number is huge_encode_dev's. */
static void node_of(char *node)
{
    say("/dev/dm-"), say_number((request.dev & 0xff) | (request.dev >> 12 & 0xfff00));
    memcpy(node, line, used);
    node[used] = 0;
    used = 0;
}

/* How many sectors of 512 bytes dm-integrity offers, in whole blocks; it writes that into its superblock:
 * "integrt\0", 8 bytes of other facts, the number (little-endian). */
static u64 provided_sectors(void)
{
    static union { char bytes[SUPERBLOCK]; u64 numbers[SUPERBLOCK / 8]; } superblock;
    long file = call(OPEN, (long)disk, O_RDONLY, 0, 0, 0);
    long n = call(READ, file, (long)superblock.bytes, SUPERBLOCK, 0, 0);
    u64 sectors = superblock.numbers[2];
    call(CLOSE, file, 0, 0, 0, 0);
    if (n != SUPERBLOCK || !same(superblock.bytes, "integrt") || sectors < SECTORS_PER_BLOCK
        || sectors > (u64)1 << 37)
        fail("found no superblock of dm-integrity on", disk, n);
    return sectors / SECTORS_PER_BLOCK * SECTORS_PER_BLOCK;
}

static void say_random_hex(long bytes)
{
    unsigned char random[64];
    long i, n = call(GETRANDOM, (long)random, bytes, 0, 0, 0);
    if (n != bytes) fail("cannot make", "a key", n);
    for (i = 0; i < bytes; i++) {
        char digits[3] = {"0123456789abcdef"[random[i] >> 4], "0123456789abcdef"[random[i] & 15], 0};
        say(digits);
    }
    memset(random, 0, sizeof random);
}

/* Mode D: tags without a journal; the data dies with the machine, so a torn write costs nothing. A journal
 * has its place even so, is written, read back and kept in memory, as large as a hundredth of the disk. One
 * sector asks for the smallest. Without a superblock dm-integrity formats anew, whatever size is asked for. */
static u64 lay_integrity(void)
{
    u64 sectors;
    wipe_beginning(disk, BLOCK);
    create("scratch-tags");
    say(disk), say(INTEGRITY);
    load_table("scratch-tags", "integrity", SECTORS_PER_BLOCK);
    set_suspended("scratch-tags", 0);
    sectors = provided_sectors();
    say(disk), say(INTEGRITY);
    load_table("scratch-tags", "integrity", sectors);
    set_suspended("scratch-tags", DM_SUSPENDED);
    set_suspended("scratch-tags", 0);
    return sectors;
}

/* The key is random, goes to the kernel in a buffer that both sides wipe, and is kept nowhere. */
static void lay_encryption(const char *lower, u64 sectors)
{
    create("scratch");
    say("capi:aegis128-random "), say_random_hex(CIPHER_KEY), say(" 0 "), say(lower);
    say(" 0 2 integrity:32:aead sector_size:4096");
    load_table("scratch", "crypt", sectors);
    set_suspended("scratch", 0);
}

/* Under dm-integrity a sector that was never written fails its tag when it is read; so the blocks which
 * mke2fs reads first are written first. */
static void make_file_system(const char *device)
{
    char *arguments[] = {"mkfs.ext4", "-q", "-F", "-b", "4096", "-O", "^has_journal,^resize_inode,sparse_super2",
                         "-m", "0", "-i", "65536", "-E", WITHOUT_TABLES, (char *)device, 0};
    char *environment[] = {"LANG=C.UTF-8", 0};
    long process;
    int status = 0;
    wipe_beginning(device, FIRST_READ);
    process = call(FORK, 0, 0, 0, 0, 0);
    if (!process) {
        call(CLOSE, 0, 0, 0, 0, 0); /* with a terminal there mke2fs looks for an older file system all over */
        call(OPEN, (long)"/dev/null", O_RDONLY, 0, 0, 0);
        call(EXECVE, (long)"/usr/sbin/mke2fs", (long)arguments, (long)environment, 0, 0);
        call(EXIT, 127, 0, 0, 0, 0);
    }
    if (process > 0) process = call(WAIT4, process, (long)&status, 0, 0, 0);
    if (process < 0 || status) fail("mke2fs failed on", device, process);
}

/* Reads ahead what the root's init begins with; then seals the disk with the serial "scratch", if the machine
 * has one, and mounts it where images and the roots of containers lie. In this order: nothing waits for the
 * disk before an image is pulled. Gives the process; it ends with SEALED or ABSENT, or the machine does. */
static long read_and_seal_beside(void)
{
    static char lower[32], upper[32];
    u64 sectors;
    long process = fork_beside();
    if (process) return process;
    read_ahead();
    if (!is_there("scratch")) call(EXIT, ABSENT, 0, 0, 0, 0);
    load_modules("/usr/lib/casemate/modules.scratch");
    sectors = lay_integrity();
    node_of(lower);
    lay_encryption(lower, sectors);
    node_of(upper);
    make_file_system(upper);
    call(MKDIR, (long)"/run/kata-containers", 0755, 0, 0, 0);
    mount(upper, TARGET, "ext4", MS_NODEV | MS_NOATIME, "noinit_itable,no_prefetch_block_bitmaps");
    call(EXIT, SEALED, 0, 0, 0, 0);
    return 0;
}
