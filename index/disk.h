/* disk: what files need besides reads and writes. */
#ifndef INDEX_DISK_H
#define INDEX_DISK_H

#include "runtime/status.h"

/* errno of a call that writes: DISK_FULL, or IO. */
enum status disk_status(void);
/* The name of a file is durable once its folder is. IO, NO_MEMORY. */
MUST_USE enum status disk_sync_folder(const char *path);

#endif
