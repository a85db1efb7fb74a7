/* point_store on both engines: an entry's work is one atom with its applied index. */
#include "storage/point_store.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/rng.h"
#include "tests/unit/storage/place.h"

static uint64_t
put(struct point_batch *batch, const char *id, uint64_t number, const char *payload) {
    float vector[] = {(float)number, 2};
    uint64_t old = UINT64_MAX;
    cr_ok(point_batch_put(batch,
                          &(struct point){.number = number,
                                          .id = text(id),
                                          .vector = {vector, sizeof vector},
                                          .payload = text(payload)},
                          &old));
    return old;
}

static uint64_t take(struct point_batch *batch, const char *id) {
    uint64_t old = UINT64_MAX;
    cr_ok(point_batch_delete(batch, text(id), &old));
    return old;
}

/* "id=number:payload …" of the cursor; checks the vector and the way by id. */
static const char *show(struct point_store *store, uint64_t store_id) {
    static char out[4096];
    size_t used = 0;
    out[0] = '\0';
    struct point_cursor *cursor;
    struct point point;
    cr_ok(point_cursor_open(store, store_id, 0, &cursor));
    while (point_cursor_next(cursor, &point)) {
        float vector[2];
        cr_assert_eq(point.vector.size, sizeof vector);
        memcpy(vector, point.vector.data, sizeof vector);
        cr_assert_eq(vector[0], (float)point.number);
        struct point_value value;
        cr_ok(point_store_get(store, store_id, point.id, KV_ANY, &value));
        cr_assert_eq(value.point.number, point.number);
        point_value_free(&value);
        used += (size_t)snprintf(out + used, sizeof out - used, "%s%.*s=%" PRIu64 ":%.*s",
                                 used ? " " : "", (int)point.id.size, (const char *)point.id.data,
                                 point.number, (int)point.payload.size,
                                 (const char *)point.payload.data);
    }
    cr_ok(point_cursor_status(cursor));
    point_cursor_close(cursor);
    return out;
}

static void remembers(struct place *place, struct point_store *store) {
    const char *name = engine_name(place->engine);
    struct point_batch *batch;
    struct point_applied applied;
    cr_ok(point_store_applied(store, 1, KV_ANY, &applied));
    cr_expect(applied.index == 0 && applied.term == 0);
    cr_ok(point_batch_open(store, 1, &batch));
    cr_expect_eq(put(batch, "a", 10, "x"), 0);
    cr_expect_eq(put(batch, "b", 11, ""), 0);
    cr_expect_str_eq(show(store, 1), "", "%s: not before it is written", name);
    cr_ok(point_batch_write(batch, 1, 4));
    cr_expect_str_eq(show(store, 1), "a=10:x b=11:", "%s", name);
    cr_expect_str_eq(show(store, 2), "", "%s: another replica", name);
    cr_ok(point_store_applied(store, 1, KV_ANY, &applied));
    cr_expect(applied.index == 1 && applied.term == 4);

    cr_expect_eq(put(batch, "a", 20, "y"), 10);
    cr_expect_eq(take(batch, "b"), 11);
    cr_expect_eq(take(batch, "unknown"), 0);
    cr_ok(point_batch_write(batch, 2, 4));
    cr_expect_str_eq(show(store, 1), "a=20:y", "%s", name);
    struct point_value value;
    cr_status(point_store_read(store, 1, 10, KV_ANY, &value), STATUS_NOT_FOUND);
    cr_status(point_store_get(store, 1, text("b"), KV_ANY, &value), STATUS_NOT_FOUND);
    cr_status(point_store_get(store, 1, text(""), KV_ANY, &value), STATUS_NOT_FOUND);
    point_batch_close(batch);
    point_store_close(store);
    store = place_points(place);
    cr_expect_str_eq(show(store, 1), "a=20:y", "%s: reopened", name);
    point_store_close(store);
}
Test(point_store, remembers_points) {
    place_on_both(remembers);
}

static void later_wins(struct place *place, struct point_store *store) {
    struct point_batch *batch;
    cr_ok(point_batch_open(store, 1, &batch));
    cr_expect_eq(put(batch, "a", 1, "first"), 0);
    cr_expect_eq(put(batch, "a", 2, "second"), 1);
    cr_expect_eq(put(batch, "b", 3, ""), 0);
    cr_expect_eq(take(batch, "b"), 3);
    cr_expect_eq(take(batch, "b"), 0);
    cr_expect_eq(take(batch, "c"), 0);
    cr_expect_eq(put(batch, "c", 4, "new"), 0);
    cr_expect_eq(take(batch, "a"), 2);
    cr_expect_eq(put(batch, "a", 5, "third"), 0);
    cr_ok(point_batch_write(batch, 1, 1));
    cr_expect_str_eq(show(store, 1), "c=4:new a=5:third", "%s", engine_name(place->engine));
    point_batch_close(batch);
    point_store_close(store);
}
Test(point_store, of_two_equal_ids_the_later_wins) {
    place_on_both(later_wins);
}

