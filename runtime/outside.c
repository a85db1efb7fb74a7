/* outside: what a process's own threads ask of a node. They borrow a turn of the root actor and
 * sleep until it has an outcome. */
#include <semaphore.h>
#include <stdio.h>
#include <string.h>

#include "runtime/assert.h"
#include "runtime/codec.h"
#include "runtime/host.h"
#include "runtime/memory.h"
#include "runtime/raw.h"
#include "runtime/relay.h"
#include "runtime/turn_state.h"

enum { WORDS_MAX = 512, CALL_DEFAULT_MS = 10 * 1000 };

static void sleep_until(sem_t *over) {
    while (sem_wait(over) != 0) { /* a signal */
    }
}

/* --- running
 * --------------------------------------------------------------------------------------- */

struct running {
    turn_fn run;
    void *context;
    sem_t over;
};

static void run_now(void *self, void *context, struct turn *turn) {
    struct running *running = context;
    running->run(self, running->context, turn);
    sem_post(&running->over);
}

void node_run(struct node *node, turn_fn run, void *context) {
    struct running running = {.run = run, .context = context};
    sem_init(&running.over, 0, 0);
    core_order(&node->core, NULL, run_now, &running);
    sleep_until(&running.over);
    sem_destroy(&running.over);
}

/* --- spawning
 * --------------------------------------------------------------------------------------- */

struct spawning {
    struct spawn spawn;
    actor_handle handle;
    enum status status;
    char words[WORDS_MAX];
    sem_t over;
};

static void
spawn_opened(void *self, void *context, const struct outcome *outcome, struct turn *turn) {
    (void)self, (void)turn;
    struct spawning *spawning = context;
    spawning->status = outcome->status;
    snprintf(spawning->words, sizeof spawning->words, "%s", outcome->text);
    sem_post(&spawning->over);
}

static void spawn_now(void *self, void *context, struct turn *turn) {
    (void)self;
    struct spawning *spawning = context;
    spawning->status = turn_spawn(turn, &spawning->spawn, &spawning->handle);
    if (spawning->status == STATUS_OK) return;
    snprintf(spawning->words, sizeof spawning->words, "%s", status_text(spawning->status));
    sem_post(&spawning->over);
}

enum status node_spawn(struct node *node, const struct spawn *spawn, actor_handle *out) {
    struct spawning spawning = {.spawn = *spawn};
    spawning.spawn.opened = spawn_opened;
    spawning.spawn.context = &spawning;
    sem_init(&spawning.over, 0, 0);
    core_order(&node->core, NULL, spawn_now, &spawning);
    sleep_until(&spawning.over);
    sem_destroy(&spawning.over);
    if (spawning.status == STATUS_OK)
        *out = spawning.handle;
    else
        node_set_error(spawning.words);
    return spawning.status;
}

/* --- calling
 * ---------------------------------------------------------------------------------------- */

/* A reply that outlives its turn: the message lives in the arena, which borrows from body. */
struct reply {
    struct reply *next; /* owned */
    ProtobufCMessage *message;
    struct arena arena;
    void *body; /* owned */
};

static pthread_mutex_t replies_lock = PTHREAD_MUTEX_INITIALIZER;
static struct reply *replies;

static enum status
read_reply(struct reply *reply, const ProtobufCMessageDescriptor *type, const struct raw *from) {
    if (type != &raw__descriptor)
        return codec_decode(type, reply->body, from->size, &reply->arena, &reply->message, NULL);
    struct raw *raw = arena_alloc(&reply->arena, sizeof *raw);
    if (!raw) return STATUS_NO_MEMORY;
    raw_init(raw, from->op, reply->body, from->size);
    reply->message = &raw->base;
    return STATUS_OK;
}

static enum status
keep_reply(const struct raw *from, const ProtobufCMessageDescriptor *type, ProtobufCMessage **out) {
    struct reply *reply = mem_zero(1, sizeof *reply);
    if (!reply) return STATUS_NO_MEMORY;
    arena_init(&reply->arena, 0);
    enum status s = STATUS_NO_MEMORY;
    reply->body = mem_copy(from->body, from->size);
    if (reply->body) s = read_reply(reply, type, from);
    if (s != STATUS_OK) {
        mem_free(reply->body);
        arena_free(&reply->arena);
        mem_free(reply);
        return s;
    }
    pthread_mutex_lock(&replies_lock);
    reply->next = replies;
    replies = reply;
    pthread_mutex_unlock(&replies_lock);
    *out = reply->message;
    return STATUS_OK;
}

