/* ZeroMQ and CZMQ in the same process as a node. */
#include <criterion/criterion.h>
#include <czmq.h>
#include <string.h>

#include "tests/unit/embed/tally.h"

static const struct vectron_node_options node_options = {
    .size = sizeof(struct vectron_node_options), .name = "guest", .compute_lanes = 1};

static enum vectron_status spawn_tally(struct vectron_node *node, void *context) {
    struct vectron_spawn spawn = {.size = sizeof spawn, .type = &tally_type, .name = "tally"};
    if (context) return vectron_database_start(node, context);
    return vectron_node_spawn(node, &spawn, NULL);
}

static void send_add(zsock_t *dealer, int64_t by, uint64_t correlation) {
    Tally__Add add = TALLY__ADD__INIT;
    add.by = by;
    struct vectron_envelope envelope = {.kind = VECTRON_CALL,
                                        .op = vectron_op("tally.Add"),
                                        .correlation = correlation,
                                        .timeout_us = 1000000};
    unsigned char head[VECTRON_ENVELOPE_MAX], body[64];
    size_t head_size = vectron_envelope_write(&envelope, head);
    size_t body_size = vectron_encode(&add.base, body, sizeof body);
    cr_assert_eq(zsock_send(dealer, "bb", head, head_size, body, body_size), 0);
}

Test(embed_czmq, a_zactor_opens_serves_and_closes) {
    struct vectron_zactor args = {.size = sizeof args, .node = &node_options, .setup = spawn_tally};
    zactor_t *actor = zactor_new(vectron_zactor, &args);
    cr_assert_not_null(actor);
    cr_assert_eq(args.status, VECTRON_OK, "%s", args.error);
    cr_assert_eq(vectron_node_zmq_context(args.open), zsys_init());

    char mailbox[VECTRON_MAILBOX_MAX];
    cr_assert_eq(vectron_mailbox(args.open, "tally", mailbox), VECTRON_OK, "%s", vectron_error());
    zsock_t *dealer = zsock_new_dealer(mailbox);
    zsock_set_rcvtimeo(dealer, 3000);
    send_add(dealer, 4, 77);
    byte *head = NULL, *body = NULL;
    size_t head_size = 0, body_size = 0;
    cr_assert_eq(zsock_recv(dealer, "bb", &head, &head_size, &body, &body_size), 0);
    struct vectron_envelope answer;
    cr_assert_eq(vectron_envelope_read(head, head_size, &answer), VECTRON_OK);
    cr_assert_eq(answer.kind, VECTRON_REPLY);
    cr_assert_eq(answer.correlation, 77);
    cr_assert_eq(answer.op, vectron_op("tally.Total"));
    ProtobufCMessage *total = NULL;
    cr_assert_eq(vectron_decode(&tally__total__descriptor, body, body_size, &total), VECTRON_OK);
    cr_assert_eq(((Tally__Total *)total)->sum, 4);
    vectron_reply_free(total);
    freen(head);
    freen(body);
    zsock_destroy(&dealer);

    cr_assert_eq(vectron_mailbox(args.open, "nobody", mailbox), VECTRON_NOT_FOUND);
    cr_assert_eq(vectron_envelope_read("\x93\x01\x02\x03", 4, &answer), VECTRON_INVALID);
    zactor_destroy(&actor);
    cr_assert_null(actor);
    actor = zactor_new(vectron_zactor, &args); /* the same context, the same name */
    cr_assert_eq(args.status, VECTRON_OK, "%s", args.error);
    zactor_destroy(&actor);
}

Test(embed_czmq, a_zactor_that_cannot_start_says_why) {
    struct vectron_database_options database = {.size = sizeof database};
    struct vectron_zactor args = {
        .size = sizeof args, .node = &node_options, .setup = spawn_tally, .context = &database};
    zactor_t *actor = zactor_new(vectron_zactor, &args);
    cr_assert_eq(args.status, VECTRON_INVALID);
    cr_assert(strstr(args.error, "folder"), "%s", args.error);
    cr_assert_null(args.open);
    zactor_destroy(&actor);
    args.node = NULL;
    actor = zactor_new(vectron_zactor, &args);
    cr_assert_eq(args.status, VECTRON_INVALID);
    zactor_destroy(&actor);
}

Test(embed_czmq, a_zactor_tells_of_an_actor_that_gave_up) {
    struct vectron_zactor args = {.size = sizeof args, .node = &node_options, .setup = spawn_tally};
    zactor_t *actor = zactor_new(vectron_zactor, &args);
    Tally__Break end = TALLY__BREAK__INIT;
    while (!vectron_node_failed(args.open)) {
        (void)!vectron_node_tell(args.open, "tally", &end.base);
        zclock_sleep(10);
    }
    char *word = zstr_recv(actor);
    cr_assert_str_eq(word, "FAILED");
    zstr_free(&word);
    zactor_destroy(&actor);
}
