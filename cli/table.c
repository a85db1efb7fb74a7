/* table: widths count UTF-8 characters, not bytes. */
#include "cli/table.h"

#include <stdarg.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "runtime/memory.h"

static size_t width_of(const char *text) {
    size_t n = 0;
    for (; *text; text++)
        n += ((unsigned char)*text & 0xc0) != 0x80;
    return n;
}

void table_init(struct table *table, const char *const *heads) {
    *table = (struct table){0};
    arena_init(&table->arena, 0);
    while (table->n_columns < TABLE_COLUMNS_MAX && heads[table->n_columns]) {
        table->heads[table->n_columns] = heads[table->n_columns];
        table->n_columns++;
    }
}

void table_reset(struct table *table) {
    mem_free(table->rows);
    arena_free(&table->arena);
}

void table_row(struct table *table) {
    char **row = arena_zero(&table->arena, table->n_columns * sizeof *row);
    char ***rows = row ? mem_resize(table->rows, (table->n_rows + 1) * sizeof *rows) : NULL;
    if (!rows) return;
    table->rows = rows;
    rows[table->n_rows++] = row;
}

void table_cell(struct table *table, size_t column, const char *format, ...) {
    if (table->n_rows == 0 || column >= table->n_columns) return;
    va_list args;
    va_start(args, format);
    int size = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *text = size < 0 ? NULL : arena_alloc(&table->arena, (size_t)size + 1);
    if (!text) return;
    va_start(args, format);
    vsnprintf(text, (size_t)size + 1, format, args);
    va_end(args);
    for (char *at = text; *at; at++)
        if ((unsigned char)*at < ' ' || *at == 0x7f)
            *at = ' '; /* no control codes from the server */
    table->rows[table->n_rows - 1][column] = text;
}

static const char *head_of(const struct table *table, size_t column, int *right) {
    const char *head = table->heads[column];
    *right = *head == '>';
    return head + *right;
}

/* Columns of the terminal; 0: out is none. */
static size_t terminal_width(FILE *out) {
    struct winsize size;
    if (!isatty(fileno(out)) || ioctl(fileno(out), TIOCGWINSZ, &size) != 0) return 0;
    return size.ws_col;
}

static void print_cut(const char *text, size_t room, FILE *out) {
    size_t n = 0;
    for (; *text && (room == 0 || n < room || ((unsigned char)*text & 0xc0) == 0x80); text++) {
        n += ((unsigned char)*text & 0xc0) != 0x80;
        fputc(*text, out);
    }
}

static void
print_row(const struct table *table, char *const *row, const size_t *widths, FILE *out) {
    size_t limit = terminal_width(out), used = 0;
    for (size_t i = 0; i < table->n_columns; i++) {
        int right;
        const char *text = head_of(table, i, &right);
        if (row) text = row[i] ? row[i] : "";
        bool last = i + 1 == table->n_columns;
        size_t pad = widths[i] - width_of(text);
        if (right) fprintf(out, "%*s", (int)pad, "");
        print_cut(text, last && limit > used ? limit - used : 0, out);
        if (!right && !last) fprintf(out, "%*s", (int)pad, "");
        if (!last) fputs("  ", out);
        used += widths[i] + 2;
    }
    fputc('\n', out);
}

void table_print(const struct table *table, FILE *out) {
    size_t widths[TABLE_COLUMNS_MAX];
    for (size_t i = 0; i < table->n_columns; i++) {
        int right;
        widths[i] = width_of(head_of(table, i, &right));
        for (size_t r = 0; r < table->n_rows; r++) {
            size_t width = table->rows[r][i] ? width_of(table->rows[r][i]) : 0;
            if (width > widths[i]) widths[i] = width;
        }
    }
    print_row(table, NULL, widths, out);
    for (size_t r = 0; r < table->n_rows; r++)
        print_row(table, table->rows[r], widths, out);
}
