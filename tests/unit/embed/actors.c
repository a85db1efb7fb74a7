/* A program's own actors on a node in its process. */
#include <criterion/criterion.h>
#include <glob.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "tests/unit/embed/tally.h"

static _Atomic unsigned lives, gone;

struct tally {
    int64_t sum;
    uint32_t adds;
    uint32_t life;
    struct vectron_promise owed;
};

static Tally__Total total_of(const struct tally *self) {
    Tally__Total total = TALLY__TOTAL__INIT;
    total.sum = self->sum;
    total.adds = self->adds;
    total.life = self->life;
    return total;
}

static enum vectron_status
on_add(void *state, const ProtobufCMessage *message, struct vectron_turn *turn) {
    struct tally *self = state;
    const Tally__Add *add = (const Tally__Add *)message;
    if (add->by == 0)
        return vectron_fail(turn, VECTRON_INVALID, "nothing to add for \"%s\"", add->why);
    self->sum += add->by;
    self->adds++;
    Tally__Total total = total_of(self);
    vectron_reply(turn, &total.base);
    return VECTRON_OK;
}

static void waited(void *state, void *context, struct vectron_turn *turn) {
    struct tally *self = state;
    (void)context;
    Tally__Total total = total_of(self);
    if (vectron_wanted(turn, &self->owed))
        vectron_resolve(turn, &self->owed, &total.base);
    else
        vectron_reject(turn, &self->owed, VECTRON_CANCELLED, "nobody waits");
}

static enum vectron_status
on_wait(void *state, const ProtobufCMessage *message, struct vectron_turn *turn) {
    struct tally *self = state;
    self->owed = vectron_defer(turn);
    vectron_timer(turn, ((const Tally__Wait *)message)->us, waited, NULL);
    return VECTRON_OK;
}

static enum vectron_status
on_break(void *state, const ProtobufCMessage *message, struct vectron_turn *turn) {
    (void)state, (void)message;
    vectron_exit(turn, VECTRON_IO, "told to");
    return VECTRON_OK;
}

static void asked(void *state,
                  void *context,
                  const struct vectron_outcome *outcome,
                  struct vectron_turn *turn) {
    struct tally *self = state;
    (void)context;
    if (outcome->status != VECTRON_OK)
        vectron_reject(turn, &self->owed, outcome->status, "%s", outcome->text);
    else if (outcome->message->descriptor != &tally__total__descriptor)
        vectron_reject(turn, &self->owed, VECTRON_INTERNAL, "another type");
    else
        vectron_resolve(turn, &self->owed, outcome->message);
}

static void found(void *state,
                  void *context,
                  const struct vectron_outcome *outcome,
                  struct vectron_turn *turn) {
    struct tally *self = state;
    if (outcome->status != VECTRON_OK) {
        vectron_reject(turn, &self->owed, outcome->status, "lookup: %s", outcome->text);
        return;
    }
    Tally__Add add = TALLY__ADD__INIT;
    add.by = 1;
    vectron_call(turn, &(struct vectron_call){.size = sizeof(struct vectron_call),
                                              .to = outcome->handle,
                                              .message = &add.base,
                                              .reply = &tally__total__descriptor,
                                              .done = asked,
                                              .context = context,
                                              .timeout_us = 2000000});
}

static enum vectron_status
on_ask(void *state, const ProtobufCMessage *message, struct vectron_turn *turn) {
    struct tally *self = state;
    const Tally__Ask *ask = (const Tally__Ask *)message;
    self->owed = vectron_defer(turn);
    vectron_lookup(turn, &(struct vectron_lookup){.size = sizeof(struct vectron_lookup),
                                                  .address = ask->address,
                                                  .name = ask->name,
                                                  .done = found});
    return VECTRON_OK;
}

/* Bytes of an unknown type come back as they are, in two parts and an end. */
static enum vectron_status
on_any(void *state, const ProtobufCMessage *message, struct vectron_turn *turn) {
    (void)state;
    const struct vectron_body *body = vectron_body_of(message);
    cr_assert_not_null(body);
    struct vectron_promise promise = vectron_defer(turn);
    vectron_resolve_part(turn, &promise, &body->base);
    vectron_resolve_part(turn, &promise, &body->base);
    vectron_resolve(turn, &promise, &body->base);
    return VECTRON_OK;
}

