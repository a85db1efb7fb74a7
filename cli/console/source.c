/* source: looking up, asking, telling. Shards have a file of their own. */
#include "cli/console/source.h"

#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "cli/console/answer.h"
#include "cli/console/source_state.h"
#include "runtime/codec.h"
#include "runtime/memory.h"
#include "schemas/runtime.pb-c.h"
#include "schemas/sys.pb-c.h"

enum {
    RETRY_US = 1000 * 1000,
    RETRY_SLOW_US = 5 * 1000 * 1000, /* of actors that not every process has */
    AGAIN_US = 200 * 1000,           /* the same question is not asked sooner, whoever hurries */
    LOOKUP_US = 2 * 1000 * 1000,
    ANSWER_US = SOURCE_ANSWER_MS * 1000,
    TICK_MS_LEAST = 250,
    TAP_SECONDS = 60,
    TAP_PER_SECOND = 200,
};

static void on_tick(void *actor, void *context, struct turn *turn);

/* --- questions under way --- */

struct asked *
source_asked(struct source *self, size_t target, enum question question, const char *key) {
    struct asked *asked = mem_zero(1, sizeof *asked);
    if (!asked) return NULL;
    asked->target = target;
    asked->question = question;
    snprintf(asked->key, sizeof asked->key, "%s", key);
    asked->next = self->asked;
    asked->link = &self->asked;
    if (asked->next) asked->next->link = &asked->next;
    self->asked = asked;
    return asked;
}

void source_free_asked(struct asked *asked) {
    *asked->link = asked->next;
    if (asked->next) asked->next->link = asked->link;
    mem_free(asked);
}

void source_tell(struct source *self,
                 const struct asked *asked,
                 const struct outcome *outcome,
                 struct turn *turn) {
    struct event event = {
        .at_ms = turn_wall_ms(turn),
        .question = asked->question,
        .status = outcome->status,
        .more = outcome->more,
        .took_us = turn_now_us(turn) - asked->begun_us,
    };
    memcpy(event.address, self->targets[asked->target]->address, sizeof event.address);
    memcpy(event.key, asked->key, sizeof event.key);
    snprintf(event.text, sizeof event.text, "%s", outcome->text);
    struct buffer body;
    buffer_init(&body);
    /* Done has no body; another type than was asked for is no answer. */
    const ProtobufCMessageDescriptor *type = answer_type(asked->question);
    if (outcome->status == STATUS_OK && outcome->message) {
        bool fits = outcome->message->descriptor == type;
        bool done = outcome->message->descriptor == &done__descriptor;
        if (fits && codec_encode(outcome->message, &body) != STATUS_OK)
            event.status = STATUS_INVALID;
        if (!fits && !done) event.status = STATUS_UNIMPLEMENTED;
    }
    event.body = body.data;
    event.size = body.size;
    struct event *copy = event_copy(&event);
    buffer_free(&body);
    if (copy) self->options->sink(self->options->context, copy);
}

/* --- targets --- */

size_t source_target_index(const struct source *self, const char *address) {
    for (size_t i = 0; i < self->n_targets; i++)
        if (strcmp(self->targets[i]->address, address) == 0) return i;
    return SOURCE_TARGETS_MAX;
}

struct target *source_target(struct source *self, const char *address) {
    size_t i = source_target_index(self, address);
    if (i < self->n_targets) return self->targets[i];
    if (self->n_targets == SOURCE_TARGETS_MAX || strlen(address) >= EVENT_ADDRESS_MAX) return NULL;
    struct target *target = mem_zero(1, sizeof *target);
    if (!target) return NULL;
    snprintf(target->address, sizeof target->address, "%s", address);
    for (unsigned kind = 0; kind < SERVICE_COUNT; kind++)
        target->services[kind] =
            (struct service){.target = target, .kind = (enum service_kind)kind};
    return self->targets[self->n_targets++] = target;
}

/* A process bound to every interface tells no host: that of whoever told us of it is the best
 * guess. */
static void complete(char out[EVENT_ADDRESS_MAX], const char *address, const char *via) {
    static const char any[] = "tcp://0.0.0.0:";
    snprintf(out, EVENT_ADDRESS_MAX, "%s", address);
    if (strncmp(address, any, sizeof any - 1) != 0) return;
    const char *port = address + sizeof any - 2, *end = strrchr(via, ':');
    if (strncmp(via, "tcp://", 6) == 0 && end > via + 6)
        snprintf(out, EVENT_ADDRESS_MAX, "%.*s%s", (int)(end - via), via, port);
    else
        snprintf(out, EVENT_ADDRESS_MAX, "tcp://127.0.0.1%s", port);
}

