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
#include "runtime/memory.h"

#include "runtime/poison.h"

enum {
    TRANSFERS_MAX = 2, /* of one look */
    MARGIN = LOAD_REPLICA / 4,
    DOUBTED = 4, /* one part of so many that was measured */
};

#define NEVER 1e300

struct move {
    struct settled *settled;
    const struct catalog_replica *from;
    const struct catalog_worker *to;
    double gain;
};

/* A shard that may be moved. */
struct settled {
    const struct catalog_shard *shard;
    uint64_t weight, leading;
    bool moves; /* it is on the move by now */
};

/* What a worker adds to the gain of a move from it, and takes from that of one to it, by the weight
 * that moves. */
struct scale {
    double relief, burden, per_weight;
    bool eligible;
};

/* All of them, looked at once; and the workers as they are now. */
struct field {
    struct settled *rows; /* owned */
    uint32_t n, room;
    double least_burden;
    struct scale scales[CATALOG_WORKERS_MAX];
};

/* What stands against a move between two that have so much, in so many pieces. */
static double doubt(uint64_t load, uint32_t n) {
    uint64_t counted = n * (uint64_t)LOAD_REPLICA;
    return MARGIN + (double)(load > counted ? load - counted : 0) / DOUBTED;
}

static double share(const struct look *look, const struct catalog_worker *worker) {
    return (double)look->loads.replicas[worker->nth] / placement_capacity(worker);
}

/* Only between workers that have just beaten: one that may be dying is not given more. */
static bool eligible(const struct look *look, const struct catalog_worker *worker) {
    return placement_eligible(worker, look->in->now_us) &&
           look->in->now_us - worker->heard_us <= LOOK_FRESH_US;
}

static void weigh_workers(const struct look *look, struct field *field) {
    const struct catalog *catalog = look->in->catalog;
    const struct loads *loads = &look->loads;
    field->least_burden = NEVER;
    for (uint32_t i = 0; i < catalog->n_workers; i++) {
        const struct catalog_worker *worker = catalog->workers[i];
        struct scale *scale = &field->scales[worker->nth];
        double of = (double)loads->replicas[worker->nth], capacity = placement_capacity(worker);
        double doubted = doubt(loads->replicas[worker->nth], loads->n_replicas[worker->nth]);
        scale->eligible = eligible(look, worker);
        scale->relief = loads->n_replicas[worker->nth] > 0 ? (2 * of - doubted) / capacity : -NEVER;
        scale->burden = (2 * of + doubted) / capacity;
        scale->per_weight = 1 / capacity;
        if (scale->eligible && scale->burden < field->least_burden)
            field->least_burden = scale->burden;
    }
}

/* Of each unit of weight that goes from one to the other; not above 0: it stays. */
static double gain(const struct scale *from, const struct scale *to, uint64_t weight) {
    return from->relief - to->burden - (double)weight * (from->per_weight + to->per_weight);
}

