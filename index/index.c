/* index: the writer's side: slots for new points, numbers, removals, and the steps of the linker.
 *
 *     fresh ──append──▶ tail ──link──▶ linked ──remove──▶ removed ──repair, readers gone──▶ free
 *       ▲                 └──────────remove───────────────▶                                   │
 *       └─────────────────────────────── append ◀──────────────────────────────────────────────┘
 *
 * The appender owns numbers, ids, live bits and the list of idle slots; the linker owns edges and
 * states. They meet in three places only: the tail, and the two handoffs. */
#include "index/index.h"

#include "index/file.h"
#include "index/writer.h"
#include "runtime/assert.h"
#include "runtime/memory.h"
#include "runtime/poison.h"

void index_close(struct index *index) {
    if (!index) return;
    assert(!atomic_load(&index->linker.saving));
    judge_reset(&index->judge);
    pthread_mutex_destroy(&index->gate);
    linker_reset(&index->linker);
    numbers_reset(&index->numbers);
    mem_free((void *)index->batch);
    index_view_drop(index->view);
    mem_free(index);
}

enum status index_open(const struct index_options *given,
                       const char *path,
                       struct index **out,
                       uint64_t *applied) {
    struct index_options options;
    enum status s = view_options(given, &options);
    if (s != STATUS_OK) return s;
    struct index *index = mem_zero(1, sizeof *index);
    if (!index) return STATUS_NO_MEMORY;
    numbers_init(&index->numbers);
    index->idle = SLOT_NONE;
    s = pthread_mutex_init(&index->gate, NULL) == 0 ? STATUS_OK : STATUS_NO_MEMORY;
    if (s == STATUS_OK) s = view_new(&options, &index->view);
    if (s != STATUS_OK) {
        mem_free(index);
        return s;
    }
    linker_init(&index->linker, index->view);
    uint64_t stored = 0;
    s = path ? file_load(index, path, &stored) : STATUS_NOT_FOUND;
    if (s == STATUS_NOT_FOUND) {
        atomic_init(&index->awake, true);
        index->settled = true;
    }
    if (s != STATUS_OK && s != STATUS_NOT_FOUND) {
        index_close(index);
        return s;
    }
    *out = index;
    *applied = stored;
    return STATUS_OK;
}

const struct index_view *index_view_hold(struct index *index) {
    return index_view_again(index->view);
}

size_t index_tail_room(const struct index *index) {
    return tail_room(&index->view->tail);
}

enum status index_wake(struct index *index) {
    if (atomic_load_explicit(&index->awake, memory_order_relaxed)) return STATUS_OK;
    return wake(index);
}

/* A slot nobody looks at: one that was freed, else the next. Memory was reserved. */
static uint32_t take_slot(struct index *index) {
    struct points *points = &index->view->points;
    if (index->idle == SLOT_NONE) index->idle = handoff_take(&index->linker.freed, points);
    if (index->idle == SLOT_NONE) {
        uint32_t n = atomic_load_explicit(&points->n_slots, memory_order_relaxed);
        atomic_store_explicit(&points->n_slots, n + 1, memory_order_release);
        return n;
    }
    uint32_t slot = index->idle;
    index->idle = handoff_next(points, slot);
    atomic_fetch_sub_explicit(&index->view->n_free, 1, memory_order_relaxed);
    points_forget(points, slot);
    return slot;
}

static void give_back_slot(struct index *index, uint32_t slot) {
    index->idle = handoff_link(&index->view->points, slot, index->idle);
    atomic_fetch_add_explicit(&index->view->n_free, 1, memory_order_relaxed);
}

static enum status reserve(struct index *index, size_t n) {
    if (n > index->batch_room) {
        struct cell **batch = mem_resize((void *)index->batch, n * sizeof *batch);
        if (!batch) return STATUS_NO_MEMORY;
        index->batch = batch;
        index->batch_room = n;
    }
    uint64_t slots = n + atomic_load_explicit(&index->view->points.n_slots, memory_order_relaxed);
    if (slots > SLOTS_MAX) return STATUS_NO_MEMORY;
    enum status s = numbers_reserve(&index->numbers, (uint64_t)index->numbers.n + n);
    if (s == STATUS_OK) s = cells_reserve(&index->view->cells, n);
    return s == STATUS_OK ? view_grow(index->view, slots) : s;
}

