/* Snapshots of points, from one store into another, on both engines; and what pieces may look like.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "storage/point_store.h"
#include "tests/unit/storage/place.h"

enum { FROM = 1, TO = 9, POINTS = 300, LARGE = 3000 };

static void fill(struct point_store *store) {
    static char payload[LARGE];
    struct point_batch *batch;
    cr_ok(point_batch_open(store, FROM, &batch));
    memset(payload, 'x', sizeof payload);
    for (uint64_t i = 1; i <= POINTS; i++) {
        char id[16];
        float vector[] = {(float)i, 2};
        uint64_t old;
        snprintf(id, sizeof id, "id%" PRIu64, i);
        cr_ok(point_batch_put(batch,
                              &(struct point){.number = point_number(i, 0),
                                              .id = text(id),
                                              .vector = {vector, sizeof vector},
                                              .payload = {payload, i % 3 ? LARGE : 10}},
                              &old));
        point_batch_fact(batch, "fact", text("kept"));
        cr_ok(point_batch_write(batch, i, 1));
    }
    point_batch_close(batch);
}

static uint64_t count(struct point_store *store, uint64_t store_id) {
    struct point_cursor *cursor;
    struct point point;
    uint64_t n = 0;
    cr_ok(point_cursor_open(store, store_id, 0, &cursor));
    while (point_cursor_next(cursor, &point))
        n++;
    cr_ok(point_cursor_status(cursor));
    point_cursor_close(cursor);
    return n;
}

static uint64_t applied(struct point_store *store, enum kv_tier tier) {
    struct point_applied found;
    cr_ok(point_store_applied(store, TO, tier, &found));
    return found.index;
}

/* All pieces, not ended yet. */
static struct point_intake *pour(struct point_store *store, uint64_t from) {
    struct point_export *export;
    struct point_intake *intake;
    struct point_applied at;
    struct buffer piece;
    bool last = false;
    buffer_init(&piece);
    cr_ok(point_export_open(store, from, &at, &export));
    cr_ok(point_intake_open(store, TO, &intake));
    while (!last) {
        buffer_clear(&piece);
        cr_ok(point_export_next(export, 10 * 1024, &piece, &last));
        cr_ok(point_intake_piece(intake, (struct bytes){piece.data, piece.size}));
    }
    point_export_close(export);
    buffer_free(&piece);
    return intake;
}

static void arrives(struct place *place, struct point_store *store) {
    const char *name = engine_name(place->engine);
    fill(store);
    struct point_intake *intake = pour(store, FROM);
    cr_expect_eq(count(store, TO), 0, "%s: nothing before the end", name);
    cr_ok(point_intake_end(intake));
    point_intake_close(intake);
    cr_expect_eq(count(store, TO), POINTS, "%s", name);
    cr_expect_eq(applied(store, KV_PERSISTED), POINTS, "%s: durable at once", name);
    struct kv_value fact;
    cr_ok(point_store_fact(store, TO, "fact", &fact));
    cr_expect_eq(fact.size, 4);
    kv_value_free(&fact);

    /* It lives on like any other: changed, read, reopened, dropped. */
    struct point_batch *batch;
    uint64_t old = 0;
    cr_ok(point_batch_open(store, TO, &batch));
    cr_ok(point_batch_delete(batch, text("id7"), &old));
    cr_expect_eq(old, point_number(7, 0));
    cr_ok(point_batch_write(batch, POINTS + 1, 1));
    point_batch_close(batch);
    point_store_close(store);
    store = place_points(place);
    cr_expect_eq(count(store, TO), POINTS - 1, "%s", name);
    struct point_value value;
    cr_ok(point_store_get(store, TO, text("id8"), KV_ANY, &value));
    cr_expect_eq(value.point.payload.size, LARGE);
    point_value_free(&value);
    cr_ok(point_store_drop(store, TO));
    cr_ok(point_store_drop(store, TO)); /* where nothing is */
    cr_expect_eq(count(store, TO), 0);
    cr_expect_eq(count(store, FROM), POINTS, "%s: the other one is as it was", name);
    cr_ok(point_store_drop(store, FROM));
    cr_expect_lt(point_store_stats(store).disk_bytes, 64 * 1024, "%s", name);
    point_store_close(store);
}
Test(transfer, all_of_it_arrives_at_once) {
    place_on_both(arrives);
}

static void leaves_nothing(struct place *place, struct point_store *store) {
    fill(store);
    point_intake_close(pour(store, FROM));
    cr_expect_eq(count(store, TO), 0, "%s", engine_name(place->engine));
    point_store_close(store);
    store = place_points(place);
    cr_expect_eq(count(store, TO), 0, "%s: reopened", engine_name(place->engine));
    cr_expect_eq(applied(store, KV_ANY), 0);
    point_store_close(store);
}
Test(transfer, one_that_is_broken_off_leaves_nothing) {
    place_on_both(leaves_nothing);
}

