/* hub: one edge without its sockets: connections fed with bytes and giving bytes, calls, timeouts,
 * services, drain. No thread, no clock, no file descriptor of its own: the shell (edge.c), or a
 * test, drives it.
 *
 *   bytes ─▶ conn_input ─▶ session (h2, h1) ─▶ call ─▶ intake ─▶ method->run
 *   bytes ◀─ conn_output ◀─ session ◀────────── call ◀─ answer ◀─ edge_reply …
 *
 * Answers may come in any later turn: the connection then joins the dirty list, and the shell is
 * woken once to flush it. Before any call into the hub the shell sets now_us. */
#ifndef EDGE_HUB_H
#define EDGE_HUB_H

#include "adapters/edge/blocks.h"
#include "adapters/edge/edge.h"
#include "adapters/edge/timeouts.h"

enum { HUB_DATE_MAX = 32 };

struct conn;
struct hub;
struct edge_job;

/* What the shell does for the hub. */
struct hub_hooks {
    uint64_t (*now_us)(struct hub *hub, struct turn *turn);
    /* The dirty list is no longer empty: call hub_flush soon. */
    void (*wake)(struct hub *hub, struct turn *turn);
    /* The connection has bytes to give, or is over: called by hub_flush. */
    void (*flush)(struct hub *hub, struct conn *conn, struct turn *turn);
    /* Whether the actors behind the services are there (/readyz). */
    bool (*ready)(struct hub *hub, struct turn *turn);
    /* Hands a job to a compute lane; call_job_done follows. NULL: all is done in place. */
    void (*parse)(struct hub *hub, struct edge_call *call, struct edge_job *job, struct turn *turn);
    /* The last connection of a drain is gone. */
    void (*drained)(struct hub *hub, struct turn *turn);
};

struct hub_stats {
    uint64_t connections, connections_refused;
    uint64_t calls, calls_failed, calls_cancelled, calls_expired, calls_refused;
    uint64_t abuse;
    uint64_t bytes_in, bytes_out;
};

struct method_entry {
    const struct edge_method *method; /* NULL: free place of the table */
    const struct edge_service *service;
    void *state;
};

struct hub {
    const struct edge_options *options; /* borrowed */
    struct edge_limits limits;          /* no zeros left */
    const struct hub_hooks *hooks;
    void *actor; /* self of the services' methods */

    uint64_t now_us;
    char date[HUB_DATE_MAX]; /* of HTTP answers, kept by the shell; "" = not told */
    struct timeouts timeouts;
    struct timeout drain;
    uint64_t drain_hard_us;
    enum { HUB_SERVING, HUB_NOTICED, HUB_DRAINING } phase;
    uint32_t calls_cut;

    struct method_entry *methods; /* owned; open addressing */
    size_t methods_mask;
    void **states; /* owned, as are the states; one a service */

    struct conn *conns; /* all of them */
    size_t n_conns;
    struct conn *dirty;
    bool woken;
    bool closing;            /* services hear nothing any more */
    struct edge_call *calls; /* all that are not free */
    size_t n_calls;
    struct edge_call *spare; /* kept for the next request */
    size_t n_spare;
    struct blocks blocks; /* of the sessions */
    struct hub_stats stats;
};

struct hub_options {
    const struct edge_options *options; /* borrowed until hub_close */
    const struct hub_hooks *hooks;      /* borrowed */
    void *actor;
};
/* NO_MEMORY; INVALID: two methods of one path, or a route to a method or field that is not there
 * (they are ours, so the words are for programmers). */
MUST_USE enum status hub_open(struct hub *hub, const struct hub_options *options);
/* The edge stops: calls still under way are dropped without a word to services or clients. Then the
 * shell frees the connections, and closes. */
void hub_abandon(struct hub *hub);
/* Connections must be gone. A zeroed hub is fine. */
void hub_close(struct hub *hub);
/* A connection is gone, maybe the last one of a drain. */
void hub_check_drained(struct hub *hub, struct turn *turn);
/* Runs what is due at now_us; answers when the next is (UINT64_MAX: never). */
uint64_t hub_tick(struct hub *hub, struct turn *turn);
/* Flushes the dirty connections. */
void hub_flush(struct hub *hub, struct turn *turn);
/* No new connections come; the calls under way end, hard_ms from now at the latest. */
void hub_drain(struct hub *hub, uint32_t hard_ms, struct turn *turn);
/* NULL when there is none. */
const struct method_entry *hub_method(const struct hub *hub, const char *path);
/* The nth service, health and reflection included; NULL beyond the last. */
const struct edge_service *hub_service(const struct hub *hub, size_t n);

#endif
