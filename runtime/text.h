/* text: is it UTF-8? */
#ifndef RUNTIME_TEXT_H
#define RUNTIME_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/* Well-formed UTF-8 (RFC 3629: no overlong forms, no surrogates, at most U+10FFFF) without NUL.
 * Empty is fine. */
bool text_valid(const void *text, size_t size);
/* The longest prefix of at most `size` bytes that does not end inside a character; text is valid
 * UTF-8 with more than `size` bytes. */
size_t text_cut(const char *text, size_t size);

#endif
