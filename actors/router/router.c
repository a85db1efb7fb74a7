/* router: what it accepts, and requests that wait for a route.
 *
 *     message ─▶ route known ─▶ start_… copies what it needs ─▶ questions to shards ─▶ answer
 *                  └─ no ─▶ parked (encoded) ─▶ route fetched ─▶ start_…
 *
 * A message is borrowed for one turn; a request under way has its own arena. Requests and the
 * memory kept for them are bounded: beyond, BUSY. */
#include "actors/router/router.h"

#include <inttypes.h>
#include <string.h>

#include "actors/router/hub.h"
#include "runtime/assert.h"
#include "runtime/codec.h"
#include "runtime/memory.h"

#include "runtime/poison.h"

enum {
    FRESH_US = 1000 * 1000,    /* a route this young is not doubted */
    OLD_US = 30 * 1000 * 1000, /* a route this old is fetched anew in the background */
    PD_ADDRESSES_MAX = 8,
    MAILBOX_BIG = 64 * 1024 * 1024, /* pages of upserts are up to 4 MiB each */
};

static_assert(MAILBOX_BIG >= 2 * CODEC_MESSAGE_MAX, "the mailbox takes the largest message");
static_assert(ROUTER_CHUNK_BYTES + INDEX_DIMENSION_MAX * 4 + 128 * 1024 < CODEC_MESSAGE_MAX,
              "a chunk with its last point is one message");

#define ROUTER_ACCEPTS(X) \
    X(struct hub, RouterUpsert, router_upsert, on_upsert) \
    X(struct hub, RouterDelete, router_delete, on_delete) \
    X(struct hub, RouterGet, router_get, on_get) \
    X(struct hub, RouterSearch, router_search, on_search) \
    X(struct hub, RouterSearches, router_searches, on_searches) \
    X(struct hub, RouterDescribe, router_describe, on_describe) \
    X(struct hub, RouterCreateCollection, router_create_collection, on_create) \
    X(struct hub, RouterDeleteCollection, router_delete_collection, on_delete_collection) \
    X(struct hub, RouterChangeColumn, router_change_column, on_change_column) \
    X(struct hub, RouterListCollections, router_list_collections, on_list)
ACTOR_HANDLERS(router_handlers, ROUTER_ACCEPTS);

static enum status on_upsert(struct hub *self, const RouterUpsert *msg, struct turn *turn) {
    return hub_begin(self, msg->collection, false, &msg->base, start_upsert, turn);
}

static enum status on_delete(struct hub *self, const RouterDelete *msg, struct turn *turn) {
    return hub_begin(self, msg->collection, false, &msg->base, start_delete, turn);
}

static enum status on_get(struct hub *self, const RouterGet *msg, struct turn *turn) {
    return hub_begin(self, msg->collection, false, &msg->base, start_get, turn);
}

static enum status on_search(struct hub *self, const RouterSearch *msg, struct turn *turn) {
    return hub_begin(self, msg->collection, false, &msg->base, start_search, turn);
}

static enum status on_searches(struct hub *self, const RouterSearches *msg, struct turn *turn) {
    return hub_begin(self, msg->collection, false, &msg->base, start_searches, turn);
}

static enum status on_describe(struct hub *self, const RouterDescribe *msg, struct turn *turn) {
    return hub_begin(self, msg->name, msg->shards, &msg->base, start_describe, turn);
}

static enum status
on_create(struct hub *self, const RouterCreateCollection *msg, struct turn *turn) {
    return admin_create(self, msg, turn);
}

static enum status
on_delete_collection(struct hub *self, const RouterDeleteCollection *msg, struct turn *turn) {
    return admin_delete(self, msg, turn);
}

static enum status
on_change_column(struct hub *self, const RouterChangeColumn *msg, struct turn *turn) {
    return admin_change_column(self, msg, turn);
}

static enum status on_list(struct hub *self, const RouterListCollections *msg, struct turn *turn) {
    return admin_list(self, msg, turn);
}

/* --- requests
 * ------------------------------------------------------------------------------------------- */

