/* routes: which shard keeps which hashes of a collection, as the PD said. A route is used as long
 * as it works: it is fetched anew in the background when it is old, and at once when a shard says
 * it is wrong. With the PD away, what is known stays in use. */
#include <stdio.h>
#include <string.h>

#include "actors/router/hash.h"
#include "actors/router/hub.h"
#include "runtime/assert.h"
#include "runtime/memory.h"

#include "runtime/poison.h"

enum {
    FETCH_US = 5 * 1000 * 1000,
    FETCH_PATIENCE_US = 2 * 1000 * 1000, /* then requests that need the route are told … */
    FETCH_GROUP_US = 4 * 1000 * 1000,    /* … and where placement drivers may have to elect one */
    SHARDS_MAX = 1024,
};

static struct route **bucket_of(struct hub *self, const char *name) {
    return &self->routes[hash_id(name, strlen(name)) % ROUTE_BUCKETS];
}

struct route *routes_find(const struct hub *self, const char *name) {
    struct route *route = self->routes[hash_id(name, strlen(name)) % ROUTE_BUCKETS];
    while (route && strcmp(route->name, name) != 0)
        route = route->next;
    return route;
}

static void route_forget(struct route *route) {
    mem_free(route->name);
    mem_free(route->distance);
    mem_free(route);
}

static void route_free(struct hub *self, struct route *route) {
    for (uint32_t i = 0; i < route->n_shards; i++) {
        if (!route->shards[i].target) continue;
        route->shards[i].target->n_routes--;
        target_drop(self, route->shards[i].target);
    }
    route_forget(route);
}

static struct route *take_out(struct hub *self, const char *name) {
    struct route **link = bucket_of(self, name);
    while (*link && strcmp((*link)->name, name) != 0)
        link = &(*link)->next;
    struct route *route = *link;
    if (!route) return NULL;
    *link = route->next;
    self->n_routes--;
    return route;
}

void routes_remove(struct hub *self, const char *name) {
    struct route *route = take_out(self, name);
    if (route) route_free(self, route);
}

void routes_free(struct hub *self) {
    for (uint32_t i = 0; i < ROUTE_BUCKETS; i++)
        while (self->routes[i]) {
            struct route *route = self->routes[i];
            self->routes[i] = route->next;
            route_forget(route);
        }
}

struct target *route_target(const struct route *route, const char *id) {
    uint64_t hash = hash_id(id, strlen(id));
    uint32_t low = 0;
    uint32_t high = route->n_shards - 1; /* the last range ends at the highest hash */
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (route->shards[middle].range_end < hash)
            low = middle + 1;
        else
            high = middle;
    }
    return route->shards[low].target;
}

/* --- building
 * -------------------------------------------------------------------------------------------- */

/* The PD is another process: its words are checked. */
static bool fits(const PdRouting *routing) {
    uint64_t start = 0;
    if (routing->n_shards == 0 || routing->n_shards > SHARDS_MAX) return false;
    if (routing->dimension == 0 || routing->dimension > INDEX_DIMENSION_MAX) return false;
    for (size_t i = 0; i < routing->n_shards; i++) {
        const PdShard *shard = routing->shards[i];
        bool last = i + 1 == routing->n_shards;
        if (shard->shard == 0 || shard->n_replicas == 0) return false;
        if (shard->range_start != start || shard->range_end < start) return false;
        if (last != (shard->range_end == UINT64_MAX)) return false;
        for (size_t j = 0; j < shard->n_replicas; j++)
            if (strlen(shard->replicas[j]->link) >= TARGET_LINK_SIZE) return false;
        start = shard->range_end + 1;
    }
    return true;
}

static enum status seat_replicas(struct target *target, const PdShard *from, uint64_t now_us) {
    struct seat_facts facts[TARGET_SEATS_MAX];
    size_t n = from->n_replicas < TARGET_SEATS_MAX ? from->n_replicas : TARGET_SEATS_MAX;
    for (size_t i = 0; i < n; i++) {
        const PdReplica *replica = from->replicas[i];
        facts[i] = (struct seat_facts){.worker = replica->worker,
                                       .link = replica->link,
                                       .learner = replica->learner,
                                       .search_only = replica->search_only,
                                       .ready = replica->ready,
                                       .leads = from->leader && replica->worker == from->leader};
    }
    return target_seat(target, facts, n, now_us);
}

