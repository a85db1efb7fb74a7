/* A link and who is no link of ours: foreign programs, and whatever else connects, by raw sockets.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <zmq.h>

#include "runtime/frame.h"
#include "runtime/handle.h"
#include "tests/unit/wire/pair.h"

static struct end here, there;
#define TCP "tcp://127.0.0.1:*"

static void tear_down(void) {
    end_close(&here);
    end_close(&there);
    cr_expect_eq(parcel_alive(), 0, "a parcel leaked");
    end_tear_down();
}

TestSuite(foreign, .init = end_set_up, .fini = tear_down, .timeout = 60);

static bool there_has_one(const struct end *a, const struct end *b) {
    (void)a;
    return b->delivered >= 1;
}

static bool there_lost(const struct end *a, const struct end *b) {
    (void)a;
    return b->n_lost > 0;
}

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

Test(foreign, talks_to_a_program_with_one_socket) {
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

Test(foreign, gives_names_to_a_foreign_programs_actors) {
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

Test(foreign, judges_names_of_foreign_actors) {
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

Test(foreign, sends_strangers_to_the_door) {
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

Test(foreign, counts_garbage_and_cuts_who_sends_much_of_it) {
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

Test(foreign, needs_one_connection_for_little) {
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
Test(foreign, goes_on_by_the_second_connection_behind_a_fence) {
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
Test(foreign, lets_credits_ride_with_answers) {
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

Test(foreign, keeps_the_order_both_ways_while_the_second_connection_comes) {
    end_open(&there, TCP, "worker", 0);
    end_open(&here, NULL, "gateway", 0);
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

Test(foreign, wants_control_before_data) {
    end_open(&there, TCP, "worker", 77);
    void *data = raw_class(FRAME_DATA);
    struct frame got;
    cr_assert(raw_expect(data, &there, FRAME_BYE, &got));
    cr_expect_str_eq(got.text, "hello: control comes before data");
    zmq_close(data);
}

/* A frame above the limit ends the connection before it is in memory. */
Test(foreign, disconnects_who_sends_a_giant) {
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

Test(foreign, drops_messages_to_nobody_and_goes_on) {
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
