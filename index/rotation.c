/* rotation: H/√n is its own inverse, and so is a sign. */
#include "index/rotation.h"

#include <math.h>

#include "runtime/memory.h"
#include "runtime/rng.h"

#include "runtime/poison.h"

enum { ROUNDS_MAX = 4 };

static uint32_t start_of(const struct rotation *rotation, uint32_t round) {
    return round % 2 ? rotation->dimension - rotation->block : 0;
}

enum status rotation_init(struct rotation *rotation, uint32_t dimension, uint64_t seed) {
    uint32_t block = 1;
    while (block * 2 <= dimension)
        block *= 2;
    *rotation = (struct rotation){
        .dimension = dimension,
        .block = block,
        .rounds = block == dimension ? 2 : ROUNDS_MAX,
        .kernel = kernel_best(),
    };
    rotation->factors = mem_zero((size_t)rotation->rounds * dimension, sizeof(float));
    if (!rotation->factors) return STATUS_NO_MEMORY;
    float scale = 1 / sqrtf((float)block);
    for (uint32_t round = 0; round < rotation->rounds; round++) {
        float *factors = rotation->factors + (size_t)round * dimension;
        uint32_t start = start_of(rotation, round);
        for (uint32_t i = 0; i < dimension; i++) {
            uint64_t bits = rng_mix(seed ^ rng_mix((uint64_t)round << 32 | i));
            bool inside = i >= start && i < start + block;
            factors[i] = (bits >> 63 ? -1.0f : 1.0f) * (inside ? scale : 1.0f);
        }
    }
    return STATUS_OK;
}

void rotation_reset(struct rotation *rotation) {
    mem_free(rotation->factors);
    rotation->factors = NULL;
}

void rotation_turn(const struct rotation *rotation, float *vector) {
    for (uint32_t round = 0; round < rotation->rounds; round++) {
        const float *factors = rotation->factors + (size_t)round * rotation->dimension;
        for (uint32_t i = 0; i < rotation->dimension; i++)
            vector[i] *= factors[i];
        rotation->kernel->hadamard(vector + start_of(rotation, round), rotation->block);
    }
}

void rotation_undo(const struct rotation *rotation, float *vector) {
    for (uint32_t round = rotation->rounds; round-- > 0;) {
        const float *factors = rotation->factors + (size_t)round * rotation->dimension;
        rotation->kernel->hadamard(vector + start_of(rotation, round), rotation->block);
        for (uint32_t i = 0; i < rotation->dimension; i++)
            vector[i] *= factors[i];
    }
}
