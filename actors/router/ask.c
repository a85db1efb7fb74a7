/* ask: questions to targets.
 *
 *     ask_start ─▶ seat chosen ─▶ handle known? ─ no ─▶ turn_lookup, others wait for the same one
 *                                     └─ yes ─▶ turn_call ─▶ answer ─▶ done
 *                                                  ├─ may pass ─▶ route fetched anew, pause ─▶
 *                                                  │              another seat ─▶ …
 *                                                  └─ a read that is late ─▶ a second seat, too:
 *                                                     the first answer counts, the other call is
 *                                                     cancelled
 *
 * Each call is a leg. One that nobody waits for any more ends by itself. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "actors/router/hub.h"
#include "runtime/assert.h"
#include "runtime/memory.h"

#include "runtime/poison.h"

enum {
    PAUSE_MIN_US = 5 * 1000,
    PAUSE_MAX_US = 500 * 1000,
    PAUSE_OTHERS_MAX_US = 50 * 1000, /* when another replica may answer: an election is short */
    LOOKUP_US = 2 * 1000 * 1000,
    LOOK_PATIENCE_US = 100 * 1000, /* of one question, when another replica may answer */
    TRY_OTHERS_US = 2 * 1000 * 1000,
    MEMORY_TRIES = 4, /* NO_MEMORY rarely passes soon, and other writes wait behind this one */
    HEDGE_MIN_US = 2 * 1000,
    HEDGE_ANSWERS_MIN = 20, /* before it is known what late is */
    HEDGE_COST = 100,
    HEDGES_MAX = 10 * HEDGE_COST, /* at once, after a time without any */
    SLAB_LEGS = 64,
};

bool may_pass(enum status status) {
    switch (status) {
    case STATUS_STALE_EPOCH:
    case STATUS_BUSY:
    case STATUS_NO_MEMORY:
    case STATUS_NOT_READY:
    case STATUS_NOT_LEADER:
    case STATUS_LOST_PEER:
    case STATUS_UNIMPLEMENTED: /* a process that is starting, or stopping, has no such actor */
        return true;
    default:
        return false;
    }
}

static bool has_others(const struct target *target) {
    return target->seats->next != NULL;
}

/* --- legs
 * -----------------------------------------------------------------------------------------------
 */

struct leg_slab {
    struct leg_slab *next;
    struct leg legs[SLAB_LEGS];
};

static struct leg *leg_new(struct hub *self, struct ask *ask, struct seat *seat) {
    if (!self->free_legs) {
        struct leg_slab *slab = mem_zero(1, sizeof *slab);
        if (!slab) return NULL;
        slab->next = self->slabs;
        self->slabs = slab;
        for (int i = 0; i < SLAB_LEGS; i++) {
            slab->legs[i].next = self->free_legs;
            self->free_legs = &slab->legs[i];
        }
    }
    struct leg *leg = self->free_legs;
    self->free_legs = leg->next;
    *leg = (struct leg){.ask = ask, .seat = seat};
    seat->users++;
    for (int i = 0; i < ASK_LEGS_MAX; i++) {
        if (ask->legs[i]) continue;
        ask->legs[i] = leg;
        return leg;
    }
    assert(false); /* two legs at most */
    return NULL;
}

static void leave(struct leg *leg) {
    for (int i = 0; leg->ask && i < ASK_LEGS_MAX; i++)
        if (leg->ask->legs[i] == leg) leg->ask->legs[i] = NULL;
    leg->ask = NULL;
}

static void leg_free(struct hub *self, struct leg *leg) {
    leave(leg);
    seat_drop(self, leg->seat);
    leg->next = self->free_legs;
    self->free_legs = leg;
}

void legs_free(struct hub *self) {
    while (self->slabs) {
        struct leg_slab *slab = self->slabs;
        self->slabs = slab->next;
        mem_free(slab);
    }
}

static uint32_t count_legs(const struct ask *ask) {
    uint32_t n = 0;
    for (int i = 0; i < ASK_LEGS_MAX; i++)
        n += ask->legs[i] != NULL;
    return n;
}

/* For its seat's handle. */
static bool stop_waiting(struct leg *leg) {
    for (struct leg **link = &leg->seat->waiting; *link; link = &(*link)->next)
        if (*link == leg) {
            *link = leg->next;
            return true;
        }
    return false;
}

/* Nobody waits for it: the call is cancelled, its outcome frees it. */
static void leg_abandon(struct hub *self, struct leg *leg, struct turn *turn) {
    leave(leg);
    if (leg->call) {
        turn_cancel(turn, leg->call);
        return;
    }
    if (stop_waiting(leg)) leg_free(self, leg);
    /* Else its lookup is over and hands it out just now: on_found frees it. */
}

