/* parcel: pools of message nodes.
 *
 *     owner's thread:   free lists  ──parcel_new──▶  parcel  ──parcel_free──▶  free lists
 *     another thread:   parcel_free ──▶ lot of 32 ──one compare-and-swap──▶ pool.returned ──▶ free
 * lists
 *
 * A thread without a pool uses the heap for its own parcels and sends others' home one by one. A
 * parcel keeps its page when it is pooled, so there is a free list with and one without. */
#include "runtime/parcel.h"

#include <stdatomic.h>
#include <string.h>

#include "runtime/assert.h"
#include "runtime/memory.h"
#include "runtime/turn.h"

/* Kept for reuse; more go back to the heap. */
enum { POOL_PLAIN_MAX = 32768, POOL_PAGED_MAX = 2048 };

struct free_list {
    struct parcel *first; /* owned */
    uint32_t count;
};

struct lot {
    struct parcel *first; /* borrowed from the lot's pool */
    struct parcel *last;
    uint32_t count;
};

struct parcel_pool {
    uint32_t number;
    struct free_list plain;
    struct free_list paged;
    int64_t alive; /* made minus freed by this thread; the sum over all threads counts */
    struct lot lots[PARCEL_POOLS_MAX]; /* freed here, at home elsewhere */
    uint32_t open_lots;
    _Alignas(128) _Atomic(struct parcel *) returned;
};

static _Atomic(struct parcel_pool *) pools[PARCEL_POOLS_MAX];
static _Atomic int64_t alive_elsewhere; /* balance of threads without a pool and of pools gone */
static _Thread_local struct parcel_pool *current;

static void count_alive(int64_t by) {
    if (current)
        current->alive += by;
    else
        atomic_fetch_add_explicit(&alive_elsewhere, by, memory_order_relaxed);
}

static void free_to_heap(struct parcel *parcel) {
    mem_free(parcel->page);
    mem_free(parcel);
}

static struct parcel *take(struct free_list *list) {
    struct parcel *parcel = list->first;
    if (!parcel) return NULL;
    list->first = parcel->next;
    list->count--;
    return parcel;
}

static void keep(struct parcel_pool *pool, struct parcel *parcel) {
    struct free_list *list = parcel->page ? &pool->paged : &pool->plain;
    uint32_t max = parcel->page ? POOL_PAGED_MAX : POOL_PLAIN_MAX;
    if (list->count >= max) {
        free_to_heap(parcel);
        return;
    }
    parcel->next = list->first;
    list->first = parcel;
    list->count++;
}

static void collect_returned(struct parcel_pool *pool) {
    struct parcel *parcel = atomic_exchange_explicit(&pool->returned, NULL, memory_order_acquire);
    while (parcel) {
        struct parcel *next = parcel->next;
        keep(pool, parcel);
        parcel = next;
    }
}

static struct parcel *from_pool(struct parcel_pool *pool, struct free_list *list) {
    if (!list->first && atomic_load_explicit(&pool->returned, memory_order_relaxed))
        collect_returned(pool);
    return take(list);
}

/* A node with a page when asked for one; its body is not set yet. */
static struct parcel *new_node(bool paged) {
    struct parcel *parcel = NULL;
    if (current) parcel = from_pool(current, paged ? &current->paged : &current->plain);
    if (parcel) return parcel;
    parcel = mem_alloc(sizeof *parcel);
    if (!parcel) return NULL;
    parcel->home = current;
    parcel->page = paged ? mem_alloc(PARCEL_PAGE) : NULL;
    if (paged && !parcel->page) {
        mem_free(parcel);
        return NULL;
    }
    return parcel;
}

struct parcel *parcel_new(size_t size) {
    bool paged = size > PARCEL_INLINE && size <= PARCEL_PAGE;
    struct parcel *parcel = new_node(paged);
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

/* Puts a list of parcels on its pool's stack of returned ones. */
static void send_home(struct parcel_pool *home, struct parcel *first, struct parcel *last) {
    struct parcel *top = atomic_load_explicit(&home->returned, memory_order_relaxed);
    do
        last->next = top;
    while (!atomic_compare_exchange_weak_explicit(&home->returned, &top, first,
                                                  memory_order_release, memory_order_relaxed));
}

static void send_lot(struct parcel_pool *home, struct lot *lot) {
    send_home(home, lot->first, lot->last);
    *lot = (struct lot){0};
    current->open_lots--;
}

static void add_to_lot(struct parcel_pool *home, struct parcel *parcel) {
    struct lot *lot = &current->lots[home->number];
    parcel->next = lot->first;
    lot->first = parcel;
    if (!lot->last) {
        lot->last = parcel;
        current->open_lots++;
    }
    if (++lot->count >= PARCEL_LOT) send_lot(home, lot);
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
        send_home(home, parcel, parcel);
}

int64_t parcel_alive(void) {
    int64_t sum = atomic_load(&alive_elsewhere);
    if (current) sum += current->alive;
    return sum;
}

struct parcel_pool *parcel_pool_new(void) {
    struct parcel_pool *pool = mem_aligned(_Alignof(struct parcel_pool), sizeof *pool);
    if (!pool) return NULL;
    memset(pool, 0, sizeof *pool);
    atomic_init(&pool->returned, NULL);
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
        if (pool->lots[i].first) send_lot(pool->lots[i].first->home, &pool->lots[i]);
}

static void empty(struct free_list *list) {
    struct parcel *parcel;
    while ((parcel = take(list)))
        free_to_heap(parcel);
}

void parcel_pool_free(struct parcel_pool *pool) {
    if (!pool) return;
    assert(pool != current && pool->open_lots == 0);
    collect_returned(pool);
    empty(&pool->plain);
    empty(&pool->paged);
    atomic_fetch_add(&alive_elsewhere, pool->alive);
    atomic_store(&pools[pool->number], NULL);
    mem_free(pool);
}
