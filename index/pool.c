/* pool: binary search and memmove beat heaps at the sizes of searches (ef 20 to 1,000), and the
 * next candidate is known without popping. */
#include "index/pool.h"

#include "runtime/assert.h"
#include "runtime/memory.h"
#include "runtime/poison.h"

static_assert(SLOTS_MAX <= UINT32_C(1) << 30, "a slot and two flags share 32 bits");

void pool_init(struct pool *pool) {
    *pool = (struct pool){0};
}

void pool_reset(struct pool *pool) {
    mem_free(pool->entries);
    pool_init(pool);
}

enum status pool_begin(struct pool *pool, size_t ef, size_t limit) {
    assert(ef >= 1 && limit >= ef);
    size_t room = limit + POOL_BATCH;
    if (room > pool->room) {
        uint64_t *entries = mem_resize(pool->entries, room * sizeof *entries);
        if (!entries) return STATUS_NO_MEMORY;
        pool->entries = entries;
        pool->room = room;
    }
    pool->limit = limit;
    pool->ef = ef;
    pool->size = pool->n_live = pool->next = 0;
    return STATUS_OK;
}

static void drop_last(struct pool *pool) {
    pool->size--;
    if (pool_is_live(pool->entries[pool->size])) pool->n_live--;
}

/* With ef live entries, nothing behind the last of them is of use. */
static void trim(struct pool *pool) {
    while (pool->n_live > pool->ef)
        drop_last(pool);
    if (pool->n_live < pool->ef) return;
    while (!pool_is_live(pool->entries[pool->size - 1]))
        drop_last(pool);
}

/* How many entries come before this one. Without branches: each of them would be anyone's guess. */
static size_t place_of(const struct pool *pool, uint64_t entry) {
    const uint64_t *at = pool->entries;
    for (size_t n = pool->size; n > 0;) {
        size_t half = (n + 1) / 2;
        at += at[half - 1] < entry ? half : 0;
        n -= half;
    }
    return (size_t)(at - pool->entries);
}

static void sort_few(uint64_t *entries, size_t n) {
    for (size_t i = 1; i < n; i++) {
        uint64_t moved = entries[i];
        size_t at = i;
        for (; at > 0 && entries[at - 1] > moved; at--)
            entries[at] = entries[at - 1];
        entries[at] = moved;
    }
}

/* The places are looked for all at once, so that the waits of one search hide those of another;
 * then every part of the pool moves once, the last one first. */
void pool_merge(struct pool *pool, uint64_t *entries, size_t n) {
    size_t places[POOL_BATCH], end = pool->size;
    assert_hot(n <= POOL_BATCH);
    if (n == 0) return;
    sort_few(entries, n);
    for (size_t i = 0; i < n; i++)
        places[i] = place_of(pool, entries[i]);
    for (size_t i = n; i-- > 0;) {
        uint64_t *from = pool->entries + places[i];
        memmove(from + i + 1, from, (end - places[i]) * sizeof *from);
        from[i] = entries[i];
        pool->n_live += pool_is_live(entries[i]);
        end = places[i];
    }
    if (places[0] < pool->next) pool->next = places[0];
    pool->size += n;
    while (pool->size > pool->limit)
        drop_last(pool);
    trim(pool);
}
