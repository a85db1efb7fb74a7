/* Two links with keys over real sockets, each with a ZeroMQ context of its own as in life: who gets
 * in, and what is said about the others, on both sides. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <zmq.h>

#include "runtime/frame.h"
#include "runtime/handle.h"
#include "runtime/rebuff.h"
#include "tests/unit/wire/pair.h"

#define TCP "tcp://127.0.0.1:*"

struct pair_of_keys {
    char public[KEY_TEXT + 1], secret[KEY_TEXT + 1];
};

static struct end here, there;
static void *contexts[2];
static struct pair_of_keys here_keys, there_keys, other_keys;

static void set_up(void) {
    for (int i = 0; i < 2; i++)
        contexts[i] = zmq_ctx_new();
    end_skipped_us = 0;
    zmq_curve_keypair(here_keys.public, here_keys.secret);
    zmq_curve_keypair(there_keys.public, there_keys.secret);
    zmq_curve_keypair(other_keys.public, other_keys.secret);
}

static void tear_down(void) {
    end_close(&here);
    end_close(&there);
    for (int i = 0; i < 2; i++)
        zmq_ctx_term(contexts[i]);
    cr_assert_eq(parcel_alive(), 0, "a parcel leaked");
}

TestSuite(guard, .init = set_up, .fini = tear_down, .timeout = 60);

static struct keyring *
keyring_of(const char *name, const struct pair_of_keys *keys, const char *allowed) {
    char own[512], list[512];
    struct keyring *keyring = NULL;
    struct buffer why;
    buffer_init(&why);
    snprintf(own, sizeof own, "name %s\npublic %s\nsecret %s\n", name, keys->public, keys->secret);
    snprintf(list, sizeof list, "%s", allowed);
    enum status s = keyring_read(own, list, &keyring, &why);
    cr_assert_eq(s, STATUS_OK, "%.*s", (int)why.size, why.data);
    buffer_free(&why);
    return keyring;
}

/* keyring NULL: a plain one. */
static void open_end(struct end *end, const char *address, struct keyring *keyring) {
    end_open_with(end, &(struct link_options){.zmq_context = contexts[end == &there],
                                              .address = address,
                                              .name = end == &there ? "worker" : "gateway",
                                              .keyring = keyring});
}

static const char *line(const char *name, const char *key) {
    static char lines[2][128];
    static int i;
    i = !i;
    snprintf(lines[i], sizeof lines[i], "%s %s\n", name, key);
    return lines[i];
}

static void open_both(const char *allowed_here, const char *allowed_there) {
    open_end(&there, TCP, keyring_of("b", &there_keys, allowed_there));
    open_end(&here, NULL, keyring_of("a", &here_keys, allowed_here));
}

static bool both_alarmed(const struct end *a, const struct end *b) {
    return a->n_alarms && b->n_alarms;
}

static bool here_found(const struct end *a, const struct end *b) {
    (void)b;
    return a->n_found > 0;
}

static bool there_lost(const struct end *a, const struct end *b) {
    return a->n_lost > 0 && b->n_lost > 0;
}

/* A lookup that ends in `status`, with words here and there. */
static void expect_refused(const char *address, enum status status, const char *words[2]) {
    link_lookup(here.link, address, "shard/1", 1, end_now_us(NULL) + 3000000);
    cr_expect(end_pump(&here, &there, 5000, here_found));
    /* A plain socket may see no more of it than an end: who closes first is chance. */
    bool lost = here.found[0].status == STATUS_LOST_PEER && !strchr(address, '@');
    cr_expect(here.found[0].status == status || lost, "%s", status_name(here.found[0].status));
    cr_expect(end_pump(&here, &there, 2000, both_alarmed), "both sides tell");
    cr_expect(strstr(here.alarms, words[0]), "here: %s", here.alarms);
    cr_expect(strstr(there.alarms, words[1]), "there: %s", there.alarms);
    cr_expect_lt(here.n_alarms, 3, "told once, however many attempts");
    struct link_security security;
    link_security(there.link, &security);
    cr_expect_gt(security.refused_incoming, 0);
    struct link_peer peer;
    cr_expect_not(link_peer(there.link, 0, &peer), "nobody got in");
}

Test(guard, right_keys_meet) {
    open_both(line("b", there_keys.public), line("a", here_keys.public));
    cr_expect(strncmp(link_address(there.link), "tcp://b@127.0.0.1:", 18) == 0, "%s",
              link_address(there.link));
    end_meet(&here, &there, 3);
    struct link_peer peer;
    cr_assert(link_peer(there.link, 0, &peer));
    cr_expect(peer.curve);
    cr_expect_str_eq(peer.node, "a");
    cr_expect_str_eq(peer.name, "gateway");
    cr_assert(link_peer(here.link, 0, &peer));
    cr_expect_str_eq(peer.node, "b");
    cr_expect_eq(peer.failures, 0);
    cr_expect_eq(here.n_alarms + there.n_alarms, 0);
}

