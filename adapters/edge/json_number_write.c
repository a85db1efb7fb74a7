/* json_number_write: the shortest decimal that reads back as the same float32 or double.
 *
 * A float that has a short form of at most six digits shows it when rounded to six (FLT_DIG), the
 * trailing zeros dropped; nine always suffice. So 6, 7, 8 and 9 digits are tried: scaled by an
 * exact power of ten in double, rounded, and divided back, which is correctly rounded and therefore
 * proves what a reader will get. Very small and very large values, and doubles, go through printf's
 * %e, whose digits are taken without its point. */
#include "adapters/edge/json_number.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/poison.h"

enum {
    EXACT_POWER = 22, /* 10^22 is the largest exact power of ten of a double */
    FIXED_LOW = -6,   /* decimal exponents written without an exponent, as Go and JavaScript do */
    FIXED_HIGH = 20,
};
static const double powers[EXACT_POWER + 1] = {
    1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
    1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
};

/* d.ddd * 10^exponent */
struct decimal {
    char digits[24];
    int n;
    int exponent;
};

static void drop_zeros(struct decimal *decimal) {
    while (decimal->n > 1 && decimal->digits[decimal->n - 1] == '0')
        decimal->n--;
}

static void set_digits(struct decimal *decimal, uint64_t value) {
    char reverse[24];
    int n = 0;
    while (value % 10 == 0)
        value /= 10, decimal->exponent++;
    for (; value; value /= 10)
        reverse[n++] = (char)('0' + value % 10);
    decimal->n = n;
    for (int i = 0; i < n; i++)
        decimal->digits[i] = reverse[n - 1 - i];
}

static double scaled(double value, int power) {
    return power < 0 ? value / powers[-power] : value * powers[power];
}

/* True when a correct reader turns mantissa / 10^power into this float. The double is the nearest
 * one; it decides unless it was rounded to the middle of two floats, where the digits would. */
static bool reads_as(double mantissa, int power, float value) {
    double read = scaled(mantissa, -power);
    uint64_t bits;
    memcpy(&bits, &read, sizeof bits);
    bool middle = (bits & ((UINT64_C(1) << 29) - 1)) == UINT64_C(1) << 28;
    bool exact = power <= 0 && read < 0x1p53;
    return (exact || !middle) && (float)read == value;
}

/* value > 0. False: outside of the range where all powers of ten are exact. */
static bool shortest_quickly(float value, struct decimal *out) {
    if (value < 1e-13f || value >= 1e22f) return false;
    int exponent = 0;
    while (value >= powers[exponent + 1])
        exponent++;
    while (exponent <= 0 && (double)value * powers[-exponent] < 1)
        exponent--;
    for (int digits = FLT_DIG; digits <= FLT_DECIMAL_DIG; digits++) {
        int power = digits - 1 - exponent;
        double rounded = nearbyint(scaled(value, power));
        if (!reads_as(rounded, power, value)) continue;
        /* Rounding up to 10^digits is one digit more of the same value. */
        out->exponent = -power;
        set_digits(out, (uint64_t)rounded);
        out->exponent += out->n - 1;
        return true;
    }
    return false;
}

/* value > 0: printf's digits, read back as digits and exponent so that the locale's point does not
 * matter. */
static void shortest_by_trial(double value, bool single, struct decimal *out) {
    bool normal = value >= (single ? (double)FLT_MIN : DBL_MIN);
    int low = !normal ? 1 : single ? FLT_DIG : DBL_DIG;
    int high = single ? FLT_DECIMAL_DIG : DBL_DECIMAL_DIG;
    for (int digits = low; digits <= high; digits++) {
        char text[40], plain[40];
        snprintf(text, sizeof text, "%.*e", digits - 1, value);
        const char *e = strchr(text, 'e');
        out->n = 0;
        for (const char *p = text; p < e; p++)
            if (*p >= '0' && *p <= '9') out->digits[out->n++] = *p;
        out->exponent = (int)strtol(e + 1, NULL, 10);
        snprintf(plain, sizeof plain, "%.*se%d", out->n, out->digits, out->exponent - out->n + 1);
        if (single ? (double)strtof(plain, NULL) == value : strtod(plain, NULL) == value) break;
    }
    drop_zeros(out);
}

static size_t put_zeros(char *out, int n) {
    for (int i = 0; i < n; i++)
        out[i] = '0';
    return (size_t)n;
}

static size_t put_digits(char *out, const struct decimal *decimal, int from, int to) {
    memcpy(out, decimal->digits + from, (size_t)(to - from));
    return (size_t)(to - from);
}

static size_t put_decimal(char *out, const struct decimal *decimal) {
    size_t n = 0;
    int whole = decimal->exponent + 1;
    if (decimal->exponent < FIXED_LOW || decimal->exponent > FIXED_HIGH) {
        out[n++] = decimal->digits[0];
        if (decimal->n > 1) out[n++] = '.';
        n += put_digits(out + n, decimal, 1, decimal->n);
        n += (size_t)snprintf(out + n, 8, "e%+03d", decimal->exponent);
    } else if (whole <= 0) {
        out[n++] = '0';
        out[n++] = '.';
        n += put_zeros(out + n, -whole);
        n += put_digits(out + n, decimal, 0, decimal->n);
    } else if (whole >= decimal->n) {
        n += put_digits(out + n, decimal, 0, decimal->n);
        n += put_zeros(out + n, whole - decimal->n);
    } else {
        n += put_digits(out + n, decimal, 0, whole);
        out[n++] = '.';
        n += put_digits(out + n, decimal, whole, decimal->n);
    }
    return n;
}

size_t json_number_print_float(char *out, float value) {
    size_t n = 0;
    if (signbit(value)) out[n++] = '-';
    float size = fabsf(value);
    if (size == 0) {
        out[n++] = '0';
        return n;
    }
    struct decimal decimal = {.n = 0};
    if (!shortest_quickly(size, &decimal)) shortest_by_trial((double)size, true, &decimal);
    return n + put_decimal(out + n, &decimal);
}

size_t json_number_print_double(char *out, double value) {
    size_t n = 0;
    if (signbit(value)) out[n++] = '-';
    double size = fabs(value);
    if (size == 0) {
        out[n++] = '0';
        return n;
    }
    struct decimal decimal = {.n = 0};
    shortest_by_trial(size, false, &decimal);
    return n + put_decimal(out + n, &decimal);
}
