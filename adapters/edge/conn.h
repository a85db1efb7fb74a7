/* conn: one connection without its socket: bytes in, bytes out. Finds out what the client speaks
 * and keeps the session that speaks it. */
#ifndef EDGE_CONN_H
#define EDGE_CONN_H

#include "adapters/edge/hub.h"
#include "runtime/buffer.h"

struct h1_session;
struct h2_session;

enum {
    CONN_OUTPUT = 64 * 1024, /* filled at once: what one write takes */
    CONN_LINGER_MS = 2000,   /* reading after the last byte out, so that no reset overtakes it */
};

enum conn_protocol { CONN_UNKNOWN, CONN_H1, CONN_H2 };

struct conn {
    struct hub *hub;
    struct conn *next, *prev; /* of hub->conns */
    struct conn *dirty_next;
    bool dirty;
    void *shell; /* the shell's */

    enum conn_protocol protocol;
    struct h1_session *h1; /* owned; one of them, or none yet */
    struct h2_session *h2;
    unsigned char first[3]; /* what came before the protocol was known */
    size_t n_first;

    struct buffer out; /* taken by the shell from `sent` on */
    size_t sent;
    bool broken;     /* nothing more can be read: give what is queued, then close */
    bool over;       /* close now, also with output queued */
    bool handshaken; /* TLS is done, or there is none */

    struct timeout timeout;
    uint64_t opened_us;
    uint64_t input_us;    /* last byte in */
    uint64_t progress_us; /* last byte out, or when output began to wait */
};

/* The shell tells what ALPN chose, if anything. NO_MEMORY. secure: TLS still has to shake hands. */
MUST_USE enum status conn_new(struct hub *hub, bool secure, struct conn **out);
/* The client's side is gone, or the shell is done with it: calls under way are cancelled. */
void conn_free(struct conn *conn, struct turn *turn);
/* TLS is established. */
void conn_handshaken(struct conn *conn, enum conn_protocol protocol);
void conn_input(struct conn *conn, const void *data, size_t size, struct turn *turn);
/* False: do not read now (HTTP/1.1 with a request under way, or the end is near). */
bool conn_wants_input(const struct conn *conn);
/* The next bytes to write; *size 0: none now. Valid until the next call. */
const void *conn_output(struct conn *conn, size_t *size, struct turn *turn);
void conn_wrote(struct conn *conn, size_t size);
/* True when nothing is left to do: finish the output side, read CONN_LINGER_MS on, close. */
bool conn_finished(const struct conn *conn);
/* Joins the dirty list: something changed that the shell must look at. */
void conn_touch(struct conn *conn, struct turn *turn);
/* The timeout is set to the earlier of what it was and due_us. */
void conn_due(struct conn *conn, uint64_t due_us);
/* Protocol broken or limit abused: counted; ends when what is queued is out. */
void conn_abused(struct conn *conn);
/* First and second word of a drain. */
void conn_notice(struct conn *conn);
void conn_drain(struct conn *conn);

#endif
