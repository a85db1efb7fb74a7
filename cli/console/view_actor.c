/* view_actor: one actor, as a page: state, mailbox by band, both histograms, what waits, whom it
 * waits for, who fills it, its last messages or those of the tap. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/console/body.h"
#include "cli/console/console.h"
#include "cli/console/draw.h"
#include "cli/console/trace_join.h"
#include "cli/console/units.h"

enum { HISTOGRAM_ROWS = 6, LOG_MAX = 64, ACTOR_NAME_MAX = 192, ROWS_SHOWN = 8 };

static const struct column actor_columns[] = {
    {"actor", "ACTOR", VALUE_NAME, 16, 40, 0},
    {"process", "PROCESS", VALUE_NAME, 12, 20, 0},
    {"kind", "KIND", VALUE_TEXT, 10, 0, 0},
    {"state", "STATE", VALUE_TEXT, 10, 0, 0},
    {"lane", "LANE", VALUE_COUNT, 4, 0, 0},
    {"depth", "DEPTH", VALUE_COUNT, 6, 0, 0},
    {"bytes", "BYTES", VALUE_BYTES, 7, 0, 0},
    {"oldest_us", "OLDEST", VALUE_US, 7, 0, 0},
    {"received", "RECEIVED", VALUE_COUNT, 8, 0, 0},
    {"sent", "SENT", VALUE_COUNT, 8, 0, 1},
    {"failed", "FAILED", VALUE_COUNT, 7, 0, 1},
    {"dropped", "DROPPED", VALUE_COUNT, 7, 0, 1},
    {"expired", "EXPIRED", VALUE_COUNT, 7, 0, 1},
    {"restarts", "RESTARTS", VALUE_COUNT, 8, 0, 1},
    {"supervisor", "SUPERVISOR", VALUE_NAME, 10, 20, 2},
    {"operation", "NOW", VALUE_TEXT, 10, 20, 2},
    {"endpoint", "ENDPOINT", VALUE_NAME, 20, 60, 3},
    {"status", "status", VALUE_TEXT, 0, 0, -1},
    {0},
};
static const struct column message_columns[] = {
    {"kind", "KIND", VALUE_TEXT, 6, 0, 0},      {"message", "MESSAGE", VALUE_TEXT, 18, 30, 0},
    {"from", "FROM", VALUE_NAME, 14, 30, 0},    {"band", "BAND", VALUE_TEXT, 7, 0, 3},
    {"size", "SIZE", VALUE_BYTES, 7, 0, 1},     {"waited_us", "WAITED", VALUE_US, 7, 0, 0},
    {"ran_us", "RAN", VALUE_US, 7, 0, 0},       {"outcome", "OUTCOME", VALUE_TEXT, 9, 12, 0},
    {"deadline_us", "LEFT", VALUE_US, 7, 0, 2}, {"trace", "TRACE", VALUE_TEXT, 8, 32, 4},
    {"body", "BODY", VALUE_TEXT, 16, 200, 5},   {0},
};
static const struct column wait_columns[] = {
    {"kind", "WAITS FOR", VALUE_TEXT, 9, 0, 0},    {"peer", "WHOM", VALUE_NAME, 20, 40, 0},
    {"message", "MESSAGE", VALUE_TEXT, 18, 30, 0}, {"since_us", "SINCE", VALUE_US, 8, 0, 0},
    {"deadline_us", "LEFT", VALUE_US, 8, 0, 0},    {0},
};
static const struct column sender_columns[] = {
    {"name", "SENDER", VALUE_NAME, 24, 50, 0},
    {"messages", "MESSAGES", VALUE_COUNT, 8, 0, 0},
    {"share", "", VALUE_BAR, 20, 40, 0},
    {0},
};

static const struct process *process_of(const struct console *console) {
    return model_process(&console->timeline.model, console->actor_address);
}

static const SysActorView *view_told(const struct console *console) {
    const struct process *process = process_of(console);
    return process ? model_message(process, QUESTION_ACTOR, console->actor) : NULL;
}

static const struct actor_row *roster_row(const struct console *console) {
    const struct process *process = process_of(console);
    return process ? model_actor(process, console->actor) : NULL;
}

/* What the process tells of it now, else what the last roster had. */
static const SysActor *actor_told(const struct console *console) {
    const SysActorView *view = view_told(console);
    const struct actor_row *row = roster_row(console);
    if (view && view->actor) return view->actor;
    return row ? row->actor : NULL;
}

/* --- tables --- */