static enum status build_shard(struct hub *self,
                               const PdRouting *routing,
                               const PdShard *from,
                               uint64_t now_us,
                               struct route_shard *out) {
    struct target *target = target_get(self, from->shard);
    if (!target) return STATUS_NO_MEMORY;
    target_hold(target);
    target->n_routes++;
    out->target = target;
    out->range_end = from->range_end;
    out->ready = from->ready;
    if (strcmp(target->collection, routing->collection) != 0) {
        char *collection = mem_string(routing->collection);
        if (!collection) return STATUS_NO_MEMORY;
        mem_free(target->collection);
        target->collection = collection;
    }
    target->epoch = from->epoch;
    return seat_replicas(target, from, now_us);
}

static struct route *build(struct hub *self, const PdRouting *routing, struct turn *turn) {
    struct route *route =
        mem_zero(1, sizeof *route + routing->n_shards * sizeof(struct route_shard));
    if (!route) return NULL;
    route->name = mem_string(routing->collection);
    route->distance = mem_string(routing->distance);
    route->dimension = routing->dimension;
    route->fetched_us = turn_now_us(turn);
    route->used_us = route->fetched_us;
    route->n_shards = (uint32_t)routing->n_shards;
    enum status s = route->name && route->distance ? STATUS_OK : STATUS_NO_MEMORY;
    for (uint32_t i = 0; s == STATUS_OK && i < route->n_shards; i++)
        s = build_shard(self, routing, routing->shards[i], route->fetched_us, &route->shards[i]);
    if (s == STATUS_OK) return route;
    route_free(self, route);
    return NULL;
}

/* Makes room for one more by forgetting the route that was used longest ago. */
static void make_room(struct hub *self) {
    if (self->n_routes < ROUTER_ROUTES_MAX) return;
    struct route *oldest = NULL;
    for (uint32_t i = 0; i < ROUTE_BUCKETS; i++)
        for (struct route *route = self->routes[i]; route; route = route->next)
            if (!oldest || route->used_us < oldest->used_us) oldest = route;
    routes_remove(self, oldest->name);
}

static struct route *install(struct hub *self, const PdRouting *routing, struct turn *turn) {
    struct route *route = build(self, routing, turn);
    if (!route) return NULL;
    routes_remove(self, route->name); /* after the new one holds the targets: they stay */
    make_room(self);
    struct route **bucket = bucket_of(self, route->name);
    route->next = *bucket;
    *bucket = route;
    self->n_routes++;
    return route;
}

/* --- fetching
 * -------------------------------------------------------------------------------------------- */

static void
fetched(struct hub *self, struct ask *ask, const struct outcome *outcome, struct turn *turn) {
    struct fetch *fetch = ask->context;
    struct fetch **link = &self->fetches;
    while (*link != fetch)
        link = &(*link)->next;
    *link = fetch->next;

    struct outcome result = *outcome;
    struct route *route = NULL;
    const PdRouting *routing = outcome_as(outcome, PdRouting, pd_routing);
    if (routing && strcmp(routing->collection, fetch->name) == 0 && fits(routing)) {
        route = install(self, routing, turn);
        if (!route) result = (struct outcome){.status = STATUS_NO_MEMORY, .text = "route"};
    } else if (outcome->status == STATUS_OK) {
        result = (struct outcome){.status = STATUS_INTERNAL,
                                  .text = "the placement driver's answer makes no sense"};
    } else if (outcome->status == STATUS_NOT_FOUND) {
        routes_remove(self, fetch->name);
    }
    hub_unpark(self, fetch, route, &result, turn);
    mem_free(fetch->name);
    mem_free(fetch);
}

static struct fetch *fetch_find(const struct hub *self, const char *name) {
    struct fetch *fetch = self->fetches;
    while (fetch && strcmp(fetch->name, name) != 0)
        fetch = fetch->next;
    return fetch;
}

struct fetch *route_fetch(struct hub *self, const char *name, struct turn *turn) {
    struct fetch *fetch = fetch_find(self, name);
    if (fetch) return fetch;
    fetch = mem_zero(1, sizeof *fetch);
    char *copy = mem_string(name);
    if (!fetch || !copy) {
        mem_free(fetch);
        mem_free(copy);
        return NULL;
    }
    pd_route__init(&fetch->message);
    fetch->name = copy;
    fetch->message.collection = copy;
    uint64_t now = turn_now_us(turn);
    uint64_t patience_us = self->pd->seats->next ? FETCH_GROUP_US : FETCH_PATIENCE_US;
    fetch->ask = (struct ask){.target = self->pd,
                              .message = &fetch->message.base,
                              .deadline_us = now + FETCH_US,
                              .patience_us = now + patience_us,
                              .try_us = FETCH_US,
                              .done = fetched,
                              .context = fetch};
    fetch->next = self->fetches;
    self->fetches = fetch;
    ask_start(self, &fetch->ask, turn);
    return fetch;
}
