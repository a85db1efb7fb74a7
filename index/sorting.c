/* sorting: a column becomes a sorted list, in steps: texts are ranked, entries collected and
 * sorted, written as keys, starts and slots, then the marks are set. The column may be written
 * meanwhile: whatever slot that concerns is known as written since (columns.h). */
#include <roaring/roaring.h>
#include <string.h>

#include "index/sorted.h"
#include "runtime/memory.h"
#include "runtime/poison.h"

enum {
    PIECE = 256,            /* entries a stage handles at a time */
    MARKED_MIN = 32 * 1024, /* shorter lists are set entry by entry */
    NO_RANK = 0,
};

void sorting_init(struct sorting *sorting, const struct column *column, uint32_t n_slots) {
    *sorting = (struct sorting){.column = column, .n_slots = n_slots};
    sorter_init(&sorting->sorter);
}

void sorting_reset(struct sorting *sorting) {
    sorter_reset(&sorting->sorter);
    mem_free(sorting->ranks);
    sorted_free(sorting->out);
    *sorting = (struct sorting){0};
}

static void next_stage(struct sorting *sorting, enum sorting_stage stage) {
    sorting->stage = stage;
    sorting->at = 0;
}

static int compare_codes(const void *context, uint64_t a, uint64_t b) {
    const struct column *column = context;
    return filter_text_compare(column_text(column, (uint32_t)a), column_text(column, (uint32_t)b));
}

static enum status begin(struct sorting *sorting) {
    const struct column *column = sorting->column;
    sorting->out = mem_zero(1, sizeof *sorting->out);
    if (!sorting->out) return STATUS_NO_MEMORY;
    if (column->type != FILTER_KEYWORD) {
        next_stage(sorting, SORTING_COLLECT);
        return sorter_begin(&sorting->sorter, sorting->n_slots);
    }
    uint32_t n = atomic_load_explicit(&column->n_texts, memory_order_acquire);
    sorting->n_texts = n;
    sorting->ranks = mem_alloc(n * sizeof *sorting->ranks);
    enum status s = sorter_begin(&sorting->sorter, n > sorting->n_slots ? n : sorting->n_slots);
    if (!sorting->ranks || s != STATUS_OK) return STATUS_NO_MEMORY;
    for (uint32_t code = 1; code < n; code++)
        sorter_add(&sorting->sorter, code, code);
    sorter_start(&sorting->sorter, compare_codes, column);
    next_stage(sorting, SORTING_TEXTS);
    return STATUS_OK;
}

/* Codes by rank go where the keys will be: they are them, as far as they occur. */
static enum status rank_texts(struct sorting *sorting, size_t n_moves) {
    if (!sorter_step(&sorting->sorter, n_moves)) return STATUS_OK;
    for (uint32_t i = 0; i + 1 < sorting->n_texts; i++)
        sorting->ranks[sorting->sorter.items[i].slot] = i + 1;
    next_stage(sorting, SORTING_COLLECT);
    return sorter_begin(&sorting->sorter, sorting->n_slots);
}

static void collect(struct sorting *sorting) {
    uint32_t end = sorting->at + PIECE < sorting->n_slots ? sorting->at + PIECE : sorting->n_slots;
    for (; sorting->at < end; sorting->at++) {
        uint64_t value = column_value(sorting->column, sorting->at);
        if (value == FILTER_MISSING) continue;
        /* A text that came since belongs to a slot that was written since. */
        if (sorting->ranks) value = value < sorting->n_texts ? sorting->ranks[value] : NO_RANK;
        if (!sorting->ranks || value != NO_RANK) sorter_add(&sorting->sorter, value, sorting->at);
    }
    if (sorting->at < sorting->n_slots) return;
    sorter_start(&sorting->sorter, NULL, NULL);
    next_stage(sorting, SORTING_SORT);
}

static enum status make_room(struct sorting *sorting) {
    const struct sorter *sorter = &sorting->sorter;
    struct sorted *out = sorting->out;
    uint32_t n_keys = 0;
    for (size_t i = 0; i < sorter->n; i++)
        n_keys += i == 0 || sorter->items[i].key != sorter->items[i - 1].key;
    out->keys = mem_alloc(n_keys * sizeof *out->keys);
    out->starts = mem_alloc((n_keys + 1) * sizeof *out->starts);
    out->slots = mem_alloc(sorter->n * sizeof *out->slots);
    out->bytes = sizeof *out + n_keys * (sizeof *out->keys + sizeof *out->starts) +
                 sorter->n * sizeof *out->slots;
    return out->keys && out->starts && out->slots ? STATUS_OK : STATUS_NO_MEMORY;
}

