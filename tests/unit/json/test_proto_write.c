/* What proto_write writes, protobuf-c reads as the same message; too little room is never exceeded.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/edge/proto_write.h"
#include "every.pb-c.h"
#include "schemas/apigateway.pb-c.h"
#include "tests/unit/wire/random_message.h"

static void expect_same(const ProtobufCMessage *message) {
    size_t room = protobuf_c_message_get_packed_size(message) + 64, size = 0;
    unsigned char *bytes = malloc(room);
    cr_assert(proto_write(message, bytes, room, &size));
    ProtobufCMessage *back = protobuf_c_message_unpack(message->descriptor, NULL, size, bytes);
    cr_assert(back);
    cr_expect(same_message(message, back));
    protobuf_c_message_free_unpacked(back, NULL);
    free(bytes);
}

/* In memory of just that size, which the sanitizer watches. */
static void expect_bound(const ProtobufCMessage *message, size_t room) {
    unsigned char *bytes = malloc(room + 1);
    size_t size = 0;
    if (proto_write(message, bytes + 1, room, &size)) cr_expect_leq(size, room);
    free(bytes);
}

Test(proto_write, writes_every_kind_of_field) {
    const ProtobufCMessageDescriptor *types[] = {&every__every__descriptor,
                                                 &vectron__v1__search_response__descriptor};
    struct rng rng;
    struct arena arena;
    rng_init(&rng, 7);
    arena_init(&arena, 0);
    for (int i = 0; i < 2000; i++) {
        const ProtobufCMessage *message = random_message(types[i % 2], &rng, &arena);
        expect_same(message);
        for (int room = 0; room < 8; room++)
            expect_bound(message, rng_below(&rng, 3000));
        arena_reset(&arena);
    }
    arena_free(&arena);
}

Test(proto_write, leaves_to_others_what_is_nested_too_deeply) {
    Vectron__V1__Filter filters[40], *lists[40];
    unsigned char bytes[1000];
    size_t size;
    for (int i = 0; i < 40; i++) {
        vectron__v1__filter__init(&filters[i]);
        lists[i] = &filters[i];
        if (i == 0) continue;
        filters[i].n_all = 1;
        filters[i].all = &lists[i - 1];
    }
    cr_expect(proto_write(&filters[20].base, bytes, sizeof bytes, &size));
    cr_expect_not(proto_write(&filters[39].base, bytes, sizeof bytes, &size));
}

/* Those without payload and vector are written by a way of their own. */
Test(proto_write, writes_plain_results_of_any_length) {
    enum { SIZES = 200 };
    static const float scores[] = {0, 1e-30f, 0.5f, -3};
    static char ids[SIZES][SIZES];
    static Vectron__V1__SearchResult results[SIZES], *list[SIZES];
    Vectron__V1__SearchResponse response = VECTRON__V1__SEARCH_RESPONSE__INIT;
    for (size_t i = 0; i < SIZES; i++) {
        vectron__v1__search_result__init(&results[i]);
        memset(ids[i], 'a', i);
        results[i].id = ids[i];
        results[i].score = scores[i % 4];
        list[i] = &results[i];
    }
    response.results = list;
    for (response.n_results = 0; response.n_results <= SIZES; response.n_results++)
        expect_same(&response.base);
    for (size_t room = 0; room < 1000; room++)
        expect_bound(&response.base, room);
}
