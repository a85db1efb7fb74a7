/* parcel: pools of message nodes.
 *
 *     owner's thread:   free list  ──parcel_new──▶  parcel  ──parcel_free──▶  free list
 *     another thread:   parcel_free ──▶ lot of 32 ──one compare-and-swap──▶ pool.returned
 *     owner, when its free list is empty: takes all of pool.returned as the new free list
 *
 * A thread without a pool uses the heap for its own parcels and sends others' home one by one. A
 * parcel keeps its page for life, so those with and those without one have separate lists. A pool
 * makes a bounded number of parcels; what is needed beyond comes from the heap and goes back there.
 */
#include "runtime/parcel.h"

#include <stdatomic.h>
#include <string.h>

#include "runtime/assert.h"
#include "runtime/memory.h"
#include "runtime/turn.h"

enum { PLAIN, PAGED, CLASSES };
enum { POOL_PLAIN_MAX = 32768, POOL_PAGED_MAX = 2048 };

struct lot {
    struct parcel *first; /* borrowed from the lot's pool */
    struct parcel *last;
    uint32_t count;
};

struct parcel_pool {
    uint32_t number;
    uint32_t made[CLASSES];       /* parcels at home here, wherever they are */
    struct parcel *free[CLASSES]; /* owned lists */
    int64_t alive; /* made minus freed by this thread; the sum over all threads counts */
    struct lot lots[PARCEL_POOLS_MAX][CLASSES]; /* freed here, at home elsewhere */
    uint32_t open_lots;
    _Atomic bool idle; /* given back: the next owner takes it over */
    _Alignas(128) _Atomic(struct parcel *) returned[CLASSES];
};

static _Atomic(struct parcel_pool *) pools[PARCEL_POOLS_MAX];
static _Atomic int64_t
    alive_elsewhere; /* balance of threads without a pool and of pools given back */
static _Thread_local struct parcel_pool *current;

static void count_alive(int64_t by) {
    if (current)
        current->alive += by;
    else
        atomic_fetch_add_explicit(&alive_elsewhere, by, memory_order_relaxed);
}

static int class_of(const struct parcel *parcel) {
    return parcel->page ? PAGED : PLAIN;
}

static void free_to_heap(struct parcel *parcel) {
    mem_free(parcel->page);
    mem_free(parcel);
}

static struct parcel *from_pool(struct parcel_pool *pool, int class) {
    struct parcel *parcel = pool->free[class];
    if (!parcel && atomic_load_explicit(&pool->returned[class], memory_order_relaxed))
        parcel = atomic_exchange_explicit(&pool->returned[class], NULL, memory_order_acquire);
    if (!parcel) return NULL;
    pool->free[class] = parcel->next;
    parcel_prefetch(parcel->next);
    return parcel;
}

/* Where a new parcel of this class is at home. */
static struct parcel_pool *new_home(int class) {
    static const uint32_t most[CLASSES] = {POOL_PLAIN_MAX, POOL_PAGED_MAX};
    if (!current || current->made[class] >= most[class]) return NULL;
    current->made[class]++;
    return current;
}

/* A node, with a page when asked for one; its body is not set yet. */
static struct parcel *new_node(int class) {
    struct parcel *parcel = current ? from_pool(current, class) : NULL;
    if (parcel) return parcel;
    parcel = mem_aligned(PARCEL_CACHE_LINE, sizeof *parcel);
    if (!parcel) return NULL;
    parcel->page = class == PAGED ? mem_aligned(PARCEL_CACHE_LINE, PARCEL_PAGE) : NULL;
    if (class == PAGED && !parcel->page) {
        mem_free(parcel);
        return NULL;
    }
    parcel->home = new_home(class);
    return parcel;
}

struct parcel *parcel_new(size_t size) {
    bool paged = size > PARCEL_INLINE && size <= PARCEL_PAGE;
    struct parcel *parcel = new_node(paged ? PAGED : PLAIN);
    if (!parcel) return NULL;
    parcel->next = NULL;
    parcel->envelope = (struct envelope){.band = BAND_DATA, .deadline_us = NO_DEADLINE};
    parcel->queued_us = 0;
    parcel->size = size;
    parcel->body = size <= PARCEL_INLINE ? parcel->room : parcel->page;
    if (size > PARCEL_PAGE) parcel->body = mem_alloc(size);
    count_alive(1);
    if (parcel->body) return parcel;
    parcel->body = parcel->room;
    parcel_free(parcel);
    return NULL;
}

