/* judge: linearizability of a register by Wing and Gong's search, with Lowe's memory of what was
 * tried: "Testing for linearizability" (2016), 3.
 *
 *     calls and returns in the order of time ─▶ take any call before the first return whose effect
 *     fits ─▶ … ─▶ a return that is met before its call was taken: go back, take another
 *
 * A state is (the set of what was taken, the value). One that was there before is not tried again.
 * Before the search what is certain is used: a put of unknown fate that nobody read did not happen,
 * one that was read happened before that read returned. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/assert.h"
#include "runtime/rng.h"
#include "tests/sim/cluster/history.h"

enum {
    WORDS = (DEEDS_MAX + 63) / 64,
    STATES_MAX = 1 << 21, /* looked at, then it is too much */
};

struct event {
    uint32_t deed;
    bool returns;
    uint64_t at_us;
    struct event *before, *after;
    struct event *partner; /* of a call: its return */
};

struct state {
    uint64_t taken[WORDS];
    uint32_t value;
    bool used;
};

struct step {
    struct event *call;
    uint32_t value; /* before it */
};

struct search {
    struct deed deeds[DEEDS_MAX];
    uint32_t n;
    struct event events[2 * DEEDS_MAX];
    struct event head;
    struct step steps[DEEDS_MAX];
    uint32_t n_steps;
    struct state now;
    struct state *states; /* owned: open addressing */
    size_t n_states, capacity;
};

/* --- what is certain --- */

static uint64_t first_seen(const struct key *key, uint32_t value) {
    uint64_t first = NEVER;
    for (uint32_t i = 0; i < key->n; i++) {
        const struct deed *deed = &key->deeds[i];
        if (deed->act == ACT_READ && deed->value == value && deed->return_us < first)
            first = deed->return_us;
    }
    return first;
}

static void choose(struct search *search, const struct key *key) {
    for (uint32_t i = 0; i < key->n; i++) {
        struct deed deed = key->deeds[i];
        if (deed.act == ACT_READ && deed.level != LEVEL_LINEARIZABLE) continue;
        if (deed.act == ACT_PUT && deed.return_us == NEVER && !key->plain) {
            deed.return_us = first_seen(key, deed.value);
            if (deed.return_us == NEVER) continue;
        }
        search->deeds[search->n++] = deed;
    }
}

/* --- the list of events --- */

static int earlier(const void *a, const void *b) {
    const struct event *x = a, *y = b;
    if (x->at_us != y->at_us) return x->at_us < y->at_us ? -1 : 1;
    return x->returns - y->returns; /* of one instant: they may overlap */
}

static void list(struct search *search) {
    uint32_t n = 0;
    struct event *returns[DEEDS_MAX];
    for (uint32_t i = 0; i < search->n; i++) {
        search->events[n++] = (struct event){.deed = i, .at_us = search->deeds[i].invoke_us};
        search->events[n++] =
            (struct event){.deed = i, .returns = true, .at_us = search->deeds[i].return_us};
    }
    qsort(search->events, n, sizeof *search->events, earlier);
    struct event *last = &search->head;
    for (uint32_t i = 0; i < n; i++) {
        struct event *event = &search->events[i];
        event->before = last;
        last->after = event;
        last = event;
        if (event->returns) returns[event->deed] = event;
    }
    last->after = NULL;
    for (uint32_t i = 0; i < n; i++)
        if (!search->events[i].returns) search->events[i].partner = returns[search->events[i].deed];
}

static void take_out(struct event *event) {
    event->before->after = event->after;
    if (event->after) event->after->before = event->before;
}

static void put_back(struct event *event) {
    event->before->after = event;
    if (event->after) event->after->before = event;
}

/* --- states that were there --- */

static uint64_t hash(const struct state *state) {
    uint64_t sum = rng_mix(state->value);
    for (int i = 0; i < WORDS; i++)
        sum = rng_mix(sum ^ state->taken[i]);
    return sum;
}

static bool same(const struct state *a, const struct state *b) {
    return a->value == b->value && memcmp(a->taken, b->taken, sizeof a->taken) == 0;
}

static struct state *place(struct search *search, const struct state *state) {
    size_t at = hash(state) & (search->capacity - 1);
    while (search->states[at].used && !same(&search->states[at], state))
        at = (at + 1) & (search->capacity - 1);
    return &search->states[at];
}

static void grow(struct search *search) {
    struct state *old = search->states;
    size_t n = search->capacity;
    search->capacity = n ? 2 * n : 1024;
    search->states = calloc(search->capacity, sizeof *search->states);
    assert(search->states);
    for (size_t i = 0; i < n; i++)
        if (old[i].used) *place(search, &old[i]) = old[i];
    free(old);
}

