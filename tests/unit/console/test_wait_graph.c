/* Who waits for whom, over processes; circles. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "cli/console/wait_graph.h"
#include "runtime/handle.h"
#include "tests/unit/console/scene.h"

static struct console *console;
static struct wait_graph graph;

static void set_up(void) {
    console = calloc(1, sizeof *console);
    cr_assert_eq(console_init(console, 64 << 20), STATUS_OK);
}
static void tear_down(void) {
    wait_graph_free(&graph);
    console_free(console);
    free(console);
}
TestSuite(wait_graph, .init = set_up, .fini = tear_down);

Test(wait_graph, joins_processes_and_finds_the_circle) {
    scene_play(console);
    cr_assert_eq(wait_graph_build(&graph, &console->timeline.model), STATUS_OK);
    cr_expect_eq(graph.n_edges, 4);
    cr_expect_eq(graph.n_nodes, 3, "an actor is one, whoever speaks of it");
    cr_assert_eq(graph.n_cycles, 1);
    char text[256];
    cr_expect_str_eq(wait_graph_cycle(&graph, 0, text, sizeof text),
                     "router@gateway → shard/1@worker:10.0.0.2 → router@gateway");
}

/* Edges "ab": a waits for b. Handles are their letters. */
static void build(const char *const *edges, uint64_t since_us) {
    SysEdge rows[64], *list[64];
    SysWaits waits = SYS_WAITS__INIT;
    for (; *edges; edges++) {
        rows[waits.n_edges] = (SysEdge)SYS_EDGE__INIT;
        rows[waits.n_edges].from_handle = handle_make(0, (uint32_t)(*edges)[0], 1);
        rows[waits.n_edges].to_handle = handle_make(0, (uint32_t)(*edges)[1], 1);
        rows[waits.n_edges].since_us = since_us;
        list[waits.n_edges] = &rows[waits.n_edges];
        waits.n_edges++;
    }
    waits.edges = list;
    scene_second(console, 1);
    scene_take(&console->timeline.model,
               scene_event(SCENE_MS, PD, QUESTION_WAITS, "", &waits.base));
    wait_graph_free(&graph);
    cr_assert_eq(wait_graph_build(&graph, &console->timeline.model), STATUS_OK);
}

static const struct {
    const char *name;
    const char *edges[10];
    size_t cycles;
} rows[] = {
    {"nothing", {0}, 0},
    {"a chain", {"ab", "bc", "cd"}, 0},
    {"a diamond", {"ab", "ac", "bd", "cd"}, 0},
    {"itself", {"aa"}, 1},
    {"two", {"ab", "ba"}, 1},
    {"a long one with a tail", {"xa", "ab", "bc", "cd", "da", "dz"}, 1},
    {"two apart", {"ab", "ba", "cd", "dc"}, 2},
    {"two with one actor", {"ab", "ba", "ac", "ca"}, 2},
    {"the same edge twice", {"ab", "ab", "bc"}, 0},
};

Test(wait_graph, circles) {
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        build(rows[i].edges, 2000000);
        cr_expect_eq(graph.n_cycles, rows[i].cycles, "%s: %zu", rows[i].name, graph.n_cycles);
        for (size_t c = 0; c < graph.n_cycles; c++) {
            char text[4096];
            const char *path = wait_graph_cycle(&graph, c, text, sizeof text);
            cr_expect(strstr(path, "→"), "%s", path);
        }
    }
}

Test(wait_graph, a_young_circle_is_no_alarm) {
    static const char *const edges[] = {"ab", "ba", NULL};
    build(edges, 1000);
    cr_expect_eq(graph.n_cycles, 0);
}
