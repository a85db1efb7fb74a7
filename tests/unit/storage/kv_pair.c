/* Both engines side by side: the same random operations, the same answers. */
#include <stdio.h>
#include <string.h>

#include "runtime/rng.h"
#include "tests/unit/storage/place.h"

enum { N_SEEDS = 6, N_STEPS = 400, KEYS = 60 };

struct pair {
    struct place places[N_ENGINES];
    struct kv *kvs[N_ENGINES];
    struct rng rng;
    uint64_t seed;
};

static struct bytes random_key(struct pair *pair, char *room) {
    int size = snprintf(room, 16, "k%02u", (unsigned)rng_below(&pair->rng, KEYS));
    return (struct bytes){room, (size_t)size};
}

static void random_operation(struct pair *pair, struct kv_batch *batch) {
    char room[16], end_room[16], value[3000];
    struct bytes key = random_key(pair, room);
    uint64_t kind = rng_below(&pair->rng, 10);
    if (kind < 7) {
        size_t size = (size_t)rng_below(&pair->rng, kind == 0 ? sizeof value : 40);
        for (size_t i = 0; i < size; i++)
            value[i] = (char)rng_next(&pair->rng);
        kv_batch_put(batch, key, (struct bytes){value, size});
    } else if (kind < 9) {
        kv_batch_delete(batch, key);
    } else {
        struct bytes end = random_key(pair, end_room);
        int order = memcmp(room, end_room, key.size);
        if (order < 0) kv_batch_delete_range(batch, key, end);
        if (order > 0) kv_batch_delete_range(batch, end, key);
    }
}

static void compare_scans(struct pair *pair, struct bytes begin, struct bytes end) {
    struct kv_cursor *cursors[N_ENGINES];
    for (int i = 0; i < N_ENGINES; i++)
        cr_ok(kv_cursor_open(pair->kvs[i], begin, end, &cursors[i]));
    for (;;) {
        struct bytes keys[N_ENGINES], values[N_ENGINES];
        bool more[N_ENGINES];
        for (int i = 0; i < N_ENGINES; i++)
            more[i] = kv_cursor_next(cursors[i], &keys[i], &values[i]);
        cr_assert_eq(more[0], more[1], "seed %lu", (unsigned long)pair->seed);
        if (!more[0]) break;
        cr_assert(keys[0].size == keys[1].size &&
                      memcmp(keys[0].data, keys[1].data, keys[0].size) == 0,
                  "seed %lu", (unsigned long)pair->seed);
        cr_assert(values[0].size == values[1].size &&
                      memcmp(values[0].data, values[1].data, values[0].size) == 0,
                  "seed %lu", (unsigned long)pair->seed);
    }
    for (int i = 0; i < N_ENGINES; i++)
        kv_cursor_close(cursors[i]);
}

static void compare_gets(struct pair *pair, enum kv_tier tier) {
    for (int n = 0; n < KEYS; n++) {
        char key[16];
        snprintf(key, sizeof key, "k%02d", n);
        struct kv_value values[N_ENGINES];
        enum status got[N_ENGINES];
        for (int i = 0; i < N_ENGINES; i++)
            got[i] = kv_get(pair->kvs[i], text(key), tier, &values[i]);
        cr_assert_eq(got[0], got[1], "seed %lu %s", (unsigned long)pair->seed, key);
        if (got[0] != STATUS_OK) continue;
        cr_assert(values[0].size == values[1].size &&
                  memcmp(values[0].data, values[1].data, values[0].size) == 0);
        for (int i = 0; i < N_ENGINES; i++)
            kv_value_free(&values[i]);
    }
}

static void step(struct pair *pair, struct kv_batch *batch) {
    uint64_t kind = rng_below(&pair->rng, 100);
    if (kind < 90) {
        for (uint64_t n = rng_below(&pair->rng, 6); n > 0; n--)
            random_operation(pair, batch);
        for (int i = 0; i < N_ENGINES; i++)
            cr_ok(kv_write(pair->kvs[i], batch, false));
        kv_batch_clear(batch);
    } else if (kind < 94) {
        for (int i = 0; i < N_ENGINES; i++)
            cr_ok(kv_flush(pair->kvs[i]));
    } else if (kind < 96) {
        for (int i = 0; i < N_ENGINES; i++) {
            kv_close(pair->kvs[i]);
            pair->kvs[i] = place_open(&pair->places[i]);
        }
    } else if (kind < 98) {
        char room[16], end[] = "k99";
        struct bytes begin = random_key(pair, room);
        for (int i = 0; i < N_ENGINES; i++)
            cr_ok(kv_drop_range(pair->kvs[i], begin, text(end)));
    } else {
        char room[16];
        compare_scans(pair, random_key(pair, room), text("k50~"));
        compare_gets(pair, KV_PERSISTED);
    }
}

Test(kv, engines_agree_on_random_histories) {
    for (uint64_t seed = 1; seed <= N_SEEDS; seed++) {
        struct pair pair = {.seed = seed};
        rng_init(&pair.rng, seed);
        for (int i = 0; i < N_ENGINES; i++) {
            place_make(&pair.places[i], (enum engine)i, false);
            pair.places[i].blob_min_bytes = seed % 2 ? 1024 : 0;
            pair.kvs[i] = place_open(&pair.places[i]);
        }
        struct kv_batch *batch = kv_batch_new();
        for (int i = 0; i < N_STEPS; i++)
            step(&pair, batch);
        compare_scans(&pair, text(""), text(""));
        compare_gets(&pair, KV_ANY);
        kv_batch_free(batch);
        for (int i = 0; i < N_ENGINES; i++) {
            kv_close(pair.kvs[i]);
            place_remove(&pair.places[i]);
        }
    }
}
