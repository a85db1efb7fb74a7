/* Two links over real sockets: what a node can rely on between processes. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zmq.h>

#include "runtime/codec.h"
#include "runtime/handle.h"
#include "tests/unit/wire/pair.h"

static struct end here, there;
static char folder[64], socket_address[128];
#define TCP "tcp://127.0.0.1:*"

static void set_up(void) {
    end_set_up();
    snprintf(folder, sizeof folder, "/tmp/vectron-test-link-%d", (int)getpid());
    snprintf(socket_address, sizeof socket_address, "ipc://%s/there.sock", folder);
}

static void tear_down(void) {
    end_close(&here);
    end_close(&there);
    char path[128];
    snprintf(path, sizeof path, "%s/there.sock", folder);
    unlink(path);
    rmdir(folder);
    cr_expect_eq(parcel_alive(), 0, "a parcel leaked");
    end_tear_down();
}

TestSuite(link, .init = set_up, .fini = tear_down, .timeout = 60);

static void open_both(const char *address) {
    end_open(&there, address, "worker", 0);
    end_open(&here, NULL, "gateway", 0);
}

static bool all_there(const struct end *a, const struct end *b) {
    (void)a;
    return b->delivered >= 1000;
}

static bool here_has_one(const struct end *a, const struct end *b) {
    (void)b;
    return a->delivered >= 1;
}

static bool there_has_one(const struct end *a, const struct end *b) {
    (void)a;
    return b->delivered >= 1;
}

static bool here_lost(const struct end *a, const struct end *b) {
    (void)b;
    return a->n_lost > 0;
}

static bool there_lost(const struct end *a, const struct end *b) {
    (void)a;
    return b->n_lost > 0;
}

static bool here_found(const struct end *a, const struct end *b) {
    (void)b;
    return a->n_found > 0;
}

static void expect_order(const char *address) {
    open_both(address);
    actor_handle to = end_meet(&here, &there, 3);
    for (uint64_t i = 0; i < 1000; i++) {
        link_send(here.link, end_parcel(to, i, (i * 37) % 3000));
        if (i % 90 == 0) link_flush(here.link);
    }
    cr_assert(end_pump(&here, &there, 10000, all_there), "%zu of 1000 came", there.delivered);
    for (uint64_t i = 0; i < 1000; i++) {
        const struct parcel *p = there.parcels[i];
        cr_assert_eq(p->envelope.correlation, i);
        cr_assert_eq(p->size, (i * 37) % 3000);
        if (p->size) cr_assert_eq(p->body[p->size - 1], (unsigned char)i);
        cr_assert_eq(p->envelope.to, end_local(3));
        cr_assert_eq(handle_local(p->envelope.from), end_local(1));
        cr_assert_neq(handle_peer(p->envelope.from), 0);
    }
}

Test(link, delivers_in_order_over_tcp) {
    expect_order(TCP);
}

Test(link, delivers_in_order_over_ipc) {
    expect_order(socket_address);
}

/* Answers need no address of the asking process: they come back on its own connection. */
Test(link, answers_on_the_connection_of_the_question) {
    open_both(TCP);
    link_send(here.link, end_parcel(end_meet(&here, &there, 3), 9, 10));
    cr_assert(end_pump(&here, &there, 5000, there_has_one));
    struct parcel *reply = end_parcel(there.parcels[0]->envelope.from, 9, 20);
    reply->envelope.kind = PARCEL_REPLY;
    link_send(there.link, reply);
    cr_assert(end_pump(&here, &there, 5000, here_has_one));
    cr_expect_eq(here.parcels[0]->envelope.kind, PARCEL_REPLY);
    cr_expect_eq(here.parcels[0]->envelope.to, end_local(1));
    cr_expect_eq(here.parcels[0]->envelope.correlation, 9);
    cr_expect_eq(handle_peer(here.parcels[0]->envelope.from), handle_peer(here.found[0].handle));
}

