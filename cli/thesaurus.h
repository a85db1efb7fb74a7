/* thesaurus: a few groups of words that people mix when they look for software ("photo", "image",
 * "picture"). The embedder counts a word's group beside the word. Static data, any thread. */
#ifndef CLI_THESAURUS_H
#define CLI_THESAURUS_H

#include <stddef.h>

/* The group of a stemmed word, from 1; 0: none. */
size_t thesaurus_group(const char *word);

#endif
