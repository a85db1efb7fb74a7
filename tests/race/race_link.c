/* Three processes' nodes in one, linked over tcp and ipc, for some seconds under ThreadSanitizer:
 * actors of each look the others' up and call them in both directions while one of them closes and
 * comes back under the same address again and again. Each call must have exactly one final outcome.
 *
 *     race_link [SECONDS] */
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "runtime/assert.h"
#include "runtime/node.h"
#include "schemas/log.pb-c.h"

#ifdef __SANITIZE_THREAD__
/* libzmq's own threads synchronise in code that the sanitizer does not see. */
const char *__tsan_default_suppressions(void);
const char *__tsan_default_suppressions(void) {
    return "called_from_lib:libzmq.so\nrace:libzmq.so\n";
}
#endif

enum { ADDRESS_MAX = 128, WINDOW = 16, ENTRIES = 8, RETRY_US = 2000, CALL_US = 2000000 };

static _Atomic bool over;
static _Atomic uint64_t asked, ended, answered, lost;

/* --- one actor, both sides: answers LogAppend with LogDrop, and asks its counterpart the same ---
 */

struct talker {
    const char *address; /* of the counterpart; NULL: only answers */
    actor_handle other;
    uint64_t sequence;
    uint64_t under_way;
};

#define TALKER_ACCEPTS(X) X(struct talker, LogAppend, log_append, on_append)
ACTOR_HANDLERS(talker_handlers, TALKER_ACCEPTS);

static enum status on_append(struct talker *self, const LogAppend *message, struct turn *turn) {
    (void)self;
    uint64_t sum = 0;
    for (size_t i = 0; i < message->n_entries; i++) {
        assert(message->entries[i]->data.len == message->entries[i]->index % 3000);
        sum += message->entries[i]->index;
    }
    LogDrop answer = LOG_DROP__INIT;
    answer.store = sum;
    turn_reply(turn, &answer.base);
    return STATUS_OK;
}

static void seek(void *actor, void *context, struct turn *turn);

static void
on_answer(void *actor, void *context, const struct outcome *outcome, struct turn *turn) {
    struct talker *self = actor;
    (void)context;
    self->under_way--;
    atomic_fetch_add(&ended, 1);
    if (outcome->status == STATUS_OK) {
        assert(outcome_as(outcome, LogDrop, log_drop));
        atomic_fetch_add(&answered, 1);
    } else {
        atomic_fetch_add(&lost, 1);
    }
    if (self->under_way > 0) return;
    self->other = 0;
    turn_timer(turn, outcome->status == STATUS_OK ? 0 : RETRY_US, seek, NULL);
}

static void ask(struct talker *self, struct turn *turn) {
    static uint8_t bytes[3000];
    LogEntry entries[ENTRIES], *pointers[ENTRIES];
    LogAppend message = LOG_APPEND__INIT;
    for (size_t i = 0; i < ENTRIES; i++) {
        log_entry__init(&entries[i]);
        entries[i].index = self->sequence++;
        entries[i].data = (ProtobufCBinaryData){entries[i].index % sizeof bytes, bytes};
        pointers[i] = &entries[i];
    }
    message.n_entries = ENTRIES;
    message.entries = pointers;
    self->under_way++;
    atomic_fetch_add(&asked, 1);
    turn_call(turn, &(struct call){.to = self->other,
                                   .message = &message.base,
                                   .done = on_answer,
                                   .deadline_us = turn_now_us(turn) + CALL_US});
}

static void on_found(void *actor, void *context, const struct outcome *outcome, struct turn *turn) {
    struct talker *self = actor;
    (void)context;
    if (outcome->status != STATUS_OK) {
        turn_timer(turn, RETRY_US, seek, NULL);
        return;
    }
    self->other = outcome->handle;
    for (unsigned i = 0; i < WINDOW; i++)
        ask(self, turn);
}

static void seek(void *actor, void *context, struct turn *turn) {
    struct talker *self = actor;
    (void)context;
    if (atomic_load(&over)) return;
    turn_lookup(turn, &(struct lookup){.address = self->address,
                                       .name = "talker",
                                       .done = on_found,
                                       .deadline_us = turn_now_us(turn) + CALL_US});
}

static enum status talker_open(void *actor, const void *options, struct turn *turn) {
    struct talker *self = actor;
    self->address = options;
    if (self->address) turn_later(turn, seek, NULL);
    return STATUS_OK;
}

static const struct actor_type talker_type = {
    .kind = "talker",
    .size = sizeof(struct talker),
    .handlers = talker_handlers,
    .open = talker_open,
};

/* --- the nodes --- */

/* ZeroMQ frees an address a moment after its socket was closed. */
static struct node *start(const char *address, const char *other) {
    struct node *node = NULL;
    struct node_options options = {.name = "node", .link = address, .compute_lanes = 1};
    for (unsigned i = 0; node_open(&options, &node) != STATUS_OK; i++) {
        assert(i < 500);
        usleep(10000);
    }
    struct spawn spawn = {.type = &talker_type, .name = "talker", .options = other};
    actor_handle handle;
    enum status s = node_spawn(node, &spawn, &handle);
    assert(s == STATUS_OK);
    return node;
}

int main(int count, char **arguments) {
    int seconds = count > 1 ? atoi(arguments[1]) : 5;
    char ipc[ADDRESS_MAX], tcp[ADDRESS_MAX];
    snprintf(ipc, sizeof ipc, "ipc:///tmp/vectron-race-link-%d", (int)getpid());
    struct node *still = start("tcp://127.0.0.1:*", ipc);
    snprintf(tcp, sizeof tcp, "%s", node_link(still));
    struct node *asker = start("tcp://127.0.0.1:*", tcp);
    for (time_t end = time(NULL) + seconds; time(NULL) < end;) {
        struct node *restless = start(ipc, tcp);
        usleep(300000);
        node_close(restless);
    }
    atomic_store(&over, true);
    sleep(3); /* the longest call */
    /* An actor that stops takes its calls with it: a window for each life of the restless node. */
    uint64_t gone = atomic_load(&asked) - atomic_load(&ended);
    node_close(asker);
    node_close(still);
    unlink(ipc + sizeof "ipc://" - 1);
    printf("race_link: %" PRIu64 " calls, %" PRIu64 " answered, %" PRIu64 " failed, %" PRIu64
           " gone with their actor\n",
           atomic_load(&asked), atomic_load(&answered), atomic_load(&lost), gone);
    assert(atomic_load(&answered) > 100);
    assert(atomic_load(&ended) <= atomic_load(&asked));
    assert(gone <= (uint64_t)WINDOW * (uint64_t)(4 * seconds + 4));
    return 0;
}
