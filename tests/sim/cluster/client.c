/* client: an actor that writes, deletes, gets and searches through one gateway, one request at a
 * time, and writes down what it was told.
 *
 *     pause ─▶ router looked up ─▶ a request by the dice ─▶ outcome ─▶ history ─▶ pause ─▶ … */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "actors/router/session.h"
#include "runtime/assert.h"
#include "tests/sim/cluster/trial.h"

enum {
    POINTS_MAX = 3, /* of one upsert */
    PAUSE_US = 60 * MS,
    DEADLINE_MIN_US = 300 * MS,
    DEADLINE_MAX_US = 8 * SECOND,
    SEARCH_K = 1000, /* more than there is */
    STALENESS_MS = 2000,
    WRITES = 58, /* of a hundred */
};

struct client {
    struct client_options options;
    struct rng rng;
    actor_handle routers[WORLD_GATEWAYS_MAX];
    uint32_t via; /* gateway of the present request */
    enum act act;
    bool search;
    uint32_t keys[POINTS_MAX];
    uint32_t values[POINTS_MAX];
    uint32_t n_points;
    enum level level;
    uint64_t invoke_us;
    uint64_t session_from_us; /* its token covers its own writes from here … */
    uint64_t session_to_us;   /* … up to here */
    char session[SESSION_TEXT_MAX];
    bool open; /* a call has no outcome yet */
};

void key_name(uint32_t key, char name[16]) {
    snprintf(name, 16, "k%u", key);
}

static bool chance(struct client *self, uint32_t percent) {
    return rng_below(&self->rng, 100) < percent;
}

static void next(void *actor, void *context, struct turn *turn);

static void pause_now(struct client *self, struct turn *turn) {
    turn_timer(turn, 1 + rng_below(&self->rng, 2 * PAUSE_US), next, NULL);
}

/* --- what came of it --- */

static uint32_t
value_of(const float *vector, size_t n, uint32_t key, const ProtobufCBinaryData *payload) {
    float at[2];
    char words[16];
    if (n != 2) {
        trial_broken("k%u has a vector of %zu numbers", key, n);
        return ABSENT;
    }
    memcpy(at, (const void *)vector, sizeof at);
    uint32_t value = (uint32_t)at[0];
    int size = snprintf(words, sizeof words, "v%u", value);
    if ((uint32_t)at[1] != key) trial_broken("k%u has the vector of k%u", key, (uint32_t)at[1]);
    if (payload->len != (size_t)size || memcmp(payload->data, words, payload->len) != 0)
        trial_broken("k%u has vector %u and payload %.*s", key, value, (int)payload->len,
                     (const char *)payload->data);
    return value;
}

static bool via_own(const struct client *self) {
    return self->via == self->options.gateway;
}

static void note(struct client *self, uint32_t key, uint32_t value, uint64_t return_us) {
    struct deed deed = {.act = self->act,
                        .client = self->options.id,
                        .value = value,
                        .level = self->level,
                        .invoke_us = self->invoke_us,
                        .return_us = return_us};
    if (via_own(self)) {
        deed.session_from_us = trial.gateway_since_us[self->via];
        deed.session_to_us = self->invoke_us;
    } else {
        deed.session_from_us = self->session_from_us;
        deed.session_to_us = self->session_to_us;
    }
    if (self->act == ACT_READ && history_full(&trial.history, key)) return;
    deed.staleness_us = STALENESS_MS * (MS + DRIFT_PPM / MS); /* by the slowest clock */
    history_add(&trial.history, key, &deed);
}

static void note_hits(struct client *self, const RouterHits *hits, uint64_t now) {
    static uint32_t seen[KEYS_MAX];
    memset(seen, 0, sizeof seen);
    for (size_t i = 0; i < hits->n_hits; i++) {
        const RouterHit *hit = hits->hits[i];
        uint32_t key = (uint32_t)strtoul(hit->id + 1, NULL, 10);
        if (hit->id[0] != 'k' || key >= KEYS_MAX) {
            trial_broken("a search found \"%s\"", hit->id);
            continue;
        }
        if (seen[key]) trial_broken("a search found k%u twice", key);
        seen[key] = value_of(hit->vector, hit->n_vector, key, &hit->payload);
    }
    if (hits->partial) return;
    for (uint32_t i = 0; i < ACTIVE_KEYS; i++)
        note(self, trial.active[i], seen[trial.active[i]], now);
}