Test(guard, an_unknown_key_is_refused_and_told_on_both_sides) {
    open_both(line("b", there_keys.public), line("c", other_keys.public));
    expect_refused(link_address(there.link), STATUS_DENIED,
                   (const char *[]){here_keys.public, here_keys.public});
    const struct rebuff *rebuff = link_rebuff(there.link, 0);
    cr_assert(rebuff);
    cr_expect_str_eq(rebuff->address, "127.0.0.1");
    cr_expect_str_eq(rebuff->key, here_keys.public);
}

Test(guard, a_server_with_another_key_is_refused) {
    open_both(line("b", other_keys.public), line("a", here_keys.public));
    expect_refused(link_address(there.link), STATUS_DENIED,
                   (const char *[]){"broken off", "takes this process for another"});
}

Test(guard, a_plain_peer_is_refused_by_curve) {
    open_end(&there, TCP, keyring_of("b", &there_keys, line("a", here_keys.public)));
    open_end(&here, NULL, NULL);
    char address[ENDPOINT_MAX + 1];
    snprintf(address, sizeof address, "tcp://%s", strchr(link_address(there.link), '@') + 1);
    expect_refused(address, STATUS_DENIED, (const char *[]){"demands CURVE", "not speak CURVE"});
}

Test(guard, curve_is_refused_by_a_plain_link) {
    open_end(&there, TCP, NULL);
    open_end(&here, NULL, keyring_of("a", &here_keys, line("b", there_keys.public)));
    char address[ENDPOINT_MAX + 1];
    snprintf(address, sizeof address, "tcp://b@%s", link_address(there.link) + strlen("tcp://"));
    expect_refused(address, STATUS_DENIED, (const char *[]){"plain link", "refused"});
}

Test(guard, a_node_without_a_key_is_not_connected_to) {
    open_both(line("c", other_keys.public), line("a", here_keys.public));
    link_lookup(here.link, link_address(there.link), "shard/1", 1, end_now_us(NULL) + 3000000);
    cr_assert(end_pump(&here, &there, 5000, here_found));
    cr_expect_eq(here.found[0].status, STATUS_DENIED);
    cr_expect(strstr(here.alarms, "no key of the node"), "%s", here.alarms);
}

/* Rotation: both keys of a node are allowed for a time, and tried in turn. */
Test(guard, a_node_may_have_two_keys) {
    char both[256];
    snprintf(both, sizeof both, "b %s\nb %s\n", other_keys.public, there_keys.public);
    open_both(both, line("a", here_keys.public));
    end_meet(&here, &there, 3);
}

Test(guard, a_key_is_allowed_later) {
    open_both(line("b", there_keys.public), line("c", other_keys.public));
    link_lookup(here.link, link_address(there.link), "shard/1", 1, end_now_us(NULL) + 300000);
    cr_assert(end_pump(&here, &there, 5000, here_found));
    cr_assert_eq(here.found[0].status, STATUS_DENIED);
    link_renew_keys(there.link, keyring_of("b", &there_keys, line("a", here_keys.public)));
    end_meet(&here, &there, 3);
    struct link_security security;
    link_security(there.link, &security);
    cr_expect_str_eq(security.node, "b");
    cr_expect_eq(security.allowed_keys, 1);
}

Test(guard, a_key_that_is_taken_away_cuts_its_peers) {
    open_both(line("b", there_keys.public), line("a", here_keys.public));
    end_meet(&here, &there, 3);
    link_renew_keys(there.link, keyring_of("b", &there_keys, line("c", other_keys.public)));
    cr_expect(end_pump(&here, &there, 2000, there_lost));
    here.n_found = 0;
    link_lookup(here.link, link_address(there.link), "shard/1", 1, end_now_us(NULL) + 300000);
    cr_assert(end_pump(&here, &there, 5000, here_found));
    cr_expect_eq(here.found[0].status, STATUS_DENIED);
}

static bool here_lost_it(const struct end *a, const struct end *b) {
    (void)b;
    return a->n_lost > 0;
}

static enum status status_of_lookup(void) {
    here.n_found = 0;
    link_lookup(here.link, link_address(there.link), "shard/3", 1, end_now_us(NULL) + 500000);
    cr_assert(end_pump(&here, &there, 5000, here_found));
    return here.found[0].status;
}

