/* fuzz_upsert: an Upsert body, walked as the service does it: scanned, every point judged, its
 * payload packed and read back. The first byte chooses the format. What protobuf-c takes for an
 * UpsertRequest with clean strings has to give the same points here. */
#include <stdint.h>
#include <string.h>

#include "adapters/edge/check.h"
#include "adapters/edge/payload.h"
#include "adapters/edge/point_walk.h"
#include "runtime/assert.h"

enum { ARENA_MAX = 1 << 24 };

static void pack_and_back(Vectron__V1__Point *point, struct arena *arena) {
    ProtobufCBinaryData bytes;
    ProtobufCMessage **entries;
    size_t n;
    enum status s = payload_pack(point->payload, point->n_payload, arena, &bytes);
    if (s == STATUS_OK)
        s = payload_unpack(&bytes, &vectron__v1__point__payload_entry__descriptor, arena, &entries,
                           &n);
    if (s == STATUS_NO_MEMORY) return;
    assert(s == STATUS_OK && n == point->n_payload);
    for (size_t i = 0; i < n; i++) {
        const Vectron__V1__Point__PayloadEntry *entry = (const void *)entries[i];
        assert(strcmp(entry->key, point->payload[i]->key) == 0);
        assert(strcmp(entry->value, point->payload[i]->value) == 0);
    }
}

/* Points until the end or the first error; returns how many. */
static size_t walk(struct point_walk *points, struct arena *arena, enum status *status) {
    Vectron__V1__Point *point;
    size_t n = 0;
    while ((*status = point_walk_next(points, arena, &point)) == STATUS_OK && point) {
        struct check check;
        struct check_place place = {
            .collection = "c", .dimension = (uint32_t)point->n_vector, .index = n++};
        if (check_point(&check, point, &place) == STATUS_OK)
            pack_and_back(point, arena);
        else
            assert(check.words[0]);
        arena_reset(arena);
    }
    return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0) return 0;
    enum edge_format format = data[0] % 2 ? EDGE_JSON : EDGE_PROTOBUF;
    struct point_walk points;
    struct arena arena;
    enum status s = STATUS_OK;
    bool more = format == EDGE_PROTOBUF;
    char *collection = NULL;
    arena_init(&arena, ARENA_MAX);
    point_walk_init(&points, format, data + 1, size - 1);
    while (s == STATUS_OK && more)
        s = point_walk_scan(&points, &arena, &collection, &more);
    size_t scanned = points.n;
    arena_reset(&arena);
    point_walk_rewind(&points);
    enum status walked;
    size_t n = walk(&points, &arena, &walked);
    if (walked != STATUS_OK)
        assert(points.words[0]);
    else if (format == EDGE_PROTOBUF && s == STATUS_OK)
        assert(n == scanned);
    point_walk_reset(&points);
    arena_free(&arena);
    return 0;
}
