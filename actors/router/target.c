/* target: actors elsewhere, and questions to them.
 *
 *     ask_start ─▶ handle known? ─ no ─▶ turn_lookup, others wait for the same one
 *                       └─ yes ─▶ turn_call ─▶ answer ─▶ done
 *                                    └─ may pass ─▶ route fetched anew, pause ─▶ next try ─▶ …
 * patience ends ─▶ done
 *
 * A handle is dropped when a call ends in LOST_PEER; the next try looks up again. A target that
 * moved to another address keeps its queue and its sequence: it is the same shard. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "actors/router/hub.h"
#include "runtime/assert.h"
#include "runtime/memory.h"
#include "runtime/rng.h"

#include "runtime/poison.h"

enum {
    PAUSE_MIN_US = 5 * 1000,
    PAUSE_MAX_US = 500 * 1000,
    LOOKUP_US = 2 * 1000 * 1000,
    MEMORY_TRIES = 4, /* NO_MEMORY rarely passes soon, and other writes wait behind this one */
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

/* --- targets
 * -------------------------------------------------------------------------------------------- */

struct target *target_get(struct hub *self, uint64_t shard) {
    struct target **bucket = &self->targets[rng_mix(shard) % TARGET_BUCKETS];
    for (struct target *target = *bucket; target; target = target->next)
        if (target->shard == shard) return target;
    struct target *target = mem_zero(1, sizeof *target);
    char *collection = mem_string("");
    if (!target || !collection) {
        mem_free(target);
        mem_free(collection);
        return NULL;
    }
    target->shard = shard;
    target->collection = collection;
    snprintf(target->name, sizeof target->name, "shard/%" PRIu64, shard);
    target->next = *bucket;
    *bucket = target;
    return target;
}

void target_hold(struct target *target) {
    target->users++;
}

void target_drop(struct hub *self, struct target *target) {
    assert(target->users > 0);
    if (--target->users > 0) return;
    assert(!target->chunk && !target->first && !target->waiting);
    struct target **link = &self->targets[rng_mix(target->shard) % TARGET_BUCKETS];
    while (*link != target)
        link = &(*link)->next;
    *link = target->next;
    mem_free(target->collection);
    mem_free(target);
}

void target_move(struct target *target, const char *link) {
    if (strcmp(target->link, link) == 0) return;
    snprintf(target->link, sizeof target->link, "%s", link);
    target->handle = 0;
}

/* --- questions
 * ------------------------------------------------------------------------------------------ */

static void try_now(struct ask *ask, struct turn *turn);

