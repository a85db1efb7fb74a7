/* text: UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, nothing above U+10FFFF. The one
 * place that knows it, for messages inside and for what clients send. */
#ifndef RUNTIME_TEXT_H
#define RUNTIME_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Well-formed and without NUL. Empty is fine. */
bool text_valid(const void *text, size_t size);
/* n well-formed texts, none of them empty, each with a NUL behind it, and nothing else. */
bool text_column_valid(const void *texts, size_t size, size_t n);
/* Bytes of the character at `text` (1..4; NUL is one), 0 when it is none or is cut off. size must
 * not be 0. */
size_t text_character(const void *text, size_t size);
/* Length of the longest prefix that is well-formed (NUL is); equal to size when all is. */
size_t text_prefix(const void *text, size_t size);
/* The longest prefix of at most `size` bytes that does not end inside a character; text is valid
 * UTF-8 with more than `size` bytes. */
size_t text_cut(const char *text, size_t size);
/* Writes a code point that is no surrogate and at most U+10FFFF; returns its bytes (1..4). */
size_t text_put(char *out, uint32_t code);

#endif
