/* numbers: point number -> slot. The appender's. */
#ifndef INDEX_NUMBERS_H
#define INDEX_NUMBERS_H

#include <stdint.h>

#include "index/points.h"

struct numbers {
    struct slots buckets; /* first slot + 1 of each chain */
    uint32_t n_buckets;
    uint32_t n;
};

void numbers_init(struct numbers *numbers);
void numbers_reset(struct numbers *numbers);
/* Room for n numbers in all: adding them cannot fail then. */
MUST_USE enum status numbers_reserve(struct numbers *numbers, uint64_t n);
/* Adds the number that the slot's record carries; it must be absent and reserved. */
void numbers_add(struct numbers *numbers, struct points *points, uint32_t slot);
/* SLOT_NONE when unknown. */
uint32_t numbers_find(const struct numbers *numbers, const struct points *points, uint64_t number);
enum { NUMBERS_FAR = 24, NUMBERS_NEAR = 12 }; /* how long before to ask for its bucket, and first */
/* A number will be looked for soon: its bucket is asked for; and a little later, when that is
 * there, what the bucket leads to. For who looks for many. */
void numbers_ask(const struct numbers *numbers, uint64_t number);
void numbers_ask_first(const struct numbers *numbers, const struct points *points, uint64_t number);
/* Forgets the number and gives its slot, SLOT_NONE when unknown. */
uint32_t numbers_remove(struct numbers *numbers, struct points *points, uint64_t number);

#endif