Test(link, carries_the_whole_envelope) {
    open_both(TCP);
    struct parcel *sent = end_parcel(end_meet(&here, &there, 3), UINT64_MAX, 0);
    sent->envelope.band = BAND_CONTROL;
    sent->envelope.flags = PARCEL_TRACED;
    sent->envelope.deadline_us = end_now_us(NULL) + 3000000;
    sent->envelope.trace[0] = 0x1122334455667788;
    sent->envelope.trace[1] = UINT64_MAX;
    sent->envelope.span = 5;
    struct envelope want = sent->envelope;
    link_send(here.link, sent);
    cr_assert(end_pump(&here, &there, 5000, there_has_one));
    const struct envelope *got = &there.parcels[0]->envelope;
    cr_expect_eq(got->kind, want.kind);
    cr_expect_eq(got->band, want.band);
    cr_expect_eq(got->flags, want.flags);
    cr_expect_eq(got->op, want.op);
    cr_expect_eq(got->correlation, want.correlation);
    cr_expect_eq(got->span, want.span);
    cr_expect_arr_eq(got->trace, want.trace, sizeof got->trace);
    /* The clock starts again at the receiver: late by the time on the way. */
    cr_expect_geq(got->deadline_us, want.deadline_us - 1000);
    cr_expect_leq(got->deadline_us, want.deadline_us + 2000000);
}

Test(link, says_when_a_name_is_unknown) {
    open_both(TCP);
    link_lookup(here.link, link_address(there.link), "nobody", 5, end_now_us(NULL) + 5000000);
    cr_assert(end_pump(&here, &there, 5000, here_found));
    cr_expect_eq(here.found[0].status, STATUS_NOT_FOUND);
    cr_expect_eq(here.found[0].token, 5);
    cr_expect_eq(here.found[0].handle, 0);
}

Test(link, ends_every_lookup_once) {
    open_both(TCP);
    for (unsigned i = 0; i < 20; i++) {
        const char *name = i % 2 ? "nobody" : "shard/4";
        link_lookup(here.link, link_address(there.link), name, i, end_now_us(NULL) + 5000000);
    }
    end_pump(&here, &there, 300, NULL);
    cr_assert_eq(here.n_found, 20);
    unsigned seen = 0;
    for (unsigned i = 0; i < 20; i++)
        seen |= 1u << here.found[i].token;
    cr_expect_eq(seen, (1u << 20) - 1);
}

static const struct {
    const char *address;
    const char *name;
    uint64_t wait_us;
    enum status status;
} lookups[] = {
    {"tcp://127.0.0.1:1", "shard/1", 200000, STATUS_LOST_PEER}, /* nobody listens */
    {"ipc:///tmp/vectron-no-such-folder/x", "shard/1", 200000, STATUS_LOST_PEER},
    {"tcp://10.255.255.1:9", "shard/1", 200000, STATUS_DENIED}, /* a network, without keys */
    {"tcp://a@127.0.0.1:9", "shard/1", 200000, STATUS_DENIED},  /* a node, without keys */
    {"tcp://a b@127.0.0.1:9", "shard/1", 200000, STATUS_INVALID},
    {"gopher://x", "shard/1", 200000, STATUS_INVALID},
    {"", "shard/1", 200000, STATUS_INVALID},
    {"tcp://127.0.0.1", "shard/1", 200000, STATUS_INVALID},
    {"tcp://127.0.0.1:1", "", 200000, STATUS_INVALID},
    {"tcp://127.0.0.1:1", "\xff", 200000, STATUS_INVALID},
    {"tcp://127.0.0.1:1", "shard/1", 0, STATUS_LOST_PEER}, /* already late */
};

Test(link, fails_lookups_that_cannot_succeed) {
    open_both(TCP);
    for (size_t i = 0; i < sizeof lookups / sizeof *lookups; i++) {
        here.n_found = 0;
        uint64_t deadline = end_now_us(NULL) + lookups[i].wait_us;
        link_lookup(here.link, lookups[i].address, lookups[i].name, i, deadline);
        cr_expect_eq(here.n_found, 0, "not from within the call");
        cr_expect(end_pump(&here, NULL, 2000, here_found), "row %zu", i);
        cr_expect_eq(here.found[0].status, lookups[i].status, "row %zu: %s", i,
                     status_name(here.found[0].status));
    }
    struct link_peer peer;
    end_pump(&here, NULL, 100, NULL);
    cr_expect_not(link_peer(here.link, 0, &peer), "peers nobody asks for are forgotten");
    cr_expect_eq(here.n_lost, 0, "they were never there");
}

