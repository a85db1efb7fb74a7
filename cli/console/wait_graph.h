/* wait_graph: who waits for whom, joined over processes: an edge to another process ends at the
 * very actor there. Pure: made of the model's answers, which must stay while it is looked at. */
#ifndef CONSOLE_WAIT_GRAPH_H
#define CONSOLE_WAIT_GRAPH_H

#include "cli/console/model.h"

enum {
    WAIT_EDGES_MAX = 16384,
    WAIT_CYCLES_MAX = 64,
    WAIT_CYCLE_MS = 1000, /* a circle of calls younger than this may be on its way round */
    WAIT_NAME_MAX = 160,
};
#define WAIT_NONE SIZE_MAX

struct wait_node {
    const struct process *process; /* NULL: a process that is not asked */
    uint64_t handle;               /* there, without peer */
    const char *name;              /* borrowed; "": not known */
    size_t out;                    /* its first edge; WAIT_NONE */
    size_t n_in;                   /* calls that wait for it */
    uint64_t in_oldest_us;         /* age of the oldest of those */
    unsigned mark;                 /* of walks */
};

struct wait_edge {
    size_t from, to, next; /* next: of the same from */
    const SysEdge *row;
    bool in_cycle;
    bool drawn; /* the view's */
};

struct wait_graph {
    struct wait_node *nodes; /* owned */
    size_t n_nodes, nodes_room;
    struct wait_edge *edges; /* owned */
    size_t n_edges;
    size_t *slots; /* owned: hash of nodes */
    size_t n_slots;
    size_t cycles[WAIT_CYCLES_MAX]; /* an edge of each; every edge of one is WAIT_CYCLE_MS old */
    size_t n_cycles;
};

MUST_USE enum status wait_graph_build(struct wait_graph *graph, const struct model *model);
void wait_graph_free(struct wait_graph *graph);
/* "router@gateway → shard/3@worker"; cut at size. Returns text. */
char *wait_graph_name(const struct wait_graph *graph, size_t node, char *text, size_t size);
/* The nth cycle once around, with its first actor again at the end. */
char *wait_graph_cycle(const struct wait_graph *graph, size_t nth, char *text, size_t size);

#endif
