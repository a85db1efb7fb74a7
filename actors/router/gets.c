/* gets: one point.
 *
 *     RouterGet ─▶ ShardGet to a replica of the level's ─▶ ShardPoint ─▶ answered
 *     linearizable ─▶ ShardGet to the leader, and a tally of who stands by it, at the same time
 *
 * What the leader says while its voters are counted is kept until they are. Where the tally falls,
 * the leader is asked again, and asks them itself. */
#include <string.h>

#include "actors/router/hub.h"
#include "actors/router/session.h"

#include "runtime/poison.h"

enum { PATIENCE_US = 1500 * 1000 /* for a shard that moves or restarts */ };

struct get {
    struct request base; /* first */
    struct ask ask;
    ShardGet message;
    struct target *target;  /* held */
    const char *collection; /* in the arena */
    struct tally *tally;    /* held; NULL: nobody is counted */
    struct tally_waiter waiter;
    ShardPoint *kept; /* in the arena: what the leader said */
};

static void stop_counting(struct hub *self, struct get *get) {
    if (get->tally) tally_drop(self, get->tally);
    get->tally = NULL;
    get->message.counting = false;
}

static void end(struct hub *self, struct get *get) {
    stop_counting(self, get);
    target_drop(self, get->target);
    request_end(self, &get->base);
}

static void *copy_of(struct arena *arena, const void *data, size_t size) {
    void *copy = arena_alloc(arena, size + 1); /* nothing is no failure */
    if (copy && size > 0) memcpy(copy, data, size);
    return copy;
}

/* --- answers
 * -------------------------------------------------------------------------------------------- */

static void answer(struct hub *self, struct get *get, const ShardPoint *point, struct turn *turn) {
    RouterPoint out = ROUTER_POINT__INIT;
    out.id = point->id;
    out.n_vector = point->n_vector;
    out.vector = point->vector;
    out.payload = point->payload;
    if (point->missing)
        turn_reject(turn, &get->base.promise, STATUS_NOT_FOUND, "vector with id %s not found",
                    get->message.id);
    else
        turn_resolve(turn, &get->base.promise, &out.base);
    end(self, get);
}

static void
refuse(struct hub *self, struct get *get, const struct outcome *outcome, struct turn *turn) {
    enum status s = outcome->status == STATUS_OK ? STATUS_INTERNAL : outcome->status;
    if (s == STATUS_NOT_FOUND)
        turn_reject(turn, &get->base.promise, s, "%s", outcome->text);
    else
        turn_reject(turn, &get->base.promise, s, "collection '%s': %s", get->collection,
                    outcome->text);
    end(self, get);
}

/* It points into the message of this turn. */
static bool keep(struct get *get, const ShardPoint *point) {
    struct arena *arena = &get->base.arena;
    ShardPoint *kept = copy_of(arena, point, sizeof *point);
    if (!kept) return false;
    kept->id = (char *)(uintptr_t)get->message.id;
    kept->vector = copy_of(arena, point->vector, point->n_vector * sizeof *point->vector);
    kept->payload.data = copy_of(arena, point->payload.data, point->payload.len);
    kept->others = copy_of(arena, point->others, point->n_others * sizeof *point->others);
    get->kept = kept;
    return kept->vector && kept->payload.data && kept->others;
}

static void ask(struct hub *self, struct get *get, struct turn *turn) {
    get->kept = NULL;
    get->ask.target = get->target;
    get->ask.attempts = 0;
    ask_start(self, &get->ask, turn);
}

/* False: the verdict is open. */
static bool settle(struct hub *self, struct get *get, const ShardPoint *point, struct turn *turn) {
    enum tally_verdict verdict = point->term == 0 ? TALLY_STANDS
                                 : get->tally     ? tally_judge(get->tally, point)
                                                  : TALLY_FALLS;
    if (verdict == TALLY_OPEN) return false;
    if (verdict == TALLY_STANDS) {
        answer(self, get, point, turn);
    } else {
        stop_counting(self, get);
        ask(self, get, turn);
    }
    return true;
}

static void on_tally(struct hub *self, void *context, struct turn *turn) {
    struct get *get = context;
    if (!settle(self, get, get->kept, turn)) tally_wait(get->tally, &get->waiter);
}

static void
on_got(struct hub *self, struct ask *ask, const struct outcome *outcome, struct turn *turn) {
    struct get *get = ask->context;
    const ShardPoint *point = outcome_as(outcome, ShardPoint, shard_point);
    if (!point) {
        refuse(self, get, outcome, turn);
    } else if (!settle(self, get, point, turn)) {
        if (keep(get, point))
            tally_wait(get->tally, &get->waiter);
        else
            refuse(self, get, &(struct outcome){.status = STATUS_NO_MEMORY, .text = "get"}, turn);
    }
}

/* --- requests
 * ------------------------------------------------------------------------------------------- */

static bool prepare(struct get *get, const RouterGet *msg, uint32_t level) {
    struct arena *arena = &get->base.arena;
    shard_get__init(&get->message);
    get->message.id = copy_of(arena, msg->id, strlen(msg->id) + 1);
    get->collection = copy_of(arena, msg->collection, strlen(msg->collection) + 1);
    get->message.consistency = level;
    get->message.session_index = level_index(level, msg->session, get->target);
    get->message.max_staleness_ms = level_staleness_ms(level, msg->max_staleness_ms);
    return get->message.id && get->collection;
}

static void prepare_ask(struct get *get, uint32_t level, struct turn *turn) {
    uint64_t now = turn_now_us(turn), deadline = get->base.promise.deadline_us;
    get->waiter = (struct tally_waiter){.told = on_tally, .context = get};
    get->ask =
        (struct ask){.target = get->target,
                     .message = &get->message.base,
                     .epoch = &get->message.epoch,
                     .deadline_us = deadline == NO_DEADLINE ? now + CALL_DEFAULT_US : deadline,
                     .patience_us = now + PATIENCE_US,
                     .way = level_way(level, true),
                     .kind = PACE_GET,
                     .read = true,
                     .done = on_got,
                     .context = get};
}

bool start_get(struct hub *self,
               const void *message,
               const struct promise *promise,
               struct route *route,
               bool fresh,
               struct turn *turn) {
    const RouterGet *msg = message;
    (void)fresh;
    if (msg->id[0] == '\0' || session_check(msg->session) != STATUS_OK) {
        turn_reject(turn, promise, STATUS_INVALID, "%s",
                    msg->id[0] ? "session token is malformed" : "point ID cannot be empty");
        return true;
    }
    struct get *get = request_new(self, sizeof *get, promise, turn);
    if (!get) return true;
    get->target = route_target(route, msg->id);
    target_hold(get->target);
    uint32_t level = level_of_get(msg->consistency);
    if (!prepare(get, msg, level)) {
        turn_reject(turn, promise, STATUS_NO_MEMORY, "get");
        end(self, get);
        return true;
    }
    prepare_ask(get, level, turn);
    if (get->ask.way == WAY_LEADER) get->tally = tally_join(self, get->target, turn);
    get->message.counting = get->tally != NULL;
    ask(self, get, turn);
    return true;
}
