/* The small pure parts of the edge: deframer, encodings, routes, gzip, timeouts, descriptors. */
#include <criterion/criterion.h>
#include <string.h>

#include "adapters/edge/body.h"
#include "adapters/edge/budget.h"
#include "adapters/edge/descriptors.h"
#include "adapters/edge/grpc_frame.h"
#include "adapters/edge/grpc_text.h"
#include "adapters/edge/gzip.h"
#include "adapters/edge/proto.h"
#include "adapters/edge/route.h"
#include "adapters/edge/timeouts.h"
#include "adapters/edge/traceparent.h"
#include "runtime/memory.h"
#include "runtime/rng.h"
#include "runtime/watermark.h"
#include "schemas/apigateway.pb-c.h"
#include "schemas/messages.h"

/* Three messages (one empty, one packed), cut at every pair of places. */
Test(grpc_frame, reads_the_same_messages_at_every_split) {
    static const unsigned char wire[] = "\0\0\0\0\5hello\0\0\0\0\0\1\0\0\0\3zip";
    size_t size = sizeof wire - 1;
    for (size_t a = 0; a <= size; a++)
        for (size_t b = a; b <= size; b++) {
            size_t cuts[] = {0, a, b, size};
            struct grpc_frame frame = {0};
            char seen[64] = "";
            for (size_t i = 0; i < 3; i++) {
                struct grpc_piece input = {wire + cuts[i], cuts[i + 1] - cuts[i]}, piece;
                enum grpc_event event;
                while ((event = grpc_frame_next(&frame, &input, &piece)) != GRPC_MORE) {
                    cr_assert(event != GRPC_BROKEN);
                    if (event == GRPC_START) strcat(seen, frame.compressed ? "(" : "[");
                    if (event == GRPC_BYTES) strncat(seen, (const char *)piece.data, piece.size);
                    if (event == GRPC_END) strcat(seen, "]");
                }
            }
            cr_assert_str_eq(seen, "[hello][](zip]");
            cr_assert(grpc_frame_whole(&frame));
        }
}

Test(grpc_frame, refuses_a_prefix_with_unknown_flags) {
    struct grpc_frame frame = {0};
    struct grpc_piece input = {(const unsigned char *)"\2", 1}, piece;
    cr_assert(grpc_frame_next(&frame, &input, &piece) == GRPC_BROKEN);
}

Test(grpc_frame, knows_where_a_stream_may_end) {
    for (size_t n = 0; n <= 7; n++) {
        struct grpc_frame frame = {0};
        struct grpc_piece input = {(const unsigned char *)"\0\0\0\0\2ab", n}, piece;
        while (grpc_frame_next(&frame, &input, &piece) != GRPC_MORE) {
        }
        cr_assert(grpc_frame_whole(&frame) == (n == 0 || n == 7), "%zu", n);
    }
}

Test(grpc_text, encodes_messages_by_percent) {
    static const struct {
        const char *text, *encoded;
    } rows[] = {
        {"", ""},
        {"plain text, ~ too", "plain text, ~ too"},
        {"100%", "100%25"},
        {"a\nb\tc", "a%0Ab%09c"},
        {"g\xc3\xb6ne", "g%C3%B6ne"},
        {"\x7f\x1f", "%7F%1F"},
    };
    struct arena arena;
    arena_init(&arena, 0);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        cr_expect_str_eq(grpc_text_message(&arena, rows[i].text), rows[i].encoded);
    arena_free(&arena);
}

