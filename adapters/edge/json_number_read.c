/* json_number_read: decimal text to binary.
 *
 * The mantissa's digits are gathered in 64 bits, eight at a time. A double is exact at once when
 * mantissa and power of ten are (Clinger 1990: <= 2^53, 10^22). A float needs less: the same
 * quotient with any mantissa is right to a few units of the last place of double, and rounds to the
 * right float unless it lies that close to the middle between two floats. What is left (about 1 in
 * 30 million) goes to strtod/strtof as digits and exponent without a point, so that no locale
 * matters. */
#include "adapters/edge/json_number.h"

#include <errno.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/poison.h"

enum {
    MANTISSA_DIGITS = 19,       /* always fit 64 bits */
    EXACT_POWER = 22,           /* 10^22 is the largest exact power of ten of a double */
    DIGITS_MAX = 800,           /* more than the 767 that can decide a double's rounding */
    EXPONENT_MAX = 20000,       /* beyond any binary format, whatever DIGITS_MAX digits say */
    EXPONENT_TEXT = 1000000000, /* larger written exponents count as this */
    MIDDLE_MARGIN = 8,          /* units in the last place of double: more than the two roundings */
};
static const double powers[EXACT_POWER + 1] = {
    1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
    1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
};

static bool is_digit(char c) {
    return (unsigned char)(c - '0') < 10;
}

/* Eight ASCII digits at once: sums neighbours in three multiplications (Lemire 2018). */
static bool eight_digits(const char *at, uint64_t *value) {
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    uint64_t v;
    memcpy(&v, at, sizeof v);
    uint64_t high = v & 0xf0f0f0f0f0f0f0f0u;
    uint64_t above = (v + 0x0606060606060606u) & 0xf0f0f0f0f0f0f0f0u;
    if (high != 0x3030303030303030u || above != 0x3030303030303030u) return false;
    v -= 0x3030303030303030u;
    v = v * 10 + (v >> 8);
    *value = ((v & 0x000000ff000000ffu) * (100 + (UINT64_C(1000000) << 32)) +
              ((v >> 16) & 0x000000ff000000ffu) * (1 + (UINT64_C(10000) << 32))) >>
             32;
    return true;
#else
    (void)at, (void)value;
    return false;
#endif
}

/* Appends the digits at `at` to the mantissa, which wraps around beyond 19 digits. */
static const char *take_digits(const char *at, const char *end, uint64_t *mantissa) {
    uint64_t sum = *mantissa, eight;
    while (end - at >= 8 && eight_digits(at, &eight)) {
        sum = sum * 100000000 + eight;
        at += 8;
    }
    for (; at < end && is_digit(*at); at++)
        sum = sum * 10 + (uint64_t)(*at - '0');
    *mantissa = sum;
    return at;
}

/* The exponent part, if there is a whole one. */
static const char *take_exponent(const char *at, const char *end, int64_t *exponent) {
    const char *p = at + 1;
    bool negative = p < end && *p == '-';
    if (p < end && (*p == '-' || *p == '+')) p++;
    if (p == end || !is_digit(*p)) return at;
    int64_t value = 0;
    for (; p < end && is_digit(*p); p++)
        if (value < EXPONENT_TEXT) value = value * 10 + (*p - '0');
    *exponent = negative ? -value : value;
    return p;
}

/* The mantissa again, from the first 19 digits that count. */
static void cut_mantissa(const char *at, const char *end, struct json_number *out) {
    uint64_t mantissa = 0;
    int digits = 0;
    int64_t dropped = 0;
    for (; at < end; at++) {
        if (*at == '.') continue;
        if (digits == MANTISSA_DIGITS) {
            dropped++;
            continue;
        }
        mantissa = mantissa * 10 + (uint64_t)(*at - '0');
        if (mantissa) digits++;
    }
    out->mantissa = mantissa;
    out->exponent += dropped;
    out->cut = dropped > 0;
}

size_t json_number_scan(const char *at, const char *end, struct json_number *out) {
    const char *p = at;
    uint64_t mantissa = 0;
    int64_t exponent = 0;
    bool negative = p < end && *p == '-';
    if (negative) p++;
    if (p == end || !is_digit(*p)) return 0;

    const char *digits = p;
    if (*p == '0')
        p++;
    else
        p = take_digits(p, end, &mantissa);
    const char *fraction = p;
    if (end - p >= 2 && *p == '.' && is_digit(p[1])) {
        fraction = p + 1;
        p = take_digits(fraction, end, &mantissa);
    }
    const char *digits_end = p;
    if (p < end && (*p | 0x20) == 'e') p = take_exponent(p, end, &exponent);

    *out = (struct json_number){
        .mantissa = mantissa,
        .exponent = exponent - (digits_end - fraction),
        .negative = negative,
        .text = at,
        .size = (size_t)(p - at),
    };
    if (digits_end - digits > MANTISSA_DIGITS) cut_mantissa(digits, digits_end, out);
    return out->size;
}