/* What a process that was killed left in the folder goes when the store is opened. */
Test(transfer, files_of_a_killed_process_are_removed) {
    struct place place;
    place_make(&place, ROCKSDB, false);
    struct point_store *store = place_points(&place);
    point_store_close(store);
    char path[256];
    snprintf(path, sizeof path, "mkdir -p %s/bulk && touch %s/bulk/0-0.sst", place.folder,
             place.folder);
    cr_assert_eq(system(path), 0);
    store = place_points(&place);
    snprintf(path, sizeof path, "%s/bulk/0-0.sst", place.folder);
    cr_expect_neq(access(path, F_OK), 0);
    point_store_close(store);
    place_remove(&place);
}

/* Survives a power failure right after its end, also when older writes of others do not. */
Test(transfer, is_durable_before_what_was_written_earlier) {
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct place place;
        place_make(&place, MEMORY, false);
        struct point_store *store = place_points(&place);
        fill(store);
        struct point_intake *intake = pour(store, FROM);
        cr_ok(point_intake_end(intake));
        point_intake_close(intake);
        kv_memory_set_faults(place.disk, &(struct kv_faults){.seed = seed});
        kv_memory_crash(place.disk);
        cr_expect_eq(count(store, TO), POINTS);
        point_store_close(store);
        place_remove(&place);
    }
}

Test(transfer, a_full_or_broken_disk_says_so_at_the_end) {
    static const struct {
        struct kv_faults faults;
        enum status status;
    } rows[] = {{{.capacity_bytes = 1000}, STATUS_DISK_FULL},
                {{.fail_write_ppm = 1000000}, STATUS_IO}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct place place;
        place_make(&place, MEMORY, false);
        struct point_store *store = place_points(&place);
        fill(store);
        struct point_intake *intake = pour(store, FROM);
        kv_memory_set_faults(place.disk, &rows[i].faults);
        cr_status(point_intake_end(intake), rows[i].status);
        point_intake_close(intake);
        cr_expect_eq(count(store, TO), 0);
        point_store_close(store);
        place_remove(&place);
    }
}

/* --- pieces */

#define APPLIED "\1\0\20\0\0\0a\0\0\0\0\0\0\0\5\0\0\0\0\0\0\0\2"
#define ID_B    "\2\0\10\0\0\0ib\0\0\0\0\0\0\0\1"
#define ID_C    "\2\0\10\0\0\0ic\0\0\0\0\0\0\0\2"
#define PIECE(bytes) \
    { bytes, sizeof(bytes) - 1 }

static void takes_pieces(struct place *place, struct point_store *store) {
    static const struct {
        const char *what;
        struct bytes piece;
        enum status status;
    } rows[] = {
        {"an applied index alone", PIECE(APPLIED), STATUS_OK},
        {"ids in order", PIECE(APPLIED ID_B ID_C), STATUS_OK},
        {"nothing", {"", 0}, STATUS_CORRUPT},
        {"no applied index", PIECE(ID_B), STATUS_CORRUPT},
        {"an applied index of another size", PIECE("\1\0\1\0\0\0ax"), STATUS_CORRUPT},
        {"half a header", PIECE(APPLIED "\2\0\10"), STATUS_CORRUPT},
        {"a key without bytes", PIECE(APPLIED "\0\0\1\0\0\0x"), STATUS_CORRUPT},
        {"a key that ends behind the piece", PIECE(APPLIED "\7\0\0\0\0\0ib"), STATUS_CORRUPT},
        {"a key above the limit", PIECE(APPLIED "\377\377\0\0\0\0ib"), STATUS_CORRUPT},
        {"a value that ends behind the piece", PIECE(APPLIED "\2\0\11\0\0\0ib"), STATUS_CORRUPT},
        {"a value of 4 GB", PIECE(APPLIED "\2\0\377\377\377\377ibx"), STATUS_CORRUPT},
        {"ids out of order", PIECE(APPLIED ID_C ID_B), STATUS_CORRUPT},
        {"an id twice", PIECE(APPLIED ID_B ID_B), STATUS_CORRUPT},
        {"the applied index twice", PIECE(APPLIED APPLIED), STATUS_CORRUPT},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct point_intake *intake;
        cr_ok(point_intake_open(store, TO, &intake));
        enum status s = point_intake_piece(intake, rows[i].piece);
        if (s == STATUS_OK) s = point_intake_end(intake);
        cr_expect_eq(s, rows[i].status, "%s: %s is %s", engine_name(place->engine), rows[i].what,
                     status_name(s));
        point_intake_close(intake);
        cr_expect_eq(applied(store, KV_ANY), rows[i].status == STATUS_OK ? 5 : 0, "%s: %s",
                     engine_name(place->engine), rows[i].what);
        cr_ok(point_store_drop(store, TO));
    }
    point_store_close(store);
}
Test(transfer, takes_pieces_as_they_must_be) {
    place_on_both(takes_pieces);
}
