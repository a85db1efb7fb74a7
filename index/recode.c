/* recode: a reader loads the pointer to the store once, so publishing is one store of it. */
#include "index/recode.h"

#include <float.h>
#include <stdlib.h>
#include <string.h>

#include "index/linker.h"
#include "runtime/assert.h"
#include "runtime/memory.h"
#include "runtime/poison.h"

enum {
    SAMPLE = 4096,
    STEP_POINTS = 16,
    POINT_COST = 8,  /* of coding a point, in distances: it is turned (rotation.h) and rounded */
    GROWTH = 4,      /* times the points after which a scale is looked at again */
    KEPT_MIN = 64,   /* points beyond the bound that are no reason for new codes */
    KEPT_SHARE = 64, /* nor one in so many */
    TAIL_SHARE = 40,
    TAIL_REACH = 4, /* a bound is at most so many times the reach of all but one in TAIL_SHARE */
    LONG = 4,       /* times the length of half of the sample: does not count for the centre */
    DIMENSION_MIN = 32, /* below, edges are most of the memory, and codes save none */
};

static const float margin = 1.15f; /* times the reach of the sample */
static const float narrow = 1.0f;  /* … of all but one in ten of it */

void recode_init(struct recode *recode) {
    *recode = (struct recode){0};
}

static void end_training(struct recode *recode) {
    coder_reset(&recode->coder);
    mem_free(recode->sum);
    mem_free(recode->reaches);
    mem_free(recode->vector);
    mem_free(recode->scratch);
    recode->sum = NULL;
    recode->reaches = recode->vector = recode->scratch = NULL;
}

void recode_reset(struct recode *recode) {
    end_training(recode);
    store_free(recode->next);
    store_free(recode->old);
    recode_init(recode);
}

static uint64_t n_linked(const struct linker *linker) {
    return atomic_load_explicit(&linker->view->graph.n_linked, memory_order_relaxed);
}

static uint32_t n_kept_now(const struct linker *linker) {
    return atomic_load_explicit(&view_store(linker->view)->n_kept, memory_order_relaxed);
}

enum store_kind recode_kind(const struct index_options *options) {
    switch (options->storage) {
    case INDEX_AUTO:
        return options->dimension >= DIMENSION_MIN ? STORE_SQ8 : STORE_F32;
    case INDEX_SQ8:
        return STORE_SQ8;
    case INDEX_SQ4:
        return STORE_SQ4;
    case INDEX_RABITQ:
        return STORE_RABITQ;
    case INDEX_F16:
        return STORE_F16;
    case INDEX_F32:
    case INDEX_STORAGES:
        break;
    }
    return STORE_F32;
}

static bool is_due(const struct linker *linker) {
    const struct recode *recode = &linker->recode;
    uint64_t n = n_linked(linker);
    if (recode_kind(&linker->view->options) == STORE_F32 || n < linker->view->options.train_min)
        return false;
    if (n >= GROWTH * recode->n_trained) return true;
    uint32_t n_kept = n_kept_now(linker);
    if (view_store(linker->view)->keeps_all) return false; /* not because they are beyond */
    return n_kept > KEPT_MIN && n_kept > n / KEPT_SHARE && n_kept / 2 >= recode->n_kept_trained;
}

bool recode_has_work(struct linker *linker) {
    switch (linker->recode.phase) {
    case RECODE_REST:
        return is_due(linker);
    case RECODE_GRACE:
        return !atomic_load_explicit(&linker->saving, memory_order_acquire) &&
               epoch_passed(&linker->view->epoch, linker->recode.epoch);
    default:
        return true;
    }
}

void recode_forget(struct linker *linker, uint32_t slot) {
    struct recode *recode = &linker->recode;
    store_forget(view_store(linker->view), slot);
    if (recode->next) store_forget(recode->next, slot);
    if (recode->old) store_forget(recode->old, slot);
}

/* --- writing --- */

static enum status write_into(struct store *store, uint32_t slot, const float *prepared) {
    enum status s = store_grow(store, (uint64_t)slot + 1);
    return s == STATUS_OK ? store_write(store, slot, prepared) : s;
}

