/* tail: the points appended and not linked yet, oldest first. A bounded ring between appender and
 * linker; a reader copies it when its search starts and scans the copy exactly. */
#ifndef INDEX_TAIL_H
#define INDEX_TAIL_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "index/cells.h"
#include "runtime/status.h"

struct tail {
    _Atomic(struct cell *) *ring; /* owned */
    uint32_t mask;                /* ring size - 1 */
    uint32_t limit;               /* points the tail may hold */
    _Atomic uint64_t head;        /* first not linked; the linker's */
    _Atomic uint64_t end;         /* after the last published; the appender's */
    _Atomic uint64_t reserved;    /* after the last that is being written */
};

MUST_USE enum status tail_init(struct tail *tail, uint32_t limit);
void tail_reset(struct tail *tail);
/* Any thread; exact for the appender, who is the one to make it smaller. */
size_t tail_room(const struct tail *tail);
/* Any thread: points held. */
size_t tail_size(const struct tail *tail);
/* Appender: publishes n cells at once; they must fit. */
void tail_push(struct tail *tail, struct cell *const *cells, size_t n);
/* Linker: the oldest one, NULL when empty; it stays until tail_pop. */
struct cell *tail_first(const struct tail *tail);
void tail_pop(struct tail *tail);
/* Reader: copies the tail; `out` has room for tail->limit. Everything that had left the tail by
 * then is in the graph for whoever looks there afterwards. */
size_t tail_copy(const struct tail *tail, struct cell **out);

#endif
