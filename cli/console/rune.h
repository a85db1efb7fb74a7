/* rune: characters of texts from outside, made safe for a terminal: one rune in, one rune out that
 * a cell can hold. Control characters (also C1), escapes, direction marks, surrogates and whatever
 * is not UTF-8 become RUNE_UNSAFE; what has no width is dropped. Any thread. */
#ifndef CONSOLE_RUNE_H
#define CONSOLE_RUNE_H

#include <stddef.h>
#include <stdint.h>

enum { RUNE_UNSAFE = 0xb7 /* · */, RUNE_BYTES_MAX = 4 };

/* Takes the next rune from *text, ended by NUL; 0 at its end. */
uint32_t rune_next(const char **text);
/* Columns it takes: 1 or 2. */
unsigned rune_width(uint32_t rune);
/* Writes it as UTF-8; returns the bytes. */
size_t rune_encode(uint32_t rune, char out[RUNE_BYTES_MAX]);
/* The nearest ASCII character: '#' for a full block, '-' for a line, '?' for what has none. */
char rune_ascii(uint32_t rune);

#endif
