/* view: everything readers share with the writer. Lives as long as its last holder; the writer is
 * one of them (struct index, index.c). */
#ifndef INDEX_VIEW_H
#define INDEX_VIEW_H

#include <stdatomic.h>
#include <stdint.h>

#include "index/columns.h"
#include "index/epoch.h"
#include "index/graph.h"
#include "index/index.h"
#include "index/points.h"
#include "index/settle.h"
#include "index/store.h"
#include "index/tail.h"
#include "index/tuner.h"

struct index_view {
    _Atomic uint32_t holds;
    struct index_options options; /* defaults filled in */
    struct points points;
    struct graph graph;
    _Atomic(struct store *) store; /* owned; the current one */
    struct cells cells;
    struct tail tail;
    struct columns columns;
    struct tuning tuning;
    struct epoch epoch;
    _Atomic uint32_t n_free; /* slots that wait for a new point */
    struct settle settle;
    _Atomic uint64_t unverified; /* bytes that are still mapped from the file */
    atomic_bool damaged;         /* a page of it was bad */
};

/* The current store. Readers: once they entered an epoch, until they leave it. */
static inline struct store *view_store(const struct index_view *view) {
    return atomic_load_explicit(&view->store, memory_order_acquire);
}

/* The readers', which they enter and leave though the view is constant to them. */
static inline struct epoch *view_epoch(const struct index_view *view) {
    return &((struct index_view *)(uintptr_t)view)->epoch;
}

/* Fills in defaults; INVALID for values out of range. */
MUST_USE enum status view_options(const struct index_options *given, struct index_options *out);
/* An empty one, held once. Options as view_options gives them. */
MUST_USE enum status view_new(const struct index_options *options, struct index_view **out);
/* Memory for n slots in all. Appender. */
MUST_USE enum status view_grow(struct index_view *view, uint64_t n);

#endif
