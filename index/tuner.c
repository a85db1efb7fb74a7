/* tuner: one search is under way at a time, in steps, on a reader of the linker's own. */
#include "index/tuner.h"

#include <string.h>

#include "index/linker.h"
#include "index/search.h"
#include "runtime/memory.h"
#include "runtime/rng.h"

#include "runtime/poison.h"

enum {
    UNIT = 100000,     /* of a recall */
    ENOUGH = 99900,    /* where a curve ends */
    NOTE_EVERY = 8,    /* searches */
    TAIL_SHARE = 16,   /* of the graph */
    GROWTH = 2,        /* times the points from which the curve is measured again */
    MARGIN_POINTS = 4, /* a part in so many of what the target leaves open, for safety … */
    MARGIN_LIVE = 8,   /* … on live queries */
};

static const uint32_t efs[TUNER_STEPS] = {10,  14,  20,  28,  40,  56,  72,  96,   128,  160,
                                          200, 256, 320, 400, 512, 640, 800, 1024, 1400, 2000};

/* --- what readers see
 * ------------------------------------------------------------------------------------ */

void tuning_init(struct tuning *tuning) {
    memset(tuning, 0, sizeof *tuning);
    atomic_flag_clear(&tuning->held);
}

void tuning_reset(struct tuning *tuning) {
    mem_free(tuning->queries);
    tuning_init(tuning);
}

static uint32_t step_recall(const struct tuning *tuning, unsigned step) {
    return atomic_load_explicit(&tuning->recall[step], memory_order_relaxed);
}

/* Without a curve: what is enough for most sets. */
static uint32_t guess(float recall) {
    if (recall <= 0.9f) return INDEX_EF_DEFAULT / 2;
    if (recall <= 0.95f) return INDEX_EF_DEFAULT;
    return recall <= 0.99f ? 3 * INDEX_EF_DEFAULT : 8 * INDEX_EF_DEFAULT;
}

static uint32_t ef_at(const struct tuning *tuning, float recall) {
    if (atomic_load_explicit(&tuning->n_linked, memory_order_acquire) == 0) return guess(recall);
    bool live = atomic_load_explicit(&tuning->live, memory_order_relaxed);
    float wanted = recall + (1 - recall) / (live ? MARGIN_LIVE : MARGIN_POINTS);
    for (unsigned step = 0; step < TUNER_STEPS; step++) {
        uint32_t known = step_recall(tuning, step);
        if ((float)known >= wanted * UNIT) return efs[step];
        if (known == 0)
            return efs[step]; /* the curve ended before: all before are enough, nearly */
    }
    return efs[TUNER_STEPS - 1];
}

/* The curve is of ten results: of more, the last ones are as much farther out. */
uint32_t tuning_ef(const struct tuning *tuning, float recall, uint32_t k) {
    uint64_t ef = ef_at(tuning, recall);
    if (k > TUNER_K) ef = ef + (ef * (k - TUNER_K)) / (4 * TUNER_K) + k;
    return ef < INDEX_EF_MAX ? (uint32_t)ef : INDEX_EF_MAX;
}

float tuning_recall(const struct tuning *tuning, uint32_t ef) {
    uint32_t best = 0;
    for (unsigned step = 0; step < TUNER_STEPS && efs[step] <= ef; step++) {
        uint32_t known = step_recall(tuning, step);
        best = known > best ? known : best;
    }
    return (float)best / UNIT;
}

void tuning_note(struct tuning *tuning, const void *vector, uint32_t dimension) {
    atomic_store_explicit(&tuning->wanted, true, memory_order_relaxed);
    uint32_t n = atomic_fetch_add_explicit(&tuning->n_searches, 1, memory_order_relaxed);
    if (n % NOTE_EVERY != 0) return;
    if (atomic_flag_test_and_set_explicit(&tuning->held, memory_order_acquire)) return;
    if (!tuning->queries)
        tuning->queries = mem_alloc((size_t)TUNER_SAMPLES * dimension * sizeof(float));
    if (tuning->queries) {
        memcpy(tuning->queries + (size_t)tuning->next * dimension, vector,
               dimension * sizeof(float));
        tuning->next = (tuning->next + 1) % TUNER_SAMPLES;
        if (tuning->n_queries < TUNER_SAMPLES) tuning->n_queries++;
    }
    atomic_flag_clear_explicit(&tuning->held, memory_order_release);
}