static void fill_actor(struct console *console, struct list *list) {
    const SysActor *actor = actor_told(console);
    const struct process *process = process_of(console);
    struct list_row *row = list_add(list, 1, NULL);
    const struct answer *answer =
        process ? model_answer(process, QUESTION_ACTOR, console->actor) : NULL;
    list_text(list, row, "actor", console->actor);
    list_text(list, row, "process", process ? process->label : console->actor_address);
    list_text(list, row, "status", answer ? status_name(answer->status) : "");
    if (!actor) return;
    list_text(list, row, "kind", actor->kind);
    list_text(list, row, "state", *actor->doing ? actor->doing : "open");
    list_number(list, row, "lane", actor->lane);
    list_number(list, row, "depth", actor->depth);
    list_number(list, row, "bytes", (double)actor->bytes);
    list_number(list, row, "oldest_us", (double)actor->oldest_us);
    list_number(list, row, "received", (double)actor->received);
    list_number(list, row, "sent", (double)actor->sent);
    list_number(list, row, "failed", (double)actor->failed);
    list_number(list, row, "dropped", (double)actor->dropped);
    list_number(list, row, "expired", (double)actor->expired);
    list_number(list, row, "restarts", actor->restarts);
    list_text(list, row, "supervisor", actor->supervisor);
    list_text(list, row, "operation", actor->operation);
    list_text(list, row, "endpoint", actor->endpoint);
}

static void fill_message(const struct process *process,
                         struct list *list,
                         uint64_t id,
                         const SysMessage *message) {
    char name[ACTOR_NAME_MAX];
    static const char *const bands[] = {"system", "control", "data"};
    struct list_row *row = list_add(list, id, message);
    list_text(list, row, "kind", message->kind);
    list_text(list, row, "message", message->message);
    list_format(
        list, row, "from", "%s",
        process ? model_actor_name(process, message->from_handle, message->from, name, sizeof name)
                : message->from);
    list_text(list, row, "band", message->band < 3 ? bands[message->band] : "?");
    list_number(list, row, "size", (double)message->size);
    list_number(list, row, "waited_us", (double)message->waited_us);
    bool handled = *message->outcome;
    if (handled) list_number(list, row, "ran_us", (double)message->ran_us);
    list_text(list, row, "outcome", handled ? message->outcome : "waits");
    bool failed = trace_join_failed(message->outcome);
    list_style(list, row, "outcome",
               failed                                ? STYLE_HOT
               : strcmp(message->outcome, "OK") == 0 ? STYLE_GOOD
                                                     : STYLE_DIM);
    if (message->deadline_us) list_number(list, row, "deadline_us", (double)message->deadline_us);
    char hex[33] = "";
    for (size_t i = 0; i < message->trace.len && i < 16; i++)
        snprintf(hex + 2 * i, 3, "%02x", message->trace.data[i]);
    list_format(list, row, "trace", "%s", hex);
    list_style(list, row, "trace", STYLE_DIM);
    if (!message->body.len) return;
    char body[BODY_TEXT_MAX];
    body_text(message->message, message->body.data, message->body.len, body, sizeof body);
    const char *fields = strchr(body, ' '); /* behind its name, which has a column */
    list_format(list, row, "body", "%.400s", fields ? fields + 1 : "");
}

static bool tapped_here(const struct console *console) {
    const struct model *model = &console->timeline.model;
    return strcmp(model->tap_key, console->actor) == 0 &&
           strcmp(model->tap_address, console->actor_address) == 0;
}

/* Newest first: the tap's when there is one, else the process's own short memory. */
static void fill_log(struct console *console, struct list *list) {
    const struct model *model = &console->timeline.model;
    const SysActorView *view = view_told(console);
    if (tapped_here(console) && (model->tap_open || model->n_tapped)) {
        for (size_t i = model->n_tapped; i > 0 && model->n_tapped - i < LOG_MAX; i--)
            fill_message(process_of(console), list, i,
                         model->tapped[(model->tapped_first + i - 1) % MODEL_TAPPED_MAX].message);
        return;
    }
    for (size_t i = 0; view && i < view->n_last; i++)
        fill_message(process_of(console), list, i + 1, view->last[i]);
}

static void fill_waits(const struct process *process, const SysActorView *view, struct list *list) {
    char name[ACTOR_NAME_MAX];
    for (size_t i = 0; i < view->n_waits; i++) {
        const SysWait *wait = view->waits[i];
        struct list_row *row = list_add(list, i + 1, NULL);
        list_text(list, row, "kind", wait->kind);
        list_format(list, row, "peer", "%s",
                    model_actor_name(process, wait->peer_handle, wait->peer, name, sizeof name));
        list_text(list, row, "message", wait->message);
        list_number(list, row, "since_us", (double)wait->since_us);
        if (wait->deadline_us) list_number(list, row, "deadline_us", (double)wait->deadline_us);
    }
}

static void fill_senders(const SysActorView *view, struct list *list) {
    double all = 0;
    for (size_t i = 0; i < view->n_senders; i++)
        all += (double)view->senders[i]->messages;
    for (size_t i = 0; i < view->n_senders; i++) {
        struct list_row *row = list_add(list, i + 1, NULL);
        list_text(list, row, "name", view->senders[i]->name);
        list_number(list, row, "messages", (double)view->senders[i]->messages);
        list_number(list, row, "share", all > 0 ? (double)view->senders[i]->messages / all : 0);
        list_style(list, row, "share", STYLE_COOL);
    }
}