/* False: it is known. */
static bool remember(struct search *search, const struct state *state) {
    if (2 * search->n_states >= search->capacity) grow(search);
    struct state *there = place(search, state);
    if (there->used) return false;
    *there = *state;
    there->used = true;
    search->n_states++;
    return true;
}

/* --- the search --- */

static bool fits(const struct deed *deed, uint32_t value, uint32_t *out) {
    *out = deed->act == ACT_DELETE ? ABSENT : deed->value;
    return deed->act != ACT_READ || deed->value == value;
}

static bool take(struct search *search, struct event *call) {
    const struct deed *deed = &search->deeds[call->deed];
    struct state next = search->now;
    if (!fits(deed, search->now.value, &next.value)) return false;
    next.taken[call->deed / 64] |= UINT64_C(1) << call->deed % 64;
    if (!remember(search, &next)) return false;
    search->steps[search->n_steps++] = (struct step){call, search->now.value};
    search->now = next;
    take_out(call);
    take_out(call->partner);
    return true;
}

static struct event *go_back(struct search *search) {
    struct step step = search->steps[--search->n_steps];
    search->now.value = step.value;
    search->now.taken[step.call->deed / 64] &= ~(UINT64_C(1) << step.call->deed % 64);
    put_back(step.call->partner);
    put_back(step.call);
    return step.call->after;
}

static enum verdict explore(struct search *search) {
    struct event *event = search->head.after;
    while (search->head.after) {
        if (search->n_states > STATES_MAX) return VERDICT_UNKNOWN;
        if (!event->returns) {
            event = take(search, event) ? search->head.after : event->after;
        } else if (event->at_us == NEVER) {
            return VERDICT_HOLDS; /* what is left need not have happened */
        } else {
            if (search->n_steps == 0) return VERDICT_BROKEN;
            event = go_back(search);
        }
    }
    return VERDICT_HOLDS;
}

enum verdict judge_order(const struct key *key) {
    if (key->n == 0) return VERDICT_HOLDS;
    struct search *search = calloc(1, sizeof *search);
    assert(search);
    choose(search, key);
    list(search);
    grow(search);
    enum verdict verdict = explore(search);
    free(search->states);
    free(search);
    return verdict;
}

/* --- reads of the other levels --- */

static const struct deed *writer_of(const struct key *key, uint32_t value) {
    for (uint32_t i = 0; i < key->n; i++)
        if (key->deeds[i].act == ACT_PUT && key->deeds[i].value == value) return &key->deeds[i];
    return NULL;
}

/* Did the read have to see this write, by its level? */
static bool binds(const struct deed *write, const struct deed *read) {
    if (write->return_us == NEVER) return false;
    switch (read->level) {
    case LEVEL_SESSION:
        return write->client == read->client && write->invoke_us >= read->session_from_us &&
               write->return_us <= read->session_to_us;
    case LEVEL_BOUNDED:
        return write->return_us + read->staleness_us < read->invoke_us;
    default:
        return false;
    }
}

/* A write that ended for certain before `other` began. A value that is ABSENT may be the beginning
 * or any delete: it is older when the put before it was, and no delete could be newer. */
static bool older(const struct key *key, uint32_t value, const struct deed *newer) {
    if (value != ABSENT) {
        const struct deed *writer = writer_of(key, value);
        return writer->return_us != NEVER && writer->return_us < newer->invoke_us;
    }
    for (uint32_t i = 0; i < key->n; i++) {
        const struct deed *deed = &key->deeds[i];
        if (deed->act != ACT_DELETE) continue;
        if (deed->return_us == NEVER || deed->return_us >= newer->invoke_us) return false;
    }
    return newer->act == ACT_PUT;
}

const char *judge_levels(const struct key *key) {
    static char words[256];
    for (uint32_t i = 0; i < key->n; i++) {
        const struct deed *read = &key->deeds[i];
        if (read->act != ACT_READ || key->plain) continue;
        const struct deed *writer = read->value ? writer_of(key, read->value) : NULL;
        if (read->value && (!writer || writer->invoke_us > read->return_us)) {
            snprintf(words, sizeof words, "client %u read %u, which nobody had written",
                     read->client, read->value);
            return words;
        }
        for (uint32_t j = 0; j < key->n; j++) {
            const struct deed *write = &key->deeds[j];
            if (write->act == ACT_READ || !binds(write, read)) continue;
            if (write->act == ACT_PUT && write->value == read->value) continue;
            if (!older(key, read->value, write)) continue;
            snprintf(words, sizeof words,
                     "client %u read %u at %llu us with level %d, and had to see %u, acknowledged "
                     "at %llu us to client %u",
                     read->client, read->value, (unsigned long long)read->invoke_us, read->level,
                     write->value, (unsigned long long)write->return_us, write->client);
            return words;
        }
    }
    return NULL;
}
