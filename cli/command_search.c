/* vectron search: by text, by vector, by file. */
#include <string.h>

#include "cli/command.h"
#include "cli/corpus.h"
#include "cli/filter_text.h"
#include "cli/search_batch.h"
#include "cli/table.h"
#include "cli/vector_text.h"
#include "runtime/memory.h"
#include "schemas/apigateway.pb-c.h"

enum { SHOWN_KEYS_MAX = 6, SHOWN_COMPONENTS = 6 };

static const struct args_flag flags[] = {
    {"vector", "JSON", "the query vector, '[0.1, 0.2]'"},
    {"file", "PATH", "a file with the query vector as a JSON array; - is the standard input"},
    {"batch", "PATH",
     "a file of query vectors, in any format that import reads: one search each, sent together"},
    {"format", "NAME", "of --batch: npy, vecs, idx, hdf5, jsonl or csv (default: found out)"},
    {"k", "N", "how many results, 1 to 10000 (default 10)"},
    {"ef", "N",
     "width of the search in the graph: higher finds more, slower (default: the server's)"},
    {"target-recall", "SHARE",
     "instead of --ef: search as widely as this recall takes, from 0 to below 1 (default: the "
     "collection's)"},
    {"preset", "NAME",
     "instead of --ef, --target-recall and --exact: fast, balanced, accurate or exact"},
    {"rescore", "N",
     "candidates measured again for each result, 1 to 100 (default: the collection's)"},
    {"exact", NULL, "compare with every point instead of walking the graph"},
    {"within", "DISTANCE",
     "all points at a score of at most this, up to -k of them (then default 10000)"},
    {"filter", "TEXT", "only points whose payload meets this: 'price < 10 and color in (\"red\")'"},
    {"explain", NULL, "say how it was done"},
    {"with-vectors", NULL, "show the vectors too"},
    {"partial", NULL, "take what the reachable shards answer"},
    {"json", NULL, "print the server's reply as JSON"},
    {0},
};

static int vector_of_text(struct command_session *session,
                          const char *collection,
                          const char *text,
                          float **out,
                          size_t *n) {
    struct embed_weights *weights = mem_alloc(sizeof *weights);
    float *vector = mem_alloc(EMBED_DIMENSION * sizeof *vector);
    int code = weights && vector ? corpus_load(session, collection, weights)
                                 : command_fail("out of memory");
    struct embed_part part = {text, 1};
    if (code == EXIT_OK && embed_text(weights, &part, 1, vector) != STATUS_OK)
        code = command_fail("there is no word in \"%s\" that could be searched for", text);
    mem_free(weights);
    if (code != EXIT_OK) {
        mem_free(vector);
        return code;
    }
    *out = vector;
    *n = EMBED_DIMENSION;
    return EXIT_OK;
}

static int
query_vector(struct command_session *session, const struct args *args, float **out, size_t *n) {
    const char *json = args_text(args, "vector"), *file = args_text(args, "file");
    if (!json && !file) return vector_of_text(session, args->words[0], args->words[1], out, n);
    struct buffer why;
    buffer_init(&why);
    enum status status = json ? vector_text_read(json, strlen(json), out, n, &why)
                              : vector_text_read_file(file, out, n, &why);
    int code = status == STATUS_OK ? EXIT_OK : command_misuse("search", "%s", (char *)why.data);
    buffer_free(&why);
    return code;
}

/* Keys of the payloads in the order of their first appearance, "name" and "summary" as they come.
 */
static size_t keys_of(const Vectron__V1__SearchResponse *reply, const char *keys[SHOWN_KEYS_MAX]) {
    size_t n = 0;
    for (size_t i = 0; i < reply->n_results; i++) {
        for (size_t j = 0; j < reply->results[i]->n_payload; j++) {
            const char *key = reply->results[i]->payload[j]->key;
            size_t at = 0;
            while (at < n && strcmp(keys[at], key) != 0)
                at++;
            if (at == n && n < SHOWN_KEYS_MAX) keys[n++] = key;
        }
    }
    return n;
}

