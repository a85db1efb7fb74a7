/* balance: what is in order, in better places: replicas to failure domains that have none of their
 * shard, as after a worker of another one joined; then replicas by their load (load.h) and the
 * capacity of their workers, as long as failure domains stay as spread as they are; then leaders by
 * theirs. A move for the load strictly evens the shares, and by more than what was measured may be
 * wrong, so that it comes to an end and does not come back:
 *
 *     from ─ weight ─▶ to    gain = the fall of the sum of load^2 / capacity
 *                            done when the difference that is left is more than a quarter of a
 *                            replica and an eighth of what both have by measure */
#include <string.h>

#include "actors/pd/look.h"

#include "runtime/poison.h"

enum {
    TRANSFERS_MAX = 2, /* of one look */
    MARGIN = LOAD_REPLICA / 4,
    DOUBTED = 4, /* one part of so many that was measured */
};

struct move {
    const struct catalog_shard *shard;
    const struct catalog_replica *from;
    const struct catalog_worker *to;
    uint64_t weight;
    double gain;
};

/* What stands against a move between two that have so much, in so many pieces. */
static double doubt(uint64_t load, uint32_t n) {
    uint64_t counted = n * (uint64_t)LOAD_REPLICA;
    return MARGIN + (double)(load > counted ? load - counted : 0) / DOUBTED;
}

/* Of each unit of weight that goes from one to the other; not above 0: it stays. */
static double gain(const struct loads *loads,
                   const struct catalog_worker *from,
                   const struct catalog_worker *to,
                   uint64_t weight) {
    double of_from = (double)loads->replicas[from->nth], of_to = (double)loads->replicas[to->nth];
    double doubt_from = doubt(loads->replicas[from->nth], loads->n_replicas[from->nth]);
    double doubt_to = doubt(loads->replicas[to->nth], loads->n_replicas[to->nth]);
    double relief = (2 * of_from - (double)weight - doubt_from) / placement_capacity(from);
    double burden = (2 * of_to + (double)weight + doubt_to) / placement_capacity(to);
    return loads->n_replicas[from->nth] > 0 ? relief - burden : 0;
}

static double share(const struct look *look, const struct catalog_worker *worker) {
    return (double)look->loads.replicas[worker->nth] / placement_capacity(worker);
}

/* Only between workers that have just beaten: one that may be dying is not given more. */
static bool eligible(const struct look *look, const struct catalog_worker *worker) {
    return placement_eligible(worker, look->in->now_us) &&
           look->in->now_us - worker->heard_us <= LOOK_FRESH_US;
}

/* The heaviest and the lightest; false: no move between two could help. */
static bool is_uneven(const struct look *look) {
    const struct catalog *catalog = look->in->catalog;
    const struct catalog_worker *heavy = NULL, *light = NULL;
    for (uint32_t i = 0; i < catalog->n_workers; i++) {
        const struct catalog_worker *worker = catalog->workers[i];
        if (!eligible(look, worker)) continue;
        if (!heavy || share(look, worker) > share(look, heavy)) heavy = worker;
        if (!light || share(look, worker) < share(look, light)) light = worker;
    }
    return heavy && heavy != light && gain(&look->loads, heavy, light, LOAD_REPLICA) > 0;
}

/* Closeness of a worker to those that have the shard's voters, but for one. */
static uint32_t closeness(const struct catalog_shard *shard,
                          const struct catalog_worker *worker,
                          const struct catalog_replica *without) {
    uint32_t sum = 0;
    for (uint32_t i = 0; i < shard->n_replicas; i++) {
        const struct catalog_replica *replica = &shard->replicas[i];
        if (replica != without && !replica->worker->facts->search_only)
            sum += placement_closeness(replica->worker, worker);
    }
    return sum;
}

/* The best of one shard, if it is better than what was found before. */
static void weigh(const struct look *look, const struct catalog_shard *shard, struct move *best) {
    const struct catalog *catalog = look->in->catalog;
    uint64_t weight = loads_replica(&look->loads, shard);
    for (uint32_t i = 0; i < shard->n_replicas; i++) {
        const struct catalog_replica *replica = &shard->replicas[i];
        const struct catalog_worker *from = replica->worker;
        if (!eligible(look, from)) continue;
        uint32_t now = closeness(shard, from, replica);
        for (uint32_t j = 0; j < catalog->n_workers; j++) {
            const struct catalog_worker *to = catalog->workers[j];
            double sum = gain(&look->loads, from, to, weight) * (double)weight;
            if (sum <= 0 || !eligible(look, to) || catalog_replica_on(shard, to) ||
                closeness(shard, to, replica) > now)
                continue;
            bool leads = replica->store_id == shard->leader; /* that would cost a hand over */
            if (sum > best->gain || (sum >= best->gain && best->from && !leads &&
                                     best->from->store_id == best->shard->leader))
                *best = (struct move){shard, replica, to, weight, sum};
        }
    }
}

typedef void (*visit_fn)(struct look *look, const struct catalog_shard *shard, void *context);

