/* utf8: strict UTF-8, as RFC 3629 has it: no overlong forms, no surrogates, nothing above U+10FFFF.
 */
#ifndef EDGE_UTF8_H
#define EDGE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes of the character at `text` (1..4), 0 when it is none or is cut off. size must not be 0. */
size_t utf8_character(const void *text, size_t size);
/* Length of the longest prefix that is valid; equal to size when all is. */
size_t utf8_prefix(const void *text, size_t size);
/* Writes a code point that is no surrogate and at most U+10FFFF; returns its bytes (1..4). */
size_t utf8_put(char *out, uint32_t code);
/* The longest length <= max that does not cut a character of a valid text. */
size_t utf8_cut(const char *text, size_t size, size_t max);

#endif
