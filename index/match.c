/* match: a slot counts by what the batch knows only if it is live and was not written since, asked
 * in this order: a live slot with a newer value shows its mark. All that is marked is then asked
 * from the columns. */
#include "index/match.h"

#include <string.h>

#include "runtime/memory.h"
#include "runtime/poison.h"

enum {
    CHUNK = 256,      /* slots looked at together */
    LIST_SHARE = 256, /* a list that must be checked is at most one in so many slots … */
    LEAF_SHARE = 24,  /* … one that need not */
    LIST_MIN = 1024,
};

void match_init(struct match *match) {
    memset(match, 0, sizeof *match);
}

void match_reset(struct match *match) {
    mem_free(match->list);
    mem_free(match->words);
    mem_free(match->bytes);
    match_init(match);
}

static enum status reserve_list(struct match *match, size_t n) {
    if (n <= match->list_room) return STATUS_OK;
    n += n / 2;
    uint32_t *list = mem_resize(match->list, n * sizeof *list);
    if (!list) return STATUS_NO_MEMORY;
    match->list = list;
    match->list_room = n;
    return STATUS_OK;
}

/* Room for n bitmaps and the bytes of a mark. */
static enum status reserve_words(struct match *match, size_t n) {
    size_t words = n * match->n_words, bytes = 0;
    for (uint32_t i = 0; i < match->filter->n_nodes; i++)
        if (match->sorted[i] && match->sorted[i]->mark_bytes > bytes)
            bytes = match->sorted[i]->mark_bytes;
    if (words > match->words_room) {
        mem_free(match->words);
        match->words_room = 0;
        match->words = mem_alloc(words * sizeof *match->words);
        if (!match->words) return STATUS_NO_MEMORY;
        match->words_room = words;
    }
    if (bytes > match->bytes_room) {
        mem_free(match->bytes);
        match->bytes_room = 0;
        match->bytes = mem_alloc(bytes);
        if (!match->bytes) return STATUS_NO_MEMORY;
        match->bytes_room = bytes;
    }
    return STATUS_OK;
}

static bool is_leaf(const struct filter_node *node) {
    return node->op > FILTER_NONE;
}

/* NULL: none, or not complete. */
static struct column *
complete_column(const struct columns *columns, const struct filter_node *node, uint32_t *place) {
    struct column *column = columns_for(columns, node, place);
    if (column && !atomic_load_explicit(&column->complete, memory_order_acquire)) return NULL;
    return column;
}

size_t match_missing(const struct columns *columns,
                     const struct filter *filter,
                     struct index_column *out,
                     size_t n) {
    size_t n_missing = 0;
    for (uint32_t i = 0; i < filter->n_nodes && n_missing < n; i++) {
        const struct filter_node *node = &filter->nodes[i];
        uint32_t place;
        if (!is_leaf(node) || complete_column(columns, node, &place)) continue;
        bool exists = node->op == FILTER_EXISTS;
        out[n_missing++] = (struct index_column){node->key, exists ? FILTER_BOOL : node->type};
    }
    return n_missing;
}

/* Columns and sorted lists of all conditions. */
static enum status resolve(struct match *match) {
    for (uint32_t i = 0; i < match->filter->n_nodes; i++) {
        const struct filter_node *node = &match->filter->nodes[i];
        match->of[i] = NULL;
        match->sorted[i] = NULL;
        if (!is_leaf(node)) continue;
        uint32_t place = 0;
        struct column *column = complete_column(match->columns, node, &place);
        if (!column) return STATUS_NOT_READY;
        match->of[i] = column;
        match->sorted[i] = columns_list(match->batch, column, place);
    }
    return STATUS_OK;
}

/* --- slot by slot ---------------------------------------------------------------------------- */

static uint32_t
look_at(const struct match *match, uint32_t at, const uint32_t *slots, uint32_t n, bool *meets);

/* Children of an ALL, ANY or NONE; returns the node behind them. */
static uint32_t look_at_children(
    const struct match *match, uint32_t at, const uint32_t *slots, uint32_t n, bool *meets) {
    const struct filter_node *node = &match->filter->nodes[at++];
    bool of_child[CHUNK];
    for (uint32_t i = 0; i < n; i++)
        meets[i] = node->op == FILTER_ALL;
    for (uint32_t c = 0; c < node->n; c++) {
        at = look_at(match, at, slots, n, of_child);
        for (uint32_t i = 0; i < n; i++)
            meets[i] = node->op == FILTER_ALL ? meets[i] && of_child[i] : meets[i] || of_child[i];
    }
    for (uint32_t i = 0; node->op == FILTER_NONE && i < n; i++)
        meets[i] = !meets[i];
    return at;
}

