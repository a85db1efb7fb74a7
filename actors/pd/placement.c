/* placement: where a new shard goes. */
#include "actors/pd/driver.h"

#include "runtime/poison.h"

static bool eligible(const struct catalog_worker *worker, const struct turn *turn) {
    return worker->beat_ms != 0 && worker_alive(worker, turn) && !worker->facts->search_only &&
           worker->n_shards + worker->n_planned < CATALOG_WORKER_SHARDS_MAX;
}

struct catalog_worker *placement_pick(const struct catalog *catalog, const struct turn *turn) {
    struct catalog_worker *best = NULL;
    for (uint32_t i = 0; i < catalog->n_workers; i++) {
        struct catalog_worker *worker = catalog->workers[i];
        if (!eligible(worker, turn)) continue;
        if (!best || worker->n_shards + worker->n_planned < best->n_shards + best->n_planned)
            best = worker;
    }
    return best;
}
