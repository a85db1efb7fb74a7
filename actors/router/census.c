/* census: what a collection is: its shards by the route, and what the replicas that lead say of
 * themselves and of their payload indexes, as far as they do within a moment.
 *
 *     RouterDescribe {shards} ─▶ ShardAsk to every shard ─▶ ShardState … ─▶ RouterCollection */
#include <inttypes.h>
#include <string.h>

#include "actors/filters.h"
#include "actors/router/hub.h"
#include "runtime/memory.h"

#include "runtime/poison.h"

enum {
    ANSWER_US = 1000 * 1000, /* a shard that takes longer is told of without it */
    PATIENCE_US = 300 * 1000,
    COLUMNS_MAX = 2 * INDEX_COLUMNS_MAX, /* shards build theirs on demand: they may differ */
};

struct resident {
    struct ask ask;
    struct census *census;
    ShardAsk message;
    RouterShard row;
};

struct census {
    struct request base; /* first */
    RouterCollection answer;
    struct resident *residents;
    uint32_t n_open;
    RouterColumn columns[COLUMNS_MAX];
    uint32_t n_shards[COLUMNS_MAX]; /* that have it */
    uint32_t n_said;                /* shards that answered */
    uint64_t points;                /* theirs */
    PayloadColumn keys[COLUMNS_MAX];
    RouterColumn *rows[COLUMNS_MAX];
};

/* --- what shards say ------------------------------------------------------------------------- */

static char *copy_text(struct arena *arena, const char *text) {
    size_t size = strlen(text) + 1;
    char *copy = arena_alloc(arena, size);
    return copy ? memcpy(copy, text, size) : (char *)(uintptr_t) "";
}

static RouterColumn *find_column(struct census *census, const PayloadColumn *column) {
    RouterCollection *answer = &census->answer;
    size_t n = answer->n_columns;
    for (size_t i = 0; i < n; i++)
        if (census->keys[i].type == column->type && strcmp(census->keys[i].key, column->key) == 0)
            return &census->columns[i];
    if (n == COLUMNS_MAX) return NULL;
    payload_column__init(&census->keys[n]);
    router_column__init(&census->columns[n]);
    census->keys[n].key = copy_text(&census->base.arena, column->key);
    census->keys[n].type = column->type;
    census->columns[n].column = &census->keys[n];
    census->columns[n].complete = true;
    census->rows[n] = &census->columns[n];
    answer->columns = census->rows;
    answer->n_columns = n + 1;
    return &census->columns[n];
}

static void add_column(struct census *census, const ShardColumn *said, const ShardState *state) {
    RouterColumn *column = said->column ? find_column(census, said->column) : NULL;
    if (!column) return;
    uint64_t filled = state->filled < state->points ? state->filled : state->points;
    column->values += said->values;
    column->unread += said->unread;
    column->bytes += said->bytes;
    column->points += state->points;
    column->filled += said->complete ? state->points : filled;
    column->complete &= said->complete;
    column->declared |= said->declared;
    census->n_shards[column - census->columns]++;
}

/* A shard that has not begun with a declared one has all of its points to read. */
static void complete_columns(struct census *census) {
    for (size_t i = 0; i < census->answer.n_columns; i++) {
        RouterColumn *column = &census->columns[i];
        if (!column->declared || census->n_shards[i] == census->n_said) continue;
        column->complete = false;
        column->points = census->points;
    }
}

static void take_state(struct resident *resident, const ShardState *state) {
    struct census *census = resident->census;
    RouterShard *row = &resident->row;
    row->state = copy_text(&census->base.arena, state->state);
    row->points = state->points;
    row->waiting = state->tail;
    row->memory_bytes = state->memory_bytes;
    row->storage = copy_text(&census->base.arena, state->storage);
    row->recall = state->recall;
    row->recall_live = state->recall_live;
    row->ef = state->ef;
    census->answer.target_recall = state->target_recall;
    census->answer.exact = state->exact;
    census->answer.rescore = state->rescore;
    census->n_said++;
    census->points += state->points;
    for (size_t i = 0; i < state->n_columns; i++)
        add_column(census, state->columns[i], state);
}