static uint32_t
look_at(const struct match *match, uint32_t at, const uint32_t *slots, uint32_t n, bool *meets) {
    const struct filter_node *node = &match->filter->nodes[at];
    if (!is_leaf(node)) return look_at_children(match, at, slots, n, meets);
    for (uint32_t i = 0; i < n; i++)
        meets[i] = column_meets(match->of[at], slots[i], node);
    return at + 1;
}

/* Adds to the list or the bitmap those of a chunk that are live and meet the filter. */
static enum status take_chunk(struct match *match, const uint32_t *slots, uint32_t n) {
    bool meets[CHUNK];
    enum status s = match->listed ? reserve_list(match, match->n + n) : STATUS_OK;
    if (s != STATUS_OK) return s;
    (void)look_at(match, 0, slots, n, meets);
    for (uint32_t i = 0; i < n; i++) {
        if (!meets[i]) continue;
        if (match->listed)
            match->list[match->n++] = slots[i];
        else
            match->words[slots[i] / 64] |= UINT64_C(1) << (slots[i] % 64);
    }
    return STATUS_OK;
}

static uint64_t written_word(const struct match *match, uint32_t word) {
    if (!match->batch) return ~UINT64_C(0); /* everything was written since never */
    return columns_written_word(match->columns, match->batch->written, word);
}

/* The slots that were written since the batch. */
static enum status take_written(struct match *match) {
    uint32_t slots[CHUNK], n = 0;
    enum status s = STATUS_OK;
    for (uint32_t word = 0; s == STATUS_OK && word < match->n_words; word++) {
        uint64_t bits = written_word(match, word);
        if (bits == 0) continue;
        bits &= points_live_word(match->points, word);
        for (; s == STATUS_OK && bits; bits &= bits - 1) {
            uint32_t slot = word * 64 + (uint32_t)__builtin_ctzll(bits);
            if (slot >= match->n_slots) break;
            slots[n++] = slot;
            if (n < CHUNK) continue;
            s = take_chunk(match, slots, n);
            n = 0;
        }
    }
    return s == STATUS_OK ? take_chunk(match, slots, n) : s;
}

/* --- lists ----------------------------------------------------------------------------------- */

struct driver {
    uint32_t node;
    uint64_t count;
};

/* The condition with the fewest slots that every match meets. Returns the node behind. */
static uint32_t find_driver(const struct match *match, uint32_t at, struct driver *best) {
    const struct filter_node *node = &match->filter->nodes[at];
    if (is_leaf(node)) {
        if (match->sorted[at]) {
            uint64_t count = sorted_count(match->sorted[at], match->of[at], node);
            if (count < best->count) *best = (struct driver){at, count};
        }
        return at + 1;
    }
    if (node->op != FILTER_ALL) return filter_skip(match->filter, at);
    at++;
    for (uint32_t c = 0; c < node->n; c++)
        at = find_driver(match, at, best);
    return at;
}

static bool is_settled(const struct match *match, uint32_t slot) {
    return points_live(match->points, slot) && !(written_word(match, slot / 64) >> (slot % 64) & 1);
}

/* The driver's slots that are settled and meet the whole filter. */
static enum status list_driver(struct match *match, const struct driver *driver) {
    const struct filter_node *node = &match->filter->nodes[driver->node];
    enum status s = reserve_list(match, driver->count + CHUNK);
    if (s != STATUS_OK) return s;
    uint64_t n =
        sorted_list(match->sorted[driver->node], match->of[driver->node], node, match->list);
    bool alone = match->filter->n_nodes == 1;
    for (uint64_t from = 0; from < n; from += CHUNK) {
        uint32_t slots[CHUNK], n_slots = 0;
        for (uint64_t i = from; i < n && i < from + CHUNK; i++)
            if (is_settled(match, match->list[i])) slots[n_slots++] = match->list[i];
        /* The list is written where it was read: never ahead of the reading. */
        if (alone) {
            memcpy(match->list + match->n, slots, n_slots * sizeof *slots);
            match->n += n_slots;
        } else {
            bool meets[CHUNK];
            (void)look_at(match, 0, slots, n_slots, meets);
            for (uint32_t i = 0; i < n_slots; i++)
                if (meets[i]) match->list[match->n++] = slots[i];
        }
    }
    return take_written(match);
}

