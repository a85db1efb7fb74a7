/* frame: what is around every view: tabs above, then the state of time and cluster, hints below.
 * And what views share in drawing: pages, tables, complaints. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cli/console/console.h"
#include "cli/console/draw.h"
#include "cli/console/lints.h"
#include "cli/console/units.h"

enum { TOP_ROWS = 2, BOTTOM_ROWS = 1, TIMELINE_WIDTH = 24 };

/* --- tabs --- */

static void draw_tabs(const struct console *console, struct screen *screen) {
    int at = 0;
    bool roomy = screen->width >= 100;
    enum view_name on = console->view < VIEW_TABS ? console->view
                        : console->n_back         ? console->back[0]
                                                  : VIEW_COUNT;
    for (int i = 0; i < screen->width; i++)
        screen_rune(screen, 0, i, STYLE_TAB, ' ');
    if (roomy) at += screen_put(screen, 0, at, STYLE_BRAND, " ◆ vectron ");
    for (unsigned i = 0; i < VIEW_TABS; i++) {
        enum style style = i == (unsigned)on ? STYLE_TAB_ON : STYLE_TAB;
        int width = screen_format(screen, 0, at, style, " %u %s%s", i + 1, view_of(i)->name,
                                  roomy || i == (unsigned)on ? " " : "");
        screen_hit(screen, (struct area){0, at, 1, width}, HIT_KEY, '1' + i);
        at += width;
    }
    const char *help = roomy ? " ? help " : " ?";
    int width = screen_columns(help);
    int column = roomy ? screen->width - width : at;
    screen_put(screen, 0, column, console->view == VIEW_HELP ? STYLE_TAB_ON : STYLE_TAB, help);
    screen_hit(screen, (struct area){0, column, 1, width}, HIT_KEY, '?');
}

/* --- state --- */

static int draw_time(const struct console *console, struct screen *screen, int at) {
    const struct timeline *timeline = &console->timeline;
    uint64_t last = timeline_last_ms(timeline), first = timeline_first_ms(timeline);
    char clock[UNITS_MAX], behind[UNITS_MAX];
    int start = at;
    if (!timeline->paused) {
        at += screen_put(screen, 1, at, STYLE_GOOD, " ●");
        at += screen_format(screen, 1, at, STYLE_BAR, " live %s",
                            last ? units_clock(clock, last) : "");
        screen_hit(screen, (struct area){1, start, 1, at - start}, HIT_KEY, ' ');
        return at;
    }
    at += screen_put(screen, 1, at, STYLE_WARM, console->playing ? " ▶" : " ⏸");
    at += screen_format(screen, 1, at, STYLE_BAR, " %s -%s ", units_clock(clock, timeline->at_ms),
                        units_us(behind, (double)(last - timeline->at_ms) * 1000));
    screen_hit(screen, (struct area){1, start, 1, at - start}, HIT_KEY, ' ');
    int width = screen->width >= 100 ? TIMELINE_WIDTH : TIMELINE_WIDTH / 2;
    double share = last > first ? (double)(timeline->at_ms - first) / (double)(last - first) : 1;
    int mark = (int)(share * (width - 1) + 0.5);
    for (int i = 0; i < width; i++)
        screen_rune(screen, 1, at + i, i == mark ? STYLE_WARM : STYLE_TRACK,
                    i == mark ? 0x25c6 : 0x2500);
    return at + width;
}

static int draw_sum(const struct console *console, struct screen *screen, int at) {
    size_t n = 0, lost = 0;
    double turns = 0, actors = 0;
    const struct process *process;
    for (; (process = console_process(console, n)); n++) {
        lost += process->status != STATUS_OK && process->status != STATUS_NOT_READY;
        turns += process->status == STATUS_OK ? process->turns : 0;
        actors += process->report ? process->report->actors_total : 0;
    }
    char count[UNITS_MAX], rate[UNITS_MAX];
    at += screen_format(screen, 1, at, STYLE_BAR, "  %zu process%s", n, n == 1 ? "" : "es");
    if (lost) at += screen_format(screen, 1, at, STYLE_HOT, " %zu lost", lost);
    /* A recording has its timeline here, and says that it is one: at 80 columns, too. */
    if (!console->replay || screen->width >= 100)
        at += screen_format(screen, 1, at, STYLE_BAR, "  %s actors", units_count(count, actors));
    at += screen_format(screen, 1, at, STYLE_BAR, "  %s turns/s", units_count(rate, turns));
    size_t alarms = lints_count(&console->timeline.model);
    if (!alarms) return at;
    int width = screen_format(screen, 1, at + 2, STYLE_HOT, "▲ %zu alarm%s", alarms,
                              alarms == 1 ? "" : "s");
    screen_hit(screen, (struct area){1, at + 2, 1, width}, HIT_KEY, '1' + VIEW_ALARMS);
    return at + 2 + width;
}

