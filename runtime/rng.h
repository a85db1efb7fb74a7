/* rng: xoshiro256** (Blackman, Vigna 2018), seeded through splitmix64. The only source of
 * randomness besides the operating system's, so that a run replays from its seed. */
#ifndef RUNTIME_RNG_H
#define RUNTIME_RNG_H

#include <stdint.h>

struct rng {
    uint64_t state[4];
};

/* Any seed, also 0, gives a good state. */
void rng_init(struct rng *rng, uint64_t seed);
uint64_t rng_next(struct rng *rng);
/* Uniform in [0, bound); bound 0 gives 0. */
uint64_t rng_below(struct rng *rng, uint64_t bound);
/* Uniform in [0, 1). */
double rng_unit(struct rng *rng);
/* Standard normal (Box-Muller). */
double rng_normal(struct rng *rng);
/* One step of splitmix64: a good 64-bit mixer for seeds and hashes. */
uint64_t rng_mix(uint64_t value);

#endif
