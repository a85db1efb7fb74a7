/* view_actors: every actor of every process: ordered by what hurts, or as the tree of supervisors.
 */
#include <stdio.h>
#include <string.h>

#include "cli/console/console.h"
#include "cli/console/draw.h"
#include "runtime/memory.h"

enum { TREE_DEPTH_MAX = 16, DEPTH_COLUMN = 4, BUSY_COLUMN = 7 };

static const struct column columns[] = {
    {"actor", "ACTOR", VALUE_NAME, 16, 44, 0},
    {"process", "PROCESS", VALUE_NAME, 9, 16, 0},
    {"kind", "KIND", VALUE_TEXT, 9, 12, 6},
    {"lane", "LANE", VALUE_COUNT, 4, 0, 5},
    {"depth", "DEPTH", VALUE_COUNT, 6, 0, 0},
    {"oldest_us", "OLDEST", VALUE_US, 6, 0, 1},
    {"received_per_second", "MSG/s", VALUE_RATE, 6, 0, 0},
    {"busy_share", "BUSY", VALUE_BAR, 10, 18, 0},
    {"mailbox_p99_us", "WAITp99", VALUE_US, 7, 0, 0},
    {"handler_p99_us", "RUNp99", VALUE_US, 7, 0, 0},
    {"mailbox_p50_us", "WAITp50", VALUE_US, 7, 0, 7},
    {"handler_p50_us", "RUNp50", VALUE_US, 7, 0, 7},
    {"restarts", "RST", VALUE_COUNT, 4, 0, 2},
    {"doing", "STATE", VALUE_TEXT, 7, 24, 3},
    {"operation", "NOW", VALUE_TEXT, 9, 18, 6},
    {"refused_per_second", "REFUSED", VALUE_RATE, 7, 0, 6},
    {"failed_per_second", "FAILED/s", VALUE_RATE, 8, 0, 7},
    {"depth_max", "MAX", VALUE_COUNT, 5, 0, 7},
    {"bytes", "BYTES", VALUE_BYTES, 7, 0, 7},
    {"received", "received", VALUE_COUNT, 0, 0, -1},
    {"sent", "sent", VALUE_COUNT, 0, 0, -1},
    {"supervisor", "supervisor", VALUE_NAME, 0, 0, -1},
    {"light", "light", VALUE_FLAG, 0, 0, -1},
    {"handle", "handle", VALUE_ID, 0, 0, -1},
    {0},
};

static void fill_rates(struct list *list, struct list_row *row, const struct actor_row *actor) {
    if (!actor->rated) return;
    list_number(list, row, "received_per_second", actor->received);
    list_number(list, row, "busy_share", actor->busy);
    list_number(list, row, "refused_per_second", actor->refused);
    list_number(list, row, "failed_per_second", actor->failed);
    if (actor->refused > 0) list_style(list, row, "refused_per_second", STYLE_HOT);
    if (actor->failed > 0) list_style(list, row, "failed_per_second", STYLE_WARM);
}

static void fill_times(struct list *list, struct list_row *row, const struct actor_row *actor) {
    if (actor->mailbox_p99 > 0) {
        list_number(list, row, "mailbox_p50_us", actor->mailbox_p50);
        list_number(list, row, "mailbox_p99_us", actor->mailbox_p99);
    }
    if (actor->handler_p99 > 0) {
        list_number(list, row, "handler_p50_us", actor->handler_p50);
        list_number(list, row, "handler_p99_us", actor->handler_p99);
    }
    if (actor->mailbox_p99 > 100e3) list_style(list, row, "mailbox_p99_us", STYLE_WARM);
    if (actor->handler_p99 > 10e3) list_style(list, row, "handler_p99_us", STYLE_WARM);
}

static void fill_row(struct list *list, struct list_row *row, const struct actor_row *actor) {
    const SysActor *told = actor->actor;
    list_text(list, row, "actor", *told->name ? told->name : told->kind);
    list_text(list, row, "process", actor->process->label);
    list_text(list, row, "kind", told->kind);
    list_number(list, row, "lane", told->lane);
    list_number(list, row, "depth", told->depth);
    list_number(list, row, "oldest_us", (double)told->oldest_us);
    list_number(list, row, "restarts", told->restarts);
    list_text(list, row, "doing", told->doing);
    list_text(list, row, "operation", told->operation);
    list_number(list, row, "depth_max", told->depth_max);
    list_number(list, row, "bytes", (double)told->bytes);
    list_number(list, row, "received", (double)told->received);
    list_number(list, row, "sent", (double)told->sent);
    list_text(list, row, "supervisor", told->supervisor);
    list_number(list, row, "light", told->light);
    list_id(list, row, "handle", told->handle);
    fill_rates(list, row, actor);
    fill_times(list, row, actor);
    list_style(list, row, "process", STYLE_DIM);
    if (told->light) list_style(list, row, "actor", STYLE_DIM);
    if (told->depth >= 100) list_style(list, row, "depth", STYLE_WARM);
    if (actor->growing_ms) list_style(list, row, "depth", STYLE_HOT);
    if (told->oldest_us > 1000000) list_style(list, row, "oldest_us", STYLE_HOT);
    if (*told->doing) list_style(list, row, "doing", STYLE_WARM);
    if (told->restarts) list_style(list, row, "restarts", STYLE_WARM);
}