Test(grpc_text, reads_timeouts) {
    static const struct {
        const char *text;
        int64_t us; /* -1: malformed */
    } rows[] = {
        {"1S", 1000000},    {"250m", 250000},
        {"7u", 7},          {"1n", 1},
        {"1001n", 2},       {"2M", 120000000},
        {"1H", 3600000000}, {"99999999H", 359999996400000000},
        {"0m", 0},          {"00000001S", 1000000},
        {"", -1},           {"S", -1},
        {"1", -1},          {"1s", -1},
        {"-1S", -1},        {"1.5S", -1},
        {"1S ", -1},        {"123456789S", -1},
        {"1SS", -1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint64_t us = 0;
        bool ok = grpc_text_timeout(rows[i].text, &us);
        cr_expect(ok == (rows[i].us >= 0), "%s", rows[i].text);
        if (ok) cr_expect(us == (uint64_t)rows[i].us, "%s: %zu", rows[i].text, (size_t)us);
    }
}

Test(grpc_text, encodes_binary_metadata_without_padding) {
    static const char *const rows[] = {"", "Zg", "Zm8", "Zm9v", "Zm9vYg", "Zm9vYmE", "Zm9vYmFy"};
    struct arena arena;
    arena_init(&arena, 0);
    for (size_t n = 0; n < sizeof rows / sizeof *rows; n++)
        cr_expect_str_eq(grpc_text_binary(&arena, "foobar", n), rows[n]);
    cr_expect_str_eq(grpc_text_binary(&arena, "\xff\xfe\xfd", 3), "//79");
    arena_free(&arena);
}

static const struct edge_route routes[] = {
    {"GET", "/v1/things", "list", false, false},
    {"POST", "/v1/things", "create", true, false},
    {"GET", "/v1/things/{thing}/points/{id}", "get", false, false},
    {"POST", "/v1/things/{thing}/points/search", "search", true, false},
    {0},
};

Test(route, matches_verbs_and_segments) {
    static const struct {
        const char *verb, *path;
        enum status status;
        const char *method, *first, *second;
    } rows[] = {
        {"GET", "/v1/things", STATUS_OK, "list", NULL, NULL},
        {"POST", "/v1/things", STATUS_OK, "create", NULL, NULL},
        {"GET", "/v1/things?x=1/2", STATUS_OK, "list", NULL, NULL},
        {"DELETE", "/v1/things", STATUS_UNIMPLEMENTED, 0, 0, 0},
        {"GET", "/v1/things/", STATUS_NOT_FOUND, 0, 0, 0},
        {"GET", "/v1", STATUS_NOT_FOUND, 0, 0, 0},
        {"GET", "", STATUS_NOT_FOUND, 0, 0, 0},
        {"GET", "*", STATUS_NOT_FOUND, 0, 0, 0},
        {"GET", "/", STATUS_NOT_FOUND, 0, 0, 0},
        {"GET", "//v1/things", STATUS_NOT_FOUND, 0, 0, 0},
        {"GET", "/v1/things/a/points/b", STATUS_OK, "get", "a", "b"},
        {"GET", "/v1/things/a/points/search", STATUS_OK, "get", "a", "search"},
        {"POST", "/v1/things/a/points/search", STATUS_OK, "search", "a", NULL},
        {"POST", "/v1/things/a/points/b", STATUS_UNIMPLEMENTED, 0, 0, 0},
        {"GET", "/v1/things/a%2Fb/points/%C3%B6%20?", STATUS_OK, "get", "a/b", "\xc3\xb6 "},
        {"GET", "/v1/things/a%252F/points/b+c", STATUS_OK, "get", "a%2F", "b+c"},
        {"GET", "/v1/things/a/points/", STATUS_NOT_FOUND, 0, 0, 0},
        {"GET", "/v1/things/a/points/%", STATUS_INVALID, 0, 0, 0},
        {"GET", "/v1/things/a/points/%4", STATUS_INVALID, 0, 0, 0},
        {"GET", "/v1/things/a/points/%zz", STATUS_INVALID, 0, 0, 0},
        {"GET", "/v1/things/a/points/%00", STATUS_INVALID, 0, 0, 0},
        {"GET", "/v1/things/a/points/%ff", STATUS_INVALID, 0, 0, 0},
        {"GET", "/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a", STATUS_NOT_FOUND, 0, 0, 0},
    };
    struct arena arena;
    arena_init(&arena, 0);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct route_match match;
        enum status status = edge_route_match(routes, rows[i].verb, rows[i].path, &arena, &match);
        cr_expect(status == rows[i].status, "%s: %s", rows[i].path, status_name(status));
        if (status != STATUS_OK) continue;
        cr_expect_str_eq(match.route->method, rows[i].method);
        if (rows[i].first) cr_expect_str_eq(match.fields[0].value, rows[i].first);
        if (rows[i].second) cr_expect_str_eq(match.fields[1].value, rows[i].second);
        cr_expect(match.n_fields == (rows[i].first ? 1u : 0) + (rows[i].second ? 1u : 0));
    }
    arena_free(&arena);
}

