/* balance: what is in order, more evenly: replicas by the capacity of their workers, as long as
 * failure domains stay as spread as they are, then leaders by their number. Each move strictly
 * evens the shares, so it comes to an end. */
#include <string.h>

#include "actors/pd/look.h"

#include "runtime/poison.h"

enum { TRANSFERS_MAX = 2 /* of one look */ };

struct move {
    const struct catalog_shard *shard;
    const struct catalog_replica *from;
    const struct catalog_worker *to;
    double gain;
};

static double share(uint64_t twice, const struct catalog_worker *worker) {
    return (double)twice / placement_capacity(worker);
}

/* Only between workers that have just beaten: one that may be dying is not given more. */
static bool eligible(const struct look *look, const struct catalog_worker *worker) {
    return placement_eligible(worker, look->load, look->in->now_us) &&
           look->in->now_us - worker->heard_us <= LOOK_FRESH_US;
}

/* The heaviest and the lightest; false: no move between two could help. */
static bool is_uneven(const struct look *look) {
    const struct catalog *catalog = look->in->catalog;
    const struct catalog_worker *heavy = NULL, *light = NULL;
    for (uint32_t i = 0; i < catalog->n_workers; i++) {
        const struct catalog_worker *worker = catalog->workers[i];
        if (!eligible(look, worker)) continue;
        double mine = share(look->load[worker->nth], worker);
        if (!heavy || mine > share(look->load[heavy->nth], heavy)) heavy = worker;
        if (!light || mine < share(look->load[light->nth], light)) light = worker;
    }
    return heavy && heavy != light && placement_evens(heavy, light, look->load);
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
    for (uint32_t i = 0; i < shard->n_replicas; i++) {
        const struct catalog_replica *replica = &shard->replicas[i];
        const struct catalog_worker *from = replica->worker;
        if (!eligible(look, from)) continue;
        uint32_t now = closeness(shard, from, replica);
        double relief = share(2 * (uint64_t)look->load[from->nth] - 1, from);
        for (uint32_t j = 0; j < catalog->n_workers; j++) {
            const struct catalog_worker *to = catalog->workers[j];
            if (!eligible(look, to) || catalog_replica_on(shard, to) ||
                !placement_evens(from, to, look->load) || closeness(shard, to, replica) > now)
                continue;
            double gain = relief - share(2 * (uint64_t)look->load[to->nth] + 1, to);
            bool leads = replica->store_id == shard->leader; /* that would cost a hand over */
            if (gain > best->gain || (gain >= best->gain && best->from && !leads &&
                                      best->from->store_id == best->shard->leader))
                *best = (struct move){shard, replica, to, gain};
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

static void move_replicas(struct look *look) {
    while (look->moving < RECONCILE_BALANCES && is_uneven(look)) {
        struct move best = {0};
        each_settled(look, visit_move, &best);
        if (!best.from) return;
        look->out->moves++;
        look->moving++;
        look->load[best.from->worker->nth]--;
        look->load[best.to->nth]++;
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
    uint32_t gain;
};

static void visit_leader(struct look *look, const struct catalog_shard *shard, void *context) {
    struct hand_over *best = context;
    const struct catalog_replica *leader = catalog_replica(shard, shard->leader);
    for (uint32_t i = 0; i < look->out->n_actions; i++)
        if (look->out->actions[i].shard == shard->id) return;
    uint32_t mine = look->leaders[leader->worker->nth];
    for (uint32_t i = 0; i < shard->n_replicas; i++) {
        const struct catalog_replica *replica = &shard->replicas[i];
        uint32_t theirs = look->leaders[replica->worker->nth];
        if (replica->member != MEMBER_VOTER || !eligible(look, replica->worker) ||
            !catalog_serves(replica, look->in->now_us) || !strcmp(replica->state, "disk_full") ||
            mine < theirs + 2)
            continue;
        if (mine - theirs > best->gain) *best = (struct hand_over){shard, replica, mine - theirs};
    }
}

static void move_leaders(struct look *look) {
    for (int i = 0; i < TRANSFERS_MAX; i++) {
        struct hand_over best = {0};
        each_settled(look, visit_leader, &best);
        if (!best.to) return;
        look->out->transfers++;
        look->leaders[catalog_replica(best.shard, best.shard->leader)->worker->nth]--;
        look->leaders[best.to->worker->nth]++;
        struct action action = {.kind = ACTION_TRANSFER,
                                .shard = best.shard->id,
                                .store_id = best.to->store_id,
                                .leader = best.shard->leader};
        if (look->in->balance && !look_add(look, &action)) return;
    }
}

void balance(struct look *look) {
    move_replicas(look);
    move_leaders(look);
}