static const char *value_of(const Vectron__V1__SearchResult *result, const char *key) {
    for (size_t i = 0; i < result->n_payload; i++)
        if (strcmp(result->payload[i]->key, key) == 0) return result->payload[i]->value;
    return "";
}

static void
vector_cell(struct table *table, size_t column, const Vectron__V1__SearchResult *result) {
    struct buffer text;
    buffer_init(&text);
    for (size_t i = 0; i < result->n_vector && i < SHOWN_COMPONENTS; i++)
        buffer_printf(&text, "%s%g", i ? " " : "[", (double)result->vector[i]);
    buffer_printf(&text, "%s]", result->n_vector > SHOWN_COMPONENTS ? " …" : "");
    if (!text.failed) table_cell(table, column, "%s", (char *)text.data);
    buffer_free(&text);
}

/* The demo's payload reads better in this order; an id that is also the name is shown once. */
static void
order_keys(const Vectron__V1__SearchResponse *reply, const char *keys[SHOWN_KEYS_MAX], size_t *n) {
    for (size_t i = 0; i < *n; i++) {
        bool same = strcmp(keys[i], "name") == 0;
        for (size_t r = 0; same && r < reply->n_results; r++)
            same = strcmp(value_of(reply->results[r], "name"), reply->results[r]->id) == 0;
        if (!same) continue;
        memmove(&keys[i], &keys[i + 1], (*n - i - 1) * sizeof *keys);
        --*n;
        break;
    }
    for (size_t i = 0; i + 1 < *n; i++) {
        if (strcmp(keys[i], "summary") != 0) continue;
        const char *key = keys[i];
        memmove(&keys[i], &keys[i + 1], (*n - i - 1) * sizeof *keys);
        keys[*n - 1] = key;
        break;
    }
}

static void print_results(const Vectron__V1__SearchResponse *reply, bool vectors) {
    const char *keys[SHOWN_KEYS_MAX], *heads[TABLE_COLUMNS_MAX] = {">#", ">SCORE", "ID"};
    size_t n = keys_of(reply, keys), column = 3;
    order_keys(reply, keys, &n);
    for (size_t i = 0; i < n; i++)
        heads[column++] = keys[i];
    if (vectors) heads[column++] = "VECTOR";
    heads[column] = NULL;
    struct table table;
    table_init(&table, heads);
    for (size_t r = 0; r < reply->n_results; r++) {
        const Vectron__V1__SearchResult *result = reply->results[r];
        table_row(&table);
        table_cell(&table, 0, "%zu", r + 1);
        table_cell(&table, 1, "%.4f", (double)result->score);
        table_cell(&table, 2, "%s", result->id);
        for (size_t i = 0; i < n; i++)
            table_cell(&table, 3 + i, "%s", value_of(result, keys[i]));
        if (vectors) vector_cell(&table, 3 + n, result);
    }
    if (reply->n_results == 0)
        puts("no results");
    else
        table_print(&table, stdout);
    table_reset(&table);
}

/* What the shards did, below the results. */
static void print_explain(const Vectron__V1__Explain *explain) {
    static const char *const heads[] = {">SHARD",   "PLAN",       ">POINTS", ">MATCHING",
                                        ">VISITED", ">DISTANCES", ">EF",     ">RECALL",
                                        ">MATCH",   ">SEARCH",    ">FILL",   NULL};
    struct table table;
    table_init(&table, heads);
    for (size_t i = 0; i < explain->n_shards; i++) {
        const Vectron__V1__ShardExplain *shard = explain->shards[i];
        table_row(&table);
        table_cell(&table, 0, "%u", shard->shard_id);
        table_cell(&table, 1, "%s%s", shard->plan, shard->fell_back ? ", scan" : "");
        table_cell(&table, 2, "%llu", (unsigned long long)shard->points);
        table_cell(&table, 3, "%llu", (unsigned long long)shard->matching);
        table_cell(&table, 4, "%llu", (unsigned long long)shard->visited);
        table_cell(&table, 5, "%llu", (unsigned long long)shard->distances);
        if (shard->ef) table_cell(&table, 6, "%u", shard->ef);
        if (shard->recall > 0) table_cell(&table, 7, "%.3f", (double)shard->recall);
        table_cell(&table, 8, "%.3f ms", (double)shard->match_ns / 1e6);
        table_cell(&table, 9, "%.3f ms", (double)shard->search_ns / 1e6);
        table_cell(&table, 10, "%.3f ms", (double)shard->fill_ns / 1e6);
    }
    putchar('\n');
    table_print(&table, stdout);
    table_reset(&table);
}

