/* pool: the candidates of a graph search, best first, in one sorted array: the two heaps of HNSW
 * (Malkov & Yashunin 2016, alg. 2) in one. It keeps the `ef` best live entries; dead ones (removed,
 * or refused by a filter) ride along while they are better than the last live one, because the way
 * to a live point may lead through them.
 *
 * An entry is distance << 32 | slot << 2 | dead << 1 | expanded, the distance as a u32 that sorts
 * like the float, so that one comparison orders by distance, then slot. */
#ifndef INDEX_POOL_H
#define INDEX_POOL_H

#include <float.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "index/points.h"
#include "runtime/status.h"

enum { POOL_EXPANDED = 1, POOL_DEAD = 2 };
enum { POOL_BATCH = 256 }; /* entries of a merge */

struct pool {
    uint64_t *entries; /* owned */
    size_t room;       /* entries allocated */
    size_t limit;      /* entries of this search, live and dead */
    size_t size;
    size_t n_live;
    size_t ef;
    size_t next; /* nothing before it waits for expansion */
};

void pool_init(struct pool *pool);
void pool_reset(struct pool *pool);
/* Empties it for a search that keeps ef live entries, and at most `limit` in all. */
MUST_USE enum status pool_begin(struct pool *pool, size_t ef, size_t limit);
/* Puts entries into their places, at most POOL_BATCH, of which none is there; sorts them, and drops
 * what is not wanted any more. */
void pool_merge(struct pool *pool, uint64_t *entries, size_t n);

static inline uint32_t pool_key(float distance) {
    uint32_t bits;
    distance += 0.0f; /* -0 sorts as 0 */
    memcpy(&bits, &distance, sizeof bits);
    return bits & 0x80000000u ? ~bits : bits | 0x80000000u;
}

static inline float pool_distance(uint64_t entry) {
    uint32_t bits = (uint32_t)(entry >> 32);
    bits = bits & 0x80000000u ? bits & 0x7fffffffu : ~bits;
    float distance;
    memcpy(&distance, &bits, sizeof distance);
    return distance;
}

static inline uint32_t pool_slot(uint64_t entry) {
    return (uint32_t)entry >> 2;
}

static inline bool pool_is_live(uint64_t entry) {
    return !(entry & POOL_DEAD);
}

static inline uint64_t pool_entry(float distance, uint32_t slot) {
    return (uint64_t)pool_key(distance) << 32 | (uint64_t)slot << 2;
}

/* Position of the best entry that was not expanded yet; the pool's size when there is none. */
static inline size_t pool_next(struct pool *pool) {
    while (pool->next < pool->size && pool->entries[pool->next] & POOL_EXPANDED)
        pool->next++;
    return pool->next;
}

/* The distance from which on nothing is wanted; the largest float as long as everything is. */
static inline float pool_worst(const struct pool *pool) {
    bool full = pool->n_live >= pool->ef || pool->size >= pool->limit;
    return full ? pool_distance(pool->entries[pool->size - 1]) : FLT_MAX;
}

/* Entries from this one on are not wanted. */
static inline uint64_t pool_end(const struct pool *pool) {
    bool full = pool->n_live >= pool->ef || pool->size >= pool->limit;
    return full ? pool->entries[pool->size - 1] : UINT64_MAX;
}

#endif
