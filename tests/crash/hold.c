/* hold: a library for LD_PRELOAD (or linked into a test) that remembers how to undo every change of
 * a data folder that was not synced yet. kill -9 alone proves nothing about power loss, since the
 * page cache survives it; after the kill, powerloss.c takes the folder back to what a disk would
 * have:
 *
 *     VECTRON_HOLD=data VECTRON_HOLD_JOURNAL=data.hold LD_PRELOAD=libhold.so vectron up
 *     kill -9 …; powerloss data.hold
 *
 * Model. The bytes of a file are durable once fsync or fdatasync of it returned (and were written
 * before the call). A name (created, renamed, removed) is durable once its folder was fsynced
 * after; syncing the file alone does not keep its name: stricter than ext4. Nothing else is
 * durable. VECTRON_HOLD_SWALLOW=1: syncs do nothing, which a durability test must notice.
 *
 * Limits. Not held: stdio (its writes do not pass here; opening a held file for writing by fopen
 * ends the process), shared writable mappings, attributes (mode, times), special files, io_uring.
 * Renaming and removing folders ends the process. One process a journal. Writes of held files are
 * serialised. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "tests/crash/held.h"

/* --- opening --------------------------------------------------------------------------------- */

static int open_held(int dirfd, const char *path, const char *full, int flags, mode_t mode) {
    held_lock();
    struct stat info;
    int keep = errno;
    bool is_there = lstat(full, &info) == 0;
    errno = keep;
    if (is_there && S_ISDIR(info.st_mode)) {
        held_unlock();
        return (int)syscall(SYS_openat, dirfd, path, flags, mode);
    }
    if (!is_there && flags & O_CREAT) held_before_entry(full);
    uint64_t id = is_there ? held_file(full) : 0;
    if (id && flags & O_TRUNC && info.st_size) {
        int fd = (int)syscall(SYS_openat, dirfd, path, O_RDONLY | O_CLOEXEC, 0);
        if (fd < 0) held_give_up("cannot keep a file that is cut", full);
        held_before_write(fd, id, 0, (uint64_t)info.st_size);
        syscall(SYS_close, fd);
    }
    int fd = (int)syscall(SYS_openat, dirfd, path, flags, mode);
    if (fd >= 0 && !is_there) held_file(full);
    held_unlock();
    return fd;
}

static int open_any(int dirfd, const char *path, int flags, mode_t mode) {
    char full[PATH_MAX];
    bool writes = (flags & O_ACCMODE) != O_RDONLY || flags & (O_CREAT | O_TRUNC);
    if ((flags & O_TMPFILE) == O_TMPFILE) writes = false;
    if (!writes || !held_path(dirfd, path, full))
        return (int)syscall(SYS_openat, dirfd, path, flags, mode);
    return open_held(dirfd, path, full, flags, mode);
}

#define MODE_OF(flags) \
    mode_t mode = 0; \
    if ((flags) & (O_CREAT | O_TMPFILE)) { \
        va_list args; \
        va_start(args, flags); \
        mode = (mode_t)va_arg(args, int); \
        va_end(args); \
    }

int open(const char *path, int flags, ...) {
    MODE_OF(flags)
    return open_any(AT_FDCWD, path, flags, mode);
}
int open64(const char *path, int flags, ...) {
    MODE_OF(flags)
    return open_any(AT_FDCWD, path, flags, mode);
}
int openat(int dirfd, const char *path, int flags, ...) {
    MODE_OF(flags)
    return open_any(dirfd, path, flags, mode);
}
int openat64(int dirfd, const char *path, int flags, ...) {
    MODE_OF(flags)
    return open_any(dirfd, path, flags, mode);
}
int creat(const char *path, mode_t mode) {
    return open_any(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode);
}
int creat64(const char *path, mode_t mode) {
    return open_any(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode);
}
/* What _FORTIFY_SOURCE makes of an open without mode. */
int __open_2(const char *path, int flags);
int __open_2(const char *path, int flags) {
    return open_any(AT_FDCWD, path, flags, 0);
}
int __open64_2(const char *path, int flags);
int __open64_2(const char *path, int flags) {
    return open_any(AT_FDCWD, path, flags, 0);
}

