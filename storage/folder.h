/* folder: makes data folders so that they survive power loss. */
#ifndef STORAGE_FOLDER_H
#define STORAGE_FOLDER_H

#include "runtime/status.h"

/* Makes the folder and its missing parents with mode 0700 and syncs each new name. OK when it is
 * there. INVALID (a file is in the way), IO, DISK_FULL, NO_MEMORY; kv_error says what. Blocks. */
MUST_USE enum status folder_make(const char *path);

#endif
