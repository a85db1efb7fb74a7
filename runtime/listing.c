#include "runtime/listing.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

DIR *listing_open(const char *path) {
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return NULL;
    DIR *names = fdopendir(fd);
    if (names) return names;
    const int error = errno;
    close(fd);
    errno = error;
    return NULL;
}
