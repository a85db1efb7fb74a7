/* view_cluster: a block a process: what it is, how long it runs, what it uses, how busy its lanes
 * are.
 *
 *   ● worker:9191   worker 0.1.0   up 3h12m   12.3k/s ▂▃▅▇▅▃  cpu 43%  mem ███···· 181 MB
 *      io 1      ██████▍·········· 43%  12.3k/s    compute 1  ████············ 25%   310/s */
#include <stdio.h>
#include <string.h>

#include "cli/console/console.h"
#include "cli/console/draw.h"
#include "cli/console/units.h"

static const struct column process_columns[] = {
    {"process", "PROCESS", VALUE_NAME, 16, 30, 0},
    {"address", "LINK", VALUE_NAME, 20, 40, 4},
    {"role", "ROLE", VALUE_TEXT, 8, 0, 2},
    {"version", "VERSION", VALUE_TEXT, 8, 0, 2},
    {"state", "STATE", VALUE_TEXT, 9, 0, 0},
    {"uptime_us", "UP", VALUE_US, 6, 0, 1},
    {"busy_share", "LANES", VALUE_BAR, 14, 20, 0},
    {"turns_per_second", "TURNS/s", VALUE_RATE, 8, 0, 0},
    {"cpu_share", "CPU", VALUE_SHARE, 5, 0, 1},
    {"rss_bytes", "MEMORY", VALUE_BYTES, 8, 0, 0},
    {"memory_limit_bytes", "LIMIT", VALUE_BYTES, 8, 0, 4},
    {"memory_used_bytes", "USED", VALUE_BYTES, 8, 0, 4},
    {"actors", "ACTORS", VALUE_COUNT, 6, 0, 1},
    {"dead_letters", "DEAD", VALUE_COUNT, 6, 0, 3},
    {"answer_us", "ANSWER", VALUE_US, 7, 0, 3},
    {0},
};
static const struct column lane_columns[] = {
    {"process", "PROCESS", VALUE_NAME, 16, 30, 0},
    {"lane", "LANE", VALUE_COUNT, 4, 0, 0},
    {"kind", "KIND", VALUE_TEXT, 8, 0, 0},
    {"busy_share", "BUSY", VALUE_BAR, 14, 30, 0},
    {"turns_per_second", "TURNS/s", VALUE_RATE, 8, 0, 0},
    {"wakes_per_second", "WAKES/s", VALUE_RATE, 8, 0, 1},
    {"longest_turn_us", "LONGEST", VALUE_US, 8, 0, 0},
    {"ready", "READY", VALUE_COUNT, 6, 0, 1},
    {"actors", "ACTORS", VALUE_COUNT, 6, 0, 1},
    {"trunk_full", "TRUNK FULL", VALUE_COUNT, 10, 0, 2},
    {0},
};

static const char *role_of(const struct process *process) {
    return *process->report->role ? process->report->role : process->report->node;
}

static const char *state_of(const struct process *process) {
    return process->status == STATUS_OK          ? "up"
           : process->status == STATUS_NOT_READY ? "asked"
           : process->report                     ? "lost"
                                                 : "no answer";
}

static void fill_process(struct list *list, const struct process *process) {
    struct list_row *row = list_add(list, process->number, process);
    const SysReport *report = process->report;
    list_text(list, row, "process", process->label);
    list_text(list, row, "address", process->address);
    list_text(list, row, "state", state_of(process));
    if (!report) return;
    list_text(list, row, "role", role_of(process));
    list_text(list, row, "version", report->version);
    list_number(list, row, "uptime_us", (double)report->uptime_ms * 1000);
    if (process->rated) {
        list_number(list, row, "busy_share", process->busy);
        list_number(list, row, "turns_per_second", process->turns);
        if (report->cpu_us) list_number(list, row, "cpu_share", process->cpu);
    }
    list_number(list, row, "rss_bytes", (double)report->rss_bytes);
    list_number(list, row, "memory_limit_bytes", (double)report->memory_limit);
    list_number(list, row, "memory_used_bytes", (double)report->memory_used);
    list_number(list, row, "actors", report->actors_total);
    list_number(list, row, "dead_letters", (double)report->dead_letters);
    list_number(list, row, "answer_us", (double)process->held->took_us);
}

