/* disk: errors of the disk that callers tell apart, and folders. */
#include "index/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "runtime/memory.h"
#include "runtime/poison.h"

enum status disk_status(void) {
    return errno == ENOSPC || errno == EDQUOT ? STATUS_DISK_FULL : STATUS_IO;
}

enum status disk_sync_folder(const char *path) {
    const char *slash = strrchr(path, '/');
    char *folder = slash ? mem_copy(path, (size_t)(slash - path) + 2) : mem_string(".");
    if (!folder) return STATUS_NO_MEMORY;
    if (slash) folder[slash - path + 1] = '\0';
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    mem_free(folder);
    if (fd < 0) return STATUS_IO;
    enum status s = fsync(fd) == 0 ? STATUS_OK : STATUS_IO;
    (void)close(fd);
    return s;
}
