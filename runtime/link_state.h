/* link_state: what the parts of the link share: link.c (its life, sending, time), link_input.c
 * (what peers say), link_data.c (peers' second connections), link_lookup.c (names asked of peers),
 * link_names.c (names of peers' actors). */
#ifndef RUNTIME_LINK_STATE_H
#define RUNTIME_LINK_STATE_H

#include "runtime/link.h"
#include "runtime/peer.h"

enum { LINK_HELLO_MS = 1000 }; /* until then the hello of an attempt is answered, or it failed */

/* One link_lookup that was not answered yet. */
struct lookup {
    struct lookup *next;
    struct peer *peer; /* borrowed; NULL: it failed before there was one, with `failure` */
    uint64_t token;    /* the caller's */
    uint64_t id;       /* on the wire */
    uint64_t begun_us;
    uint64_t deadline_us;
    bool asked; /* the question is on its way */
    enum status failure;
    char name[LINK_NAME_MAX + 1];
};

struct link {
    struct link_host host;
    struct peer_self self;
    char name[FRAME_NAME_MAX + 1];
    char address[ENDPOINT_MAX + 1]; /* as peers write it */
    char bound[ENDPOINT_MAX + 1];   /* as ZeroMQ does */
    uint64_t rebind_us;             /* not bound at present: when to try again; else 0 */
    void *router;                   /* owned; NULL: only outgoing */
    struct doorbell router_bell;
    struct doorbells bells;
    struct guard guard;
    struct route_table routes;
    struct peer *peers; /* owned, all of them */
    size_t n_peers;
    struct peer *table[LINK_PEERS_MAX]; /* by number % LINK_PEERS_MAX, those alive */
    uint16_t last_number;
    struct peer *busy;      /* with something to send */
    size_t n_dead;          /* peers to bury */
    struct lookup *lookups; /* owned */
    uint64_t last_lookup;
    uint64_t due_us;
    uint64_t beat_us;    /* when the next one is due */
    uint64_t tick_us;    /* when the last tick was */
    uint64_t bad_frames; /* of nobody we know */
    unsigned inside;     /* calls of the link that are running */
};

/* --- link.c --- */
uint64_t link_now(const struct link *link);
/* The link wants a tick at `at_us` at the latest. */
void link_sooner(struct link *link, uint64_t at_us);
/* A peer with a number; NULL: no memory or LINK_PEERS_MAX. */
struct peer *link_new_peer(struct link *link);
/* Queues a frame of the link itself; flushed before the caller of the link sleeps. */
void link_say(struct link *link,
              struct peer *peer,
              struct channel *channel,
              const struct frame *frame);
void link_mark_busy(struct link *link, struct peer *peer);
/* An attempt to connect came to nothing: another one follows while somebody waits for it. */
void link_attempt_failed(struct link *link, struct peer *peer);
/* Around each call of the link that may change peers. Leaving the outermost sends what it can and
 * buries the dead; the calls that the host makes from its callbacks are inner ones. */
void link_enter(struct link *link);
void link_leave(struct link *link);
/* The peer will be buried when the present call of the link ends. text: told to it when it can be;
 * NULL: nothing to say. */
void link_fail(struct link *link, struct peer *peer, const char *text);
/* A frame of this peer was bad: counted; the peer is cut when there were many. */
void link_bad_frame(struct link *link, struct peer *peer);

/* --- link_keys.c --- */
/* Binds the listener again when that is due. */
void link_rebind(struct link *link, uint64_t now_us);

/* --- link_input.c --- */
/* Reads at most *budget frames and takes them off it; true: the socket was read empty. */
bool link_read(struct link *link, struct doorbell *bell, unsigned *budget);

/* --- link_data.c --- */
/* A message of the data band is queued. */
void link_count_data(struct link *link, struct peer *peer, size_t bytes);
/* Makes the data connection of an open peer when it is due. */
void link_widen(struct link *link, struct peer *peer, uint64_t now_us);
/* Each LINK_BEAT_MS. */
void link_widen_beat(struct link *link, struct peer *peer);
/* The data connection said hello. */
void link_widened(struct link *link, struct peer *peer);
/* A beat, or an answer to one, came by the control connection. */
void link_asked_to_widen(struct link *link, struct peer *peer, uint64_t token);
/* True: it was the fence's. */
bool link_fence_passed(struct link *link, struct peer *peer, uint64_t token);

/* --- link_names.c --- */
/* Answers a FRAME_REGISTER that came on this channel. */
void link_register(struct link *link, struct peer *peer, unsigned i, const struct frame *asked);
/* The peer is gone, and its names. */
void link_names_lost(struct link *link, struct peer *peer);

/* --- link_lookup.c --- */
/* Asks what was waiting for the peer to open. */
void link_ask(struct link *link, struct peer *peer);
void link_answered(struct link *link, struct peer *peer, const struct frame *found);
/* Ends those of this peer: it is gone. */
void link_lookups_lost(struct link *link, struct peer *peer);
/* Ends those whose time is over; says when the next one's is. */
void link_lookups_tick(struct link *link, uint64_t now_us);
bool link_is_looked_up(const struct link *link, const struct peer *peer);
void link_lookups_free(struct link *link);

#endif