/* Who else is there. */
static void follow_links(struct source *self, struct target *target, const SysReport *report) {
    for (size_t i = 0; i < report->n_links; i++) {
        const SysLink *link = report->links[i];
        char address[EVENT_ADDRESS_MAX];
        if (!*link->address || strcmp(link->name, SOURCE_NODE_NAME) == 0) continue;
        if (!link->connected && source_target_index(self, link->address) == SOURCE_TARGETS_MAX)
            continue; /* it never answered anybody we know */
        complete(address, link->address, target->address);
        source_target(self, address);
    }
}

/* The same process under two addresses is asked at the first that answered. */
static void find_same(struct source *self, struct target *target, const SysReport *report) {
    target->incarnation = report->incarnation;
    for (size_t i = 0; target->incarnation && i < self->n_targets; i++) {
        const struct target *other = self->targets[i];
        if (other == target) break;
        if (other->services[SERVICE_SYS].handle && !other->same &&
            other->incarnation == target->incarnation)
            target->same = true;
    }
}

/* … until that one is gone. */
static bool still_same(const struct source *self, const struct target *target) {
    for (size_t i = 0; i < self->n_targets; i++) {
        const struct target *other = self->targets[i];
        if (other != target && !other->same && other->services[SERVICE_SYS].handle &&
            other->incarnation == target->incarnation)
            return true;
    }
    return false;
}

static void
fail_report(struct source *self, size_t target, const struct outcome *why, struct turn *turn) {
    struct asked asked = {
        .target = target, .question = QUESTION_REPORT, .begun_us = turn_now_us(turn)};
    source_tell(self, &asked, why, turn);
}

/* An older process has no such actor: that is an answer too. */
static void tell_missing(struct source *self, const struct service *service, struct turn *turn) {
    static const enum question asked_of[] = {
        [SERVICE_SYS] = QUESTION_REPORT, [SERVICE_TRACES] = QUESTION_TRACES};
    struct outcome missing = {.status = STATUS_UNIMPLEMENTED, .text = ""};
    struct asked asked = {
        .target = source_target_index(self, service->target->address),
        .question = asked_of[service->kind],
        .begun_us = turn_now_us(turn),
    };
    source_tell(self, &asked, &missing, turn);
}

static void on_found(void *actor, void *context, const struct outcome *outcome, struct turn *turn) {
    struct source *self = actor;
    struct service *service = context;
    struct target *target = service->target;
    bool sys = service->kind == SERVICE_SYS;
    service->looking = false;
    service->retry_us = turn_now_us(turn) + (sys ? RETRY_US : RETRY_SLOW_US);
    if (outcome->status == STATUS_OK) {
        service->handle = outcome->handle;
        if (sys) target->same = false;
        on_tick(self, target, turn);
    } else if (outcome->status == STATUS_NOT_FOUND && service->kind != SERVICE_PD) {
        tell_missing(self, service, turn);
    } else if (sys) {
        fail_report(self, source_target_index(self, target->address), outcome, turn);
    }
}

void source_look_up(struct service *service, struct turn *turn) {
    static const char *const names[] = {"sys", "traces", "pd"};
    if (service->looking || turn_now_us(turn) < service->retry_us) return;
    service->looking = true;
    turn_lookup(turn, &(struct lookup){
                          .address = service->target->address,
                          .name = names[service->kind],
                          .done = on_found,
                          .context = service,
                          .deadline_us = turn_now_us(turn) + LOOKUP_US,
                      });
}

/* --- asking sys --- */

static void
on_answer(void *actor, void *context, const struct outcome *outcome, struct turn *turn) {
    struct source *self = actor;
    struct asked *asked = context;
    struct target *target = self->targets[asked->target];
    source_tell(self, asked, outcome, turn);
    if (outcome->more) return;
    target->under_way[asked->question] = false;
    if (outcome->status == STATUS_LOST_PEER)
        for (unsigned i = 0; i < SERVICE_COUNT; i++)
            target->services[i].handle = 0;
    const SysReport *report = outcome_as(outcome, SysReport, sys_report);
    if (report) {
        follow_links(self, target, report);
        find_same(self, target, report);
    }
    source_free_asked(asked);
}

