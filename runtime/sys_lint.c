/* sys_lint: once a second sys has every lane look at its actors (lint.c), and looks itself at what
 * no lane sees alone:
 *
 *     unbalanced_lanes  one lane of a kind has all the work, for ten looks
 *     call_cycle        calls that wait for each other, older than a second
 *     memory            the watermark is reached
 *     link_lost         a process that we connected to is gone
 *
 * Between the looks nothing runs, so a sleeping process stays asleep for all but a moment of each
 * second. */
#include <stdio.h>
#include <string.h>

#include "runtime/assert.h"
#include "runtime/link.h"
#include "runtime/lint.h"
#include "runtime/sys_state.h"
#include "runtime/watermark.h"

enum {
    BUSY_HIGH = 80, /* percent */
    BUSY_APART = 60,
    EDGE_OLD_US = 1000 * 1000,
    PATH_MAX_EDGES = 64,
    LINK_GONE_LOOKS = 600, /* then nobody misses it any more */
    MEMORY_CALM_PERCENT = 95,
    REFUSED_CALM_MS = 60 * 1000,
};

/* --- lanes that have too much
 * ----------------------------------------------------------------------- */

struct load {
    uint32_t lanes, high, low;
};

static uint32_t busy_percent(struct lane_load *was, const SysLinted *now) {
    uint64_t busy = now->busy_us - was->busy_us, time = now->clock_us - was->clock_us;
    bool first = was->clock_us == 0;
    *was = (struct lane_load){now->busy_us, now->clock_us};
    if (first || time == 0) return 0;
    uint64_t percent = busy * 100 / time;
    return percent < 100 ? (uint32_t)percent : 100;
}

static void judge_loads(struct core *core, struct sys_lint *lint, const struct load loads[2]) {
    static const char *const kinds[] = {[LANE_IO] = "io lanes", [LANE_COMPUTE] = "compute lanes"};
    for (int kind = 0; kind < 2; kind++) {
        const struct load *load = &loads[kind];
        bool apart =
            load->lanes > 1 && load->high >= BUSY_HIGH && load->high - load->low >= BUSY_APART;
        lint->apart[kind] = apart ? lint->apart[kind] + 1 : 0;
        if (lint->apart[kind] >= LINT_LOOKS)
            alarm_raise(core, "unbalanced_lanes", kinds[kind],
                        "one is busy for %u %% of the time, another for %u %%", load->high,
                        load->low);
        else if (!apart)
            alarm_clear(core, "unbalanced_lanes", kinds[kind]);
    }
}

static void look_at_lanes(struct turn *turn, struct gathering *gathering, struct sys_lint *lint) {
    struct load loads[2] = {{.low = 100}, {.low = 100}};
    for (uint32_t i = 0; i < gathering->n && i < TABLE_LANES_MAX; i++) {
        const SysLinted *part =
            (SysLinted *)sys_answer(turn, gathering, i, &sys_linted__descriptor);
        if (!part) continue;
        struct load *load = &loads[turn->core->lanes[i].kind];
        uint32_t percent = busy_percent(&lint->loads[i], part);
        load->lanes++;
        if (percent > load->high) load->high = percent;
        if (percent < load->low) load->low = percent;
    }
    judge_loads(turn->core, lint, loads);
}

/* --- calls that wait for each other
 * ---------------------------------------------------------------- */

struct graph {
    SysEdge **edges;
    size_t n;
    unsigned char *seen; /* an edge: 1 on the way, 2 leads into no cycle */
    size_t path[PATH_MAX_EDGES];
    size_t depth;
};

/* Follows calls from this edge; true: the path from `from` on is a cycle. */
static bool follow(struct graph *graph, size_t edge, size_t *from) {
    if (graph->depth == PATH_MAX_EDGES) return false;
    graph->seen[edge] = 1;
    graph->path[graph->depth++] = edge;
    for (size_t i = 0; i < graph->n; i++) {
        if (graph->edges[i]->from_handle != graph->edges[edge]->to_handle) continue;
        if (graph->seen[i] == 1) {
            for (*from = 0; graph->path[*from] != i; ++*from) {
            }
            return true;
        }
        if (graph->seen[i] == 0 && follow(graph, i, from)) return true;
    }
    graph->seen[edge] = 2;
    graph->depth--;
    return false;
}

static void collect_edges(struct turn *turn, struct gathering *gathering, struct graph *graph) {
    graph->edges = SYS_LIST(turn, SYS_EDGES_MAX, SysEdge);
    graph->seen = turn_alloc(turn, SYS_EDGES_MAX);
    for (uint32_t i = 0; graph->edges && graph->seen && i < gathering->n; i++) {
        const SysLinted *part =
            (SysLinted *)sys_answer(turn, gathering, i, &sys_linted__descriptor);
        for (size_t j = 0; part && j < part->n_old && graph->n < SYS_EDGES_MAX; j++)
            if (part->old[j]->to_peer == 0) graph->edges[graph->n++] = part->old[j];
    }
}