/* --- the linker's
 * ---------------------------------------------------------------------------------------- */

void tuner_init(struct tuner *tuner) {
    *tuner = (struct tuner){0};
}

void tuner_reset(struct tuner *tuner) {
    if (tuner->reader) {
        index_search_end(tuner->reader);
        index_reader_close(tuner->reader);
    }
    mem_free(tuner->queries);
    mem_free(tuner->truth);
    mem_free(tuner->self);
    tuner_init(tuner);
}

static uint64_t n_linked(const struct linker *linker) {
    return atomic_load_explicit(&linker->view->graph.n_linked, memory_order_relaxed);
}

bool tuner_has_work(const struct linker *linker) {
    const struct index_view *view = linker->view;
    const struct tuning *tuning = &view->tuning;
    if (linker->tuner.reader) return true;
    if (view->options.target_recall == 0 &&
        !atomic_load_explicit(&tuning->wanted, memory_order_relaxed))
        return false;
    /* The tail is found exactly: a long one would make every ef look good. */
    uint64_t n = n_linked(linker), before = atomic_load(&tuning->n_linked);
    if (n < TUNER_POINTS_MIN || tail_size(&view->tail) > n / TAIL_SHARE) return false;
    if (n >= GROWTH * before) return true;
    return !atomic_load(&tuning->live) &&
           atomic_load(&tuning->n_searches) >= NOTE_EVERY * TUNER_LIVE_MIN;
}

/* The live ones; false: too few, or a reader is at them. */
static bool take_live(struct tuner *tuner, struct tuning *tuning, uint32_t dimension) {
    if (atomic_flag_test_and_set_explicit(&tuning->held, memory_order_acquire)) return false;
    bool enough = tuning->n_queries >= TUNER_LIVE_MIN;
    if (enough) {
        tuner->n_samples = tuning->n_queries;
        for (uint32_t i = 0; i < TUNER_SAMPLES; i++)
            tuner->self[i] = SLOT_NONE;
        memcpy(tuner->queries, tuning->queries,
               (size_t)tuning->n_queries * dimension * sizeof(float));
    }
    atomic_flag_clear_explicit(&tuning->held, memory_order_release);
    return enough;
}

/* Linked points from all over. */
static enum status take_points(struct linker *linker) {
    struct tuner *tuner = &linker->tuner;
    const struct index_view *view = linker->view;
    const struct store *store = view_store(view);
    uint32_t n_slots = atomic_load_explicit(&view->points.n_slots, memory_order_acquire);
    size_t room = store->metric.n_floats > store->coder.n ? store->metric.n_floats : store->coder.n;
    float *vector = mem_aligned(KERNEL_ALIGN, room * sizeof *vector);
    if (!vector) return STATUS_NO_MEMORY;
    struct rng rng;
    rng_init(&rng, view->options.seed ^ n_slots);
    tuner->n_samples = 0;
    for (uint32_t i = 0; i < TUNER_SAMPLES; i++) {
        uint32_t slot = (uint32_t)rng_below(&rng, n_slots);
        if (!points_placed(&view->points, slot) || !points_live(&view->points, slot)) continue;
        store_read(store, slot, vector);
        memcpy(tuner->queries + (size_t)tuner->n_samples * view->options.dimension, vector,
               view->options.dimension * sizeof *vector);
        tuner->self[tuner->n_samples++] = slot;
    }
    mem_free(vector);
    return STATUS_OK;
}

