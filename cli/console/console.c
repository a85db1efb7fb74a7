/* console: keys and state. Drawing of the frame around a view is in frame.c. */
#include "cli/console/console.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { SEEK_MS = 1000, SEEK_FAR_MS = 10000, NOTICE_SHOWN_MS = 6000 };

static const struct view *const views[VIEW_COUNT] = {
    [VIEW_CLUSTER] = &view_cluster, [VIEW_ACTORS] = &view_actors,   [VIEW_LINKS] = &view_links,
    [VIEW_WAITS] = &view_waits,     [VIEW_LETTERS] = &view_letters, [VIEW_TRACES] = &view_traces,
    [VIEW_SHARDS] = &view_shards,   [VIEW_ALARMS] = &view_alarms,   [VIEW_ACTOR] = &view_actor,
    [VIEW_TRACE] = &view_trace,     [VIEW_HELP] = &view_help,
};

const struct view *view_of(enum view_name name) {
    return views[name];
}

enum status console_init(struct console *console, size_t history_bytes) {
    memset(console, 0, sizeof *console);
    timeline_init(&console->timeline, history_bytes);
    for (unsigned i = 0; i < VIEW_COUNT; i++) {
        console->states[i].sort = views[i]->sort;
        console->states[i].descending = views[i]->descending;
    }
    list_init(&console->list, views[0]->list_names[0], views[0]->columns[0]);
    return STATUS_OK;
}

void console_free(struct console *console) {
    timeline_free(&console->timeline);
    list_free(&console->list);
}

/* --- for views --- */

uint64_t console_now_ms(const struct console *console) {
    return console->timeline.model.now_ms;
}