static enum vectron_status tally_open(void *state, const void *options, struct vectron_turn *turn) {
    struct tally *self = state;
    if (options && strcmp(options, "refuse") == 0)
        return vectron_fail(turn, VECTRON_DISK_FULL, "no room");
    self->life = ++lives;
    return VECTRON_OK;
}

static void tally_close(void *state) {
    (void)state;
    gone++;
}

static const struct vectron_handler tally_handlers[] = {
    {&tally__add__descriptor, on_add},
    {&tally__wait__descriptor, on_wait},
    {&tally__break__descriptor, on_break},
    {&tally__ask__descriptor, on_ask},
    {NULL, on_any},
    {NULL, NULL},
};
const struct vectron_actor_type tally_type = {
    .size = sizeof(struct vectron_actor_type),
    .kind = "tally",
    .state_size = sizeof(struct tally),
    .handlers = tally_handlers,
    .open = tally_open,
    .close = tally_close,
};

static void no_log(void *context, enum vectron_log_level level, const char *line) {
    (void)context, (void)level, (void)line;
}

struct vectron_node *open_tally(const struct vectron_node_options *options) {
    struct vectron_node *node = NULL;
    vectron_log(VECTRON_LOG_ERROR, no_log, NULL);
    cr_assert_eq(vectron_node_open(options, &node), VECTRON_OK, "%s", vectron_error());
    struct vectron_spawn spawn = {.size = sizeof spawn,
                                  .type = &tally_type,
                                  .name = "tally",
                                  .restart = VECTRON_TRANSIENT,
                                  .intensity = 3};
    cr_assert_eq(vectron_node_spawn(node, &spawn, NULL), VECTRON_OK, "%s", vectron_error());
    return node;
}

static struct vectron_node *open_named(const char *name, const char *link) {
    return open_tally(&(struct vectron_node_options){.size = sizeof(struct vectron_node_options),
                                                     .name = name,
                                                     .compute_lanes = 1,
                                                     .link = link});
}

enum vectron_status ask_tally(struct vectron_node *node,
                              const char *address,
                              const ProtobufCMessage *message,
                              Tally__Total *total) {
    ProtobufCMessage *reply = NULL;
    struct vectron_node_call call = {.size = sizeof call,
                                     .address = address,
                                     .name = "tally",
                                     .message = message,
                                     .reply = &tally__total__descriptor,
                                     .timeout_ms = 3000};
    enum vectron_status s = vectron_node_call(node, &call, &reply);
    if (s == VECTRON_OK && total) {
        cr_assert_eq(reply->descriptor, &tally__total__descriptor);
        *total = *(Tally__Total *)reply;
    }
    vectron_reply_free(reply);
    return s;
}

static enum vectron_status add(struct vectron_node *node, int64_t by, Tally__Total *total) {
    Tally__Add message = TALLY__ADD__INIT;
    message.by = by;
    message.why = (char *)"test";
    return ask_tally(node, NULL, &message.base, total);
}

Test(embed, an_actor_of_its_own_answers) {
    struct vectron_node *node = open_named("one", NULL);
    Tally__Total total;
    cr_assert_eq(add(node, -5, &total), VECTRON_OK);
    cr_assert_eq(add(node, 12, &total), VECTRON_OK);
    cr_assert_eq(total.sum, 7);
    cr_assert_eq(total.adds, 2);
    cr_assert_eq(add(node, 0, &total), VECTRON_INVALID);
    cr_assert_str_eq(vectron_error(), "nothing to add for \"test\"");
    vectron_node_close(node);
    cr_assert_eq(gone, 1, "closed once");
}

