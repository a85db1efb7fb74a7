/* edge_target: feeds raw bytes of a client to an edge with the echo service, in pieces whose sizes
 * the input chooses, under a clock that moves; then checks that nothing is left behind. For
 * fuzz_h1.c and fuzz_h2.c. */
#ifndef FUZZ_EDGE_TARGET_H
#define FUZZ_EDGE_TARGET_H

#include <stddef.h>
#include <stdint.h>

/* The first bytes of the input choose; `preface` (may be "") comes before the rest. */
void edge_target(const char *preface, size_t preface_size, const uint8_t *data, size_t size);

#endif
