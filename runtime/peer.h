/* peer: one connection to another process and what is known about it.
 *
 *     opened here:   CONNECTING ──hello answered──▶ OPEN ──▶ DEAD
 *                    └─ an attempt failed: again, after a pause ─┘
 *     opened there:  OPEN at its first hello ──▶ DEAD
 *
 * It is open with its control connection; the data connection follows when there is much to send
 * (link_data.c).
 * The number is in every handle that came from this peer; it is not given to another one soon. */
#ifndef RUNTIME_PEER_H
#define RUNTIME_PEER_H

#include "runtime/channel.h"
#include "runtime/doorbell.h"
#include "runtime/endpoint.h"
#include "runtime/guard.h"

enum peer_state { PEER_CONNECTING, PEER_OPEN, PEER_DEAD };
enum { PEER_CONTROL, PEER_DATA, PEER_CHANNELS };
/* How the data band goes. */
enum peer_way {
    PEER_BY_CONTROL, /* little went so far; always, of a single one */
    PEER_WAITING,    /* for the data connection, queued with it */
    PEER_FENCED,     /* it is there; waits until the peer had all that went by the other one */
    PEER_BY_DATA,
};

struct peer {
    struct peer *next;      /* all peers of the link */
    struct peer *next_busy; /* those with something to send */
    bool busy;
    enum peer_state state;
    bool opened; /* by us */
    bool met;    /* it was open: its number may be in handles */
    bool single; /* a foreign program with one socket: everything goes by PEER_CONTROL */
    enum peer_way way;
    size_t by_control; /* bytes of the data band that went so */
    bool widens;       /* opened here: the data connection is to be made, not before: */
    uint64_t widen_us;
    uint64_t fence; /* token of the beat that is the fence */
    uint16_t number;
    char name[FRAME_NAME_MAX + 1];
    char address[ENDPOINT_MAX + 1]; /* opened here: where; else where it says it is reached */
    uint64_t incarnation;
    uint64_t session;
    struct channel channels[PEER_CHANNELS];
    struct doorbell dealers[PEER_CHANNELS]; /* opened here; sockets owned */
    struct doorbell monitors[PEER_CHANNELS];
    struct peer_name *names; /* owned: of its actors, in this process */
    unsigned n_names;
    bool broken;         /* this attempt failed; its sockets wait to be closed */
    uint64_t attempt_us; /* when the attempt began; when broken: when the next one may */
    uint64_t pause_us;   /* before the next attempt */
    unsigned attempts;
    bool denied;            /* an attempt failed for want of the right keys */
    char key[KEY_TEXT + 1]; /* the peer's, "" on a plain connection */
    uint64_t received;      /* messages */
    uint64_t received_bytes;
    uint64_t rtt_us;
    uint64_t refused;
    uint64_t bad_frames;
    uint64_t bad_recent; /* halved every beat */
};

/* What a hello of ours says, and who vouches for it. */
struct peer_self {
    void *zmq_context;
    struct guard *guard; /* borrowed */
    const char *name;
    uint64_t incarnation;
    const char *link; /* where peers reach us, "": nobody does */
};

/* By band, and the peer's way. */
struct channel *peer_channel(struct peer *peer, enum parcel_band band);
size_t peer_queued(const struct peer *peer);
/* The control connection: a DEALER with its monitor, watched, and a hello queued. INVALID: the
 * address; DENIED: the guard does not want it. */
MUST_USE enum status peer_connect(struct peer *peer,
                                  const struct peer_self *self,
                                  struct doorbells *bells,
                                  uint64_t now_us);
/* The data connection of an open peer, likewise; its hello goes before what waits there. Failed:
 * nothing of it is left. */
MUST_USE enum status peer_widen(struct peer *peer,
                                const struct peer_self *self,
                                struct doorbells *bells,
                                uint64_t now_us);
/* Closes both; drops what they had queued through the host. Not connected: fine. */
void peer_disconnect(struct peer *peer, struct doorbells *bells, const struct link_host *host);
/* The options every socket between processes has, set before it is bound or connected. */
void peer_configure(void *socket);
#endif
