/* Two links over real sockets: what a node can rely on between processes. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zmq.h>

#include "runtime/codec.h"
#include "runtime/frame.h"
#include "runtime/handle.h"
#include "runtime/turn.h"
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

/* --- foreign and hostile sockets --- */

static void *raw_dealer(struct end *to) {
    void *raw = zmq_socket(end_context, ZMQ_DEALER);
    zmq_setsockopt(raw, ZMQ_LINGER, &(int){0}, sizeof(int));
    zmq_setsockopt(raw, ZMQ_RCVTIMEO, &(int){1}, sizeof(int));
    cr_assert_eq(zmq_connect(raw, link_address(to->link)), 0);
    return raw;
}

static void raw_send(void *raw, const struct frame *frame) {
    unsigned char bytes[FRAME_SMALL_MAX];
    zmq_send(raw, bytes, frame_write(frame, bytes), 0);
}

/* The next frame of that kind, pumping the link meanwhile. */
static bool raw_expect(void *raw, struct end *end, enum frame_kind kind, struct frame *out) {
    unsigned char bytes[4096];
    for (unsigned i = 0; i < 1000; i++) {
        end_pump(NULL, end, 1, NULL);
        int size = zmq_recv(raw, bytes, sizeof bytes, 0);
        if (size < 0) continue;
        cr_assert_eq(frame_read(bytes, (size_t)size, out, NULL), STATUS_OK);
        if (out->kind == kind) return true;
    }
    return false;
}

static const struct frame single_hello = {
    .kind = FRAME_HELLO, .text = "script", .incarnation = 5, .session = 6, .class = FRAME_BOTH};

Test(link, talks_to_a_program_with_one_socket) {
    end_open(&there, TCP, "worker", 77);
    void *raw = raw_dealer(&there);
    struct frame got;
    raw_send(raw, &single_hello);
    cr_assert(raw_expect(raw, &there, FRAME_HELLO, &got));
    cr_expect_eq(got.incarnation, 77);
    cr_expect_eq(got.session, 6);
    cr_expect_str_eq(got.text, "worker");
    raw_send(raw, &(struct frame){.kind = FRAME_LOOKUP, .token = 3, .text = "shard/8"});
    cr_assert(raw_expect(raw, &there, FRAME_FOUND, &got));
    cr_expect_eq(got.token, 3);
    cr_expect_eq(got.handle, end_local(8));
    raw_send(raw, &(struct frame){.kind = FRAME_BEAT, .token = 1234});
    cr_assert(raw_expect(raw, &there, FRAME_BEATEN, &got));
    cr_expect_eq(got.token, 1234);
    struct link_peer peer;
    cr_assert(link_peer(there.link, 0, &peer));
    cr_expect_str_eq(peer.name, "script");
    zmq_close(raw);
    cr_expect(end_pump(NULL, &there, 2000, there_lost), "noticed at the next beat");
}

/* Registers and returns what the link answered. */
static enum status raw_register(void *raw, const char *name, actor_handle handle) {
    struct frame asked = {.kind = FRAME_REGISTER, .token = 99, .handle = handle}, got;
    snprintf(asked.text, sizeof asked.text, "%s", name);
    raw_send(raw, &asked);
    cr_assert(raw_expect(raw, &there, FRAME_REGISTERED, &got));
    cr_assert_eq(got.token, 99);
    return got.status;
}

static void *raw_guest(uint64_t incarnation) {
    void *raw = raw_dealer(&there);
    struct frame got, hello = single_hello;
    hello.incarnation = incarnation;
    raw_send(raw, &hello);
    cr_assert(raw_expect(raw, &there, FRAME_HELLO, &got));
    return raw;
}

static bool no_names(const struct end *a, const struct end *b) {
    (void)a;
    return b->n_named == 0;
}

Test(link, gives_names_to_a_foreign_programs_actors) {
    end_open(&there, TCP, "worker", 77);
    void *raw = raw_guest(5);
    cr_assert_eq(raw_register(raw, "ext/tally", end_local(3)), STATUS_OK);
    cr_assert_eq(there.n_named, 1);
    cr_assert_str_eq(there.named[0].text, "ext/tally");
    actor_handle handle = there.named[0].handle;
    cr_assert_neq(handle_peer(handle), 0);
    cr_assert_eq(handle_local(handle), end_local(3));

    struct link_peer peer;
    cr_assert(link_peer(there.link, 0, &peer));
    cr_assert_eq(handle_peer(handle), peer.number);
    link_send(there.link, end_parcel(handle, 8, 10)); /* a call from here */
    struct frame got;
    struct parcel *parcel = NULL;
    unsigned char bytes[512];
    int size = -1;
    for (unsigned i = 0; i < 1000 && size < 0; i++) {
        end_pump(NULL, &there, 1, NULL);
        size = zmq_recv(raw, bytes, sizeof bytes, 0);
        if (size < 0 || frame_read(bytes, (size_t)size, &got, NULL) != STATUS_OK) continue;
        if (got.kind != FRAME_MESSAGES) size = -1;
    }
    cr_assert_geq(size, 0);
    cr_assert_eq(frame_next(&got, end_now_us(NULL), &parcel, NULL), STATUS_OK);
    cr_expect_eq(parcel->envelope.to, end_local(3));
    cr_expect_eq(parcel->envelope.correlation, 8);
    parcel_free(parcel);
    zmq_close(raw);
    cr_expect(end_pump(NULL, &there, 4000, no_names), "names go with their peer");
}