Test(embed, a_failed_actor_is_restarted_under_its_name) {
    struct vectron_node *node = open_named("one", NULL);
    Tally__Total total;
    Tally__Break end = TALLY__BREAK__INIT;
    cr_assert_eq(add(node, 5, &total), VECTRON_OK);
    cr_assert_eq(total.life, 1);
    cr_assert_eq(vectron_node_tell(node, "tally", &end.base), VECTRON_OK);
    for (int tries = 0; tries < 200 && (add(node, 1, &total) != VECTRON_OK || total.life < 2);
         tries++)
        usleep(10000);
    cr_assert_eq(total.life, 2);
    cr_assert_leq(total.sum, 200, "a new life begins from nothing");
    cr_assert_not(vectron_node_failed(node));
    for (int i = 0; i < 4; i++) { /* beyond its intensity */
        (void)!vectron_node_tell(node, "tally", &end.base);
        usleep(200000);
    }
    for (int tries = 0; tries < 300 && !vectron_node_failed(node); tries++) {
        (void)!vectron_node_tell(node, "tally", &end.base);
        usleep(10000);
    }
    cr_assert(vectron_node_failed(node));
    vectron_node_close(node);
}

Test(embed, deferred_answers_and_deadlines) {
    struct vectron_node *node = open_named("one", NULL);
    Tally__Total total;
    Tally__Wait wait = TALLY__WAIT__INIT;
    wait.us = 20000;
    cr_assert_eq(ask_tally(node, NULL, &wait.base, &total), VECTRON_OK);
    wait.us = 1000000;
    struct vectron_node_call call = {
        .size = sizeof call, .name = "tally", .message = &wait.base, .timeout_ms = 50};
    cr_assert_eq(vectron_node_call(node, &call, NULL), VECTRON_EXPIRED);
    vectron_node_close(node);
}

static _Atomic unsigned parts;

static void count_part(void *context, const ProtobufCMessage *message) {
    cr_assert_str_eq(context, "here");
    cr_assert_eq(vectron_body_of(message)->size, 4);
    parts++;
}

Test(embed, bodies_of_msgpack_and_parts) {
    struct vectron_node *node = open_named("one", NULL);
    struct vectron_body body;
    vectron_body_init(&body, vectron_op("Unheard"), "\x81\x01\xa1x", 4);
    ProtobufCMessage *reply = NULL;
    struct vectron_node_call call = {.size = sizeof call,
                                     .name = "tally",
                                     .message = &body.base,
                                     .part = count_part,
                                     .context = (void *)"here"};
    cr_assert_eq(vectron_node_call(node, &call, &reply), VECTRON_OK, "%s", vectron_error());
    cr_assert_eq(parts, 2);
    const struct vectron_body *answer = vectron_body_of(reply);
    cr_assert_eq(answer->op, vectron_op("Unheard"));
    cr_assert_arr_eq(answer->bytes, "\x81\x01\xa1x", 4);
    vectron_reply_free(reply);

    /* And by bytes to a handler that takes a struct. */
    Tally__Add add = TALLY__ADD__INIT;
    add.by = 3;
    unsigned char bytes[64];
    size_t size = vectron_encode(&add.base, bytes, sizeof bytes);
    vectron_body_init(&body, vectron_op("tally.Add"), bytes, size);
    cr_assert_eq(vectron_node_call(node, &call, &reply), VECTRON_OK, "%s", vectron_error());
    answer = vectron_body_of(reply);
    cr_assert_eq(answer->op, vectron_op("tally.Total"), "undecoded, for no type was given");
    ProtobufCMessage *total = NULL;
    cr_assert_eq(vectron_decode(&tally__total__descriptor, answer->bytes, answer->size, &total),
                 VECTRON_OK);
    cr_assert_eq(((Tally__Total *)total)->sum, 3);
    vectron_reply_free(total);
    cr_assert_eq(vectron_decode(&tally__total__descriptor, "\xc1", 1, &total), VECTRON_INVALID);
    vectron_reply_free(reply);
    vectron_node_close(node);
}