static void draw_cost(const struct console *console, struct screen *screen, int at) {
    const struct cost *cost = &console->cost;
    char cpu[UNITS_MAX], bytes[UNITS_MAX], every[UNITS_MAX], text[96];
    if (console->replay) {
        snprintf(text, sizeof text, "recording, %zu answers ", console->timeline.history.n);
        if (at + screen_columns(text) >= screen->width) snprintf(text, sizeof text, "recording ");
    } else {
        units_share(cpu, cost->cpu);
        units_bytes(bytes, cost->bytes);
        units_us(every, (double)cost->every_ms * 1000);
        snprintf(text, sizeof text, "cost %s cpu %s/s every %s ", cpu, bytes, every);
        if (at + screen_columns(text) >= screen->width)
            snprintf(text, sizeof text, "cost %s ", cpu);
    }
    int width = screen_columns(text);
    if (at + width >= screen->width) return;
    screen_put(screen, 1, screen->width - width, cost->cpu > 0.01 ? STYLE_WARM : STYLE_DIM, text);
}

static void draw_state(const struct console *console, struct screen *screen) {
    for (int i = 0; i < screen->width; i++)
        screen_rune(screen, 1, i, STYLE_BAR, ' ');
    int at = draw_time(console, screen, 0);
    at = draw_sum(console, screen, at);
    draw_cost(console, screen, at);
}

/* --- hints and prompts --- */

/* "k word  k word": each is a button. */
static int draw_hints(struct screen *screen, int row, int at, const char *hints) {
    static const struct {
        const char *name;
        int key;
    } named[] = {{"enter", KEY_RETURN}, {"esc", KEY_ESCAPE}, {"space", ' '}, {"tab", KEY_TAB}};
    while (*hints) {
        size_t key_size = strcspn(hints, " "), size = key_size;
        while (hints[size] && strncmp(hints + size, "  ", 2) != 0)
            size++;
        int key = key_size == 1 ? (unsigned char)hints[0] : KEY_NONE;
        for (size_t i = 0; i < sizeof named / sizeof *named; i++)
            if (strlen(named[i].name) == key_size && strncmp(hints, named[i].name, key_size) == 0)
                key = named[i].key;
        if (at + (int)size + 2 > screen->width) return at;
        int start = at;
        at += screen_format(screen, row, at, STYLE_ACCENT, " %.*s", (int)key_size, hints);
        at += screen_format(screen, row, at, STYLE_DIM, "%.*s ", (int)(size - key_size),
                            hints + key_size);
        if (key)
            screen_hit(screen, (struct area){row, start, 1, at - start}, HIT_KEY, (uint64_t)key);
        hints += size;
        while (*hints == ' ')
            hints++;
    }
    return at;
}

static void draw_bottom(const struct console *console, struct screen *screen) {
    int row = screen->height - 1;
    if (console->prompt == PROMPT_CONFIRM) {
        int at = screen_format(screen, row, 0, STYLE_ALARM, " %s ", console->asked);
        draw_hints(screen, row, at, "y yes  n no");
        return;
    }
    if (console->prompt == PROMPT_SEARCH) {
        int at = screen_format(screen, row, 0, STYLE_ACCENT, " /%s", console->search);
        screen_put(screen, row, at, STYLE_BRIGHT, "▌");
        char count[UNITS_MAX];
        units_count(count, (double)console->list.n_rows);
        draw_hints(screen, row, at + 2, "enter keep  esc clear");
        return;
    }
    if (*console->notice) {
        screen_format(screen, row, 0, STYLE_WARM, " %s", console->notice);
        return;
    }
    int at = 0;
    if (*console->search && console->view < VIEW_TABS)
        at = screen_format(screen, row, 0, STYLE_WARM, " /%s ", console->search);
    at = draw_hints(screen, row, at, view_of(console->view)->hints);
    draw_hints(screen, row, at,
               console->timeline.paused
                   ? (console->replay ? "space play  [ -10s  ] +10s  q quit"
                                      : "g live  [ -10s  ] +10s  w save  q quit")
                   : "space pause  ? help  q quit");
}