static void is_one_atom(struct place *place, struct point_store *store) {
    struct point_batch *batch;
    struct point_applied applied;
    cr_ok(point_batch_open(store, 1, &batch));
    put(batch, "a", 1, "kept");
    cr_ok(point_batch_write(batch, 1, 1));
    cr_ok(point_store_flush(store));
    put(batch, "a", 2, "lost");
    put(batch, "b", 3, "lost");
    cr_ok(point_batch_write(batch, 2, 1));
    cr_ok(point_store_applied(store, 1, KV_PERSISTED, &applied));
    cr_expect_eq(applied.index, 1, "%s", engine_name(place->engine));
    cr_ok(point_store_applied(store, 1, KV_ANY, &applied));
    cr_expect_eq(applied.index, 2);
    put(batch, "forgotten", 4, "");
    point_batch_close(batch);
    cr_expect_str_eq(show(store, 1), "a=2:lost b=3:lost");
    point_store_close(store);
}
Test(point_store, applied_index_and_points_are_one_atom) {
    place_on_both(is_one_atom);
}

static void has_facts(struct place *place, struct point_store *store) {
    struct point_batch *batch;
    struct kv_value value;
    cr_ok(point_batch_open(store, 1, &batch));
    point_batch_fact(batch, "collection", text("docs"));
    cr_status(point_store_fact(store, 1, "collection", &value), STATUS_NOT_FOUND);
    cr_ok(point_batch_write(batch, 1, 1));
    cr_ok(point_store_fact(store, 1, "collection", &value));
    cr_expect(value.size == 4 && memcmp(value.data, "docs", 4) == 0, "%s",
              engine_name(place->engine));
    kv_value_free(&value);
    point_batch_close(batch);
    point_store_close(store);
}
Test(point_store, keeps_facts_of_its_owner) {
    place_on_both(has_facts);
}

static void judges_ids(struct place *place, struct point_store *store) {
    struct point_batch *batch;
    uint64_t old;
    cr_ok(point_batch_open(store, 1, &batch));
    char id[POINT_NAME_MAX + 2];
    memset(id, 'i', sizeof id);
    id[POINT_NAME_MAX + 1] = '\0';
    struct point point = {.number = 1, .id = text(id)};
    cr_status(point_batch_put(batch, &point, &old), STATUS_INVALID);
    cr_status(point_batch_delete(batch, text(""), &old), STATUS_INVALID);
    id[POINT_NAME_MAX] = '\0';
    put(batch, id, 2, "longest");
    put(batch, "\xff\xff", 3, "bytes");
    cr_ok(point_batch_write(batch, 1, 1));
    struct point_value value;
    cr_ok(point_store_get(store, 1, text(id), KV_ANY, &value));
    cr_expect(value.point.number == 2 && value.point.id.size == POINT_NAME_MAX);
    point_value_free(&value);
    id[POINT_NAME_MAX] = 'i';
    cr_status(point_store_get(store, 1, text(id), KV_ANY, &value), STATUS_NOT_FOUND);
    cr_ok(point_store_get(store, 1, text("\xff\xff"), KV_ANY, &value));
    point_value_free(&value);
    point_batch_close(batch);
    point_store_close(store);
    (void)place;
}
Test(point_store, judges_ids) {
    place_on_both(judges_ids);
}

static void drops(struct place *place, struct point_store *store) {
    const char *name = engine_name(place->engine);
    static const uint64_t ids[] = {0, 1, 2, UINT64_MAX};
    for (int i = 0; i < 4; i++) {
        struct point_batch *batch;
        cr_ok(point_batch_open(store, ids[i], &batch));
        put(batch, "a", 1, "x");
        cr_ok(point_batch_write(batch, 1, 1));
        point_batch_close(batch);
    }
    uint64_t found[2];
    size_t n;
    cr_ok(point_store_ids(store, found, 2, &n));
    cr_expect(n == 4 && found[0] == 0 && found[1] == 1, "%s", name);
    cr_ok(point_store_drop(store, 1));
    cr_ok(point_store_drop(store, UINT64_MAX));
    cr_ok(point_store_drop(store, 77));
    cr_ok(point_store_ids(store, found, 2, &n));
    cr_expect(n == 2 && found[1] == 2, "%s", name);
    cr_expect_str_eq(show(store, 2), "a=1:x", "%s", name);
    cr_expect_str_eq(show(store, 1), "", "%s", name);
    struct point_applied applied;
    cr_ok(point_store_applied(store, 1, KV_ANY, &applied));
    cr_expect_eq(applied.index, 0);
    point_store_close(store);
}
Test(point_store, drops_a_replica) {
    place_on_both(drops);
}