Test(embed, actors_of_two_nodes_find_each_other) {
    struct vectron_node *one = open_named("one", NULL);
    struct vectron_node *two = open_named("two", "tcp://127.0.0.1:0");
    Tally__Total total;
    Tally__Ask ask = TALLY__ASK__INIT;
    ask.address = (char *)vectron_node_link(two);
    ask.name = (char *)"tally";
    cr_assert_eq(ask_tally(one, NULL, &ask.base, &total), VECTRON_OK, "%s", vectron_error());
    cr_assert_eq(total.sum, 1);
    cr_assert_eq(ask_tally(one, ask.address, &ask.base, &total), VECTRON_OK, "also from outside");
    ask.name = (char *)"nobody";
    cr_assert_eq(ask_tally(one, NULL, &ask.base, &total), VECTRON_NOT_FOUND);
    vectron_node_close(two);
    vectron_node_close(one);
}

/* --- what turns can do besides --- */

struct probe {
    int fd;
    _Atomic unsigned events, worked, laters, downs, cancelled;
};
static struct probe probe;

static void on_event(void *state, void *context, uint32_t events, struct vectron_turn *turn) {
    (void)context, (void)events;
    const struct probe *const *self = state;
    uint64_t count;
    if (read((*self)->fd, &count, sizeof count) == sizeof count) probe.events++;
    vectron_unwatch(turn, (*self)->fd);
}

static enum vectron_status work(void *context) {
    (void)context;
    return VECTRON_DENIED;
}

static void worked(void *state,
                   void *context,
                   const struct vectron_outcome *outcome,
                   struct vectron_turn *turn) {
    (void)state, (void)context, (void)turn;
    if (outcome->status == VECTRON_DENIED) probe.worked++;
}

static void later(void *state, void *context, struct vectron_turn *turn) {
    (void)state, (void)context, (void)turn;
    probe.laters++;
}

static void
down(void *state, void *context, const struct vectron_outcome *outcome, struct vectron_turn *turn) {
    (void)state, (void)context, (void)turn;
    if (outcome->status == VECTRON_OK) probe.downs++;
}

static void called(void *state,
                   void *context,
                   const struct vectron_outcome *outcome,
                   struct vectron_turn *turn) {
    (void)state, (void)context, (void)turn;
    if (outcome->status == VECTRON_CANCELLED) probe.cancelled++;
}

static enum vectron_status probe_open(void *state, const void *options, struct vectron_turn *turn) {
    (void)options;
    *(struct probe **)state = &probe;
    cr_assert_eq(vectron_watch(turn, probe.fd, EPOLLIN, on_event, NULL), VECTRON_OK);
    vectron_block(turn, &(struct vectron_block){
                            .size = sizeof(struct vectron_block), .work = work, .done = worked});
    vectron_later(turn, later, NULL);
    vectron_timer_cancel(turn, vectron_timer(turn, 1, later, NULL));
    vectron_handle child = 0;
    struct vectron_spawn spawn = {
        .size = sizeof spawn, .type = &tally_type, .restart = VECTRON_TEMPORARY};
    cr_assert_eq(vectron_spawn(turn, &spawn, &child), VECTRON_OK);
    uint64_t silent = vectron_monitor(turn, child, down, NULL);
    vectron_unmonitor(turn, silent);
    vectron_monitor(turn, child, down, NULL);
    Tally__Wait wait = TALLY__WAIT__INIT;
    wait.us = 60000000;
    uint64_t call = vectron_call(turn, &(struct vectron_call){.size = sizeof(struct vectron_call),
                                                              .to = child,
                                                              .message = &wait.base,
                                                              .done = called});
    vectron_cancel(turn, call);
    vectron_stop(turn, child);
    cr_assert_eq(vectron_find(turn, "tally"), 0);
    cr_assert_neq(vectron_self(turn), 0);
    cr_assert_eq(vectron_sender(turn), 0);
    cr_assert_eq(vectron_deadline_us(turn), UINT64_MAX);
    cr_assert_neq(vectron_now_us(turn), 0);
    cr_assert_not_null(vectron_alloc(turn, 1000));
    return VECTRON_OK;
}

static const struct vectron_actor_type probe_type = {.size = sizeof(struct vectron_actor_type),
                                                     .kind = "probe",
                                                     .state_size = sizeof(struct probe *),
                                                     .open = probe_open,
                                                     .flags = VECTRON_LIGHT};

