/* race_index SECONDS: one appender, one linker that also saves, two readers, on one index, for
 * ThreadSanitizer; it also proves what readers are promised. Half of the time with float32, half
 * with codes, whose scale grows so that they are made anew all the while. A point's vector follows
 * from its number, and points are removed in the order of their numbers, so a reader can tell from
 * a hit alone whether it is whole, and whether it may be there. */
#include <inttypes.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "index/index.h"
#include "runtime/rng.h"

enum { DIMENSION = 12, LIVE = 800, BATCH = 20, K = 10, READERS = 2, GROWTH_POINTS = 150 };

static struct index *shared;
static bool coded;
static _Atomic uint64_t n_appended; /* numbers 1..n_appended were searchable */
static _Atomic uint64_t n_removed;  /* numbers 1..n_removed were removed */
static _Atomic uint64_t n_removing; /* numbers above are certainly not removed */
static _Atomic uint64_t n_searches, n_self, n_self_missed;
static atomic_bool stop;

static void fail(const char *what, uint64_t number) {
    fprintf(stderr, "race_index: %s (number %" PRIu64 ")\n", what, number);
    _exit(1);
}

static void need(enum status s) {
    if (s != STATUS_OK) fail(status_name(s), 0);
}

static float scale_of(uint64_t number) {
    return coded ? powf(1.1f, fminf((float)number / GROWTH_POINTS, 250)) : 1;
}

static void vector_of(uint64_t number, float *out) {
    struct rng rng;
    float scale = scale_of(number);
    rng_init(&rng, number);
    for (size_t i = 0; i < DIMENSION; i++)
        out[i] = scale * (float)rng_unit(&rng);
}

static void append_batch(uint64_t first) {
    float vectors[BATCH][DIMENSION];
    char ids[BATCH][24];
    struct index_point points[BATCH];
    for (uint64_t i = 0; i < BATCH; i++) {
        vector_of(first + i, vectors[i]);
        int size = snprintf(ids[i], sizeof ids[i], "%" PRIu64, first + i);
        points[i] = (struct index_point){
            .number = first + i, .vector = vectors[i], .id = ids[i], .id_size = (uint32_t)size};
    }
    enum status s;
    while ((s = index_append(shared, points, BATCH)) == STATUS_BUSY && !atomic_load(&stop))
        usleep(100);
    if (s != STATUS_BUSY) need(s);
    if (s == STATUS_OK) atomic_store(&n_appended, first + BATCH - 1);
}

static void *append(void *unused) {
    (void)unused;
    for (uint64_t first = 1; !atomic_load(&stop); first += BATCH) {
        append_batch(first);
        uint64_t appended = atomic_load(&n_appended), removed = atomic_load(&n_removed);
        for (; removed + LIVE < appended; removed++) {
            atomic_store(&n_removing, removed + 1);
            need(index_remove(shared, removed + 1));
            atomic_store(&n_removed, removed + 1);
        }
    }
    return NULL;
}

static void save_once(const char *path, struct index_save **save) {
    bool done = false;
    if (!*save) need(index_save_start(shared, path, 1, save));
    need(index_save_step(*save, 20000, &done));
    if (!done) return;
    index_save_end(*save);
    *save = NULL;
}

static void *link_points(void *path) {
    struct index_save *save = NULL;
    for (unsigned turn = 0; !atomic_load(&stop); turn++) {
        bool idle;
        need(index_link_step(shared, 20000, &idle));
        if (save || turn % 4096 == 0) save_once(path, &save);
        if (idle) usleep(100);
    }
    index_save_end(save);
    return NULL;
}

static void check_hit(const struct index_hit *hit, const float *query, uint64_t removed_before) {
    float vector[DIMENSION], distance = 0;
    char id[24];
    int size = snprintf(id, sizeof id, "%" PRIu64, hit->number);
    if (hit->id_size != (uint32_t)size || memcmp(hit->id, id, hit->id_size) != 0)
        fail("id of another point", hit->number);
    if (hit->number <= removed_before) fail("removed before the search", hit->number);
    vector_of(hit->number, vector);
    for (size_t i = 0; i < DIMENSION; i++)
        distance += (query[i] - vector[i]) * (query[i] - vector[i]);
    float scale = scale_of(atomic_load(&n_appended));
    float allowed = coded ? 0.3f * scale * scale : 1e-4f;
    if (distance - hit->distance > allowed || hit->distance - distance > allowed)
        fail("vector of another point", hit->number);
}

