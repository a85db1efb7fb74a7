/* half: rounding is left to float32's own additions: beside a number of the right size the bits
 * that do not fit fall off, ties to even. */
#include "index/half.h"

#include <math.h>

#include "runtime/poison.h"

static uint16_t half_of(float value) {
    float size = fabsf(value);
    uint32_t bits, exponent, sign = signbit(value) ? 0x8000 : 0;
    if (!(size < HALF_MAX)) size = size >= HALF_MAX ? HALF_MAX : 0;
    memcpy(&bits, &size, sizeof bits);
    /* Steps of a half are 2^13 of float32's; below its smallest normal number they stay 2^-24. */
    exponent = bits >> 23;
    if (exponent < 113) exponent = 113;
    uint32_t beside_bits = (exponent + 13) << 23;
    float beside;
    memcpy(&beside, &beside_bits, sizeof beside);
    float rounded = (size + beside) - beside;
    rounded *= 0x1p-112f;
    memcpy(&bits, &rounded, sizeof bits);
    return (uint16_t)(sign | bits >> 13);
}

void half_write(const float *floats, size_t n, uint16_t *out) {
    for (size_t i = 0; i < n; i++)
        out[i] = half_of(floats[i]);
}

void half_read(const uint16_t *halves, size_t n, float *out) {
    for (size_t i = 0; i < n; i++)
        out[i] = half_float(halves[i]);
}