Test(embed, turns_watch_block_monitor_and_cancel) {
    probe.fd = eventfd(1, EFD_NONBLOCK);
    struct vectron_node *node = NULL;
    struct vectron_node_options options = {.size = sizeof options, .compute_lanes = 1};
    cr_assert_eq(vectron_node_open(&options, &node), VECTRON_OK);
    struct vectron_spawn spawn = {.size = sizeof spawn, .type = &probe_type};
    vectron_handle handle = 0;
    cr_assert_eq(vectron_node_spawn(node, &spawn, &handle), VECTRON_OK, "%s", vectron_error());
    for (int tries = 0; tries < 300; tries++) {
        if (probe.events && probe.worked && probe.laters && probe.downs && probe.cancelled) break;
        usleep(10000);
    }
    cr_assert_eq(probe.events, 1);
    cr_assert_eq(probe.worked, 1);
    cr_assert_eq(probe.laters, 1, "the timer was cancelled");
    cr_assert_eq(probe.downs, 1, "one monitor was ended before");
    cr_assert_eq(probe.cancelled, 1);
    vectron_node_stop(node, handle);
    vectron_node_close(node);
    close(probe.fd);
}

/* --- links, moves, sleep --- */

static _Atomic unsigned exits, moves, put_away, woken;
static _Atomic int woken_with;

static void exited(void *state,
                   void *context,
                   const struct vectron_outcome *outcome,
                   struct vectron_turn *turn) {
    (void)state, (void)context, (void)turn;
    /* LOST_PEER: it had died before the link reached it */
    bool died = outcome->status == VECTRON_IO || outcome->status == VECTRON_LOST_PEER;
    if (died && outcome->handle) exits++;
}

static enum vectron_status
mortal_open(void *state, const void *options, struct vectron_turn *turn) {
    (void)state, (void)options;
    vectron_exit(turn, VECTRON_IO, "%s", "it was not to be");
    return VECTRON_OK;
}
static const struct vectron_actor_type mortal_type = {.size = sizeof(struct vectron_actor_type),
                                                      .kind = "mortal",
                                                      .open = mortal_open,
                                                      .flags = VECTRON_LIGHT};

/* Linked to one that dies at once, it lives on, and moves. */
static enum vectron_status
mourner_open(void *state, const void *options, struct vectron_turn *turn) {
    (void)state, (void)options;
    vectron_handle child = 0;
    struct vectron_spawn spawn = {
        .size = sizeof spawn, .type = &mortal_type, .restart = VECTRON_TEMPORARY};
    vectron_trap_exits(turn, exited, NULL);
    cr_assert_eq(vectron_spawn(turn, &spawn, &child), VECTRON_OK);
    vectron_link(turn, child);
    vectron_link(turn, vectron_self(turn) + 1);
    vectron_unlink(turn, vectron_self(turn) + 1);
    vectron_move(turn, vectron_self(turn), 2);
    return VECTRON_OK;
}

static void mourner_moved(void *state, struct vectron_turn *turn) {
    (void)state, (void)turn;
    moves++;
}
static const struct vectron_actor_type mourner_type = {.size = sizeof(struct vectron_actor_type),
                                                       .kind = "mourner",
                                                       .open = mourner_open,
                                                       .moved = mourner_moved,
                                                       .flags = VECTRON_LINKABLE};

static struct vectron_node *open_two_lanes(void) {
    struct vectron_node *node = NULL;
    struct vectron_node_options options = {
        .size = sizeof options, .io_lanes = 2, .compute_lanes = 1};
    cr_assert_eq(vectron_node_open(&options, &node), VECTRON_OK);
    return node;
}

static void wait_until(_Atomic unsigned *count, unsigned wanted) {
    for (int tries = 0; *count < wanted && tries < 500; tries++)
        usleep(10000);
    cr_assert_geq(*count, wanted);
}

Test(embed, actors_are_linked_and_move) {
    struct vectron_node *node = open_two_lanes();
    struct vectron_spawn spawn = {.size = sizeof spawn, .type = &mourner_type};
    vectron_handle handle = 0;
    cr_assert_eq(vectron_node_spawn(node, &spawn, &handle), VECTRON_OK, "%s", vectron_error());
    wait_until(&exits, 1);
    wait_until(&moves, 1);
    cr_expect_not(vectron_node_failed(node));
    vectron_node_close(node);
}