static void
abandon_others(struct hub *self, struct ask *ask, const struct leg *but, struct turn *turn) {
    for (int i = 0; i < ASK_LEGS_MAX; i++)
        if (ask->legs[i] && ask->legs[i] != but) leg_abandon(self, ask->legs[i], turn);
}

/* --- trying
 * --------------------------------------------------------------------------------------------- */

static void try_now(struct hub *self, struct ask *ask, struct turn *turn);

static void stop_timer(struct ask *ask, struct turn *turn) {
    if (ask->timer) turn_timer_cancel(turn, ask->timer);
    ask->timer = 0;
    ask->looking = false;
}

static void
finish(struct hub *self, struct ask *ask, const struct outcome *outcome, struct turn *turn) {
    struct target *target = ask->target;
    stop_timer(ask, turn);
    abandon_others(self, ask, NULL, turn);
    ask->target = NULL;
    ask->done(self, ask, outcome, turn);
    target_drop(self, target); /* after done: it may ask the same one again */
}

static void no_route(void *actor, void *context, struct turn *turn) {
    struct ask *ask = context;
    ask->timer = 0;
    const char *text = turn_printf(turn, "collection '%s' not found", ask->target->collection);
    finish(actor, ask,
           &(struct outcome){.status = STATUS_NOT_FOUND, .text = text ? text : "not found"}, turn);
}

static void no_memory(void *actor, void *context, struct turn *turn) {
    struct ask *ask = context;
    ask->timer = 0;
    finish(actor, ask, &(struct outcome){.status = STATUS_NO_MEMORY, .text = "question"}, turn);
}

static void try_again(void *actor, void *context, struct turn *turn) {
    struct ask *ask = context;
    ask->timer = 0;
    if (ask->behalf && !turn_wanted(turn, ask->behalf))
        finish(actor, ask,
               &(struct outcome){.status = STATUS_CANCELLED, .text = status_text(STATUS_CANCELLED)},
               turn);
    else
        try_now(actor, ask, turn);
}

/* It said who leads, and that one did not fail just now. Twice in a row is a circle. */
static bool names_another(const struct ask *ask, const struct outcome *outcome, uint64_t now) {
    const struct seat *lead = ask->target->lead;
    return outcome->status == STATUS_NOT_LEADER && !ask->told && lead && lead != ask->failed &&
           lead->shunned_us <= now;
}

/* When the next try is due, as far as it may help. */
static uint64_t pause_of(const struct ask *ask, const struct outcome *outcome, struct turn *turn) {
    uint64_t pause = (uint64_t)PAUSE_MIN_US << (ask->attempts < 7 ? ask->attempts : 7);
    uint64_t told = outcome->retry_after_ms * UINT64_C(1000);
    uint64_t most = has_others(ask->target) ? PAUSE_OTHERS_MAX_US : PAUSE_MAX_US;
    if (ask->told) return 0;
    if (pause > most) pause = most;
    /* What a shard without memory tells is for the client. */
    if (pause < told && outcome->status != STATUS_NO_MEMORY) pause = told;
    return pause / 2 + turn_random(turn) % (pause / 2 + 1);
}

static void
on_failed(struct hub *self, struct ask *ask, const struct outcome *outcome, struct turn *turn) {
    struct target *target = ask->target;
    uint64_t now = turn_now_us(turn);
    ask->told = names_another(ask, outcome, now);
    uint64_t pause = pause_of(ask, outcome, turn);
    bool hopeless = outcome->status == STATUS_NO_MEMORY && ask->attempts >= MEMORY_TRIES;
    if (hopeless || now + pause >= ask->patience_us || now + pause >= ask->deadline_us) {
        struct outcome told = *outcome; /* an epoch is nothing that a client could do better */
        if (told.status == STATUS_STALE_EPOCH) told.status = STATUS_NOT_READY;
        finish(self, ask, &told, turn);
        return;
    }
    if (outcome->status == STATUS_NOT_LEADER) ask->way = WAY_LEADER;
    if (target != self->pd && outcome->status != STATUS_BUSY && outcome->status != STATUS_NO_MEMORY)
        route_fetch(self, target->collection, turn);
    stop_timer(ask, turn); /* of a second seat */
    ask->timer = turn_timer(turn, pause, try_again, ask);
}

/* --- a second seat
 * -------------------------------------------------------------------------------------- */

static void leg_send(struct leg *leg, struct turn *turn);