static enum status sort(struct sorting *sorting, size_t n_moves) {
    if (!sorter_step(&sorting->sorter, n_moves)) return STATUS_OK;
    next_stage(sorting, SORTING_WRITE);
    return make_room(sorting);
}

static enum status write_piece(struct sorting *sorting) {
    const struct sort_item *items = sorting->sorter.items;
    struct sorted *out = sorting->out;
    size_t n = sorting->sorter.n;
    uint32_t end = sorting->at + PIECE < n ? sorting->at + PIECE : (uint32_t)n;
    for (; sorting->at < end; sorting->at++) {
        uint32_t i = sorting->at, slot = items[i].slot;
        out->slots[i] = slot;
        if (i > 0 && items[i].key == items[i - 1].key) continue;
        out->keys[out->n_keys] = items[i].key; /* of keywords the rank: their code comes below */
        out->starts[out->n_keys++] = i;
    }
    if (sorting->at < n) return STATUS_OK;
    out->n = (uint32_t)n;
    out->starts[out->n_keys] = out->n;
    next_stage(sorting, out->n < MARKED_MIN ? SORTING_DONE : SORTING_MARK);
    out->mark_step = (out->n + SORTED_MARKS - 1) / SORTED_MARKS;
    return STATUS_OK;
}

/* Ranks to codes. */
static enum status name_keys(struct sorting *sorting) {
    struct sorted *out = sorting->out;
    if (!sorting->ranks) return STATUS_OK;
    uint32_t *codes = mem_zero(sorting->n_texts, sizeof *codes);
    if (!codes) return STATUS_NO_MEMORY;
    for (uint32_t code = 1; code < sorting->n_texts; code++)
        codes[sorting->ranks[code]] = code;
    for (uint32_t i = 0; i < out->n_keys; i++)
        out->keys[i] = codes[out->keys[i]];
    mem_free(codes);
    return STATUS_OK;
}

/* The next mark: the one before and the entries since. */
static enum status set_mark(struct sorting *sorting) {
    struct sorted *out = sorting->out;
    uint32_t mark = sorting->at++;
    roaring_bitmap_t *bitmap =
        mark ? roaring_bitmap_copy(out->marks[mark - 1]) : roaring_bitmap_create();
    if (!bitmap) return STATUS_NO_MEMORY;
    out->marks[mark] = bitmap;
    if (mark > 0) {
        uint64_t from = (uint64_t)(mark - 1) * out->mark_step, to = from + out->mark_step;
        if (to > out->n) to = out->n;
        if (from < to) roaring_bitmap_add_many(bitmap, to - from, out->slots + from);
    }
    roaring_bitmap_run_optimize(bitmap);
    size_t bytes = roaring_bitmap_portable_size_in_bytes(bitmap);
    if (bytes > out->mark_bytes) out->mark_bytes = bytes;
    out->bytes += bytes;
    if (mark == SORTED_MARKS) next_stage(sorting, SORTING_DONE);
    return STATUS_OK;
}

static enum status step(struct sorting *sorting, size_t n_moves) {
    switch (sorting->stage) {
    case SORTING_BEGIN:
        return begin(sorting);
    case SORTING_TEXTS:
        return rank_texts(sorting, n_moves);
    case SORTING_COLLECT:
        collect(sorting);
        return STATUS_OK;
    case SORTING_SORT:
        return sort(sorting, n_moves);
    case SORTING_WRITE:
        return write_piece(sorting);
    case SORTING_MARK:
        return set_mark(sorting);
    case SORTING_DONE:
        break;
    }
    return STATUS_OK;
}

enum status sorting_step(struct sorting *sorting, size_t n_moves, bool *done) {
    *done = false;
    for (size_t moved = 0; moved < n_moves && sorting->stage != SORTING_DONE;) {
        enum sorting_stage stage = sorting->stage;
        enum status s = step(sorting, n_moves);
        if (s != STATUS_OK) return s;
        bool whole = stage == SORTING_SORT || stage == SORTING_TEXTS || stage == SORTING_MARK;
        moved += whole ? n_moves : PIECE;
    }
    if (sorting->stage != SORTING_DONE) return STATUS_OK;
    *done = true;
    return name_keys(sorting);
}