Test(gzip, round_trips_and_keeps_to_its_limit) {
    struct body packed = {0}, plain = {0};
    static char text[100000];
    budget_set(0);
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (char)('a' + i * i % 7);
    cr_assert(gzip_pack(text, sizeof text, &packed) == STATUS_OK);
    cr_assert(gzip_unpack(packed.data, packed.size, sizeof text, &plain) == STATUS_OK);
    cr_assert(plain.size == sizeof text && memcmp(plain.data, text, sizeof text) == 0);
    body_free(&plain);
    /* One byte less than what comes out. */
    cr_assert(gzip_unpack(packed.data, packed.size, sizeof text - 1, &plain) == STATUS_TOO_LARGE);
    body_free(&plain);
    for (size_t n = 0; n < packed.size; n++) {
        cr_assert(gzip_unpack(packed.data, n, sizeof text, &plain) == STATUS_INVALID, "%zu", n);
        body_free(&plain);
    }
    cr_assert(body_append(&packed, "x", 1) == STATUS_OK);
    cr_assert(gzip_unpack(packed.data, packed.size, sizeof text, &plain) == STATUS_INVALID);
    body_free(&plain);
    body_free(&packed);
    cr_assert(budget_used() == 0);
}

/* 200 MB of zeros behind 200 KB: refused after one limit's worth of work and memory. */
Test(gzip, survives_a_bomb) {
    struct body bomb = {0}, plain = {0};
    size_t size = (size_t)200 << 20;
    budget_set((uint64_t)1 << 30);
    char *zeros = mem_zero(1, size);
    cr_assert(gzip_pack(zeros, size, &bomb) == STATUS_OK);
    mem_free(zeros);
    cr_assert(gzip_unpack(bomb.data, bomb.size, 1 << 20, &plain) == STATUS_TOO_LARGE);
    cr_assert(plain.capacity <= 4 << 20);
    body_free(&plain);
    body_free(&bomb);
    body_pool_drain();
}

Test(budget, refuses_what_does_not_fit_and_forgets_nothing) {
    struct body a = {0}, b = {0};
    budget_set(1000000);
    cr_assert(budget_size() == 1000000);
    cr_assert(body_expect(&a, 600000) == STATUS_OK);
    cr_assert(body_expect(&b, 600000) == STATUS_QUOTA);
    cr_assert(b.data == NULL && budget_used() == 600000);
    cr_assert(body_expect(&b, 400000) == STATUS_OK);
    cr_assert(body_append(&a, "x", 1) == STATUS_OK);
    body_free(&a);
    body_free(&b);
    cr_assert(budget_used() == 0);
}

Test(timeouts, run_in_order_and_leave_early) {
    enum { N = 500 };
    static struct timeout items[N];
    struct timeouts timeouts;
    struct rng rng;
    timeouts_init(&timeouts);
    rng_init(&rng, 1);
    cr_assert(timeouts_reserve(&timeouts, N));
    for (size_t round = 0; round < 20; round++) {
        uint64_t last = 0;
        size_t left = 0;
        for (size_t i = 0; i < N; i++)
            timeouts_set(&timeouts, &items[i], rng_below(&rng, 1000));
        for (size_t i = 0; i < N; i++) {
            if (rng_below(&rng, 3) == 0)
                timeouts_clear(&timeouts, &items[i]);
            else if (rng_below(&rng, 2))
                timeouts_set(&timeouts, &items[i], rng_below(&rng, 1000));
        }
        for (size_t i = 0; i < N; i++)
            left += items[i].position > 0;
        struct timeout *first;
        cr_assert(timeouts_next(&timeouts) < 1000);
        while ((first = timeouts_pop(&timeouts, 1000))) {
            cr_assert(first->due_us >= last && first->position == 0);
            last = first->due_us;
            left--;
        }
        cr_assert(left == 0 && timeouts_next(&timeouts) == UINT64_MAX);
    }
    timeouts_free(&timeouts);
}