static enum status
write_point(struct index *index, const struct index_point *point, struct cell **out) {
    struct points *points = &index->view->points;
    uint32_t slot = take_slot(index);
    struct columns_payload payload = {point->payload, point->payload_size, true};
    enum status s = points_write(points, slot, point);
    if (s == STATUS_OK) s = columns_write(&index->view->columns, slot, &payload);
    if (s != STATUS_OK) {
        give_back_slot(index, slot);
        return s;
    }
    numbers_add(&index->numbers, points, slot);
    struct cell *cell = *out = cells_take(&index->view->cells);
    cell->slot = slot;
    metric_prepare(&points->metric, point->vector, cell->vector);
    return STATUS_OK;
}

/* The payload of a point that is there. */
static enum status
write_payload(struct index *index, uint32_t slot, const void *data, size_t size) {
    struct columns_payload payload = {data, size, false};
    return columns_write(&index->view->columns, slot, &payload);
}

/* Points that are not there yet; of the others the payload is taken. */
static enum status
count_new(struct index *index, const struct index_point *given, size_t n_given, size_t *out) {
    const struct points *points = &index->view->points;
    size_t n_new = 0;
    for (size_t i = 0; i < n_given; i++) {
        if (given[i].id_size < 1 || given[i].id_size > INDEX_ID_MAX) return STATUS_INVALID;
        uint32_t slot = numbers_find(&index->numbers, points, given[i].number);
        n_new += slot == SLOT_NONE;
        if (slot == SLOT_NONE) continue;
        enum status s = write_payload(index, slot, given[i].payload, given[i].payload_size);
        if (s != STATUS_OK) return s;
    }
    *out = n_new;
    return STATUS_OK;
}

static enum status append(struct index *index, const struct index_point *given, size_t n_given) {
    struct points *points = &index->view->points;
    size_t n_new;
    enum status s = count_new(index, given, n_given, &n_new);
    if (s != STATUS_OK || n_new == 0) return s;
    if (n_new > index_tail_room(index)) return STATUS_BUSY;
    s = reserve(index, n_new);
    size_t n = 0;
    for (size_t i = 0; s == STATUS_OK && i < n_given; i++) {
        if (numbers_find(&index->numbers, points, given[i].number) != SLOT_NONE) continue;
        s = write_point(index, &given[i], &index->batch[n]);
        if (s == STATUS_OK) n++;
    }
    if (s != STATUS_OK) {
        cells_undo(&index->view->cells);
        while (n-- > 0) {
            uint32_t slot = index->batch[n]->slot;
            (void)numbers_remove(&index->numbers, points, points_at(points, slot)->number);
            give_back_slot(index, slot);
        }
        return s;
    }
    for (size_t i = 0; i < n; i++)
        points_set_live(points, index->batch[i]->slot, true);
    cells_commit(&index->view->cells);
    tail_push(&index->view->tail, index->batch, n);
    return STATUS_OK;
}

enum status index_append(struct index *index, const struct index_point *given, size_t n_given) {
    enum status s = index_wake(index);
    if (s != STATUS_OK) return s;
    pthread_mutex_lock(&index->gate);
    s = append(index, given, n_given);
    pthread_mutex_unlock(&index->gate);
    return s;
}

enum status index_remove(struct index *index, uint64_t number) {
    struct points *points = &index->view->points;
    enum status s = index_wake(index);
    if (s != STATUS_OK) return s;
    pthread_mutex_lock(&index->gate);
    uint32_t slot = numbers_remove(&index->numbers, points, number);
    if (slot != SLOT_NONE) {
        points_set_live(points, slot, false);
        handoff_push(&index->linker.removed, points, slot);
    }
    pthread_mutex_unlock(&index->gate);
    return slot != SLOT_NONE ? STATUS_OK : STATUS_NOT_FOUND;
}

