/* fuzz_luggage: what a recording says it has of an actor's disk, unpacked into stores in memory. */
#include <stdint.h>

#include "actors/keeper/keeper_luggage.h"
#include "actors/shard/shard_luggage.h"
#include "runtime/assert.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct kv *open_kv(bool wal) {
    struct kv *kv = NULL;
    enum status s = kv_memory_open(&(struct kv_options){.path = "x", .wal = wal},
                                   &(struct kv_faults){.seed = 1}, &kv);
    assert(s == STATUS_OK);
    return kv;
}

static void look(struct bytes bytes) {
    struct arena arena;
    struct shard_options shard;
    struct keeper_options keeper;
    LuggagePiece *first = NULL;
    arena_init(&arena, 0);
    if (luggage_look(bytes, &arena, &first) == STATUS_OK) {
        if (first->shard) (void)!shard_luggage_options(first->shard, &shard);
        if (first->keeper) keeper_luggage_options(first->keeper, &keeper);
    }
    arena_free(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct kv *log = open_kv(true), *points = open_kv(false);
    struct luggage_place place = {.file = "/dev/null", .columns = "/dev/null"};
    enum status s = log_store_open(&log, &place.log);
    if (s == STATUS_OK) s = point_store_open(&points, &place.points);
    assert(s == STATUS_OK);
    look((struct bytes){data, size});
    s = luggage_unpack((struct bytes){data, size}, &place);
    assert(s == STATUS_OK || s == STATUS_INVALID || s == STATUS_CORRUPT || s == STATUS_NO_MEMORY);
    log_store_close(place.log);
    point_store_close(place.points);
    return 0;
}
