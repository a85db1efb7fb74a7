/* tally: who stands by the leader of a shard, asked by the reader itself while the leader reads.
 *
 *     get ─▶ leader: ShardGet ───────▶ ShardPoint {term, others} ────┐
 *      └───▶ voters: ShardStanding ──▶ ShardStands {replica, term} ──┴▶ a majority: answered
 *                                                                      else the leader is asked the
 *                                                                      usual way, and asks itself
 *
 * Who knows no later term than the leader's when it is asked has promised nothing to a later leader
 * until then. When that is a majority, the leader among them, no later leader can have acknowledged
 * anything before they were asked: the proof of a read index (replication/reads.c), without its way
 * from the leader to the voters and back.
 *
 * A get joins questions that are yet to be asked, at once while few are under way: those that come
 * together share them. As few voters are asked as make a majority; one that is silent is left out
 * for a while. */
#include "actors/router/hub.h"
#include "runtime/memory.h"

#include "runtime/poison.h"

enum {
    CALLS_MAX = 4,            /* a majority of nine, without the leader */
    AT_ONCE_MAX = 4,          /* tallies of a target under way */
    PATIENCE_US = 100 * 1000, /* then the leader asks */
    SILENCE_US = 200 * 1000,  /* for which who did not answer in time is left out */
};

struct standing_call {
    struct tally *tally;
    struct seat *seat; /* held */
};

struct tally {
    struct tally *next; /* of the hub */
    struct tally **link;
    struct target *target; /* held */
    uint32_t users;        /* gets */
    uint32_t open;         /* calls under way */
    bool begun;
    struct standing_call calls[CALLS_MAX];
    struct tally_stand stands[CALLS_MAX];
    uint32_t n_stands;
    struct tally_waiter *waiters;
};

static void free_unused(struct hub *self, struct tally *tally) {
    if (tally->users > 0 || tally->open > 0) return;
    struct target *target = tally->target;
    if (target->next_tally == tally) target->next_tally = NULL;
    *tally->link = tally->next;
    if (tally->next) tally->next->link = tally->link;
    mem_free(tally);
    target_drop(self, target);
}

static struct tally *tally_new(struct hub *self, struct target *target) {
    struct tally *tally = mem_zero(1, sizeof *tally);
    if (!tally) return NULL;
    target_hold(target);
    tally->target = target;
    tally->next = self->tallies;
    tally->link = &self->tallies;
    if (tally->next) tally->next->link = &tally->next;
    self->tallies = tally;
    return tally;
}

void tallies_free(struct hub *self) {
    while (self->tallies) {
        struct tally *tally = self->tallies;
        self->tallies = tally->next;
        mem_free(tally);
    }
}

/* --- asking ----------------------------------------------------------------------------------- */

static uint32_t count_voters(const struct target *target) {
    uint32_t n = 0;
    for (const struct seat *seat = target->seats; seat; seat = seat->next)
        n += !seat->gone && !seat->learner;
    return n;
}

static bool may_be_asked(const struct seat *seat, uint64_t now_us) {
    return !seat->gone && !seat->learner && seat != seat->target->lead && seat->handle != 0 &&
           seat->silent_us <= now_us;
}

/* The voters to ask: those with the least to do for us, one after the other. */
static uint32_t
choose(const struct target *target, uint32_t n, uint64_t now_us, struct seat **out) {
    uint32_t chosen = 0;
    while (chosen < n) {
        struct seat *best = NULL;
        for (struct seat *seat = target->seats; seat; seat = seat->next) {
            bool taken = false;
            for (uint32_t i = 0; i < chosen; i++)
                taken |= out[i] == seat;
            if (taken || !may_be_asked(seat, now_us)) continue;
            if (!best || seat->in_flight < best->in_flight) best = seat;
        }
        if (!best) break;
        out[chosen++] = best;
    }
    return chosen;
}

static void tell_waiters(struct hub *self, struct tally *tally, struct turn *turn) {
    struct tally_waiter *waiter = tally->waiters;
    tally->waiters = NULL;
    while (waiter) {
        struct tally_waiter *next = waiter->next;
        waiter->waiting = false;
        waiter->told(self, waiter->context, turn);
        waiter = next;
    }
}

static void begin(struct hub *self, struct tally *tally, struct turn *turn);

