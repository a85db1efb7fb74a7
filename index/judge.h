/* judge: looks at what an opened file says. The sums catch accidents; beyond them every edge, level
 * and parent is judged before the linker follows it, so that no file, however made, can do worse
 * than be CORRUPT or lead to odd neighbours. In steps; the linker does nothing else before. Finds
 * the free rows above level 0 on the way. */
#ifndef INDEX_JUDGE_H
#define INDEX_JUDGE_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/status.h"

struct linker;

struct judge {
    bool open;
    uint32_t n_slots; /* of the file */
    uint32_t n_upper;
    uint32_t cursor;
    bool tree;            /* rows are done */
    uint8_t *used;        /* owned; rows above level 0 that a node has */
    bool *ended;          /* owned; the way up from this node is known to end */
    uint16_t *n_children; /* owned */
};

void judge_reset(struct judge *judge);
/* Looks at about so many nodes; *done after the last. The linker has all pages (settle.h), the
 * appender woke. CORRUPT, NO_MEMORY. */
MUST_USE enum status
judge_step(struct judge *judge, struct linker *linker, uint32_t n_nodes, bool *done);

#endif
