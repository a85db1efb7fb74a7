/* The contract of kv.h, on both engines. */
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/unit/storage/place.h"

/* Runs `body` on an empty store of each engine. */
static void on_both(bool wal, void (*body)(struct place *place, struct kv *kv)) {
    for (enum engine engine = 0; engine < N_ENGINES; engine++) {
        struct place place;
        place_make(&place, engine, wal);
        body(&place, place_open(&place)); /* closes the handle */
        place_remove(&place);
    }
}

static void reads_back(struct place *place, struct kv *kv) {
    const char *name = engine_name(place->engine);
    cr_expect_str_eq(get_text(kv, "a", KV_ANY), "-", "%s", name);
    put_text(kv, "a", "1", true);
    cr_expect_str_eq(get_text(kv, "a", KV_ANY), "1", "%s", name);
    cr_expect_str_eq(get_text(kv, "a", KV_CACHED), "1", "%s", name);
    cr_expect_str_eq(get_text(kv, "a", KV_PERSISTED), "1", "%s", name);
    put_text(kv, "a", "", true);
    cr_expect_str_eq(get_text(kv, "a", KV_ANY), "", "%s", name);
    kv_close(kv);
}
Test(kv, reads_what_was_written) {
    on_both(true, reads_back);
}

static void applies_in_order(struct place *place, struct kv *kv) {
    struct kv_batch *batch = kv_batch_new();
    cr_ok(kv_write(kv, batch, true)); /* empty */
    for (const char *key = "abcdef"; *key; key++)
        kv_batch_put(batch, (struct bytes){key, 1}, text("1"));
    kv_batch_delete(batch, text("a"));
    kv_batch_delete(batch, text("unknown"));
    kv_batch_delete_range(batch, text("c"), text("e"));
    kv_batch_put(batch, text("d"), text("2"));
    cr_ok(kv_write(kv, batch, true));
    cr_expect_str_eq(scan_text(kv, "", ""), "b=1 d=2 e=1 f=1", "%s", engine_name(place->engine));

    kv_batch_clear(batch);
    kv_batch_put_joined(batch, text("g"), (struct bytes[]){text("one"), text(""), text("two")}, 3);
    cr_ok(kv_write(kv, batch, true));
    cr_expect_str_eq(get_text(kv, "g", KV_ANY), "onetwo");
    kv_batch_free(batch);
    kv_close(kv);
}
Test(kv, applies_a_batch_in_order) {
    on_both(true, applies_in_order);
}

static void cuts(struct place *place, struct kv *kv) {
    struct kv_batch *batch = kv_batch_new();
    struct kv_mark empty = kv_batch_mark(batch);
    kv_batch_put(batch, text("a"), text("1"));
    struct kv_mark one = kv_batch_mark(batch);
    kv_batch_put(batch, text("b"), text("2"));
    struct kv_mark two = kv_batch_mark(batch);
    kv_batch_put(batch, text("c"), text("3"));
    kv_batch_cut(batch, one, two);
    cr_ok(kv_write(kv, batch, true));
    cr_expect_str_eq(scan_text(kv, "", ""), "a=1 c=3", "%s", engine_name(place->engine));

    kv_batch_cut(batch, empty, kv_batch_mark(batch));
    kv_batch_put(batch, text("d"), text("4"));
    cr_ok(kv_write(kv, batch, true));
    cr_expect_str_eq(scan_text(kv, "", ""), "a=1 c=3 d=4", "%s", engine_name(place->engine));
    kv_batch_free(batch);
    kv_close(kv);
}
Test(kv, takes_operations_out_of_a_batch) {
    on_both(true, cuts);
}

