/* disk: makes the system calls of this process fail on regular files below one folder, as a full or
 * a broken disk does. */
#ifndef TESTS_UNIT_STORAGE_DISK_H
#define TESTS_UNIT_STORAGE_DISK_H

enum disk_calls { DISK_WRITES = 1, DISK_SYNCS = 2, DISK_READS = 4 };
/* These calls fail with `error` (errno) from now on; error 0: all is well. Writes of a full disk
 * fail half way. */
void disk_break(const char *folder, int error, unsigned calls);

#endif
