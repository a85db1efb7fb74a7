/* table: rows of text in columns as wide as they must be; the last one is cut at the terminal's
 * border. */
#ifndef CLI_TABLE_H
#define CLI_TABLE_H

#include <stdio.h>

#include "runtime/arena.h"

enum { TABLE_COLUMNS_MAX = 16 };

struct table {
    struct arena arena;
    const char *heads[TABLE_COLUMNS_MAX]; /* ">NAME" is set flush right */
    size_t n_columns;
    char ***rows; /* owned array; texts in the arena */
    size_t n_rows;
};

/* heads ends with NULL; borrowed. */
void table_init(struct table *table, const char *const *heads);
void table_reset(struct table *table);
/* Starts a row; missing cells stay empty. */
void table_row(struct table *table);
/* The next cells of the row. What there is no memory for stays empty. */
void table_cell(struct table *table, size_t column, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void table_print(const struct table *table, FILE *out);

#endif