void *request_new(struct hub *self, size_t size, const struct promise *promise, struct turn *turn) {
    if (self->n_requests >= ROUTER_REQUESTS_MAX) {
        turn_reject(turn, promise, STATUS_BUSY, "%d requests are under way", ROUTER_REQUESTS_MAX);
        return NULL;
    }
    struct request *request = mem_zero(1, size);
    if (!request) {
        turn_reject(turn, promise, STATUS_NO_MEMORY, "request");
        return NULL;
    }
    request->promise = *promise;
    arena_init(&request->arena, 0);
    request->next = self->requests;
    request->link = &self->requests;
    if (request->next) request->next->link = &request->next;
    self->requests = request;
    self->n_requests++;
    return request;
}

static void request_free(struct hub *self, struct request *request) {
    self->bytes -= request->bytes;
    if (request->release) request->release(request);
    arena_free(&request->arena);
    mem_free(request);
}

void request_end(struct hub *self, struct request *request) {
    *request->link = request->next;
    if (request->next) request->next->link = request->link;
    self->n_requests--;
    request_free(self, request);
}

bool request_keep(struct hub *self, struct request *request, size_t bytes) {
    if (self->bytes + bytes > ROUTER_BYTES_MAX) return false;
    self->bytes += bytes;
    request->bytes += bytes;
    return true;
}

/* --- waiting for a route
 * -------------------------------------------------------------------------------- */

static void parked_free(struct hub *self, struct parked *parked) {
    self->bytes -= parked->body.size;
    buffer_free(&parked->body);
    mem_free(parked);
}

static void park(struct hub *self,
                 const char *collection,
                 const ProtobufCMessage *message,
                 start_fn start,
                 const struct promise *promise,
                 struct turn *turn) {
    struct parked *parked = mem_zero(1, sizeof *parked);
    struct buffer body;
    buffer_init(&body);
    enum status s = parked ? codec_encode(message, &body) : STATUS_NO_MEMORY;
    if (s == STATUS_OK && self->bytes + body.size > ROUTER_BYTES_MAX) s = STATUS_BUSY;
    struct fetch *fetch = s == STATUS_OK ? route_fetch(self, collection, turn) : NULL;
    if (s == STATUS_OK && !fetch) s = STATUS_NO_MEMORY;
    if (s != STATUS_OK) {
        turn_reject(turn, promise, s, "route of collection '%s'", collection);
        buffer_free(&body);
        mem_free(parked);
        return;
    }
    *parked = (struct parked){.next = fetch->parked,
                              .promise = *promise,
                              .type = message->descriptor,
                              .body = body,
                              .start = start};
    self->bytes += body.size;
    fetch->parked = parked;
}

enum status hub_begin(struct hub *self,
                      const char *collection,
                      bool fetch,
                      const ProtobufCMessage *message,
                      start_fn start,
                      struct turn *turn) {
    struct promise promise = turn_defer(turn);
    struct route *route = fetch ? NULL : routes_find(self, collection);
    if (route) {
        uint64_t now = turn_now_us(turn);
        uint64_t age = now - route->fetched_us;
        route->used_us = now;
        if (start(self, message, &promise, route, age < FRESH_US, turn)) {
            if (age > OLD_US) route_fetch(self, collection, turn);
            return STATUS_OK;
        }
    }
    park(self, collection, message, start, &promise, turn);
    return STATUS_OK;
}

static void
start_parked(struct hub *self, struct parked *parked, struct route *route, struct turn *turn) {
    struct arena arena;
    arena_init(&arena, 0);
    ProtobufCMessage *message;
    enum status s =
        codec_decode(parked->type, parked->body.data, parked->body.size, &arena, &message, NULL);
    if (s != STATUS_OK) {
        turn_reject(turn, &parked->promise, s, "request");
    } else {
        bool started = parked->start(self, message, &parked->promise, route, true, turn);
        assert(started);
    }
    arena_free(&arena);
}

