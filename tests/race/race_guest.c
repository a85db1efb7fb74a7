/* Nodes that come and go in a foreign ZeroMQ context, under threads of the program that call them,
 * add types and run turns: each call has one outcome, and the context is the program's at the end.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <zmq.h>

#include "runtime/assert.h"
#include "runtime/codec.h"
#include "runtime/log.h"
#include "runtime/node.h"
#include "runtime/raw.h"

enum { PROGRAMS = 3, CALLS_A_LIFE = 40 };

static void *context;
static _Atomic unsigned calls, answers, refusals, lives;
static _Atomic bool over;

static enum status on_any(void *self, const void *message, struct turn *turn) {
    unsigned *count = self;
    if (++*count % 7 == 0) return turn_fail(turn, STATUS_BUSY, "every seventh");
    turn_reply(turn, message);
    return STATUS_OK;
}

static const struct handler handlers[] = {{&raw__descriptor, on_any}, {NULL, NULL}};
static const struct actor_type parrot = {
    .kind = "parrot", .size = sizeof(unsigned), .handlers = handlers};

static void find(void *self, void *found, struct turn *turn) {
    (void)self;
    *(actor_handle *)found = turn_find(turn, "parrot");
}

static void live(unsigned program) {
    char name[32];
    struct node *node = NULL;
    actor_handle spawned = 0, found = 0;
    snprintf(name, sizeof name, "guest-%u", program);
    enum status s = node_open(
        &(struct node_options){.name = name, .compute_lanes = 1, .zmq_context = context}, &node);
    assert(s == STATUS_OK);
    s = node_spawn(node, &(struct spawn){.type = &parrot, .name = "parrot"}, &spawned);
    assert(s == STATUS_OK);
    node_run(node, find, &found);
    assert(found == spawned);
    for (unsigned i = 0; i < CALLS_A_LIFE; i++) {
        struct raw word;
        ProtobufCMessage *reply = NULL;
        raw_init(&word, 1000 + i, &i, sizeof i);
        s = node_call(
            node,
            &(struct node_call){.name = "parrot", .message = &word.base, .reply = &raw__descriptor},
            &reply);
        calls++;
        if (s == STATUS_OK) {
            assert(raw_of(reply)->op == 1000 + i);
            answers++;
        } else {
            assert(s == STATUS_BUSY);
            refusals++;
        }
        node_reply_free(reply);
    }
    node_close(node);
    lives++;
}

static void *run(void *number) {
    static ProtobufCMessageDescriptor types[PROGRAMS];
    unsigned program = *(unsigned *)number;
    char *name = malloc(32);
    assert(name);
    snprintf(name, 32, "guest.Own%u", program);
    types[program] = raw__descriptor;
    types[program].name = name;
    enum status s = codec_add(&types[program]);
    assert(s == STATUS_OK);
    while (!over) {
        live(program);
        assert(codec_find(codec_op(&types[program])) == &types[program]);
    }
    return NULL;
}

int main(int n, char **words) {
    pthread_t threads[PROGRAMS];
    unsigned numbers[PROGRAMS];
    unsigned seconds = n > 1 ? (unsigned)atoi(words[1]) : 5;
    log_set(LOG_ERROR, false);
    context = zmq_ctx_new();
    for (unsigned i = 0; i < PROGRAMS; i++) {
        numbers[i] = i;
        int rc = pthread_create(&threads[i], NULL, run, &numbers[i]);
        assert(rc == 0);
    }
    nanosleep(&(struct timespec){.tv_sec = (time_t)seconds}, NULL);
    over = true;
    for (unsigned i = 0; i < PROGRAMS; i++)
        pthread_join(threads[i], NULL);
    zmq_ctx_term(context); /* hangs when a node left a socket */
    assert(calls == answers + refusals && calls == lives * CALLS_A_LIFE);
    printf("%u lives, %u calls, %u answers, %u refusals\n", lives, calls, answers, refusals);
    return 0;
}
