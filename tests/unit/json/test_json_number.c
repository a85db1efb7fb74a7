/* Numbers between text and binary: exact, locale-free, shortest. */
#include <criterion/criterion.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "adapters/edge/json_number.h"
#include "runtime/rng.h"

static float float_of(const char *text) {
    struct json_number number;
    float value = NAN;
    size_t size = strlen(text);
    cr_assert(json_number_scan(text, text + size, &number) == size, "%s", text);
    if (!json_number_float(&number, &value)) return INFINITY;
    return value;
}

static double double_of(const char *text) {
    struct json_number number;
    double value = NAN;
    size_t size = strlen(text);
    cr_assert(json_number_scan(text, text + size, &number) == size, "%s", text);
    if (!json_number_double(&number, &value)) return HUGE_VAL;
    return value;
}

static bool same_float(float a, float b) {
    return memcmp(&a, &b, sizeof a) == 0;
}

static float random_float(struct rng *rng) {
    float value;
    uint32_t bits = (uint32_t)rng_next(rng);
    memcpy(&value, &bits, sizeof value);
    return value;
}

Test(json_number, takes_the_longest_number_of_the_grammar) {
    static const struct {
        const char *text;
        size_t size;
    } rows[] = {
        {"0", 1},
        {"-0", 2},
        {"12,", 2},
        {"01", 1},
        {"1.", 1},
        {"1.5.", 3},
        {"1e", 1},
        {"1e+", 1},
        {"1e5", 3},
        {"1E-5x", 4},
        {"-", 0},
        {"", 0},
        {".5", 0},
        {"+1", 0},
        {"NaN", 0},
        {"0x10", 1},
        {"-a", 0},
        {"1.e5", 1},
        {"123456789012345678901234567890", 30},
        {"0.0000", 6},
        {"12345678", 8},
        {"1234567 ", 7},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct json_number number;
        const char *text = rows[i].text;
        cr_expect_eq(json_number_scan(text, text + strlen(text), &number), rows[i].size, "%s",
                     text);
    }
}

Test(json_number, reads_floats_with_one_rounding) {
    static const struct {
        const char *text;
        float value;
    } rows[] = {
        {"0", 0.0f},
        {"-0", -0.0f},
        {"0.0000e99999", 0.0f},
        {"-0e5", -0.0f},
        {"1", 1.0f},
        {"0.1", 0.1f},
        {"3.4028235e38", FLT_MAX},
        {"3.40282356e38", FLT_MAX},
        {"3.4028236e38", INFINITY},
        {"1e39", INFINITY},
        {"1e999999999999999999999", INFINITY},
        {"1e-999999999999999999999", 0.0f},
        {"1e-45", 0x1p-149f},
        {"7.006492321624085e-46", 0.0f},
        {"7.006492321624086e-46", 0x1p-149f},
        {"1.1754942e-38", 0x1.fffffcp-127f},
        {"1.1754943508222875e-38", FLT_MIN},
        /* Between 1 and 1 + 2^-23: exactly the middle, a hair above it, a hair below it. */
        {"1.000000059604644775390625", 1.0f},
        {"1.0000000596046447753906250000000000000000000000000001", 0x1.000002p0f},
        {"1.00000005960464477539062499999999999999999999", 1.0f},
        {"16777217", 16777216.0f},
        {"16777219", 16777220.0f},
        {"16777217.0000000000000000000000001", 16777218.0f},
        {"0.30000000000000004", 0.3f},
        {"123456789012345678901234567890", 123456789012345678901234567890.0f},
        {"100000000000000000000000000000e-29", 1.0f},
        {"0.000000000000000000000000000000000000000001e42", 1.0f},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        float value = float_of(rows[i].text);
        cr_expect(same_float(value, rows[i].value), "%s gives %.9g", rows[i].text, value);
    }
}

Test(json_number, agrees_with_strtof_and_strtod) {
    struct rng rng;
    rng_init(&rng, 1);
    for (int i = 0; i < 400000; i++) {
        char text[64];
        uint64_t mantissa = rng_next(&rng) >> rng_below(&rng, 64);
        int digits = snprintf(text, sizeof text, "%llu", (unsigned long long)mantissa);
        if (i % 2 && digits > 1) {
            memmove(text + 2, text + 1, (size_t)digits);
            text[1] = '.';
            digits++;
        }
        snprintf(text + digits, sizeof text - (size_t)digits, "e%d",
                 (int)rng_below(&rng, 100) - 60);
        float f = strtof(text, NULL);
        cr_assert(same_float(float_of(text), f), "%s", text);
        cr_assert_eq(double_of(text), strtod(text, NULL), "%s", text);
    }
}

/* Decimals next to the middle of two floats: where rounding twice goes wrong. */
Test(json_number, rounds_middles_as_strtof_does) {
    struct rng rng;
    rng_init(&rng, 2);
    for (int i = 0; i < 100000; i++) {
        float value = random_float(&rng);
        if (!isfinite(value)) continue;
        double middle = ((double)value + (double)nextafterf(value, INFINITY)) / 2;
        char text[64];
        snprintf(text, sizeof text, "%.*e", 14 + (int)rng_below(&rng, 16), middle);
        cr_assert(same_float(float_of(text), strtof(text, NULL)), "%s", text);
    }
}

