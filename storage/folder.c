/* folder: mkdir -p with mode 0700, each new name synced in its parent: a folder whose name is lost
 * takes everything that was synced inside with it. */
#include "storage/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/memory.h"
#include "storage/kv_engine.h"

#include "runtime/poison.h"

static enum status failed(const char *doing, const char *path) {
    enum status status = errno == ENOSPC || errno == EDQUOT ? STATUS_DISK_FULL : STATUS_IO;
    return kv_fail(status, "cannot %s folder %s: %s", doing, path, strerror(errno));
}

static enum status sync_folder(const char *path) {
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return failed("open", path);
    int outcome = fsync(fd);
    enum status s = outcome == 0 ? STATUS_OK : failed("sync", path);
    close(fd);
    return s;
}

/* `path` is cut at its last name while the parent is worked on, and whole again after. */
static enum status make(char *path) {
    struct stat info;
    if (stat(path, &info) == 0) {
        if (S_ISDIR(info.st_mode)) return STATUS_OK;
        return kv_fail(STATUS_INVALID, "%s is not a folder", path);
    }
    if (errno != ENOENT) return failed("look at", path);

    char *slash = strrchr(path, '/');
    bool has_parent = slash && slash != path;
    if (has_parent) {
        *slash = '\0';
        enum status s = make(path);
        *slash = '/';
        if (s != STATUS_OK) return s;
    }
    if (mkdir(path, 0700) != 0 && errno != EEXIST) return failed("make", path);
    if (!has_parent) return sync_folder(slash ? "/" : ".");
    *slash = '\0';
    enum status s = sync_folder(path);
    *slash = '/';
    return s;
}

enum status folder_make(const char *path) {
    if (!*path) return kv_fail(STATUS_INVALID, "the data folder has no name");
    char *copy = mem_string(path);
    if (!copy) return kv_fail(STATUS_NO_MEMORY, "no memory to make folder %s", path);
    for (size_t n = strlen(copy); n > 1 && copy[n - 1] == '/'; n--)
        copy[n - 1] = '\0';
    enum status s = make(copy);
    mem_free(copy);
    return s;
}
