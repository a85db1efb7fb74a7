/* rng: see the header; constants from the authors' reference code. */
#include "runtime/rng.h"

#include <math.h>

uint64_t rng_mix(uint64_t value) {
    value += 0x9e3779b97f4a7c15u;
    value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9u;
    value = (value ^ (value >> 27)) * 0x94d049bb133111ebu;
    return value ^ (value >> 31);
}

void rng_init(struct rng *rng, uint64_t seed) {
    for (int i = 0; i < 4; i++)
        rng->state[i] = rng_mix(seed + (uint64_t)i * 0x9e3779b97f4a7c15u);
}

__extension__ typedef unsigned __int128 uint128;

static uint64_t rotate(uint64_t value, int by) {
    return (value << by) | (value >> (64 - by));
}

uint64_t rng_next(struct rng *rng) {
    uint64_t *s = rng->state;
    uint64_t result = rotate(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate(s[3], 45);
    return result;
}

/* Multiply-shift (Lemire 2019) without the rejection step: bias < bound / 2^64. */
uint64_t rng_below(struct rng *rng, uint64_t bound) {
    return (uint64_t)(((uint128)rng_next(rng) * bound) >> 64);
}

double rng_unit(struct rng *rng) {
    return (double)(rng_next(rng) >> 11) * 0x1.0p-53;
}

double rng_normal(struct rng *rng) {
    double u = 1.0 - rng_unit(rng); /* never 0 */
    double v = rng_unit(rng);
    return sqrt(-2.0 * log(u)) * cos(6.283185307179586 * v);
}