/* Puts a list of parcels of one class on their pool's stack of returned ones. */
static void send_home(struct parcel *first, struct parcel *last) {
    struct parcel_pool *home = first->home;
    _Atomic(struct parcel *) *stack = &home->returned[class_of(first)];
    struct parcel *top = atomic_load_explicit(stack, memory_order_relaxed);
    do
        last->next = top;
    while (!atomic_compare_exchange_weak_explicit(stack, &top, first, memory_order_release,
                                                  memory_order_relaxed));
}

static void send_lot(struct lot *lot) {
    send_home(lot->first, lot->last);
    *lot = (struct lot){0};
    current->open_lots--;
}

static void add_to_lot(const struct parcel_pool *home, struct parcel *parcel) {
    struct lot *lot = &current->lots[home->number][class_of(parcel)];
    parcel->next = lot->first;
    lot->first = parcel;
    if (!lot->last) {
        lot->last = parcel;
        current->open_lots++;
    }
    if (++lot->count >= PARCEL_LOT) send_lot(lot);
}

static void keep(struct parcel_pool *pool, struct parcel *parcel) {
    int class = class_of(parcel);
    parcel->next = pool->free[class];
    pool->free[class] = parcel;
}

void parcel_free(struct parcel *parcel) {
    if (!parcel) return;
    count_alive(-1);
    if (parcel->body != parcel->room && parcel->body != parcel->page) mem_free(parcel->body);
    struct parcel_pool *home = parcel->home;
    if (!home)
        free_to_heap(parcel);
    else if (home == current)
        keep(home, parcel);
    else if (current)
        add_to_lot(home, parcel);
    else
        send_home(parcel, parcel);
}

int64_t parcel_alive(void) {
    int64_t sum = atomic_load(&alive_elsewhere);
    if (current) sum += current->alive;
    return sum;
}

/* One that was given back; what it made and others still hold comes home to it all the same. */
static struct parcel_pool *take_idle(void) {
    for (uint32_t i = 0; i < PARCEL_POOLS_MAX; i++) {
        struct parcel_pool *pool = atomic_load(&pools[i]);
        bool idle = true;
        if (pool && atomic_compare_exchange_strong(&pool->idle, &idle, false)) return pool;
    }
    return NULL;
}

struct parcel_pool *parcel_pool_new(void) {
    struct parcel_pool *pool = take_idle();
    if (pool) return pool;
    pool = mem_aligned(_Alignof(struct parcel_pool), sizeof *pool);
    if (!pool) return NULL;
    memset(pool, 0, sizeof *pool);
    atomic_init(&pool->idle, false);
    for (int class = 0; class < CLASSES; class ++)
        atomic_init(&pool->returned[class], NULL);
    for (uint32_t i = 0; i < PARCEL_POOLS_MAX; i++) {
        struct parcel_pool *none = NULL;
        pool->number = i;
        if (atomic_compare_exchange_strong(&pools[i], &none, pool)) return pool;
    }
    mem_free(pool);
    return NULL;
}

void parcel_pool_enter(struct parcel_pool *pool) {
    current = pool;
}

void parcel_pool_settle(struct parcel_pool *pool) {
    assert(pool == current);
    for (uint32_t i = 0; pool->open_lots > 0; i++)
        for (int class = 0; class < CLASSES; class ++)
            if (pool->lots[i][class].first) send_lot(&pool->lots[i][class]);
}

/* Returns how many they were. */
static uint32_t empty(struct parcel *parcel) {
    uint32_t n = 0;
    for (struct parcel *next; parcel; parcel = next, n++) {
        next = parcel->next;
        free_to_heap(parcel);
    }
    return n;
}

void parcel_pool_free(struct parcel_pool *pool) {
    if (!pool) return;
    assert(pool != current && pool->open_lots == 0);
    for (int class = 0; class < CLASSES; class ++) {
        pool->made[class] -= empty(pool->free[class]);
        pool->made[class] -= empty(atomic_exchange(&pool->returned[class], NULL));
        pool->free[class] = NULL;
    }
    atomic_fetch_add(&alive_elsewhere, pool->alive);
    pool->alive = 0;
    atomic_store(&pool->idle, true);
}