/* What a client may be told while processes and disks fail; anything else is a lie. */
static bool may_fail(enum status status) {
    switch (status) {
    case STATUS_BUSY:
    case STATUS_NO_MEMORY:
    case STATUS_NOT_READY:
    case STATUS_NOT_LEADER:
    case STATUS_LOST_PEER:
    case STATUS_DISK_FULL:
    case STATUS_QUARANTINED:
    case STATUS_EXPIRED:
    case STATUS_CANCELLED:
        return true;
    default:
        return false;
    }
}

static void keep_session(struct client *self, const char *session, uint64_t now) {
    if (session_check(session) != STATUS_OK)
        trial_broken("a session token is malformed: %s", session);
    snprintf(self->session, sizeof self->session, "%s", session);
    self->session_from_us = trial.gateway_since_us[self->via];
    self->session_to_us = now;
}

static void note_read(struct client *self, const struct outcome *outcome, uint64_t now) {
    const RouterPoint *point = outcome_as(outcome, RouterPoint, router_point);
    const RouterHits *hits = outcome_as(outcome, RouterHits, router_hits);
    if (hits) note_hits(self, hits, now);
    if (point)
        note(self, self->keys[0],
             value_of(point->vector, point->n_vector, self->keys[0], &point->payload), now);
    if (outcome->status == STATUS_NOT_FOUND && !self->search &&
        !strstr(outcome->text, "collection 'docs' not found"))
        note(self, self->keys[0], ABSENT, now);
    trial.n_reads += outcome->status == STATUS_OK;
}

static void note_write(struct client *self, const struct outcome *outcome, uint64_t now) {
    const RouterUpserted *upserted = outcome_as(outcome, RouterUpserted, router_upserted);
    const RouterDeleted *deleted = outcome_as(outcome, RouterDeleted, router_deleted);
    for (uint32_t i = 0; i < self->n_points; i++)
        note(self, self->keys[i], self->values[i], outcome->status == STATUS_OK ? now : NEVER);
    if (upserted && upserted->points != self->n_points)
        trial_broken("%u points acknowledged, of %u", upserted->points, self->n_points);
    if (upserted) keep_session(self, upserted->session, now);
    if (deleted) keep_session(self, deleted->session, now);
    trial.n_acknowledged += outcome->status == STATUS_OK ? self->n_points : 0;
}

static void on_done(void *actor, void *context, const struct outcome *outcome, struct turn *turn) {
    struct client *self = actor;
    (void)context;
    if (outcome->more) return; /* of a failed upsert: how many were written */
    if (!self->open) trial_broken("client %u: a call had two outcomes", self->options.id);
    self->open = false;
    trial.n_outcomes++;
    bool absent = outcome->status == STATUS_NOT_FOUND && self->act == ACT_READ && !self->search;
    bool there = !absent || !strstr(outcome->text, "collection");
    if (outcome->status != STATUS_OK && !may_fail(outcome->status) && !(absent && there))
        trial_broken("client %u was told %s: %s", self->options.id, status_name(outcome->status),
                     outcome->text);
    if (self->act == ACT_READ)
        note_read(self, outcome, turn_now_us(turn));
    else
        note_write(self, outcome, turn_now_us(turn));
    if (outcome->status == STATUS_LOST_PEER) self->routers[self->via] = 0;
    pause_now(self, turn);
}

/* --- asking --- */

static void ask(struct client *self, const ProtobufCMessage *message, struct turn *turn) {
    self->invoke_us = turn_now_us(turn);
    self->open = true;
    trial.n_calls++;
    turn_call(turn, &(struct call){.to = self->routers[self->via],
                                   .message = message,
                                   .done = on_done,
                                   .deadline_us = self->invoke_us + DEADLINE_MIN_US +
                                                  rng_below(&self->rng, DEADLINE_MAX_US)});
}

/* Different keys that are still in use. */
static void choose_keys(struct client *self, uint32_t n) {
    uint32_t first = (uint32_t)rng_below(&self->rng, ACTIVE_KEYS);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t *active = &trial.active[(first + i) % ACTIVE_KEYS];
        if (history_full(&trial.history, *active)) {
            uint32_t fresh = 0;
            for (uint32_t j = 0; j < ACTIVE_KEYS; j++)
                if (trial.active[j] >= fresh) fresh = trial.active[j] + 1;
            if (fresh < KEYS_MAX - STORMS) *active = fresh;
        }
        self->keys[i] = *active;
    }
    self->n_points = n;
}

