/* Every allocation fails once: an error each, no crash, and what was there is still there. RocksDB
 * allocates by itself, so this is about our own code, on the double. */
#include <stdio.h>

#include "runtime/memory.h"
#include "storage/log_store.h"
#include "storage/point_store.h"
#include "tests/unit/storage/place.h"

/* One history of a store; false when something had no memory. */
static bool run_log(struct kv *disk) {
    struct log_store *store = NULL;
    struct log_batch *batch = log_batch_new();
    struct kv *kv = kv_memory_share(disk);
    bool ok = batch && kv && log_store_open(&kv, &store) == STATUS_OK;
    for (uint64_t i = 1; ok && i <= 40; i++) {
        char data[300] = {0};
        struct log_entry entry = {.index = i, .term = 1, .data = {data, sizeof data}};
        ok = log_batch_append(batch, i % 20, &(struct log_entry){.index = 1 + (i - 1) / 20}, 1) ==
                 STATUS_OK &&
             log_batch_append(batch, 100, &entry, 1) == STATUS_OK;
        if (i % 10 || !ok) continue;
        ok = log_store_write(store, batch) == STATUS_OK;
        if (ok) log_batch_clear(batch);
    }
    struct log_state state;
    if (ok) ok = log_store_state(store, 100, &state) == STATUS_OK && state.last == 40;
    if (!store) kv_close(kv);
    log_store_close(store);
    log_batch_free(batch);
    return ok;
}

static bool run_points(struct kv *disk) {
    struct point_store *store = NULL;
    struct point_batch *batch = NULL;
    struct kv *kv = kv_memory_share(disk);
    bool ok = kv && point_store_open(&kv, &store) == STATUS_OK &&
              point_batch_open(store, 1, &batch) == STATUS_OK;
    uint64_t old;
    for (uint64_t i = 1; ok && i <= 100; i++) {
        char id[16];
        snprintf(id, sizeof id, "id%d", (int)(i % 70));
        struct point point = {.number = i, .id = text(id), .payload = text("payload")};
        ok = point_batch_put(batch, &point, &old) == STATUS_OK;
        if (ok && i % 7 == 0) ok = point_batch_delete(batch, text(id), &old) == STATUS_OK;
        if (ok && i % 25 == 0) ok = point_batch_write(batch, i, 1) == STATUS_OK;
    }
    struct point_cursor *cursor = NULL;
    struct point point;
    if (ok) ok = point_cursor_open(store, 1, 0, &cursor) == STATUS_OK;
    while (ok && point_cursor_next(cursor, &point)) {
    }
    point_cursor_close(cursor);
    point_batch_close(batch);
    if (!store) kv_close(kv);
    point_store_close(store);
    return ok;
}

static void starve(const char *name, bool wal, bool (*run)(struct kv *disk)) {
    uint64_t before = mem_counted().alive;
    for (uint64_t nth = 1; nth < 100000; nth++) {
        struct kv *disk;
        cr_ok(kv_memory_open(&(struct kv_options){.wal = wal}, NULL, &disk));
        mem_fail_at(nth);
        bool ok = run(disk);
        mem_fail_at(0);
        kv_close(disk);
        cr_assert_eq(mem_counted().alive, before, "%s: allocation %d", name, (int)nth);
        if (ok) return;
    }
    cr_assert(false, "%s never had memory enough", name);
}

Test(no_memory, log_store_answers_and_leaks_nothing) {
    starve("log", true, run_log);
}

Test(no_memory, point_store_answers_and_leaks_nothing) {
    starve("points", false, run_points);
}