Test(link, judges_names_of_foreign_actors) {
    static const struct {
        const char *name;
        enum status status;
    } rows[] = {
        {"router", STATUS_INVALID}, {"ext/", STATUS_INVALID},     {"", STATUS_INVALID},
        {"EXT/x", STATUS_INVALID},  {"ext/taken", STATUS_EXISTS}, {"ext/x", STATUS_OK},
        {"ext/x", STATUS_OK}, /* its own again */
    };
    end_open(&there, TCP, "worker", 77);
    void *raw = raw_guest(5), *other = raw_guest(6), *again = raw_guest(5);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        cr_expect_eq(raw_register(raw, rows[i].name, end_local(1)), rows[i].status, "%s",
                     rows[i].name);
    cr_expect_eq(raw_register(other, "ext/x", end_local(1)), STATUS_EXISTS);
    cr_expect_eq(raw_register(other, "ext/x", 0), STATUS_NOT_FOUND, "another's name stays");
    cr_expect_eq(raw_register(again, "ext/x", end_local(2)), STATUS_OK, "the same life, anew");
    cr_expect_eq(there.n_named, 1);
    cr_expect_eq(handle_local(there.named[0].handle), end_local(2));
    cr_expect_eq(raw_register(again, "ext/x", 0), STATUS_OK);
    cr_expect_eq(there.n_named, 0);
    for (unsigned i = 0; i < LINK_NAMES_MAX - 1; i++) {
        char name[32];
        snprintf(name, sizeof name, "ext/%u", i);
        cr_assert_eq(raw_register(other, name, end_local(1)), STATUS_OK);
    }
    cr_expect_eq(raw_register(other, "ext/last", end_local(1)), STATUS_OK);
    cr_expect_eq(raw_register(other, "ext/more", end_local(1)), STATUS_QUOTA);
    raw_send(other, &(struct frame){.kind = FRAME_REGISTERED, .token = 1});
    zmq_close(raw);
    zmq_close(other);
    zmq_close(again);
    cr_expect(end_pump(NULL, &there, 4000, no_names));
}

Test(link, sends_strangers_to_the_door) {
    end_open(&there, TCP, "worker", 77);
    void *raw = raw_dealer(&there);
    struct frame got;
    raw_send(raw, &(struct frame){.kind = FRAME_LOOKUP, .token = 3, .text = "shard/8"});
    cr_assert(raw_expect(raw, &there, FRAME_BYE, &got));
    struct frame wrong = single_hello;
    unsigned char bytes[FRAME_SMALL_MAX];
    size_t size = frame_write(&wrong, bytes);
    bytes[10] = 99; /* the version, behind [7, 1, "vectron" */
    zmq_send(raw, bytes, size, 0);
    cr_assert(raw_expect(raw, &there, FRAME_BYE, &got));
    cr_expect_str_eq(got.text, "hello: version 1 is spoken here");
    struct link_peer peer;
    cr_expect_not(link_peer(there.link, 0, &peer));
    zmq_close(raw);
}

Test(link, counts_garbage_and_cuts_who_sends_much_of_it) {
    end_open(&there, TCP, "worker", 77);
    void *raw = raw_dealer(&there);
    struct frame got;
    raw_send(raw, &single_hello);
    cr_assert(raw_expect(raw, &there, FRAME_HELLO, &got));
    zmq_send(raw, "\x93garbage", 8, 0);
    zmq_send(raw, "", 0, 0);
    zmq_send(raw, "two", 3, ZMQ_SNDMORE);
    zmq_send(raw, "parts", 5, 0);
    end_pump(NULL, &there, 50, NULL);
    struct link_peer peer;
    cr_assert(link_peer(there.link, 0, &peer));
    cr_expect_eq(peer.bad_frames, 3);
    for (unsigned i = 0; i < 100; i++)
        zmq_send(raw, "garbage", 7, 0);
    cr_assert(end_pump(NULL, &there, 1000, there_lost));
    raw_send(raw, &single_hello);
    end_pump(NULL, &there, 50, NULL);
    cr_expect_not(link_peer(there.link, 0, &peer), "it is not heard for a while");
    for (unsigned i = 0; i < 25; i++, end_skipped_us += 500000)
        end_pump(NULL, &there, 1, NULL);
    raw_send(raw, &single_hello);
    cr_expect(raw_expect(raw, &there, FRAME_HELLO, &got), "and may try again later");
    zmq_close(raw);
}

