/* batch: see the header.
 *
 *     tail ──▶ store, 64 slots after 64 ──▶ done
 *       └──────────┴─▶ a chunk of rows, as large as half the nearest cache ─▶ every query
 *
 * As in a search the tail is copied first and its slots are not looked at again, so a point that is
 * linked meanwhile is seen once. */
#include "index/batch.h"

#include <float.h>
#include <string.h>

#include "index/best.h"
#include "index/view.h"
#include "index/visited.h"
#include "runtime/assert.h"
#include "runtime/memory.h"
#include "runtime/poison.h"

enum {
    CHUNK_BYTES = 16 * 1024, /* of rows that are held against all queries */
    CHUNK_MIN = 4,           /* rows, which kernels take at once */
    WORD = 64,               /* slots of a step */
};

struct index_batch {
    uint64_t points;               /* live when it began */
    uint64_t distances;            /* to each query */
    const struct index_view *view; /* held */
    uint64_t ticket;               /* of the epoch */
    const struct store *store;     /* current when it began */
    uint32_t n, k;
    const atomic_bool *cancel; /* borrowed */
    struct probe *probes;      /* owned; one a query */
    struct best *best;         /* owned; one a query */
    struct cell **tail;        /* owned; the copy */
    size_t n_tail, tail_at;
    struct visited visited; /* what is in the tail */
    uint32_t word, n_words; /* of live bits */
    float *spread;          /* owned; of codes: the coordinates of a chunk, coder.n each */
    float *queries;         /* owned; of codes: those of the queries */
    uint32_t chunk;         /* rows */
    struct index_hit *hits; /* owned; k */
};

static struct epoch *epoch_of(const struct index_batch *batch) {
    return (struct epoch *)(uintptr_t)&batch->view->epoch; /* counts, no more */
}

void index_batch_close(struct index_batch *batch) {
    if (!batch) return;
    epoch_leave(epoch_of(batch), batch->ticket);
    index_view_drop(batch->view);
    for (uint32_t q = 0; batch->best && q < batch->n; q++)
        best_reset(&batch->best[q]);
    for (uint32_t q = 0; batch->probes && q < batch->n; q++)
        probe_reset(&batch->probes[q]);
    visited_reset(&batch->visited);
    mem_free(batch->best);
    mem_free(batch->probes);
    mem_free((void *)batch->tail);
    mem_free(batch->spread);
    mem_free(batch->queries);
    mem_free(batch->hits);
    mem_free(batch);
}

static enum status prepare_queries(struct index_batch *batch, const char *vectors) {
    const struct metric *metric = &batch->view->points.metric;
    batch->probes = mem_zero(batch->n, sizeof *batch->probes);
    batch->best = mem_zero(batch->n, sizeof *batch->best);
    batch->hits = mem_alloc(batch->k * sizeof *batch->hits);
    if (!batch->probes || !batch->best || !batch->hits) return STATUS_NO_MEMORY;
    for (uint32_t q = 0; q < batch->n; q++) {
        const char *vector = vectors + (size_t)q * metric->dimension * sizeof(float);
        enum status s = probe_set(&batch->probes[q], metric, vector);
        if (s == STATUS_OK) s = best_begin(&batch->best[q], batch->k);
        if (s != STATUS_OK) return s;
        store_probe(batch->store, &batch->probes[q]);
        if (!batch->queries) continue;
        store_probe_coordinates(batch->store, &batch->probes[q],
                                batch->queries + (size_t)q * batch->store->coder.n);
    }
    return STATUS_OK;
}

static enum status prepare_scan(struct index_batch *batch) {
    const struct index_view *view = batch->view;
    size_t n_floats = view->points.metric.n_floats;
    batch->tail = (struct cell **)mem_alloc(view->tail.limit * sizeof *batch->tail);
    if (!batch->tail) return STATUS_NO_MEMORY;
    batch->n_tail = tail_copy(&view->tail, batch->tail);
    uint32_t n_slots = atomic_load_explicit(&view->points.n_slots, memory_order_acquire);
    batch->n_words = (n_slots + WORD - 1) / WORD;
    enum status s = visited_begin(&batch->visited, n_slots);
    for (size_t i = 0; s == STATUS_OK && i < batch->n_tail; i++)
        (void)visited_add(&batch->visited, batch->tail[i]->slot);
    if (s != STATUS_OK) return s;
    batch->store = view_store(view);
    size_t rows = CHUNK_BYTES / (n_floats * sizeof(float));
    batch->chunk = (uint32_t)(rows < CHUNK_MIN ? CHUNK_MIN : rows < WORD ? rows : WORD);
    if (!store_is_coded(batch->store)) return STATUS_OK;
    size_t bytes = batch->store->coder.n * sizeof(float);
    batch->spread = mem_aligned(KERNEL_ALIGN, batch->chunk * bytes);
    batch->queries = mem_aligned(KERNEL_ALIGN, batch->n * bytes);
    return batch->spread && batch->queries ? STATUS_OK : STATUS_NO_MEMORY;
}

enum status index_batch_open(const struct index_view *view,
                             const struct index_batch_query *query,
                             struct index_batch **out) {
    if (query->n < 1 || query->n > INDEX_BATCH_MAX) return STATUS_INVALID;
    if (query->k < 1 || query->k > INDEX_EXACT_MAX) return STATUS_INVALID;
    struct index_batch *batch = mem_zero(1, sizeof *batch);
    if (!batch) return STATUS_NO_MEMORY;
    batch->view = index_view_again(view);
    batch->points = atomic_load_explicit(&view->points.n_live, memory_order_relaxed);
    batch->ticket = epoch_enter(epoch_of(batch));
    batch->n = query->n;
    batch->k = query->k;
    batch->cancel = query->cancel;
    visited_init(&batch->visited);
    enum status s = prepare_scan(batch);
    if (s == STATUS_OK) s = prepare_queries(batch, query->vectors);
    if (s == STATUS_OK)
        *out = batch;
    else
        index_batch_close(batch);
    return s;
}