/* --- views --- */

/* Pages that are opened from a searched list are not searched themselves. */
static const char *searched(const struct console *console) {
    return console->view < VIEW_TABS ? console->search : "";
}

static void fill_list(struct console *console) {
    const struct view *view = view_of(console->view);
    struct list_state *state = &console->states[console->view];
    list_reset(&console->list, view->list_names[0], view->columns[0]);
    view->fill(console, 0, &console->list);
    list_filter(&console->list, searched(console));
    list_sort(&console->list, state->sort, state->descending);
}

void console_table(struct console *console, struct screen *screen, struct area area) {
    console->room_rows = list_draw(&console->list, screen, area, &console->states[console->view]);
}

void console_draw_view(struct console *console, struct screen *screen, struct area area) {
    const struct view *view = view_of(console->view);
    console->page_rows = 0;
    console->room_rows = area.height;
    fill_list(console);
    struct area clip = screen_clip(screen, area);
    if (view->draw)
        view->draw(console, screen, area);
    else
        console_table(console, screen, area);
    screen_clip(screen, clip);
}

void console_draw(struct console *console, struct screen *screen) {
    screen_clear(screen);
    draw_tabs(console, screen);
    draw_state(console, screen);
    if (console->notice_ms < console_now_ms(console)) console->notice[0] = 0;
    console_draw_view(
        console, screen,
        (struct area){TOP_ROWS, 0, screen->height - TOP_ROWS - BOTTOM_ROWS, screen->width});
    draw_bottom(console, screen);
}

void console_page(struct console *console,
                  struct screen *screen,
                  struct area area,
                  int (*draw)(struct console *console, struct screen *page)) {
    struct screen *page = &(struct screen){0};
    if (screen_init(page, area.width, PAGE_ROWS_MAX) != STATUS_OK) return;
    page->ascii = screen->ascii;
    int used = draw(console, page), most = used > area.height ? used - area.height : 0;
    int *scroll = &console->scroll[console->view];
    if (*scroll > most) *scroll = most;
    console->page_rows = used > 0 ? used : 1;
    console->room_rows = area.height;
    for (int row = 0; row < area.height && row + *scroll < used; row++)
        for (int column = 0; column < area.width; column++) {
            struct cell cell = page->cells[(row + *scroll) * page->width + column];
            screen_copy(screen, area.row + row, area.column + column, cell);
        }
    for (size_t i = 0; i < page->n_hits; i++) {
        struct area at = page->hits[i].area;
        at.row += area.row - *scroll;
        at.column += area.column;
        if (at.row >= area.row && at.row < area.row + area.height)
            screen_hit(screen, at, page->hits[i].kind, page->hits[i].value);
    }
    screen_free(page);
}

int console_complain(struct console *console,
                     struct screen *screen,
                     struct area area,
                     enum question question) {
    int row = 0;
    const struct process *process;
    for (size_t i = 0; (process = console_process(console, i)) && row < area.height; i++) {
        const struct answer *answer = model_answer(process, question, NULL);
        if (!answer || answer->status == STATUS_OK || process->status != STATUS_OK) continue;
        if (answer->status == STATUS_UNIMPLEMENTED)
            screen_format(screen, area.row + row, area.column, STYLE_WARM,
                          "%s: version %s does not tell this; a newer one does", process->label,
                          process->report ? process->report->version : "?");
        else
            screen_format(screen, area.row + row, area.column, STYLE_WARM, "%s: %s %s",
                          process->label, status_name(answer->status), answer->text);
        row++;
    }
    return row;
}

/* --- JSON --- */

void console_json(struct console *console, struct buffer *out) {
    const struct view *view = view_of(console->view);
    struct list list;
    buffer_printf(out, "{\"view\":\"%s\",\"at_ms\":%" PRIu64, view->name, console_now_ms(console));
    for (unsigned i = 0; i < VIEW_LISTS_MAX && view->list_names[i]; i++) {
        list_init(&list, view->list_names[i], view->columns[i]);
        view->fill(console, i, &list);
        if (i == 0) {
            list_filter(&list, searched(console));
            list_sort(&list, console->states[console->view].sort,
                      console->states[console->view].descending);
        }
        buffer_printf(out, ",\n\"%s\":", list.name);
        list_json(&list, out);
        list_free(&list);
    }
    buffer_printf(out, "}\n");
}
