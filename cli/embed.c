/* embed: a bag of the text's words first, then their features summed into the vector. Numbers were
 * tuned on Debian's package descriptions with an exact search (docs/demo.md). */
#include "cli/embed.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "cli/thesaurus.h"
#include "cli/words.h"
#include "runtime/memory.h"

enum {
    ROWS = 2,
    CELLS = EMBED_WEIGHTS_SIZE / ROWS,
    BAG_SLOTS = 2 * EMBED_WORDS_MAX, /* a power of two */
    WORD_DIMENSIONS = 4,             /* a word goes to so many dimensions … */
    RUN_DIMENSIONS = 2,              /* … and a letter run */
    RUN = 4,
    LEVEL_MAX = 90, /* cells are '!' + level, level 0..LEVEL_MAX */
    LEVEL_ONE = 8,  /* levels for a rarity of 1 */
};
static const float run_share = 0.45f;   /* of a word's weight that its letter runs have together */
static const float group_share = 1.0f;  /* of a word's count that its group of the thesaurus gets */
static const float group_boost = 1.6f;  /* a group has no letter runs that would add to it */
static const float member_share = 0.6f; /* of a word's weight that is left beside its group */
static const char GROUP_MARK = '#';     /* no word has it */

/* --- the bag
 * -------------------------------------------------------------------------------------- */

struct bag_word {
    struct word word;
    float weight; /* 0: a free slot */
};
struct bag {
    size_t n;
    struct bag_word slots[BAG_SLOTS];
};

static void bag_add(struct bag *bag, const struct word *word, float weight) {
    uint64_t at = words_hash(word->text, word->size, 0);
    for (;; at++) {
        struct bag_word *slot = &bag->slots[at % BAG_SLOTS];
        if (slot->weight > 0) {
            if (slot->word.size != word->size ||
                memcmp(slot->word.text, word->text, word->size) != 0)
                continue;
            slot->weight += weight;
        } else if (bag->n < EMBED_WORDS_MAX) {
            slot->word = *word;
            slot->weight = weight;
            bag->n++;
        }
        return;
    }
}

/* A group is one more word of the text: its count saturates and its rarity is learned like any
 * other. */
static void bag_add_group(struct bag *bag, const struct word *word, float weight) {
    size_t group = thesaurus_group(word->text);
    if (group == 0) return;
    struct word name;
    name.size = (size_t)snprintf(name.text, sizeof name.text, "%c%zu", GROUP_MARK, group);
    bag_add(bag, &name, weight * group_share);
}

static struct bag *bag_of(const struct embed_part *parts, size_t n) {
    struct bag *bag = mem_zero(1, sizeof *bag);
    if (!bag) return NULL;
    for (size_t i = 0; i < n; i++) {
        const char *at = parts[i].text;
        struct word word;
        while (words_next(&at, &word)) {
            bag_add(bag, &word, parts[i].weight);
            bag_add_group(bag, &word, parts[i].weight);
        }
    }
    return bag;
}

/* --- rarity
 * ---------------------------------------------------------------------------------------- */

struct embed_counts {
    uint32_t texts;
    uint32_t cells[ROWS][CELLS];
};

static size_t cell_of(const struct word *word, uint64_t row) {
    return (size_t)(words_hash(word->text, word->size, 0x5eed + row) % CELLS);
}

struct embed_counts *embed_counts_new(void) {
    return mem_zero(1, sizeof(struct embed_counts));
}

void embed_counts_free(struct embed_counts *counts) {
    mem_free(counts);
}

void embed_counts_add(struct embed_counts *counts, const struct embed_part *parts, size_t n) {
    struct bag *bag = bag_of(parts, n);
    if (!bag) return;
    counts->texts++;
    for (size_t i = 0; i < BAG_SLOTS; i++) {
        if (bag->slots[i].weight <= 0) continue;
        for (uint64_t row = 0; row < ROWS; row++)
            counts->cells[row][cell_of(&bag->slots[i].word, row)]++;
    }
    mem_free(bag);
}