static void
fill_lane(struct list *list, const struct process *process, const struct lane_row *lane) {
    struct list_row *row = list_add(list, console_row_id(process, lane->lane->lane), lane);
    list_text(list, row, "process", process->label);
    list_number(list, row, "lane", lane->lane->lane);
    list_text(list, row, "kind", lane->lane->kind);
    if (lane->rated) {
        list_number(list, row, "busy_share", lane->busy);
        list_number(list, row, "turns_per_second", lane->turns);
        list_number(list, row, "wakes_per_second", lane->wakes);
    }
    list_number(list, row, "longest_turn_us", (double)lane->lane->stall_max_us);
    list_number(list, row, "ready", lane->lane->ready);
    list_number(list, row, "actors", lane->lane->actors);
    list_number(list, row, "trunk_full", (double)lane->lane->trunk_full);
}

static void fill(struct console *console, unsigned which, struct list *list) {
    const struct process *process;
    for (size_t i = 0; (process = console_process(console, i)); i++) {
        if (which == 0) fill_process(list, process);
        for (size_t j = 0; which == 1 && process->report && j < process->report->n_lanes; j++)
            fill_lane(list, process, &process->lanes[j]);
    }
}

/* --- drawing --- */

enum { LANE_WIDTH_LEAST = 36, LANE_INDENT = 3, SPARK_LEAST = 4, SPARK_MOST = 40 };
enum {
    HILL_ROWS_LEAST = 4,
    HILL_ROWS_MAX = 10,
    ONCE_ROWS = 1000 /* a page without an end: --once */
};

static unsigned lanes_a_row(int width) {
    unsigned n = (unsigned)(width - LANE_INDENT) / LANE_WIDTH_LEAST;
    return n < 1 ? 1 : n;
}

static int block_rows(const struct process *process, int width) {
    if (!process->report || process->status != STATUS_OK) return 2;
    unsigned across = lanes_a_row(width);
    return 2 + (int)((process->report->n_lanes + across - 1) / across);
}

static void
draw_lane(struct screen *screen, const struct lane_row *lane, int row, int column, int width) {
    char rate[UNITS_MAX], share[UNITS_MAX], name[UNITS_MAX];
    snprintf(name, sizeof name, "%.10s %u", lane->lane->kind, lane->lane->lane);
    screen_field(screen, &(struct field){row, column, 11, STYLE_DIM, .right = false}, name);
    if (!lane->rated) return;
    int bar = width - 11 - 5 - 8 - 2;
    draw_bar(screen, &(struct bar){row, column + 11, bar, lane->busy, draw_heat(lane->busy)});
    int at = column + 11 + bar;
    screen_field(
        screen,
        &(struct field){row, at, 5, lane->busy > 0.6 ? STYLE_WARM : STYLE_PLAIN, .right = true},
        units_share(share, lane->busy));
    snprintf(name, sizeof name, "%.16s/s", units_count(rate, lane->turns));
    screen_field(screen, &(struct field){row, at + 5, 8, STYLE_DIM, .right = true}, name);
}

