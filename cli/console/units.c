/* units: three significant digits, no more. */
#include "cli/console/units.h"

#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <time.h>

/* "1.23", "12.3", "123" and the unit. */
static char *three(char out[UNITS_MAX], double value, const char *unit) {
    int digits = value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
    snprintf(out, UNITS_MAX, "%.*f%s", digits, value, unit);
    return out;
}

static double sound(double value) {
    return isfinite(value) && value > 0 ? value : 0;
}

char *units_count(char out[UNITS_MAX], double count) {
    static const char *const marks[] = {"k", "M", "G", "T", "P", "E"};
    count = sound(count);
    if (count > 0 && count < 9.95 && count != floor(count)) {
        snprintf(out, UNITS_MAX, "%.1f", count);
        return out;
    }
    if (count < 9999.5) {
        unsigned n = (unsigned)(count + 0.5);
        if (n < 1000)
            snprintf(out, UNITS_MAX, "%u", n);
        else
            snprintf(out, UNITS_MAX, "%u,%03u", n / 1000, n % 1000);
        return out;
    }
    unsigned i = 0;
    for (count /= 1000; count >= 999.5 && i < 5; count /= 1000)
        i++;
    return three(out, count, marks[i]);
}

char *units_bytes(char out[UNITS_MAX], double bytes) {
    static const char *const marks[] = {" KB", " MB", " GB", " TB", " PB", " EB"};
    bytes = sound(bytes);
    if (bytes < 1000) {
        snprintf(out, UNITS_MAX, "%.0f B", bytes);
        return out;
    }
    unsigned i = 0;
    for (bytes /= 1024; bytes >= 999.5 && i < 5; bytes /= 1024)
        i++;
    return three(out, bytes, marks[i]);
}

char *units_us(char out[UNITS_MAX], double us) {
    us = sound(us);
    if (us < 999.5) {
        snprintf(out, UNITS_MAX, "%.0fus", us);
        return out;
    }
    if (us < 999.5e3) return three(out, us / 1e3, "ms");
    if (us < 119.5e6) return three(out, us / 1e6, "s");
    if (us < 119.5 * 60e6) {
        snprintf(out, UNITS_MAX, "%.0fm", us / 60e6);
        return out;
    }
    bool hours = us < 48 * 3600e6;
    snprintf(out, UNITS_MAX, "%.0f%s", us / (hours ? 3600e6 : 86400e6), hours ? "h" : "d");
    return out;
}

char *units_share(char out[UNITS_MAX], double share) {
    share = sound(share) * 100;
    if (share > 9999) share = 9999;
    snprintf(out, UNITS_MAX, share > 0 && share < 9.95 ? "%.1f%%" : "%.0f%%", share);
    return out;
}

char *units_uptime(char out[UNITS_MAX], uint64_t ms) {
    uint64_t s = ms / 1000, m = s / 60, h = m / 60, d = h / 24;
    if (d > 0)
        snprintf(out, UNITS_MAX, "%" PRIu64 "d%" PRIu64 "h", d, h % 24);
    else if (h > 0)
        snprintf(out, UNITS_MAX, "%" PRIu64 "h%02" PRIu64 "m", h, m % 60);
    else if (m > 0)
        snprintf(out, UNITS_MAX, "%" PRIu64 "m%02" PRIu64 "s", m, s % 60);
    else
        snprintf(out, UNITS_MAX, "%" PRIu64 "s", s);
    return out;
}

char *units_clock(char out[UNITS_MAX], uint64_t wall_ms) {
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm local;
    if (!localtime_r(&seconds, &local) || !strftime(out, UNITS_MAX, "%H:%M:%S", &local))
        snprintf(out, UNITS_MAX, "?");
    return out;
}