enum status node_decode(const ProtobufCMessageDescriptor *type,
                        const void *body,
                        size_t size,
                        ProtobufCMessage **out) {
    struct raw raw;
    raw_init(&raw, 0, body, size);
    return keep_reply(&raw, type, out);
}

void node_reply_free(ProtobufCMessage *message) {
    if (!message) return;
    pthread_mutex_lock(&replies_lock);
    struct reply **at = &replies;
    while (*at && (*at)->message != message)
        at = &(*at)->next;
    struct reply *reply = *at;
    assert(reply);
    *at = reply->next;
    pthread_mutex_unlock(&replies_lock);
    arena_free(&reply->arena);
    mem_free(reply->body);
    mem_free(reply);
}

struct calling {
    const struct node_call *call;
    uint64_t deadline_us;
    enum status status;
    ProtobufCMessage *reply;
    char words[WORDS_MAX];
    sem_t over;
};

static void end_call(struct calling *calling, enum status status, const char *words) {
    calling->status = status;
    snprintf(calling->words, sizeof calling->words, "%s", words);
    sem_post(&calling->over);
}

static void call_done(void *self, void *context, const struct outcome *outcome, struct turn *turn) {
    (void)self;
    struct calling *calling = context;
    const struct node_call *call = calling->call;
    if (outcome->more) {
        if (call->part) call->part(call->context, outcome->message);
        return;
    }
    enum status s = outcome->status;
    struct raw raw;
    if (s == STATUS_OK) {
        const struct parcel *parcel = turn->parcel;
        raw_init(&raw, parcel->envelope.op, parcel->body, parcel->size);
        s = keep_reply(&raw, outcome->message->descriptor, &calling->reply);
    }
    end_call(calling, s, outcome->text);
}

static void
call_found(void *self, void *context, const struct outcome *outcome, struct turn *turn) {
    (void)self;
    struct calling *calling = context;
    if (outcome->status != STATUS_OK) {
        end_call(calling, outcome->status, outcome->text);
        return;
    }
    turn_call(turn, &(struct call){
                        .to = outcome->handle,
                        .message = calling->call->message,
                        .done = call_done,
                        .context = calling,
                        .deadline_us = calling->deadline_us,
                        .reply = calling->call->reply,
                    });
}

static void call_now(void *self, void *context, struct turn *turn) {
    (void)self;
    struct calling *calling = context;
    uint64_t ms = calling->call->timeout_ms ? calling->call->timeout_ms : CALL_DEFAULT_MS;
    calling->deadline_us = turn_now_us(turn) + ms * 1000;
    turn_lookup(turn, &(struct lookup){
                          .address = calling->call->address,
                          .name = calling->call->name,
                          .done = call_found,
                          .context = calling,
                          .deadline_us = calling->deadline_us,
                      });
}

enum status node_call(struct node *node, const struct node_call *call, ProtobufCMessage **reply) {
    struct calling calling = {.call = call};
    sem_init(&calling.over, 0, 0);
    core_order(&node->core, NULL, call_now, &calling);
    sleep_until(&calling.over);
    sem_destroy(&calling.over);
    if (call->text && call->text_size > 0)
        snprintf(call->text, call->text_size, "%s", calling.words);
    if (calling.status == STATUS_OK && reply)
        *reply = calling.reply;
    else
        node_reply_free(calling.reply);
    return calling.status;
}

/* --- keys
 * ------------------------------------------------------------------------------------------- */

struct renewal {
    struct relay *relay;
    struct keyring *keyring; /* the relay's once it ran */
    enum keyring_change change;
};

/* The root is on the link's lane. */
static void renew_now(void *self, void *context, struct turn *turn) {
    (void)self, (void)turn;
    struct renewal *renewal = context;
    renewal->change = relay_renew_keys(renewal->relay, renewal->keyring);
}

enum keyring_change node_renew_keys(struct node *node, struct keyring *keyring) {
    struct renewal renewal = {.relay = node->relay, .keyring = keyring};
    node_run(node, renew_now, &renewal);
    return renewal.change;
}