static enum vectron_status
sleeper_add(void *state, const ProtobufCMessage *message, struct vectron_turn *turn) {
    return on_add(state, message, turn);
}

static enum vectron_status
sleeper_passivate(void *state, struct vectron_kept *kept, struct vectron_turn *turn) {
    struct tally *self = state;
    static const char much[70000];
    (void)turn;
    cr_assert_eq(vectron_keep(kept, much, sizeof much), VECTRON_TOO_LARGE);
    cr_assert_eq(vectron_keep(kept, &self->sum, sizeof self->sum), VECTRON_OK);
    put_away++;
    return VECTRON_OK;
}

static enum vectron_status sleeper_hydrate(void *state,
                                           const void *options,
                                           const struct vectron_kept *kept,
                                           struct vectron_turn *turn) {
    struct tally *self = state;
    size_t size = 0;
    const void *bytes = vectron_kept_bytes(kept, &size);
    (void)options, (void)turn;
    cr_assert_eq(size, sizeof self->sum);
    memcpy(&self->sum, bytes, size);
    woken_with = (int)self->sum;
    woken++;
    return VECTRON_OK;
}
static const struct vectron_handler sleeper_handlers[] = {{&tally__add__descriptor, sleeper_add},
                                                          {NULL, NULL}};
static const struct vectron_actor_type sleeper_type = {.size = sizeof(struct vectron_actor_type),
                                                       .kind = "sleeper",
                                                       .state_size = sizeof(struct tally),
                                                       .handlers = sleeper_handlers,
                                                       .flags = VECTRON_LIGHT,
                                                       .shed_us = 1000000,
                                                       .idle_us = 20000,
                                                       .passivate = sleeper_passivate,
                                                       .hydrate = sleeper_hydrate};

Test(embed, idle_actors_sleep_and_remember) {
    struct vectron_node *node = open_two_lanes();
    struct vectron_spawn spawn = {.size = sizeof spawn, .type = &sleeper_type, .name = "sleeper"};
    vectron_handle handle = 0;
    Tally__Add add = TALLY__ADD__INIT;
    add.by = 42;
    cr_assert_eq(vectron_node_spawn(node, &spawn, &handle), VECTRON_OK, "%s", vectron_error());
    cr_assert_eq(vectron_node_tell(node, "sleeper", &add.base), VECTRON_OK);
    for (unsigned i = 1; i < 100 && woken_with == 0; i++) {
        wait_until(&put_away, i);
        cr_assert_eq(vectron_node_tell(node, "sleeper", &add.base), VECTRON_OK);
        wait_until(&woken, i);
    }
    cr_expect(woken_with > 0 && woken_with % 42 == 0, "%d", woken_with);
    vectron_node_close(node);
}

/* --- in the simulator --- */

Test(embed, the_same_actors_run_in_the_simulator) {
    struct vectron_sim *sim = vectron_sim_open(
        &(struct vectron_sim_options){.size = sizeof(struct vectron_sim_options), .seed = 4});
    struct vectron_spawn spawn = {.size = sizeof spawn, .type = &tally_type, .name = "tally"};
    cr_assert_neq(vectron_sim_spawn(sim, 1, &spawn), 0);
    vectron_sim_trace_clear(sim);
    Tally__Add add = TALLY__ADD__INIT;
    Tally__Wait wait = TALLY__WAIT__INIT;
    add.by = 2;
    vectron_sim_tell(sim, "tally", &add.base);
    const ProtobufCMessage *reply = NULL;
    struct vectron_sim_call call = {
        .size = sizeof call, .message = &add.base, .reply = &tally__total__descriptor};
    cr_assert_eq(vectron_sim_call(sim, "tally", &call, &reply), VECTRON_OK);
    cr_expect_eq(((const Tally__Total *)reply)->sum, 4);
    add.by = 0;
    cr_assert_eq(vectron_sim_call(sim, "tally", &call, &reply), VECTRON_INVALID);
    cr_expect(strstr(vectron_sim_words(sim), "nothing to add"));
    cr_expect(strstr(vectron_sim_trace(sim), "tally ! INVALID nothing to add for"), "%s",
              vectron_sim_trace(sim));
    uint64_t before = vectron_sim_now_us(sim);
    wait.us = 3600u * 1000000;
    call.message = &wait.base;
    cr_assert_eq(vectron_sim_call(sim, "tally", &call, &reply), VECTRON_EXPIRED);
    cr_expect_eq(vectron_sim_now_us(sim) - before, 60000000, "a minute of the virtual clock");
    vectron_sim_run(sim, wait.us);
    vectron_sim_stop(sim, 1, "tally");
    vectron_sim_close(sim);
}