/* From the right border: memory, CPU, load. Returns the column where it begins. */
static int draw_use(struct screen *screen, const struct process *process, int row, int left) {
    const SysReport *report = process->report;
    char text[UNITS_MAX], limit[UNITS_MAX];
    int at = screen->width - 1;
    if (report->memory_limit && screen->width >= 100) { /* ▏···· of 20.0 GB */
        double share = (double)report->memory_used / (double)report->memory_limit;
        units_bytes(limit, (double)report->memory_limit);
        at -= 8;
        screen_field(screen, &(struct field){row, at, 8, STYLE_DIM, .right = false}, limit);
        at -= 3;
        screen_put(screen, row, at, STYLE_DIM, "of");
        at -= 10;
        draw_bar(screen, &(struct bar){row, at, 9, share, draw_heat(share)});
        at -= 1;
    }
    at -= 8;
    units_bytes(text, (double)report->rss_bytes);
    screen_field(screen, &(struct field){row, at, 8, STYLE_PLAIN, .right = true}, text);
    at -= 4;
    screen_put(screen, row, at, STYLE_DIM, "mem");
    if (process->rated && report->cpu_us) {
        at -= 5;
        screen_field(screen, &(struct field){row, at, 4, STYLE_PLAIN, .right = true},
                     units_share(text, process->cpu));
        at -= 4;
        screen_put(screen, row, at, STYLE_DIM, "cpu");
    }
    if (!process->rated || at - 9 < left) return at;
    int spark = at - left - 11 < SPARK_MOST ? at - left - 11 : SPARK_MOST;
    if (spark >= SPARK_LEAST) {
        at -= spark + 1;
        draw_spark(screen, &(struct spark){row, at, spark, process->turns_series.values,
                                           process->turns_series.n, 0, STYLE_COOL});
    }
    at -= 9;
    char rate[UNITS_MAX];
    snprintf(rate, sizeof rate, "%.16s/s", units_count(text, process->turns));
    screen_field(screen, &(struct field){row, at, 8, STYLE_BRIGHT, .right = true}, rate);
    return at;
}

static void draw_process(struct console *console,
                         struct screen *screen,
                         const struct process *process,
                         struct area at) {
    const SysReport *report = process->report;
    bool up = process->status == STATUS_OK;
    enum style mark = up ? STYLE_GOOD : process->status == STATUS_NOT_READY ? STYLE_DIM : STYLE_HOT;
    int column = at.column + screen_put(screen, at.row, at.column, mark, up ? " ● " : " ○ ");
    int wide = screen->width >= 100 ? 24 : 15;
    screen_field(screen, &(struct field){at.row, column, wide, STYLE_BRIGHT, .middle = true},
                 process->label);
    column += wide + 1;
    if (!up) {
        char ago[UNITS_MAX];
        column += screen_format(screen, at.row, column, mark, "%s ", state_of(process));
        if (process->heard_ms)
            column += screen_format(
                screen, at.row, column, STYLE_DIM, "for %s ",
                units_us(ago, (double)(console_now_ms(console) - process->heard_ms) * 1000));
        column += screen_format(
            screen, at.row, column, STYLE_DIM, "%s %s ",
            process->status == STATUS_NOT_READY ? "" : status_name(process->status), process->text);
        screen_format(screen, at.row, column, STYLE_DIM, "%s", process->address);
        return;
    }
    char uptime[UNITS_MAX];
    column +=
        screen_format(screen, at.row, column, STYLE_DIM, "%.12s %.12s up %s", role_of(process),
                      report->version, units_uptime(uptime, report->uptime_ms));
    draw_use(screen, process, at.row, column);
    unsigned across = lanes_a_row(at.width);
    int width = (at.width - LANE_INDENT) / (int)across;
    for (size_t i = 0; i < report->n_lanes; i++)
        draw_lane(screen, &process->lanes[i], at.row + 1 + (int)(i / across),
                  LANE_INDENT + (int)(i % across) * width, width);
}

/* Blocks have heights of their own, so which one is the first is found by adding up from the
 * picked. */
static size_t first_block(struct console *console, int width, int height) {
    const struct list *list = &console->list;
    struct list_state *state = &console->states[VIEW_CLUSTER];
    size_t picked = 0;
    list_picked(list, state);
    while (picked < list->n_rows && list->rows[picked].id != state->picked)
        picked++;
    if (state->top > picked) state->top = picked;
    for (int rows = 0; state->top < picked; state->top++) {
        rows = 0;
        for (size_t i = state->top; i <= picked; i++)
            rows += block_rows(list->rows[i].about, width);
        if (rows - 1 <= height) break;
    }
    return state->top;
}

