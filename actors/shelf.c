/* shelf: a mutex, a table of holdings by shard id, and the loads of the searchers.
 *
 * The mutex is held for a few instructions and never across a call into the index: the last close
 * happens outside of it. Invariants: a listed holding has an index; holds counts the shard's own
 * hold too; a holding without holds is in no list; of one shard there is one holding at most. */
#include "actors/shelf.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>

#include "runtime/assert.h"
#include "runtime/memory.h"
#include "runtime/rng.h"

#include "runtime/poison.h"

enum {
    SHELF_BUCKETS = 1024,
    NAME_SIZE = 24,
    NEAR_LOST_US = 1000 * 1000, /* a search given to a near searcher so long ago got lost */
};

struct near {
    _Atomic uint64_t handle;
    _Atomic uint64_t busy_us; /* since when; 0: it is not */
};

struct shelf {
    pthread_mutex_t lock;
    struct holding *buckets[SHELF_BUCKETS]; /* by shard id */
    atomic_uint searches;                   /* given so far; ties between searchers go round */
    atomic_bool filled;
    uint64_t snapshot_rate;       /* bytes a second; 0: no bound */
    _Atomic uint64_t snapshot_us; /* what was taken so far is paid then */
    uint32_t n_searchers;
    char names[SHELF_SEARCHERS_MAX][NAME_SIZE]; /* looked up by every search */
    atomic_int loads[SHELF_SEARCHERS_MAX];
    struct near near[SHELF_NEAR_MAX]; /* by lane */
};

enum status shelf_open(struct shelf **out) {
    struct shelf *shelf = mem_zero(1, sizeof *shelf);
    if (!shelf) return STATUS_NO_MEMORY;
    if (pthread_mutex_init(&shelf->lock, NULL) != 0) {
        mem_free(shelf);
        return STATUS_NO_MEMORY;
    }
    *out = shelf;
    return STATUS_OK;
}

void shelf_close(struct shelf *shelf) {
    if (!shelf) return;
    for (uint32_t i = 0; i < SHELF_BUCKETS; i++)
        assert(!shelf->buckets[i]);
    pthread_mutex_destroy(&shelf->lock);
    mem_free(shelf);
}

static struct holding **bucket_of(struct shelf *shelf, uint64_t shard) {
    return &shelf->buckets[rng_mix(shard) % SHELF_BUCKETS];
}

/* With the lock held. */
static struct holding *find(struct shelf *shelf, uint64_t shard) {
    struct holding *holding = *bucket_of(shelf, shard);
    while (holding && holding->shard != shard)
        holding = holding->next;
    return holding;
}

enum status holding_open(struct shelf *shelf, const struct holding *like, struct holding **out) {
    struct holding *holding = mem_zero(1, sizeof *holding);
    if (!holding) return STATUS_NO_MEMORY;
    if (grace_init(&holding->grace) != STATUS_OK) {
        mem_free(holding);
        return STATUS_NO_MEMORY;
    }
    holding->shard = like->shard;
    holding->store_id = like->store_id;
    holding->dimension = like->dimension;
    holding->metric = like->metric;
    team_init(&holding->team);
    holding->exact = like->exact;
    holding->rescore = like->rescore;
    holding->shelf = shelf;
    holding->holds = 1;

    pthread_mutex_lock(&shelf->lock);
    bool taken = find(shelf, like->shard) != NULL;
    if (!taken) {
        struct holding **bucket = bucket_of(shelf, like->shard);
        holding->next = *bucket;
        *bucket = holding;
    }
    pthread_mutex_unlock(&shelf->lock);
    if (taken) {
        team_reset(&holding->team);
        grace_reset(&holding->grace);
        mem_free(holding);
        return STATUS_BUSY;
    }
    *out = holding;
    return STATUS_OK;
}

void holding_publish(struct holding *holding, struct index **index) {
    assert(!holding->index);
    holding->index = *index;
    holding->view = index_view_hold(*index);
    *index = NULL;
    pthread_mutex_lock(&holding->shelf->lock);
    holding->listed = true;
    pthread_mutex_unlock(&holding->shelf->lock);
}

void holding_close(struct holding *holding) {
    if (!holding) return;
    atomic_store_explicit(&holding->closed, true, memory_order_release);
    pthread_mutex_lock(&holding->shelf->lock);
    holding->listed = false;
    pthread_mutex_unlock(&holding->shelf->lock);
    holding_drop(holding);
}

struct holding *shelf_take(struct shelf *shelf, uint64_t shard) {
    pthread_mutex_lock(&shelf->lock);
    struct holding *holding = find(shelf, shard);
    if (holding && !holding->listed) holding = NULL;
    if (holding) holding->holds++;
    pthread_mutex_unlock(&shelf->lock);
    return holding;
}

struct holding *holding_again(struct holding *holding) {
    pthread_mutex_lock(&holding->shelf->lock);
    holding->holds++;
    pthread_mutex_unlock(&holding->shelf->lock);
    return holding;
}

void holding_drop(struct holding *holding) {
    if (!holding) return;
    struct shelf *shelf = holding->shelf;
    pthread_mutex_lock(&shelf->lock);
    assert(holding->holds > 0);
    bool last = --holding->holds == 0;
    pthread_mutex_unlock(&shelf->lock);
    if (!last) return;
    /* Nobody can find it any more (it is not listed), so its memory is ours; it stays in the table
     * until the index is closed, so that the shard does not open the same file too early. */
    team_reset(&holding->team);
    if (holding->view) index_view_drop(holding->view);
    index_close(holding->index);
    pthread_mutex_lock(&shelf->lock);
    struct holding **link = bucket_of(shelf, holding->shard);
    while (*link != holding)
        link = &(*link)->next;
    *link = holding->next;
    pthread_mutex_unlock(&shelf->lock);
    grace_reset(&holding->grace);
    mem_free(holding);
}