static void end(struct hub *self, struct census *census, struct turn *turn) {
    complete_columns(census);
    turn_resolve(turn, &census->base.promise, &census->answer.base);
    request_end(self, &census->base);
}

static void
on_state(struct hub *self, struct ask *ask, const struct outcome *outcome, struct turn *turn) {
    struct resident *resident = ask->context;
    const ShardState *state = outcome_as(outcome, ShardState, shard_state);
    if (state) take_state(resident, state);
    if (outcome->more || --resident->census->n_open > 0) return;
    end(self, resident->census, turn);
}

/* --- what the route says --------------------------------------------------------------------- */

static bool describe_shard(const struct route_shard *shard, RouterShard *out, struct arena *arena) {
    const struct target *target = shard->target;
    router_shard__init(out);
    out->shard = (uint32_t)target->shard;
    out->ready = shard->ready;
    out->replicas = arena_alloc(arena, TARGET_SEATS_MAX * sizeof *out->replicas);
    if (!out->replicas) return false;
    if (target->lead) out->leader = target->lead->worker;
    for (const struct seat *seat = target->seats; seat; seat = seat->next) {
        if (!seat->gone && out->n_replicas < TARGET_SEATS_MAX)
            out->replicas[out->n_replicas++] = seat->worker;
    }
    return true;
}

static bool prepare(struct census *census, const struct route *route, uint32_t n) {
    struct arena *arena = &census->base.arena;
    RouterCollection *answer = &census->answer;
    router_collection__init(answer);
    answer->name = copy_text(arena, route->name);
    answer->dimension = route->dimension;
    answer->distance = copy_text(arena, route->distance);
    answer->shards = arena_alloc(arena, (n + 1) * sizeof *answer->shards);
    census->residents = arena_zero(arena, (n + 1) * sizeof *census->residents);
    if (!answer->shards || !census->residents) return false;
    for (uint32_t i = 0; i < n; i++) {
        struct resident *resident = &census->residents[i];
        if (!describe_shard(&route->shards[i], &resident->row, arena)) return false;
        answer->shards[answer->n_shards++] = &resident->row;
    }
    return true;
}

static void
ask_shards(struct hub *self, struct census *census, struct route *route, struct turn *turn) {
    uint64_t now = turn_now_us(turn), deadline = now + ANSWER_US;
    size_t n = census->answer.n_shards;
    if (census->base.promise.deadline_us < deadline) deadline = census->base.promise.deadline_us;
    census->n_open = (uint32_t)n + 1; /* one for this loop */
    for (size_t i = 0; i < n; i++) {
        struct resident *resident = &census->residents[i];
        shard_ask__init(&resident->message);
        resident->census = census;
        resident->ask.target = route->shards[i].target;
        resident->ask.way = WAY_LEADER;
        resident->ask.message = &resident->message.base;
        resident->ask.behalf = &census->base.promise;
        resident->ask.deadline_us = deadline;
        resident->ask.patience_us = now + PATIENCE_US;
        resident->ask.done = on_state;
        resident->ask.context = resident;
        ask_start(self, &resident->ask, turn);
    }
    if (--census->n_open == 0) end(self, census, turn);
}

bool start_describe(struct hub *self,
                    const void *message,
                    const struct promise *promise,
                    struct route *route,
                    bool fresh,
                    struct turn *turn) {
    const RouterDescribe *msg = message;
    (void)fresh;
    struct census *census = request_new(self, sizeof *census, promise, turn);
    if (!census) return true;
    if (prepare(census, route, msg->shards ? route->n_shards : 0)) {
        ask_shards(self, census, route, turn);
        return true;
    }
    turn_reject(turn, promise, STATUS_NO_MEMORY, "describe");
    request_end(self, &census->base);
    return true;
}
