/* view_links: who talks to whom: a matrix of processes, as wide as it may be, over the list of
 * links.
 *
 *   FROM \ TO      pd          gateway     worker:9191
 *   gateway        12/s 0.3ms  ·           1.2k/s 0.4ms */
#include <stdio.h>
#include <string.h>

#include "cli/console/console.h"
#include "cli/console/draw.h"
#include "cli/console/units.h"

static const struct column columns[] = {
    {"process", "FROM", VALUE_NAME, 11, 20, 0},
    {"peer", "TO", VALUE_NAME, 11, 20, 0},
    {"state", "STATE", VALUE_TEXT, 5, 0, 0},
    {"security", "KEYS", VALUE_TEXT, 6, 7, 1},
    {"sent_per_second", "OUT/s", VALUE_RATE, 6, 0, 0},
    {"received_per_second", "IN/s", VALUE_RATE, 6, 0, 0},
    {"sent_bytes_per_second", "OUT B/s", VALUE_BYTES, 8, 0, 3},
    {"received_bytes_per_second", "IN B/s", VALUE_BYTES, 8, 0, 3},
    {"rtt_us", "RTT", VALUE_US, 6, 0, 0},
    {"queued_bytes", "QUEUE", VALUE_BYTES, 7, 0, 0},
    {"full", "HWM", VALUE_COUNT, 5, 0, 0},
    {"parked", "PARKED", VALUE_COUNT, 6, 0, 4},
    {"failures", "FAILS", VALUE_COUNT, 5, 0, 1},
    {"refused", "REFUSED", VALUE_COUNT, 7, 0, 4},
    {"bad_frames", "BAD", VALUE_COUNT, 4, 0, 4},
    {"opened", "OPENED", VALUE_FLAG, 6, 0, 5},
    {"last_failure", "LAST FAILURE", VALUE_TEXT, 14, 60, 2},
    {"last_failure_ms", "AT", VALUE_CLOCK, 8, 0, 5},
    {"address", "ADDRESS", VALUE_NAME, 21, 40, 6},
    {0},
};

/* The console's own links say nothing about the cluster. */
static bool ours(const SysLink *link) {
    return strcmp(link->name, "console") == 0 || strcmp(link->name, "tool") == 0;
}

static const char *state_of(const SysLink *link) {
    return link->connected ? "open" : "lost";
}

static void fill_row(struct list *list,
                     struct list_row *row,
                     const struct process *process,
                     const struct link_row *link) {
    const SysLink *told = link->link;
    list_text(list, row, "process", process->label);
    list_text(list, row, "peer", link->peer ? link->peer->label : told->name);
    list_text(list, row, "state", state_of(told));
    list_style(list, row, "state", told->connected ? STYLE_GOOD : STYLE_HOT);
    list_text(list, row, "security", told->security);
    list_style(list, row, "security",
               strcmp(told->security, "refused") == 0 ? STYLE_HOT
               : strcmp(told->security, "curve") == 0 ? STYLE_GOOD
                                                      : STYLE_DIM);
    if (link->rated) {
        list_number(list, row, "sent_per_second", link->sent);
        list_number(list, row, "received_per_second", link->received);
        list_number(list, row, "sent_bytes_per_second", link->sent_bytes);
        list_number(list, row, "received_bytes_per_second", link->received_bytes);
    }
    list_number(list, row, "rtt_us", (double)told->rtt_us);
    list_number(list, row, "queued_bytes", (double)told->queued_bytes);
    list_number(list, row, "full", (double)told->full);
    list_number(list, row, "parked", (double)told->parked);
    list_number(list, row, "failures", (double)told->failures);
    list_number(list, row, "refused", (double)told->refused);
    list_number(list, row, "bad_frames", (double)told->bad_frames);
    list_number(list, row, "opened", told->opened);
    list_text(list, row, "last_failure", told->last_failure);
    if (told->last_failure_ms)
        list_number(list, row, "last_failure_ms", (double)told->last_failure_ms);
    list_text(list, row, "address", told->address);
    if (told->full) list_style(list, row, "full", STYLE_WARM);
    if (told->failures) list_style(list, row, "failures", STYLE_WARM);
    if (told->refused) list_style(list, row, "refused", STYLE_HOT);
    if (told->parked) list_style(list, row, "parked", STYLE_WARM);
}