/* A program with two connections, of a class each. */
static void *raw_class(enum frame_class class) {
    void *raw = raw_dealer(&there);
    struct frame hello = single_hello;
    hello.class = class;
    raw_send(raw, &hello);
    return raw;
}

/* Answers of the data band to the first peer, numbered from 1 on. */
static void answer(uint64_t n) {
    struct link_peer peer;
    cr_assert(link_peer(there.link, 0, &peer));
    for (uint64_t i = 1; i <= n; i++) {
        struct parcel *reply =
            end_parcel(end_local(1) | (uint64_t)peer.number << 48, i, LINK_NARROW_BYTES / 64);
        reply->envelope.kind = PARCEL_REPLY;
        link_send(there.link, reply);
    }
}

/* Reads messages, numbered from *next on in order, until another frame comes, which is got, or
 * nothing more (false). */
static bool raw_messages(void *raw, uint64_t *next, struct frame *got) {
    static unsigned char bytes[2 * LINK_PACK_BYTES];
    for (unsigned quiet = 0; quiet < 20;) {
        end_pump(NULL, &there, 1, NULL);
        int size = zmq_recv(raw, bytes, sizeof bytes, 0);
        quiet = size < 0 ? quiet + 1 : 0;
        if (size < 0) continue;
        cr_assert_eq(frame_read(bytes, (size_t)size, got, NULL), STATUS_OK);
        if (got->kind != FRAME_MESSAGES) return true;
        struct parcel *parcel = NULL;
        while (frame_next(got, end_now_us(NULL), &parcel, NULL) == STATUS_OK && parcel) {
            cr_assert_eq(parcel->envelope.correlation, (*next)++);
            parcel_free(parcel);
        }
    }
    return false;
}

/* raw_messages until so many came; beats come between, too. */
static void raw_messages_to(void *raw, uint64_t *next, uint64_t wanted) {
    struct frame got;
    for (unsigned i = 0; i < 100 && *next < wanted; i++)
        raw_messages(raw, next, &got);
    cr_assert_eq(*next, wanted);
}

/* … until it asks for the second connection, or sends the fence: beats of a kind of their own. */
static uint64_t raw_token(void *raw, uint64_t *next) {
    struct frame got = {.token = 0};
    for (unsigned i = 0; i < 100 && !(got.kind == FRAME_BEAT && got.token >> 63); i++)
        raw_messages(raw, next, &got);
    return got.token;
}

Test(link, needs_one_connection_for_little) {
    end_open(&there, TCP, "worker", 77);
    void *control = raw_class(FRAME_CONTROL);
    struct frame got;
    cr_assert(raw_expect(control, &there, FRAME_HELLO, &got));
    answer(20);
    uint64_t next = 1;
    raw_messages_to(control, &next, 21);
    bool more = raw_messages(control, &next, &got);
    cr_expect(!more || (got.kind == FRAME_BEAT && !(got.token >> 63)), "nothing else is said");
    zmq_close(control);
}

/* It asks for the second connection, and what goes by it overtakes nothing. */
Test(link, goes_on_by_the_second_connection_behind_a_fence) {
    enum { N = 200 };
    end_open(&there, TCP, "worker", 77);
    void *control = raw_class(FRAME_CONTROL);
    struct frame got;
    cr_assert(raw_expect(control, &there, FRAME_HELLO, &got));
    answer(N);
    uint64_t next = 1;
    cr_assert_eq(raw_token(control, &next), UINT64_C(1) << 63, "it asks");
    cr_expect(next > 50 && next < 70, "some 64 KiB went: %lu KiB", next);

    void *data = raw_class(FRAME_DATA);
    cr_assert(raw_expect(data, &there, FRAME_HELLO, &got));
    cr_expect_eq(got.class, FRAME_DATA);
    uint64_t fence = raw_token(control, &next), before = next;
    cr_assert_gt(fence, UINT64_C(1) << 63, "the fence");
    raw_send(control, &(struct frame){.kind = FRAME_BEATEN, .token = fence + 1});
    raw_messages(data, &next, &got);
    cr_expect_eq(next, before, "another beat's answer");
    raw_send(control, &(struct frame){.kind = FRAME_BEATEN, .token = fence});
    raw_messages_to(data, &next, N + 1);
    zmq_close(data);
    zmq_close(control);
}