/* Digits and exponent without a point: what strtod reads alike in every locale. */
static void plain_text(const struct json_number *number, char *out, size_t size) {
    const char *at = number->text, *end = at + number->size;
    size_t n = 0;
    int64_t exponent = 0;
    bool point = false, more = false;
    if (*at == '-') out[n++] = *at++;
    size_t first = n;
    for (; at < end && (*at | 0x20) != 'e'; at++) {
        if (*at == '.') {
            point = true;
            continue;
        }
        if (point) exponent--;
        if (n == first && *at == '0') continue;
        if (n - first < DIGITS_MAX) {
            out[n++] = *at;
            continue;
        }
        exponent++;
        more |= *at != '0';
    }
    if (n == first) out[n++] = '0';
    /* What was left out only matters as being more than nothing. */
    if (more) {
        out[n++] = '1';
        exponent--;
    }
    int64_t written = 0;
    if (at < end) (void)take_exponent(at, end, &written);
    exponent += written;
    if (exponent > EXPONENT_MAX) exponent = EXPONENT_MAX;
    if (exponent < -EXPONENT_MAX) exponent = -EXPONENT_MAX;
    snprintf(out + n, size - n, "e%d", (int)exponent);
}

/* mantissa * 10^exponent with one rounding of each operand; the caller knows when that is enough.
 */
static double scale(uint64_t mantissa, int64_t exponent) {
    double value = (double)mantissa;
    return exponent < 0 ? value / powers[-exponent] : value * powers[exponent];
}

/* True when a value within MIDDLE_MARGIN units of `value` rounds to the same normal float. */
static bool rounds_clearly(double value) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    uint64_t tail = bits & ((UINT64_C(1) << 29) - 1);
    uint64_t distance = tail - ((UINT64_C(1) << 28) - MIDDLE_MARGIN);
    return distance > 2 * MIDDLE_MARGIN && value > FLT_MIN && value < FLT_MAX;
}

bool json_number_float(const struct json_number *number, float *out) {
    if (number->mantissa == 0) {
        *out = number->negative ? -0.0f : 0.0f;
        return true;
    }
    if (number->exponent >= -EXACT_POWER && number->exponent <= EXACT_POWER) {
        double value = scale(number->mantissa, number->exponent);
        if (rounds_clearly(value)) {
            *out = number->negative ? -(float)value : (float)value;
            return true;
        }
    }
    char text[DIGITS_MAX + 16];
    plain_text(number, text, sizeof text);
    float value = strtof(text, NULL);
    if (isinf(value)) return false;
    *out = value;
    return true;
}

bool json_number_double(const struct json_number *number, double *out) {
    if (number->mantissa == 0) {
        *out = number->negative ? -0.0 : 0.0;
        return true;
    }
    if (!number->cut && number->mantissa <= UINT64_C(1) << 53 && number->exponent >= -EXACT_POWER &&
        number->exponent <= EXACT_POWER) {
        double value = scale(number->mantissa, number->exponent);
        *out = number->negative ? -value : value;
        return true;
    }
    char text[DIGITS_MAX + 16];
    plain_text(number, text, sizeof text);
    double value = strtod(text, NULL);
    if (isinf(value)) return false;
    *out = value;
    return true;
}

/* Digits before the point make the value; digits behind it must be zeros. */
enum status json_number_integer(const struct json_number *number, uint64_t *magnitude) {
    if (number->exponent == 0 && !number->cut) {
        *magnitude = number->mantissa;
        return STATUS_OK;
    }
    const char *at = number->text + number->negative, *end = number->text + number->size;
    const char *stop = at;
    int64_t n = 0, whole = -1, written = 0;
    for (; stop < end && (*stop | 0x20) != 'e'; stop++) {
        if (*stop == '.')
            whole = n;
        else
            n++;
    }
    if (whole < 0) whole = n;
    if (stop < end) (void)take_exponent(stop, end, &written);
    whole += written;

    uint64_t value = 0;
    int64_t i = 0;
    for (; at < stop; at++) {
        if (*at == '.') continue;
        uint64_t digit = (uint64_t)(*at - '0');
        if (i++ >= whole) {
            if (digit) return STATUS_INVALID;
            continue;
        }
        if (value > (UINT64_MAX - digit) / 10) return STATUS_TOO_LARGE;
        value = value * 10 + digit;
    }
    for (; value && i < whole; i++) {
        if (value > UINT64_MAX / 10) return STATUS_TOO_LARGE;
        value *= 10;
    }
    *magnitude = value;
    return STATUS_OK;
}