static void fill(struct console *console, unsigned which, struct list *list) {
    (void)which;
    const struct process *process;
    for (size_t i = 0; (process = console_process(console, i)); i++)
        for (size_t j = 0; process->report && j < process->report->n_links; j++) {
            const struct link_row *link = &process->links[j];
            if (ours(link->link)) continue;
            struct list_row *row = list_add(
                list,
                console_row_id(process, link->link->node << 16 ^ console_hash(link->link->address)),
                link);
            if (row) fill_row(list, row, process, link);
        }
}

/* --- the matrix --- */

enum { CELL_LEAST = 14, CELL_MOST = 22, HEAD_WIDTH = 16, MATRIX_MAX = 32 };

static const struct link_row *link_between(const struct process *from, const struct process *to) {
    const struct link_row *best = NULL;
    for (size_t i = 0; from->report && i < from->report->n_links; i++) {
        const struct link_row *row = &from->links[i];
        if (row->peer != to || ours(row->link)) continue;
        if (!best || (row->link->connected && !best->link->connected)) best = row;
    }
    return best;
}

/* What `from` sends to `to`, as either of them tells it. */
static void draw_cell(struct screen *screen,
                      const struct process *from,
                      const struct process *to,
                      struct area at) {
    const struct link_row *out = link_between(from, to), *in = link_between(to, from);
    const struct link_row *row_of = out ? out : in;
    char rate[UNITS_MAX], rtt[UNITS_MAX], text[64];
    if (from == to || !row_of) {
        screen_field(screen,
                     &(struct field){at.row, at.column, at.width, STYLE_TRACK, .right = false},
                     from == to ? "■" : "·");
        return;
    }
    const SysLink *link = row_of->link;
    bool trouble = !link->connected || strcmp(link->security, "refused") == 0;
    bool strained = link->queued_bytes > 1 << 20 || link->parked > 0;
    double sent = out ? out->sent : in->received;
    if (trouble)
        snprintf(text, sizeof text, "%s", link->connected ? "refused" : "lost");
    else
        snprintf(text, sizeof text, "%.8s/s %.8s", units_count(rate, sent),
                 link->rtt_us ? units_us(rtt, (double)link->rtt_us) : "");
    enum style style = trouble    ? STYLE_HOT
                       : strained ? STYLE_WARM
                       : sent > 0 ? STYLE_GOOD
                                  : STYLE_DIM;
    screen_field(screen, &(struct field){at.row, at.column, at.width, style, .right = false}, text);
}

static int draw_matrix(struct console *console, struct screen *screen, struct area area) {
    const struct process *processes[MATRIX_MAX];
    int n = 0;
    while (n < MATRIX_MAX && (processes[n] = console_process(console, (size_t)n)))
        n++;
    int wide = n ? (area.width - HEAD_WIDTH) / n : 0;
    if (n < 2 || wide < CELL_LEAST || n + 6 > area.height) return 0;
    if (wide > CELL_MOST) wide = CELL_MOST;
    struct field head = {area.row, area.column + 1, HEAD_WIDTH - 2, STYLE_HEAD, .right = false};
    screen_field(screen, &head, "FROM ╲ TO");
    for (int i = 0; i < n; i++) {
        struct area at = {area.row + 1 + i, area.column + HEAD_WIDTH, 1, wide - 1};
        struct field top = {area.row, at.column + i * wide, wide - 1, STYLE_HEAD, .middle = true};
        struct field side = {at.row, area.column + 1, HEAD_WIDTH - 2, STYLE_BRIGHT, .middle = true};
        if (processes[i]->status != STATUS_OK) side.style = STYLE_HOT;
        screen_field(screen, &top, processes[i]->label);
        screen_field(screen, &side, processes[i]->label);
        for (int j = 0; j < n; j++, at.column += wide)
            draw_cell(screen, processes[i], processes[j], at);
    }
    return n + 2;
}

static void draw(struct console *console, struct screen *screen, struct area area) {
    int used = draw_matrix(console, screen, area);
    area.row += used;
    area.height -= used;
    console_table(console, screen, area);
    if (console->list.n_rows == 0)
        screen_put(screen, area.row + 1, area.column + 1, STYLE_DIM,
                   "no links between processes: they are one, or nobody called another yet");
}

const struct view view_links = {
    .name = "links",
    .hints = "/ search  s sort",
    .list_names = {"links"},
    .columns = {columns},
    .fill = fill,
    .draw = draw,
    .sort = SIZE_MAX,
};
