/* filter_value: payload texts as numbers that sort like what they mean, so that one kind of column
 * serves every type. Strict: what is not wholly of the type is none of it; no white space, no hex,
 * no infinity. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "index/filter.h"
#include "runtime/poison.h"

enum {
    NUMBER_TEXT_MAX = 400, /* characters; a float64 in full has 309 digits before the point */
    FRACTION_DIGITS = 6,
};

#define SIGN (UINT64_C(1) << 63)

uint64_t filter_integer(int64_t value) {
    uint64_t key = (uint64_t)value ^ SIGN;
    return key < FILTER_LOWEST ? FILTER_UNREAD : key;
}

uint64_t filter_number(double value) {
    uint64_t bits;
    value += 0.0; /* -0 is 0 */
    memcpy(&bits, &value, sizeof bits);
    return bits & SIGN ? ~bits : bits | SIGN;
}

uint64_t filter_bool(bool value) {
    return FILTER_LOWEST + value;
}

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static bool read_integer(const char *text, size_t size, uint64_t *out) {
    const char *at = text, *end = text + size;
    bool minus = at < end && *at == '-';
    if (at < end && (*at == '-' || *at == '+')) at++;
    if (at == end) return false;
    uint64_t limit = (uint64_t)INT64_MAX - minus, value = 0; /* the two lowest have no key */
    for (; at < end; at++) {
        if (!is_digit(*at)) return false;
        uint64_t digit = (uint64_t)(*at - '0');
        if (value > (limit - digit) / 10) return false;
        value = value * 10 + digit;
    }
    *out = filter_integer(minus ? -(int64_t)value : (int64_t)value);
    return true;
}

static size_t digits(const char *text, size_t size) {
    size_t n = 0;
    while (n < size && is_digit(text[n]))
        n++;
    return n;
}

/* [+-] (digits [. [digits]] | . digits) [(e|E) [+-] digits] */
static bool is_decimal(const char *text, size_t size) {
    const char *at = text, *end = text + size;
    if (at < end && (*at == '-' || *at == '+')) at++;
    size_t whole = digits(at, (size_t)(end - at)), fraction = 0;
    at += whole;
    if (at < end && *at == '.') {
        at++;
        fraction = digits(at, (size_t)(end - at));
        at += fraction;
    }
    if (whole + fraction == 0) return false;
    if (at == end) return true;
    if (*at != 'e' && *at != 'E') return false;
    at++;
    if (at < end && (*at == '-' || *at == '+')) at++;
    size_t exponent = digits(at, (size_t)(end - at));
    return exponent > 0 && at + exponent == end;
}

static bool read_number(const char *text, size_t size, uint64_t *out) {
    char copy[NUMBER_TEXT_MAX + 1];
    if (size > NUMBER_TEXT_MAX || !is_decimal(text, size)) return false;
    memcpy(copy, text, size);
    copy[size] = '\0';
    double value = strtod(copy, NULL);
    if (!isfinite(value)) return false;
    *out = filter_number(value);
    return true;
}

static bool read_bool(const char *text, size_t size, uint64_t *out) {
    bool yes = size == 4 && strncasecmp(text, "true", 4) == 0;
    if (!yes && !(size == 5 && strncasecmp(text, "false", 5) == 0)) return false;
    *out = filter_bool(yes);
    return true;
}

/* --- dates ----------------------------------------------------------------------------------- */

struct scan {
    const char *at, *end;
};

/* Exactly n digits, at most `high`. */
static bool take_field(struct scan *scan, unsigned n, int high, int *out) {
    int value = 0;
    if (scan->end - scan->at < (ptrdiff_t)n) return false;
    for (unsigned i = 0; i < n; i++, scan->at++) {
        if (!is_digit(*scan->at)) return false;
        value = value * 10 + (*scan->at - '0');
    }
    *out = value;
    return value <= high;
}

static bool take(struct scan *scan, const char *any) {
    if (scan->at == scan->end || !strchr(any, *scan->at) || !*scan->at) return false;
    scan->at++;
    return true;
}

/* Days from 1970-01-01 to a date of the Gregorian calendar (Hinnant, "days_from_civil"). */
static int64_t days_of(int year, int month, int day) {
    year -= month <= 2;
    int era = (year >= 0 ? year : year - 399) / 400;
    int of_era = year - era * 400;
    int of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    int of_days = of_era * 365 + of_era / 4 - of_era / 100 + of_year;
    return (int64_t)era * 146097 + of_days - 719468;
}

static bool take_date(struct scan *scan, int64_t *days) {
    static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int year, month, day;
    if (!take_field(scan, 4, 9999, &year) || !take(scan, "-") || !take_field(scan, 2, 12, &month) ||
        !take(scan, "-") || !take_field(scan, 2, 31, &day))
        return false;
    if (month < 1 || day < 1) return false;
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    if (day > lengths[month - 1] + (month == 2 && leap)) return false;
    *days = days_of(year, month, day);
    return true;
}

/* Microseconds; further digits are cut. */
static bool take_fraction(struct scan *scan, int64_t *micros) {
    size_t n = digits(scan->at, (size_t)(scan->end - scan->at));
    if (n == 0) return false;
    *micros = 0;
    for (size_t i = 0; i < FRACTION_DIGITS; i++)
        *micros = *micros * 10 + (i < n ? scan->at[i] - '0' : 0);
    scan->at += n;
    return true;
}

/* Z or +hh:mm; in seconds east. */
static bool take_zone(struct scan *scan, int64_t *east) {
    int hours, minutes;
    *east = 0;
    if (take(scan, "Zz")) return true;
    if (scan->at == scan->end) return false;
    bool minus = *scan->at == '-';
    if (!take(scan, "+-") || !take_field(scan, 2, 23, &hours) || !take(scan, ":") ||
        !take_field(scan, 2, 59, &minutes))
        return false;
    *east = (hours * 60 + minutes) * (minus ? -60 : 60);
    return true;
}

/* RFC 3339, 5.6. A leap second is the first of the next minute. */
static bool read_datetime(const char *text, size_t size, uint64_t *out) {
    struct scan scan = {text, text + size};
    int64_t days, micros = 0, east = 0;
    int hour = 0, minute = 0, second = 0;
    if (!take_date(&scan, &days)) return false;
    if (scan.at < scan.end) {
        if (!take(&scan, "Tt ") || !take_field(&scan, 2, 23, &hour) || !take(&scan, ":") ||
            !take_field(&scan, 2, 59, &minute) || !take(&scan, ":") ||
            !take_field(&scan, 2, 60, &second))
            return false;
        if (take(&scan, ".") && !take_fraction(&scan, &micros)) return false;
        if (!take_zone(&scan, &east) || scan.at != scan.end) return false;
    }
    int64_t seconds = days * 86400 + hour * 3600 + minute * 60 + second - east;
    *out = filter_integer(seconds * 1000000 + micros);
    return true;
}

bool filter_read(enum filter_type type, const char *text, size_t size, uint64_t *out) {
    switch (type) {
    case FILTER_INTEGER:
        return read_integer(text, size, out);
    case FILTER_NUMBER:
        return read_number(text, size, out);
    case FILTER_BOOL:
        return read_bool(text, size, out);
    case FILTER_DATETIME:
        return read_datetime(text, size, out);
    default:
        return false;
    }
}
