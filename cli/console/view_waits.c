/* view_waits: open calls as a forest: who waits, for whom, that one for whom. Circles first, in
 * red.
 *
 *   edge/1@gateway
 *     ╰▶ router@gateway      RouterSearch   12ms
 *        ╰▶ shard/3@worker   ShardSearch    11ms */
#include <stdio.h>
#include <string.h>

#include "cli/console/console.h"
#include "cli/console/draw.h"
#include "cli/console/units.h"
#include "cli/console/wait_graph.h"

enum { DEPTH_MAX = 24 };

static const struct column columns[] = {
    {"waiter", "WHO WAITS FOR WHOM", VALUE_TEXT, 34, 70, 0},
    {"message", "CALL", VALUE_TEXT, 16, 30, 0},
    {"since_us", "SINCE", VALUE_US, 8, 0, 0},
    {"waiting", "BEHIND IT", VALUE_COUNT, 9, 0, 1},
    {"trace", "TRACE", VALUE_TEXT, 8, 32, 2},
    {"from", "from", VALUE_NAME, 0, 0, -1},
    {"to", "to", VALUE_NAME, 0, 0, -1},
    {"cycle", "cycle", VALUE_FLAG, 0, 0, -1},
    {0},
};

static enum style age_style(uint64_t us) {
    return us >= 1000000 ? STYLE_HOT : us >= 100000 ? STYLE_WARM : STYLE_PLAIN;
}

static uint64_t row_id(const struct wait_edge *edge) {
    return (edge->row->from_handle * 31 + edge->row->to_handle) * 31 + edge->row->to_peer +
           edge->row->since_us / 1000000000;
}

static void trace_text(struct list *list, struct list_row *row, const ProtobufCBinaryData *trace) {
    char hex[33] = "";
    for (size_t i = 0; i < trace->len && i < 16; i++)
        snprintf(hex + 2 * i, 3, "%02x", trace->data[i]);
    list_format(list, row, "trace", "%s", hex);
}

static void add_edge(struct list *list, const struct wait_graph *graph, size_t i, int depth) {
    const struct wait_edge *edge = &graph->edges[i];
    char from[WAIT_NAME_MAX], to[WAIT_NAME_MAX];
    struct list_row *row =
        list_add(list, row_id(edge) + (uint64_t)depth + list->n_rows * 977, NULL);
    if (!row) return;
    wait_graph_name(graph, edge->from, from, sizeof from);
    wait_graph_name(graph, edge->to, to, sizeof to);
    list_format(list, row, "from", "%s", from);
    list_format(list, row, "to", "%s", to);
    list_number(list, row, "cycle", edge->in_cycle);
    list_format(list, row, "waiter", "╰▶ %s", to);
    row->indent = 2 + 3 * depth;
    list_text(list, row, "message", edge->row->message);
    list_number(list, row, "since_us", (double)edge->row->since_us);
    list_number(list, row, "waiting", (double)graph->nodes[edge->to].n_in);
    trace_text(list, row, &edge->row->trace);
    list_style(list, row, "since_us", age_style(edge->row->since_us));
    list_style(list, row, "trace", STYLE_DIM);
    if (edge->in_cycle) list_style(list, row, "waiter", STYLE_HOT);
}

/* Of the same request, as far as both tell which. */
static bool goes_on(const SysEdge *above, const SysEdge *below) {
    bool told = above && above->trace.len && below->trace.len;
    return !told || (above->trace.len == below->trace.len &&
                     memcmp(above->trace.data, below->trace.data, below->trace.len) == 0);
}

/* Every edge is drawn once, so circles end. */
static void add_below(
    struct list *list, struct wait_graph *graph, size_t node, const SysEdge *above, int depth) {
    for (size_t i = graph->nodes[node].out; i != WAIT_NONE && depth < DEPTH_MAX;
         i = graph->edges[i].next) {
        struct wait_edge *edge = &graph->edges[i];
        if (edge->drawn || !goes_on(above, edge->row)) continue;
        edge->drawn = true;
        add_edge(list, graph, i, depth);
        add_below(list, graph, edge->to, edge->row, depth + 1);
    }
}

static bool has_more(const struct wait_graph *graph, size_t node) {
    for (size_t i = graph->nodes[node].out; i != WAIT_NONE; i = graph->edges[i].next)
        if (!graph->edges[i].drawn) return true;
    return false;
}

static void add_root(struct list *list, struct wait_graph *graph, size_t node) {
    char name[WAIT_NAME_MAX];
    if (!has_more(graph, node)) return;
    const struct wait_node *at = &graph->nodes[node];
    struct list_row *row =
        list_add(list, at->handle * 31 + (at->process ? at->process->number : 0), NULL);
    if (!row) return;
    list_format(list, row, "waiter", "%s", wait_graph_name(graph, node, name, sizeof name));
    list_style(list, row, "waiter", STYLE_BRIGHT);
    list_text(list, row, "message", "");
    list_text(list, row, "trace", "");
    row->values[2].style = row->values[3].style = STYLE_TRACK;
    add_below(list, graph, node, NULL, 0);
}

/* For scripts: the edges, without the forest. */
static void fill_edges(struct list *list, const struct wait_graph *graph) {
    for (size_t i = 0; i < graph->n_edges; i++)
        add_edge(list, graph, i, 0);
}

/* Circles, then who is waited for by nobody, then what hangs on another request than what is above.
 */
static void fill_forest(struct list *list, struct wait_graph *graph) {
    for (size_t i = 0; i < graph->n_cycles; i++)
        add_root(list, graph, graph->edges[graph->cycles[i]].to);
    for (size_t i = 0; i < graph->n_nodes; i++)
        if (graph->nodes[i].n_in == 0) add_root(list, graph, i);
    for (size_t i = 0; i < graph->n_nodes; i++)
        add_root(list, graph, i);
}

static void fill(struct console *console, unsigned which, struct list *list) {
    struct wait_graph graph;
    if (wait_graph_build(&graph, &console->timeline.model) != STATUS_OK) return;
    if (which == 0)
        fill_forest(list, &graph);
    else
        fill_edges(list, &graph);
    wait_graph_free(&graph);
}

static int draw_cycles(struct console *console, struct screen *screen, struct area area) {
    struct wait_graph graph;
    if (wait_graph_build(&graph, &console->timeline.model) != STATUS_OK) return 0;
    int rows = 0;
    for (size_t i = 0; i < graph.n_cycles && rows < area.height / 3; i++, rows++) {
        char path[1024];
        for (int c = 0; c < area.width; c++)
            screen_rune(screen, area.row + rows, area.column + c, STYLE_ALARM, ' ');
        screen_format(screen, area.row + rows, area.column, STYLE_ALARM, " ▲ call cycle  %s",
                      wait_graph_cycle(&graph, i, path, sizeof path));
    }
    wait_graph_free(&graph);
    return rows;
}

static void draw(struct console *console, struct screen *screen, struct area area) {
    int used = console_complain(console, screen, area, QUESTION_WAITS);
    area.row += used;
    area.height -= used;
    used = draw_cycles(console, screen, area);
    area.row += used;
    area.height -= used;
    console_table(console, screen, area);
    if (console->list.n_rows == 0)
        screen_put(screen, area.row + 1, area.column + 1, STYLE_DIM, "nobody waits for anybody");
}

const struct view view_waits = {
    .name = "waits",
    .questions = 1u << QUESTION_WAITS,
    .hints = "/ search",
    .list_names = {"forest", "edges"},
    .columns = {columns, columns},
    .fill = fill,
    .draw = draw,
    .sort = SIZE_MAX,
};
