/* embed: texts to vectors of 384 float32, unit length, by counting words: no model, no meaning. Two
 * texts are near when they share words, parts of words and, above all, rare words.
 *
 * Each word and each run of four letters in it is hashed to a few dimensions with a sign (feature
 * hashing, Weinberger et al. 2009). A word counts ln(1 + times, weighted by part) and by its rarity
 * in the corpus the weights were learned from; its letter runs share a fraction of that. English
 * stop words count nothing.
 *
 * The same text, parts and weights always give the same vector, on every machine. Any thread. */
#ifndef CLI_EMBED_H
#define CLI_EMBED_H

#include <stddef.h>
#include <stdint.h>

#include "runtime/status.h"

enum {
    EMBED_DIMENSION = 384,
    EMBED_WEIGHTS_SIZE = 60000, /* printable characters: fits one payload value of a point */
    EMBED_WORDS_MAX = 1024,     /* different words of one text that count */
};

/* A piece of a text and how much its words count. */
struct embed_part {
    const char *text; /* UTF-8 */
    float weight;
};

/* How many texts of a corpus each word is in; learns before it weighs. */
struct embed_counts;
struct embed_counts *embed_counts_new(void); /* NULL: no memory */
void embed_counts_free(struct embed_counts *counts);
void embed_counts_add(struct embed_counts *counts, const struct embed_part *parts, size_t n);

/* Rarities of words, two rows of hashed cells; a word has the higher of its two, since a cell that
 * it shares with a frequent word only makes it look more frequent. One printable character a cell,
 * no NUL. */
struct embed_weights {
    char cells[EMBED_WEIGHTS_SIZE];
};
void embed_weights_learn(const struct embed_counts *counts, struct embed_weights *out);
/* All words alike: for a corpus that nothing is known of. */
void embed_weights_flat(struct embed_weights *out);
/* INVALID: text is not what embed_weights_learn made. */
MUST_USE enum status embed_weights_read(const char *text, size_t size, struct embed_weights *out);

/* INVALID: there is no word in it that counts; out is then not set. */
MUST_USE enum status embed_text(const struct embed_weights *weights,
                                const struct embed_part *parts,
                                size_t n,
                                float out[EMBED_DIMENSION]);

#endif
