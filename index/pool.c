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
    if (limit > pool->room) {
        uint64_t *entries = mem_resize(pool->entries, limit * sizeof *entries);
        if (!entries) return STATUS_NO_MEMORY;
        pool->entries = entries;
        pool->room = limit;
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

void pool_insert(struct pool *pool, uint64_t entry) {
    assert_hot(pool_wants(pool, entry));
    if (pool->size == pool->limit) drop_last(pool);
    size_t low = 0, high = pool->size;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (pool->entries[middle] < entry)
            low = middle + 1;
        else
            high = middle;
    }
    uint64_t *at = pool->entries + low;
    memmove(at + 1, at, (pool->size - low) * sizeof *at);
    *at = entry;
    pool->size++;
    if (pool_is_live(entry)) pool->n_live++;
    if (low < pool->next) pool->next = low;
    trim(pool);
}
