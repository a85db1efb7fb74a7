/* race storage: one log store and one point store used as a process does: the log actor writes
 * while replicas read their logs and ask for their state; a replica applies while others get, scan
 * and flush. On the in-memory engine, as RocksDB is not built for ThreadSanitizer. Takes the
 * seconds to run. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "storage/log_store.h"
#include "storage/point_store.h"

enum { LOGS = 4, IDS = 64 };

static struct log_store *logs;
static struct point_store *points;
static atomic_bool stopping;
static atomic_uint wrong;

static void expect(bool condition, const char *what) {
    if (condition) return;
    fprintf(stderr, "race_storage: %s: %s\n", what, kv_error());
    atomic_fetch_add(&wrong, 1);
}

static void *write_logs(void *context) {
    (void)context;
    struct log_batch *batch = log_batch_new();
    uint64_t next[LOGS] = {1, 1, 1, 1};
    for (uint64_t round = 0; !atomic_load(&stopping); round++) {
        log_batch_clear(batch);
        for (uint64_t id = 0; id < LOGS; id++) {
            struct log_entry entry = {.index = next[id]++, .term = 1, .data = {"data", 4}};
            expect(log_batch_append(batch, id, &entry, 1) == STATUS_OK, "append");
            if (round % 50 == 49)
                expect(log_batch_truncate(batch, id, next[id] - 20) == STATUS_OK, "truncate");
        }
        expect(log_store_write(logs, batch) == STATUS_OK, "write");
    }
    log_batch_free(batch);
    return NULL;
}

static enum status count(void *context, const struct log_entry *entry) {
    (void)entry;
    ++*(uint64_t *)context;
    return STATUS_OK;
}

static void *read_logs(void *context) {
    (void)context;
    for (uint64_t id = 0; !atomic_load(&stopping); id = (id + 1) % LOGS) {
        struct log_state state;
        uint64_t n = 0, ids[LOGS];
        expect(log_store_state(logs, id, &state) == STATUS_OK, "state");
        enum status s = log_store_read(logs, id, state.first, state.last, count, &n);
        expect(s == STATUS_NOT_FOUND || (s == STATUS_OK && n == state.last + 1 - state.first),
               "read");
        expect(log_store_ids(logs, ids, LOGS) <= LOGS, "ids");
    }
    return NULL;
}

static void *apply_points(void *context) {
    (void)context;
    struct point_batch *batch;
    expect(point_batch_open(points, 1, &batch) == STATUS_OK, "open");
    for (uint64_t index = 1; !atomic_load(&stopping); index++) {
        for (uint32_t i = 0; i < 8; i++) {
            char id[16];
            uint64_t old;
            int size = snprintf(id, sizeof id, "%d", (int)((index * 7 + i * 5) % IDS));
            struct point point = {.number = point_number(index, i), .id = {id, (size_t)size}};
            if (i % 3 == 2)
                expect(point_batch_delete(batch, point.id, &old) == STATUS_OK, "delete");
            else
                expect(point_batch_put(batch, &point, &old) == STATUS_OK, "put");
        }
        expect(point_batch_write(batch, index, 1) == STATUS_OK, "apply");
    }
    point_batch_close(batch);
    return NULL;
}

static void *read_points(void *context) {
    (void)context;
    for (int n = 0; !atomic_load(&stopping); n++) {
        char id[16];
        int size = snprintf(id, sizeof id, "%d", n % IDS);
        struct point_value value;
        enum status s =
            point_store_get(points, 1, (struct bytes){id, (size_t)size}, KV_ANY, &value);
        expect(s == STATUS_OK || s == STATUS_NOT_FOUND, "get");
        if (s == STATUS_OK) point_value_free(&value);
        if (n % 16) continue;
        struct point_cursor *cursor;
        struct point point;
        expect(point_cursor_open(points, 1, 0, &cursor) == STATUS_OK, "scan");
        while (point_cursor_next(cursor, &point)) {
        }
        expect(point_cursor_status(cursor) == STATUS_OK, "scan");
        point_cursor_close(cursor);
        expect(point_store_flush(points) == STATUS_OK, "flush");
    }
    return NULL;
}

int main(int argc, char **argv) {
    struct timespec duration = {.tv_sec = argc > 1 ? atoi(argv[1]) : 5};
    struct kv *kv;
    expect(kv_memory_open(&(struct kv_options){.wal = true}, NULL, &kv) == STATUS_OK &&
               log_store_open(&kv, &logs) == STATUS_OK,
           "open logs");
    expect(kv_memory_open(&(struct kv_options){.wal = false}, NULL, &kv) == STATUS_OK &&
               point_store_open(&kv, &points) == STATUS_OK,
           "open points");
    void *(*const work[])(void *) = {write_logs, read_logs, read_logs, apply_points, read_points};
    enum { THREADS = sizeof work / sizeof *work };
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, work[i], NULL);
    nanosleep(&duration, NULL);
    atomic_store(&stopping, true);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    log_store_close(logs);
    point_store_close(points);
    return atomic_load(&wrong) ? 1 : 0;
}