static void hedge(void *actor, void *context, struct turn *turn) {
    struct hub *self = actor;
    struct ask *ask = context;
    ask->timer = 0;
    struct leg *first = ask->legs[0] ? ask->legs[0] : ask->legs[1];
    if (!first || count_legs(ask) > 1 || ask->answering || self->hedges < HEDGE_COST) return;
    struct seat *seat = seat_choose(
        ask->target, &(struct wish){.way = ask->way == WAY_LEADER ? WAY_VOTER : ask->way,
                                    .kind = ask->kind,
                                    .other_than = first->seat,
                                    .now_us = turn_now_us(turn),
                                    .dice = turn_random(turn)});
    if (seat == first->seat) return;
    struct leg *second = leg_new(self, ask, seat);
    if (!second) return;
    self->hedges -= HEDGE_COST;
    turn_note(turn, "%s is late: a second replica is asked", ask->target->name);
    leg_send(second, turn);
}

static void hedge_later(struct hub *self, struct ask *ask, struct turn *turn) {
    const struct target *target = ask->target;
    if (!ask->read || ask->timer || self->options.hedge_percent == 0 || !has_others(target)) return;
    self->hedges += self->options.hedge_percent;
    if (self->hedges > HEDGES_MAX) self->hedges = HEDGES_MAX;
    if (target->n_answers[ask->kind] < HEDGE_ANSWERS_MIN) return;
    uint64_t late = target->tail_us[ask->kind];
    if (late < HEDGE_MIN_US) late = HEDGE_MIN_US;
    if (turn_now_us(turn) + late < ask->deadline_us)
        ask->timer = turn_timer(turn, late, hedge, ask);
}

/* --- calling
 * -------------------------------------------------------------------------------------------- */

/* Another replica may know what this one cannot say. */
static bool may_pass_elsewhere(const struct ask *ask, enum status status) {
    return ask->read && has_others(ask->target) && status == STATUS_QUARANTINED;
}

/* Nobody else could do better. */
static bool stays(const struct ask *ask, enum status status) {
    bool full = status == STATUS_BUSY || status == STATUS_NO_MEMORY;
    return status == STATUS_STALE_EPOCH || (full && ask->way == WAY_LEADER && !ask->read);
}

/* Not a shard that is slow, or full. */
static bool found_nobody(const struct target *target, enum status status) {
    return status == STATUS_LOST_PEER || status == STATUS_NOT_LEADER ||
           status == STATUS_NOT_READY || (status == STATUS_EXPIRED && has_others(target));
}

static void
leg_failed(struct hub *self, struct leg *leg, const struct outcome *outcome, struct turn *turn) {
    struct ask *ask = leg->ask;
    if (leg->call && (outcome->status == STATUS_LOST_PEER || outcome->status == STATUS_EXPIRED))
        ask->unsure = true;
    if (!ask->read && found_nobody(ask->target, outcome->status))
        ask->target->refusal = outcome->status;
    seat_failed(leg->seat, outcome->status, outcome->text, turn_now_us(turn));
    ask->failed = stays(ask, outcome->status) ? NULL : leg->seat;
    leg_free(self, leg);
    if (count_legs(ask) == 0) on_failed(self, ask, outcome, turn); /* else the other one counts */
}

static void
leg_answered(struct hub *self, struct leg *leg, const struct outcome *outcome, struct turn *turn) {
    struct ask *ask = leg->ask;
    uint64_t now = turn_now_us(turn);
    struct seat *seat = leg->seat;
    if (outcome->status == STATUS_OK && ask->read)
        seat_measure(seat, ask->kind, now - leg->began_us, now);
    if (outcome->status == STATUS_OK && !ask->read && !seat->gone) {
        seat->shunned_us = 0;
        seat->target->lead = seat;
        seat->target->refusal = STATUS_OK;
    }
    leg_free(self, leg);
    finish(self, ask, outcome, turn);
}

static void
on_answer(void *actor, void *context, const struct outcome *outcome, struct turn *turn) {
    struct hub *self = actor;
    struct leg *leg = context;
    struct ask *ask = leg->ask;
    if (outcome->more) {
        if (!ask) return;
        ask->answering = true;
        abandon_others(self, ask, leg, turn);
        ask->done(self, ask, outcome, turn);
        return;
    }
    leg->seat->in_flight--;
    if (!ask) {
        leg_free(self, leg);
        return;
    }
    bool lost = outcome->status == STATUS_EXPIRED && turn_now_us(turn) < ask->deadline_us;
    if (lost || may_pass(outcome->status) || may_pass_elsewhere(ask, outcome->status))
        leg_failed(self, leg, outcome, turn);
    else
        leg_answered(self, leg, outcome, turn);
}

