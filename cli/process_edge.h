/* process_edge: the edge actors of a process: their listeners out of the settings, their drain and
 * reload. Main thread only. */
#ifndef CLI_PROCESS_EDGE_H
#define CLI_PROCESS_EDGE_H

#include "actors/role.h"
#include "cli/config.h"
#include "runtime/node.h"

struct process_edge;

/* Spawns one edge per event loop. `storage`: of this process, NULL without one; /readyz waits for
 * it. An exit code; says why on stderr. */
int process_edge_start(struct node *node,
                       const struct config *config,
                       const struct role_storage *storage,
                       struct process_edge **out);
/* After node_close: the actors borrow their options. NULL is fine. */
void process_edge_free(struct process_edge *edge);
/* Lines of the banner: what is listened on, with ports that were picked. */
void process_edge_print(const struct process_edge *edge, struct node *node);
/* Refuses new connections, finishes the calls under way, waits for the end or hard_ms. */
void process_edge_drain(struct process_edge *edge, struct node *node, uint32_t hard_ms);
/* Reads certificates and keys again. */
void process_edge_reload(struct process_edge *edge, struct node *node);

#endif
