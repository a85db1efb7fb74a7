/* numbers: linear hashing (Litwin 1980). Every addition beyond one number a bucket splits one
 * bucket, so no call ever pays for a rehash, and the buckets stay where they are. Chains run
 * through the links of the points. */
#include "index/numbers.h"

#include "runtime/assert.h"
#include "runtime/rng.h"

#include "runtime/poison.h"

void numbers_init(struct numbers *numbers) {
    *numbers = (struct numbers){0};
    slots_init(&numbers->buckets, sizeof(uint32_t));
}

void numbers_reset(struct numbers *numbers) {
    slots_reset(&numbers->buckets);
    numbers_init(numbers);
}

enum status numbers_reserve(struct numbers *numbers, uint64_t n) {
    enum status s = slots_grow(&numbers->buckets, n);
    /* With nothing to move, all buckets may be there at once: a loaded index is never split. */
    if (s == STATUS_OK && numbers->n == 0 && n > numbers->n_buckets)
        numbers->n_buckets = (uint32_t)n;
    return s;
}

static uint32_t *bucket_at(const struct numbers *numbers, uint32_t bucket) {
    return slots_at(&numbers->buckets, bucket);
}

/* The power of two at or below the count; buckets from count - power on are not split yet. */
static uint32_t split_base(uint32_t n_buckets) {
    return UINT32_C(1) << (31 - (unsigned)__builtin_clz(n_buckets));
}

/* Numbers are mostly given out one after another: sixteen that are have neighbouring buckets, of one
 * line of cache, in an order of their own, so that numbers that end alike are spread all the same. */
static uint32_t hash_of(uint64_t number) {
    enum { NEIGHBOURS = 16 };
    return (uint32_t)(rng_mix(number / NEIGHBOURS) ^ number % NEIGHBOURS);
}

static uint32_t bucket_of(const struct numbers *numbers, uint64_t number) {
    uint32_t hash = hash_of(number);
    uint32_t base = split_base(numbers->n_buckets);
    uint32_t bucket = hash & (2 * base - 1);
    return bucket < numbers->n_buckets ? bucket : hash & (base - 1);
}

/* Makes bucket n_buckets out of the one that held its numbers. */
static void split(struct numbers *numbers, struct points *points) {
    uint32_t fresh = numbers->n_buckets++;
    *bucket_at(numbers, fresh) = 0;
    if (fresh == 0) return;
    uint32_t *from = bucket_at(numbers, fresh - split_base(fresh));
    uint32_t slot = *from - 1;
    *from = 0;
    while (slot != SLOT_NONE) {
        struct point_links *links = points_links(points, slot);
        uint32_t next = links->chain - 1;
        uint32_t *head = bucket_at(numbers, bucket_of(numbers, points_at(points, slot)->number));
        links->chain = *head;
        *head = slot + 1;
        slot = next;
    }
}

void numbers_add(struct numbers *numbers, struct points *points, uint32_t slot) {
    numbers->n++;
    if (numbers->n > numbers->n_buckets) split(numbers, points);
    assert(numbers->n_buckets <= numbers->buckets.capacity);
    uint32_t *head = bucket_at(numbers, bucket_of(numbers, points_at(points, slot)->number));
    points_links(points, slot)->chain = *head;
    *head = slot + 1;
}

uint32_t numbers_find(const struct numbers *numbers, const struct points *points, uint64_t number) {
    if (numbers->n_buckets == 0) return SLOT_NONE;
    uint32_t slot = *bucket_at(numbers, bucket_of(numbers, number)) - 1;
    while (slot != SLOT_NONE && points_at(points, slot)->number != number)
        slot = points_links(points, slot)->chain - 1;
    return slot;
}

void numbers_ask(const struct numbers *numbers, uint64_t number) {
    if (numbers->n_buckets > 0) __builtin_prefetch(bucket_at(numbers, bucket_of(numbers, number)));
}

void numbers_ask_first(const struct numbers *numbers,
                       const struct points *points,
                       uint64_t number) {
    if (numbers->n_buckets == 0) return;
    uint32_t slot = *bucket_at(numbers, bucket_of(numbers, number)) - 1;
    if (slot == SLOT_NONE) return;
    __builtin_prefetch(points_at(points, slot));
    __builtin_prefetch(points_links(points, slot));
}

uint32_t numbers_remove(struct numbers *numbers, struct points *points, uint64_t number) {
    if (numbers->n_buckets == 0) return SLOT_NONE;
    uint32_t *link = bucket_at(numbers, bucket_of(numbers, number));
    while (*link != 0 && points_at(points, *link - 1)->number != number)
        link = &points_links(points, *link - 1)->chain;
    uint32_t slot = *link - 1;
    if (slot == SLOT_NONE) return SLOT_NONE;
    *link = points_links(points, slot)->chain;
    numbers->n--;
    return slot;
}