static void upsert(struct client *self, struct turn *turn) {
    RouterPoint points[POINTS_MAX], *rows[POINTS_MAX];
    float vectors[POINTS_MAX][2];
    char names[POINTS_MAX][16], payloads[POINTS_MAX][16];
    self->act = ACT_PUT;
    choose_keys(self, 1 + (uint32_t)rng_below(&self->rng, POINTS_MAX));
    for (uint32_t i = 0; i < self->n_points; i++) {
        self->values[i] = ++trial.history.next_value;
        vectors[i][0] = (float)self->values[i];
        vectors[i][1] = (float)self->keys[i];
        key_name(self->keys[i], names[i]);
        router_point__init(&points[i]);
        points[i].id = names[i];
        points[i].n_vector = 2;
        points[i].vector = vectors[i];
        points[i].payload.len =
            (size_t)snprintf(payloads[i], sizeof payloads[i], "v%u", self->values[i]);
        points[i].payload.data = (uint8_t *)payloads[i];
        rows[i] = &points[i];
    }
    ask(self,
        MESSAGE(RouterUpsert, router_upsert, .collection = "docs", .n_points = self->n_points,
                .points = rows),
        turn);
}

static void erase(struct client *self, struct turn *turn) {
    char name[16];
    self->act = ACT_DELETE;
    choose_keys(self, 1);
    self->values[0] = ABSENT;
    key_name(self->keys[0], name);
    ask(self, MESSAGE(RouterDelete, router_delete, .collection = "docs", .id = name), turn);
}

static uint32_t choose_level(struct client *self) {
    enum level asked = (enum level)rng_below(&self->rng, LEVEL_EVENTUAL + 1);
    self->act = ACT_READ;
    self->level = asked;
    if (asked == LEVEL_DEFAULT) self->level = self->search ? LEVEL_SESSION : LEVEL_LINEARIZABLE;
    return asked;
}

static void get(struct client *self, struct turn *turn) {
    char name[16];
    self->search = false;
    uint32_t level = choose_level(self);
    choose_keys(self, 1);
    key_name(self->keys[0], name);
    ask(self,
        MESSAGE(RouterGet, router_get, .collection = "docs", .id = name, .consistency = level,
                .max_staleness_ms = level == LEVEL_BOUNDED ? STALENESS_MS : 0,
                .session = self->session),
        turn);
}

static void search(struct client *self, struct turn *turn) {
    float vector[2] = {0, 0};
    self->search = true;
    uint32_t level = choose_level(self);
    ask(self,
        MESSAGE(RouterSearch, router_search, .collection = "docs", .n_vector = 2, .vector = vector,
                .top_k = SEARCH_K, .include_payload = true, .include_vectors = true,
                .exact = chance(self, 30), .consistency = level, .session = self->session,
                .max_staleness_ms = level == LEVEL_BOUNDED ? STALENESS_MS : 0,
                .allow_partial = chance(self, 10)),
        turn);
}

static void
on_router(void *actor, void *context, const struct outcome *outcome, struct turn *turn) {
    struct client *self = actor;
    (void)context;
    if (outcome->status == STATUS_OK) self->routers[self->via] = outcome->handle;
    pause_now(self, turn);
}

static void next(void *actor, void *context, struct turn *turn) {
    struct client *self = actor;
    (void)context;
    if (trial.calm) return;
    uint64_t dice = rng_below(&self->rng, 100);
    self->via = self->options.gateway;
    if (dice >= WRITES && chance(self, 20)) /* with its token, elsewhere */
        self->via = (uint32_t)rng_below(&self->rng, trial.world.n_gateways);
    if (self->routers[self->via] == 0) {
        turn_lookup(turn, &(struct lookup){.address = trial.world.gateways[self->via].link,
                                           .name = "router",
                                           .done = on_router});
        return;
    }
    if (dice < 45)
        upsert(self, turn);
    else if (dice < WRITES)
        erase(self, turn);
    else if (dice < 85)
        get(self, turn);
    else
        search(self, turn);
}

static enum status client_open(void *actor, const void *options, struct turn *turn) {
    struct client *self = actor;
    self->options = *(const struct client_options *)options;
    rng_init(&self->rng, self->options.seed);
    pause_now(self, turn);
    return STATUS_OK;
}

static const struct handler nothing[] = {{NULL, NULL}};
const struct actor_type client_type = {.kind = "client",
                                       .size = sizeof(struct client),
                                       .handlers = nothing,
                                       .open = client_open,
                                       .lane = LANE_IO};
