/* held: files are known by device and inode, so that descriptors, duplicates and renamed files are
 * the same file. Only raw system calls here: the libc names are what hold.c defines. */
#include "tests/crash/held.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "tests/crash/journal.h"

enum { EXIT_GAVE_UP = 97, FILES_MAX = 1 << 16, COPY_MAX = 1 << 30 };

struct file {
    dev_t device;
    ino_t inode;
    uint64_t id; /* 0: free slot */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char root[PATH_MAX]; /* canonical; "" = nothing is held */
static const char *folder;  /* of the journal */
static bool swallows;
static int journal = -1;
static uint64_t sequence;
static struct file files[FILES_MAX]; /* open addressing; nothing is ever taken out */
static uint64_t n_files;

void held_give_up(const char *why, const char *what) {
    dprintf(STDERR_FILENO, "hold: %s: %s\n", why, what);
    syscall(SYS_exit_group, EXIT_GAVE_UP);
    __builtin_unreachable();
}

/* Before main, and not at the first call: sanitizers open files when there is no environment yet.
 */
__attribute__((constructor)) static void read_settings(void) {
    const char *held = getenv("VECTRON_HOLD");
    folder = getenv("VECTRON_HOLD_JOURNAL");
    swallows = getenv("VECTRON_HOLD_SWALLOW") != NULL;
    if (!held || !folder) return;
    if (!realpath(held, root)) held_give_up("the held folder is not there", held);
}

bool held_active(void) {
    return root[0] != '\0';
}

bool held_swallows(void) {
    return swallows;
}

void held_lock(void) {
    pthread_mutex_lock(&lock);
}

void held_unlock(void) {
    pthread_mutex_unlock(&lock);
}

/* --- paths ----------------------------------------------------------------------------------- */

bool held_path(int dirfd, const char *path, char *out) {
    if (!held_active() || !path || !*path) return false;
    int keep = errno;
    char full[PATH_MAX], parent[PATH_MAX];
    if (*path == '/' || dirfd == AT_FDCWD) {
        snprintf(full, sizeof full, "%s", path);
    } else {
        char link[64], base[PATH_MAX];
        snprintf(link, sizeof link, "/proc/self/fd/%d", dirfd);
        ssize_t size = readlink(link, base, sizeof base - 1);
        if (size < 0) return false;
        base[size] = '\0';
        snprintf(full, sizeof full, "%.*s/%.*s", PATH_MAX / 2, base, PATH_MAX / 2 - 2, path);
    }
    for (size_t n = strlen(full); n > 1 && full[n - 1] == '/'; n--)
        full[n - 1] = '\0';
    char *slash = strrchr(full, '/');
    const char *name = slash ? slash + 1 : full;
    bool known;
    if (slash == full) {
        known = realpath("/", parent);
    } else {
        char *at = slash ? slash : full;
        char first = *at;
        *at = '\0';
        known = realpath(slash ? full : ".", parent);
        *at = first;
    }
    errno = keep;
    size_t length = strlen(root);
    if (!known || strncmp(parent, root, length) != 0) return false;
    if (parent[length] != '/' && parent[length] != '\0') return false;
    return snprintf(out, PATH_MAX, "%s/%s", parent, name) < PATH_MAX;
}

/* --- the journal ----------------------------------------------------------------------------- */

static void open_journal(void) {
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/files", folder);
    syscall(SYS_mkdirat, AT_FDCWD, folder, 0700);
    syscall(SYS_mkdirat, AT_FDCWD, path, 0700);
    snprintf(path, sizeof path, "%s/journal", folder);
    journal = (int)syscall(SYS_openat, AT_FDCWD, path,
                           O_CREAT | O_EXCL | O_WRONLY | O_APPEND | O_CLOEXEC, 0600);
    if (journal < 0) held_give_up("roll the last journal back first", path);
}

static void record(struct record *record, const char *path, const void *old) {
    if (journal < 0) open_journal();
    record->magic = RECORD_MAGIC;
    record->sequence = ++sequence;
    record->path_bytes = path ? (uint32_t)strlen(path) : 0;
    struct iovec parts[] = {{record, sizeof *record},
                            {(void *)(uintptr_t)path, record->path_bytes},
                            {(void *)(uintptr_t)old, record->old_bytes}};
    size_t size = parts[0].iov_len + parts[1].iov_len + parts[2].iov_len;
    int keep = errno;
    if (syscall(SYS_writev, journal, parts, 3) != (long)size)
        held_give_up("cannot write the journal", strerror(errno));
    errno = keep;
}

uint64_t held_sequence(void) {
    return sequence;
}

void held_synced(uint64_t id, uint64_t upto) {
    record(&(struct record){.kind = RECORD_SYNC, .id = id, .upto = upto}, NULL, NULL);
}

void held_synced_folder(const char *path, uint64_t upto) {
    record(&(struct record){.kind = RECORD_SYNC_FOLDER, .upto = upto}, path, NULL);
}

void held_synced_all(uint64_t upto) {
    record(&(struct record){.kind = RECORD_SYNC_ALL, .upto = upto}, NULL, NULL);
}

/* --- files ----------------------------------------------------------------------------------- */

static struct file *find(const struct stat *info) {
    size_t at = (size_t)(info->st_ino * 0x9e3779b97f4a7c15u >> 40) % FILES_MAX;
    while (files[at].id && (files[at].inode != info->st_ino || files[at].device != info->st_dev))
        at = (at + 1) % FILES_MAX;
    return &files[at];
}

uint64_t held_file(const char *path) {
    struct stat info;
    int keep = errno;
    if (lstat(path, &info) != 0 || !S_ISREG(info.st_mode)) {
        errno = keep;
        return 0;
    }
    struct file *file = find(&info);
    if (file->id) return file->id;
    if (journal < 0) open_journal();
    if (n_files == FILES_MAX / 2) held_give_up("too many files", path);
    char link[PATH_MAX];
    snprintf(link, sizeof link, "%s/files/%llu", folder, (unsigned long long)n_files + 1);
    if (syscall(SYS_linkat, AT_FDCWD, path, AT_FDCWD, link, 0) != 0)
        held_give_up("cannot link a held file", strerror(errno));
    *file = (struct file){.device = info.st_dev, .inode = info.st_ino, .id = ++n_files};
    errno = keep;
    return file->id;
}

uint64_t held_descriptor(int fd) {
    struct stat info;
    if (!held_active() || journal < 0) return 0; /* no held file was opened yet */
    int keep = errno;
    bool regular = fstat(fd, &info) == 0 && S_ISREG(info.st_mode);
    errno = keep;
    return regular ? find(&info)->id : 0;
}

/* --- what is about to change ----------------------------------------------------------------- */

/* Reads through a descriptor of its own: the caller's may be write-only. */
static void *old_bytes(uint64_t id, uint64_t offset, uint64_t size) {
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/files/%llu", folder, (unsigned long long)id);
    int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
    char *bytes = size <= COPY_MAX ? malloc(size) : NULL;
    if (fd < 0 || !bytes) held_give_up("cannot keep old bytes", path);
    for (uint64_t done = 0; done < size;) {
        ssize_t n = pread(fd, bytes + done, size - done, (off_t)(offset + done));
        if (n <= 0) held_give_up("cannot read old bytes", path);
        done += (uint64_t)n;
    }
    syscall(SYS_close, fd);
    return bytes;
}

void held_before_write(int fd, uint64_t id, uint64_t offset, uint64_t size) {
    struct stat info;
    if (fstat(fd, &info) != 0) held_give_up("cannot look at a held file", strerror(errno));
    uint64_t old_size = (uint64_t)info.st_size;
    uint64_t end = offset + size < old_size ? offset + size : old_size;
    struct record undo = {.kind = RECORD_WRITE,
                          .id = id,
                          .offset = offset,
                          .size = size,
                          .old_size = old_size,
                          .old_bytes = end > offset ? (uint32_t)(end - offset) : 0};
    void *old = undo.old_bytes ? old_bytes(id, offset, undo.old_bytes) : NULL;
    record(&undo, NULL, old);
    free(old);
}

void held_before_entry(const char *path) {
    record(&(struct record){.kind = RECORD_ENTRY, .id = held_file(path)}, path, NULL);
}

void held_before_folder(const char *path) {
    record(&(struct record){.kind = RECORD_FOLDER}, path, NULL);
}
