/* source: the console's only actor. Asks the sys actors of all processes it can find, on a timer,
 * and hands on what they answer as events. It begins with the addresses it was given and follows
 * the links of every report. A process that does not answer holds up nobody: of each question one
 * is under way a process.
 *
 *     orders ─▶ source ── SysAsk … ─▶ sys of every process ── SysReport … ─▶ source ─▶ sink(event)
 */
#ifndef CONSOLE_SOURCE_H
#define CONSOLE_SOURCE_H

#include "cli/console/orders.h"
#include "runtime/actor.h"

enum {
    SOURCE_TARGETS_MAX = 256,
    SOURCE_SHARDS_MAX = 8192,
    SOURCE_SHARDS_A_TICK = 64, /* asked by turns */
    SOURCE_ANSWER_MS = 3000,   /* an answer that takes longer is none */
};

struct source_options {
    const char *const *addresses; /* as link_lookup takes them; borrowed */
    size_t n_addresses;
    struct orders *orders; /* borrowed */
    /* Takes the event (mem_free); on the actor's lane; must not wait. */
    void (*sink)(void *context, struct event *event);
    void *context;
};

/* Options: struct source_options. */
extern const struct actor_type source_type;
/* The name of the console's node: links with it are our own. */
#define SOURCE_NODE_NAME "console"

#endif
