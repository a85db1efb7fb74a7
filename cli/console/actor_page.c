/* actor_page: one actor, as a page: state, mailbox by band, both histograms, what waits, whom it
 * waits for, who fills it, its last messages or those of the tap. */
#include "cli/console/actor_page.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cli/console/draw.h"
#include "cli/console/units.h"

enum { HISTOGRAM_ROWS = 6, ROWS_SHOWN = 8 };

struct page {
    struct console *console;
    struct screen *screen;
    int row;
};

static int label(struct page *page, int column, const char *name, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
static int label(struct page *page, int column, const char *name, const char *format, ...) {
    char text[256];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    int at = column + screen_format(page->screen, page->row, column, STYLE_DIM, "%s ", name);
    at += screen_put(page->screen, page->row, at, STYLE_PLAIN, text);
    return at + 3;
}

static void draw_head(struct page *page,
                      const SysActor *actor,
                      const struct actor_row *row,
                      const struct process *process) {
    struct screen *screen = page->screen;
    int at = 1;
    bool open = !*actor->doing;
    at += screen_put(screen, page->row, at, open ? STYLE_GOOD : STYLE_WARM, open ? "● " : "○ ");
    at += screen_put(screen, page->row, at, STYLE_BRIGHT, actor->name);
    at += screen_format(screen, page->row, at, STYLE_DIM, "  %s on ", actor->kind);
    at += screen_put(screen, page->row, at, STYLE_PLAIN, process->label);
    at += screen_format(screen, page->row, at, STYLE_DIM, " lane %u  ", actor->lane);
    at += screen_put(screen, page->row, at, open ? STYLE_GOOD : STYLE_WARM,
                     open ? "open" : actor->doing);
    char share[UNITS_MAX];
    if (row && row->rated)
        screen_format(screen, page->row, at, STYLE_PLAIN, "  busy %s",
                      units_share(share, row->busy));
    page->row++;
    at = 3;
    char us[UNITS_MAX];
    if (*actor->operation)
        at = label(page, at, "now", "%.60s for %s", actor->operation,
                   units_us(us, (double)actor->operation_us));
    else
        at = label(page, at, "now", "idle");
    at = label(page, at, "supervisor", "%.40s", *actor->supervisor ? actor->supervisor : "root");
    if (actor->restarts_allowed)
        label(page, at, "restarts", "%u, %u of %u in %u s", actor->restarts, actor->restarts_recent,
              actor->restarts_allowed, actor->restart_period_s);
    else
        label(page, at, "restarts", "%u", actor->restarts);
    page->row++;
}

static void draw_counts(struct page *page, const SysActor *actor, const struct actor_row *row) {
    char count[UNITS_MAX], rate[UNITS_MAX];
    int at = 3;
    at = label(page, at, "received", "%s%s%s", units_count(count, (double)actor->received),
               row && row->rated ? ", " : "",
               row && row->rated ? units_count(rate, row->received) : "");
    if (row && row->rated) at += screen_put(page->screen, page->row, at - 3, STYLE_DIM, "/s");
    at = label(page, at, "sent", "%s", units_count(count, (double)actor->sent));
    at = label(page, at, "failed", "%s", units_count(count, (double)actor->failed));
    at = label(page, at, "refused", "%s", units_count(count, (double)actor->dropped));
    at = label(page, at, "expired", "%s", units_count(count, (double)actor->expired));
    page->row++;
}

static void draw_mailbox(struct page *page, const SysActor *actor) {
    static const char *const bands[] = {"system", "control", "data"};
    char bytes[UNITS_MAX], oldest[UNITS_MAX], note[96];
    snprintf(note, sizeof note, "%s, oldest %s, most ever %u",
             units_bytes(bytes, (double)actor->bytes), units_us(oldest, (double)actor->oldest_us),
             actor->depth_max);
    draw_rule(page->screen, &(struct rule){page->row++, 0, page->screen->width, "mailbox", note});
    double top = actor->depth_max > 16 ? actor->depth_max : 16;
    bool told = actor->n_depths > 0;
    for (size_t i = 0; i < (told ? actor->n_depths : 1) && i < 3; i++) {
        double depth = told ? actor->depths[i] : actor->depth;
        screen_field(page->screen, &(struct field){page->row, 3, 9, STYLE_DIM, .right = false},
                     told ? bands[i] : "all");
        draw_bar(page->screen, &(struct bar){page->row, 12, page->screen->width - 22, depth / top,
                                             draw_heat(depth / top)});
        screen_field(
            page->screen,
            &(struct field){page->row, page->screen->width - 9, 7, STYLE_PLAIN, .right = true},
            units_count(bytes, depth));
        page->row++;
    }
}

static void draw_one_histogram(struct page *page,
                               struct area area,
                               const char *title,
                               const struct window *window) {
    double counts[HISTOGRAM_BUCKETS], p50 = window_percentile(window, 0.5),
                                      p99 = window_percentile(window, 0.99);
    char a[UNITS_MAX], b[UNITS_MAX], note[64];
    snprintf(note, sizeof note, "p50 %s p99 %s", units_us(a, p50), units_us(b, p99));
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++)
        counts[i] = window->counts[i] >= 0.5f ? (double)window->counts[i] : 0;
    draw_rule(page->screen,
              &(struct rule){area.row, area.column, area.width, title, p99 > 0 ? note : NULL});
    area.row++;
    area.height--;
    area.column += 2;
    area.width -= 3;
    draw_histogram(page->screen, &(struct drawn_histogram){area, counts, HISTOGRAM_BUCKETS, p50,
                                                           p99, STYLE_COOL});
}

