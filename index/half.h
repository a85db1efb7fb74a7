/* half: floats of sixteen bits (IEEE 754 binary16): eleven bits of a number, up to 65,504. Only
 * kept; sums are float32 (kernel.h). */
#ifndef INDEX_HALF_H
#define INDEX_HALF_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define HALF_MAX 65504.0f

static inline float half_float(uint16_t half) {
    const float up = 0x1p112f; /* from the one exponent to the other; right for denormals, too */
    uint32_t bits = (uint32_t)(half & 0x7fff) << 13;
    float value;
    if (bits >= UINT32_C(0x7c00) << 13) bits |= UINT32_C(0x7f800000); /* infinite, or no number */
    memcpy(&value, &bits, sizeof value);
    if (bits < UINT32_C(0x7f800000)) value *= up;
    return half & 0x8000 ? -value : value;
}

/* The nearest one, of two as near the even one; HALF_MAX at most, with its sign. 0 for what is no
 * number. */
void half_write(const float *floats, size_t n, uint16_t *out);
void half_read(const uint16_t *halves, size_t n, float *out);

#endif
