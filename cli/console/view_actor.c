/* view_actor: one actor: its tables, and what can be done to it. The page is drawn by actor_page.c.
 */
#include <stdio.h>
#include <string.h>

#include "cli/console/actor_page.h"
#include "cli/console/body.h"
#include "cli/console/trace_join.h"

enum { ACTOR_NAME_MAX = 192 };

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

const struct process *actor_process(const struct console *console) {
    return model_process(&console->timeline.model, console->actor_address);
}

const SysActorView *actor_view_told(const struct console *console) {
    const struct process *process = actor_process(console);
    return process ? model_message(process, QUESTION_ACTOR, console->actor) : NULL;
}

const struct actor_row *actor_roster_row(const struct console *console) {
    const struct process *process = actor_process(console);
    return process ? model_actor(process, console->actor) : NULL;
}

/* What the process tells of it now, else what the last roster had. */
const SysActor *actor_told(const struct console *console) {
    const SysActorView *view = actor_view_told(console);
    const struct actor_row *row = actor_roster_row(console);
    if (view && view->actor) return view->actor;
    return row ? row->actor : NULL;
}

/* --- tables --- */

static void fill_actor(struct console *console, struct list *list) {
    const SysActor *actor = actor_told(console);
    const struct process *process = actor_process(console);
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

bool actor_tapped(const struct console *console) {
    const struct model *model = &console->timeline.model;
    return strcmp(model->tap_key, console->actor) == 0 &&
           strcmp(model->tap_address, console->actor_address) == 0;
}

/* Newest first: the tap's when there is one, else the process's own short memory. */
static void fill_log(struct console *console, struct list *list) {
    const struct model *model = &console->timeline.model;
    const SysActorView *view = actor_view_told(console);
    if (actor_tapped(console) && (model->tap_open || model->n_tapped)) {
        for (size_t i = model->n_tapped; i > 0 && model->n_tapped - i < ACTOR_LOG_MAX; i--)
            fill_message(actor_process(console), list, i,
                         model->tapped[(model->tapped_first + i - 1) % MODEL_TAPPED_MAX].message);
        return;
    }
    for (size_t i = 0; view && i < view->n_last; i++)
        fill_message(actor_process(console), list, i + 1, view->last[i]);
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

void actor_fill(struct console *console, unsigned which, struct list *list) {
    const SysActorView *view = actor_view_told(console);
    switch (which) {
    case 0:
        fill_actor(console, list);
        break;
    case 1:
        for (size_t i = 0; view && i < view->n_queued; i++)
            fill_message(actor_process(console), list, i + 1, view->queued[i]);
        break;
    case 2:
        fill_log(console, list);
        break;
    case 3:
        if (view) fill_waits(actor_process(console), view, list);
        break;
    default:
        if (view) fill_senders(view, list);
    }
}

static void draw(struct console *console, struct screen *screen, struct area area) {
    console_page(console, screen, area, actor_draw_page);
}

/* --- actions --- */

static void ask_for(struct console *console, const char *action, bool confirm) {
    struct once once = {.kind = ONCE_DO};
    const struct process *process = actor_process(console);
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
    bool on = actor_tapped(console) && console->timeline.model.tap_open;
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
    .fill = actor_fill,
    .draw = draw,
    .key = key,
    .sort = SIZE_MAX,
};