/* Searches for a point itself; the newest one is in the tail or just left it. */
static void
search_once(struct index_reader *reader, const struct index_view *view, struct rng *rng) {
    float vector[DIMENSION];
    uint64_t removed = atomic_load(&n_removed), appended = atomic_load(&n_appended);
    if (appended == 0) return;
    bool newest = rng_below(rng, 4) == 0;
    uint64_t wanted = newest ? appended : removed + 1 + rng_below(rng, appended - removed);
    vector_of(wanted, vector);
    struct index_query query = {.vector = vector,
                                .k = K,
                                .ef = rng_below(rng, 2) ? 64 : 0,
                                .exact = rng_below(rng, 16) == 0};
    bool done = false, found = false;
    size_t n;
    need(index_search_start(reader, view, &query));
    while (!done)
        need(index_search_step(reader, 200, &done));
    const struct index_hit *hits = index_search_hits(reader, &n);
    for (size_t i = 0; i < n; i++) {
        check_hit(&hits[i], vector, removed);
        found = found || hits[i].number == wanted;
    }
    index_search_end(reader);
    bool due = wanted > atomic_load(&n_removing);
    if (due && query.exact && !found) fail("not found exactly", wanted);
    if (due) atomic_fetch_add(&n_self, 1);
    if (due && !found) atomic_fetch_add(&n_self_missed, 1);
    atomic_fetch_add(&n_searches, 1);
}

static void *read_points(void *seed) {
    struct index_reader *reader;
    struct rng rng;
    const struct index_view *view = index_view_hold(shared);
    rng_init(&rng, *(uint64_t *)seed);
    need(index_reader_open(&reader));
    while (!atomic_load(&stop))
        search_once(reader, view, &rng);
    index_reader_close(reader);
    index_view_drop(view);
    return NULL;
}

static bool run(unsigned milliseconds, enum index_storage storage) {
    char folder[] = "/tmp/vectron-race-XXXXXX", path[64];
    if (!mkdtemp(folder)) return false;
    snprintf(path, sizeof path, "%s/index", folder);
    struct index_options options = {.dimension = DIMENSION,
                                    .metric = INDEX_EUCLIDEAN,
                                    .ef_construction = 60,
                                    .tail_max = 500,
                                    .storage = storage,
                                    .originals = storage == INDEX_RABITQ ? INDEX_ORIGINALS_RAM
                                                                         : INDEX_ORIGINALS_NONE,
                                    .target_recall = 0.9f,
                                    .train_min = 100};
    coded = storage != INDEX_F32;
    n_appended = n_removed = n_removing = n_searches = n_self = n_self_missed = 0;
    atomic_store(&stop, false);
    uint64_t applied, seeds[READERS] = {1, 2};
    pthread_t appender, linker, readers[READERS];
    need(index_open(&options, NULL, &shared, &applied));
    pthread_create(&appender, NULL, append, NULL);
    pthread_create(&linker, NULL, link_points, path);
    for (size_t i = 0; i < READERS; i++)
        pthread_create(&readers[i], NULL, read_points, &seeds[i]);
    usleep(milliseconds * 1000);
    atomic_store(&stop, true);
    pthread_join(appender, NULL);
    pthread_join(linker, NULL);
    for (size_t i = 0; i < READERS; i++)
        pthread_join(readers[i], NULL);
    const struct index_view *view = index_view_hold(shared);
    struct index_stats stats = index_stats(view);
    char text[256] = "";
    if (index_validate(view, text, sizeof text) != STATUS_OK) {
        fprintf(stderr, "race_index: %s\n", text);
        return false;
    }
    index_view_drop(view);
    index_close(shared);
    unlink(path);
    rmdir(folder);
    uint64_t self = atomic_load(&n_self), missed = atomic_load(&n_self_missed);
    printf("appended %" PRIu64 ", removed %" PRIu64 ", slots %" PRIu64 ", searches %" PRIu64
           ", self missed %" PRIu64 " of %" PRIu64 "\n",
           atomic_load(&n_appended), atomic_load(&n_removed), stats.slots, atomic_load(&n_searches),
           missed, self);
    return missed * 100 <= self;
}

int main(int argc, char **argv) {
    unsigned seconds = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 10;
    for (enum index_storage storage = INDEX_F32; storage < INDEX_STORAGES; storage++)
        if (!run(seconds * 250, storage)) return 1;
    return 0;
}