uint64_t console_hash(const char *text) {
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (; *text; text++)
        hash = (hash ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
    return hash;
}

uint64_t console_row_id(const struct process *process, uint64_t thing) {
    return process->number ^ (thing + 1) * UINT64_C(0x9e3779b97f4a7c15);
}

const struct process *console_process(const struct console *console, size_t nth) {
    const struct model *model = &console->timeline.model;
    for (size_t i = 0; i < model->n_processes; i++)
        if (!model->processes[i]->same && nth-- == 0) return model->processes[i];
    return NULL;
}

void console_notice(struct console *console, const char *format, ...) {
    va_list args;
    va_start(args, format);
    vsnprintf(console->notice, sizeof console->notice, format, args);
    va_end(args);
    console->notice_ms = console_now_ms(console) + NOTICE_SHOWN_MS;
}

bool console_give(struct console *console, const struct once *once) {
    if (console->order && !console->timeline.paused && console->order(console->order_context, once))
        return true;
    console_notice(console, console->replay ? "this is a recording: nobody is there to do it"
                            : console->timeline.paused ? "the picture stands still: press g first"
                                                       : "too many orders wait");
    return false;
}

void console_confirm(struct console *console, const struct once *once, const char *format, ...) {
    va_list args;
    va_start(args, format);
    vsnprintf(console->asked, sizeof console->asked, format, args);
    va_end(args);
    console->once = *once;
    console->prompt = PROMPT_CONFIRM;
}

/* A tap costs the actor that nobody looks at any more. */
static void leave_actor(struct console *console) {
    const struct model *model = &console->timeline.model;
    if (console->view != VIEW_ACTOR || !model->tap_open || !console->order) return;
    struct once once = {.kind = ONCE_UNTAP};
    memcpy(once.address, model->tap_address, sizeof once.address);
    memcpy(once.actor, model->tap_key, sizeof once.actor);
    console->order(console->order_context, &once);
}

void console_go(struct console *console, enum view_name view) {
    if (view == console->view) return;
    if (view != VIEW_HELP) leave_actor(console);
    bool tab = view < VIEW_TABS;
    if (tab) console->n_back = 0;
    if (!tab && console->n_back < BACK_MAX) console->back[console->n_back++] = console->view;
    if (view != VIEW_ACTORS && tab) console->only = NULL;
    if (tab) console->search[0] = 0;
    console->view = view;
    console->scroll[view] = 0;
    console->prompt = PROMPT_NONE;
}

static void go_back(struct console *console) {
    if (console->search[0] && console->view < VIEW_TABS) {
        console->search[0] = 0;
        return;
    }
    if (console->view == VIEW_ACTORS && console->only) {
        console->only = NULL;
        return;
    }
    if (console->n_back == 0) return;
    leave_actor(console);
    console->view = console->back[--console->n_back];
}

void console_take(struct console *console, struct event *event) {
    if (event->question == QUESTION_DO) {
        if (event->status == STATUS_OK)
            console_notice(console, "%s: done", event->key);
        else
            console_notice(console, "%s: %s %s", event->key, status_name(event->status),
                           event->text);
    }
    timeline_add(&console->timeline, event);
}

void console_play(struct console *console, uint64_t passed_ms) {
    struct timeline *timeline = &console->timeline;
    if (!console->playing) return;
    timeline_seek(timeline, timeline->at_ms + passed_ms);
    if (timeline->at_ms >= timeline_last_ms(timeline)) console->playing = false;
}

void console_show_actor(struct console *console, const char *address, const char *actor) {
    const struct process *process = NULL;
    for (size_t i = 0; !address && (process = console_process(console, i)); i++)
        if (model_actor(process, actor)) address = process->address;
    snprintf(console->actor, sizeof console->actor, "%s", actor);
    snprintf(console->actor_address, sizeof console->actor_address, "%s", address ? address : "");
    console_go(console, VIEW_ACTOR);
}

void console_show_trace(struct console *console, const char *trace) {
    snprintf(console->trace, sizeof console->trace, "%s", trace);
    console_go(console, VIEW_TRACE);
}

/* --- what has to be asked --- */

void console_wanted(const struct console *console, struct wanted *out) {
    memset(out, 0, sizeof *out);
    out->questions = views[console->view]->questions | 1u << QUESTION_REPORT;
    memcpy(out->actor_address, console->actor_address, sizeof out->actor_address);
    memcpy(out->actor, console->actor, sizeof out->actor);
    memcpy(out->trace, console->trace, sizeof out->trace);
    out->slowest = !console->newest;
    out->failed_only = console->failed_only;
    out->bodies = console->bodies;
    out->every_ms = console->cost.every_ms;
}

/* --- keys --- */

static void open_picked(struct console *console) {
    const struct view *view = views[console->view];
    const struct list_row *row = list_picked(&console->list, &console->states[console->view]);
    if (view->open && row) view->open(console, row);
}

static void move(struct console *console, int by) {
    if (console->page_rows) {
        int most = console->page_rows - console->room_rows, *at = &console->scroll[console->view];
        *at += by;
        if (*at > most) *at = most;
        if (*at < 0) *at = 0;
        return;
    }
    list_move(&console->list, &console->states[console->view], by);
}

static bool on_move(struct console *console, int key) {
    int page = console->room_rows > 2 ? console->room_rows - 2 : 1;
    switch (key) {
    case KEY_ARROW_UP:
    case 'k':
        move(console, -1);
        return true;
    case KEY_ARROW_DOWN:
    case 'j':
        move(console, 1);
        return true;
    case KEY_PAGE_UP:
        move(console, -page);
        return true;
    case KEY_PAGE_DOWN:
        move(console, page);
        return true;
    case KEY_TOP:
        move(console, -LIST_ROWS_MAX);
        return true;
    case KEY_BOTTOM:
        move(console, LIST_ROWS_MAX);
        return true;
    default:
        return false;
    }
}

/* The next column that is shown. */
static void sort_next(struct console *console) {
    struct list_state *state = &console->states[console->view];
    const struct list *list = &console->list;
    for (size_t i = 1; i <= list->n_columns; i++) {
        size_t next = (state->sort + i) % list->n_columns;
        if (list->columns[next].rank < 0) continue;
        state->sort = next;
        state->descending = !list_is_text(list->columns[next].kind);
        return;
    }
}

static void seek(struct console *console, int64_t by_ms) {
    struct timeline *timeline = &console->timeline;
    uint64_t at = timeline->paused ? timeline->at_ms : timeline_last_ms(timeline);
    console->playing = false;
    timeline_seek(timeline, by_ms < 0 && at < (uint64_t)-by_ms ? 0 : at + (uint64_t)by_ms);
}

static void pause_or_go(struct console *console) {
    struct timeline *timeline = &console->timeline;
    if (console->replay)
        console->playing = !console->playing;
    else if (timeline->paused)
        timeline_resume(timeline);
    else
        timeline_pause(timeline);
}

static bool on_time(struct console *console, int key) {
    struct timeline *timeline = &console->timeline;
    switch (key) {
    case ' ':
        pause_or_go(console);
        return true;
    case KEY_ARROW_LEFT:
        seek(console, -SEEK_MS);
        return true;
    case KEY_ARROW_RIGHT:
        seek(console, SEEK_MS);
        return true;
    case '[':
        seek(console, -SEEK_FAR_MS);
        return true;
    case ']':
        seek(console, SEEK_FAR_MS);
        return true;
    case '{':
        timeline_seek(timeline, 0);
        return true;
    case '}':
    case 'g':
        console->playing = false;
        if (console->replay)
            timeline_seek(timeline, timeline_last_ms(timeline));
        else if (timeline->paused)
            timeline_resume(timeline);
        return true;
    case 'w':
        console->save = true;
        return true;
    default:
        return false;
    }
}

static bool on_search(struct console *console, int key) {
    size_t size = strlen(console->search);
    if (key == KEY_RETURN || key == KEY_ESCAPE) {
        if (key == KEY_ESCAPE) console->search[0] = 0;
        console->prompt = PROMPT_NONE;
        return true;
    }
    if (key == KEY_RUB || key == '\b') {
        if (size > 0) console->search[size - 1] = 0;
        return true;
    }
    if (key < ' ' || key >= KEY_RUB) return false; /* arrows move the pick */
    if (size + 1 < SEARCH_MAX) {
        console->search[size] = (char)key;
        console->search[size + 1] = 0;
    }
    return true;
}

static void on_confirm(struct console *console, int key) {
    console->prompt = PROMPT_NONE;
    if (tolower(key) == 'y')
        console_give(console, &console->once);
    else
        console_notice(console, "left alone");
}

static void on_view_change(struct console *console, int key) {
    enum view_name now = console->view, tab = now < VIEW_TABS   ? now
                                              : console->n_back ? console->back[0]
                                                                : VIEW_CLUSTER;
    if (key >= '1' && key < '1' + VIEW_TABS)
        console_go(console, (enum view_name)(key - '1'));
    else if (key == KEY_TAB)
        console_go(console, (enum view_name)((tab + 1) % VIEW_TABS));
    else if (key == KEY_BACK_TAB)
        console_go(console, (enum view_name)((tab + VIEW_TABS - 1) % VIEW_TABS));
    else if (key == '?')
        now == VIEW_HELP ? go_back(console) : console_go(console, VIEW_HELP);
}

static void on_plain(struct console *console, int key) {
    struct list_state *state = &console->states[console->view];
    switch (key) {
    case 'q':
        console->quit = true;
        break;
    case KEY_ESCAPE:
    case KEY_RUB:
    case '\b':
        go_back(console);
        break;
    case KEY_RETURN:
        open_picked(console);
        break;
    case '/':
        console->prompt = PROMPT_SEARCH;
        break;
    case 's':
        sort_next(console);
        break;
    case 'S':
        state->descending = !state->descending;
        break;
    default:
        on_view_change(console, key);
    }
}

void console_key(struct console *console, int key) {
    const struct view *view = views[console->view];
    console->notice[0] = 0;
    if (key == '\r') key = KEY_RETURN;
    if (console->prompt == PROMPT_CONFIRM) {
        on_confirm(console, key);
        return;
    }
    if (console->prompt == PROMPT_SEARCH && on_search(console, key)) return;
    if (view->key && view->key(console, key)) return;
    if (on_move(console, key) || on_time(console, key)) return;
    on_plain(console, key);
}

/* --- mouse --- */

static void on_head(struct console *console, size_t column) {
    struct list_state *state = &console->states[console->view];
    if (column >= console->list.n_columns) return;
    if (state->sort == column)
        state->descending = !state->descending;
    else
        state->descending = !list_is_text(console->list.columns[column].kind);
    state->sort = column;
}

void console_click(struct console *console, const struct screen *screen, int row, int column) {
    const struct hit *hit = screen_hit_at(screen, row, column);
    struct list_state *state = &console->states[console->view];
    if (!hit) return;
    if (hit->kind == HIT_KEY) {
        console_key(console, (int)hit->value);
        return;
    }
    if (console->prompt == PROMPT_CONFIRM) return; /* a stray click is no yes */
    if (hit->kind == HIT_HEAD) {
        on_head(console, (size_t)hit->value);
        return;
    }
    bool again = state->picked == hit->value;
    state->picked = hit->value;
    if (again) open_picked(console);
}

void console_wheel(struct console *console, int rows) {
    if (console->prompt != PROMPT_CONFIRM) move(console, rows);
}