/* --- groups, and an end in peace --- */

static _Atomic unsigned stops;

static void last_words(void *state, void *context, struct vectron_turn *turn) {
    (void)state, (void)context;
    stops++;
    vectron_exit(turn, VECTRON_OK, "done");
}

static void family_stop(void *state, struct vectron_turn *turn) {
    (void)state;
    vectron_timer(turn, 30000, last_words, NULL);
}

static enum vectron_status
family_open(void *state, const void *options, struct vectron_turn *turn) {
    (void)state, (void)options;
    enum vectron_status s = vectron_supervise(turn, VECTRON_ONE_FOR_ALL, 3, 10);
    for (int i = 0; s == VECTRON_OK && i < 2; i++) {
        struct vectron_spawn spawn = {
            .size = sizeof spawn, .type = &tally_type, .name = i == 0 ? "tally" : "sister"};
        vectron_handle child;
        s = vectron_spawn(turn, &spawn, &child);
    }
    return s;
}

static const struct vectron_actor_type family_type = {.size = sizeof(struct vectron_actor_type),
                                                      .kind = "family",
                                                      .open = family_open,
                                                      .stop = family_stop};

Test(embed, children_restart_as_a_group_and_stops_are_waited_for) {
    struct vectron_node *node = NULL;
    struct vectron_node_options options = {.size = sizeof options, .compute_lanes = 1};
    vectron_log(VECTRON_LOG_ERROR, no_log, NULL);
    cr_assert_eq(vectron_node_open(&options, &node), VECTRON_OK);
    struct vectron_spawn spawn = {.size = sizeof spawn, .type = &family_type, .name = "family"};
    cr_assert_eq(vectron_node_spawn(node, &spawn, NULL), VECTRON_OK, "%s", vectron_error());
    for (int tries = 0; tries < 300 && lives < 2; tries++)
        usleep(10000);
    Tally__Break end = TALLY__BREAK__INIT;
    cr_assert_eq(vectron_node_tell(node, "sister", &end.base), VECTRON_OK);
    for (int tries = 0; tries < 300 && lives < 4; tries++)
        usleep(10000);
    cr_assert_eq(lives, 4, "both opened anew");
    vectron_node_close(node);
    cr_assert_eq(stops, 1, "the end waited for the family's own");
    cr_assert_eq(gone, 4);
}

/* --- manners --- */

Test(embed, mistakes_are_told_in_words) {
    struct vectron_node *node = NULL;
    struct vectron_node_options options = {.name = "no size"};
    cr_assert_eq(vectron_node_open(&options, &node), VECTRON_INVALID);
    cr_assert(strstr(vectron_error(), "size"), "%s", vectron_error());
    options = (struct vectron_node_options){.size = sizeof options, .link = "http://here"};
    cr_assert_eq(vectron_node_open(&options, &node), VECTRON_INVALID);
    options = (struct vectron_node_options){.size = sizeof options, .link = "tcp://0.0.0.0:0"};
    cr_assert_eq(vectron_node_open(&options, &node), VECTRON_DENIED);
    cr_assert(strstr(vectron_error(), "key"), "%s", vectron_error());
    options.key_file = "/nowhere/own.key";
    cr_assert_eq(vectron_node_open(&options, &node), VECTRON_INVALID);
    options.allowed_keys = "/nowhere/allowed";
    cr_assert_eq(vectron_node_open(&options, &node), VECTRON_NOT_FOUND);
    cr_assert(strstr(vectron_error(), "/nowhere/own.key"), "%s", vectron_error());
    node = open_named("one", NULL);
    struct vectron_spawn spawn = {.size = sizeof spawn, .type = &tally_type, .name = "tally"};
    cr_assert_eq(vectron_node_spawn(node, &spawn, NULL), VECTRON_EXISTS);
    spawn.name = "other";
    spawn.options = "refuse";
    cr_assert_eq(vectron_node_spawn(node, &spawn, NULL), VECTRON_DISK_FULL);
    cr_assert_str_eq(vectron_error(), "no room");
    Tally__Break end = TALLY__BREAK__INIT;
    cr_assert_eq(vectron_node_tell(node, "nobody", &end.base), VECTRON_NOT_FOUND);
    vectron_node_close(node);
    vectron_node_close(NULL);
    vectron_reply_free(NULL);
}

