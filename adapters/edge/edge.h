/* edge: the way in from outside. One edge actor is one event loop on an I/O lane: it owns listeners
 * and their connections, speaks gRPC, HTTP/2 and HTTP/1.1 on the same port, and runs services
 * (adapters/edge/call.h). Several edges may listen on one address (SO_REUSEPORT); connections never
 * move between them.
 *
 * Accepts the messages of schemas/internal/edge.proto: EdgeDrain, EdgeReload, EdgeAskStats. */
#ifndef EDGE_EDGE_H
#define EDGE_EDGE_H

#include "adapters/edge/call.h"

enum {
    EDGE_CONNECTIONS_MAX = 10000, /* of one edge; beyond it clients wait in the kernel's backlog */
    EDGE_CALLS_MAX = 65536,       /* under way in one edge; beyond it BUSY */
    EDGE_STREAMS_MAX = 4096,      /* concurrent ones of one HTTP/2 connection (contract 4.4) */
    EDGE_HEADER_MAX = 32 * 1024,  /* bytes of names and values of one request; beyond it 431 */
    EDGE_STREAM_MAX = 4 * 1024 * 1024,  /* bytes of a streamed answer waiting for a slow reader */
    EDGE_STREAM_CLOGGED = 256 * 1024,   /* edge_call_clogged from here */
    EDGE_ENCODE_INLINE_MAX = 32 * 1024, /* larger answers become JSON on a compute lane: floats are
                                           slow to write */
    EDGE_PARSE_INLINE_MAX = 256 * 1024, /* larger bodies are decoded on a compute lane */

    EDGE_HANDSHAKE_MS = 10 * 1000, /* TLS */
    EDGE_HEADER_MS = 10 * 1000,    /* first byte to last byte of a request's head */
    EDGE_BODY_MS = 30 * 1000, /* a body may take this long and 1 s for every EDGE_BODY_PACE bytes */
    EDGE_BODY_PACE = 8 * 1024,
    EDGE_IDLE_MS = 120 * 1000,       /* HTTP/1.1 connection between two requests */
    EDGE_WRITE_MS = 60 * 1000,       /* output without progress: the client is given up */
    EDGE_PING_MS = 60 * 1000,        /* HTTP/2 connection that says nothing is asked */
    EDGE_PING_ANSWER_MS = 20 * 1000, /* … and given up */
    EDGE_EVENT_BEAT_MS = 15 * 1000,  /* comment on an idle event stream */
    EDGE_DRAIN_MS = 30 * 1000,       /* hard end of a drain */
    EDGE_DRAIN_NOTICE_MS = 500,      /* between the two GOAWAYs */
};

/* Any 0 means the constant above. */
struct edge_limits {
    uint32_t connections;
    uint32_t calls;
    uint32_t streams;
    uint32_t handshake_ms, header_ms, body_ms, idle_ms, write_ms;
    uint32_t ping_ms, ping_answer_ms, beat_ms;
    uint64_t budget_bytes; /* bodies and replies of all edges of the process; the first edge that
                              opens decides. 0 = min(1 GiB, memory / 4) */
};

struct edge_listener_options {
    const char *address;     /* "127.0.0.1:8081", "[::1]:8081", "0.0.0.0:8081"; port 0 picks one */
    const char *certificate; /* PEM chain; NULL: plain text */
    const char *key;         /* PEM */
};

/* Borrowed as long as the actor may be restarted. */
struct edge_options {
    const struct edge_listener_options *listeners;
    size_t n_listeners;
    const struct edge_service *const *services; /* ended by NULL */
    const struct edge_route *routes;            /* ended by {0}; NULL: none */
    const char *openapi;                        /* text of /openapi.json; NULL: not served */
    const char *router; /* name of the actor the services ask; /readyz waits for it; NULL: none */
    bool (*ready)(
        const void *context); /* what else /readyz waits for; any edge's lane; NULL: none */
    const void *ready_context;
    const char *cors_origins; /* NULL or "*": all (contract 2.4); else a comma-separated list that
                                 is matched and echoed (contract 2.5) */
    struct edge_limits limits;
};

/* Options: struct edge_options. */
extern const struct actor_type edge_type;

#endif