Test(json_number, reads_very_long_numbers) {
    char text[5000];
    memset(text, '0', sizeof text);
    memcpy(text, "1.0", 3);
    memcpy(text + 4990, "1e0", 4);
    cr_expect(same_float(float_of(text), 1.0f));
    memcpy(text, "1.000000059604644775390625", 26);
    cr_expect(same_float(float_of(text), 0x1.000002p0f), "the last digit decides");
    memset(text, '9', 4990);
    memcpy(text + 4990, "e-4990", 7);
    cr_expect_eq(double_of(text), 1.0);
}

Test(json_number, reads_integers_however_they_are_written) {
    static const struct {
        const char *text;
        enum status status;
        uint64_t value;
    } rows[] = {
        {"5", STATUS_OK, 5},
        {"5.0", STATUS_OK, 5},
        {"5e0", STATUS_OK, 5},
        {"50e-1", STATUS_OK, 5},
        {"0.5e1", STATUS_OK, 5},
        {"-7", STATUS_OK, 7},
        {"5.5", STATUS_INVALID, 0},
        {"1e-1", STATUS_INVALID, 0},
        {"0e-1", STATUS_OK, 0},
        {"0.00", STATUS_OK, 0},
        {"0e999999999999", STATUS_OK, 0},
        {"1e19", STATUS_OK, 10000000000000000000u},
        {"1e20", STATUS_TOO_LARGE, 0},
        {"18446744073709551615", STATUS_OK, UINT64_MAX},
        {"18446744073709551616", STATUS_TOO_LARGE, 0},
        {"18446744073709551615.000", STATUS_OK, UINT64_MAX},
        {"1844674407370955161500e-2", STATUS_OK, UINT64_MAX},
        {"99999999999999999999999999", STATUS_TOO_LARGE, 0},
        {"9007199254740993", STATUS_OK, 9007199254740993},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct json_number number;
        const char *text = rows[i].text;
        uint64_t value = 0;
        cr_assert_eq(json_number_scan(text, text + strlen(text), &number), strlen(text), "%s",
                     text);
        cr_expect_eq(json_number_integer(&number, &value), rows[i].status, "%s", text);
        cr_expect_eq(value, rows[i].value, "%s", text);
    }
}

Test(json_number, prints_floats_as_people_write_them) {
    static const struct {
        float value;
        const char *text;
    } rows[] = {
        {0.0f, "0"},
        {-0.0f, "-0"},
        {1.0f, "1"},
        {-1.5f, "-1.5"},
        {0.1f, "0.1"},
        {0.98765432f, "0.9876543"},
        {FLT_MAX, "3.4028235e+38"},
        {FLT_MIN, "1.1754944e-38"},
        {0x1p-149f, "1e-45"},
        {16777216.0f, "16777216"},
        {123456.0f, "123456"},
        {1e20f, "100000000000000000000"},
        {1e21f, "1e+21"},
        {1e-6f, "0.000001"},
        {1e-7f, "1e-07"},
        {1.5e-7f, "1.5e-07"},
        {0.00001234f, "0.00001234"},
        {9.999999e9f, "9999999000"},
        {8388608.5f, "8388608"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[JSON_NUMBER_MAX + 1];
        text[json_number_print_float(text, rows[i].value)] = '\0';
        cr_expect_str_eq(text, rows[i].text);
    }
}

/* For any float: it reads back, and no decimal with fewer digits does. */
Test(json_number, prints_the_shortest_float_that_reads_back) {
    struct rng rng;
    rng_init(&rng, 3);
    for (int i = 0; i < 300000; i++) {
        float value = i % 2 ? (float)rng_normal(&rng) : random_float(&rng);
        if (!isfinite(value)) continue;
        char text[JSON_NUMBER_MAX + 1], shorter[40];
        text[json_number_print_float(text, value)] = '\0';
        cr_assert(same_float(strtof(text, NULL), value), "%s is not %.9g", text, value);
        cr_assert(same_float(float_of(text), value), "%s is not %.9g", text, value);
        int digits = 1;
        for (; digits <= 9; digits++) {
            snprintf(shorter, sizeof shorter, "%.*e", digits - 1, (double)value);
            if (same_float(strtof(shorter, NULL), value)) break;
        }
        char plain[JSON_NUMBER_MAX + 1];
        size_t ours = 0;
        for (const char *p = text; *p && *p != 'e'; p++)
            if (*p >= '0' && *p <= '9' && (ours > 0 || *p != '0')) plain[ours++] = *p;
        while (ours > 1 && plain[ours - 1] == '0')
            ours--;
        cr_assert_leq((int)ours, digits, "%s has %zu digits, %s has %d", text, ours, shorter,
                      digits);
    }
}

Test(json_number, prints_doubles_that_read_back) {
    struct rng rng;
    rng_init(&rng, 4);
    for (int i = 0; i < 100000; i++) {
        double value;
        uint64_t bits = rng_next(&rng);
        memcpy(&value, &bits, sizeof value);
        if (!isfinite(value)) continue;
        char text[JSON_NUMBER_MAX + 1];
        text[json_number_print_double(text, value)] = '\0';
        cr_assert_eq(strtod(text, NULL), value, "%s", text);
    }
}
