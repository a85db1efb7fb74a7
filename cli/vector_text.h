/* vector_text: a vector as people give it: a JSON array of numbers, from the command line or a
 * file. */
#ifndef CLI_VECTOR_TEXT_H
#define CLI_VECTOR_TEXT_H

#include <stddef.h>

#include "runtime/buffer.h"
#include "runtime/status.h"

/* *out is owned (mem_free). INVALID: why says where the text is wrong. NO_MEMORY. */
MUST_USE enum status
vector_text_read(const char *text, size_t size, float **out, size_t *n, struct buffer *why);
/* The same from a file; "-" is the standard input. IO. */
MUST_USE enum status
vector_text_read_file(const char *path, float **out, size_t *n, struct buffer *why);

#endif
