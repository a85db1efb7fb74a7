/* process_edge: the edge actors of a process: their listeners out of the settings, their drain and
 * reload. Main thread only. */
#ifndef CLI_PROCESS_EDGE_H
#define CLI_PROCESS_EDGE_H

#include "actors/role.h"
#include "adapters/edge/edge.h"
#include "cli/config.h"
#include "runtime/node.h"

struct process_edge;

/* What a role's edges listen on and serve. */
struct process_edge_kind {
    const char *addresses[2]; /* settings; the second may be NULL */
    const struct edge_service *const *services;
    const struct edge_route *routes; /* NULL: no HTTP but health, and no page about it */
    const char *asks;                /* the actor they ask; /readyz waits for it */
    bool optional; /* its default address is left out when another process has it */
};
extern const struct process_edge_kind process_edge_up, process_edge_gateway, process_edge_pd,
    process_edge_worker;

/* Reads the addresses. *out NULL: there is none. An exit code; says why on stderr. */
int process_edge_new(const struct config *config,
                     const struct process_edge_kind *kind,
                     struct process_edge **out);
/* Spawns one edge per event loop. `storage`: of this process, NULL without one; /readyz waits for
 * it. An exit code; says why on stderr. */
int process_edge_start(struct process_edge *edge,
                       struct node *node,
                       const struct role_storage *storage);
/* The first address, "" when edge is NULL. A port 0 is not known yet. */
const char *process_edge_address(const struct process_edge *edge);
/* After node_close: the actors borrow their options. NULL is fine. */
void process_edge_free(struct process_edge *edge);
/* Lines of the banner: what is listened on, with ports that were picked. */
void process_edge_print(struct process_edge *edge, struct node *node);
/* Refuses new connections, finishes the calls under way, waits for the end or hard_ms. */
void process_edge_drain(struct process_edge *edge, struct node *node, uint32_t hard_ms);
/* Reads certificates and keys again. */
void process_edge_reload(struct process_edge *edge, struct node *node);

#endif
