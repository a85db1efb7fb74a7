/* paths: making folders. */
#ifndef CLI_PATHS_H
#define CLI_PATHS_H

#include <stdbool.h>

/* The folder (0700) and those above it (as the umask has it) that are not there. False: errno. */
bool paths_make(const char *path);

#endif
