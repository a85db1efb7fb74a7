/* json_number: JSON numbers to and from binary, exactly and whatever the locale. Text to float32
 * rounds once (never through a rounded double); float32 to text is the shortest that reads back. */
#ifndef EDGE_JSON_NUMBER_H
#define EDGE_JSON_NUMBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/status.h"

/* value = (-)mantissa * 10^exponent; when cut, digits after the 19th are left out of the mantissa.
 */
struct json_number {
    uint64_t mantissa;
    int64_t exponent;
    bool negative;
    bool cut;
    const char *text; /* borrowed */
    size_t size;
};

/* Reads the longest number of JSON's grammar at `at`; returns its bytes, 0 when there is none. */
size_t json_number_scan(const char *at, const char *end, struct json_number *out);
/* False: beyond the largest finite value. What is too small becomes 0. */
bool json_number_float(const struct json_number *number, float *out);
bool json_number_double(const struct json_number *number, double *out);
/* An integer may be written 5, 5.0 or 50e-1. INVALID: it has a fraction; TOO_LARGE: above 64 bits.
 */
MUST_USE enum status json_number_integer(const struct json_number *number, uint64_t *magnitude);

enum { JSON_NUMBER_MAX = 32 };
/* Writes a finite value; returns the length, at most JSON_NUMBER_MAX. No NUL. */
size_t json_number_print_float(char *out, float value);
size_t json_number_print_double(char *out, double value);

#endif
