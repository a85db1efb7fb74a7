/* load: counters to rates to weights.
 *
 *     beat ─ requests, bytes so far ─▶ a rate every 4 s or more ─ 0.7 old + 0.3 new ─▶ replica
 *     replicas ─▶ the mean ─▶ weight = 1000 + 1000 x / mean, of points, requests and bytes
 *
 * Relative to the mean, no limit of what is hot has to be known. */
#include "actors/pd/load.h"

#include <string.h>

#include "runtime/poison.h"

enum {
    MEASURE_US = 4 * 1000 * 1000, /* at least, between two looks at the counters */
    OLD_PARTS = 7,                /* of ten, contract 6.4 */
    LITTLE_POINTS = 100 * 1000,   /* of a replica */
    LITTLE_REQUESTS = 50,         /* … a second */
    LITTLE_BYTES = 1024 * 1024,   /* … a second */
};

/* --- rates ------------------------------------------------------------------------------------ */

static uint64_t smooth(uint64_t old, uint64_t new, bool first) {
    return first ? new : (old * OLD_PARTS + new *(10 - OLD_PARTS)) / 10;
}

void load_hear(struct catalog_replica *replica, const PdBeatShard *said, uint64_t now_us) {
    struct catalog_pace *pace = &replica->pace;
    uint64_t passed_us = now_us - pace->since_us;
    bool anew = pace->since_us == 0 || said->requests < pace->requests || said->bytes < pace->bytes;
    if (!anew && passed_us < MEASURE_US) return;
    if (!anew) {
        uint64_t requests = (said->requests - pace->requests) * 1000 / (passed_us / 1000);
        uint64_t bytes = (said->bytes - pace->bytes) * 1000 / (passed_us / 1000);
        pace->requests_s = smooth(pace->requests_s, requests, !pace->known);
        pace->bytes_s = smooth(pace->bytes_s, bytes, !pace->known);
        pace->known = true;
    }
    pace->requests = said->requests;
    pace->bytes = said->bytes;
    pace->since_us = now_us;
}

/* --- of a shard ------------------------------------------------------------------------------- */

/* Means over the replicas that were measured. */
struct means {
    uint64_t points, requests, bytes;
    uint64_t leading;
};

static void means_of(const struct catalog_shard *shard, struct means *out) {
    uint64_t requests = 0, bytes = 0, leads = 0, n = 0;
    bool leader_known = false;
    *out = (struct means){0};
    for (uint32_t i = 0; i < shard->n_replicas; i++) {
        const struct catalog_replica *replica = &shard->replicas[i];
        if (replica->points > out->points) out->points = replica->points; /* others catch up */
        if (replica->worker->facts->search_only || !replica->pace.known) continue;
        n++;
        requests += replica->pace.requests_s;
        bytes += replica->pace.bytes_s;
        if (replica->store_id != shard->leader) continue;
        leader_known = true;
        leads = replica->pace.requests_s;
    }
    if (n == 0) return;
    out->requests = requests / n;
    out->bytes = bytes / n;
    uint64_t others = n > 1 ? (requests - leads) / (n - 1) : 0;
    if (leader_known && n > 1 && leads > others) out->leading = leads - others;
}

static uint64_t part(uint64_t amount, uint64_t mean) {
    if (amount / LOAD_PART_MAX >= mean) return LOAD_PART_MAX;
    uint64_t weight = (uint64_t)((double)amount / (double)mean * LOAD_REPLICA);
    return weight < LOAD_PART_MAX ? weight : LOAD_PART_MAX;
}

uint64_t loads_replica(const struct loads *loads, const struct catalog_shard *shard) {
    struct means means;
    means_of(shard, &means);
    return LOAD_REPLICA + part(means.points, loads->points) +
           part(means.requests, loads->requests) + part(means.bytes, loads->bytes);
}

uint64_t loads_leader(const struct loads *loads, const struct catalog_shard *shard) {
    struct means means;
    means_of(shard, &means);
    return LOAD_REPLICA + part(means.leading, loads->leading);
}

/* --- of all ----------------------------------------------------------------------------------- */

typedef void (*shard_fn)(struct loads *loads, const struct catalog_shard *shard, uint64_t now_us);

static void
each(const struct catalog *catalog, uint64_t now_us, shard_fn run, struct loads *loads) {
    for (uint32_t c = 0; c < catalog->n_collections; c++)
        for (uint32_t i = 0; i < catalog->collections[c]->n_shards; i++)
            run(loads, &catalog->collections[c]->shards[i], now_us);
}

static void sum(struct loads *loads, const struct catalog_shard *shard, uint64_t now_us) {
    struct means means;
    (void)now_us;
    means_of(shard, &means);
    loads->points += means.points;
    loads->requests += means.requests;
    loads->bytes += means.bytes;
    loads->leading += means.leading;
}

static void weigh(struct loads *loads, const struct catalog_shard *shard, uint64_t now_us) {
    uint64_t weight = loads_replica(loads, shard);
    for (uint32_t i = 0; i < shard->n_replicas; i++)
        if (!shard->replicas[i].leaving) loads_add(loads, shard->replicas[i].worker, weight);
    const struct catalog_replica *leader = catalog_leader(shard, now_us);
    if (!leader) return;
    loads->leaders[leader->worker->nth] += loads_leader(loads, shard);
    loads->n_leaders[leader->worker->nth]++;
}

static uint64_t mean(uint64_t sum, uint64_t n, uint64_t least) {
    return n > 0 && sum / n > least ? sum / n : least;
}

void loads_measure(const struct catalog *catalog, uint64_t now_us, struct loads *out) {
    uint64_t n = 0;
    memset(out, 0, sizeof *out);
    for (uint32_t c = 0; c < catalog->n_collections; c++)
        n += catalog->collections[c]->n_shards;
    each(catalog, now_us, sum, out);
    out->points = mean(out->points, n, LITTLE_POINTS);
    out->requests = mean(out->requests, n, LITTLE_REQUESTS);
    out->bytes = mean(out->bytes, n, LITTLE_BYTES);
    out->leading = mean(out->leading, n, out->requests); /* beside which it is little, or not */
    each(catalog, now_us, weigh, out);
}

void loads_add(struct loads *loads, const struct catalog_worker *worker, uint64_t weight) {
    loads->replicas[worker->nth] += weight;
    loads->n_replicas[worker->nth]++;
}

void loads_take(struct loads *loads, const struct catalog_worker *worker, uint64_t weight) {
    loads->replicas[worker->nth] -= weight;
    loads->n_replicas[worker->nth]--;
}
