/* placement: few workers, so each question walks all of them. */
#include "actors/pd/placement.h"

#include <string.h>

#include "actors/pd/load.h"

#include "runtime/poison.h"

enum {
    SAME_REGION = 1,
    SAME_RACK = 32,
    SAME_ZONE = 1024,
    CAPACITY_MIN = 100,
    CORES_WEIGHT = 300, /* of 8 */
    MEMORY_WEIGHT = 400,
    DISK_WEIGHT = 300,
};
#define MEMORY_UNIT (UINT64_C(32) << 30)
#define DISK_UNIT   (UINT64_C(500) << 30)
#define SHARE_MAX   (UINT64_C(1) << 20) /* units: what a machine says of itself is not trusted */

static bool same(const char *a, const char *b) {
    return a[0] != '\0' && strcmp(a, b) == 0;
}

uint32_t placement_closeness(const struct catalog_worker *a, const struct catalog_worker *b) {
    const PdRegister *left = a->facts, *right = b->facts;
    if (strcmp(left->region, right->region) != 0) return 0;
    uint32_t closeness = left->region[0] ? SAME_REGION : 0;
    if (strcmp(left->zone, right->zone) != 0) return closeness;
    if (left->zone[0]) closeness += SAME_ZONE;
    return closeness + (same(left->rack, right->rack) ? SAME_RACK : 0);
}

static uint64_t share(uint64_t amount, uint64_t unit, uint64_t weight) {
    uint64_t whole = amount / unit;
    if (whole >= SHARE_MAX) return SHARE_MAX * weight;
    return whole * weight + (amount % unit / 1024) * weight / (unit / 1024);
}

uint32_t placement_capacity(const struct catalog_worker *worker) {
    const PdRegister *facts = worker->facts;
    uint64_t capacity = (uint64_t)facts->cpu_cores * CORES_WEIGHT / 8 +
                        share(facts->memory_bytes, MEMORY_UNIT, MEMORY_WEIGHT) +
                        share(facts->disk_bytes, DISK_UNIT, DISK_WEIGHT);
    if (capacity > UINT32_MAX) return UINT32_MAX;
    return capacity < CAPACITY_MIN ? CAPACITY_MIN : (uint32_t)capacity;
}

bool placement_eligible(const struct catalog_worker *worker, uint64_t now_us) {
    bool there = worker->state == WORKER_READY || worker->state == WORKER_JOINING;
    return there && worker->beat_ms != 0 && catalog_heard(worker, now_us) &&
           !worker->facts->search_only &&
           worker->n_shards + worker->n_planned < CATALOG_WORKER_SHARDS_MAX;
}

static bool is_taken(const struct placement_query *query, const struct catalog_worker *worker) {
    if (query->without && catalog_replica_on(query->without, worker)) return true;
    for (uint32_t i = 0; i < query->n_beside; i++)
        if (query->beside[i] == worker) return true;
    return false;
}

static uint32_t closeness(const struct placement_query *query,
                          const struct catalog_worker *worker) {
    uint32_t sum = 0;
    for (uint32_t i = 0; i < query->n_beside; i++)
        sum += placement_closeness(query->beside[i], worker);
    return sum;
}

/* a's share would be smaller than b's, with one more each. */
static bool
lighter(const struct catalog_worker *a, const struct catalog_worker *b, const uint64_t *load) {
    return (load[a->nth] + LOAD_REPLICA) * placement_capacity(b) <
           (load[b->nth] + LOAD_REPLICA) * placement_capacity(a);
}

struct catalog_worker *placement_pick(const struct placement_query *query) {
    struct catalog_worker *best = NULL;
    uint32_t best_closeness = 0;
    for (uint32_t i = 0; i < query->catalog->n_workers; i++) {
        struct catalog_worker *worker = query->catalog->workers[i];
        if (!placement_eligible(worker, query->now_us) || is_taken(query, worker)) continue;
        uint32_t near = closeness(query, worker);
        if (best && near > best_closeness) continue;
        if (best && near == best_closeness && !lighter(worker, best, query->load)) continue;
        best = worker;
        best_closeness = near;
    }
    return best;
}
