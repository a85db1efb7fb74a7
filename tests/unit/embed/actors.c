/* A program's own actors on a node in its process, and in the simulator. */
#include <criterion/criterion.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/embed/tally.h"

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
    cr_assert_eq(tally_gone, 1, "closed once");
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
