/* bench json: our reader and writer beside jansson's on the documents of design/edge.md 4. CPU time
 * of the best of several rounds, both sides in turn. Both end with the vectors as floats, as a
 * service needs them.
 *
 *     bench_json [--quick] [--only CASE]
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "adapters/edge/json.h"
#include "adapters/edge/json_items.h"
#include "runtime/rng.h"
#include "schemas/apigateway.pb-c.h"
#ifdef HAVE_JANSSON
#include <jansson.h>
#endif

enum { DIMENSION = 768, POINTS = 1000, HITS = 10 };

static struct buffer document;
static struct arena arena;
static double sum; /* keeps the compiler from dropping work */

static double now_s(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void put_vector(struct rng *rng, const char *format) {
    buffer_printf(&document, "\"vector\":[");
    for (int i = 0; i < DIMENSION; i++) {
        double value = rng_normal(rng) * 0.036;
        if (strcmp(format, "%.9g") == 0) value = (double)(float)value;
        if (i > 0) buffer_append(&document, ",", 1);
        buffer_printf(&document, format, value);
    }
    buffer_printf(&document, "]");
}

static void make_search(const char *format) {
    struct rng rng;
    rng_init(&rng, 1);
    buffer_clear(&document);
    buffer_printf(&document, "{\"collection\":\"docs\",\"topK\":10,");
    put_vector(&rng, format);
    buffer_printf(&document, "}");
}

static void make_upsert(const char *format) {
    struct rng rng;
    rng_init(&rng, 2);
    buffer_clear(&document);
    buffer_printf(&document, "{\"points\":[");
    for (int i = 0; i < POINTS; i++) {
        buffer_printf(&document, "%s{\"id\":\"point-%d\",", i ? "," : "", i);
        put_vector(&rng, format);
        buffer_printf(&document, ",\"payload\":{\"name\":\"point %d\"}}", i);
    }
    buffer_printf(&document, "]}");
}

/* --- reading -------------------------------------------------------------------------------- */

static void read_search(void) {
    ProtobufCMessage *message;
    struct json_error error;
    arena_reset(&arena);
    if (json_read(&vectron__v1__search_request__descriptor, (char *)document.data, document.size,
                  &arena, &message, &error) != STATUS_OK)
        abort();
    sum += (double)((Vectron__V1__SearchRequest *)message)->vector[DIMENSION - 1];
}

static void read_upsert(void) {
    struct json_items items;
    struct json_error error;
    ProtobufCMessage *point;
    json_items_init(&items, &vectron__v1__upsert_request__descriptor, "points",
                    (char *)document.data, document.size);
    for (;;) {
        arena_reset(&arena);
        if (json_items_next(&items, &arena, &point, &error) != STATUS_OK) abort();
        if (!point) break;
        sum += (double)((Vectron__V1__Point *)point)->vector[DIMENSION - 1];
    }
    json_items_reset(&items);
}

#ifdef HAVE_JANSSON
static void take_vector(json_t *vector) {
    static float values[DIMENSION];
    size_t i;
    json_t *value;
    json_array_foreach(vector, i, value) values[i] = (float)json_number_value(value);
    sum += (double)values[DIMENSION - 1];
}

static void peer_read(void) {
    json_error_t error;
    json_t *root = json_loadb((char *)document.data, document.size, 0, &error), *point;
    size_t i;
    if (!root) abort();
    json_t *points = json_object_get(root, "points");
    if (points)
        json_array_foreach(points, i, point) take_vector(json_object_get(point, "vector"));
    else
        take_vector(json_object_get(root, "vector"));
    json_decref(root);
}
#endif

/* --- writing -------------------------------------------------------------------------------- */

static Vectron__V1__SearchResponse response;
static Vectron__V1__SearchResult results[HITS], *result_list[HITS];
static Vectron__V1__SearchResult__PayloadEntry entries[HITS], *entry_list[HITS];
static float vectors[HITS][DIMENSION];
static char ids[HITS][32];
static struct buffer written;

static void make_response(bool with_vectors) {
    struct rng rng;
    rng_init(&rng, 3);
    vectron__v1__search_response__init(&response);
    for (int i = 0; i < HITS; i++) {
        vectron__v1__search_result__init(&results[i]);
        vectron__v1__search_result__payload_entry__init(&entries[i]);
        snprintf(ids[i], sizeof ids[i], "document-%d", i * 7919);
        entries[i].key = (char *)"title";
        entries[i].value = (char *)"a title of some length";
        entry_list[i] = &entries[i];
        results[i].id = ids[i];
        results[i].score = (float)rng_unit(&rng);
        results[i].payload = &entry_list[i];
        results[i].n_payload = 1;
        for (int d = 0; d < DIMENSION; d++)
            vectors[i][d] = (float)(rng_normal(&rng) * 0.036);
        results[i].vector = vectors[i];
        results[i].n_vector = with_vectors ? DIMENSION : 0;
        result_list[i] = &results[i];
    }
    response.results = result_list;
    response.n_results = HITS;
}

static void write_response(void) {
    buffer_clear(&written);
    json_write(&response.base, &written);
    sum += (double)written.size;
}

#ifdef HAVE_JANSSON
/* From the same structs, as a service would. */
static void peer_write(void) {
    json_t *root = json_object(), *list = json_array();
    for (size_t i = 0; i < response.n_results; i++) {
        const Vectron__V1__SearchResult *result = response.results[i];
        json_t *hit = json_object(), *payload = json_object(), *vector = json_array();
        json_object_set_new(hit, "id", json_string(result->id));
        json_object_set_new(hit, "score", json_real((double)result->score));
        json_object_set_new(payload, result->payload[0]->key,
                            json_string(result->payload[0]->value));
        json_object_set_new(hit, "payload", payload);
        for (size_t d = 0; d < result->n_vector; d++)
            json_array_append_new(vector, json_real((double)result->vector[d]));
        json_object_set_new(hit, "vector", vector);
        json_array_append_new(list, hit);
    }
    json_object_set_new(root, "results", list);
    json_object_set_new(root, "partial", json_false());
    json_object_set_new(root, "failedShards", json_array());
    json_object_set_new(root, "session", json_string(""));
    char *text = json_dumps(root, JSON_COMPACT);
    sum += (double)strlen(text);
    free(text);
    json_decref(root);
}
#endif

/* --- rows ----------------------------------------------------------------------------------- */

static double time_once(void (*run)(void), int times) {
    double start = now_s();
    for (int i = 0; i < times; i++)
        run();
    return (now_s() - start) / times;
}

struct work {
    const char *name;
    const char *metric; /* MB/s of this many bytes, or us */
    void (*ours)(void);
    void (*peer)(void); /* NULL: none */
    int times;
};

static void measure(const struct work *work, size_t bytes, int rounds) {
    double ours = 1e9, peer = 1e9;
    for (int i = 0; i < rounds; i++) {
        double t = time_once(work->ours, work->times);
        if (t < ours) ours = t;
        if (!work->peer) continue;
        t = time_once(work->peer, work->times / 8 + 1);
        if (t < peer) peer = t;
    }
    bool rate = strcmp(work->metric, "throughput") == 0;
    double unit = rate ? (double)bytes / 1e6 : 1e6;
    printf("{\"suite\":\"json\",\"case\":\"%s\",\"metric\":\"%s\",\"unit\":\"%s\",\"ours\":%.4g",
           work->name, work->metric, rate ? "MB/s" : "us", rate ? unit / ours : unit * ours);
    if (work->peer)
        printf(",\"peer\":%.4g,\"peer_name\":\"jansson\",\"ratio\":%.3g}\n",
               rate ? unit / peer : unit * peer, peer / ours);
    else
        printf(",\"peer\":null,\"peer_name\":null,\"ratio\":null}\n");
    fflush(stdout);
}

#ifdef HAVE_JANSSON
#define PEER(run) run
#else
#define PEER(run) NULL
#endif

int main(int count, char **words) {
    const char *only = NULL;
    int rounds = 12;
    for (int i = 1; i < count; i++) {
        if (strcmp(words[i], "--quick") == 0) rounds = 3;
        if (strcmp(words[i], "--only") == 0 && i + 1 < count) only = words[++i];
    }
    static const struct {
        struct work work;
        const char *format; /* of the numbers read; NULL: a row that writes */
        bool large;         /* many points, or vectors in the answer */
    } rows[] = {
        {{"search_768", "throughput", read_search, PEER(peer_read), 400}, "%.9g", false},
        {{"search_768_17_digits", "throughput", read_search, PEER(peer_read), 400}, "%.17g", false},
        {{"upsert_1000x768", "throughput", read_upsert, PEER(peer_read), 1}, "%.9g", true},
        {{"upsert_1000x768_17_digits", "throughput", read_upsert, PEER(peer_read), 1},
         "%.17g",
         true},
        {{"write_10_hits", "cpu_us", write_response, PEER(peer_write), 4000}, NULL, false},
        {{"write_10_hits_768", "cpu_us", write_response, PEER(peer_write), 80}, NULL, true},
    };
    arena_init(&arena, 0);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (only && strcmp(only, rows[i].work.name) != 0) continue;
        if (!rows[i].format)
            make_response(rows[i].large);
        else if (rows[i].large)
            make_upsert(rows[i].format);
        else
            make_search(rows[i].format);
        measure(&rows[i].work, document.size, rounds);
    }
    fprintf(stderr, "json: done (%g)\n", sum);
    buffer_free(&document);
    buffer_free(&written);
    arena_free(&arena);
    return 0;
}