Test(link, gives_up_on_an_address_where_nobody_answers) {
    end_open_with(&here, &(struct link_options){.name = "gateway", .insecure = true});
    link_lookup(here.link, "tcp://10.255.255.1:9", "shard/1", 1, end_now_us(NULL) + 200000);
    cr_assert(end_pump(&here, NULL, 2000, here_found));
    cr_expect_eq(here.found[0].status, STATUS_LOST_PEER);
}

/* Processes start in any order: a lookup waits for its peer to come up. */
Test(link, waits_for_a_process_that_starts_later) {
    end_open(&here, NULL, "gateway", 0);
    link_lookup(here.link, socket_address, "shard/2", 1, end_now_us(NULL) + 5000000);
    cr_assert_not(end_pump(&here, NULL, 200, here_found));
    end_open(&there, socket_address, "worker", 0);
    cr_assert(end_pump(&here, &there, 2000, here_found));
    cr_expect_eq(here.found[0].status, STATUS_OK);
}

Test(link, gives_up_on_a_process_that_accepts_and_says_nothing) {
    void *mute = zmq_socket(end_context, ZMQ_ROUTER);
    zmq_setsockopt(mute, ZMQ_LINGER, &(int){0}, sizeof(int));
    zmq_bind(mute, TCP);
    char address[64];
    zmq_getsockopt(mute, ZMQ_LAST_ENDPOINT, address, &(size_t){sizeof address});
    end_open(&here, NULL, "gateway", 0);
    link_lookup(here.link, address, "shard/2", 1, end_now_us(NULL) + 60000000);
    end_pump(&here, NULL, 50, NULL);
    for (unsigned i = 0; i < 31; i++, end_skipped_us += 100000)
        end_pump(&here, NULL, 1, NULL);
    cr_assert(end_pump(&here, NULL, 100, here_found));
    cr_expect_eq(here.found[0].status, STATUS_LOST_PEER);
    zmq_close(mute);
}

static void silence(struct end *running) {
    for (unsigned i = 0; i < 16; i++, end_skipped_us += 300000)
        end_pump(running, NULL, 1, NULL);
}

/* A stopped process (SIGSTOP, a hanging disk) keeps its sockets open: only silence tells. */
Test(link, loses_a_silent_peer) {
    open_both(TCP);
    actor_handle to = end_meet(&here, &there, 3);
    end_pump(&here, &there, 50, NULL);
    silence(&here);
    cr_assert_eq(here.n_lost, 1);
    cr_expect_eq(here.lost[0], handle_peer(to));
    link_send(here.link, end_parcel(to, 1, 1));
    cr_expect_eq(here.refused[STATUS_LOST_PEER], 1);
    /* Awake again, it learns that it was given up, and both can start anew. */
    cr_assert(end_pump(&here, &there, 2000, there_lost));
    actor_handle again = end_meet(&here, &there, 3);
    cr_expect_neq(handle_peer(again), handle_peer(to));
}

Test(link, forgives_peers_for_its_own_pause) {
    open_both(TCP);
    end_meet(&here, &there, 3);
    end_pump(&here, &there, 50, NULL);
    end_skipped_us += 60000000;
    end_pump(&here, &there, 50, NULL);
    cr_expect_eq(here.n_lost, 0);
    cr_expect_eq(there.n_lost, 0);
}

/* kill -9 closes the sockets: the opener hears of it at once, not after three seconds. */
Test(link, loses_a_dead_peer_at_once) {
    open_both(TCP);
    actor_handle to = end_meet(&here, &there, 3);
    link_lookup(here.link, link_address(there.link), "shard/5", 6, end_now_us(NULL) + 9000000);
    end_close(&there);
    cr_assert(end_pump(&here, NULL, 1000, here_lost));
    cr_expect_eq(here.lost[0], handle_peer(to));
    cr_assert_eq(here.n_found, 2, "what was asked there ends too");
    cr_expect_eq(here.found[1].status, STATUS_LOST_PEER);
}

