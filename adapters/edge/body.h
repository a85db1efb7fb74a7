/* body: the bytes of one message on its way in or out, counted against the process's budget. Large
 * ones come from a small pool: giving 20 MB back to the kernel and faulting them in again costs
 * three times the work that is done on them (edge.md 2.2). Any thread, one at a time. */
#ifndef EDGE_BODY_H
#define EDGE_BODY_H

#include <stddef.h>

#include "runtime/buffer.h"
#include "runtime/status.h"

struct body {
    unsigned char *data; /* owned */
    size_t size;
    size_t capacity; /* also what it holds of the budget */
    size_t promised; /* of it, promised to the watermark: allocated, but not in RAM yet */
};

/* Room for `more` bytes behind what is there. QUOTA: the budget has no room (nothing changed);
 * NO_MEMORY. */
MUST_USE enum status body_reserve(struct body *body, size_t more);
/* Exactly `size` bytes and no more will come: takes no spare room. */
MUST_USE enum status body_expect(struct body *body, size_t size);
MUST_USE enum status body_append(struct body *body, const void *data, size_t size);
/* Appends what the buffer holds; an empty body takes the buffer's memory over (and leaves it
 * empty). */
MUST_USE enum status body_adopt(struct body *body, struct buffer *buffer);
/* Nothing more will come: spare room stays unused. */
void body_whole(struct body *body);
/* Gives memory and budget back; a zeroed or freed body is fine. */
void body_free(struct body *body);
/* Frees what the pool keeps. For tests and the end of the process. */
void body_pool_drain(void);

#endif
