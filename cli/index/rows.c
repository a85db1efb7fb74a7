/* rows: a reader whose bad rows are judged by the rules of an import. */
#include "cli/index/rows.h"

#include <inttypes.h>
#include <string.h>

enum { BAD_SHOWN_MAX = 10 };

int rows_open(struct rows *rows, const struct rows_options *options) {
    char words[READER_WORDS_MAX];
    *rows = (struct rows){.options = *options};
    struct reader_options file = {options->path, options->format, options->dataset};
    if (reader_open(&file, &rows->reader, words) != STATUS_OK) return command_fail("%s", words);
    return EXIT_OK;
}

void rows_close(struct rows *rows) {
    reader_close(rows->reader);
    rows->reader = NULL;
}

/* True: go on without it. */
static bool take_bad(struct rows *rows, const char *words) {
    rows->n_bad++;
    if (!rows->options.skip_bad) {
        command_fail("%s (--on-error skip leaves bad rows out)", words);
        return false;
    }
    if (rows->n_bad <= BAD_SHOWN_MAX) command_fail("skipped: %s", words);
    if (rows->n_bad == BAD_SHOWN_MAX) command_fail("more bad rows are counted, not shown");
    return true;
}

static void set_id(struct rows *rows, struct reader_row *row) {
    const char *prefix = rows->options.prefix ? rows->options.prefix : "";
    if (row->id)
        snprintf(rows->id, sizeof rows->id, "%s%s", prefix, row->id);
    else
        snprintf(rows->id, sizeof rows->id, "%s%" PRIu64, prefix, row->row);
    row->id = rows->id;
}

/* NULL: it is good. */
static const char *judge(struct rows *rows, const struct reader_row *row, char *words, size_t n) {
    char why[IMPORT_WORDS_MAX];
    const char *wrong = import_judge(row, rows->id, rows->options.dimension, why);
    if (!wrong) return NULL;
    const char *what = row->line ? "line" : "row";
    snprintf(words, n, "%s: %s %" PRIu64 ": %s", rows->options.path, what,
             row->line ? row->line : row->row, wrong);
    return words;
}

int rows_next(struct rows *rows, struct reader_row *row) {
    char words[READER_WORDS_MAX];
    for (;;) {
        *row = (struct reader_row){.end = true};
        if (rows->options.limit && rows->n_read == rows->options.limit) return EXIT_OK;
        enum status s = reader_next(rows->reader, row);
        if (s == STATUS_OK && row->end) return EXIT_OK;
        if (s != STATUS_OK && s != STATUS_INVALID)
            return command_fail("%s", reader_words(rows->reader));
        rows->n_read++;
        const char *wrong = reader_words(rows->reader);
        if (s == STATUS_OK) {
            set_id(rows, row);
            wrong = judge(rows, row, words, sizeof words);
        }
        if (!wrong) break;
        if (!take_bad(rows, wrong)) return EXIT_FAILED;
    }
    if (rows->options.dimension == 0) rows->options.dimension = row->dimension;
    return EXIT_OK;
}