/* The last minutes of all processes together, sample by sample from the newest. */
struct sums {
    float turns[SERIES_MAX], busy[SERIES_MAX];
    size_t n;
};

static void add_up(const struct console *console, struct sums *sums) {
    const struct process *process;
    size_t processes = 0;
    *sums = (struct sums){.n = 0};
    for (size_t i = 0; (process = console_process(console, i)); i++) {
        size_t n = process->turns_series.n;
        if (process->status != STATUS_OK || n == 0) continue;
        processes++;
        if (n > sums->n) sums->n = n;
        for (size_t j = 0; j < n; j++) {
            sums->turns[SERIES_MAX - n + j] += process->turns_series.values[j];
            sums->busy[SERIES_MAX - n + j] += process->busy_series.values[j];
        }
    }
    for (size_t j = 0; processes && j < SERIES_MAX; j++)
        sums->busy[j] /= (float)processes;
}

/* Where rows are left below the blocks. */
static void draw_sums(const struct console *console, struct screen *screen, struct area area) {
    struct sums sums;
    char text[UNITS_MAX], note[2 * UNITS_MAX];
    add_up(console, &sums);
    if (area.height > HILL_ROWS_MAX) {
        area.row += area.height - HILL_ROWS_MAX;
        area.height = HILL_ROWS_MAX;
    }
    int half = area.width / 2;
    const float *turns = sums.turns + SERIES_MAX - sums.n, *busy = sums.busy + SERIES_MAX - sums.n;
    float most = 0;
    for (size_t i = 0; i < sums.n; i++)
        if (turns[i] > most) most = turns[i];
    snprintf(note, sizeof note, "top %s/s", units_count(text, (double)most));
    draw_rule(screen, &(struct rule){area.row, area.column, half - 1, "turns", note});
    snprintf(note, sizeof note, "now %s", units_share(text, sums.n ? (double)busy[sums.n - 1] : 0));
    draw_rule(screen,
              &(struct rule){area.row, area.column + half, area.width - half, "lanes busy", note});
    struct area left = {area.row + 1, area.column + 1, area.height - 1, half - 3};
    struct area right = {area.row + 1, area.column + half + 1, area.height - 1,
                         area.width - half - 2};
    draw_hill(screen, &(struct hill){left, turns, sums.n, 0, STYLE_COOL});
    draw_hill(screen, &(struct hill){right, busy, sums.n, 1, STYLE_GOOD});
}

static void draw(struct console *console, struct screen *screen, struct area area) {
    const struct list *list = &console->list;
    if (list->n_rows == 0) {
        screen_put(screen, area.row + 1, area.column + 3, STYLE_DIM, "no process answered yet");
        return;
    }
    int row = area.row;
    for (size_t i = first_block(console, area.width, area.height);
         i < list->n_rows && row < area.row + area.height; i++) {
        const struct process *process = list->rows[i].about;
        int rows = block_rows(process, area.width);
        struct area at = {row, area.column, rows - 1, area.width};
        draw_process(console, screen, process, at);
        if (list->rows[i].id == console->states[VIEW_CLUSTER].picked)
            screen_pick(screen, (struct area){row, area.column, 1, area.width});
        screen_hit(screen, at, HIT_ROW, list->rows[i].id);
        row += rows;
    }
    int left = area.row + area.height - row;
    if (left >= HILL_ROWS_LEAST && area.height < ONCE_ROWS)
        draw_sums(console, screen, (struct area){row, area.column, left, area.width});
}

static void open(struct console *console, const struct list_row *row) {
    const struct process *process = row->about;
    console_go(console, VIEW_ACTORS);
    snprintf(console->only_room, sizeof console->only_room, "%s", process->address);
    console->only = console->only_room;
}

const struct view view_cluster = {
    .name = "cluster",
    .hints = "enter its actors",
    .list_names = {"processes", "lanes"},
    .columns = {process_columns, lane_columns},
    .fill = fill,
    .draw = draw,
    .open = open,
    .sort = SIZE_MAX,
};
