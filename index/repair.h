/* repair: takes removed points out of the graph, in batches (FreshDiskANN's consolidation: Singh et
 * al. 2021, on an HNSW).
 *
 *     REST ──enough were removed──▶ DETACH ──▶ SWEEP ──▶ GRACE ──▶ REST
 *
 *     DETACH  each node of the batch leaves the tree; its children get new parents
 *     SWEEP   every row with edges to detached nodes gets near ones of their neighbours instead,
 *             which lead back to it
 *     GRACE   once no reader can hold a detached slot any more, the slots are free
 *
 * Until then a removed point is still walked through, just never returned. One pass over the rows
 * finds every edge to the batch, so nothing is left behind and no list of in-edges is kept; a
 * sixteenth of the graph being removed pays for the pass. Linking goes on in between. Linker. */
#ifndef INDEX_REPAIR_H
#define INDEX_REPAIR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "index/graph.h"
#include "runtime/status.h"

struct linker;

enum repair_phase { REPAIR_REST, REPAIR_DETACH, REPAIR_SWEEP, REPAIR_GRACE };

struct repair {
    enum repair_phase phase;
    uint32_t waiting; /* first of the removed for the next batch */
    uint32_t n_waiting;
    uint32_t batch;           /* first of the batch at work */
    uint32_t cursor;          /* DETACH, GRACE: next of the batch; SWEEP: next slot */
    uint64_t epoch;           /* GRACE: when the batch was out of every row */
    struct graph_entry entry; /* SWEEP: the highest node met, should the entry leave */
};

void repair_init(struct repair *repair);
/* Takes note of removals the appender handed over. */
void repair_collect(struct linker *linker);
/* A point left the tail removed: it has no edges, but readers may know its slot. */
void repair_skip(struct linker *linker, uint32_t slot);
/* Is there something a step could do now? */
bool repair_has_work(const struct linker *linker);
/* One small unit: a node, or some rows. Spends at least one distance. */
MUST_USE enum status repair_step(struct linker *linker);
/* A node was linked; it may have to be the entry. */
void repair_saw(struct repair *repair, struct graph_entry node);

#endif