static void ask(struct source *self,
                size_t index,
                enum question question,
                const char *key,
                const ProtobufCMessage *message,
                struct turn *turn) {
    struct target *target = self->targets[index];
    bool of_traces = question == QUESTION_TRACES || question == QUESTION_TRACE;
    struct service *service = &target->services[of_traces ? SERVICE_TRACES : SERVICE_SYS];
    uint64_t now = turn_now_us(turn);
    if (!service->handle) {
        source_look_up(service, turn);
        return;
    }
    if (target->under_way[question] ||
        (target->asked_us[question] && now < target->asked_us[question] + AGAIN_US))
        return;
    struct asked *asked = source_asked(self, index, question, key);
    if (!asked) return;
    asked->begun_us = target->asked_us[question] = now;
    target->under_way[question] = true;
    turn_call(turn, &(struct call){.to = service->handle,
                                   .message = message,
                                   .done = on_answer,
                                   .context = asked,
                                   .deadline_us = now + ANSWER_US});
}

/* Hex to bytes; false: it is none. */
static bool read_trace(const char *hex, uint8_t out[16]) {
    for (size_t i = 0; i < 16; i++) {
        unsigned byte;
        if (sscanf(hex + 2 * i, "%2x", &byte) != 1) return false;
        out[i] = (uint8_t)byte;
    }
    return true;
}

static void
ask_actor(struct source *self, size_t i, const struct wanted *wanted, struct turn *turn) {
    if (strcmp(self->targets[i]->address, wanted->actor_address) != 0) return;
    SysAskActor *question = turn_new(turn, SysAskActor, sys_ask_actor);
    question->name = (char *)wanted->actor;
    question->bodies = wanted->bodies;
    ask(self, i, QUESTION_ACTOR, wanted->actor, &question->base, turn);
}

static void
ask_traces(struct source *self, size_t i, const struct wanted *wanted, struct turn *turn) {
    SysAskTraces *list = turn_new(turn, SysAskTraces, sys_ask_traces);
    list->slowest = wanted->slowest;
    list->failed = wanted->failed_only;
    if (wanted->questions & 1u << QUESTION_TRACES)
        ask(self, i, QUESTION_TRACES, "", &list->base, turn);
    SysAskTrace *one = turn_new(turn, SysAskTrace, sys_ask_trace);
    uint8_t id[16];
    if (!(wanted->questions & 1u << QUESTION_TRACE) || !read_trace(wanted->trace, id)) return;
    one->trace = (ProtobufCBinaryData){sizeof id, id};
    ask(self, i, QUESTION_TRACE, wanted->trace, &one->base, turn);
}

static void
ask_target(struct source *self, size_t i, const struct wanted *wanted, struct turn *turn) {
    uint32_t wants = wanted->questions;
    SysAsk *report = turn_new(turn, SysAsk, sys_ask);
    report->actors = wants & 1u << QUESTION_ACTORS;
    ask(self, i, report->actors ? QUESTION_ACTORS : QUESTION_REPORT, "", &report->base, turn);
    if (wants & 1u << QUESTION_ACTOR) ask_actor(self, i, wanted, turn);
    if (wants & 1u << QUESTION_WAITS)
        ask(self, i, QUESTION_WAITS, "", &turn_new(turn, SysAskWaits, sys_ask_waits)->base, turn);
    if (wants & 1u << QUESTION_LETTERS) {
        SysAskLetters *letters = turn_new(turn, SysAskLetters, sys_ask_letters);
        letters->max = 128;
        letters->bodies = wanted->bodies;
        ask(self, i, QUESTION_LETTERS, "", &letters->base, turn);
    }
    ask_traces(self, i, wanted, turn);
}

/* --- single orders --- */

static void
on_tap_part(void *actor, void *context, const struct outcome *outcome, struct turn *turn) {
    struct source *self = actor;
    struct asked *asked = context;
    source_tell(self, asked, outcome, turn);
    if (outcome->more) return;
    if (self->tap_call == outcome->call) self->tap_call = 0;
    source_free_asked(asked);
}

static void start_tap(struct source *self, size_t i, const struct once *once, struct turn *turn) {
    struct asked *asked = source_asked(self, i, QUESTION_TAP, once->actor);
    if (!asked) return;
    asked->begun_us = turn_now_us(turn);
    SysTap *tap = turn_new(turn, SysTap, sys_tap);
    tap->actor = (char *)once->actor;
    tap->seconds = TAP_SECONDS;
    tap->per_second = TAP_PER_SECOND;
    tap->bodies = once->bodies;
    self->tap_call = turn_call(
        turn, &(struct call){.to = self->targets[i]->services[SERVICE_SYS].handle,
                             .message = &tap->base,
                             .done = on_tap_part,
                             .context = asked,
                             .deadline_us = turn_now_us(turn) + (TAP_SECONDS + 5) * 1000000});
}