/* --- writing --------------------------------------------------------------------------------- */

enum { HERE = -1 }; /* as an offset: where the descriptor stands */

static uint64_t offset_of(int fd, off_t at, uint64_t *end) {
    struct stat info;
    fstat(fd, &info);
    *end = (uint64_t)info.st_size;
    if (fcntl(fd, F_GETFL) & O_APPEND) return *end;
    return at == HERE ? (uint64_t)lseek(fd, 0, SEEK_CUR) : (uint64_t)at;
}

static ssize_t write_held(int fd, uint64_t id, const struct iovec *parts, int n, off_t at) {
    uint64_t size = 0, end;
    for (int i = 0; i < n; i++)
        size += parts[i].iov_len;
    held_lock();
    uint64_t offset = offset_of(fd, at, &end);
    /* A gap before the write is filled with zeros: it changes as well. */
    uint64_t from = offset < end ? offset : end;
    held_before_write(fd, id, from, offset + size - from);
    ssize_t done =
        at == HERE ? syscall(SYS_writev, fd, parts, n) : syscall(SYS_pwritev, fd, parts, n, at, 0);
    if (done >= 0 && fcntl(fd, F_GETFL) & O_DSYNC && !held_swallows())
        held_synced(id, held_sequence());
    held_unlock();
    return done;
}

ssize_t write(int fd, const void *data, size_t size) {
    uint64_t id = held_descriptor(fd);
    if (!id) return syscall(SYS_write, fd, data, size);
    return write_held(fd, id, &(struct iovec){(void *)(uintptr_t)data, size}, 1, HERE);
}
ssize_t pwrite(int fd, const void *data, size_t size, off_t at) {
    uint64_t id = held_descriptor(fd);
    if (!id) return syscall(SYS_pwrite64, fd, data, size, at);
    return write_held(fd, id, &(struct iovec){(void *)(uintptr_t)data, size}, 1, at);
}
ssize_t pwrite64(int fd, const void *data, size_t size, off_t at) {
    return pwrite(fd, data, size, at);
}
ssize_t writev(int fd, const struct iovec *parts, int n) {
    uint64_t id = held_descriptor(fd);
    return id ? write_held(fd, id, parts, n, HERE) : syscall(SYS_writev, fd, parts, n);
}
ssize_t pwritev(int fd, const struct iovec *parts, int n, off_t at) {
    uint64_t id = held_descriptor(fd);
    return id ? write_held(fd, id, parts, n, at) : syscall(SYS_pwritev, fd, parts, n, at, 0);
}
ssize_t pwritev64(int fd, const struct iovec *parts, int n, off_t at) {
    return pwritev(fd, parts, n, at);
}
/* Callers fall back to reading and writing. */
ssize_t copy_file_range(int in, off_t *at_in, int out, off_t *at_out, size_t size, unsigned flags) {
    if (held_descriptor(out)) {
        errno = ENOSYS;
        return -1;
    }
    return syscall(SYS_copy_file_range, in, at_in, out, at_out, size, flags);
}