/* Since it was made, when there is no window: a process that was asked only once. */
static void window_of(const SysHistogram *histogram, struct window *out) {
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++)
        out->counts[i] = histogram && i < histogram->n_counts ? (float)histogram->counts[i] : 0;
}

static void draw_histograms(struct page *page, const SysActor *actor, const struct actor_row *row) {
    struct window waiting, running;
    if (row) {
        waiting = row->mailbox;
        running = row->handler;
    } else {
        window_of(actor->mailbox, &waiting);
        window_of(actor->handler, &running);
    }
    int half = page->screen->width / 2;
    draw_one_histogram(page, (struct area){page->row, 0, HISTOGRAM_ROWS, half - 1}, "time waiting",
                       &waiting);
    draw_one_histogram(page,
                       (struct area){page->row, half, HISTOGRAM_ROWS, page->screen->width - half},
                       "time in handler", &running);
    page->row += HISTOGRAM_ROWS;
}

/* At most so many rows; of what is left out the title tells. */
static void
draw_table(struct page *page, unsigned which, const char *title, const char *note, size_t most) {
    struct list list;
    char words[64];
    list_init(&list, title, view_actor.columns[which]);
    actor_fill(page->console, which, &list);
    struct list_state still = {.still = true, .sort = SIZE_MAX};
    if (list.n_rows > most) {
        snprintf(words, sizeof words, "%zu of %zu", most, list.n_rows);
        note = note ? note : words;
        list.n_rows = most;
    }
    if (list.n_rows || note)
        draw_rule(page->screen, &(struct rule){page->row++, 0, page->screen->width, title, note});
    if (list.n_rows) {
        struct area area = {page->row, 1, (int)list.n_rows + 1, page->screen->width - 2};
        list_draw(&list, page->screen, area, &still);
        page->row += area.height;
    }
    list_free(&list);
}

static void draw_names(struct page *page, const char *title, char *const *names, size_t n) {
    if (!n) return;
    int at = 3 + screen_format(page->screen, page->row, 3, STYLE_DIM, "%s ", title);
    for (size_t i = 0; i < n; i++) {
        int width = screen_columns(names[i]);
        if (at + width + 2 > page->screen->width) {
            page->row++;
            at = 5;
        }
        at += screen_format(page->screen, page->row, at, STYLE_ACCENT, "%s  ", names[i]);
    }
    page->row++;
}

static void draw_log(struct page *page) {
    const struct model *model = &page->console->timeline.model;
    char note[EVENT_TEXT_MAX + 96] = "t taps it";
    if (actor_tapped(page->console) && model->tap_open)
        snprintf(note, sizeof note, "▶ tap: %" PRIu64 " seen, %" PRIu64 " left out",
                 model->tap_matched, model->tap_skipped);
    else if (actor_tapped(page->console))
        snprintf(note, sizeof note, "tap ended: %s %s", status_name(model->tap_status),
                 model->tap_text);
    draw_table(page, 2, actor_tapped(page->console) ? "messages tapped" : "last messages", note,
               ACTOR_LOG_MAX);
}

int actor_draw_page(struct console *console, struct screen *screen) {
    struct page page = {console, screen, 0};
    const struct process *process = actor_process(console);
    const SysActor *actor = actor_told(console);
    const SysActorView *view = actor_view_told(console);
    const struct answer *answer =
        process ? model_answer(process, QUESTION_ACTOR, console->actor) : NULL;
    if (answer && answer->status != STATUS_OK) {
        if (answer->status == STATUS_UNIMPLEMENTED)
            screen_format(screen, page.row++, 1, STYLE_WARM,
                          "version %s does not tell more of an actor; a newer one does",
                          process->report ? process->report->version : "?");
        else
            screen_format(screen, page.row++, 1, STYLE_HOT, "%s: %s %s", console->actor,
                          status_name(answer->status), answer->text);
    }
    if (!actor || !process) {
        screen_format(screen, page.row + 1, 1, STYLE_DIM, "%s: no answer yet", console->actor);
        return page.row + 2;
    }
    const struct actor_row *row = actor_roster_row(console);
    draw_head(&page, actor, row, process);
    draw_counts(&page, actor, row);
    if (view && *view->text)
        screen_format(screen, page.row++, 3, STYLE_WARM, "last failure: %s", view->text);
    draw_mailbox(&page, actor);
    draw_histograms(&page, actor, row);
    if (actor_tapped(console)) draw_log(&page);
    draw_table(&page, 1, "in the mailbox", NULL, ROWS_SHOWN);
    draw_table(&page, 3, "waits", NULL, ROWS_SHOWN);
    draw_table(&page, 4, "top senders", NULL, ROWS_SHOWN);
    if (view && (view->n_children || view->n_links || view->n_watchers)) {
        draw_rule(screen, &(struct rule){page.row++, 0, screen->width, "bonds", NULL});
        draw_names(&page, "children", view->children, view->n_children);
        draw_names(&page, "links   ", view->links, view->n_links);
        draw_names(&page, "watchers", view->watchers, view->n_watchers);
    }
    if (!actor_tapped(console)) draw_log(&page);
    return page.row;
}
