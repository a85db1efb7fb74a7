/* Payload indexes under threads: one appends, removes and reuses slots, and drops and begins a
 * payload index; one links and sorts, two search with filters, one saves them to a file. A number's
 * remainder is its payload, so whatever is found can be judged: no
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

enum { PAYLOAD_MAX = 64, CHANGE_EVERY = 1500 };

static size_t make_payload(uint64_t number, unsigned char *payload) {
    char kind[8], value[24];
    int kind_size = snprintf(kind, sizeof kind, "k%d", (int)(number % KINDS));
    int value_size = snprintf(value, sizeof value, "%d", (int)(number % KINDS));
    unsigned char *at = pack_map(payload, 2);
    at = pack_string(at, "kind", 4);
    at = pack_string(at, kind, (uint32_t)kind_size);
    at = pack_string(at, "value", 5);
    at = pack_string(at, value, (uint32_t)value_size);
    return (size_t)(at - payload);
}

static void append(uint64_t number, struct rng *rng) {
    float vector[DIMENSION];
    unsigned char payload[PAYLOAD_MAX];
    for (int i = 0; i < DIMENSION; i++)
        vector[i] = (float)rng_unit(rng);
    struct index_point point = {.number = number,
                                .vector = vector,
                                .id = "x",
                                .id_size = 1,
                                .payload = payload,
                                .payload_size = make_payload(number, payload)};
    enum status s;
    while ((s = index_append(shared, &point, 1)) == STATUS_BUSY && !atomic_load(&stop))
        usleep(100);
    need(s == STATUS_OK || s == STATUS_BUSY, "append");
}

/* The third column goes, or comes and is filled. */
static void change_column(uint64_t newest) {
    static const struct index_column third = {{"value", 5}, FILTER_NUMBER};
    unsigned char payload[PAYLOAD_MAX];
    if (index_column_drop(shared, &third) == STATUS_OK) return;
    need(index_column_begin(shared, &third) == STATUS_OK, "begin");
    for (uint64_t number = newest > LIVE ? newest - LIVE + 1 : 1; number <= newest; number++) {
        enum status s = index_column_fill(shared, number, payload, make_payload(number, payload));
        need(s == STATUS_OK || s == STATUS_NOT_FOUND, "fill");
    }
    index_columns_complete(shared);
}

static void *save_columns(void *unused) {
    char path[] = "/tmp/vectron-race-XXXXXX";
    int fd = mkstemp(path);
    need(fd >= 0, "file");
    while (!atomic_load(&stop)) {
        enum status s = index_columns_save(view, path, &stop);
        need(s == STATUS_OK || s == STATUS_CANCELLED, "save");
        usleep(1000);
    }
    close(fd);
    unlink(path);
    return unused;
}

static void *write_points(void *unused) {
    struct rng rng;
    rng_init(&rng, 1);
    for (uint64_t number = 1; !atomic_load(&stop); number++) {
        append(number, &rng);
        if (number > LIVE && !atomic_load(&stop))
            need(index_remove(shared, number - LIVE) == STATUS_OK, "remove");
        if (number % CHANGE_EVERY == 0) change_column(number);
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

static void search(struct index_reader *reader, struct rng *rng, bool exact, bool third) {
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
         .type = third ? FILTER_NUMBER : FILTER_INTEGER,
         .key = {"value", 5},
         .low = third ? filter_number(kind) : filter_integer(kind),
         .high = third ? filter_number(kind) : filter_integer(kind)},
    };
    struct filter filter = {nodes, 3};
    struct index_query query = {.vector = vector, .k = 10, .exact = exact, .filter = &filter};
    bool done = false;
    size_t n;
    enum status s = index_search_start(reader, view, &query);
    if (third && s == STATUS_NOT_READY) return; /* it is not there just now */
    need(s == STATUS_OK, "start");
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
        search(reader, &rng, i % 4 == 0, i % 3 == 0);
    index_reader_close(reader);
    return NULL;
}

int main(int argc, char **argv) {
    static const struct index_column columns[] = {{{"kind", 4}, FILTER_KEYWORD},
                                                  {{"value", 5}, FILTER_INTEGER}};
    struct index_options options = {
        .dimension = DIMENSION, .metric = INDEX_EUCLIDEAN, .columns = columns, .n_columns = 2};
    pthread_t threads[3 + READERS];
    uint64_t applied;
    need(index_open(&options, NULL, &shared, &applied) == STATUS_OK, "open");
    view = index_view_hold(shared);
    pthread_create(&threads[0], NULL, write_points, NULL);
    pthread_create(&threads[1], NULL, link_points, NULL);
    pthread_create(&threads[2], NULL, save_columns, NULL);
    for (uintptr_t i = 0; i < READERS; i++)
        pthread_create(&threads[3 + i], NULL, read_points, (void *)(i + 7));
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
