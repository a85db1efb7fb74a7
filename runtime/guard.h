/* guard: the security of a link. It puts CURVE on the link's sockets, answers ZeroMQ's questions
 * about who may connect (zap.h), reads what the sockets' monitors tell of handshakes that failed,
 * and remembers and reports all that was refused.
 *
 *     listening   tcp with keys: CURVE, the allowed keys only     ipc: plain, its file is ours
 * alone tcp without keys: plain, on loopback only connecting  NAME@HOST:PORT: CURVE, to that node's
 * key       else plain, as above
 *
 * `insecure` allows plain links beyond this machine. On the link's lane. Private to runtime/. */
#ifndef RUNTIME_GUARD_H
#define RUNTIME_GUARD_H

#include <stdbool.h>
#include <stdint.h>
#include <zmq.h>

#include "runtime/doorbell.h"
#include "runtime/rebuff.h"

struct guard {
    struct keyring *keyring; /* owned; NULL: no keys */
    bool insecure;
    bool curve; /* the listener's */
    void *zmq_context;
    struct doorbells *bells;      /* borrowed */
    struct doorbell zap_bell;     /* its socket is owned */
    struct doorbell monitor_bell; /* of the listener; its socket is owned */
    struct rebuffs rebuffs;
    void (*tell)(void *node, const char *words); /* NULL: nobody is told */
    void *node;
};

/* keyring is taken in any case. EXISTS: the ZeroMQ context has another handler for ZAP. The rest of
 * the struct is zero. */
MUST_USE enum status guard_open(struct guard *guard, struct keyring *keyring);
void guard_close(struct guard *guard);
/* The keys of `fresh`, which is taken, from now on: keyring_adopt. A listener that is bound goes on
 * with the key that it was bound with. */
enum keyring_change guard_renew(struct guard *guard, struct keyring *fresh);

/* Before a listener is bound. DENIED: it would be open to the network. */
MUST_USE enum status guard_listen(struct guard *guard, void *socket, const char *address);
/* How others write the bound address: with our name when it wants CURVE. */
void guard_address(const struct guard *guard, const char *bound, char out[ENDPOINT_MAX + 1]);
/* Watches it; before it is closed: guard_close. */
MUST_USE enum status guard_watch(struct guard *guard, void *socket);
/* Before a socket connects; key: of the node there, "" for a plain connection; one that is still
 * allowed stays. nth: of the attempt, for nodes with several keys. INVALID: the address; DENIED:
 * refused by us, and reported. */
struct guard_attempt {
    void *socket;
    const char *address;
    unsigned nth;
    uint64_t now_us;
};
MUST_USE enum status
guard_connect(struct guard *guard, const struct guard_attempt *attempt, char key[KEY_TEXT + 1]);

/* Answers those who ask ZAP; true: nobody else asks. */
bool guard_zap(struct guard *guard, uint64_t now_us);
/* The listener's monitor rang. */
void guard_look(struct guard *guard, uint64_t now_us);
/* The key behind a first message, "" on a plain link; false: it is not allowed any more. */
bool guard_admits(const struct guard *guard, zmq_msg_t *message, char key[KEY_TEXT + 1]);
bool guard_allows(const struct guard *guard, const char *key);
/* Both are the same key, or allowed ones of the same node. */
bool guard_same_node(const struct guard *guard, const char *key, const char *other);

/* One event of a socket's monitor; false: there is none. */
struct guard_event {
    uint16_t event;
    uint32_t value;
};
bool guard_event(void *monitor, struct guard_event *out);
/* A PAIR that hears of the socket's events; the caller closes it. */
void *guard_monitor(void *zmq_context, void *socket, const char *endpoint, int events);
/* An outgoing connection ended this way; true: for want of the right keys. */
bool guard_failed(struct guard *guard,
                  const struct guard_event *event,
                  const struct guard_attempt *attempt,
                  const char *key);

#endif
