/* The product's engine on a disk that is full, broken or lies: a status and words each, never an
 * abort, and back to work by itself when space returns. */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/rng.h"
#include "storage/log_store.h"
#include "tests/unit/storage/disk.h"
#include "tests/unit/storage/place.h"

enum { RECOVERY_S_MAX = 30 };

static enum status append(struct log_store *store, uint64_t index) {
    static char data[100];
    struct log_batch *batch = log_batch_new();
    struct log_entry entry = {.index = index, .term = 1, .data = {data, sizeof data}};
    cr_ok(log_batch_append(batch, 1, &entry, 1));
    enum status s = log_store_write(store, batch);
    cr_assert(s != STATUS_OK || log_batch_outcome(batch, 0) == STATUS_OK);
    log_batch_free(batch);
    return s;
}

static uint64_t last(struct log_store *store) {
    struct log_state state;
    cr_ok(log_store_state(store, 1, &state));
    return state.last;
}

/* `any`: whether RocksDB's memtable holds anything when the disk runs full; it recovers
 * differently. */
static void fill_and_free(bool any) {
    struct place place;
    place_make(&place, ROCKSDB, true);
    struct kv *kv = place_open(&place);
    struct log_store *store;
    cr_ok(log_store_open(&kv, &store));
    uint64_t before = any ? 1 : 0;
    if (any) cr_ok(append(store, 1));

    disk_set_free(1024 * 1024); /* the reserve is touched: RocksDB does not see the write */
    cr_status(append(store, before + 1), STATUS_DISK_FULL);
    cr_expect(strstr(kv_error(), "has 1 MiB left"), "%s", kv_error());
    disk_set_free(UINT64_MAX);
    disk_break(place.folder, ENOSPC, DISK_WRITES); /* a quota: RocksDB does */
    for (int i = 0; i < 3; i++) {
        cr_status(append(store, before + 1), STATUS_DISK_FULL);
        cr_expect(strstr(kv_error(), "No space"), "%s", kv_error());
        cr_expect_eq(last(store), before);
    }
    disk_break("", 0, 0);
    cr_ok(append(store, before + 1));
    cr_ok(append(store, before + 2));
    log_store_close(store);
    kv = place_open(&place);
    cr_ok(log_store_open(&kv, &store));
    cr_expect_eq(last(store), before + 2);
    log_store_close(store);
    place_remove(&place);
}

Test(disk, a_full_log_recovers_by_itself) {
    fill_and_free(false);
    fill_and_free(true);
}

Test(disk, a_full_data_store_recovers_by_itself) {
    struct place place;
    place_make(&place, ROCKSDB, false);
    struct kv *kv = place_open(&place);
    put_text(kv, "a", "1", false);
    cr_ok(kv_flush(kv));
    put_text(kv, "a", "2", false);
    disk_break(place.folder, ENOSPC, DISK_WRITES);
    cr_status(kv_flush(kv), STATUS_DISK_FULL);
    cr_expect_str_eq(get_text(kv, "a", KV_ANY), "2");
    cr_expect_str_eq(get_text(kv, "a", KV_PERSISTED), "1");

    disk_break("", 0, 0);
    enum status s = STATUS_DISK_FULL;
    for (int i = 0; i < RECOVERY_S_MAX * 10 && s == STATUS_DISK_FULL; i++) {
        usleep(100 * 1000);
        s = kv_flush(kv);
    }
    cr_status(s, STATUS_OK);
    put_text(kv, "b", "3", false);
    cr_ok(kv_flush(kv));
    cr_expect_str_eq(get_text(kv, "a", KV_PERSISTED), "2");
    kv_close(kv);
    kv = place_open(&place);
    cr_expect_str_eq(scan_text(kv, "", ""), "a=2 b=3");
    kv_close(kv);
    place_remove(&place);
}

/* After a failed sync nobody knows what is on the disk: no write is accepted until the store is
 * opened anew. */
Test(disk, a_failed_sync_stops_the_log) {
    struct place place;
    place_make(&place, ROCKSDB, true);
    struct kv *kv = place_open(&place);
    struct log_store *store;
    cr_ok(log_store_open(&kv, &store));
    cr_ok(append(store, 1));
    disk_break(place.folder, EIO, DISK_SYNCS);
    cr_status(append(store, 2), STATUS_IO);
    disk_break("", 0, 0);
    cr_status(append(store, 2), STATUS_IO);
    cr_expect(strstr(kv_error(), "restart the process"), "%s", kv_error());
    cr_expect_eq(last(store), 1);
    log_store_close(store);
    kv = place_open(&place);
    cr_ok(log_store_open(&kv, &store));
    cr_expect_geq(last(store), 1);
    cr_ok(append(store, last(store) + 1));
    log_store_close(store);
    place_remove(&place);
}

Test(disk, a_failed_read_is_an_answer) {
    struct place place;
    place_make(&place, ROCKSDB, false);
    place.blob_min_bytes = 1;
    struct kv *kv = place_open(&place);
    put_text(kv, "a", "1", false);
    cr_ok(kv_flush(kv));
    kv_close(kv);
    kv = place_open(&place);
    disk_break(place.folder, EIO, DISK_READS);
    struct kv_value value;
    cr_status(kv_get(kv, text("a"), KV_ANY, &value), STATUS_IO);
    disk_break("", 0, 0);
    cr_expect_str_eq(get_text(kv, "a", KV_ANY), "1");
    kv_close(kv);
    place_remove(&place);
}