static void call_now(struct leg *leg, struct turn *turn) {
    struct ask *ask = leg->ask;
    uint64_t now = turn_now_us(turn);
    if (ask->looking) stop_timer(ask, turn);
    if (ask->epoch) *ask->epoch = ask->target->epoch;
    ask->attempts++;
    uint64_t deadline = ask->deadline_us;
    uint64_t most = ask->try_us && has_others(ask->target) ? TRY_OTHERS_US : ask->try_us;
    if (most && deadline > now + most) deadline = now + most;
    leg->began_us = now;
    leg->seat->in_flight++;
    leg->call = turn_call(turn, &(struct call){.to = leg->seat->handle,
                                               .message = ask->message,
                                               .done = on_answer,
                                               .context = leg,
                                               .deadline_us = deadline,
                                               .behalf = ask->behalf});
}

/* A lookup ends for everybody who waits for it. */
static void on_found(void *actor, void *context, const struct outcome *outcome, struct turn *turn) {
    struct hub *self = actor;
    struct seat *seat = context;
    struct leg *leg = seat->waiting;
    seat->waiting = NULL;
    seat->looking = false;
    if (outcome->status == STATUS_OK) {
        seat->handle = outcome->handle;
        seat->shunned_us = 0; /* it is back */
    }
    /* A process without the actor is like one that does not answer: it may be there soon. */
    struct outcome lost = *outcome;
    lost.status = STATUS_LOST_PEER;
    if (!lost.text[0]) lost.text = "no such actor there";
    while (leg) {
        struct leg *next = leg->next;
        leg->next = NULL;
        if (!leg->ask) {
            leg_free(self, leg);
        } else if (outcome->status == STATUS_OK) {
            call_now(leg, turn);
        } else {
            leg->ask->attempts++;
            leg_failed(self, leg, &lost, turn);
        }
        leg = next;
    }
    seat_drop(self, seat);
}

/* The process may be gone: another replica is asked, while this one is looked for. */
static void look_elsewhere(void *actor, void *context, struct turn *turn) {
    struct ask *ask = context;
    struct leg *leg = NULL;
    ask->timer = 0;
    ask->looking = false;
    for (int i = 0; i < ASK_LEGS_MAX && !leg; i++)
        if (ask->legs[i] && stop_waiting(ask->legs[i])) leg = ask->legs[i];
    if (!leg) return;
    ask->attempts++;
    leg_failed(actor, leg,
               &(struct outcome){.status = STATUS_LOST_PEER, .text = "its process is not found"},
               turn);
}

/* Calls the leg's seat, or waits for its handle. */
static void leg_send(struct leg *leg, struct turn *turn) {
    struct seat *seat = leg->seat;
    struct ask *ask = leg->ask;
    if (seat->handle != 0) {
        call_now(leg, turn);
        return;
    }
    leg->next = seat->waiting;
    seat->waiting = leg;
    if (has_others(seat->target) && !ask->timer) { /* else a second seat will be asked */
        ask->timer = turn_timer(turn, LOOK_PATIENCE_US, look_elsewhere, ask);
        ask->looking = true;
    }
    if (!seat->looking) seat_look(seat, ask->deadline_us, turn);
}

void seat_look(struct seat *seat, uint64_t deadline_us, struct turn *turn) {
    seat->looking = true;
    seat->users++;
    uint64_t due = turn_now_us(turn) + LOOKUP_US; /* who asks has to hear of it in time */
    if (due > deadline_us) due = deadline_us;
    turn_lookup(turn, &(struct lookup){.address = seat->link,
                                       .name = seat->target->name,
                                       .done = on_found,
                                       .context = seat,
                                       .deadline_us = due});
}

static struct seat *choose(const struct ask *ask, struct turn *turn) {
    struct target *target = ask->target;
    if (!has_others(target)) return target->seats;
    return seat_choose(target, &(struct wish){.way = ask->way,
                                              .kind = ask->kind,
                                              .other_than = ask->failed,
                                              .now_us = turn_now_us(turn),
                                              .dice = turn_random(turn)});
}

static void try_now(struct hub *self, struct ask *ask, struct turn *turn) {
    struct target *target = ask->target;
    if (target->shard != 0 && target->n_routes == 0) {
        ask->timer = turn_timer(turn, 0, no_route, ask); /* never done before ask_start returned */
        return;
    }
    struct leg *leg = leg_new(self, ask, choose(ask, turn));
    if (!leg) {
        ask->timer = turn_timer(turn, 0, no_memory, ask);
        return;
    }
    ask->answering = false;
    hedge_later(self, ask, turn);
    leg_send(leg, turn);
}

void ask_start(struct hub *self, struct ask *ask, struct turn *turn) {
    target_hold(ask->target);
    try_now(self, ask, turn);
}

void ask_stop(struct hub *self, struct ask *ask, struct turn *turn) {
    struct target *target = ask->target;
    if (!target) return;
    stop_timer(ask, turn);
    abandon_others(self, ask, NULL, turn);
    ask->target = NULL;
    target_drop(self, target);
}