/* The heaviest and the lightest; false: no move between two could help. */
static bool is_uneven(const struct look *look, const struct field *field) {
    const struct catalog *catalog = look->in->catalog;
    const struct catalog_worker *heavy = NULL, *light = NULL;
    for (uint32_t i = 0; i < catalog->n_workers; i++) {
        const struct catalog_worker *worker = catalog->workers[i];
        if (!field->scales[worker->nth].eligible) continue;
        if (!heavy || share(look, worker) > share(look, heavy)) heavy = worker;
        if (!light || share(look, worker) < share(look, light)) light = worker;
    }
    return heavy && heavy != light &&
           gain(&field->scales[heavy->nth], &field->scales[light->nth], LOAD_REPLICA) > 0;
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
static void
visit_move(const struct look *look, const struct field *field, struct settled *row, void *context) {
    const struct catalog *catalog = look->in->catalog;
    const struct catalog_shard *shard = row->shard;
    struct move *best = context;
    double weight = (double)row->weight;
    for (uint32_t i = 0; i < shard->n_replicas; i++) {
        const struct catalog_replica *replica = &shard->replicas[i];
        const struct scale *from = &field->scales[replica->worker->nth];
        double most = from->relief - field->least_burden - weight * from->per_weight;
        if (!from->eligible || most <= 0 || most * weight < best->gain) continue;
        uint32_t now = closeness(shard, replica->worker, replica);
        for (uint32_t j = 0; j < catalog->n_workers; j++) {
            const struct catalog_worker *to = catalog->workers[j];
            const struct scale *scale = &field->scales[to->nth];
            double sum = gain(from, scale, row->weight) * weight;
            if (sum <= 0 || sum < best->gain || !scale->eligible || catalog_replica_on(shard, to) ||
                closeness(shard, to, replica) > now)
                continue;
            bool leads = replica->store_id == shard->leader; /* that would cost a hand over */
            if (sum > best->gain ||
                (best->from && !leads && best->from->store_id == best->settled->shard->leader))
                *best = (struct move){row, replica, to, sum};
        }
    }
}

/* A worker that is further from the others of the shard: the furthest, of these the lightest. */
static void visit_spread(const struct look *look,
                         const struct field *field,
                         struct settled *row,
                         void *context) {
    const struct catalog *catalog = look->in->catalog;
    const struct catalog_shard *shard = row->shard;
    struct move *best = context;
    for (uint32_t i = 0; i < shard->n_replicas; i++) {
        const struct catalog_replica *replica = &shard->replicas[i];
        uint32_t now = closeness(shard, replica->worker, replica);
        if (now == 0 || replica->worker->facts->search_only) continue;
        for (uint32_t j = 0; j < catalog->n_workers; j++) {
            const struct catalog_worker *to = catalog->workers[j];
            if (!field->scales[to->nth].eligible || catalog_replica_on(shard, to)) continue;
            uint32_t then = closeness(shard, to, replica);
            double fall = now > then ? now - then : 0;
            if (fall > best->gain ||
                (best->to && fall >= best->gain && share(look, to) < share(look, best->to)))
                *best = (struct move){row, replica, to, fall};
        }
    }
}

struct hand_over {
    struct settled *settled;
    const struct catalog_replica *to;
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

static void visit_leader(const struct look *look,
                         const struct field *field,
                         struct settled *row,
                         void *context) {
    struct hand_over *best = context;
    const struct catalog_shard *shard = row->shard;
    const struct catalog_replica *leader = catalog_replica(shard, shard->leader);
    for (uint32_t i = 0; i < shard->n_replicas; i++) {
        const struct catalog_replica *replica = &shard->replicas[i];
        const struct catalog_worker *to = replica->worker;
        if (replica->member != MEMBER_VOTER || !field->scales[to->nth].eligible) continue;
        double sum =
            leader_gain(&look->loads, leader->worker, to, row->leading) * (double)row->leading;
        if (sum <= best->gain || !catalog_serves(replica, look->in->now_us) ||
            !strcmp(replica->state, "disk_full"))
            continue;
        *best = (struct hand_over){row, replica, sum};
    }
}

/* --- all of them
 * ---------------------------------------------------------------------------------- */

typedef void (*visit_fn)(const struct look *look,
                         const struct field *field,
                         struct settled *row,
                         void *context);

static void
each_settled(const struct look *look, struct field *field, visit_fn visit, void *context) {
    for (uint32_t i = 0; i < field->n; i++)
        if (!field->rows[i].moves) visit(look, field, &field->rows[i], context);
}

/* A step of it begins with this look. */
static bool is_touched(const struct look *look, const struct catalog_shard *shard) {
    for (uint32_t i = 0; i < look->out->n_actions; i++)
        if (look->out->actions[i].shard == shard->id) return true;
    return false;
}

static bool field_add(struct field *field, const struct settled *row) {
    if (field->n == field->room) {
        uint32_t room = field->room ? 2 * field->room : 64;
        struct settled *rows = mem_resize(field->rows, room * sizeof *rows);
        if (!rows) return false;
        field->rows = rows;
        field->room = room;
    }
    field->rows[field->n++] = *row;
    return true;
}

static bool field_fill(struct look *look, struct field *field) {
    const struct catalog *catalog = look->in->catalog;
    for (uint32_t c = 0; c < catalog->n_collections; c++) {
        const struct catalog_collection *collection = catalog->collections[c];
        if (!collection->born) continue;
        uint32_t wanted = reconcile_wanted(catalog, collection);
        for (uint32_t i = 0; i < collection->n_shards; i++) {
            const struct catalog_shard *shard = &collection->shards[i];
            struct facts facts;
            repair_facts(look, shard, wanted, &facts);
            if (!repair_settled(look, shard, &facts) || is_touched(look, shard)) continue;
            struct settled row = {shard, loads_replica(&look->loads, shard),
                                  loads_leader(&look->loads, shard), false};
            if (!field_add(field, &row)) return false;
        }
    }
    return true;
}

static void move_replicas(struct look *look, struct field *field, visit_fn visit) {
    while (look->moving < RECONCILE_BALANCES) {
        struct move best = {0};
        weigh_workers(look, field);
        if (visit == visit_move && !is_uneven(look, field)) return;
        each_settled(look, field, visit, &best);
        if (!best.from) return;
        const struct settled *row = best.settled;
        best.settled->moves = true;
        look->out->moves++;
        look->moving++;
        loads_take(&look->loads, best.from->worker, row->weight);
        loads_add(&look->loads, best.to, row->weight);
        struct action action = {.kind = ACTION_MOVE,
                                .shard = row->shard->id,
                                .store_id = best.from->store_id,
                                .worker = best.to->id,
                                .leader = row->shard->leader};
        if (look->in->balance && !look_add(look, &action)) return;
    }
}

static void move_leaders(struct look *look, struct field *field) {
    struct loads *loads = &look->loads;
    weigh_workers(look, field);
    for (int i = 0; i < TRANSFERS_MAX; i++) {
        struct hand_over best = {0};
        each_settled(look, field, visit_leader, &best);
        if (!best.to) return;
        const struct settled *row = best.settled;
        uint32_t from = catalog_replica(row->shard, row->shard->leader)->worker->nth;
        best.settled->moves = true;
        look->out->transfers++;
        loads->leaders[from] -= row->leading;
        loads->n_leaders[from]--;
        loads->leaders[best.to->worker->nth] += row->leading;
        loads->n_leaders[best.to->worker->nth]++;
        struct action action = {.kind = ACTION_TRANSFER,
                                .shard = row->shard->id,
                                .store_id = best.to->store_id,
                                .leader = row->shard->leader};
        if (look->in->balance && !look_add(look, &action)) return;
    }
}

void balance(struct look *look) {
    struct field *field = mem_zero(1, sizeof *field);
    if (!field) return; /* the next look is soon */
    if (field_fill(look, field)) {
        move_replicas(look, field, visit_spread);
        move_replicas(look, field, visit_move);
        move_leaders(look, field);
    }
    mem_free(field->rows);
    mem_free(field);
}