static enum status begin(struct linker *linker) {
    struct tuner *tuner = &linker->tuner;
    uint32_t dimension = linker->view->options.dimension;
    tuner->queries = mem_alloc((size_t)TUNER_SAMPLES * dimension * sizeof *tuner->queries);
    tuner->truth = mem_zero((size_t)TUNER_SAMPLES * TUNER_K, sizeof *tuner->truth);
    tuner->self = mem_alloc(TUNER_SAMPLES * sizeof *tuner->self);
    enum status s = tuner->queries && tuner->truth && tuner->self ? STATUS_OK : STATUS_NO_MEMORY;
    if (s == STATUS_OK) s = index_reader_open(&tuner->reader);
    if (s == STATUS_OK) {
        tuner->live = take_live(tuner, &linker->view->tuning, dimension);
        if (!tuner->live) s = take_points(linker);
    }
    if (s != STATUS_OK) tuner_reset(tuner);
    tuner->step = TUNER_STEPS;
    return s;
}

static uint32_t take_hits(struct tuner *tuner, uint64_t *out) {
    size_t n_hits;
    const struct index_hit *hits = index_search_hits(tuner->reader, &n_hits);
    uint32_t n = 0;
    for (size_t i = 0; i < n_hits && n < TUNER_K; i++)
        out[n++] = hits[i].number;
    return n;
}

static void end_search(struct tuner *tuner) {
    uint64_t *truth = tuner->truth + (size_t)tuner->at * TUNER_K, found[TUNER_K];
    if (tuner->step == TUNER_STEPS) {
        (void)take_hits(tuner, truth);
    } else {
        uint32_t n = take_hits(tuner, found);
        for (uint32_t i = 0; i < TUNER_K; i++) {
            tuner->all += truth[i] != 0;
            for (uint32_t j = 0; j < n; j++)
                tuner->found += truth[i] != 0 && truth[i] == found[j];
        }
    }
    index_search_end(tuner->reader);
    tuner->searching = false;
    tuner->at++;
}

/* All samples of a point of the curve are done. True: it was the last. */
static bool end_step(struct tuner *tuner) {
    tuner->at = 0;
    if (tuner->step == TUNER_STEPS) {
        tuner->step = 0;
        return tuner->n_samples == 0;
    }
    uint32_t recall = tuner->all ? (uint32_t)((uint64_t)tuner->found * UNIT / tuner->all) : UNIT;
    tuner->recall[tuner->step] = recall > 0 ? recall : 1;
    tuner->found = tuner->all = 0;
    tuner->step++;
    return recall >= ENOUGH || tuner->step == TUNER_STEPS;
}

static void publish(struct linker *linker) {
    struct tuner *tuner = &linker->tuner;
    struct tuning *tuning = &linker->view->tuning;
    for (unsigned i = 0; i < TUNER_STEPS; i++)
        atomic_store_explicit(&tuning->recall[i], tuner->recall[i], memory_order_relaxed);
    atomic_store_explicit(&tuning->live, tuner->live, memory_order_relaxed);
    atomic_store_explicit(&tuning->n_linked, n_linked(linker), memory_order_release);
    tuner_reset(tuner);
}

static enum status start_search(struct linker *linker) {
    struct tuner *tuner = &linker->tuner;
    uint32_t dimension = linker->view->options.dimension;
    struct index_query query = {.vector = tuner->queries + (size_t)tuner->at * dimension,
                                .k = TUNER_K,
                                .exact = tuner->step == TUNER_STEPS};
    if (!query.exact) query.ef = efs[tuner->step];
    enum status s = index_search_start(tuner->reader, linker->view, &query);
    tuner->searching = s == STATUS_OK;
    if (s == STATUS_OK && tuner->self[tuner->at] != SLOT_NONE)
        search_without(tuner->reader, tuner->self[tuner->at]);
    return s;
}

enum status tuner_step(struct linker *linker, size_t budget) {
    struct tuner *tuner = &linker->tuner;
    enum status s = tuner->reader ? STATUS_OK : begin(linker);
    uint64_t before = 0;
    bool done = false;
    if (s == STATUS_OK && !tuner->searching) s = start_search(linker);
    if (s != STATUS_OK) return s;
    before = index_search_stats(tuner->reader).distances;
    s = index_search_step(tuner->reader, budget, &done);
    linker->distances += index_search_stats(tuner->reader).distances - before + 1;
    if (s != STATUS_OK || !done) return s;
    end_search(tuner);
    if (tuner->at >= tuner->n_samples && end_step(tuner)) publish(linker);
    return STATUS_OK;
}
