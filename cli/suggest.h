/* suggest: the nearest known word to a mistyped one. Any thread. */
#ifndef CLI_SUGGEST_H
#define CLI_SUGGEST_H

#include <stddef.h>

enum { SUGGEST_WORD_MAX = 128 }; /* longer words are not compared */

/* Edits (insert, delete, replace, swap of neighbours) from a to b, letters compared without case.
 */
size_t suggest_distance(const char *a, const char *b);
/* True when b is near enough to a to be worth naming: a third of its letters may differ. */
int suggest_near(const char *a, const char *b, size_t distance);

#endif
