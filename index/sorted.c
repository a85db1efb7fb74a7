/* sorted: conditions become runs of entries, runs become lists or words. */
#include "index/sorted.h"

#include <roaring/roaring.h>
#include <string.h>

#include "runtime/memory.h"
#include "runtime/poison.h"

void sorted_free(struct sorted *sorted) {
    if (!sorted) return;
    for (int i = 0; i <= SORTED_MARKS; i++)
        if (sorted->marks[i]) roaring_bitmap_free(sorted->marks[i]);
    mem_free(sorted->keys);
    mem_free(sorted->starts);
    mem_free(sorted->slots);
    mem_free(sorted);
}

/* --- conditions to runs ---------------------------------------------------------------------- */

struct run {
    uint32_t from, to; /* entries */
};

/* The first key that is not below. */
static uint32_t lower_bound(const struct sorted *sorted, uint64_t value) {
    uint32_t low = 0, high = sorted->n_keys;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (sorted->keys[middle] < value)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Does a text that is not below the prefix begin with it? */
static int prefix_compare(const struct filter_text *text, const struct filter_text *prefix) {
    struct filter_text head = {text->data, text->size < prefix->size ? text->size : prefix->size};
    return filter_text_compare(&head, prefix);
}

/* The first key whose text is not below; with `behind`, the first behind all with that prefix. */
static uint32_t text_bound(const struct sorted *sorted,
                           const struct column *column,
                           const struct filter_text *text,
                           bool behind) {
    uint32_t low = 0, high = sorted->n_keys;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        const struct filter_text *key = column_text(column, (uint32_t)sorted->keys[middle]);
        bool below = behind ? prefix_compare(key, text) <= 0 : filter_text_compare(key, text) < 0;
        if (below)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct run keys_run(const struct sorted *sorted, uint32_t from, uint32_t to) {
    return (struct run){sorted->starts[from], sorted->starts[to > from ? to : from]};
}

static struct run value_run(const struct sorted *sorted, uint64_t low, uint64_t high) {
    uint32_t from = lower_bound(sorted, low < FILTER_LOWEST ? FILTER_LOWEST : low);
    uint32_t to = high == FILTER_HIGHEST ? sorted->n_keys : lower_bound(sorted, high + 1);
    return keys_run(sorted, from, to);
}

static struct run equal_run(const struct sorted *sorted,
                            const struct column *column,
                            const struct filter_text *text) {
    uint32_t at = text_bound(sorted, column, text, false);
    bool found = at < sorted->n_keys &&
                 filter_text_compare(column_text(column, (uint32_t)sorted->keys[at]), text) == 0;
    return keys_run(sorted, at, at + found);
}

static uint32_t n_runs(const struct filter_node *node) {
    return node->op == FILTER_IN ? node->n : 1;
}

/* Values of an IN are distinct, so its runs are. */
static struct run run_of(const struct sorted *sorted,
                         const struct column *column,
                         const struct filter_node *node,
                         uint32_t i) {
    switch (node->op) {
    case FILTER_EXISTS:
        return (struct run){0, sorted->n};
    case FILTER_RANGE:
        return value_run(sorted, node->low, node->high);
    case FILTER_PREFIX:
        return keys_run(sorted, text_bound(sorted, column, &node->texts[0], false),
                        text_bound(sorted, column, &node->texts[0], true));
    default:
        break;
    }
    if (column->type == FILTER_KEYWORD) return equal_run(sorted, column, &node->texts[i]);
    return value_run(sorted, node->values[i], node->values[i]);
}

uint64_t sorted_count(const struct sorted *sorted,
                      const struct column *column,
                      const struct filter_node *node) {
    uint64_t n = 0;
    for (uint32_t i = 0; i < n_runs(node); i++) {
        struct run run = run_of(sorted, column, node, i);
        n += run.to - run.from;
    }
    return n;
}

uint64_t sorted_list(const struct sorted *sorted,
                     const struct column *column,
                     const struct filter_node *node,
                     uint32_t *out) {
    uint64_t n = 0;
    for (uint32_t i = 0; i < n_runs(node); i++) {
        struct run run = run_of(sorted, column, node, i);
        memcpy(out + n, sorted->slots + run.from, (run.to - run.from) * sizeof *out);
        n += run.to - run.from;
    }
    return n;
}

/* --- runs to words --------------------------------------------------------------------------- */

static void set_entries(const struct sorted *sorted, struct run run, uint64_t *words) {
    for (uint32_t i = run.from; i < run.to; i++)
        words[sorted->slots[i] / 64] |= UINT64_C(1) << (sorted->slots[i] % 64);
}

static void clear_entries(const struct sorted *sorted, struct run run, uint64_t *words) {
    for (uint32_t i = run.from; i < run.to; i++)
        words[sorted->slots[i] / 64] &= ~(UINT64_C(1) << (sorted->slots[i] % 64));
}

enum { CONTAINER_WORDS = 1024, COOKIE_RUNS = 12347, ARRAY_MAX = 4096, NO_OFFSETS = 4 };

static uint16_t read_u16(const unsigned char *at) {
    return (uint16_t)(at[0] | at[1] << 8);
}

/* Flips the words that the container at `at` covers: a place of `words` for each of its slots.
 * Returns where it ends. */
static const unsigned char *
flip_container(const unsigned char *at, uint32_t n, bool runs, uint64_t *words, size_t n_words) {
    if (runs) {
        uint32_t count = read_u16(at);
        at += 2;
        for (uint32_t i = 0; i < count; i++, at += 4) {
            uint32_t first = read_u16(at), last = first + read_u16(at + 2);
            for (uint32_t bit = first; bit <= last;) {
                uint32_t left = last - bit + 1, room = 64 - bit % 64;
                uint32_t take = left < room ? left : room;
                uint64_t mask = take == 64 ? ~UINT64_C(0) : (UINT64_C(1) << take) - 1;
                words[bit / 64] ^= mask << (bit % 64);
                bit += take;
            }
        }
        return at;
    }
    if (n <= ARRAY_MAX) {
        for (uint32_t i = 0; i < n; i++, at += 2)
            words[read_u16(at) / 64] ^= UINT64_C(1) << (read_u16(at) % 64);
        return at;
    }
    size_t count = n_words < CONTAINER_WORDS ? n_words : CONTAINER_WORDS;
    for (size_t i = 0; i < count; i++) {
        uint64_t word;
        memcpy(&word, at + i * sizeof word, sizeof word);
        words[i] ^= le64toh(word);
    }
    return at + CONTAINER_WORDS * sizeof(uint64_t);
}

/* Flips the slots of a mark in the words. CRoaring of this age gives no words; its portable form
 * does (github.com/RoaringBitmap/RoaringFormatSpec), for the price of a copy. */
static void
flip_mark(const roaring_bitmap_t *mark, uint64_t *words, size_t n_words, unsigned char *bytes) {
    roaring_bitmap_portable_serialize(mark, (char *)bytes);
    uint32_t cookie, n;
    memcpy(&cookie, bytes, sizeof cookie);
    cookie = le32toh(cookie);
    const unsigned char *at = bytes + sizeof cookie, *run_flags = NULL;
    if ((cookie & 0xffff) == COOKIE_RUNS) {
        n = (cookie >> 16) + 1;
        run_flags = at;
        at += (n + 7) / 8;
    } else {
        memcpy(&n, at, sizeof n);
        n = le32toh(n);
        at += sizeof n;
    }
    const unsigned char *heads = at;
    at += n * 4;
    if (!run_flags || n >= NO_OFFSETS) at += n * 4;
    for (uint32_t i = 0; i < n; i++) {
        size_t first = (size_t)read_u16(heads + i * 4) * CONTAINER_WORDS;
        uint32_t count = (uint32_t)read_u16(heads + i * 4 + 2) + 1;
        bool runs = run_flags && run_flags[i / 8] >> (i % 8) & 1;
        at = flip_container(at, count, runs, words + first, n_words - first);
    }
}

/* The mark nearest to an entry. */
static uint32_t nearest_mark(const struct sorted *sorted, uint32_t entry) {
    uint32_t mark = (entry + sorted->mark_step / 2) / sorted->mark_step;
    return mark < SORTED_MARKS ? mark : SORTED_MARKS;
}

static uint32_t mark_entry(const struct sorted *sorted, uint32_t mark) {
    uint64_t entry = (uint64_t)mark * sorted->mark_step;
    return entry < sorted->n ? (uint32_t)entry : sorted->n;
}

/* A run of many entries: what is before one mark and not before another, and the rest by hand. */
static void set_between(const struct sorted *sorted,
                        struct run run,
                        uint64_t *words,
                        size_t n_words,
                        unsigned char *bytes) {
    uint32_t first = nearest_mark(sorted, run.from), last = nearest_mark(sorted, run.to);
    flip_mark(sorted->marks[last], words, n_words, bytes);
    flip_mark(sorted->marks[first], words, n_words, bytes); /* a subset of the other */
    uint32_t from = mark_entry(sorted, first), to = mark_entry(sorted, last);
    if (run.from < from)
        set_entries(sorted, (struct run){run.from, from}, words);
    else
        clear_entries(sorted, (struct run){from, run.from}, words);
    if (to < run.to)
        set_entries(sorted, (struct run){to, run.to}, words);
    else
        clear_entries(sorted, (struct run){run.to, to}, words);
}

void sorted_add(const struct sorted *sorted,
                const struct column *column,
                const struct filter_node *node,
                uint64_t *words,
                size_t n_words,
                const struct sorted_scratch *scratch) {
    for (uint32_t i = 0; i < n_runs(node); i++) {
        struct run run = run_of(sorted, column, node, i);
        if (!sorted->marks[0] || run.to - run.from < 2 * sorted->mark_step) {
            set_entries(sorted, run, words);
            continue;
        }
        memset(scratch->words, 0, n_words * sizeof *words);
        set_between(sorted, run, scratch->words, n_words, scratch->bytes);
        for (size_t w = 0; w < n_words; w++)
            words[w] |= scratch->words[w];
    }
}
