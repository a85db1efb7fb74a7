/* route: a chained hash table. */
#include "runtime/route.h"

#include <string.h>

#include "runtime/assert.h"
#include "runtime/memory.h"
#include "runtime/rng.h"

static size_t bucket_of(const struct route_table *table, const unsigned char *id, size_t size) {
    uint64_t hash = table->seed;
    for (size_t i = 0; i < size; i++)
        hash = rng_mix(hash ^ id[i]);
    return hash % ROUTE_BUCKETS;
}

struct route *route_find(const struct route_table *table, const void *id, size_t size) {
    struct route *route = table->buckets[bucket_of(table, id, size)];
    while (route && (route->size != size || memcmp(route->id, id, size) != 0))
        route = route->next;
    return route;
}

struct route *route_add(struct route_table *table, const void *id, size_t size) {
    assert(size > 0 && size <= ROUTE_ID_MAX);
    if (table->count == ROUTES_MAX) return NULL;
    struct route *route = mem_zero(1, sizeof *route);
    if (!route) return NULL;
    route->size = size;
    memcpy(route->id, id, size);
    struct route **bucket = &table->buckets[bucket_of(table, id, size)];
    route->next = *bucket;
    *bucket = route;
    table->count++;
    return route;
}

void route_remove(struct route_table *table, struct route *route) {
    if (!route) return;
    struct route **link = &table->buckets[bucket_of(table, route->id, route->size)];
    while (*link != route)
        link = &(*link)->next;
    *link = route->next;
    table->count--;
    if (route->cut_until_us) table->n_cut--;
    mem_free(route);
}

void route_cut(struct route_table *table, struct route *route, uint64_t until_us) {
    assert(until_us > 0 && route->cut_until_us == 0);
    route->peer = NULL;
    route->cut_until_us = until_us;
    table->n_cut++;
}

void route_sweep(struct route_table *table, uint64_t now_us) {
    for (size_t i = 0; i < ROUTE_BUCKETS && table->n_cut > 0; i++) {
        for (struct route *route = table->buckets[i], *next; route; route = next) {
            next = route->next;
            if (route->cut_until_us && route->cut_until_us <= now_us) route_remove(table, route);
        }
    }
}

void route_clear(struct route_table *table) {
    for (size_t i = 0; i < ROUTE_BUCKETS; i++) {
        while (table->buckets[i])
            route_remove(table, table->buckets[i]);
    }
}