static void orders(struct place *place, struct kv *kv) {
    const char *name = engine_name(place->engine);
    const char *keys[] = {"b", "ab", "a", "\xff", "\x01", "abc"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        put_text(kv, keys[i], "x", true);
    cr_expect_str_eq(scan_text(kv, "", ""), "\x01=x a=x ab=x abc=x b=x \xff=x", "%s", name);
    cr_expect_str_eq(scan_text(kv, "ab", "b"), "ab=x abc=x", "%s", name);
    cr_expect_str_eq(scan_text(kv, "c", "d"), "", "%s", name);
    kv_close(kv);
}
Test(kv, orders_keys_as_bytes) {
    on_both(true, orders);
}

static void snapshots(struct place *place, struct kv *kv) {
    put_text(kv, "a", "1", true);
    put_text(kv, "b", "1", true);
    struct kv_cursor *cursor;
    struct bytes key, value;
    cr_ok(kv_cursor_open(kv, text(""), text(""), &cursor));
    put_text(kv, "a", "2", true);
    put_text(kv, "aa", "2", true);
    int n = 0;
    while (kv_cursor_next(cursor, &key, &value)) {
        cr_expect(value.size == 1 && *(const char *)value.data == '1');
        n++;
    }
    cr_expect_eq(n, 2, "%s", engine_name(place->engine));
    cr_expect_not(kv_cursor_next(cursor, &key, &value));
    cr_ok(kv_cursor_status(cursor));
    kv_cursor_close(cursor);
    kv_close(kv);
}
Test(kv, iterates_a_snapshot) {
    on_both(true, snapshots);
}

static void keeps_value(struct place *place, struct kv *kv) {
    put_text(kv, "a", "before", true);
    struct kv_value value;
    cr_ok(kv_get(kv, text("a"), KV_ANY, &value));
    put_text(kv, "a", "after", true);
    cr_expect(value.size == 6 && memcmp(value.data, "before", 6) == 0, "%s",
              engine_name(place->engine));
    kv_value_free(&value);
    kv_value_free(&value); /* zeroed: fine */
    kv_close(kv);
}
Test(kv, a_value_belongs_to_its_reader) {
    on_both(true, keeps_value);
}

static void persists(struct place *place, struct kv *kv) {
    const char *name = engine_name(place->engine);
    put_text(kv, "a", "1", false);
    cr_expect_str_eq(get_text(kv, "a", KV_PERSISTED), "-", "%s", name);
    cr_ok(kv_flush(kv));
    put_text(kv, "a", "2", false);
    put_text(kv, "b", "2", false);
    cr_expect_str_eq(get_text(kv, "a", KV_PERSISTED), "1", "%s", name);
    cr_expect_str_eq(get_text(kv, "b", KV_PERSISTED), "-", "%s", name);
    cr_expect_str_eq(get_text(kv, "a", KV_ANY), "2", "%s", name);
    cr_ok(kv_flush(kv));
    cr_expect_str_eq(get_text(kv, "b", KV_PERSISTED), "2", "%s", name);
    put_text(kv, "c", "3", false);
    kv_close(kv); /* flushes */
    kv = place_open(place);
    cr_expect_str_eq(scan_text(kv, "", ""), "a=2 b=2 c=3", "%s", name);
    kv_close(kv);
}
Test(kv, knows_what_would_survive_power_loss) {
    on_both(false, persists);
}

static void reopens(struct place *place, struct kv *kv) {
    for (int round = 0; round < 3; round++) {
        char key[8];
        snprintf(key, sizeof key, "%d", round);
        put_text(kv, key, "x", true);
        kv_close(kv);
        kv = place_open(place);
    }
    cr_expect_str_eq(scan_text(kv, "", ""), "0=x 1=x 2=x", "%s", engine_name(place->engine));
    kv_close(kv);
}
Test(kv, reopens_with_what_it_had) {
    on_both(true, reopens);
}

/* Blobs, memtables and files of a few sizes; then everything goes. */
static void drops(struct place *place, struct kv *kv) {
    const char *name = engine_name(place->engine);
    kv_close(kv);
    place->blob_min_bytes = 1024;
    place->write_buffer_bytes = 1024 * 1024;
    kv = place_open(place);
    static char value[4096];
    struct kv_batch *batch = kv_batch_new();
    for (int i = 0; i < 4000; i++) {
        char key[16];
        int size = snprintf(key, sizeof key, "%c%05d", 'a' + i % 2, i);
        memset(value, i, sizeof value);
        kv_batch_put(batch, (struct bytes){key, (size_t)size},
                     (struct bytes){value, i % 3 ? 4096 : 100});
        if (i % 100 == 99) {
            cr_ok(kv_write(kv, batch, false));
            kv_batch_clear(batch);
        }
    }
    cr_ok(kv_flush(kv));
    uint64_t full = kv_stats(kv).disk_bytes;
    cr_expect_gt(full, 8 * 1024 * 1024, "%s: %lu", name, (unsigned long)full);
    cr_ok(kv_drop_range(kv, text("a"), text("b")));
    struct kv_stats half = kv_stats(kv);
    cr_expect_lt(half.disk_bytes, full * 3 / 4, "%s: %lu", name, (unsigned long)half.disk_bytes);
    struct kv_cursor *cursor;
    struct bytes key, found;
    int n = 0;
    cr_ok(kv_cursor_open(kv, text(""), text(""), &cursor));
    for (; kv_cursor_next(cursor, &key, &found); n++)
        cr_assert_eq(*(const char *)key.data, 'b');
    cr_expect_eq(n, 2000, "%s", name);
    kv_cursor_close(cursor);
    cr_ok(kv_drop_range(kv, text("b"), text("c")));
    cr_expect_lt(kv_stats(kv).disk_bytes, 64 * 1024, "%s", name);
    kv_batch_free(batch);
    kv_close(kv);
}
Test(kv, gives_the_disk_of_a_range_back) {
    on_both(false, drops);
}

static void blobs(struct place *place, struct kv *kv) {
    kv_close(kv);
    place->blob_min_bytes = 1024;
    kv = place_open(place);
    static char large[5000];
    memset(large, 'x', sizeof large);
    struct kv_batch *batch = kv_batch_new();
    kv_batch_put(batch, text("large"), (struct bytes){large, sizeof large});
    cr_ok(kv_write(kv, batch, false));
    cr_ok(kv_flush(kv));
    struct kv_value value;
    enum status cold = kv_get(kv, text("large"), KV_CACHED, &value);
    cr_expect(cold == (place->engine == ROCKSDB ? STATUS_NOT_READY : STATUS_OK));
    if (cold == STATUS_OK) kv_value_free(&value);
    for (enum kv_tier tier = KV_ANY; tier <= KV_PERSISTED; tier++) {
        cr_ok(kv_get(kv, text("large"), tier, &value)); /* KV_ANY fills the cache */
        cr_expect(value.size == sizeof large && memcmp(value.data, large, sizeof large) == 0);
        kv_value_free(&value);
    }
    kv_batch_free(batch);
    kv_close(kv);
}
Test(kv, large_values_are_cached_once_read) {
    on_both(false, blobs);
}

/* Each thread writes its own keys in batches of two that must never be seen apart. */
struct writer {
    struct kv *kv;
    int number;
    int torn;
};
static void *write_pairs(void *context) {
    struct writer *writer = context;
    struct kv_batch *batch = kv_batch_new();
    for (int i = 0; i < 300; i++) {
        char left[16], right[16], value[16];
        snprintf(left, sizeof left, "%d-l", writer->number);
        snprintf(right, sizeof right, "%d-r", writer->number);
        snprintf(value, sizeof value, "%d", i);
        kv_batch_put(batch, text(left), text(value));
        kv_batch_put(batch, text(right), text(value));
        if (kv_write(writer->kv, batch, false) != STATUS_OK) writer->torn++;
        kv_batch_clear(batch);
        struct kv_cursor *cursor;
        struct bytes key, first = {0}, second = {0};
        if (kv_cursor_open(writer->kv, text("0"), text("0~"), &cursor) != STATUS_OK) continue;
        char seen[16] = "";
        if (kv_cursor_next(cursor, &key, &first)) memcpy(seen, first.data, first.size);
        if (kv_cursor_next(cursor, &key, &second) &&
            (strlen(seen) != second.size || memcmp(seen, second.data, second.size) != 0))
            writer->torn++;
        kv_cursor_close(cursor);
    }
    kv_batch_free(batch);
    return NULL;
}
static void threads(struct place *place, struct kv *kv) {
    struct writer writers[4];
    pthread_t started[4];
    for (int i = 0; i < 4; i++) {
        writers[i] = (struct writer){.kv = kv, .number = i};
        pthread_create(&started[i], NULL, write_pairs, &writers[i]);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(started[i], NULL);
        cr_expect_eq(writers[i].torn, 0, "%s", engine_name(place->engine));
    }
    kv_close(kv);
}
Test(kv, batches_of_many_threads_stay_whole) {
    on_both(false, threads);
}

/* Files of many megabytes, in order, past what is there. */
static void bulks(struct place *place, struct kv *kv) {
    const char *name = engine_name(place->engine);
    static char value[1024 * 1024];
    struct kv_bulk *bulk;
    put_text(kv, "a", "1", false);
    put_text(kv, "z", "1", false);
    cr_ok(kv_bulk_open(kv, &bulk));
    for (int i = 0; i < 70; i++) {
        char key[8];
        snprintf(key, sizeof key, "m%03d", i);
        cr_ok(kv_bulk_put(bulk, text(key), (struct bytes){value, sizeof value}));
    }
    cr_ok(kv_bulk_put(bulk, text("n"), text("2")));
    cr_expect_str_eq(scan_text(kv, "", ""), "a=1 z=1", "%s", name);
    cr_ok(kv_bulk_end(bulk));
    kv_bulk_close(bulk);
    cr_expect_str_eq(scan_text(kv, "n", ""), "n=2 z=1", "%s", name);
    cr_expect_str_eq(get_text(kv, "n", KV_PERSISTED), "2", "%s", name);
    cr_expect_str_eq(get_text(kv, "z", KV_PERSISTED), "-", "%s: not flushed for it", name);
    cr_expect_geq(kv_stats(kv).disk_bytes, 70 * sizeof value, "%s", name);
    put_text(kv, "n", "3", false);
    cr_expect_str_eq(get_text(kv, "n", KV_ANY), "3", "%s", name);

    /* Order counts also where another file begins. */
    static const char *const wrong[] = {"m069", "m000"};
    for (size_t i = 0; i < 2; i++) {
        cr_ok(kv_bulk_open(kv, &bulk));
        for (int j = 0; j < 64; j++) {
            char key[8];
            snprintf(key, sizeof key, "o%03d", j);
            cr_ok(kv_bulk_put(bulk, text(key), (struct bytes){value, sizeof value}));
        }
        cr_status(kv_bulk_put(bulk, text(wrong[i]), text("")), STATUS_INVALID);
        kv_bulk_close(bulk);
    }
    cr_ok(kv_drop_range(kv, text("m"), text("p")));
    cr_expect_lt(kv_stats(kv).disk_bytes, 1024 * 1024, "%s", name);
    cr_expect_str_eq(scan_text(kv, "", ""), "a=1 z=1", "%s", name);
    kv_close(kv);
}
Test(kv, takes_much_at_once) {
    on_both(false, bulks);
}

static void counts(struct place *place, struct kv *kv) {
    struct kv_stats empty = kv_stats(kv);
    static char large[1024 * 1024];
    memset(large, 'x', sizeof large - 1);
    put_text(kv, "a", large, false);
    cr_expect_geq(kv_stats(kv).memtable_bytes, empty.memtable_bytes + sizeof large - 1);
    cr_ok(kv_flush(kv));
    cr_expect_gt(kv_stats(kv).disk_bytes, empty.disk_bytes, "%s", engine_name(place->engine));
    kv_close(kv);
}
Test(kv, says_what_it_costs) {
    on_both(false, counts);
}

/* --- of the product's engine only ------------------------------------------------------------ */

/* Bytes that this process asked the system for. */
static uint64_t bytes_read(void) {
    unsigned long long bytes = 0;
    FILE *file = fopen("/proc/self/io", "r");
    cr_assert(file && fscanf(file, "rchar: %llu", &bytes) == 1);
    fclose(file);
    return bytes;
}

/* The filter of so many keys has 0.6 MB: read once, not for every key. */
Test(rocksdb, keeps_the_filter_of_a_large_file) {
    enum { KEYS = 500000, LOOKED_UP = 100, EACH = 32 * 1024 };
    struct place place;
    place_make(&place, ROCKSDB, false);
    struct kv *kv = place_open(&place);
    struct kv_bulk *bulk;
    char key[16];
    cr_ok(kv_bulk_open(kv, &bulk));
    for (int i = 0; i < KEYS; i++) {
        snprintf(key, sizeof key, "%08d", i);
        cr_ok(kv_bulk_put(bulk, text(key), text("1")));
    }
    cr_ok(kv_bulk_end(bulk));
    kv_bulk_close(bulk);
    cr_expect_str_eq(get_text(kv, "00000000", KV_ANY), "1");
    uint64_t before = bytes_read();
    for (int i = 1; i <= LOOKED_UP; i++) {
        snprintf(key, sizeof key, "%08d", i * (KEYS / LOOKED_UP) - 1);
        cr_expect_str_eq(get_text(kv, key, KV_ANY), "1");
    }
    cr_expect_lt(bytes_read() - before, LOOKED_UP * EACH);
    kv_close(kv);
    place_remove(&place);
}

Test(kv, makes_private_folders) {
    struct place place;
    place_make(&place, ROCKSDB, true);
    char path[128];
    snprintf(path, sizeof path, "%s/a/b/", place.folder);
    struct kv *kv;
    cr_ok(kv_rocksdb_open(&(struct kv_options){.path = path, .wal = true}, &kv));
    struct stat info;
    for (const char *const *part = (const char *[]){"a", "a/b", NULL}; *part; part++) {
        snprintf(path, sizeof path, "%s/%s", place.folder, *part);
        cr_assert_eq(stat(path, &info), 0);
        cr_expect_eq(info.st_mode & 0777, 0700, "%s", path);
    }
    kv_close(kv);
    place_remove(&place);
}

Test(kv, says_why_it_cannot_open) {
    struct place place;
    place_make(&place, ROCKSDB, true);
    struct kv *kv = place_open(&place), *other = NULL;
    cr_status(kv_rocksdb_open(&(struct kv_options){.path = place.folder, .wal = true}, &other),
              STATUS_IO);
    cr_expect(strstr(kv_error(), "is in use by this process"), "%s", kv_error());
    put_text(kv, "a", "1", true);
    kv_close(kv);

    char path[128];
    snprintf(path, sizeof path, "%s/CURRENT/x", place.folder);
    cr_status(kv_rocksdb_open(&(struct kv_options){.path = path}, &other), STATUS_IO);
    path[strlen(path) - 2] = '\0';
    cr_status(kv_rocksdb_open(&(struct kv_options){.path = path}, &other), STATUS_INVALID);
    cr_expect(strstr(kv_error(), "not a folder"), "%s", kv_error());
    cr_status(kv_rocksdb_open(&(struct kv_options){.path = ""}, &other), STATUS_INVALID);
    cr_expect_null(other);
    place_remove(&place);
}
