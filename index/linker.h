/* linker: the writer of the graph. Moves points from the tail into it, one at a time, and has the
 * removed ones taken out (repair.h). Single-threaded; shares the view with readers and appender. */
#ifndef INDEX_LINKER_H
#define INDEX_LINKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "index/handoff.h"
#include "index/recode.h"
#include "index/repair.h"
#include "index/select.h"
#include "index/tuner.h"
#include "index/view.h"
#include "index/walk.h"

struct linker {
    struct index_view *view; /* borrowed; the index holds it */
    struct handoff removed;  /* from the appender */
    struct handoff freed;    /* to the appender */
    uint32_t root;           /* of the tree */
    struct walk walk;
    struct candidate *candidates; /* owned; room for a walk's pool or a repair */
    size_t candidates_room;
    uint64_t distances; /* computed in all: what budgets are spent on */
    struct repair repair;
    struct recode recode;
    struct tuner tuner;
    uint32_t n_turns;   /* of work that comes before the tuner's */
    int64_t balance;    /* distances that linking is ahead of repairing */
    atomic_bool saving; /* cells, stores and slots are not freed; pages are kept for it (slots.h) */
};

void linker_init(struct linker *linker, struct index_view *view);
void linker_reset(struct linker *linker);
MUST_USE enum status linker_step(struct linker *linker, size_t budget, bool *idle);

/* The steps of linking a point, for bulk.h too: vector and empty rows; its own rows, chosen among
 * the points found from `entry` on; parent and the edges towards it; and that it is linked. The
 * second may run for many points at once, on linkers of their own, as may linker_add_edge for
 * different rows. */
MUST_USE enum status linker_place(struct linker *linker, const struct cell *cell);
MUST_USE enum status
linker_find_rows(struct linker *linker, uint32_t slot, struct graph_entry entry);
MUST_USE enum status linker_connect(struct linker *linker, uint32_t slot);
void linker_linked(struct linker *linker, uint32_t slot);

/* For repair. Adds an edge; a full row is pruned, its tree edges stay. */
void linker_add_edge(struct linker *linker, uint32_t from, uint32_t to, unsigned level);
/* Hangs a node below another: both edges and the parent. */
void linker_attach(struct linker *linker, uint32_t slot, uint32_t parent);
/* Finds the ef_construction points nearest to a linked or new slot, from `from` on `level`; they
 * are in walk.pool then. */
MUST_USE enum status
linker_explore(struct linker *linker, uint32_t slot, uint32_t from, unsigned level);
MUST_USE enum status linker_reserve(struct linker *linker, size_t n_candidates);

#endif
