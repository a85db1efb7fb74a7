/* words: a text's words as the embedder counts them: lower case, endings of plurals and verbs taken
 * off, stop words and marks left out. Any thread. */
#ifndef CLI_WORDS_H
#define CLI_WORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { WORD_MAX = 40 }; /* bytes; longer ones are cut */

struct word {
    char text[WORD_MAX + 1];
    size_t size;
};

/* Takes the next word from *at and moves it on; false: there is none. */
bool words_next(const char **at, struct word *out);
/* FNV-1a with a finaliser. */
uint64_t words_hash(const char *text, size_t size, uint64_t seed);

#endif
