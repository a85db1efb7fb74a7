/* Payload indexes under threads: one appends, removes and reuses slots, one links and sorts, two
 * search with filters. A number's remainder is its payload, so whatever is found can be judged: no
 * hit may be of another remainder than was asked for. */
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "index/index.h"
#include "runtime/pack.h"
#include "runtime/rng.h"

enum { DIMENSION = 8, KINDS = 7, LIVE = 6000, READERS = 2 };

static struct index *shared;
static const struct index_view *view;
static atomic_bool stop;
static _Atomic uint64_t n_searches, n_sorted;

static void need(bool so, const char *what) {
    if (so) return;
    fprintf(stderr, "race_filter: %s\n", what);
    abort();
}

static void append(uint64_t number, struct rng *rng) {
    float vector[DIMENSION];
    unsigned char payload[64];
    char kind[8], value[24];
    for (int i = 0; i < DIMENSION; i++)
        vector[i] = (float)rng_unit(rng);
    int kind_size = snprintf(kind, sizeof kind, "k%d", (int)(number % KINDS));
    int value_size = snprintf(value, sizeof value, "%d", (int)(number % KINDS));
    unsigned char *at = pack_map(payload, 2);
    at = pack_string(at, "kind", 4);
    at = pack_string(at, kind, (uint32_t)kind_size);
    at = pack_string(at, "value", 5);
    at = pack_string(at, value, (uint32_t)value_size);
    struct index_point point = {.number = number,
                                .vector = vector,
                                .id = "x",
                                .id_size = 1,
                                .payload = payload,
                                .payload_size = (size_t)(at - payload)};
    enum status s;
    while ((s = index_append(shared, &point, 1)) == STATUS_BUSY && !atomic_load(&stop))
        usleep(100);
    need(s == STATUS_OK || s == STATUS_BUSY, "append");
}

static void *write_points(void *unused) {
    struct rng rng;
    rng_init(&rng, 1);
    for (uint64_t number = 1; !atomic_load(&stop); number++) {
        append(number, &rng);
        if (number > LIVE && !atomic_load(&stop))
            need(index_remove(shared, number - LIVE) == STATUS_OK, "remove");
    }
    return unused;
}

static void *link_points(void *unused) {
    bool idle;
    while (!atomic_load(&stop)) {
        need(index_link_step(shared, 500, &idle) == STATUS_OK, "link");
        atomic_fetch_add(&n_sorted, !index_stats(view).unsorted);
        if (idle) usleep(100);
    }
    return unused;
}

static void search(struct index_reader *reader, struct rng *rng, bool exact) {
    uint32_t kind = (uint32_t)(rng_next(rng) % KINDS);
    char text[8];
    float vector[DIMENSION];
    for (int i = 0; i < DIMENSION; i++)
        vector[i] = (float)rng_unit(rng);
    struct filter_text key = {"kind", 4}, name = {text, (uint32_t)snprintf(text, 8, "k%u", kind)};
    struct filter_node nodes[] = {
        {.op = FILTER_ALL, .n = 2},
        {.op = FILTER_IN, .type = FILTER_KEYWORD, .n = 1, .key = key, .texts = &name},
        {.op = FILTER_RANGE,
         .type = FILTER_INTEGER,
         .key = {"value", 5},
         .low = filter_integer(kind),
         .high = filter_integer(kind)},
    };
    struct filter filter = {nodes, 3};
    struct index_query query = {.vector = vector, .k = 10, .exact = exact, .filter = &filter};
    bool done = false;
    size_t n;
    need(index_search_start(reader, view, &query) == STATUS_OK, "start");
    while (!done)
        need(index_search_step(reader, 200, &done) == STATUS_OK, "step");
    const struct index_hit *hits = index_search_hits(reader, &n);
    for (size_t i = 0; i < n; i++)
        need(hits[i].number % KINDS == kind, "a hit does not meet its filter");
    index_search_end(reader);
    atomic_fetch_add(&n_searches, 1);
}

static void *read_points(void *seed) {
    struct index_reader *reader;
    struct rng rng;
    rng_init(&rng, (uint64_t)(uintptr_t)seed);
    need(index_reader_open(&reader) == STATUS_OK, "reader");
    for (int i = 0; !atomic_load(&stop); i++)
        search(reader, &rng, i % 4 == 0);
    index_reader_close(reader);
    return NULL;
}

int main(int argc, char **argv) {
    static const struct index_column columns[] = {{{"kind", 4}, FILTER_KEYWORD},
                                                  {{"value", 5}, FILTER_INTEGER}};
    struct index_options options = {
        .dimension = DIMENSION, .metric = INDEX_EUCLIDEAN, .columns = columns, .n_columns = 2};
    pthread_t threads[2 + READERS];
    uint64_t applied;
    need(index_open(&options, NULL, &shared, &applied) == STATUS_OK, "open");
    view = index_view_hold(shared);
    pthread_create(&threads[0], NULL, write_points, NULL);
    pthread_create(&threads[1], NULL, link_points, NULL);
    for (uintptr_t i = 0; i < READERS; i++)
        pthread_create(&threads[2 + i], NULL, read_points, (void *)(i + 7));
    sleep(argc > 1 ? (unsigned)atoi(argv[1]) : 5);
    atomic_store(&stop, true);
    for (size_t i = 0; i < sizeof threads / sizeof *threads; i++)
        pthread_join(threads[i], NULL);
    printf("%" PRIu64 " searches, sorted lists were up to date at %" PRIu64 " looks\n",
           atomic_load(&n_searches), atomic_load(&n_sorted));
    need(atomic_load(&n_searches) > 0, "nobody searched");
    index_view_drop(view);
    index_close(shared);
    return 0;
}