Test(link, hears_of_an_opener_that_closed) {
    open_both(TCP);
    end_meet(&here, &there, 3);
    end_pump(&here, &there, 20, NULL);
    end_close(&here);
    cr_assert(end_pump(NULL, &there, 1000, there_lost));
}

/* The same address, a new process: new incarnation, new peer number; old handles reach nobody. */
Test(link, meets_a_restarted_process_as_somebody_new) {
    end_open(&there, socket_address, "worker", 1);
    end_open(&here, NULL, "gateway", 0);
    actor_handle before = end_meet(&here, &there, 3);
    end_close(&there);
    end_open(&there, socket_address, "worker", 2);
    cr_assert(end_pump(&here, &there, 1000, here_lost));
    actor_handle after = end_meet(&here, &there, 3);
    cr_expect_neq(handle_peer(before), handle_peer(after));
    link_send(here.link, end_parcel(before, 1, 1));
    link_send(here.link, end_parcel(after, 2, 1));
    cr_assert(end_pump(&here, &there, 1000, there_has_one));
    cr_expect_eq(here.refused[STATUS_LOST_PEER], 1);
    cr_expect_eq(there.parcels[0]->envelope.correlation, 2);
}

/* A peer that does not read: memory is bounded, bulk is refused, answers still have room. */
Test(link, bounds_what_waits_for_a_slow_reader) {
    open_both(TCP);
    actor_handle to = end_meet(&here, &there, 3);
    enum { SIZE = 1 << 20 };
    link_send(here.link, end_parcel(to, 0, SIZE));
    end_pump(&here, &there, 100, NULL); /* until both connections are there */
    size_t sent = 1;
    for (; here.refused[STATUS_BUSY] == 0 && sent < 1000; sent++) {
        link_send(here.link, end_parcel(to, sent, SIZE));
        link_flush(here.link);
    }
    cr_assert_eq(here.refused[STATUS_BUSY], 1);
    struct link_peer peer;
    cr_assert(link_peer(here.link, 0, &peer));
    cr_expect_leq(peer.queued_bytes, LINK_QUEUE_BYTES);
    cr_expect_gt(peer.queued_bytes, LINK_QUEUE_BYTES - 2 * SIZE);
    cr_expect_gt(peer.full, 0, "ZeroMQ's own queue was full before ours: SysLink.full");
    cr_expect_lt(sent * SIZE, (size_t)LINK_QUEUE_BYTES + 100 * SIZE, "%zu MiB left our sight",
                 sent);
    struct parcel *reply = end_parcel(to, 0, SIZE);
    reply->envelope.kind = PARCEL_REPLY;
    link_send(here.link, reply);
    cr_expect_eq(here.refused[STATUS_BUSY], 1, "a reply has a reserve");
    /* It reads again: everything comes, in order. */
    there.discard = false;
    size_t expected = sent; /* one refused, one reply more */
    for (unsigned i = 0; i < 2000 && there.delivered < expected; i++) {
        end_pump(&here, &there, 10, NULL);
    }
    cr_assert_eq(there.delivered, expected);
    for (size_t i = 0; i + 1 < expected; i++) {
        cr_assert_eq(there.parcels[i]->envelope.correlation, i);
    }
}

/* So that whoever asks one process finds the others, also those that opened the connection. */
Test(link, tells_where_it_is_reached) {
    end_open(&there, TCP, "worker", 0);
    end_open(&here, TCP, "gateway", 0);
    end_meet(&here, &there, 3);
    struct link_peer peer;
    cr_assert(link_peer(there.link, 0, &peer));
    cr_expect_not(peer.opened);
    cr_expect_str_eq(peer.address, link_address(here.link));
    cr_assert(link_peer(here.link, 0, &peer));
    cr_expect(peer.opened);
    cr_expect_str_eq(peer.address, link_address(there.link));
}