void hub_unpark(struct hub *self,
                struct fetch *fetch,
                struct route *route,
                const struct outcome *outcome,
                struct turn *turn) {
    struct parked *first = NULL; /* in the order they came */
    while (fetch->parked) {
        struct parked *parked = fetch->parked;
        fetch->parked = parked->next;
        parked->next = first;
        first = parked;
    }
    while (first) {
        struct parked *parked = first;
        first = parked->next;
        if (!turn_wanted(turn, &parked->promise))
            turn_reject(turn, &parked->promise, STATUS_EXPIRED, "while waiting for the route");
        else if (route)
            start_parked(self, parked, route, turn);
        else if (outcome->status == STATUS_NOT_FOUND)
            turn_reject(turn, &parked->promise, STATUS_NOT_FOUND, "collection '%s' not found",
                        fetch->name);
        else
            turn_reject(turn, &parked->promise, outcome->status,
                        "placement driver is not reachable, and collection '%s' is not known "
                        "here yet: %s",
                        fetch->name, outcome->text);
        parked_free(self, parked);
    }
}

/* --- opening and closing
 * -------------------------------------------------------------------------------- */

/* The first request finds the way open, and tools find this process by its link to the driver. What
 * was not there yet is looked up when it is needed. */
static void on_met(void *actor, void *context, const struct outcome *outcome, struct turn *turn) {
    (void)actor, (void)context, (void)outcome, (void)turn;
}

/* The placement driver is wherever one of the addresses is. */
static enum status seat_pd(struct hub *self, struct turn *turn) {
    char links[PD_ADDRESSES_MAX][TARGET_LINK_SIZE];
    struct seat_facts facts[PD_ADDRESSES_MAX];
    size_t n = 0;
    for (const char *at = self->options.pd; n < PD_ADDRESSES_MAX;) {
        size_t size = strcspn(at, ",");
        if (size >= TARGET_LINK_SIZE)
            return turn_fail(turn, STATUS_INVALID, "address of the placement driver is too long");
        memcpy(links[n], at, size);
        links[n][size] = '\0';
        facts[n] = (struct seat_facts){.link = links[n], .ready = true};
        n++;
        if (!at[size]) break;
        at += size + 1;
    }
    enum status s = target_seat(self->pd, facts, n, turn_now_us(turn));
    return s == STATUS_OK ? s : turn_fail(turn, s, "router");
}

static enum status router_open(void *actor, const void *options, struct turn *turn) {
    struct hub *self = actor;
    self->options = *(const struct router_options *)options;
    self->incarnation = turn_random(turn) | 1;
    self->pd = target_get(self, 0);
    if (!self->pd) return turn_fail(turn, STATUS_NO_MEMORY, "router");
    target_hold(self->pd);
    enum status s = seat_pd(self, turn);
    for (struct seat *seat = self->pd->seats; s == STATUS_OK && seat; seat = seat->next)
        if (seat->link[0])
            turn_lookup(turn, &(struct lookup){
                                  .address = seat->link, .name = self->pd->name, .done = on_met});
    return s;
}

/* Whoever waited learns from the runtime that this actor stopped. */
static void router_close(void *actor) {
    struct hub *self = actor;
    while (self->requests) {
        struct request *request = self->requests;
        self->requests = request->next;
        request_free(self, request);
    }
    while (self->fetches) {
        struct fetch *fetch = self->fetches;
        self->fetches = fetch->next;
        while (fetch->parked) {
            struct parked *parked = fetch->parked;
            fetch->parked = parked->next;
            parked_free(self, parked);
        }
        mem_free(fetch->name);
        mem_free(fetch);
    }
    tallies_free(self);
    routes_free(self);
    for (uint32_t i = 0; i < TARGET_BUCKETS; i++)
        while (self->targets[i]) {
            struct target *target = self->targets[i];
            self->targets[i] = target->next;
            chunk_free(target->chunk);
            target_free(target);
        }
    legs_free(self);
}

const struct actor_type router_type = {
    .kind = "router",
    .size = sizeof(struct hub),
    .handlers = router_handlers,
    .open = router_open,
    .close = router_close,
    .lane = LANE_IO,
    .mailbox_bytes = MAILBOX_BIG,
};
