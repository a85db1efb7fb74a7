/* bulk: links many waiting points on several threads (batches as in ParlayANN: Manohar et al.
 * 2024).
 *
 * A bulk ingest: open with tail_extra for all that will come, append without linking, each point
 * found by exact scans at once, and link everything here at the end.
 *
 *     next ─▶ SEARCH tasks ─▶ next ─▶ EDGES tasks ─▶ next ─▶ …
 *
 *     SEARCH  each point of a batch looks for its neighbours in the graph as it was, and writes its
 *             own rows, which nobody sees yet
 *     EDGES   rows of the graph get the edges back, each row by one task, in the order of the
 * points
 *
 * Between them `next`, alone, chooses parents (tree.h) and lets the points leave the tail. A batch
 * is a share of the graph, so the graph depends on the order of the points and on nothing else: not
 * on threads, nor on who ran which task. The readers and the appender go on meanwhile. */
#ifndef INDEX_BULK_H
#define INDEX_BULK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "index/index.h"

#ifdef __cplusplus
extern "C" {
#endif

struct index_bulk;
/* Would a build begin a batch now? Else there is other work, or the tail is too small for one. The
 * linker's. */
bool index_bulk_pays(struct index *index);
/* The linker's, until it is closed, as index_link_step. NO_MEMORY. */
MUST_USE enum status index_bulk_open(struct index *index, struct index_bulk **out);
/* Not while tasks run. Before a next that gave no tasks only index_close may follow. NULL is fine.
 */
void index_bulk_close(struct index_bulk *bulk);

/* For a thread that has no time: a next does nothing that takes long, so batches have at most
 * `most` points, and recoding is left to index_link_step. 0: no batch begins any more. The
 * linker's. */
void index_bulk_bound(struct index_bulk *bulk, uint32_t most);
/* All tasks of before are done. *n_tasks are to be run now, each once, on any threads; 0: the tail
 * is too small for a batch, or there is other work: index_link_step. Only then may another call of
 * the linker be made, a save too. NO_MEMORY. */
MUST_USE enum status index_bulk_next(struct index_bulk *bulk, uint32_t *n_tasks);

/* Scratch of one thread. */
struct index_bulk_worker;
MUST_USE enum status index_bulk_worker_open(struct index_bulk *bulk,
                                            struct index_bulk_worker **out);
void index_bulk_worker_close(struct index_bulk_worker *worker); /* NULL is fine */
/* NO_MEMORY is remembered: the points of the task are linked one by one by the next. */
void index_bulk_run(struct index_bulk_worker *worker, uint32_t task);

#ifdef __cplusplus
}
#endif

#endif
