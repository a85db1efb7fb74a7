/* reconcile: one walk over workers, one over shards, then what is left over is for balance. */
#include "actors/pd/reconcile.h"

#include <string.h>

#include "actors/pd/look.h"

#include "runtime/poison.h"

#define FORGET_MS UINT64_C(86400000) /* a worker is dead for so long: it does not come back */

bool look_add(struct look *look, const struct action *action) {
    if (look->out->n_actions == RECONCILE_ACTIONS_MAX) return false;
    look->out->actions[look->out->n_actions++] = *action;
    return true;
}

uint32_t reconcile_wanted(const struct catalog *catalog,
                          const struct catalog_collection *collection) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < catalog->n_workers; i++) {
        const struct catalog_worker *worker = catalog->workers[i];
        bool leaves = worker->state == WORKER_DRAINING || worker->state == WORKER_REMOVING;
        bool came = worker->state != WORKER_JOINING || worker->beat_ms != 0;
        n += !leaves && came && !worker->facts->search_only;
    }
    if (n == 0) return 1;
    return n < collection->factor ? n : collection->factor;
}

/* --- workers
 * ------------------------------------------------------------------------------------------ */

static bool is_silent(const struct look *look, const struct catalog_worker *worker) {
    uint64_t heard = worker->heard_us > look->in->since_us ? worker->heard_us : look->in->since_us;
    return look->in->now_us > heard && look->in->now_us - heard > look->in->grace_us;
}

static void look_at_worker(struct look *look, const struct catalog_worker *worker) {
    const struct reconcile_input *in = look->in;
    bool heard = catalog_heard(worker, in->now_us);
    enum catalog_worker_state next = worker->state;
    if (worker->state == WORKER_JOINING && heard && worker->beat_ms != 0) next = WORKER_READY;
    if (worker->state == WORKER_READY && is_silent(look, worker)) next = WORKER_DEAD;
    /* Also where the grace is shorter than what makes a worker suspected. */
    if (worker->state == WORKER_DEAD && heard && !is_silent(look, worker)) next = WORKER_READY;
    if (worker->state == WORKER_DEAD && !heard && in->wall_ms > worker->state_ms &&
        in->wall_ms - worker->state_ms > FORGET_MS)
        next = WORKER_REMOVING;
    if (worker->state == WORKER_DEAD && look->out->workers_dead++ == 0)
        look->out->dead_first = worker->id;
    if (worker->changing) return;
    if (next != worker->state)
        look_add(look, &(struct action){.kind = ACTION_STATE, .worker = worker->id, .state = next});
    else if (worker->state == WORKER_REMOVING && worker->n_shards == 0 && !heard)
        look_add(look, &(struct action){.kind = ACTION_FORGET, .worker = worker->id});
}

/* --- shards
 * ------------------------------------------------------------------------------------------- */

static void see(struct look *look, const struct catalog_shard *shard, const struct facts *facts) {
    struct reconcile_output *out = look->out;
    out->shards++;
    out->copies += shard->n_replicas;
    for (uint32_t i = 0; i < shard->n_replicas; i++)
        out->silent += !catalog_serves(&shard->replicas[i], look->in->now_us);
    if (!facts->leader) {
        if (out->leaderless++ == 0) out->leaderless_first = shard->id;
        return;
    }
    if (facts->good < facts->wanted && out->short_of++ == 0) out->short_first = shard->id;
    out->moving += facts->moving;
}

typedef void (*shard_fn)(struct look *look,
                         const struct catalog_shard *shard,
                         const struct facts *facts);

static void each_shard(struct look *look, shard_fn run) {
    const struct catalog *catalog = look->in->catalog;
    for (uint32_t c = 0; c < catalog->n_collections; c++) {
        const struct catalog_collection *collection = catalog->collections[c];
        if (!collection->born) continue;
        uint32_t wanted = reconcile_wanted(catalog, collection);
        for (uint32_t i = 0; i < collection->n_shards; i++) {
            struct facts facts;
            repair_facts(look, &collection->shards[i], wanted, &facts);
            run(look, &collection->shards[i], &facts);
        }
    }
}

void reconcile(const struct reconcile_input *input, struct reconcile_output *out) {
    struct look look = {.in = input, .out = out};
    memset(out, 0, sizeof *out);
    loads_measure(input->catalog, input->now_us, &look.loads);
    for (uint32_t i = 0; i < input->catalog->n_workers; i++)
        look_at_worker(&look, input->catalog->workers[i]);
    each_shard(&look, see);
    look.moving = out->moving;
    each_shard(&look, repair_shard);
    balance(&look);
}

const char *reconcile_state(const struct reconcile_input *input,
                            const struct catalog_shard *shard) {
    struct look look = {.in = input};
    struct facts facts;
    if (!shard->collection->born) return "opening";
    repair_facts(&look, shard, reconcile_wanted(input->catalog, shard->collection), &facts);
    if (!facts.leader) return "leaderless";
    if (facts.moving) return "moving";
    if (facts.good < facts.wanted) return "short";
    return facts.surplus ? "surplus" : "ready";
}

const char *reconcile_move_refused(const struct catalog_shard *shard,
                                   const struct catalog_worker *from,
                                   const struct catalog_worker *to,
                                   uint64_t now_us) {
    const struct catalog_replica *replica = catalog_replica_on(shard, from);
    if (!replica) return "the worker it is to leave does not keep it";
    if (replica->leaving) return "it leaves that worker already";
    if (from->facts->search_only) return "that worker keeps a learner of every shard";
    if (catalog_replica_on(shard, to)) return "the worker it is to go to keeps it already";
    if (!shard->collection->born) return "its collection is being created";
    if (shard->n_replicas == CATALOG_REPLICAS_MAX) return "it has as many replicas as there may be";
    if (!catalog_leader(shard, now_us)) return "it has no leader now";
    if (shard->term == 0) return "it is not replicated: its data cannot go anywhere";
    if (!placement_eligible(to, now_us))
        return "the worker it is to go to takes none now: it must be ready, not draining, and not "
               "only for searches";
    return NULL;
}
