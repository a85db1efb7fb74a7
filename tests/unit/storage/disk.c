/* disk: defines the calls in the executable, where the loader finds them before libc's. */
#include "tests/unit/storage/disk.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

static char broken_folder[256];
static _Atomic int broken_error;
static _Atomic unsigned broken_calls;
static _Atomic uint64_t free_bytes = UINT64_MAX;

void disk_break(const char *folder, int error, unsigned calls) {
    atomic_store(&broken_error, 0);
    snprintf(broken_folder, sizeof broken_folder, "%s", folder);
    atomic_store(&broken_calls, calls);
    atomic_store(&broken_error, error);
}

void disk_set_free(uint64_t bytes) {
    atomic_store(&free_bytes, bytes);
}

/* 0, or the errno this call on this file must fail with. */
static int breaks(int fd, unsigned call) {
    int error = atomic_load(&broken_error);
    if (!error || !(atomic_load(&broken_calls) & call)) return 0;
    char link[64], path[512];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t size = readlink(link, path, sizeof path - 1);
    if (size < 0) return 0;
    path[size] = '\0';
    return strncmp(path, broken_folder, strlen(broken_folder)) == 0 ? error : 0;
}

static long fail(int error) {
    errno = error;
    return -1;
}

ssize_t write(int fd, const void *data, size_t size) {
    int error = breaks(fd, DISK_WRITES);
    if (error == ENOSPC && size > 1) return syscall(SYS_write, fd, data, size / 2);
    return error ? fail(error) : syscall(SYS_write, fd, data, size);
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t at) {
    int error = breaks(fd, DISK_WRITES);
    return error ? fail(error) : syscall(SYS_pwrite64, fd, data, size, at);
}

ssize_t pwrite64(int fd, const void *data, size_t size, off_t at) {
    return pwrite(fd, data, size, at);
}

int posix_fallocate(int fd, off_t at, off_t size) {
    int error = breaks(fd, DISK_WRITES);
    return error ? error : syscall(SYS_fallocate, fd, 0, at, size) == 0 ? 0 : errno;
}

ssize_t pread(int fd, void *data, size_t size, off_t at) {
    int error = breaks(fd, DISK_READS);
    return error ? fail(error) : syscall(SYS_pread64, fd, data, size, at);
}

ssize_t pread64(int fd, void *data, size_t size, off_t at) {
    return pread(fd, data, size, at);
}

int fsync(int fd) {
    int error = breaks(fd, DISK_SYNCS);
    return (int)(error ? fail(error) : syscall(SYS_fsync, fd));
}

int fdatasync(int fd) {
    int error = breaks(fd, DISK_SYNCS);
    return (int)(error ? fail(error) : syscall(SYS_fdatasync, fd));
}

int statvfs(const char *path, struct statvfs *out) {
    struct statfs info;
    if (statfs(path, &info) != 0) return -1;
    uint64_t told = atomic_load(&free_bytes);
    if (told != UINT64_MAX) info.f_bavail = info.f_bfree = told / (uint64_t)info.f_bsize;
    *out = (struct statvfs){.f_bsize = (unsigned long)info.f_bsize,
                            .f_frsize = (unsigned long)info.f_bsize,
                            .f_blocks = info.f_blocks,
                            .f_bfree = info.f_bfree,
                            .f_bavail = info.f_bavail};
    return 0;
}
