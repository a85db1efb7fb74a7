/* socket: one accepted connection: descriptor, TLS, and the connection object it feeds. */
#ifndef EDGE_SOCKET_H
#define EDGE_SOCKET_H

#include "adapters/edge/conn.h"
#include "adapters/edge/tls.h"

struct socket;

/* What sockets of one edge share. */
struct socket_owner {
    struct hub *hub;
    unsigned char *input; /* owned by the edge: SOCKET_INPUT bytes to read into */
    struct socket *sockets;
    size_t n_sockets;
    struct socket *again; /* have more to read, of which no descriptor tells */
    watch_fn ready;       /* set on their descriptors, with the socket as context */
    /* The list of `again` is no longer empty. */
    void (*wake)(struct socket_owner *owner, struct turn *turn);
    /* A socket is gone. */
    void (*gone)(struct socket_owner *owner, struct turn *turn);
};

enum { SOCKET_INPUT = 128 * 1024 };

/* Takes the descriptor, closes it on failure. tls NULL: plain text. */
MUST_USE enum status
socket_open(struct socket_owner *owner, int fd, struct tls *tls, struct turn *turn);
/* Something happened on the descriptor (EPOLL bits; 0: the socket was in owner->again). May free
 * it. */
void socket_ready(struct socket *socket, uint32_t events, struct turn *turn);
/* The connection has something to write, or is over. May free it. */
void socket_flush(struct socket *socket, struct turn *turn);
/* Serves owner->again once. */
void socket_read_again(struct socket_owner *owner, struct turn *turn);
/* Closes all without a word (the edge stops; no turn). */
void socket_close_all(struct socket_owner *owner);

#endif