static void names_damage(struct place *place, struct point_store *store) {
    struct point_batch *batch;
    cr_ok(point_batch_open(store, 1, &batch));
    put(batch, "a", 1, "x");
    put(batch, "b", 2, "x");
    cr_ok(point_batch_write(batch, 1, 1));
    point_batch_close(batch);
    point_store_close(store);

    struct kv *kv = place_open(place);
    struct kv_batch *writes = kv_batch_new();
    kv_batch_put(writes, (struct bytes){"\0\0\0\0\0\0\0\1p\0\0\0\0\0\0\0\1", 17}, text("shor"));
    kv_batch_delete(writes, (struct bytes){"\0\0\0\0\0\0\0\1p\0\0\0\0\0\0\0\2", 17});
    kv_batch_put(writes, (struct bytes){"\0\0\0\0\0\0\0\1a", 9}, text("?"));
    cr_ok(kv_write(kv, writes, false));
    kv_batch_free(writes);
    cr_ok(point_store_open(&kv, &store));
    struct point_value value;
    struct point_applied applied;
    cr_status(point_store_get(store, 1, text("a"), KV_ANY, &value), STATUS_CORRUPT);
    cr_status(point_store_get(store, 1, text("b"), KV_ANY, &value), STATUS_CORRUPT);
    cr_status(point_store_applied(store, 1, KV_ANY, &applied), STATUS_CORRUPT);
    struct point_cursor *cursor;
    struct point point;
    cr_ok(point_cursor_open(store, 1, 0, &cursor));
    cr_expect_not(point_cursor_next(cursor, &point));
    cr_status(point_cursor_status(cursor), STATUS_CORRUPT);
    point_cursor_close(cursor);
    point_store_close(store);
}
Test(point_store, names_damage) {
    place_on_both(names_damage);
}

/* --- power loss ------------------------------------------------------------------------------ */

enum { N_IDS = 20, N_ENTRIES = 60 };

/* What the points were after each entry: number by id. */
struct history {
    uint64_t numbers[N_ENTRIES + 1][N_IDS];
};

static void
apply_entry(struct point_batch *batch, struct rng *rng, uint64_t index, struct history *history) {
    uint64_t *now = history->numbers[index];
    memcpy(now, history->numbers[index - 1], sizeof history->numbers[0]);
    uint64_t n = 1 + rng_below(rng, 6);
    for (uint32_t position = 0; position < n; position++) {
        uint64_t which = rng_below(rng, N_IDS);
        char id[16];
        snprintf(id, sizeof id, "id%" PRIu64, which);
        if (rng_below(rng, 3) == 0) {
            cr_assert_eq(take(batch, id), now[which]);
            now[which] = 0;
        } else {
            uint64_t number = point_number(index, position);
            cr_assert_eq(put(batch, id, number, "p"), now[which]);
            now[which] = number;
        }
    }
    cr_ok(point_batch_write(batch, index, 1));
}

static void check(struct point_store *store, const uint64_t *numbers, uint64_t seed) {
    size_t expected = 0, n = 0;
    for (int which = 0; which < N_IDS; which++) {
        char id[16];
        snprintf(id, sizeof id, "id%d", which);
        struct point_value value;
        enum status s = point_store_get(store, 1, text(id), KV_ANY, &value);
        cr_assert_eq(s, numbers[which] ? STATUS_OK : STATUS_NOT_FOUND, "seed %" PRIu64, seed);
        if (s != STATUS_OK) continue;
        cr_assert_eq(value.point.number, numbers[which], "seed %" PRIu64, seed);
        point_value_free(&value);
        expected++;
    }
    struct point_cursor *cursor;
    struct point point;
    cr_ok(point_cursor_open(store, 1, 0, &cursor));
    while (point_cursor_next(cursor, &point))
        n++;
    point_cursor_close(cursor);
    cr_assert_eq(n, expected, "seed %" PRIu64, seed);
}

/* After power loss the points are exactly those of the applied index, which is not below the
 * flushed one; replaying the log from there gives the same again. */
static void survive(uint64_t seed) {
    struct place place;
    struct rng rng;
    static struct history history;
    memset(&history, 0, sizeof history);
    rng_init(&rng, seed);
    place_make(&place, MEMORY, false);
    kv_memory_set_faults(place.disk, &(struct kv_faults){.seed = seed, .torn_write_ppm = 500000});
    struct point_store *store = place_points(&place);
    struct point_batch *batch;
    cr_ok(point_batch_open(store, 1, &batch));
    uint64_t flushed = 0;
    for (uint64_t index = 1; index <= N_ENTRIES; index++) {
        apply_entry(batch, &rng, index, &history);
        if (rng_below(&rng, 8) == 0) {
            cr_ok(point_store_flush(store));
            flushed = index;
        }
        struct point_applied applied;
        cr_ok(point_store_applied(store, 1, KV_PERSISTED, &applied));
        cr_assert_geq(applied.index, flushed);
        if (rng_below(&rng, 5)) continue;
        kv_memory_crash(place.disk);
        point_batch_close(batch);
        point_store_close(store);
        store = place_points(&place);
        cr_ok(point_batch_open(store, 1, &batch));
        cr_ok(point_store_applied(store, 1, KV_ANY, &applied));
        cr_assert(applied.index >= flushed && applied.index <= index, "seed %" PRIu64, seed);
        check(store, history.numbers[applied.index], seed);
        index = applied.index;
    }
    check(store, history.numbers[N_ENTRIES], seed);
    point_batch_close(batch);
    point_store_close(store);
    place_remove(&place);
}
Test(point_store, survives_power_loss) {
    for (uint64_t seed = 1; seed <= 200; seed++)
        survive(seed);
}
