/* histogram: counts by powers of two of microseconds. counts[0] is below 2 us, counts[i] is [2^i,
 * 2^(i+1)). */
#ifndef RUNTIME_HISTOGRAM_H
#define RUNTIME_HISTOGRAM_H

#include <stdint.h>

enum { HISTOGRAM_BUCKETS = 32 };

struct histogram {
    uint64_t counts[HISTOGRAM_BUCKETS];
};

static inline void histogram_add(struct histogram *histogram, uint64_t us) {
    unsigned bucket = 63u - (unsigned)__builtin_clzll(us | 1);
    histogram->counts[bucket < HISTOGRAM_BUCKETS ? bucket : HISTOGRAM_BUCKETS - 1]++;
}

#endif