static void on_did(void *actor, void *context, const struct outcome *outcome, struct turn *turn) {
    source_tell(actor, context, outcome, turn);
    source_free_asked(context);
}

static void act(struct source *self, size_t i, const struct once *once, struct turn *turn) {
    char words[EVENT_KEY_MAX];
    const ProtobufCMessage *message;
    if (once->kind == ONCE_DO) {
        SysDo *action = turn_new(turn, SysDo, sys_do);
        action->actor = (char *)once->actor;
        action->action = (char *)once->action;
        action->lane = (uint32_t)once->number;
        message = &action->base;
        snprintf(words, sizeof words, "%s %.200s", once->action, once->actor);
    } else {
        SysResend *again = turn_new(turn, SysResend, sys_resend);
        again->number = once->number;
        message = &again->base;
        snprintf(words, sizeof words, "resend letter %llu", (unsigned long long)once->number);
    }
    struct asked *asked = source_asked(self, i, QUESTION_DO, words);
    if (!asked) return;
    asked->begun_us = turn_now_us(turn);
    turn_call(turn, &(struct call){.to = self->targets[i]->services[SERVICE_SYS].handle,
                                   .message = message,
                                   .done = on_did,
                                   .context = asked,
                                   .deadline_us = turn_now_us(turn) + ANSWER_US});
}

static void do_once(struct source *self, struct turn *turn) {
    struct once once;
    while (orders_take(self->options->orders, &once)) {
        bool tap = once.kind == ONCE_TAP || once.kind == ONCE_UNTAP;
        if (tap && self->tap_call) turn_cancel(turn, self->tap_call);
        if (tap) self->tap_call = 0;
        size_t i = source_target_index(self, once.address);
        if (i >= self->n_targets || !self->targets[i]->services[SERVICE_SYS].handle ||
            once.kind == ONCE_UNTAP)
            continue;
        if (tap)
            start_tap(self, i, &once, turn);
        else
            act(self, i, &once, turn);
    }
}

/* --- life --- */

/* context: the one target to ask, NULL: all, and again after a while. */
static void on_tick(void *actor, void *context, struct turn *turn) {
    struct source *self = actor;
    struct wanted wanted = orders_wanted(self->options->orders);
    do_once(self, turn);
    for (size_t i = 0; i < self->n_targets; i++) {
        struct target *target = self->targets[i];
        if (context && target != context) continue;
        if (target->same) target->same = still_same(self, target);
        if (!target->services[SERVICE_SYS].handle)
            source_look_up(&target->services[SERVICE_SYS], turn);
        else if (!target->same)
            ask_target(self, i, &wanted, turn);
    }
    if (wanted.questions & 1u << QUESTION_SHARD) source_ask_shards(self, turn);
    if (context) return;
    uint64_t every = wanted.every_ms > TICK_MS_LEAST ? wanted.every_ms : TICK_MS_LEAST;
    turn_timer_cancel(turn, self->timer);
    self->timer = turn_timer(turn, every * 1000, on_tick, NULL);
}

static void on_wake(void *actor, void *context, uint32_t events, struct turn *turn) {
    (void)context, (void)events;
    struct source *self = actor;
    uint64_t count;
    ssize_t ignored = read(self->options->orders->wake_fd, &count, sizeof count);
    (void)ignored;
    on_tick(self, NULL, turn);
}

static enum status source_open(void *actor, const void *options, struct turn *turn) {
    struct source *self = actor;
    self->options = options;
    for (size_t i = 0; i < self->options->n_addresses; i++)
        if (!source_target(self, self->options->addresses[i]))
            return turn_fail(turn, STATUS_INVALID, "%s: not a link address",
                             self->options->addresses[i]);
    int fd = self->options->orders->wake_fd;
    if (fd >= 0) {
        enum status s = turn_watch(turn, fd, EPOLLIN, on_wake, NULL);
        if (s != STATUS_OK) return turn_fail(turn, s, "cannot watch a descriptor");
    }
    on_tick(self, NULL, turn);
    return STATUS_OK;
}

static void source_close(void *actor) {
    struct source *self = actor;
    while (self->asked)
        source_free_asked(self->asked);
    for (size_t i = 0; i < self->n_targets; i++)
        mem_free(self->targets[i]);
    for (size_t i = 0; i < self->n_shards; i++)
        mem_free(self->shards[i]);
}

static const struct handler source_handlers[] = {{NULL, NULL}}; /* nobody asks it */

const struct actor_type source_type = {
    .kind = "console",
    .size = sizeof(struct source),
    .handlers = source_handlers,
    .open = source_open,
    .close = source_close,
    .lane = LANE_IO,
};
