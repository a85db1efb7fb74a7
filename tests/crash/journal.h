/* journal: what the shim (hold.c) writes down about a data folder so that a power loss can be
 * played after the process was killed (rollback.c).
 *
 * The folder VECTRON_HOLD_JOURNAL, on the same file system as the data and outside of it, holds
 *
 *     journal      records, appended before the operation they undo
 *     files/<id>   a hard link to every file that was touched: keeps its inode whatever happens to
 * its names
 *
 * A record is the header, the path (no NUL), then the old bytes. Records are written by one
 * write(2) each; a last one that is cut off belongs to an operation that was never begun. */
#ifndef TESTS_CRASH_JOURNAL_H
#define TESTS_CRASH_JOURNAL_H

#include <stdint.h>

enum record_kind {
    RECORD_WRITE =
        1,         /* id: bytes [offset, offset + size) are about to change; old_size; old bytes */
    RECORD_SYNC,   /* id: everything up to sequence `upto` is durable */
    RECORD_ENTRY,  /* path is about to change; it named file id (0: nothing) */
    RECORD_FOLDER, /* path is about to be made as a folder */
    RECORD_SYNC_FOLDER, /* names in folder `path` up to sequence `upto` are durable */
    RECORD_SYNC_ALL,    /* everything up to `upto` is durable */
};

enum { RECORD_MAGIC = 0x686f6c64 };

struct record {
    uint32_t magic;
    uint32_t kind;
    uint64_t sequence;
    uint64_t id;
    uint64_t offset;
    uint64_t size;
    uint64_t old_size;
    uint64_t upto;
    uint32_t path_bytes;
    uint32_t old_bytes;
};

#endif