uint64_t shelf_bytes(struct shelf *shelf) {
    uint64_t bytes = 0;
    pthread_mutex_lock(&shelf->lock);
    for (uint32_t i = 0; i < SHELF_BUCKETS; i++)
        for (const struct holding *holding = shelf->buckets[i]; holding; holding = holding->next)
            if (holding->listed) bytes += index_stats(holding->view).memory_bytes;
    pthread_mutex_unlock(&shelf->lock);
    return bytes;
}

bool shelf_uses(struct shelf *shelf, uint64_t shard) {
    pthread_mutex_lock(&shelf->lock);
    bool used = find(shelf, shard) != NULL;
    pthread_mutex_unlock(&shelf->lock);
    return used;
}

void shelf_set_filled(struct shelf *shelf) {
    atomic_store_explicit(&shelf->filled, true, memory_order_release);
}

bool shelf_filled(const struct shelf *shelf) {
    return atomic_load_explicit(&shelf->filled, memory_order_acquire);
}

void shelf_searchers(struct shelf *shelf, uint32_t n_searchers) {
    assert(n_searchers > 0);
    assert(n_searchers <= SHELF_SEARCHERS_MAX);
    shelf->n_searchers = n_searchers;
    for (uint32_t i = 0; i < n_searchers; i++)
        snprintf(shelf->names[i], NAME_SIZE, "searcher/%" PRIu32, i);
}

const char *shelf_searcher_name(const struct shelf *shelf, uint32_t searcher) {
    assert(searcher < shelf->n_searchers);
    return shelf->names[searcher];
}

uint32_t shelf_linkers(const struct shelf *shelf) {
    return shelf->n_searchers;
}

uint32_t shelf_linker(const struct shelf *shelf, uint64_t shard) {
    assert(shelf->n_searchers > 0);
    return (uint32_t)(shard % shelf->n_searchers);
}

uint32_t shelf_searches(const struct shelf *shelf) {
    return atomic_load_explicit(&shelf->searches, memory_order_relaxed);
}

uint32_t shelf_pick(struct shelf *shelf) {
    assert(shelf->n_searchers > 0);
    uint32_t first = atomic_fetch_add_explicit(&shelf->searches, 1, memory_order_relaxed);
    uint32_t best = 0;
    int least = 0;
    for (uint32_t i = 0; i < shelf->n_searchers; i++) {
        uint32_t n = (first + i) % shelf->n_searchers;
        int load = atomic_load_explicit(&shelf->loads[n], memory_order_relaxed);
        if (i == 0 || load < least) {
            best = n;
            least = load;
        }
    }
    atomic_fetch_add_explicit(&shelf->loads[best], 1, memory_order_relaxed);
    return best;
}

void shelf_ended(struct shelf *shelf, uint32_t searcher) {
    if (searcher >= SHELF_SEARCHERS_MAX)
        shelf_idle(shelf, searcher); /* it had one */
    else
        atomic_fetch_sub_explicit(&shelf->loads[searcher], 1, memory_order_relaxed);
}

void shelf_idle(struct shelf *shelf, uint32_t searcher) {
    if (searcher >= SHELF_SEARCHERS_MAX)
        atomic_store_explicit(&shelf->near[searcher - SHELF_SEARCHERS_MAX].busy_us, 0,
                              memory_order_relaxed);
    else
        atomic_store_explicit(&shelf->loads[searcher], 0, memory_order_relaxed);
}

void shelf_set_near(struct shelf *shelf, uint32_t lane, uint64_t handle) {
    if (lane >= SHELF_NEAR_MAX) return;
    atomic_store_explicit(&shelf->near[lane].handle, handle, memory_order_relaxed);
}

static bool others_are_busy(const struct shelf *shelf) {
    int sum = 0;
    for (uint32_t i = 0; i < shelf->n_searchers; i++)
        sum += atomic_load_explicit(&shelf->loads[i], memory_order_relaxed);
    return sum >= (int)shelf->n_searchers;
}

uint64_t shelf_take_near(struct shelf *shelf, uint32_t lane, uint64_t now_us) {
    if (lane >= SHELF_NEAR_MAX) return 0;
    struct near *near = &shelf->near[lane];
    uint64_t handle = atomic_load_explicit(&near->handle, memory_order_relaxed);
    uint64_t busy_us = atomic_load_explicit(&near->busy_us, memory_order_relaxed);
    if (handle == 0 || (busy_us != 0 && now_us - busy_us < NEAR_LOST_US)) return 0;
    if (others_are_busy(shelf)) return 0;
    atomic_store_explicit(&near->busy_us, now_us ? now_us : 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&shelf->searches, 1, memory_order_relaxed);
    return handle;
}

/* --- snapshots -------------------------------------------------------------------------------- */

void shelf_set_snapshot_rate(struct shelf *shelf, uint64_t bytes) {
    shelf->snapshot_rate = bytes;
}

/* All snapshots of the process share one account: each piece is paid by time, behind those before.
 */
uint64_t shelf_snapshot_pause(struct shelf *shelf, size_t bytes, uint64_t now_us) {
    if (shelf->snapshot_rate == 0) return 0;
    uint64_t cost = (uint64_t)bytes * 1000000 / shelf->snapshot_rate;
    uint64_t paid = atomic_load(&shelf->snapshot_us), next;
    do {
        next = (paid > now_us ? paid : now_us) + cost;
    } while (!atomic_compare_exchange_weak(&shelf->snapshot_us, &paid, next));
    return next - now_us;
}
