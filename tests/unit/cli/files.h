/* files: data files made by the tests, and a reader over them as one line of text. */
#ifndef TEST_CLI_FILES_H
#define TEST_CLI_FILES_H

#include <stddef.h>

#include "cli/reader/reader.h"

/* A file of this name (its suffix counts) in a folder of the test; static memory. */
const char *file_with(const char *name, const void *data, size_t size);
const char *file_gzipped(const char *name, const void *data, size_t size);
/* "id:[1 2]{k=v} id:[…] …" for all rows, "!words" for a bad one, "!!words" for the end by an error
 * or a file that cannot be opened. Owned by the caller. */
char *rows_of(const char *path, const char *format);
/* Opens and reads to the end whatever is in it. Returns the rows that were good. */
size_t rows_read(const char *path, const char *format);

#endif
