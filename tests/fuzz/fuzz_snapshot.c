/* fuzz_snapshot: the pieces of a snapshot, as a leader may send them, into stores in memory. The
 * first byte says where the bytes are cut in two. What is taken as a whole is given again, byte by
 * byte. */
#include <stdint.h>
#include <string.h>

#include "runtime/assert.h"
#include "storage/point_store.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { STORE = 7, PIECE_BYTES = 100 };

static struct point_store *open_store(void) {
    struct kv *kv = NULL;
    struct point_store *store = NULL;
    enum status s =
        kv_memory_open(&(struct kv_options){.path = "x"}, &(struct kv_faults){.seed = 1}, &kv);
    if (s == STATUS_OK) s = point_store_open(&kv, &store);
    assert(s == STATUS_OK);
    return store;
}

static bool is_verdict(enum status s) {
    return s == STATUS_OK || s == STATUS_CORRUPT;
}

/* True: all of it is there. */
static bool take(struct point_store *store, struct bytes first, struct bytes second) {
    struct point_intake *intake = NULL;
    enum status s = point_intake_open(store, STORE, &intake);
    assert(s == STATUS_OK);
    s = point_intake_piece(intake, first);
    if (s == STATUS_OK) s = point_intake_piece(intake, second);
    if (s == STATUS_OK) s = point_intake_end(intake);
    assert(is_verdict(s));
    point_intake_close(intake);
    return s == STATUS_OK;
}

static void give_again(struct point_store *store, struct bytes expected) {
    struct point_export *export = NULL;
    struct point_applied applied;
    struct buffer bytes;
    bool last = false;
    buffer_init(&bytes);
    enum status s = point_export_open(store, STORE, &applied, &export);
    assert(s == STATUS_OK);
    for (size_t want = PIECE_BYTES; s == STATUS_OK && !last; want += PIECE_BYTES)
        s = point_export_next(export, want, &bytes, &last);
    assert(s == STATUS_OK && bytes.size == expected.size);
    assert(memcmp(bytes.data, expected.data, expected.size) == 0);
    point_export_close(export);
    buffer_free(&bytes);
}

static void read_points(struct point_store *store) {
    struct point_cursor *cursor = NULL;
    struct point_listing *listing = NULL;
    struct point point;
    uint64_t number;
    enum status s = point_cursor_open(store, STORE, 0, &cursor);
    assert(s == STATUS_OK);
    while (point_cursor_next(cursor, &point))
        ;
    assert(is_verdict(point_cursor_status(cursor)));
    point_cursor_close(cursor);
    s = point_listing_open(store, STORE, &listing);
    assert(s == STATUS_OK);
    while (point_listing_next(listing, &number))
        ;
    assert(is_verdict(point_listing_status(listing)));
    point_listing_close(listing);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0) return 0;
    struct bytes all = {data + 1, size - 1};
    size_t cut = all.size ? data[0] * all.size / 255 : 0;
    struct point_store *store = open_store(), *batches = open_store();
    if (take(store, (struct bytes){data + 1, cut}, (struct bytes){data + 1 + cut, all.size - cut}))
        give_again(store, all);
    else
        assert(point_store_drop(store, STORE) == STATUS_OK);
    read_points(store);
    assert(is_verdict(point_import(batches, STORE, all)));
    read_points(batches);
    point_store_close(store);
    point_store_close(batches);
    return 0;
}
