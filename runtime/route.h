/* route: how the process's ROUTER names the connections that peers opened: routing id → peer and
 * channel. Ids are ZeroMQ's own (one a connection, never the same twice) or a foreign program's
 * choice. */
#ifndef RUNTIME_ROUTE_H
#define RUNTIME_ROUTE_H

#include <stddef.h>
#include <stdint.h>

struct peer;

enum { ROUTE_ID_MAX = 255, ROUTE_BUCKETS = 1024, ROUTES_MAX = 16 * 1024 };

struct route {
    struct route *next;
    struct peer
        *peer; /* borrowed; NULL: the peer was cut, what comes from there is dropped unread */
    unsigned channel;      /* of the peer */
    uint64_t cut_until_us; /* when to forget a cut one */
    size_t size;
    unsigned char id[ROUTE_ID_MAX];
};

struct route_table {
    struct route *buckets[ROUTE_BUCKETS]; /* owned */
    size_t count;
    size_t n_cut;
    uint64_t seed; /* so that ids cannot be chosen to share a bucket */
};

/* NULL: unknown. */
struct route *route_find(const struct route_table *table, const void *id, size_t size);
/* The id is 1..ROUTE_ID_MAX bytes and not in the table. NULL: no memory, or ROUTES_MAX are there.
 */
struct route *route_add(struct route_table *table, const void *id, size_t size);
/* NULL is fine. */
void route_remove(struct route_table *table, struct route *route);
/* From now on its frames are dropped, until `until_us`. */
void route_cut(struct route_table *table, struct route *route, uint64_t until_us);
/* Forgets the cut ones whose time is over. */
void route_sweep(struct route_table *table, uint64_t now_us);
void route_clear(struct route_table *table);

#endif
