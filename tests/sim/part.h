/* part: "K/N", one of N equal parts of a long run: the Kth, K + Nth, K + 2 Nth … of what is tried.
 */
#ifndef TESTS_SIM_PART_H
#define TESTS_SIM_PART_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct part {
    uint64_t first, step; /* from 1 */
};

static inline bool part_read(const char *text, struct part *out) {
    unsigned long long k, n;
    char more;
    bool read = sscanf(text, "%llu/%llu%c", &k, &n, &more) == 2 && k >= 1 && k <= n;
    if (read) *out = (struct part){k, n};
    return read;
}

#endif
