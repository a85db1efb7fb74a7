/* What the import refuses before the server would. */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "cli/import.h"
#include "cli/vector_text.h"
#include "runtime/memory.h"

Test(import, rows_are_judged) {
    float good[] = {1, 2}, bad[] = {1, NAN}, big[] = {1, INFINITY};
    char words[IMPORT_WORDS_MAX], long_id[1100], long_value[70000];
    memset(long_id, 'x', sizeof long_id);
    long_id[1025] = 0;
    memset(long_value, 'x', sizeof long_value);
    long_value[65536] = 0;
    struct reader_pair pairs[65], heavy = {"k", long_value};
    for (int i = 0; i < 65; i++)
        pairs[i] = (struct reader_pair){"k", "v"};
    struct reader_row row = {.vector = good, .dimension = 2};
    cr_expect_null(import_judge(&row, "a", 2, words));
    cr_expect_null(import_judge(&row, "a", 0, words));
    cr_expect_str_eq(import_judge(&row, "a", 3, words), "2 components, the collection has 3");
    cr_expect_str_eq(import_judge(&row, "", 2, words), "an id of 0 bytes (1 to 1024)");
    cr_expect_str_eq(import_judge(&row, long_id, 2, words), "an id of 1025 bytes (1 to 1024)");
    row.vector = bad;
    cr_expect_str_eq(import_judge(&row, "a", 2, words), "vector[1] is nan: not a finite float32");
    row.vector = big;
    cr_expect_str_eq(import_judge(&row, "a", 2, words), "vector[1] is inf: not a finite float32");
    row.vector = good;
    row.pairs = pairs;
    row.n_pairs = 64;
    cr_expect_null(import_judge(&row, "a", 2, words));
    row.n_pairs = 65;
    cr_expect_not_null(import_judge(&row, "a", 2, words));
    row.pairs = &heavy;
    row.n_pairs = 1;
    cr_expect_not_null(import_judge(&row, "a", 2, words));
}

Test(vector_text, arrays_of_numbers) {
    static const struct {
        const char *text;
        size_t n; /* 0: refused */
    } rows[] = {
        {"[1]", 1},    {" [1, -2.5e3 ,0.1] ", 3},
        {"[]", 0},     {"", 0},
        {"[1", 0},     {"[1,]", 0},
        {"[1]x", 0},   {"[\"1\"]", 0},
        {"[1e99]", 0}, {"{}", 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        float *vector = NULL;
        size_t n = 0;
        struct buffer why;
        buffer_init(&why);
        enum status status =
            vector_text_read(rows[i].text, strlen(rows[i].text), &vector, &n, &why);
        cr_expect_eq(status == STATUS_OK ? n : 0, rows[i].n, "%s", rows[i].text);
        cr_expect_eq(status == STATUS_OK, why.size == 0, "%s", rows[i].text);
        mem_free(vector);
        buffer_free(&why);
    }
}
