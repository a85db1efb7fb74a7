/* source: a file read front to back, gzip or plain, with positions for errors and progress. One
 * thread at a time. */
#ifndef CLI_READER_SOURCE_H
#define CLI_READER_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/status.h"

enum {
    SOURCE_LINE_MAX = 64 * 1024 * 1024, /* a longer line is an error */
    SOURCE_WORDS_MAX = 256,
};

struct source;

/* "-" is the standard input. words gets the reason of IO and NO_MEMORY. */
MUST_USE enum status
source_open(const char *path, struct source **out, char words[SOURCE_WORDS_MAX]);
void source_close(struct source *source); /* NULL is fine */
/* Exactly n bytes. *got tells how many there were; less than n only at the end of the file, with
 * OK. CORRUPT: the gzip stream is broken or cut. IO. */
MUST_USE enum status source_read(struct source *source, void *to, size_t n, size_t *got);
/* The next line without its end (\n or \r\n), ended by NUL; borrowed until the next call. *line
 * NULL: the end. TOO_LARGE: longer than SOURCE_LINE_MAX. CORRUPT, IO, NO_MEMORY. */
MUST_USE enum status source_line(struct source *source, char **line, size_t *size);
/* Bytes taken so far, after decompression. */
uint64_t source_offset(const struct source *source);
/* How far the file itself was read, and its size; 0 when it is no regular file. */
uint64_t source_position(const struct source *source);
uint64_t source_size(const struct source *source);
bool source_compressed(const struct source *source);
/* Why the last call failed. */
const char *source_words(const struct source *source);

#endif