/* Readers of the old store meet new points too. */
enum status recode_place(struct linker *linker, uint32_t slot, const float *prepared) {
    const struct recode *recode = &linker->recode;
    enum status s = write_into(view_store(linker->view), slot, prepared);
    if (s == STATUS_OK && recode->next) s = write_into(recode->next, slot, prepared);
    if (s == STATUS_OK && recode->old) s = write_into(recode->old, slot, prepared);
    return s;
}

/* The next placed slot from the cursor on, in strides; SLOT_NONE at the end. */
static uint32_t next_placed(struct linker *linker, uint32_t stride) {
    struct recode *recode = &linker->recode;
    uint32_t n_slots = atomic_load_explicit(&linker->view->points.n_slots, memory_order_acquire);
    while (recode->cursor < n_slots) {
        uint32_t slot = recode->cursor;
        recode->cursor += stride;
        if (points_placed(&linker->view->points, slot)) return slot;
    }
    return SLOT_NONE;
}

static const float *vector_of(struct linker *linker, uint32_t slot) {
    store_read(view_store(linker->view), slot, linker->recode.vector);
    return linker->recode.vector;
}

/* --- the phases --- */

static enum status begin(struct linker *linker) {
    struct recode *recode = &linker->recode;
    const struct index_options *options = &linker->view->options;
    uint32_t n_slots = atomic_load_explicit(&linker->view->points.n_slots, memory_order_acquire);
    enum status s = coder_init(&recode->coder, options->dimension, store_bits(recode_kind(options)),
                               options->seed);
    if (s != STATUS_OK) return s;
    size_t bytes = recode->coder.n * sizeof(float);
    recode->sum = mem_zero(options->dimension, sizeof *recode->sum);
    recode->reaches = mem_alloc((SAMPLE + 1) * 2 * sizeof *recode->reaches);
    recode->vector = mem_aligned(KERNEL_ALIGN, bytes);
    recode->scratch = mem_aligned(KERNEL_ALIGN, bytes);
    if (!recode->sum || !recode->reaches || !recode->vector || !recode->scratch) {
        end_training(recode);
        return STATUS_NO_MEMORY;
    }
    recode->n_trained = n_linked(linker);
    recode->n_kept_trained = n_kept_now(linker);
    recode->stride = n_slots / SAMPLE + 1;
    recode->cursor = 0;
    recode->n_sampled = 0;
    recode->phase = RECODE_LENGTH;
    return STATUS_OK;
}

static int rising(const void *left, const void *right) {
    float a = *(const float *)left, b = *(const float *)right;
    return a < b ? -1 : a > b;
}

static void end_length(struct recode *recode) {
    size_t n = recode->n_sampled;
    qsort(recode->reaches, n, sizeof *recode->reaches, rising);
    float half = n > 0 ? recode->reaches[n / 2] : 0;
    recode->square_max = half < FLT_MAX / (LONG * LONG) ? half * (LONG * LONG) : FLT_MAX;
    recode->cursor = 0;
    recode->n_sampled = 0;
    recode->phase = RECODE_CENTRE;
}

static void step_length(struct linker *linker) {
    struct recode *recode = &linker->recode;
    for (int i = 0; i < STEP_POINTS; i++) {
        uint32_t slot = next_placed(linker, recode->stride);
        if (slot == SLOT_NONE || recode->n_sampled == 2 * SAMPLE) {
            end_length(recode);
            return;
        }
        recode->reaches[recode->n_sampled++] =
            metric_square(&linker->view->points.metric, vector_of(linker, slot));
    }
}

static void step_centre(struct linker *linker) {
    struct recode *recode = &linker->recode;
    uint32_t dimension = recode->coder.dimension;
    for (int i = 0; i < STEP_POINTS; i++) {
        uint32_t slot = next_placed(linker, recode->stride);
        if (slot == SLOT_NONE) {
            for (uint32_t d = 0; d < dimension && recode->n_sampled > 0; d++)
                recode->coder.centre[d] = (float)(recode->sum[d] / (double)recode->n_sampled);
            recode->cursor = 0;
            recode->n_sampled = 0;
            recode->phase = RECODE_BOUND;
            return;
        }
        const float *vector = vector_of(linker, slot);
        const struct metric *metric = &linker->view->points.metric;
        if (metric->kind == INDEX_DOT) continue; /* products are those from the origin */
        if (metric_square(metric, vector) > recode->square_max) continue;
        for (uint32_t d = 0; d < dimension; d++)
            recode->sum[d] += (double)vector[d];
        recode->n_sampled++;
    }
}