Test(descriptors, finds_files_and_symbols) {
    const struct descriptor_set set = {schema_descriptors, schema_descriptors_size};
    static const struct {
        const char *symbol, *file; /* NULL: not there */
    } rows[] = {
        {"vectron.v1.VectronService", "apigateway.proto"},
        {"vectron.v1.VectronService.Search", "apigateway.proto"},
        {"vectron.v1.SearchRequest", "apigateway.proto"},
        {"vectron.v1.Consistency", "apigateway.proto"},
        {"vectron.auth.v1.Plan", "auth.proto"},
        {"grpc.health.v1.HealthCheckResponse.ServingStatus", "health.proto"},
        {"grpc.reflection.v1alpha.ServerReflection", "reflection_v1alpha.proto"},
        {"vectron.v1", NULL},
        {"vectron.v1.", NULL},
        {"vectron.v1.Search", NULL},
        {"vectron.v1.SearchRequestX", NULL},
        {"vectron.v1.VectronService.Nothing", NULL},
        {"", NULL},
        {"x", NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct descriptor_file file, named;
        bool found = descriptors_by_symbol(&set, rows[i].symbol, &file);
        cr_expect(found == (rows[i].file != NULL), "%s", rows[i].symbol);
        if (!found || !rows[i].file) continue;
        cr_expect(descriptors_by_name(&set, rows[i].file, strlen(rows[i].file), &named));
        cr_expect(named.data == file.data, "%s", rows[i].symbol);
    }
    struct descriptor_file file, all[8];
    cr_assert(descriptors_by_name(&set, "apigateway.proto", 16, &file));
    cr_assert(descriptors_with_imports(&set, &file, all, 8) == 3);
    cr_assert(!descriptors_by_name(&set, "nothing.proto", 13, &file));
}

Test(proto, refuses_what_protobuf_c_would_bend) {
    static const struct {
        const char *name, *bytes;
        size_t size;
        const char *why; /* NULL: fine */
    } rows[] = {
        {"empty", "", 0, NULL},
        {"id", "\x0a\x01x\x12\x02id", 7, NULL},
        {"unknown field", "\xfa\x3f\x01?", 4, NULL},
        {"NUL",
         "\x0a\x03"
         "a\0b",
         5, "a string holds a NUL byte"},
        {"latin-1", "\x0a\x01\xf6", 3, "a string is not valid UTF-8"},
        {"surrogate", "\x0a\x03\xed\xa0\x80", 5, "a string is not valid UTF-8"},
        {"cut", "\x0a\x05xy", 4, "the message is cut off or not protobuf"},
        {"group", "\x0b\x0c", 2, "the message is cut off or not protobuf"},
        {"field 0", "\x02\x00", 2, "the message is cut off or not protobuf"},
        {"varint for ever", "\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 12,
         "the message is cut off or not protobuf"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct arena arena;
        ProtobufCMessage *message = NULL;
        const char *why = NULL;
        arena_init(&arena, 1 << 20);
        enum status status = proto_read(&vectron__v1__get_request__descriptor, rows[i].bytes,
                                        rows[i].size, &arena, &message, &why);
        cr_expect((status == STATUS_OK) == (rows[i].why == NULL), "%s", rows[i].name);
        if (rows[i].why && status != STATUS_OK) cr_expect_str_eq(why, rows[i].why);
        arena_free(&arena);
    }
}

/* The examples of the recommendation, and what its conformance tests send. */
Test(traceparent, is_read_strictly_and_written_back) {
    static const char good[] = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    static const struct {
        const char *text;
        bool valid, sampled;
    } rows[] = {
        {good, true, true},
        {"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00", true, false},
        {"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-ff", true, true},
        {"01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", true, true},
        {"cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what-comes", true, true},
        {"cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01.what", false, false},
        {"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more", false, false},
        {"ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", false, false},
        {"00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01", false, false},
        {"00-00000000000000000000000000000000-00f067aa0ba902b7-01", false, false},
        {"00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01", false, false},
        {"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0", false, false},
        {"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0x", false, false},
        {"00_4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", false, false},
        {"00-4bf92f3577b34da6a3ce929d0e0e473-600f067aa0ba902b7-01", false, false},
        {"", false, false},
    };
    struct root_span root;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        cr_expect_eq(traceparent_read(rows[i].text, &root), rows[i].valid, "%s", rows[i].text);
        if (rows[i].valid) cr_expect_eq(root.sampled, rows[i].sampled, "%s", rows[i].text);
    }
    char text[TRACEPARENT_SIZE + 1];
    cr_assert(traceparent_read(good, &root));
    cr_expect_eq(root.parent, 0x00f067aa0ba902b7);
    root.span = root.parent;
    traceparent_write(&root, text);
    cr_expect_str_eq(text, good);
}
