/* embed: what the parts of libvectron share. vectron.h is the contract; here its types meet the
 * runtime's.
 *
 * The two sides' turns, messages, statuses and outcomes are the same bytes under different names
 * (asserted in embed.c), and callbacks differ in nothing but those names, so they pass through as
 * they are: no copy and no record a call. */
#ifndef EMBED_EMBED_H
#define EMBED_EMBED_H

#include <signal.h>

#include "adapters/embed/vectron.h"
#include "runtime/turn.h"

struct role_storage;

struct vectron_node {
    struct node *node;            /* owned */
    struct role_storage *storage; /* owned; NULL: none */
    bool database;                /* this node has the process's database */
};

/* What vectron_error says; returns status. */
MUST_USE enum vectron_status embed_fail(enum status status, const char *format, ...) PRINTF(2, 3);
/* Copies a struct that begins with its size, so that one of another version is read as this one.
 * False: it has no size, or sets what this version does not know. */
MUST_USE bool embed_take(void *out, size_t size, const void *in);
/* The runtime's type of a program's; lives as long as the process. NULL: no memory, or embed_take's
 * reasons. */
const struct actor_type *embed_type(const struct vectron_actor_type *type);
/* False: the type, as above. */
MUST_USE bool embed_spawn(const struct vectron_spawn *spawn, struct spawn *out);
/* After the node. Fine without one. */
void embed_database_close(struct vectron_node *node);
/* Threads that are started while signals are blocked leave the program's signals to its own
 * threads. */
void embed_block_signals(sigset_t *before);
void embed_restore_signals(const sigset_t *before);

#endif