static void fill(struct console *console, unsigned which, struct list *list) {
    const SysActorView *view = view_told(console);
    switch (which) {
    case 0:
        fill_actor(console, list);
        break;
    case 1:
        for (size_t i = 0; view && i < view->n_queued; i++)
            fill_message(process_of(console), list, i + 1, view->queued[i]);
        break;
    case 2:
        fill_log(console, list);
        break;
    case 3:
        if (view) fill_waits(process_of(console), view, list);
        break;
    default:
        if (view) fill_senders(view, list);
    }
}

/* --- the page --- */

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
    fill(page->console, which, &list);
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
    if (tapped_here(page->console) && model->tap_open)
        snprintf(note, sizeof note, "▶ tap: %" PRIu64 " seen, %" PRIu64 " left out",
                 model->tap_matched, model->tap_skipped);
    else if (tapped_here(page->console))
        snprintf(note, sizeof note, "tap ended: %s %s", status_name(model->tap_status),
                 model->tap_text);
    draw_table(page, 2, tapped_here(page->console) ? "messages tapped" : "last messages", note,
               LOG_MAX);
}

static int draw_page(struct console *console, struct screen *screen) {
    struct page page = {console, screen, 0};
    const struct process *process = process_of(console);
    const SysActor *actor = actor_told(console);
    const SysActorView *view = view_told(console);
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
    const struct actor_row *row = roster_row(console);
    draw_head(&page, actor, row, process);
    draw_counts(&page, actor, row);
    if (view && *view->text)
        screen_format(screen, page.row++, 3, STYLE_WARM, "last failure: %s", view->text);
    draw_mailbox(&page, actor);
    draw_histograms(&page, actor, row);
    if (tapped_here(console)) draw_log(&page);
    draw_table(&page, 1, "in the mailbox", NULL, ROWS_SHOWN);
    draw_table(&page, 3, "waits", NULL, ROWS_SHOWN);
    draw_table(&page, 4, "top senders", NULL, ROWS_SHOWN);
    if (view && (view->n_children || view->n_links || view->n_watchers)) {
        draw_rule(screen, &(struct rule){page.row++, 0, screen->width, "bonds", NULL});
        draw_names(&page, "children", view->children, view->n_children);
        draw_names(&page, "links   ", view->links, view->n_links);
        draw_names(&page, "watchers", view->watchers, view->n_watchers);
    }
    if (!tapped_here(console)) draw_log(&page);
    return page.row;
}

static void draw(struct console *console, struct screen *screen, struct area area) {
    console_page(console, screen, area, draw_page);
}

/* --- actions --- */

static void ask_for(struct console *console, const char *action, bool confirm) {
    struct once once = {.kind = ONCE_DO};
    const struct process *process = process_of(console);
    memcpy(once.address, console->actor_address, sizeof once.address);
    memcpy(once.actor, console->actor, sizeof once.actor);
    snprintf(once.action, sizeof once.action, "%s", action);
    if (!confirm)
        console_give(console, &once);
    else
        console_confirm(console, &once, "%s %.80s on %.60s?", action, console->actor,
                        process ? process->label : "?");
}

static void tap(struct console *console) {
    bool on = tapped_here(console) && console->timeline.model.tap_open;
    struct once once = {.kind = on ? ONCE_UNTAP : ONCE_TAP, .bodies = console->bodies};
    memcpy(once.address, console->actor_address, sizeof once.address);
    memcpy(once.actor, console->actor, sizeof once.actor);
    console_give(console, &once);
}

static bool key(struct console *console, int key) {
    switch (key) {
    case 't':
        tap(console);
        return true;
    case 'p':
        ask_for(console, "pause", true);
        return true;
    case 'n':
        ask_for(console, "step", false);
        return true;
    case 'c':
        ask_for(console, "resume", false);
        return true;
    case 'R':
        ask_for(console, "restart", true);
        return true;
    case 'm':
        ask_for(console, "migrate", true);
        return true;
    case 'P':
        ask_for(console, "passivate", true);
        return true;
    case 'b':
        console->bodies = !console->bodies;
        console_notice(console, console->bodies ? "bodies are asked for" : "no bodies");
        return true;
    default:
        return false;
    }
}

const struct view view_actor = {
    .name = "actor",
    .questions = 1u << QUESTION_ACTOR | 1u << QUESTION_ACTORS,
    .hints = "esc back  t tap  p pause  n step  c continue  R restart  P passivate  m migrate",
    .list_names = {"actor", "queued", "messages", "waits", "senders"},
    .columns = {actor_columns, message_columns, message_columns, wait_columns, sender_columns},
    .fill = fill,
    .draw = draw,
    .key = key,
    .sort = SIZE_MAX,
};
