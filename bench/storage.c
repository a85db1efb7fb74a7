/* bench storage: what durability costs. Commits of the log store (one synced batch of n entries of
 * 100 bytes, spread over 16 logs) beside writing the same bytes to a file and fdatasync; points put
 * and read through the point store. The folder is made in the current directory: the disk below it
 * is what is measured.
 *
 *     bench_storage [--quick] [--only CASE]
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "runtime/rng.h"
#include "storage/log_store.h"
#include "storage/point_store.h"

enum {
    ENTRY_BYTES = 100,
    LOGS = 16,
    BATCH_MAX = 1024,
    DIMENSION = 128,
    ID_BYTES = 16,
    CHUNK = 100
};

static double seconds_each = 3;
static int n_points = 200000;
static const char *only;
static char folder[] = "bench-storage-XXXXXX";

static double now_s(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

_Noreturn static void give_up(const char *what) {
    fprintf(stderr, "bench_storage: %s: %s\n", what, kv_error());
    exit(1);
}

#define must(call) \
    do { \
        if ((call) != STATUS_OK) give_up(#call); \
    } while (0)

static bool wanted(const char *name) {
    return !only || strcmp(only, name) == 0;
}

static void print_row(const char *name, const char *metric, double ours, double peer) {
    printf(
        "{\"suite\":\"storage\",\"case\":\"%s\",\"metric\":\"%s\",\"unit\":\"1/s\",\"ours\":%.0f,",
        name, metric, ours);
    if (peer > 0)
        printf("\"peer\":%.0f,\"peer_name\":\"write + fdatasync\",\"ratio\":%.3f}\n", peer,
               ours / peer);
    else
        printf("\"peer\":null,\"peer_name\":null,\"ratio\":null}\n");
    fflush(stdout);
}

static struct kv *open_kv(const char *name, bool wal) {
    char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    struct kv *kv;
    must(kv_rocksdb_open(
        &(struct kv_options){.path = path, .wal = wal, .blob_min_bytes = wal ? 0 : 1024}, &kv));
    return kv;
}

/* --- commits --------------------------------------------------------------------------------- */

static double raw_commits(int entries) {
    char path[128];
    snprintf(path, sizeof path, "%s/raw", folder);
    int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
    size_t size = (size_t)entries * ENTRY_BYTES;
    char *bytes = calloc(1, size);
    if (fd < 0 || !bytes) give_up(path);
    double start = now_s(), end;
    uint64_t n = 0;
    do {
        if (write(fd, bytes, size) != (ssize_t)size || fdatasync(fd) != 0) give_up(path);
        n++;
        end = now_s();
    } while (end - start < seconds_each);
    free(bytes);
    close(fd);
    unlink(path);
    return (double)n / (end - start);
}

static double our_commits(int entries) {
    static char data[ENTRY_BYTES];
    struct kv *kv = open_kv("log", true);
    struct log_store *store;
    must(log_store_open(&kv, &store));
    struct log_batch *batch = log_batch_new();
    uint64_t next[LOGS], n = 0;
    for (uint64_t id = 0; id < LOGS; id++) {
        struct log_state state;
        must(log_store_state(store, id, &state));
        next[id] = state.last + 1;
    }
    double start = now_s(), end;
    do {
        log_batch_clear(batch);
        for (int i = 0; i < entries; i++) {
            uint64_t id = (uint64_t)i % LOGS;
            struct log_entry entry = {.index = next[id]++, .term = 1, .data = {data, sizeof data}};
            must(log_batch_append(batch, id, &entry, 1));
        }
        must(log_store_write(store, batch));
        n++;
        end = now_s();
    } while (end - start < seconds_each);
    log_batch_free(batch);
    log_store_close(store);
    return (double)n / (end - start);
}

static void bench_commits(void) {
    static const int sizes[] = {1, 64, BATCH_MAX};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        char name[32];
        snprintf(name, sizeof name, "commit_%d", sizes[i]);
        if (!wanted(name)) continue;
        double peer = raw_commits(sizes[i]);
        print_row(name, "commits_per_s", our_commits(sizes[i]), peer);
    }
}

/* --- points ---------------------------------------------------------------------------------- */

static struct bytes id_of(int i, char *room) {
    snprintf(room, ID_BYTES + 1, "point-%010d", i);
    return (struct bytes){.data = room, .size = ID_BYTES};
}

static void put_points(struct point_store *store) {
    float vector[DIMENSION];
    struct rng rng;
    struct point_batch *batch;
    rng_init(&rng, 1);
    must(point_batch_open(store, 1, &batch));
    double start = now_s();
    for (int i = 0; i < n_points; i++) {
        char room[ID_BYTES + 1];
        uint64_t old;
        for (int d = 0; d < DIMENSION; d++)
            vector[d] = (float)rng_unit(&rng);
        uint64_t index = 1 + (uint64_t)i / CHUNK;
        must(point_batch_put(batch,
                             &(struct point){.number = point_number(index, (uint32_t)(i % CHUNK)),
                                             .id = id_of(i, room),
                                             .vector = {vector, sizeof vector}},
                             &old));
        if (i % CHUNK == CHUNK - 1) must(point_batch_write(batch, index, 1));
    }
    print_row("points_128", "puts_per_s", n_points / (now_s() - start), 0);
    point_batch_close(batch);
    must(point_store_flush(store));
}

static void get_points(struct point_store *store) {
    struct rng rng;
    rng_init(&rng, 2);
    double start = now_s(), end;
    uint64_t n = 0;
    do {
        for (int i = 0; i < CHUNK; i++, n++) {
            char room[ID_BYTES + 1];
            struct point_value value;
            int which = (int)rng_below(&rng, (uint64_t)n_points);
            must(point_store_get(store, 1, id_of(which, room), KV_ANY, &value));
            point_value_free(&value);
        }
        end = now_s();
    } while (end - start < seconds_each);
    print_row("points_128", "gets_per_s", (double)n / (end - start), 0);
}

static void bench_points(void) {
    if (!wanted("points_128")) return;
    struct kv *kv = open_kv("data", false);
    struct point_store *store;
    must(point_store_open(&kv, &store));
    put_points(store);
    get_points(store);
    point_store_close(store);
}

int main(int argc, char **argv) {
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--quick") == 0) {
            seconds_each = 0.5;
            n_points = 50000;
        } else if (strcmp(argv[i], "--only") == 0 && i + 1 < argc) {
            only = argv[++i];
        } else {
            fprintf(stderr, "usage: bench_storage [--quick] [--only CASE]\n");
            return 2;
        }
    }
    if (!mkdtemp(folder)) give_up(folder);
    bench_commits();
    bench_points();
    char command[64];
    snprintf(command, sizeof command, "rm -r %s", folder);
    return system(command) == 0 ? 0 : 1;
}
