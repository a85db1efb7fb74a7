/* wait_graph: nodes are found by (process, handle) in a hash; cycles by a walk that marks what is
 * on its path. The walk keeps a stack of its own: paths may be as long as there are edges. */
#include "cli/console/wait_graph.h"

#include <stdio.h>
#include <string.h>

#include "runtime/handle.h"
#include "runtime/memory.h"

enum { UNSEEN, ON_PATH, DONE };

static size_t *slot_of(struct wait_graph *graph, const struct process *process, uint64_t handle) {
    uint64_t hash = (handle ^ (process ? process->number : 0)) * UINT64_C(0x9e3779b97f4a7c15);
    for (size_t i = (size_t)(hash >> 32) % graph->n_slots;; i = (i + 1) % graph->n_slots) {
        size_t node = graph->slots[i];
        if (node == WAIT_NONE) return &graph->slots[i];
        if (graph->nodes[node].process == process && graph->nodes[node].handle == handle)
            return &graph->slots[i];
    }
}

static size_t node_of(struct wait_graph *graph,
                      const struct process *process,
                      uint64_t handle,
                      const char *name) {
    size_t *slot = slot_of(graph, process, handle);
    if (*slot == WAIT_NONE) {
        *slot = graph->n_nodes++;
        graph->nodes[*slot] =
            (struct wait_node){.process = process, .handle = handle, .name = "", .out = WAIT_NONE};
        const struct actor_row *row = process ? model_actor_by_handle(process, handle) : NULL;
        if (row) graph->nodes[*slot].name = row->actor->name;
    }
    struct wait_node *node = &graph->nodes[*slot];
    if (!*node->name && name && *name) node->name = name;
    return *slot;
}

static const SysWaits *waits_of(const struct model *model, size_t i) {
    const struct process *process = model->processes[i];
    if (process->same || process->status != STATUS_OK) return NULL;
    return model_message(process, QUESTION_WAITS, NULL);
}

static void add_edge(struct wait_graph *graph, const struct process *process, const SysEdge *row) {
    const struct process *there = row->to_peer ? model_peer(process, row->to_peer) : process;
    /* Unlike processes that are not asked stay unlike: the peer's number stands in for them. */
    uint64_t handle = there ? handle_local(row->to_handle) : row->to_handle ^ row->to_peer << 48;
    size_t from = node_of(graph, process, handle_local(row->from_handle), row->from);
    size_t to = node_of(graph, there, handle, row->to);
    size_t i = graph->n_edges++;
    graph->edges[i] = (struct wait_edge){from, to, graph->nodes[from].out, row, false, false};
    graph->nodes[from].out = i;
    graph->nodes[to].n_in++;
    if (row->since_us > graph->nodes[to].in_oldest_us)
        graph->nodes[to].in_oldest_us = row->since_us;
}

/* path: edges from its beginning to the node whose edge leads back to `to`. */
static void note_cycle(struct wait_graph *graph, const size_t *path, size_t n, size_t to) {
    size_t first = n;
    bool old = true;
    while (first > 0) {
        const struct wait_edge *edge = &graph->edges[path[--first]];
        old = old && edge->row->since_us >= WAIT_CYCLE_MS * 1000;
        if (edge->from == to) break;
    }
    if (!old || graph->n_cycles == WAIT_CYCLES_MAX) return;
    for (size_t i = first; i < n; i++)
        graph->edges[path[i]].in_cycle = true;
    graph->cycles[graph->n_cycles++] = path[n - 1];
}

/* path and at: room for every edge. */
static void walk(struct wait_graph *graph, size_t start, size_t *path, size_t *at) {
    size_t depth = 0, node = start;
    graph->nodes[node].mark = ON_PATH;
    at[0] = graph->nodes[node].out;
    for (;;) {
        if (at[depth] == WAIT_NONE) {
            graph->nodes[node].mark = DONE;
            if (depth == 0) return;
            node = graph->edges[path[--depth]].from;
            continue;
        }
        size_t edge = at[depth], to = graph->edges[edge].to;
        at[depth] = graph->edges[edge].next;
        path[depth] = edge;
        if (graph->nodes[to].mark == ON_PATH) note_cycle(graph, path, depth + 1, to);
        if (graph->nodes[to].mark != UNSEEN) continue;
        graph->nodes[to].mark = ON_PATH;
        at[++depth] = graph->nodes[to].out;
        node = to;
    }
}