static int resize_held(int fd, uint64_t id, off_t size) {
    uint64_t end;
    held_lock();
    offset_of(fd, 0, &end);
    uint64_t low = (uint64_t)size < end ? (uint64_t)size : end;
    uint64_t high = (uint64_t)size < end ? end : (uint64_t)size;
    if (low != high) held_before_write(fd, id, low, high - low);
    int outcome = (int)syscall(SYS_ftruncate, fd, size);
    held_unlock();
    return outcome;
}
int ftruncate(int fd, off_t size) {
    uint64_t id = held_descriptor(fd);
    return id ? resize_held(fd, id, size) : (int)syscall(SYS_ftruncate, fd, size);
}
int ftruncate64(int fd, off_t size) {
    return ftruncate(fd, size);
}
int truncate(const char *path, off_t size) {
    int fd = open_any(AT_FDCWD, path, O_WRONLY | O_CLOEXEC, 0);
    if (fd < 0) return -1;
    int outcome = ftruncate(fd, size);
    syscall(SYS_close, fd);
    return outcome;
}
int truncate64(const char *path, off_t size) {
    return truncate(path, size);
}
/* With FALLOC_FL_KEEP_SIZE nothing is to be seen; without, the file may grow by zeros. */
int fallocate(int fd, int mode, off_t at, off_t size) {
    uint64_t id = held_descriptor(fd), end;
    if (!id || mode == 1) return (int)syscall(SYS_fallocate, fd, mode, at, size);
    if (mode != 0) held_give_up("fallocate mode is not held", "");
    held_lock();
    offset_of(fd, 0, &end);
    if ((uint64_t)(at + size) > end) held_before_write(fd, id, end, (uint64_t)(at + size) - end);
    int outcome = (int)syscall(SYS_fallocate, fd, mode, at, size);
    held_unlock();
    return outcome;
}
int fallocate64(int fd, int mode, off_t at, off_t size) {
    return fallocate(fd, mode, at, size);
}
int posix_fallocate(int fd, off_t at, off_t size) {
    return fallocate(fd, 0, at, size) == 0 ? 0 : errno;
}
int posix_fallocate64(int fd, off_t at, off_t size) {
    return posix_fallocate(fd, at, size);
}

/* --- names ----------------------------------------------------------------------------------- */

static bool is_folder(const char *path) {
    struct stat info;
    return lstat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

static int rename_any(int from_dir, const char *from, int to_dir, const char *to, unsigned flags) {
    char old[PATH_MAX], new[PATH_MAX];
    bool ours_from = held_path(from_dir, from, old), ours_to = held_path(to_dir, to, new);
    if (!ours_from && !ours_to)
        return (int)syscall(SYS_renameat2, from_dir, from, to_dir, to, flags);
    if (ours_from != ours_to) held_give_up("renamed across the border of the held folder", from);
    if (is_folder(old)) held_give_up("renaming folders is not held", from);
    held_lock();
    held_before_entry(new);
    held_before_entry(old);
    int outcome = (int)syscall(SYS_renameat2, from_dir, from, to_dir, to, flags);
    held_unlock();
    return outcome;
}
int rename(const char *from, const char *to) {
    return rename_any(AT_FDCWD, from, AT_FDCWD, to, 0);
}
int renameat(int from_dir, const char *from, int to_dir, const char *to) {
    return rename_any(from_dir, from, to_dir, to, 0);
}
int renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned flags) {
    return rename_any(from_dir, from, to_dir, to, flags);
}

static int unlink_any(int dirfd, const char *path, int flags) {
    char full[PATH_MAX];
    if (!held_path(dirfd, path, full)) return (int)syscall(SYS_unlinkat, dirfd, path, flags);
    if (flags & AT_REMOVEDIR) {
        if (is_folder(full)) held_give_up("removing folders is not held", path);
        return (int)syscall(SYS_unlinkat, dirfd, path, flags);
    }
    held_lock();
    if (held_file(full)) held_before_entry(full);
    int outcome = (int)syscall(SYS_unlinkat, dirfd, path, flags);
    held_unlock();
    return outcome;
}
int unlink(const char *path) {
    return unlink_any(AT_FDCWD, path, 0);
}
int unlinkat(int dirfd, const char *path, int flags) {
    return unlink_any(dirfd, path, flags);
}
int rmdir(const char *path) {
    return unlink_any(AT_FDCWD, path, AT_REMOVEDIR);
}
int remove(const char *path) {
    return unlink_any(AT_FDCWD, path, is_folder(path) ? AT_REMOVEDIR : 0);
}

