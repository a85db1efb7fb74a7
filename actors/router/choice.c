/* choice: which replica is asked. Of those that may answer, two are drawn and the one that is
 * likely to answer sooner is asked (Mitzenmacher, "The power of two choices", 2001): its mean of
 * late, times what it already has of us. A mean that is old counts for less: a replica that was
 * slow is tried again.
 *
 * Who failed just now is asked after the others, for a while. */
#include <string.h>

#include "actors/router/hub.h"
#include "runtime/assert.h"

#include "runtime/poison.h"

enum {
    SHUN_LOST_US = 1000 * 1000, /* its process does not answer */
    SHUN_US = 100 * 1000,       /* it is not ready, or not fresh enough */
    HALVES_US = 1000 * 1000,    /* of a mean nobody confirmed */
    MEAN_SHARE = 8,             /* of a mean that a new answer changes */
    LOOK_BITS = 5,   /* one choice of 32 is without looking: what is known may be wrong */
    TAIL_SHARE = 64, /* by which a tail moves at most */
};

/* --- what is measured
 * ----------------------------------------------------------------------------------- */

/* The tail moves up by 19 parts when an answer was later, down by 1 when it was not: it rests where
 * 95 of 100 are sooner. */
static void move_tail(struct target *target, enum pace_kind kind, uint64_t us) {
    uint64_t *tail = &target->tail_us[kind];
    uint64_t step = *tail / TAIL_SHARE / 4 + 1;
    if (*tail == 0)
        *tail = 2 * us + 1;
    else if (us > *tail)
        *tail += 19 * step;
    else if (*tail > step)
        *tail -= step;
    target->n_answers[kind]++;
}

void seat_measure(struct seat *seat, enum pace_kind kind, uint64_t us, uint64_t now_us) {
    struct pace *pace = &seat->paces[kind];
    uint64_t mean = pace->mean_us;
    bool old = mean == 0 || now_us - pace->at_us >= HALVES_US;
    pace->mean_us = old ? us + 1 : mean + us / MEAN_SHARE - mean / MEAN_SHARE;
    pace->at_us = now_us;
    seat->shunned_us = 0;
    move_tail(seat->target, kind, us);
}

static uint64_t cost(const struct seat *seat, const struct wish *wish) {
    const struct pace *pace = &seat->paces[wish->kind];
    uint64_t halves = (wish->now_us - pace->at_us) / HALVES_US;
    uint64_t mean = halves < 32 ? pace->mean_us >> halves : 0;
    return (mean + 1) * (seat->in_flight + 1);
}

/* The seat that a refusal names as the leader. */
static struct seat *named(const struct target *target, const char *words) {
    struct seat *best = NULL;
    for (struct seat *seat = target->seats; seat; seat = seat->next) {
        if (seat->gone || !seat->link[0] || !strstr(words, seat->link)) continue;
        if (!best || strlen(seat->link) > strlen(best->link)) best = seat;
    }
    return best;
}

void seat_failed(struct seat *seat, enum status status, const char *words, uint64_t now_us) {
    struct target *target = seat->target;
    bool lost = status == STATUS_LOST_PEER || status == STATUS_EXPIRED;
    if (status == STATUS_BUSY || status == STATUS_NO_MEMORY || status == STATUS_STALE_EPOCH) return;
    if (status == STATUS_LOST_PEER) seat->handle = 0;
    if (status == STATUS_NOT_LEADER) {
        struct seat *leads = named(target, words);
        if (leads && leads != seat)
            target->lead = leads;
        else if (target->lead == seat)
            target->lead = NULL;
        return;
    }
    if (target->lead == seat) target->lead = NULL;
    seat->shunned_us = now_us + (lost ? SHUN_LOST_US : SHUN_US);
}

/* --- choosing
 * ------------------------------------------------------------------------------------------- */

/* How much a seat may be wished for; the strictest that somebody meets is taken. */
enum strictness { PREFERRED, WELL, OTHER, ANYBODY, STRICTNESSES };

static bool fits(const struct seat *seat, const struct wish *wish, enum strictness strictness) {
    if (seat->gone || (seat->learner && wish->way != WAY_ANY)) return false;
    if (strictness == ANYBODY) return true;
    if (seat == wish->other_than) return false;
    if (strictness == OTHER) return true;
    if (seat->shunned_us > wish->now_us) return false;
    if (strictness == WELL) return true;
    return wish->way == WAY_ANY ? seat->ready && seat->search_only : seat->ready;
}

static struct seat *better(struct seat *a, struct seat *b, const struct wish *wish) {
    if (wish->way == WAY_LEADER) return a; /* whoever it is, it is one of them */
    if (wish->dice >> (64 - LOOK_BITS) == 0) return a;
    uint64_t of_b = cost(b, wish); /* of two that differ little either will do */
    return of_b + of_b / 4 < cost(a, wish) ? b : a;
}

/* All failed just now: the one that did first is the likeliest to be back. */
static struct seat *choose_shunned(struct seat **seats, uint32_t n) {
    struct seat *best = seats[0];
    for (uint32_t i = 1; i < n; i++)
        if (seats[i]->shunned_us < best->shunned_us) best = seats[i];
    return best;
}

static struct seat *choose_two(struct seat **seats, uint32_t n, const struct wish *wish) {
    uint32_t first = (uint32_t)(wish->dice % n);
    if (n == 1) return seats[0];
    uint32_t second = (uint32_t)((wish->dice >> 32) % (n - 1));
    if (second >= first) second++;
    return better(seats[first], seats[second], wish);
}

struct seat *seat_choose(const struct target *target, const struct wish *wish) {
    struct seat *lead = target->lead;
    if (!target->seats->next) return target->seats;
    if (wish->way == WAY_LEADER && lead && lead != wish->other_than &&
        lead->shunned_us <= wish->now_us)
        return lead;
    struct seat *seats[TARGET_SEATS_MAX];
    for (enum strictness strictness = PREFERRED; strictness < STRICTNESSES; strictness++) {
        uint32_t n = 0;
        for (struct seat *seat = target->seats; seat && n < TARGET_SEATS_MAX; seat = seat->next)
            if (fits(seat, wish, strictness)) seats[n++] = seat;
        if (n > 0 && strictness == OTHER) return choose_shunned(seats, n);
        if (n > 0) return choose_two(seats, n, wish);
    }
    return target->seats; /* learners alone: one of them says what it is */
}
