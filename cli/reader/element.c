/* element: numbers of any width and byte order to float32. */
#include <math.h>
#include <string.h>

#include "cli/reader/format.h"

size_t element_size(enum element element) {
    static const size_t sizes[] = {
        [ELEMENT_F2] = 2, [ELEMENT_F4] = 4, [ELEMENT_F8] = 8, [ELEMENT_I1] = 1,
        [ELEMENT_I2] = 2, [ELEMENT_I4] = 4, [ELEMENT_I8] = 8, [ELEMENT_U1] = 1,
        [ELEMENT_U2] = 2, [ELEMENT_U4] = 4, [ELEMENT_U8] = 8,
    };
    return sizes[element];
}

/* The number's bits in the low bytes of a word, whatever its order in the file. */
static uint64_t bits_at(const unsigned char *at, size_t size, bool big_endian) {
    uint64_t bits = 0;
    for (size_t i = 0; i < size; i++)
        bits |= (uint64_t)at[big_endian ? size - 1 - i : i] << (8 * i);
    return bits;
}

/* IEEE 754 binary16: 5 exponent bits, 10 of the fraction. */
static float half(uint64_t bits) {
    int exponent = (int)(bits >> 10 & 31);
    int fraction = (int)(bits & 1023);
    float value;
    if (exponent == 31)
        value = fraction ? NAN : INFINITY;
    else if (exponent == 0)
        value = ldexpf((float)fraction, -24);
    else
        value = ldexpf((float)(1024 + fraction), exponent - 25);
    return bits >> 15 & 1 ? -value : value;
}

static float number(enum element element, uint64_t bits) {
    float single;
    double wide;
    uint32_t low = (uint32_t)bits;
    switch (element) {
    case ELEMENT_F2:
        return half(bits);
    case ELEMENT_F4:
        memcpy(&single, &low, sizeof single);
        return single;
    case ELEMENT_F8:
        memcpy(&wide, &bits, sizeof wide);
        /* Out of range becomes infinity, which the import refuses by name. */
        return fabs(wide) > 3.4028235677973366e38 ? (wide > 0 ? INFINITY : -INFINITY) : (float)wide;
    case ELEMENT_I1:
        return (float)(int8_t)bits;
    case ELEMENT_I2:
        return (float)(int16_t)bits;
    case ELEMENT_I4:
        return (float)(int32_t)bits;
    case ELEMENT_I8:
        return (float)(int64_t)bits;
    default:
        return (float)bits;
    }
}

void element_floats(
    enum element element, bool big_endian, const void *bytes, size_t n, float *out) {
    const unsigned char *at = bytes;
    size_t size = element_size(element);
    if (element == ELEMENT_F4 && !big_endian) {
        memcpy(out, at, n * size);
        return;
    }
    for (size_t i = 0; i < n; i++)
        out[i] = number(element, bits_at(at + i * size, size, big_endian));
}
