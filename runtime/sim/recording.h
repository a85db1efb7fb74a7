/* recording: the turns in a file of `vectron record`, in their order. Private to runtime/sim. */
#ifndef RUNTIME_SIM_RECORDING_H
#define RUNTIME_SIM_RECORDING_H

#include "runtime/arena.h"
#include "runtime/buffer.h"
#include "runtime/status.h"
#include "schemas/sys.pb-c.h"

struct recording {
    struct arena arena;
    const SysMessage **turns; /* owned array, in the arena each */
    size_t n, room;
    struct buffer disk;  /* owned: what the actor had on its disk … */
    uint64_t disk_size;  /* … of which there was so much */
    const char *refused; /* why there is none of it; in the arena */
};

/* INVALID, with words in why (512 bytes); NO_MEMORY. Freed with recording_free also then. */
MUST_USE enum status
recording_read(struct recording *recording, const void *bytes, size_t size, char why[512]);
void recording_free(struct recording *recording);
/* The message type's op; 0: there is none of that name. */
uint32_t recording_op(const char *message);

#endif