void embed_weights_learn(const struct embed_counts *counts, struct embed_weights *out) {
    for (size_t row = 0; row < ROWS; row++) {
        for (size_t cell = 0; cell < CELLS; cell++) {
            double with = counts->cells[row][cell];
            double rarity = log((counts->texts + 1.0) / (with + 1.0));
            double level = round(rarity * LEVEL_ONE);
            if (level > LEVEL_MAX) level = LEVEL_MAX;
            char *at = &out->cells[row * CELLS + cell];
            *at = (char)('!' + (int)level);
            /* The text travels inside JSON: two characters that would be escaped there give way. */
            if (*at == '"' || *at == '\\') (*at)++;
        }
    }
}

void embed_weights_flat(struct embed_weights *out) {
    memset(out->cells, '!' + LEVEL_ONE, sizeof out->cells);
}

enum status embed_weights_read(const char *text, size_t size, struct embed_weights *out) {
    if (size != sizeof out->cells) return STATUS_INVALID;
    for (size_t i = 0; i < size; i++)
        if (text[i] < '!' || text[i] > '!' + LEVEL_MAX) return STATUS_INVALID;
    memcpy(out->cells, text, size);
    return STATUS_OK;
}

static float rarity_of(const struct embed_weights *weights, const struct word *word) {
    int best = 0;
    for (uint64_t row = 0; row < ROWS; row++) {
        int level = weights->cells[row * CELLS + cell_of(word, row)] - '!';
        if (level > best) best = level;
    }
    return (float)best / LEVEL_ONE;
}

/* --- features
 * ---------------------------------------------------------------------------------------- */

static void add_feature(float out[EMBED_DIMENSION], uint64_t hash, float weight, int dimensions) {
    weight /= sqrtf((float)dimensions);
    for (int i = 0; i < dimensions; i++) {
        size_t at = (size_t)(hash & 0xffffff) % EMBED_DIMENSION;
        out[at] += hash >> 63 ? -weight : weight;
        hash = hash * 0x9e3779b97f4a7c15u + 0x632be59bd9b4e019u;
        hash ^= hash >> 29;
    }
}

/* Runs of the word with its borders: "<play>" has "<pla", "play", "lay>". */
static void add_runs(float out[EMBED_DIMENSION], const struct word *word, float weight) {
    char text[WORD_MAX + 3];
    size_t n = 0;
    text[n++] = '<';
    memcpy(text + n, word->text, word->size);
    n += word->size;
    text[n++] = '>';
    if (n <= RUN) return;
    float each = weight / sqrtf((float)(n - RUN + 1));
    for (size_t i = 0; i + RUN <= n; i++)
        add_feature(out, words_hash(text + i, RUN, 0x9a3f), each, RUN_DIMENSIONS);
}

static bool make_unit(float out[EMBED_DIMENSION]) {
    double sum = 0;
    for (int i = 0; i < EMBED_DIMENSION; i++)
        sum += (double)out[i] * out[i];
    if (!(sum > 1e-12)) return false;
    float scale = (float)(1 / sqrt(sum));
    for (int i = 0; i < EMBED_DIMENSION; i++)
        out[i] *= scale;
    return true;
}

enum status embed_text(const struct embed_weights *weights,
                       const struct embed_part *parts,
                       size_t n,
                       float out[EMBED_DIMENSION]) {
    struct bag *bag = bag_of(parts, n);
    if (!bag) return STATUS_NO_MEMORY;
    float sum[EMBED_DIMENSION] = {0};
    for (size_t i = 0; i < BAG_SLOTS; i++) {
        const struct bag_word *slot = &bag->slots[i];
        if (slot->weight <= 0) continue;
        float weight = logf(1 + slot->weight) * rarity_of(weights, &slot->word);
        bool is_group = *slot->word.text == GROUP_MARK;
        if (is_group)
            weight *= group_boost;
        else if (thesaurus_group(slot->word.text))
            weight *= member_share;
        add_feature(sum, words_hash(slot->word.text, slot->word.size, 1), weight, WORD_DIMENSIONS);
        if (!is_group) add_runs(sum, &slot->word, weight * run_share);
    }
    mem_free(bag);
    if (!make_unit(sum)) return STATUS_INVALID;
    memcpy(out, sum, sizeof sum);
    return STATUS_OK;
}