/* The listener is bound anew: who came in is cut, and welcome by the new key only. */
Test(guard, a_new_own_key_is_the_listeners_from_then_on) {
    char both[256];
    snprintf(both, sizeof both, "b %s\nb %s\n", there_keys.public, other_keys.public);
    open_both(both, line("a", here_keys.public));
    end_meet(&here, &there, 3);
    cr_expect_eq(
        link_renew_keys(there.link, keyring_of("b", &other_keys, line("a", here_keys.public))),
        KEYRING_NEW);
    cr_assert(end_pump(&here, &there, 2000, here_lost_it));
    end_meet(&here, &there, 3);
    link_renew_keys(here.link, keyring_of("a", &here_keys, line("b", there_keys.public)));
    end_pump(&here, &there, 50, NULL);
    cr_expect_eq(status_of_lookup(), STATUS_DENIED, "the old key is nobody's");
    link_renew_keys(here.link, keyring_of("a", &here_keys, line("b", other_keys.public)));
    cr_expect_eq(status_of_lookup(), STATUS_OK);
}

Test(guard, a_new_own_key_is_that_of_new_connections) {
    char both[256];
    snprintf(both, sizeof both, "a %s\na %s\n", here_keys.public, other_keys.public);
    open_both(line("b", there_keys.public), both);
    actor_handle to = end_meet(&here, &there, 3);
    cr_expect_eq(
        link_renew_keys(here.link, keyring_of("a", &other_keys, line("b", there_keys.public))),
        KEYRING_NEW);
    /* Much to send: the second connection has the new key, and is of the same peer all the same. */
    for (uint64_t i = 0; i < 1000; i++)
        link_send(here.link, end_parcel(to, i, 1000));
    for (unsigned i = 0; i < 500 && there.delivered < 1000; i++)
        end_pump(&here, &there, 10, NULL);
    cr_expect_eq(there.delivered, 1000);
    cr_expect_eq(here.n_lost + there.n_lost, 0);
}

Test(guard, a_key_of_another_name_is_not_taken) {
    open_both(line("b", there_keys.public), line("a", here_keys.public));
    cr_expect_eq(
        link_renew_keys(there.link, keyring_of("x", &other_keys, line("a", here_keys.public))),
        KEYRING_OTHER);
    end_meet(&here, &there, 3);
}

Test(guard, keys_that_stay_keep_their_peers) {
    open_both(line("b", there_keys.public), line("a", here_keys.public));
    end_meet(&here, &there, 3);
    char both[256];
    snprintf(both, sizeof both, "a %s\nc %s\n", here_keys.public, other_keys.public);
    link_renew_keys(there.link, keyring_of("b", &there_keys, both));
    end_pump(&here, &there, 300, NULL);
    cr_expect_eq(here.n_lost + there.n_lost, 0);
}

/* The wire form of a hello cannot be spoken past the handler: whoever is not asked is not there. */
Test(guard, one_handler_a_context) {
    open_end(&there, TCP, keyring_of("b", &there_keys, ""));
    struct link_host host = {.now_us = end_now_us};
    struct link *second = NULL;
    struct link_options options = {.zmq_context = contexts[1],
                                   .name = "second",
                                   .incarnation = 1,
                                   .keyring = keyring_of("c", &other_keys, "")};
    cr_expect_eq(link_open(&options, &host, &second), STATUS_EXISTS);
}

Test(guard, a_flood_of_strangers_does_not_hold_up_a_friend) {
    open_both(line("b", there_keys.public), line("a", here_keys.public));
    void *strangers[200];
    char address[ENDPOINT_MAX + 1];
    snprintf(address, sizeof address, "tcp://%s", strchr(link_address(there.link), '@') + 1);
    for (int i = 0; i < 200; i++) {
        strangers[i] = zmq_socket(contexts[0], ZMQ_DEALER);
        zmq_setsockopt(strangers[i], ZMQ_LINGER, &(int){0}, sizeof(int));
        zmq_setsockopt(strangers[i], ZMQ_RECONNECT_IVL, &(int){10}, sizeof(int));
        if (i % 2) {
            zmq_setsockopt(strangers[i], ZMQ_CURVE_SERVERKEY, there_keys.public, KEY_TEXT + 1);
            zmq_setsockopt(strangers[i], ZMQ_CURVE_PUBLICKEY, other_keys.public, KEY_TEXT + 1);
            zmq_setsockopt(strangers[i], ZMQ_CURVE_SECRETKEY, other_keys.secret, KEY_TEXT + 1);
        }
        zmq_connect(strangers[i], address);
    }
    end_pump(&here, &there, 500, NULL);
    end_meet(&here, &there, 3);
    for (int i = 0; i < 200; i++)
        zmq_close(strangers[i]);
    cr_expect_gt(there.n_alarms, 0);
    cr_expect_leq(there.n_alarms, 16);
}