static void look_for_cycles(struct turn *turn, struct gathering *gathering, struct sys_lint *lint) {
    struct graph graph = {.n = 0};
    size_t from = 0;
    bool found = false;
    collect_edges(turn, gathering, &graph);
    for (size_t i = 0; i < graph.n && !found; i++)
        if (graph.seen[i] == 0) found = follow(&graph, i, &from);
    if (!found) {
        if (*lint->cycle) alarm_clear(turn->core, "call_cycle", lint->cycle);
        lint->cycle[0] = '\0';
        return;
    }
    const SysEdge *first = graph.edges[graph.path[from]];
    char words[ALARM_TEXT_MAX];
    size_t used = (size_t)snprintf(words, sizeof words, "%s", first->from);
    for (size_t i = from; i < graph.depth && used < sizeof words; i++)
        used += (size_t)snprintf(words + used, sizeof words - used, " waits for %s",
                                 graph.edges[graph.path[i]]->to);
    if (*lint->cycle && strcmp(lint->cycle, first->from) != 0)
        alarm_clear(turn->core, "call_cycle", lint->cycle);
    snprintf(lint->cycle, sizeof lint->cycle, "%s", first->from);
    alarm_raise(turn->core, "call_cycle", first->from, "%s", words);
}

/* --- the process
 * ----------------------------------------------------------------------------------- */

static void look_at_memory(struct core *core) {
    const struct watermark mark = watermark_now();
    if (mark.limit && mark.used >= mark.limit)
        alarm_raise(core, "memory", "",
                    "%llu MB of %llu MB are in use: points and large bodies are refused",
                    (unsigned long long)(mark.used >> 20), (unsigned long long)(mark.limit >> 20));
    else if (!mark.limit || mark.used < mark.limit / 100 * MEMORY_CALM_PERCENT)
        alarm_clear(core, "memory", "");
}

static struct lint_link *find_link(struct sys_lint *lint, const char *address) {
    struct lint_link *free = NULL;
    for (size_t i = 0; i < SYS_LINT_LINKS; i++) {
        struct lint_link *link = &lint->links[i];
        if (strcmp(link->address, address) == 0) return link;
        if (!*link->address) free = link;
    }
    if (free) snprintf(free->address, sizeof free->address, "%s", address);
    return free;
}

static void look_at_links(struct core *core, struct sys_lint *lint) {
    struct link_peer peer;
    for (size_t i = 0; i < SYS_LINT_LINKS; i++)
        lint->links[i].there = false;
    for (size_t i = 0; core->driver->peer(core, i, &peer); i++) {
        if (!peer.opened || !peer.connected || !*peer.address) continue;
        struct lint_link *link = find_link(lint, peer.address);
        if (link) link->there = true;
    }
    for (size_t i = 0; i < SYS_LINT_LINKS; i++) {
        struct lint_link *link = &lint->links[i];
        if (!*link->address) continue;
        link->gone = link->there ? 0 : link->gone + 1;
        if (link->gone == 1)
            alarm_raise(core, "link_lost", link->address, "the process there does not answer");
        if (link->gone == 0 || link->gone > LINK_GONE_LOOKS)
            alarm_clear(core, "link_lost", link->address);
        if (link->gone > LINK_GONE_LOOKS) *link = (struct lint_link){.gone = 0};
    }
}

/* --- each second
 * ----------------------------------------------------------------------------------- */

static void look(void *self, void *context, struct turn *turn);

static void finish(struct gathering *gathering, struct turn *turn) {
    struct sys_lint *lint = sys_lint(gathering->sys);
    look_at_lanes(turn, gathering, lint);
    look_for_cycles(turn, gathering, lint);
}

static void look(void *self, void *context, struct turn *turn) {
    (void)context;
    SysLint question = SYS_LINT__INIT;
    look_at_memory(turn->core);
    look_at_links(turn->core, sys_lint(self));
    alarm_calm(turn->core, "link_refused", REFUSED_CALM_MS);
    enum status s = sys_gather(self, turn, &question.base, finish);
    if (s != STATUS_OK) turn_note(turn, "no look at the lanes: %s", status_name(s));
    turn_timer(turn, LINT_EVERY_US, look, NULL);
}

void sys_lint_start(struct turn *turn) {
    if (turn->core->linting) turn_timer(turn, LINT_EVERY_US, look, NULL);
}

enum status sys_lane_lint(struct turn *turn) {
    SysLinted *linted = turn_new(turn, SysLinted, sys_linted);
    struct lane *lane = turn->lane;
    lint_lane(lane);
    linted->busy_us = lane->busy_us;
    linted->clock_us = lane->now_us;
    if (lane->waits.calls > 0) {
        const SysWaits *waits = sys_lane_waits(turn);
        linted->old = waits->edges;
        while (linted->n_old < waits->n_edges &&
               waits->edges[linted->n_old]->since_us > EDGE_OLD_US)
            linted->n_old++;
    }
    turn_reply(turn, &linted->base);
    return STATUS_OK;
}