static void each_settled(struct look *look, visit_fn visit, void *context) {
    const struct catalog *catalog = look->in->catalog;
    for (uint32_t c = 0; c < catalog->n_collections; c++) {
        const struct catalog_collection *collection = catalog->collections[c];
        if (!collection->born) continue;
        uint32_t wanted = reconcile_wanted(catalog, collection);
        for (uint32_t i = 0; i < collection->n_shards; i++) {
            struct facts facts;
            repair_facts(look, &collection->shards[i], wanted, &facts);
            if (repair_settled(look, &collection->shards[i], &facts))
                visit(look, &collection->shards[i], context);
        }
    }
}

static void visit_move(struct look *look, const struct catalog_shard *shard, void *context) {
    struct move *best = context;
    for (uint32_t i = 0; i < look->out->n_actions; i++)
        if (look->out->actions[i].shard == shard->id) return; /* it moves by now */
    weigh(look, shard, best);
}

/* A worker that is further from the others of the shard: the furthest, of these the lightest. */
static void visit_spread(struct look *look, const struct catalog_shard *shard, void *context) {
    const struct catalog *catalog = look->in->catalog;
    struct move *best = context;
    for (uint32_t i = 0; i < look->out->n_actions; i++)
        if (look->out->actions[i].shard == shard->id) return;
    for (uint32_t i = 0; i < shard->n_replicas; i++) {
        const struct catalog_replica *replica = &shard->replicas[i];
        uint32_t now = closeness(shard, replica->worker, replica);
        if (now == 0 || replica->worker->facts->search_only) continue;
        for (uint32_t j = 0; j < catalog->n_workers; j++) {
            const struct catalog_worker *to = catalog->workers[j];
            if (!eligible(look, to) || catalog_replica_on(shard, to)) continue;
            uint32_t then = closeness(shard, to, replica);
            double fall = now > then ? now - then : 0;
            if (fall > best->gain ||
                (best->to && fall >= best->gain && share(look, to) < share(look, best->to)))
                *best = (struct move){shard, replica, to, loads_replica(&look->loads, shard), fall};
        }
    }
}

static void move_replicas(struct look *look, visit_fn visit) {
    while (look->moving < RECONCILE_BALANCES) {
        struct move best = {0};
        if (visit == visit_move && !is_uneven(look)) return;
        each_settled(look, visit, &best);
        if (!best.from) return;
        look->out->moves++;
        look->moving++;
        loads_take(&look->loads, best.from->worker, best.weight);
        loads_add(&look->loads, best.to, best.weight);
        struct action action = {.kind = ACTION_MOVE,
                                .shard = best.shard->id,
                                .store_id = best.from->store_id,
                                .worker = best.to->id,
                                .leader = best.shard->leader};
        if (look->in->balance && !look_add(look, &action)) return;
    }
}

struct hand_over {
    const struct catalog_shard *shard;
    const struct catalog_replica *to;
    uint64_t weight;
    double gain;
};

static double leader_gain(const struct loads *loads,
                          const struct catalog_worker *from,
                          const struct catalog_worker *to,
                          uint64_t weight) {
    double of_from = (double)loads->leaders[from->nth], of_to = (double)loads->leaders[to->nth];
    return 2 * (of_from - of_to - (double)weight) -
           doubt(loads->leaders[from->nth], loads->n_leaders[from->nth]) -
           doubt(loads->leaders[to->nth], loads->n_leaders[to->nth]);
}

static void visit_leader(struct look *look, const struct catalog_shard *shard, void *context) {
    struct hand_over *best = context;
    const struct catalog_replica *leader = catalog_replica(shard, shard->leader);
    uint64_t weight = loads_leader(&look->loads, shard);
    for (uint32_t i = 0; i < look->out->n_actions; i++)
        if (look->out->actions[i].shard == shard->id) return;
    for (uint32_t i = 0; i < shard->n_replicas; i++) {
        const struct catalog_replica *replica = &shard->replicas[i];
        if (replica->member != MEMBER_VOTER || !eligible(look, replica->worker) ||
            !catalog_serves(replica, look->in->now_us) || !strcmp(replica->state, "disk_full"))
            continue;
        double sum =
            leader_gain(&look->loads, leader->worker, replica->worker, weight) * (double)weight;
        if (sum > best->gain) *best = (struct hand_over){shard, replica, weight, sum};
    }
}

static void move_leaders(struct look *look) {
    struct loads *loads = &look->loads;
    for (int i = 0; i < TRANSFERS_MAX; i++) {
        struct hand_over best = {0};
        each_settled(look, visit_leader, &best);
        if (!best.to) return;
        uint32_t from = catalog_replica(best.shard, best.shard->leader)->worker->nth;
        look->out->transfers++;
        loads->leaders[from] -= best.weight;
        loads->n_leaders[from]--;
        loads->leaders[best.to->worker->nth] += best.weight;
        loads->n_leaders[best.to->worker->nth]++;
        struct action action = {.kind = ACTION_TRANSFER,
                                .shard = best.shard->id,
                                .store_id = best.to->store_id,
                                .leader = best.shard->leader};
        if (look->in->balance && !look_add(look, &action)) return;
    }
}

void balance(struct look *look) {
    move_replicas(look, visit_spread);
    move_replicas(look, visit_move);
    move_leaders(look);
}