struct wanted {
    int64_t k, ef;
    bool ranged;
    float within, target_recall, rescore;
    Vectron__V1__Filter *filter; /* NULL: none */
};

/* All but collection and vector. */
static Vectron__V1__SearchRequest request_of(const struct args *args, const struct wanted *wanted) {
    Vectron__V1__SearchRequest request = VECTRON__V1__SEARCH_REQUEST__INIT;
    request.top_k = (uint32_t)wanted->k;
    request.ef = (uint32_t)wanted->ef;
    request.target_recall = wanted->target_recall;
    request.exact = args_on(args, "exact");
    if (args_text(args, "preset")) request.preset = (char *)(uintptr_t)args_text(args, "preset");
    request.rescore = wanted->rescore;
    if (wanted->ranged) {
        request.range_case = VECTRON__V1__SEARCH_REQUEST__RANGE_WITHIN;
        request.within = wanted->within;
    }
    request.filter = wanted->filter;
    request.explain = args_on(args, "explain");
    request.include_metadata = true;
    request.include_vectors = args_on(args, "with-vectors");
    return request;
}

static int
batch(struct command_session *session, const struct args *args, const struct wanted *wanted) {
    struct search_batch options = {.collection = args->words[0],
                                   .path = args_text(args, "batch"),
                                   .format = args_text(args, "format"),
                                   .request = request_of(args, wanted),
                                   .partial = args_on(args, "partial"),
                                   .json = args_on(args, "json")};
    if (!options.json) options.request.include_metadata = false;
    return search_batch_run(session, &options);
}

static int
search(struct command_session *session, const struct args *args, const struct wanted *wanted) {
    Vectron__V1__SearchRequest request = request_of(args, wanted);
    int code = query_vector(session, args, &request.vector, &request.n_vector);
    if (code != EXIT_OK) return code;
    request.collection = (char *)args->words[0];
    request.allow_partial = args_on(args, "partial");
    struct client_call call = {"Search", &request.base, &vectron__v1__search_response__descriptor};
    ProtobufCMessage *message = command_call(session, &call, &code);
    mem_free(request.vector);
    if (!message) return code;
    const Vectron__V1__SearchResponse *reply = (void *)message;
    if (args_on(args, "json"))
        command_print_json(message);
    else
        print_results(reply, request.include_vectors);
    if (!args_on(args, "json") && reply->explain) print_explain(reply->explain);
    if (reply->range && reply->range->cut)
        fprintf(stderr, "vectron: more points lie within: these are the %zu nearest\n",
                reply->n_results);
    if (reply->partial)
        fprintf(stderr, "vectron: %zu shards did not answer: the results are partial\n",
                reply->n_failed_shards);
    client_reply_free(message);
    return EXIT_OK;
}

/* The filter of the command line, in the arena. */
static int read_filter(const struct args *args, struct arena *arena, Vectron__V1__Filter **out) {
    const char *text = args_text(args, "filter");
    struct buffer why;
    *out = NULL;
    if (!text) return EXIT_OK;
    buffer_init(&why);
    enum status s = filter_text_read(text, arena, out, &why);
    int code = s == STATUS_OK        ? EXIT_OK
               : s == STATUS_INVALID ? command_misuse("search", "--filter %s", (char *)why.data)
                                     : command_fail("out of memory");
    buffer_free(&why);
    return code;
}