/* Overwrites the middle of every file of a pattern. */
static void damage(const char *folder, const char *pattern) {
    char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, pattern);
    glob_t found;
    cr_assert_eq(glob(path, 0, NULL, &found), 0, "%s", path);
    for (size_t i = 0; i < found.gl_pathc; i++) {
        int fd = open(found.gl_pathv[i], O_RDWR);
        off_t size = lseek(fd, 0, SEEK_END);
        for (off_t at = size / 4; at < size * 3 / 4; at++) {
            ssize_t n = pwrite(fd, "#", 1, at);
            cr_assert_eq(n, 1);
        }
        close(fd);
    }
    globfree(&found);
}

Test(disk, damage_is_corrupt_not_silent) {
    static const char *const patterns[] = {"*.sst", "*.blob", "MANIFEST-*", "CURRENT"};
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
        struct place place;
        place_make(&place, ROCKSDB, false);
        place.blob_min_bytes = 100;
        struct kv *kv = place_open(&place);
        char large[1000];
        memset(large, 'x', sizeof large - 1);
        large[sizeof large - 1] = '\0';
        put_text(kv, "a", large, false);
        for (char key[] = "ka"; key[1] < 'z'; key[1]++)
            put_text(kv, key, "some bytes", false);
        kv_close(kv);
        damage(place.folder, patterns[i]);
        const struct kv_options options = {.path = place.folder, .blob_min_bytes = 100};
        kv = NULL;
        enum status s = kv_rocksdb_open(&options, &kv);
        struct kv_value value;
        if (s == STATUS_OK) s = kv_get(kv, text("a"), KV_ANY, &value);
        cr_expect(s == STATUS_CORRUPT || s == STATUS_IO, "%s: %s", patterns[i], status_name(s));
        cr_expect(*kv_error());
        kv_close(kv);
        place_remove(&place);
    }
}

/* --- random weather -------------------------------------------------------------------------- */

/* Writes, flushes, scans and drops while the disk fails in changing ways; whatever happens is a
 * status. */
static void weather(struct rng *rng, struct kv *kv, const char *folder) {
    static const int errors[] = {ENOSPC, ENOSPC, EIO};
    static const unsigned calls[] = {DISK_WRITES, DISK_SYNCS, DISK_WRITES | DISK_SYNCS, DISK_READS};
    struct kv_batch *batch = kv_batch_new();
    static char value[3000];
    for (int step = 0; step < 1500; step++) {
        uint64_t kind = rng_below(rng, 200);
        if (kind == 0) {
            disk_break(folder, errors[rng_below(rng, 3)], calls[rng_below(rng, 4)]);
        } else if (kind < 4) {
            disk_break("", 0, 0);
        } else if (kind < 8) {
            (void)!kv_flush(kv);
        } else if (kind < 9) {
            (void)!kv_drop_range(kv, text("k1"), text("k2"));
        } else if (kind < 20) {
            struct kv_cursor *cursor;
            struct bytes key, found;
            if (kv_cursor_open(kv, text(""), text(""), &cursor) != STATUS_OK) continue;
            while (kv_cursor_next(cursor, &key, &found)) {
            }
            (void)!kv_cursor_status(cursor);
            kv_cursor_close(cursor);
        } else {
            char key[16];
            snprintf(key, sizeof key, "k%d", (int)rng_below(rng, 500));
            kv_batch_clear(batch);
            kv_batch_put(batch, text(key), (struct bytes){value, rng_below(rng, sizeof value)});
            (void)!kv_write(kv, batch, false);
        }
    }
    kv_batch_free(batch);
}

Test(disk, no_weather_ends_the_process) {
    for (uint64_t seed = 1; seed <= 6; seed++) {
        struct place place;
        struct rng rng;
        rng_init(&rng, seed);
        place_make(&place, ROCKSDB, seed % 3 == 0);
        place.blob_min_bytes = seed % 2 ? 1000 : 0;
        place.write_buffer_bytes = 64 * 1024;
        struct kv *kv = place_open(&place);
        weather(&rng, kv, place.folder);
        disk_break("", 0, 0);
        kv_close(kv);
        kv = place_open(&place); /* and by itself, whatever happened */
        put_text(kv, "after", "all", false);
        cr_ok(kv_flush(kv));
        cr_expect_str_eq(get_text(kv, "after", KV_PERSISTED), "all", "seed %d", (int)seed);
        kv_close(kv);
        place_remove(&place);
    }
}

/* A lock of another process: a child takes it as RocksDB does. */
Test(disk, says_who_holds_the_folder) {
    struct place place;
    place_make(&place, ROCKSDB, true);
    struct kv *kv = place_open(&place);
    kv_close(kv);
    char command[256];
    snprintf(command, sizeof command,
             "python3 -c \"import fcntl,sys;f=open('%s/LOCK','w');fcntl.lockf(f,fcntl.LOCK_EX);"
             "print('held',flush=True);sys.stdin.read()\"",
             place.folder);
    int to[2];
    cr_assert_eq(pipe(to), 0);
    fcntl(to[1], F_SETFD, FD_CLOEXEC); /* or the child would wait for its own end */
    char with_input[300];
    snprintf(with_input, sizeof with_input, "%s <&%d", command, to[0]);
    FILE *child = popen(with_input, "r");
    char line[16] = "";
    cr_assert(child && fgets(line, sizeof line, child) && strncmp(line, "held", 4) == 0);
    const struct kv_options options = {.path = place.folder, .wal = true};
    cr_status(kv_rocksdb_open(&options, &kv), STATUS_IO);
    cr_expect(strstr(kv_error(), "is in use by another process"), "%s", kv_error());
    close(to[1]);
    close(to[0]);
    pclose(child);
    place_remove(&place);
}