/* A program built with a later version, whose structs are longer. */
Test(embed, structs_of_other_versions_are_read) {
    struct {
        struct vectron_node_options known;
        uint64_t later;
    } options = {.known = {.size = sizeof options, .compute_lanes = 1}};
    struct vectron_node *node = NULL;
    cr_assert_eq(vectron_node_open(&options.known, &node), VECTRON_OK, "%s", vectron_error());
    vectron_node_close(node);
    options.later = 1;
    cr_assert_eq(vectron_node_open(&options.known, &node), VECTRON_INVALID);
    options.known.size = offsetof(struct vectron_node_options, link); /* an earlier one's */
    options.known.link = "http://not read";
    cr_assert_eq(vectron_node_open(&options.known, &node), VECTRON_OK, "%s", vectron_error());
    vectron_node_close(node);
}

/* Threads of this process that block SIGTERM. */
static unsigned count_blocking(void) {
    glob_t files;
    unsigned count = 0;
    cr_assert_eq(glob("/proc/self/task/*/status", 0, NULL, &files), 0);
    for (size_t i = 0; i < files.gl_pathc; i++) {
        FILE *file = fopen(files.gl_pathv[i], "r");
        char line[256];
        while (file && fgets(line, sizeof line, file)) {
            unsigned long long mask = 0;
            if (sscanf(line, "SigBlk: %llx", &mask) == 1 && (mask >> (SIGTERM - 1) & 1)) count++;
        }
        if (file) fclose(file);
    }
    globfree(&files);
    return count;
}

Test(embed, signals_stay_the_programs) {
    unsigned before = count_blocking(); /* a sanitizer has a thread of its own */
    struct vectron_node *node = open_named("one", NULL);
    sigset_t now;
    pthread_sigmask(SIG_BLOCK, NULL, &now);
    cr_assert_not(sigismember(&now, SIGTERM));
    cr_assert_geq(count_blocking(), before + 2 + 4, "lanes and the blocking pool");
    vectron_node_close(node);
}

Test(embed, statuses_have_the_names_of_the_header) {
    static const struct {
        enum vectron_status status;
        const char *name;
    } rows[] = {
#define ROW(name) {VECTRON_##name, #name}
        ROW(OK),          ROW(INVALID),       ROW(NOT_FOUND),
        ROW(EXISTS),      ROW(STALE_EPOCH),   ROW(BUSY),
        ROW(NO_MEMORY),   ROW(QUOTA),         ROW(NOT_READY),
        ROW(NOT_LEADER),  ROW(LOST_PEER),     ROW(DISK_FULL),
        ROW(QUARANTINED), ROW(EXPIRED),       ROW(CANCELLED),
        ROW(TOO_LARGE),   ROW(CORRUPT),       ROW(DENIED),
        ROW(INTERNAL),    ROW(UNIMPLEMENTED), ROW(UNAUTHENTICATED),
        ROW(IO),
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        cr_assert_str_eq(vectron_status_name(rows[i].status), rows[i].name);
    cr_assert_str_eq(vectron_status_text(VECTRON_BUSY), "overloaded, try again");
    cr_assert_str_eq(vectron_version(), VECTRON_VERSION);
}