int linkat(int from_dir, const char *from, int to_dir, const char *to, int flags) {
    char full[PATH_MAX];
    if (!held_path(to_dir, to, full))
        return (int)syscall(SYS_linkat, from_dir, from, to_dir, to, flags);
    held_lock();
    held_before_entry(full);
    int outcome = (int)syscall(SYS_linkat, from_dir, from, to_dir, to, flags);
    held_unlock();
    return outcome;
}
int link(const char *from, const char *to) {
    return linkat(AT_FDCWD, from, AT_FDCWD, to, 0);
}

int mkdirat(int dirfd, const char *path, mode_t mode) {
    char full[PATH_MAX];
    if (!held_path(dirfd, path, full)) return (int)syscall(SYS_mkdirat, dirfd, path, mode);
    held_lock();
    if (!is_folder(full)) held_before_folder(full);
    int outcome = (int)syscall(SYS_mkdirat, dirfd, path, mode);
    held_unlock();
    return outcome;
}
int mkdir(const char *path, mode_t mode) {
    return mkdirat(AT_FDCWD, path, mode);
}

/* --- syncing --------------------------------------------------------------------------------- */

static int sync_any(int fd, long call) {
    struct stat info;
    if (!held_active()) return (int)syscall(call, fd);
    if (held_swallows()) return 0;
    bool folder = fstat(fd, &info) == 0 && S_ISDIR(info.st_mode);
    char link[64], path[PATH_MAX], full[PATH_MAX];
    if (folder) {
        snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        ssize_t size = readlink(link, path, sizeof path - 3);
        if (size < 0) return (int)syscall(call, fd);
        memcpy(path + size, "/x", 3); /* a name inside: is it ours? */
        folder = held_path(AT_FDCWD, path, full);
        path[size] = '\0';
    }
    uint64_t id = folder ? 0 : held_descriptor(fd);
    held_lock();
    uint64_t upto = held_sequence();
    held_unlock();
    int outcome = (int)syscall(call, fd);
    if (outcome != 0 || (!id && !folder)) return outcome;
    held_lock();
    if (folder)
        held_synced_folder(path, upto);
    else
        held_synced(id, upto);
    held_unlock();
    return outcome;
}
int fsync(int fd) {
    return sync_any(fd, SYS_fsync);
}
int fdatasync(int fd) {
    return sync_any(fd, SYS_fdatasync);
}

static void sync_all(void) {
    if (!held_active() || held_swallows()) return;
    held_lock();
    held_synced_all(held_sequence());
    held_unlock();
}
void sync(void) {
    syscall(SYS_sync);
    sync_all();
}
int syncfs(int fd) {
    int outcome = (int)syscall(SYS_syncfs, fd);
    if (outcome == 0) sync_all();
    return outcome;
}

/* --- not held: said aloud -------------------------------------------------------------------- */

FILE *fdopen(int fd, const char *mode);
static FILE *open_stream(const char *path, const char *mode) {
    char full[PATH_MAX];
    bool writes = strpbrk(mode, "wa+") != NULL;
    if (writes && held_path(AT_FDCWD, path, full)) held_give_up("stdio is not held", path);
    int flags = strchr(mode, '+') ? O_RDWR : writes ? O_WRONLY : O_RDONLY;
    if (*mode == 'w') flags |= O_CREAT | O_TRUNC;
    if (*mode == 'a') flags |= O_CREAT | O_APPEND;
    if (strchr(mode, 'x')) flags |= O_EXCL;
    if (strchr(mode, 'e')) flags |= O_CLOEXEC;
    int fd = (int)syscall(SYS_openat, AT_FDCWD, path, flags, 0666);
    if (fd < 0) return NULL;
    FILE *stream = fdopen(fd, mode);
    if (!stream) syscall(SYS_close, fd);
    return stream;
}
FILE *fopen(const char *path, const char *mode) {
    return open_stream(path, mode);
}
FILE *fopen64(const char *path, const char *mode) {
    return open_stream(path, mode);
}