size_t
index_lacking(const struct index *index, const uint64_t *numbers, size_t n, uint64_t *lacking) {
    const struct numbers *map = &index->numbers;
    const struct points *points = &index->view->points;
    size_t found = 0;
    for (size_t i = 0; i < n; i++) {
        if (i + NUMBERS_FAR < n) numbers_ask(map, numbers[i + NUMBERS_FAR]);
        if (i + NUMBERS_NEAR < n) numbers_ask_first(map, points, numbers[i + NUMBERS_NEAR]);
        if (numbers_find(map, points, numbers[i]) == SLOT_NONE) lacking[found++] = numbers[i];
    }
    return found;
}

enum status index_column_begin(struct index *index, const struct index_column *column) {
    struct index_view *view = index->view;
    uint32_t n_slots = atomic_load_explicit(&view->points.n_slots, memory_order_relaxed);
    return columns_add(&view->columns, &column->key, column->type, n_slots, n_slots == 0);
}

enum status index_column_drop(struct index *index, const struct index_column *column) {
    return columns_drop(&index->view->columns, &column->key, column->type);
}

enum status
index_column_fill(struct index *index, uint64_t number, const void *payload, size_t payload_size) {
    enum status s = index_wake(index);
    if (s != STATUS_OK) return s;
    uint32_t slot = numbers_find(&index->numbers, &index->view->points, number);
    if (slot == SLOT_NONE) return STATUS_NOT_FOUND;
    return write_payload(index, slot, payload, payload_size);
}

void index_columns_complete(struct index *index) {
    columns_complete(&index->view->columns);
}

enum {
    MOVES_PER_DISTANCE = 4,
    SETTLE_BYTES = 4096, /* read for a distance */
    JUDGE_DISTANCES = 4, /* for a node */
    VERIFY_BUDGET = 1 << 16,
};

/* Of an opened file: its pages, then what they say. Waits for the appender in between. */
static enum status settle(struct index *index, size_t budget, bool *idle) {
    struct index_view *view = index->view;
    bool done;
    *idle = false;
    enum status s = settle_step(&view->settle, view, budget * SETTLE_BYTES, &done);
    if (s != STATUS_OK || !done) return s;
    *idle = !atomic_load_explicit(&index->awake, memory_order_acquire);
    if (*idle) return atomic_load(&view->damaged) ? STATUS_CORRUPT : STATUS_OK;
    s = judge_step(&index->judge, &index->linker, (uint32_t)(budget / JUDGE_DISTANCES + 1), &done);
    if (s == STATUS_CORRUPT) atomic_store(&view->damaged, true);
    if (s != STATUS_OK || !done) return s;
    settle_reset(&view->settle);
    index->settled = true;
    return atomic_load(&view->damaged) ? STATUS_CORRUPT : STATUS_OK;
}

enum status index_verify(struct index *index) {
    bool idle;
    enum status s = index_wake(index);
    while (s == STATUS_OK && !index->settled)
        s = settle(index, VERIFY_BUDGET, &idle);
    return s;
}

enum status index_link_step(struct index *index, size_t budget, bool *idle) {
    struct index_view *view = index->view;
    if (!index->settled) return settle(index, budget, idle);
    uint32_t n_slots = atomic_load_explicit(&view->points.n_slots, memory_order_acquire);
    bool sort = columns_have_work(&view->columns, &view->epoch, n_slots);
    enum status s = STATUS_OK;
    if (sort) {
        budget = budget / 2 + 1; /* half for each */
        s = columns_step(&view->columns, &view->epoch, n_slots, budget * MOVES_PER_DISTANCE);
    }
    if (s == STATUS_OK) s = linker_step(&index->linker, budget, idle);
    if (s == STATUS_OK && sort) *idle = false;
    return s;
}
