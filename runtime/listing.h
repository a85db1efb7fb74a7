/* listing: opens a folder to read its names.
 *
 * In place of opendir, which opens its descriptor behind ThreadSanitizer's back: closing it then
 * counts as a race with whoever had the number before. */
#ifndef RUNTIME_LISTING_H
#define RUNTIME_LISTING_H

#include <dirent.h>

/* NULL: errno says why (ENOTDIR: it is a file). closedir ends it. */
DIR *listing_open(const char *path);

#endif