static bool is_short(const struct match *match, const struct driver *driver) {
    uint64_t share = match->filter->n_nodes == 1 ? LEAF_SHARE : LIST_SHARE;
    return driver->count <= LIST_MIN || driver->count * share <= match->n_slots;
}

/* --- bitmaps --------------------------------------------------------------------------------- */

/* Looks at every settled slot: a column that has no sorted list yet. */
static void add_slot_by_slot(const struct match *match, uint32_t at, uint64_t *words) {
    const struct filter_node *node = &match->filter->nodes[at];
    for (uint32_t slot = 0; slot < match->n_slots; slot++)
        if (column_meets(match->of[at], slot, node)) words[slot / 64] |= UINT64_C(1) << (slot % 64);
}

/* The words of a level: of the result, of each nested list, of the scratch. */
static uint64_t *level_words(const struct match *match, unsigned level) {
    return match->words + level * match->n_words;
}

/* Writes what the batch knows of a node; returns the node behind. */
static uint32_t evaluate(struct match *match, uint32_t at, unsigned level) {
    const struct filter_node *node = &match->filter->nodes[at];
    uint64_t *words = level_words(match, level), *other = level_words(match, level + 1);
    size_t n = match->n_words;
    bool all = node->op == FILTER_ALL;
    memset(words, all ? 0xff : 0, n * sizeof *words);
    if (is_leaf(node)) {
        struct sorted_scratch scratch = {other, match->bytes};
        if (match->sorted[at])
            sorted_add(match->sorted[at], match->of[at], node, words, n, &scratch);
        else
            add_slot_by_slot(match, at, words);
        return at + 1;
    }
    at++;
    for (uint32_t c = 0; c < node->n; c++) {
        at = evaluate(match, at, level + 1);
        for (size_t w = 0; w < n; w++)
            words[w] = all ? words[w] & other[w] : words[w] | other[w];
    }
    for (size_t w = 0; node->op == FILTER_NONE && w < n; w++)
        words[w] = ~words[w];
    return at;
}

static enum status fill_bitmap(struct match *match) {
    enum status s = reserve_words(match, filter_depth(match->filter) + 2);
    if (s != STATUS_OK) return s;
    if (match->batch) {
        (void)evaluate(match, 0, 0);
        for (uint32_t word = 0; word < match->n_words; word++) {
            match->words[word] &= points_live_word(match->points, word);
            match->words[word] &= ~written_word(match, word);
        }
    } else {
        memset(match->words, 0, match->n_words * sizeof *match->words);
    }
    s = take_written(match);
    for (size_t word = 0; s == STATUS_OK && word < match->n_words; word++)
        match->n += (unsigned)__builtin_popcountll(match->words[word]);
    return s;
}

enum status match_run(struct match *match, const struct match_source *source) {
    match->columns = source->columns;
    match->points = source->points;
    match->filter = source->filter;
    match->batch = atomic_load_explicit(&source->columns->batch, memory_order_acquire);
    /* Behind the batch: it has no slot that is not counted here. */
    match->n_slots = atomic_load_explicit(&source->points->n_slots, memory_order_acquire);
    match->n_words = ((size_t)match->n_slots + 63) / 64;
    match->n = 0;
    match->listed = false;
    enum status s = filter_check(source->filter);
    if (s == STATUS_OK) s = resolve(match);
    if (s != STATUS_OK) return s;
    struct driver driver = {0, UINT64_MAX};
    (void)find_driver(match, 0, &driver);
    if (driver.count == UINT64_MAX || !is_short(match, &driver)) return fill_bitmap(match);
    match->listed = true;
    return list_driver(match, &driver);
}

enum status match_fill(struct match *match) {
    if (!match->listed) return STATUS_OK;
    enum status s = reserve_words(match, 1);
    if (s != STATUS_OK) return s;
    memset(match->words, 0, match->n_words * sizeof *match->words);
    for (uint64_t i = 0; i < match->n; i++)
        match->words[match->list[i] / 64] |= UINT64_C(1) << (match->list[i] % 64);
    match->listed = false;
    return STATUS_OK;
}