/* One more message to the first peer. */
static void credit(uint64_t n) {
    struct link_peer peer;
    cr_assert(link_peer(there.link, 0, &peer));
    struct parcel *parcel = end_parcel(end_local(1) | (uint64_t)peer.number << 48, n, 0);
    parcel->envelope.kind = PARCEL_CREDIT;
    parcel->envelope.band = BAND_CONTROL;
    link_send(there.link, parcel);
}

/* A reader of two connections would be woken twice for one answer. */
Test(link, lets_credits_ride_with_answers) {
    end_open(&there, TCP, "worker", 77);
    void *control = raw_class(FRAME_CONTROL);
    struct frame got;
    uint64_t next = 1;
    cr_assert(raw_expect(control, &there, FRAME_HELLO, &got));
    answer(200);
    cr_assert_eq(raw_token(control, &next), UINT64_C(1) << 63);
    void *data = raw_class(FRAME_DATA);
    cr_assert(raw_expect(data, &there, FRAME_HELLO, &got));
    uint64_t fence = raw_token(control, &next);
    cr_assert_gt(fence, UINT64_C(1) << 63);
    raw_send(control, &(struct frame){.kind = FRAME_BEATEN, .token = fence});
    raw_messages_to(data, &next, 201);

    next = 1;
    answer(1);
    credit(2);
    raw_messages_to(data, &next, 3);
    credit(3); /* alone */
    raw_messages_to(control, &next, 4);
    zmq_close(data);
    zmq_close(control);
}

static bool both_there(const struct end *a, const struct end *b) {
    return a->delivered >= 1000 && b->delivered >= 1000;
}

Test(link, keeps_the_order_both_ways_while_the_second_connection_comes) {
    open_both(TCP);
    actor_handle to = end_meet(&here, &there, 3);
    struct link_peer peer;
    cr_assert(link_peer(there.link, 0, &peer));
    for (uint64_t i = 0; i < 1000; i++) {
        link_send(here.link, end_parcel(to, i, 300));
        link_send(there.link, end_parcel(end_local(1) | (uint64_t)peer.number << 48, i, 200));
        if (i % 7 == 0) end_pump(&here, &there, 0, NULL);
    }
    cr_assert(end_pump(&here, &there, 10000, both_there));
    for (uint64_t i = 0; i < 1000; i++) {
        cr_assert_eq(there.parcels[i]->envelope.correlation, i);
        cr_assert_eq(here.parcels[i]->envelope.correlation, i);
    }
}

Test(link, wants_control_before_data) {
    end_open(&there, TCP, "worker", 77);
    void *data = raw_class(FRAME_DATA);
    struct frame got;
    cr_assert(raw_expect(data, &there, FRAME_BYE, &got));
    cr_expect_str_eq(got.text, "hello: control comes before data");
    zmq_close(data);
}

/* A frame above the limit ends the connection before it is in memory. */
Test(link, disconnects_who_sends_a_giant) {
    end_open(&there, TCP, "worker", 77);
    void *raw = raw_dealer(&there);
    struct frame got;
    raw_send(raw, &single_hello);
    cr_assert(raw_expect(raw, &there, FRAME_HELLO, &got));
    zmq_msg_t giant;
    zmq_msg_init_size(&giant, LINK_FRAME_MAX + 1);
    memset(zmq_msg_data(&giant), 0, zmq_msg_size(&giant));
    zmq_msg_send(&giant, raw, 0);
    cr_expect(end_pump(NULL, &there, 2000, there_lost));
    zmq_close(raw);
}

Test(link, drops_messages_to_nobody_and_goes_on) {
    end_open(&there, TCP, "worker", 77);
    void *raw = raw_dealer(&there);
    struct frame got;
    raw_send(raw, &single_hello);
    cr_assert(raw_expect(raw, &there, FRAME_HELLO, &got));
    actor_handle bad[] = {0, handle_make(0, 3, 0), handle_make(1, 3, 7)};
    for (size_t i = 0; i < 4; i++) {
        static struct frame_builder builder;
        struct parcel *parcel = end_parcel(i < 3 ? bad[i] : end_local(3), i, 5);
        frame_begin(&builder, end_now_us(NULL));
        frame_add(&builder, parcel);
        unsigned char bytes[256];
        frame_build(&builder, bytes);
        zmq_send(raw, bytes, builder.size, 0);
        parcel_free(parcel);
    }
    cr_assert(end_pump(NULL, &there, 1000, there_has_one));
    struct link_peer peer;
    cr_assert(link_peer(there.link, 0, &peer));
    cr_expect_eq(there.parcels[0]->envelope.correlation, 2, "peer numbers do not travel");
    zmq_close(raw);
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