static void
finish(struct hub *self, struct ask *ask, const struct outcome *outcome, struct turn *turn) {
    struct target *target = ask->target;
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

static void try_again(void *actor, void *context, struct turn *turn) {
    struct ask *ask = context;
    ask->timer = 0;
    if (ask->behalf && !turn_wanted(turn, ask->behalf))
        finish(actor, ask,
               &(struct outcome){.status = STATUS_CANCELLED, .text = status_text(STATUS_CANCELLED)},
               turn);
    else
        try_now(ask, turn);
}

/* The address of the PD that is next in the list. */
static void next_pd(struct hub *self) {
    const char *list = self->options.pd;
    uint32_t n = 1;
    for (const char *c = list; *c; c++)
        n += *c == ',';
    uint32_t nth = ++self->nth_pd % n;
    while (nth-- > 0)
        list = strchr(list, ',') + 1;
    char link[TARGET_LINK_SIZE];
    snprintf(link, sizeof link, "%.*s", (int)strcspn(list, ","), list);
    target_move(self->pd, link);
}

/* When the next try is due, as far as it may help. */
static uint64_t pause_of(const struct ask *ask, const struct outcome *outcome, struct turn *turn) {
    uint64_t pause = (uint64_t)PAUSE_MIN_US << (ask->attempts < 7 ? ask->attempts : 7);
    uint64_t told = outcome->retry_after_ms * UINT64_C(1000);
    if (pause > PAUSE_MAX_US) pause = PAUSE_MAX_US;
    /* What a shard without memory tells is for the client. */
    if (pause < told && outcome->status != STATUS_NO_MEMORY) pause = told;
    return pause / 2 + turn_random(turn) % (pause / 2 + 1);
}

static void
on_failed(struct hub *self, struct ask *ask, const struct outcome *outcome, struct turn *turn) {
    struct target *target = ask->target;
    uint64_t now = turn_now_us(turn);
    uint64_t pause = pause_of(ask, outcome, turn);
    bool hopeless = outcome->status == STATUS_NO_MEMORY && ask->attempts >= MEMORY_TRIES;
    if (outcome->status == STATUS_LOST_PEER) target->handle = 0;
    if (hopeless || now + pause >= ask->patience_us || now + pause >= ask->deadline_us) {
        finish(self, ask, outcome, turn);
        return;
    }
    if (target == self->pd) {
        if (target->handle == 0) next_pd(self);
    } else if (outcome->status != STATUS_BUSY && outcome->status != STATUS_NO_MEMORY) {
        route_fetch(self, target->collection, turn);
    }
    ask->timer = turn_timer(turn, pause, try_again, ask);
}

static void
on_answer(void *actor, void *context, const struct outcome *outcome, struct turn *turn) {
    struct hub *self = actor;
    struct ask *ask = context;
    if (outcome->more) {
        ask->done(self, ask, outcome, turn);
        return;
    }
    ask->call = 0;
    bool lost = outcome->status == STATUS_EXPIRED && turn_now_us(turn) < ask->deadline_us;
    if (lost || may_pass(outcome->status))
        on_failed(self, ask, outcome, turn);
    else
        finish(self, ask, outcome, turn);
}

static void call_now(struct ask *ask, struct turn *turn) {
    if (ask->epoch) *ask->epoch = ask->target->epoch;
    ask->attempts++;
    uint64_t deadline = ask->deadline_us;
    if (ask->try_us && deadline > turn_now_us(turn) + ask->try_us)
        deadline = turn_now_us(turn) + ask->try_us;
    ask->call = turn_call(turn, &(struct call){.to = ask->target->handle,
                                               .message = ask->message,
                                               .done = on_answer,
                                               .context = ask,
                                               .deadline_us = deadline,
                                               .behalf = ask->behalf});
}

/* A lookup ends for everybody who waits for it. */
static void on_found(void *actor, void *context, const struct outcome *outcome, struct turn *turn) {
    struct hub *self = actor;
    struct target *target = context;
    struct ask *ask = target->waiting;
    target->waiting = NULL;
    target->looking = false;
    if (outcome->status == STATUS_OK) target->handle = outcome->handle;
    /* A process without the actor is like one that does not answer: it may be there soon. */
    struct outcome lost = *outcome;
    lost.status = STATUS_LOST_PEER;
    if (!lost.text[0]) lost.text = "no such actor there";
    while (ask) {
        struct ask *next = ask->next;
        ask->next = NULL;
        if (outcome->status == STATUS_OK) {
            call_now(ask, turn);
        } else {
            ask->attempts++;
            on_failed(self, ask, &lost, turn);
        }
        ask = next;
    }
    target_drop(self, target);
}

static void try_now(struct ask *ask, struct turn *turn) {
    struct target *target = ask->target;
    if (target->shard != 0 && target->n_routes == 0) {
        ask->timer = turn_timer(turn, 0, no_route, ask); /* never done before ask_start returned */
        return;
    }
    if (target->handle != 0) {
        call_now(ask, turn);
        return;
    }
    ask->next = target->waiting;
    target->waiting = ask;
    if (target->looking) return;
    target->looking = true;
    target_hold(target);
    turn_lookup(turn, &(struct lookup){.address = target->link,
                                       .name = target->name,
                                       .done = on_found,
                                       .context = target,
                                       .deadline_us = turn_now_us(turn) + LOOKUP_US});
}

void ask_start(struct ask *ask, struct turn *turn) {
    target_hold(ask->target);
    try_now(ask, turn);
}

bool ask_stop(struct hub *self, struct ask *ask, struct turn *turn) {
    struct target *target = ask->target;
    if (!target) return true;
    if (ask->call) {
        turn_cancel(turn, ask->call);
        ask->patience_us = 0; /* whatever it ends in, it is not tried again */
        return false;
    }
    if (ask->timer) turn_timer_cancel(turn, ask->timer);
    for (struct ask **link = &target->waiting; *link; link = &(*link)->next)
        if (*link == ask) {
            *link = ask->next;
            break;
        }
    ask->target = NULL;
    target_drop(self, target);
    return true;
}