static void
on_stands(void *actor, void *context, const struct outcome *outcome, struct turn *turn) {
    struct hub *self = actor;
    struct standing_call *call = context;
    struct tally *tally = call->tally;
    struct target *target = tally->target;
    const ShardStands *stands = outcome_as(outcome, ShardStands, shard_stands);
    struct seat *seat = call->seat;
    seat->in_flight--;
    if (stands) {
        tally->stands[tally->n_stands++] =
            (struct tally_stand){.replica = stands->replica, .term = stands->term};
    } else {
        seat->silent_us = turn_now_us(turn) + SILENCE_US;
        if (outcome->status == STATUS_LOST_PEER)
            seat_failed(seat, outcome->status, outcome->text, turn_now_us(turn));
    }
    target_hold(target);
    tally->users++;
    tally->open--;
    if (tally->open == 0) target->n_tallies--;
    tell_waiters(self, tally, turn);
    if (tally->open == 0 && target->next_tally) {
        struct tally *next = target->next_tally;
        target->next_tally = NULL;
        begin(self, next, turn);
    }
    tally_drop(self, tally);
    seat_drop(self, seat);
    target_drop(self, target);
}

static void begin(struct hub *self, struct tally *tally, struct turn *turn) {
    struct target *target = tally->target;
    struct seat *seats[CALLS_MAX];
    uint64_t now = turn_now_us(turn);
    uint32_t need = count_voters(target) / 2;
    uint32_t n = need <= CALLS_MAX ? choose(target, need, now, seats) : 0;
    static const ShardStanding question = SHARD_STANDING__INIT;
    tally->begun = true;
    if (n < need) n = 0; /* there would be no majority */
    tally->open = n;
    if (n > 0) target->n_tallies++;
    for (uint32_t i = 0; i < n; i++) {
        tally->calls[i] = (struct standing_call){tally, seats[i]};
        seats[i]->users++;
        seats[i]->in_flight++;
        turn_call(turn, &(struct call){.to = seats[i]->handle,
                                       .message = &question.base,
                                       .done = on_stands,
                                       .context = &tally->calls[i],
                                       .deadline_us = now + PATIENCE_US});
    }
    if (n > 0) return;
    tally->users++;
    tell_waiters(self, tally, turn); /* it falls */
    tally_drop(self, tally);
}

/* Enough of them, and where they are is known: else it is looked up for the next time. */
static bool is_known(struct target *target, struct turn *turn) {
    uint32_t n = 0;
    for (struct seat *seat = target->seats; seat; seat = seat->next) {
        if (may_be_asked(seat, turn_now_us(turn))) n++;
        if (!seat->gone && !seat->learner && seat->handle == 0 && !seat->looking &&
            seat->silent_us <= turn_now_us(turn))
            seat_look(seat, NO_DEADLINE, turn);
    }
    uint32_t voters = count_voters(target);
    return target->lead && target->lead->handle != 0 && voters > 1 && n >= voters / 2;
}

struct tally *tally_join(struct hub *self, struct target *target, struct turn *turn) {
    if (!target->seats->next || !is_known(target, turn)) return NULL;
    struct tally *tally = target->next_tally;
    if (tally) {
        tally->users++;
        return tally;
    }
    tally = tally_new(self, target);
    if (!tally) return NULL;
    tally->users = 1;
    if (target->n_tallies < AT_ONCE_MAX)
        begin(self, tally, turn);
    else
        target->next_tally = tally;
    return tally;
}

void tally_drop(struct hub *self, struct tally *tally) {
    tally->users--;
    free_unused(self, tally);
}

void tally_wait(struct tally *tally, struct tally_waiter *waiter) {
    waiter->next = tally->waiters;
    waiter->waiting = true;
    tally->waiters = waiter;
}

/* --- judging ---------------------------------------------------------------------------------- */

static bool is_other(const ShardPoint *point, uint64_t replica) {
    for (size_t i = 0; i < point->n_others; i++)
        if (point->others[i] == replica) return true;
    return false;
}

enum tally_verdict tally_count(const ShardPoint *point,
                               const struct tally_stand *stands,
                               uint32_t n_stands,
                               bool complete) {
    size_t n = 1; /* the leader */
    size_t voters = point->n_others + 1;
    for (uint32_t i = 0; i < n_stands; i++) {
        if (stands[i].term > point->term) return TALLY_FALLS;
        bool again = false; /* it answered at two places: it has moved */
        for (uint32_t j = 0; j < i; j++)
            again |= stands[j].replica == stands[i].replica;
        n += !again && is_other(point, stands[i].replica);
    }
    if (n > voters / 2) return TALLY_STANDS;
    return complete ? TALLY_FALLS : TALLY_OPEN;
}

enum tally_verdict tally_judge(const struct tally *tally, const ShardPoint *point) {
    return tally_count(point, tally->stands, tally->n_stands, tally->begun && tally->open == 0);
}