/* Offers what is not too far to a query. */
static void offer(struct index_batch *batch,
                  struct best *best,
                  const float *distances,
                  const uint32_t *slots,
                  size_t n) {
    float worst = best->n == best->k ? best->heap[0].distance : FLT_MAX;
    for (size_t i = 0; i < n; i++) {
        if (distances[i] > worst) continue;
        best_offer(best, &batch->view->points, (struct result){distances[i], slots[i]});
        if (best->n == best->k) worst = best->heap[0].distance;
    }
}

/* At most WORD rows of floats, each for one slot. */
static void measure_floats(struct index_batch *batch,
                           const float *const *rows,
                           const uint32_t *slots,
                           size_t n) {
    float distances[WORD];
    for (uint32_t q = 0; q < batch->n; q++) {
        metric_distances(&batch->view->points.metric, batch->probes[q].floats, rows, n, distances);
        offer(batch, &batch->best[q], distances, slots, n);
    }
}

/* Of codes: their coordinates are written out, once for all queries. */
static void measure_codes(struct index_batch *batch, const uint32_t *slots, size_t n) {
    const float *rows[WORD];
    float distances[WORD];
    size_t stride = batch->store->coder.n;
    for (size_t i = 0; i < n; i++) {
        rows[i] = batch->spread + i * stride;
        store_coordinates(batch->store, slots[i], batch->spread + i * stride);
    }
    for (uint32_t q = 0; q < batch->n; q++) {
        struct store_spread spread = {batch->queries + q * stride, slots, rows, n};
        store_whole_spread(batch->store, &batch->probes[q], &spread, distances);
        offer(batch, &batch->best[q], distances, slots, n);
    }
}

/* At most WORD slots of the store. */
static void measure(struct index_batch *batch, const uint32_t *slots, size_t n) {
    const float *rows[WORD];
    if (store_is_coded(batch->store)) {
        measure_codes(batch, slots, n);
        return;
    }
    for (size_t i = 0; i < n; i++)
        rows[i] = store_row(batch->store, slots[i]);
    measure_floats(batch, rows, slots, n);
}

static size_t step_tail(struct index_batch *batch) {
    const float *rows[WORD];
    uint32_t slots[WORD];
    size_t n = 0;
    while (n < batch->chunk && batch->tail_at < batch->n_tail) {
        const struct cell *cell = batch->tail[batch->tail_at++];
        if (!points_live(&batch->view->points, cell->slot)) continue;
        rows[n] = cell->vector;
        slots[n++] = cell->slot;
    }
    measure_floats(batch, rows, slots, n);
    batch->distances += n;
    return n;
}

static size_t step_word(struct index_batch *batch) {
    uint32_t slots[WORD], word = batch->word++;
    uint64_t bits = points_found_word(&batch->view->points, word);
    size_t n = 0, all = 0;
    for (; bits; bits &= bits - 1) {
        uint32_t slot = word * WORD + (uint32_t)__builtin_ctzll(bits);
        if (!visited_add(&batch->visited, slot)) continue;
        slots[n++] = slot;
        if (n < batch->chunk) continue;
        measure(batch, slots, n);
        all += n;
        n = 0;
    }
    measure(batch, slots, n);
    batch->distances += all + n;
    return all + n;
}

enum status index_batch_step(struct index_batch *batch, size_t budget, bool *done) {
    size_t spent = 0;
    *done = false;
    while (spent < budget) {
        if (batch->cancel && atomic_load_explicit(batch->cancel, memory_order_relaxed))
            return STATUS_CANCELLED;
        if (batch->tail_at < batch->n_tail) {
            spent += step_tail(batch) * batch->n;
        } else if (batch->word < batch->n_words) {
            spent += step_word(batch) * batch->n + 1;
        } else {
            *done = true;
            break;
        }
    }
    bool damaged = atomic_load_explicit(&batch->view->damaged, memory_order_relaxed);
    return damaged ? STATUS_QUARANTINED : STATUS_OK;
}

struct index_search_stats index_batch_stats(const struct index_batch *batch) {
    return (struct index_search_stats){.distances = batch->distances,
                                       .plan = INDEX_PLAN_SCAN,
                                       .points = batch->points,
                                       .matching = batch->points,
                                       .coded = store_is_coded(batch->store)};
}

const struct index_hit *
index_batch_hits(struct index_batch *batch, uint32_t query, size_t *n_hits) {
    const struct points *points = &batch->view->points;
    assert(query < batch->n && batch->word == batch->n_words);
    struct best *best = &batch->best[query];
    best_sort(best, points);
    *n_hits = 0;
    for (size_t i = 0; i < best->n; i++) {
        struct result result = best->heap[i];
        if (!points_live(points, result.slot)) continue; /* removed meanwhile */
        const struct point *point = points_at(points, result.slot);
        struct point_id id = points_id(points, point);
        batch->hits[(*n_hits)++] = (struct index_hit){.number = point->number,
                                                      .distance = result.distance,
                                                      .slot = result.slot,
                                                      .id_size = id.size,
                                                      .id = id.data};
    }
    return batch->hits;
}