/* Data that waits does not hold up what is urgent. */
Test(link, control_overtakes_data) {
    open_both(TCP);
    actor_handle to = end_meet(&here, &there, 3);
    for (unsigned i = 0; i < 60; i++)
        link_send(here.link, end_parcel(to, i, 1 << 20));
    struct parcel *urgent = end_parcel(to, 999, 10);
    urgent->envelope.band = BAND_CONTROL;
    link_send(here.link, urgent);
    for (unsigned i = 0; i < 1000 && there.delivered < 61; i++)
        end_pump(&here, &there, 10, NULL);
    cr_assert_eq(there.delivered, 61);
    cr_expect_neq(there.parcels[60]->envelope.correlation, 999);
}

Test(link, refuses_what_expired_while_it_waited) {
    open_both(TCP);
    struct parcel *late = end_parcel(end_meet(&here, &there, 3), 1, 1);
    late->envelope.deadline_us = end_now_us(NULL) - 1;
    link_send(here.link, late);
    link_flush(here.link);
    cr_expect_eq(here.refused[STATUS_EXPIRED], 1);
}

Test(link, refuses_messages_above_the_limit) {
    open_both(TCP);
    actor_handle to = end_meet(&here, &there, 3);
    link_send(here.link, end_parcel(to, 1, CODEC_MESSAGE_MAX + 1));
    cr_expect_eq(here.refused[STATUS_TOO_LARGE], 1);
    link_send(here.link, end_parcel(to, 2, CODEC_MESSAGE_MAX));
    cr_assert(end_pump(&here, &there, 5000, there_has_one), "the largest still goes");
    cr_expect_eq(there.parcels[0]->size, CODEC_MESSAGE_MAX);
}

/* --- addresses --- */

Test(link, keeps_its_ipc_socket_for_this_user) {
    end_open(&there, socket_address, "worker", 0);
    struct stat info;
    cr_assert_eq(stat(folder, &info), 0);
    cr_expect_eq(info.st_mode & 0777, 0700);
    cr_assert_eq(stat(socket_address + strlen("ipc://"), &info), 0);
    cr_expect_eq(info.st_mode & 0777, 0600);
}

static enum status open_status(const char *address) {
    struct link_host host = {.now_us = end_now_us};
    struct link_options options = {end_context, address, "second", 9};
    struct link *link = NULL;
    enum status s = link_open(&options, &host, &link);
    link_close(link);
    return s;
}

Test(link, does_not_take_an_address_over) {
    end_open(&there, socket_address, "worker", 0);
    cr_expect_eq(open_status(socket_address), STATUS_EXISTS);
    end_open(&here, TCP, "gateway", 0);
    cr_expect_eq(open_status(link_address(here.link)), STATUS_EXISTS);
    cr_expect_eq(open_status("tcp://nonsense"), STATUS_INVALID);
    cr_expect_eq(open_status("http://127.0.0.1:80"), STATUS_INVALID);
    cr_expect_eq(open_status("tcp://0.0.0.0:*"), STATUS_DENIED);
    cr_expect_eq(open_status("ipc:///proc/none/x.sock"), STATUS_IO);
}

Test(link, tells_about_its_peers) {
    open_both(TCP);
    actor_handle to = end_meet(&here, &there, 3);
    link_send(here.link, end_parcel(to, 1, 100));
    cr_assert(end_pump(&here, &there, 1000, there_has_one));
    end_skipped_us += 600000;
    end_pump(&here, &there, 50, NULL);
    struct link_peer peer;
    cr_assert(link_peer(here.link, 0, &peer));
    cr_expect_str_eq(peer.name, "worker");
    cr_expect_str_eq(peer.address, link_address(there.link));
    cr_expect(peer.connected && peer.opened);
    cr_expect_eq(peer.number, handle_peer(to));
    cr_expect_eq(peer.sent, 1);
    cr_expect_gt(peer.sent_bytes, 100);
    cr_expect_gt(peer.rtt_us, 0);
    cr_assert(link_peer(there.link, 0, &peer));
    cr_expect_str_eq(peer.name, "gateway");
    cr_expect_eq(peer.received, 1);
    cr_expect_not(link_peer(there.link, 1, &peer));
}
