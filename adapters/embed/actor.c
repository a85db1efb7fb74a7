/* actor: a program's own actors: its types as the runtime wants them, and what a turn can do. The
 * latter pass on what they are given: embed.h says why that is possible. */
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "adapters/embed/embed.h"
#include "runtime/assert.h"
#include "runtime/buffer.h"
#include "runtime/memory.h"
#include "runtime/raw.h"

/* A callback under its other name. */
#define AS(type, callback) ((type)(void (*)(void))(callback))

static struct turn *turn_of(struct vectron_turn *turn) {
    return (struct turn *)turn;
}

static const struct turn *const_turn_of(const struct vectron_turn *turn) {
    return (const struct turn *)turn;
}

/* --- types --- */

/* Kept for the life of the process, as the runtime keeps kinds: their number is that of the types
 * in a program's text. */
struct known {
    struct known *next;
    const struct vectron_actor_type *theirs;
    struct actor_type type;
    struct handler handlers[];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct known *all;

static size_t count_handlers(const struct vectron_actor_type *type) {
    size_t n = 0;
    while (type->handlers && type->handlers[n].run)
        n++;
    return n;
}

static struct known *make(const struct vectron_actor_type *type) {
    size_t n = count_handlers(type);
    struct known *known = mem_zero(1, sizeof *known + (n + 1) * sizeof(struct handler));
    if (!known) return NULL;
    for (size_t i = 0; i < n; i++) {
        const ProtobufCMessageDescriptor *message = type->handlers[i].message;
        known->handlers[i] = (struct handler){
            message ? message : &raw__descriptor,
            AS(handler_fn, type->handlers[i].run),
        };
    }
    known->type = (struct actor_type){
        .kind = type->kind,
        .size = type->state_size ? type->state_size : 1,
        .handlers = known->handlers,
        .open = AS(enum status(*)(void *, const void *, struct turn *), type->open),
        .stop = AS(void (*)(void *, struct turn *), type->stop),
        .close = type->close,
        .lane = type->flags & VECTRON_COMPUTE ? LANE_COMPUTE : LANE_IO,
        .light = type->flags & VECTRON_LIGHT,
        .mailbox_messages = type->mailbox_messages,
        .mailbox_bytes = type->mailbox_bytes,
        .shed_us = type->shed_us,
        .idle_us = type->idle_us,
        .passivate = AS(enum status(*)(void *, struct buffer *, struct turn *), type->passivate),
        .hydrate = AS(enum status(*)(void *, const void *, const struct buffer *, struct turn *),
                      type->hydrate),
        .moved = AS(void (*)(void *, struct turn *), type->moved),
        .linkable = type->flags & VECTRON_LINKABLE,
        .mutes = type->flags & VECTRON_MUTES,
    };
    return known;
}

const struct actor_type *embed_type(const struct vectron_actor_type *type) {
    struct vectron_actor_type taken;
    if (!type || !embed_take(&taken, sizeof taken, type) || !taken.kind) return NULL;
    pthread_mutex_lock(&lock);
    struct known *known = all;
    while (known && known->theirs != type)
        known = known->next;
    if (!known && (known = make(&taken))) {
        known->theirs = type;
        known->next = all;
        all = known;
    }
    pthread_mutex_unlock(&lock);
    return known ? &known->type : NULL;
}

bool embed_spawn(const struct vectron_spawn *spawn, struct spawn *out) {
    struct vectron_spawn taken;
    if (!embed_take(&taken, sizeof taken, spawn)) return false;
    *out = (struct spawn){
        .type = embed_type(taken.type),
        .name = taken.name,
        .options = taken.options,
        .restart = (enum restart)taken.restart,
        .intensity = taken.intensity,
        .period_s = taken.period_s,
        .stop_ms = taken.stop_ms,
    };
    return out->type;
}

/* --- who, when, memory --- */

vectron_handle vectron_self(const struct vectron_turn *turn) {
    return turn_self(const_turn_of(turn));
}

vectron_handle vectron_sender(const struct vectron_turn *turn) {
    return turn_sender(const_turn_of(turn));
}

uint64_t vectron_now_us(const struct vectron_turn *turn) {
    return turn_now_us(const_turn_of(turn));
}

uint64_t vectron_deadline_us(const struct vectron_turn *turn) {
    return turn_deadline_us(const_turn_of(turn));
}

void *vectron_alloc(struct vectron_turn *turn, size_t size) {
    return turn_alloc(turn_of(turn), size);
}

/* --- answering --- */

enum { WORDS_MAX = 1024 };

enum vectron_status
vectron_fail(struct vectron_turn *turn, enum vectron_status status, const char *format, ...) {
    char words[WORDS_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(words, sizeof words, format, args);
    va_end(args);
    return (enum vectron_status)turn_fail(turn_of(turn), (enum status)status, "%s", words);
}

void vectron_reply(struct vectron_turn *turn, const ProtobufCMessage *message) {
    turn_reply(turn_of(turn), message);
}

struct vectron_promise vectron_defer(struct vectron_turn *turn) {
    struct promise promise = turn_defer(turn_of(turn));
    struct vectron_promise out = {{0}};
    memcpy(&out, &promise, sizeof promise);
    return out;
}

static struct promise promise_of(const struct vectron_promise *promise) {
    struct promise out;
    memcpy(&out, promise, sizeof out);
    return out;
}

void vectron_resolve_part(struct vectron_turn *turn,
                          const struct vectron_promise *promise,
                          const ProtobufCMessage *message) {
    struct promise owed = promise_of(promise);
    turn_resolve_part(turn_of(turn), &owed, message);
}

void vectron_resolve(struct vectron_turn *turn,
                     const struct vectron_promise *promise,
                     const ProtobufCMessage *message) {
    struct promise owed = promise_of(promise);
    turn_resolve(turn_of(turn), &owed, message);
}

void vectron_reject(struct vectron_turn *turn,
                    const struct vectron_promise *promise,
                    enum vectron_status status,
                    const char *format,
                    ...) {
    char words[WORDS_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(words, sizeof words, format, args);
    va_end(args);
    struct promise owed = promise_of(promise);
    turn_reject(turn_of(turn), &owed, (enum status)status, "%s", words);
}

bool vectron_wanted(struct vectron_turn *turn, const struct vectron_promise *promise) {
    struct promise owed = promise_of(promise);
    return turn_wanted(turn_of(turn), &owed);
}

/* --- asking --- */

/* A struct without its size is a program that cannot go on: there is nobody to tell. */
#define TAKE(taken, from) \
    do { \
        bool known = embed_take(&(taken), sizeof(taken), (from)); \
        assert(known); \
    } while (0)

static uint64_t deadline_after(struct vectron_turn *turn, uint64_t timeout_us) {
    if (timeout_us == 0) return 0;
    uint64_t now = vectron_now_us(turn);
    return timeout_us < NO_DEADLINE - now ? now + timeout_us : NO_DEADLINE;
}

void vectron_tell(struct vectron_turn *turn, vectron_handle to, const ProtobufCMessage *message) {
    turn_tell(turn_of(turn), to, message);
}

uint64_t vectron_call(struct vectron_turn *turn, const struct vectron_call *call) {
    struct vectron_call taken;
    TAKE(taken, call);
    return turn_call(turn_of(turn), &(struct call){
                                        .to = taken.to,
                                        .message = taken.message,
                                        .done = AS(outcome_fn, taken.done),
                                        .context = taken.context,
                                        .deadline_us = deadline_after(turn, taken.timeout_us),
                                        .reply = taken.reply ? taken.reply : &raw__descriptor,
                                    });
}

void vectron_cancel(struct vectron_turn *turn, uint64_t call) {
    turn_cancel(turn_of(turn), call);
}

void vectron_lookup(struct vectron_turn *turn, const struct vectron_lookup *lookup) {
    struct vectron_lookup taken;
    TAKE(taken, lookup);
    turn_lookup(turn_of(turn), &(struct lookup){
                                   .address = taken.address,
                                   .name = taken.name,
                                   .done = AS(outcome_fn, taken.done),
                                   .context = taken.context,
                                   .deadline_us = deadline_after(turn, taken.timeout_us),
                               });
}

vectron_handle vectron_find(struct vectron_turn *turn, const char *name) {
    return turn_find(turn_of(turn), name);
}

uint64_t vectron_monitor(struct vectron_turn *turn,
                         vectron_handle actor,
                         vectron_outcome_fn done,
                         void *context) {
    return turn_monitor(turn_of(turn), actor, AS(outcome_fn, done), context);
}

void vectron_unmonitor(struct vectron_turn *turn, uint64_t monitor) {
    turn_unmonitor(turn_of(turn), monitor);
}

/* --- time and long work --- */

uint64_t
vectron_timer(struct vectron_turn *turn, uint64_t delay_us, vectron_turn_fn run, void *context) {
    return turn_timer(turn_of(turn), delay_us, AS(turn_fn, run), context);
}

void vectron_timer_cancel(struct vectron_turn *turn, uint64_t timer) {
    turn_timer_cancel(turn_of(turn), timer);
}

void vectron_later(struct vectron_turn *turn, vectron_turn_fn run, void *context) {
    turn_later(turn_of(turn), AS(turn_fn, run), context);
}

void vectron_block(struct vectron_turn *turn, const struct vectron_block *block) {
    struct vectron_block taken;
    TAKE(taken, block);
    turn_block(turn_of(turn), &(struct block){
                                  .work = AS(enum status(*)(void *), taken.work),
                                  .done = AS(outcome_fn, taken.done),
                                  .abandon = taken.abandon,
                                  .context = taken.context,
                              });
}

enum vectron_status vectron_watch(
    struct vectron_turn *turn, int fd, uint32_t events, vectron_watch_fn run, void *context) {
    return (enum vectron_status)turn_watch(turn_of(turn), fd, events, AS(watch_fn, run), context);
}

void vectron_unwatch(struct vectron_turn *turn, int fd) {
    turn_unwatch(turn_of(turn), fd);
}

/* --- others --- */

enum vectron_status
vectron_spawn(struct vectron_turn *turn, const struct vectron_spawn *spawn, vectron_handle *out) {
    struct spawn taken;
    if (!embed_spawn(spawn, &taken)) return VECTRON_INVALID;
    return (enum vectron_status)turn_spawn(turn_of(turn), &taken, out);
}

void vectron_stop(struct vectron_turn *turn, vectron_handle child) {
    turn_stop(turn_of(turn), child);
}

enum vectron_status vectron_supervise(struct vectron_turn *turn,
                                      enum vectron_strategy strategy,
                                      uint32_t intensity,
                                      uint32_t period_s) {
    struct policy policy = {(enum strategy)strategy, intensity, period_s};
    return (enum vectron_status)turn_supervise(turn_of(turn), &policy);
}

void vectron_link(struct vectron_turn *turn, vectron_handle other) {
    turn_link(turn_of(turn), other);
}

void vectron_unlink(struct vectron_turn *turn, vectron_handle other) {
    turn_unlink(turn_of(turn), other);
}

void vectron_trap_exits(struct vectron_turn *turn, vectron_outcome_fn exited, void *context) {
    turn_trap_exits(turn_of(turn), AS(outcome_fn, exited), context);
}

void vectron_move(struct vectron_turn *turn, vectron_handle actor, uint32_t lane) {
    turn_move(turn_of(turn), actor, lane > INT32_MAX ? INT32_MAX : (int)lane);
}

enum vectron_status vectron_keep(struct vectron_kept *kept, const void *bytes, size_t size) {
    struct buffer *buffer = (struct buffer *)kept;
    if (size > (size_t)PASSIVE_BYTES_MAX - buffer->size) return VECTRON_TOO_LARGE;
    buffer_append(buffer, bytes, size);
    return buffer->failed ? VECTRON_NO_MEMORY : VECTRON_OK;
}

const void *vectron_kept_bytes(const struct vectron_kept *kept, size_t *size) {
    const struct buffer *buffer = (const struct buffer *)kept;
    *size = buffer->size;
    return buffer->data;
}

void vectron_exit(struct vectron_turn *turn, enum vectron_status reason, const char *format, ...) {
    char words[WORDS_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(words, sizeof words, format, args);
    va_end(args);
    turn_exit(turn_of(turn), (enum status)reason, "%s", words);
}
