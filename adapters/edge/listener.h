/* listener: an address that is listened on. Edges of one process share an address (SO_REUSEPORT: the kernel deals
 * connections out); another process is told that it is taken. */
#ifndef EDGE_LISTENER_H
#define EDGE_LISTENER_H

#include "adapters/edge/edge.h"
#include "adapters/edge/tls.h"

enum { LISTENER_ADDRESS_MAX = 128 };

struct listener {
    int fd;                             /* -1: closed */
    const struct edge_listener_options *options; /* borrowed */
    char address[LISTENER_ADDRESS_MAX]; /* with the port that was picked */
    struct tls *tls;                    /* owned; NULL: plain text */
};

/* INVALID (address, certificate), IO (in use …): words in text. */
MUST_USE enum status listener_open(struct listener *listener,
                                   const struct edge_listener_options *options, char *text,
                                   size_t size);
/* Stops listening; twice is fine. A zeroed listener is none: set fd to -1 first. */
void listener_stop(struct listener *listener);
void listener_close(struct listener *listener);
/* A connected, non-blocking socket; -1: none now (errno). */
int listener_accept(const struct listener *listener);

#endif