static int run_search(const struct args *args, struct wanted *wanted) {
    struct arena arena;
    struct command_session session;
    arena_init(&arena, 0);
    int code = read_filter(args, &arena, &wanted->filter);
    if (code == EXIT_OK && !command_session_open(args, &session)) {
        code = EXIT_USAGE;
    } else if (code == EXIT_OK) {
        code = args_text(args, "batch") ? batch(&session, args, wanted)
                                        : search(&session, args, wanted);
        command_session_close(&session);
    }
    arena_free(&arena);
    return code;
}

/* Two flags that exclude each other; NULL: there are none. */
static const char *width_twice(const struct args *args) {
    bool preset = args_text(args, "preset") != NULL;
    if (args_text(args, "ef") && args_text(args, "target-recall"))
        return "--ef and --target-recall";
    if (preset && args_text(args, "ef")) return "--preset and --ef";
    if (preset && args_text(args, "target-recall")) return "--preset and --target-recall";
    return preset && args_on(args, "exact") ? "--preset and --exact" : NULL;
}

static int run(const struct args *args) {
    bool many = args_text(args, "batch") != NULL;
    bool vector = args_text(args, "vector") || args_text(args, "file");
    if (many && vector)
        return command_misuse("search", "--batch has its own vectors: without --vector, --file");
    if (many && (args_on(args, "with-vectors") || args_on(args, "explain")) &&
        !args_on(args, "json"))
        return command_misuse("search", "--explain and --with-vectors of a --batch need --json");
    if (args_text(args, "format") && !many)
        return command_misuse("search", "--format is that of a --batch");
    vector |= many;
    if (args->n_words < 1) return command_misuse("search", "which COLLECTION?");
    if (!vector && args->n_words != 2)
        return command_misuse("search", "give one TEXT (in quotes), --vector, --file or --batch");
    if (vector && args->n_words != 1)
        return command_misuse("search", "a text and a vector cannot both be searched for");
    const char *twice = width_twice(args);
    if (twice)
        return command_misuse("search", "%s both say how widely to search: give one of them",
                              twice);
    struct wanted wanted = {.ranged = args_text(args, "within") != NULL};
    double within = 0, recall = 0, rescore = 0;
    int64_t k = wanted.ranged ? 0 : 10; /* 0: as many as the server gives */
    struct buffer why;
    buffer_init(&why);
    int code = EXIT_OK;
    if (args_number(args, "k", (struct args_bounds){k, 1, 10000}, &wanted.k, &why) != STATUS_OK ||
        args_real(args, "within", &within, &why) != STATUS_OK ||
        args_real(args, "target-recall", &recall, &why) != STATUS_OK ||
        args_real(args, "rescore", &rescore, &why) != STATUS_OK ||
        args_number(args, "ef", (struct args_bounds){0, 1, 100000}, &wanted.ef, &why) != STATUS_OK)
        code = command_misuse("search", "%s", (char *)why.data);
    buffer_free(&why);
    wanted.within = (float)within;
    wanted.target_recall = (float)recall;
    wanted.rescore = (float)rescore;
    return code == EXIT_OK ? run_search(args, &wanted) : code;
}

const struct command command_search = {
    .name = "search",
    .arguments = "COLLECTION (TEXT | --vector JSON | --file PATH | --batch PATH)",
    .summary = "find the nearest points; scores are distances, lower is nearer",
    .help =
        "  vectron search packages \"play music in a terminal\"\n"
        "  vectron search docs --vector '[0.1, 0.2, 0.3]' -k 5 --exact\n"
        "  vectron search docs --vector '[0.1, 0.2, 0.3]' --filter 'price < 10 and color = \"red\"'\n"
        "  vectron search docs --vector '[0.1, 0.2, 0.3]' --preset accurate\n"
        "  vectron search docs --batch queries.fvecs -k 5\n"
        "  vectron search docs --batch queries.jsonl --json\n\n"
        "A TEXT works on collections that `vectron demo` loaded: it is turned into a vector by the\n"
        "built-in embedder, with the word weights kept in COLLECTION.idf.\n",
    .flags = flags,
    .role = ROLE_CLIENT,
    .way = ARGS_CALLS,
    .run = run,
};