static bool shown(const struct console *console, const struct process *process) {
    if (process->same || !process->n_actors) return false;
    return !console->only || strcmp(console->only, process->address) == 0;
}

static struct list_row *add(struct list *list, const struct actor_row *actor) {
    struct list_row *row =
        list_add(list, console_row_id(actor->process, actor->actor->handle), actor);
    if (row) fill_row(list, row, actor);
    return row;
}

/* --- as a tree --- */

struct family {
    uint32_t first_child, next_sister; /* rows + 1; 0: none */
};

static void add_family(struct list *list,
                       const struct process *process,
                       const struct family *family,
                       uint32_t at,
                       int depth) {
    for (; at && depth < TREE_DEPTH_MAX; at = family[at - 1].next_sister) {
        struct list_row *row = add(list, &process->actors[at - 1]);
        if (row) row->indent = 2 * depth;
        add_family(list, process, family, family[at - 1].first_child, depth + 1);
    }
}

static uint32_t find(const struct process *process, const char *name) {
    const struct actor_row *row = *name ? model_actor(process, name) : NULL;
    return row ? (uint32_t)(row - process->actors) + 1 : 0;
}

/* Whoever leads up to no root (a circle can only come from a broken process) is left out. */
static void add_tree(struct list *list, const struct process *process) {
    struct family *family = mem_zero(process->n_actors + 1, sizeof *family);
    if (!family) return;
    uint32_t roots = 0;
    const char *last = "";
    uint32_t last_parent = 0;
    for (size_t i = process->n_actors; i > 0; i--) {
        const char *supervisor = process->actors[i - 1].actor->supervisor;
        uint32_t parent = strcmp(supervisor, last) == 0 ? last_parent : find(process, supervisor);
        last = supervisor;
        last_parent = parent;
        uint32_t *head = parent && parent != i ? &family[parent - 1].first_child : &roots;
        family[i - 1].next_sister = *head;
        *head = (uint32_t)i;
    }
    add_family(list, process, family, roots, 0);
    mem_free(family);
}

static void fill(struct console *console, unsigned which, struct list *list) {
    (void)which;
    const struct process *process;
    for (size_t i = 0; (process = console_process(console, i)); i++) {
        if (!shown(console, process)) continue;
        if (console->tree) {
            add_tree(list, process);
            continue;
        }
        for (size_t j = 0; j < process->n_actors; j++)
            add(list, &process->actors[j]);
    }
    /* Most mailboxes are empty: among those the busiest first. */
    if (!console->tree) list_sort(list, BUSY_COLUMN, true);
}

static void open(struct console *console, const struct list_row *row) {
    const struct actor_row *actor = row->about;
    console_show_actor(console, actor->process->address, actor->actor->name);
}

static bool key(struct console *console, int key) {
    struct list_state *state = &console->states[VIEW_ACTORS];
    if (key != 't') return false;
    console->tree = !console->tree;
    state->sort = console->tree ? SIZE_MAX : DEPTH_COLUMN;
    state->descending = true;
    return true;
}

static void draw(struct console *console, struct screen *screen, struct area area) {
    if (console->only) {
        const struct process *process = model_process(&console->timeline.model, console->only);
        int at = screen_format(screen, area.row, area.column, STYLE_DIM, " actors of ");
        at += screen_format(screen, area.row, at, STYLE_BRIGHT, "%s",
                            process ? process->label : console->only);
        screen_put(screen, area.row, at, STYLE_DIM, "  (esc: of all)");
        area.row++;
        area.height--;
    }
    console_table(console, screen, area);
    if (console->list.n_rows == 0)
        screen_put(screen, area.row + 1, area.column + 1, STYLE_DIM,
                   *console->search ? "no actor is called so" : "no answer yet");
}

const struct view view_actors = {
    .name = "actors",
    .questions = 1u << QUESTION_ACTORS,
    .hints = "enter open  / search  s sort  S reverse  t tree",
    .list_names = {"actors"},
    .columns = {columns},
    .fill = fill,
    .draw = draw,
    .open = open,
    .key = key,
    .sort = DEPTH_COLUMN,
    .descending = true,
};