static enum status find_cycles(struct wait_graph *graph) {
    size_t *room = mem_alloc(2 * (graph->n_edges + 2) * sizeof *room);
    if (!room) return STATUS_NO_MEMORY;
    for (size_t i = 0; i < graph->n_nodes; i++)
        if (graph->nodes[i].mark == UNSEEN) walk(graph, i, room, room + graph->n_edges + 2);
    mem_free(room);
    return STATUS_OK;
}

/* sys and its lanes at work for us. */
static bool is_ours(const SysEdge *edge) {
    return strcmp(edge->from, "sys") == 0 && strncmp(edge->message, "Sys", 3) == 0;
}

enum status wait_graph_build(struct wait_graph *graph, const struct model *model) {
    *graph = (struct wait_graph){0};
    size_t n = 0;
    for (size_t i = 0; i < model->n_processes; i++)
        n += waits_of(model, i) ? waits_of(model, i)->n_edges : 0;
    if (n > WAIT_EDGES_MAX) n = WAIT_EDGES_MAX;
    graph->n_slots = 4 * n + 1;
    graph->nodes = mem_zero(2 * n + 1, sizeof *graph->nodes);
    graph->edges = mem_zero(n + 1, sizeof *graph->edges);
    graph->slots = mem_alloc(graph->n_slots * sizeof *graph->slots);
    enum status s = STATUS_NO_MEMORY;
    if (graph->nodes && graph->edges && graph->slots) {
        for (size_t i = 0; i < graph->n_slots; i++)
            graph->slots[i] = WAIT_NONE;
        for (size_t i = 0; i < model->n_processes; i++) {
            const SysWaits *waits = waits_of(model, i);
            /* Each goes to the front of its list: the oldest come to be the first. */
            for (size_t j = waits ? waits->n_edges : 0; j > 0 && graph->n_edges < n; j--)
                if (!is_ours(waits->edges[j - 1]))
                    add_edge(graph, model->processes[i], waits->edges[j - 1]);
        }
        s = find_cycles(graph);
    }
    if (s != STATUS_OK) wait_graph_free(graph);
    return s;
}

void wait_graph_free(struct wait_graph *graph) {
    mem_free(graph->nodes);
    mem_free(graph->edges);
    mem_free(graph->slots);
    *graph = (struct wait_graph){0};
}

char *wait_graph_name(const struct wait_graph *graph, size_t node, char *text, size_t size) {
    const struct wait_node *at = &graph->nodes[node];
    char number[32];
    snprintf(number, sizeof number, "%u#%u", handle_slot(at->handle),
             handle_incarnation(at->handle));
    snprintf(text, size, "%.80s@%.60s", *at->name ? at->name : number,
             at->process ? at->process->label : "elsewhere");
    return text;
}

/* The way on inside the cycle: cycles that share an actor are walked as one, at most once an edge.
 */
static size_t next_in_cycle(const struct wait_graph *graph, size_t node) {
    for (size_t i = graph->nodes[node].out; i != WAIT_NONE; i = graph->edges[i].next)
        if (graph->edges[i].in_cycle) return i;
    return WAIT_NONE;
}

char *wait_graph_cycle(const struct wait_graph *graph, size_t nth, char *text, size_t size) {
    size_t first = graph->edges[graph->cycles[nth]].to, node = first, at = 0;
    char name[WAIT_NAME_MAX];
    text[0] = 0;
    for (size_t steps = 0; steps <= graph->n_edges && at + 1 < size; steps++) {
        int n = snprintf(text + at, size - at, "%s%s", steps ? " → " : "",
                         wait_graph_name(graph, node, name, sizeof name));
        at += n > 0 ? (size_t)n : 0;
        if (steps > 0 && node == first) break;
        size_t edge = next_in_cycle(graph, node);
        if (edge == WAIT_NONE) break;
        node = graph->edges[edge].to;
    }
    return text;
}