/* A bound for the sample. A few points far outside must not take the levels of all others. */
static float choose_bound(struct recode *recode, enum index_metric metric) {
    size_t n = recode->n_sampled;
    if (n == 0) return 0;
    qsort(recode->reaches, n, sizeof *recode->reaches, rising);
    float all = recode->reaches[n - 1], most = recode->reaches[n - 1 - n / TAIL_SHARE];
    if (most > 0 && all > TAIL_REACH * most) all = TAIL_REACH * most;
    /* Few levels are worth more close together than far apart: what lies beyond is cut off. Not of
     * dot, whose nearest are the longest. */
    if (recode->coder.bits < 12 && metric != INDEX_DOT)
        return narrow * recode->reaches[n - 1 - n / 10];
    return margin * all;
}

/* Would the new codes be much the same? */
static bool is_as_good(const struct coder *current, const struct coder *trained) {
    float moved = 0;
    for (uint32_t d = 0; d < trained->dimension; d++) {
        float gap = current->centre[d] - trained->centre[d];
        moved += gap * gap;
    }
    float per_dimension = moved / (float)trained->dimension;
    return trained->bound < 1.1f * current->bound && trained->bound > 0.8f * current->bound &&
           per_dimension < 0.01f * current->bound * current->bound;
}

static enum status end_bound(struct linker *linker) {
    struct recode *recode = &linker->recode;
    const struct store *current = view_store(linker->view);
    const struct index_options *options = &linker->view->options;
    bool useful = coder_set_bound(&recode->coder, choose_bound(recode, options->metric));
    if (useful && store_is_coded(current)) useful = !is_as_good(&current->coder, &recode->coder);
    if (!useful) {
        end_training(recode);
        recode->phase = RECODE_REST;
        return STATUS_OK;
    }
    enum status s = store_new_codes(&linker->view->points.metric, recode_kind(options),
                                    &recode->coder, &recode->next);
    if (s != STATUS_OK) return s;
    recode->next->keeps_all = options->originals == INDEX_ORIGINALS_RAM;
    recode->cursor = 0;
    recode->phase = RECODE_WRITE;
    return STATUS_OK;
}

static enum status step_bound(struct linker *linker) {
    struct recode *recode = &linker->recode;
    for (int i = 0; i < STEP_POINTS; i++) {
        uint32_t slot = next_placed(linker, recode->stride);
        if (slot == SLOT_NONE || recode->n_sampled == 2 * SAMPLE) return end_bound(linker);
        recode->reaches[recode->n_sampled++] =
            coder_reach(&recode->coder, vector_of(linker, slot), recode->scratch);
    }
    return STATUS_OK;
}

static void publish(struct linker *linker) {
    struct recode *recode = &linker->recode;
    struct index_view *view = linker->view;
    recode->old = view_store(view);
    atomic_store_explicit(&view->store, recode->next, memory_order_release);
    recode->next = NULL;
    recode->n_kept_trained = n_kept_now(linker);
    recode->epoch = epoch_now(&view->epoch);
    recode->phase = RECODE_GRACE;
    end_training(recode);
}

static enum status step_write(struct linker *linker) {
    struct recode *recode = &linker->recode;
    for (int i = 0; i < STEP_POINTS; i++) {
        uint32_t before = recode->cursor, slot = next_placed(linker, 1);
        if (slot == SLOT_NONE) {
            publish(linker);
            return STATUS_OK;
        }
        enum status s = write_into(recode->next, slot, vector_of(linker, slot));
        if (s != STATUS_OK) {
            recode->cursor = before;
            return s;
        }
    }
    return STATUS_OK;
}

enum status recode_step(struct linker *linker) {
    struct recode *recode = &linker->recode;
    linker->distances += STEP_POINTS * POINT_COST;
    switch (recode->phase) {
    case RECODE_REST:
        return begin(linker);
    case RECODE_LENGTH:
        step_length(linker);
        break;
    case RECODE_CENTRE:
        step_centre(linker);
        break;
    case RECODE_BOUND:
        return step_bound(linker);
    case RECODE_WRITE:
        return step_write(linker);
    case RECODE_GRACE:
        store_free(recode->old);
        recode->old = NULL;
        recode->phase = RECODE_REST;
        break;
    }
    return STATUS_OK;
}
