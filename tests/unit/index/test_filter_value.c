/* Payload texts as values of a type, and their order. */
#include <criterion/criterion.h>
#include <float.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "index/filter.h"

static bool reads(enum filter_type type, const char *text, uint64_t *out) {
    return filter_read(type, text, strlen(text), out);
}

/* Each list ascends; equal neighbours are joined by '='. */
Test(filter_value, texts_sort_like_what_they_mean) {
    static const struct {
        enum filter_type type;
        const char *texts[16];
    } rows[] = {
        {FILTER_INTEGER,
         {"-9223372036854775806", "-1000", "-7", "-1", "0", "=+0", "=-0", "=000", "1", "=+1", "12",
          "9223372036854775806", "9223372036854775807"}},
        {FILTER_NUMBER,
         {"-1.7976931348623157e308", "-10", "=-1e1", "-9.5", "-5e-324", "0", "=-0", "=-0.0",
          "5e-324", ".5", "=0.5", "0.50000001", "1.", "1e3", "1.7976931348623157e308"}},
        {FILTER_BOOL, {"false", "=FALSE", "true", "=True"}},
        {FILTER_DATETIME,
         {"0000-01-01", "1969-12-31T23:59:59.999999Z", "1970-01-01", "=1970-01-01T00:00:00Z",
          "=1970-01-01t01:00:00+01:00", "=1969-12-31 23:00:00-01:00", "1970-01-01T00:00:00.000001Z",
          "2024-02-29T12:00:00Z", "=2024-02-29T12:00:00.0000009z", "2024-03-01",
          "2024-12-31T23:59:60Z", "=2025-01-01", "9999-12-31T23:59:59.999999Z"}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint64_t last = FILTER_UNREAD;
        for (size_t j = 0; j < 16 && rows[i].texts[j]; j++) {
            const char *text = rows[i].texts[j];
            bool equal = text[0] == '=';
            uint64_t value = 0;
            cr_assert(reads(rows[i].type, text + equal, &value), "%s", text);
            if (equal)
                cr_expect_eq(value, last, "%s", text);
            else
                cr_expect_gt(value, last, "%s", text);
            last = value;
        }
    }
}

Test(filter_value, what_is_not_wholly_of_the_type_is_none) {
    static const struct {
        enum filter_type type;
        const char *texts[20];
    } rows[] = {
        {FILTER_INTEGER,
         {"", "-", "+", "1.0", "1e3", " 1", "1 ", "0x10", "9223372036854775808",
          "-9223372036854775807", "-9223372036854775808", "99999999999999999999", "1_000", "١"}},
        {FILTER_NUMBER,
         {"", ".", "-", "-.", "e5", "1e", "1e+", "nan", "inf", "-inf", "0x1p3", "1e999", "-1e999",
          "1,5", "1 ", " 1", "1.2.3", "--1"}},
        {FILTER_BOOL, {"", "1", "0", "yes", "tru", "true ", "t"}},
        {FILTER_DATETIME,
         {"", "2024", "2024-02-30", "2023-02-29", "2024-00-01", "2024-13-01", "2024-01-00",
          "2024-01-01T", "2024-01-01T00:00:00", "2024-01-01T24:00:00Z", "2024-01-01T00:60:00Z",
          "2024-01-01T00:00:61Z", "2024-01-01T00:00:00.Z", "2024-01-01T00:00:00+0100",
          "2024-01-01T00:00:00Zx", "24-01-01", "2024-1-1", "2024-01-01Z", "2024-01-01T00:00Z"}},
        {FILTER_KEYWORD, {"", "a"}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        for (size_t j = 0; j < 20 && rows[i].texts[j]; j++) {
            uint64_t value = 77;
            cr_expect_not(reads(rows[i].type, rows[i].texts[j], &value), "%d '%s'", (int)i,
                          rows[i].texts[j]);
            cr_expect_eq(value, 77);
        }
    char digits[500];
    memset(digits, '1', sizeof digits);
    uint64_t value;
    cr_expect_not(filter_read(FILTER_NUMBER, digits, sizeof digits, &value));
}

Test(filter_value, numbers_become_what_their_texts_do) {
    static const double numbers[] = {0, -0.0, 1, -1, 0.1, 1e300, -DBL_MAX, DBL_MAX, 5e-324};
    char text[64];
    uint64_t value;
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        snprintf(text, sizeof text, "%.17g", numbers[i]);
        cr_assert(reads(FILTER_NUMBER, text, &value));
        cr_expect_eq(value, filter_number(numbers[i]), "%s", text);
    }
    cr_expect_eq(filter_integer(INT64_MIN), FILTER_UNREAD);
    cr_expect(reads(FILTER_INTEGER, "-5", &value) && value == filter_integer(-5));
    cr_expect(reads(FILTER_BOOL, "true", &value) && value == filter_bool(true));
}

Test(filter_value, types_have_names) {
    for (int i = 0; i < FILTER_TYPES; i++) {
        enum filter_type type;
        cr_assert_eq(filter_type_parse(filter_type_name((enum filter_type)i), &type), STATUS_OK);
        cr_expect_eq((int)type, i);
    }
    enum filter_type type;
    cr_expect_eq(filter_type_parse("FLOAT", &type), STATUS_OK);
    cr_expect_eq(type, FILTER_NUMBER);
    cr_expect_eq(filter_type_parse("text", &type), STATUS_INVALID);
}
