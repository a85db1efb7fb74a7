/* disk: makes the system calls of this process fail on regular files below one folder, as a full or
 * a broken disk does. */
#ifndef TESTS_UNIT_STORAGE_DISK_H
#define TESTS_UNIT_STORAGE_DISK_H

#include <stdint.h>

enum disk_calls { DISK_WRITES = 1, DISK_SYNCS = 2, DISK_READS = 4 };
/* These calls fail with `error` (errno) from now on; error 0: all is well. Writes of a full disk
 * fail half way. */
void disk_break(const char *folder, int error, unsigned calls);
/* What the disk says is free, in bytes; UINT64_MAX: the truth. */
void disk_set_free(uint64_t bytes);

#endif
