/* search_batch: the rows of a file as the vectors of one search each, sent BATCH_SEARCHES at a time
 * as BatchSearch, answered in the file's order. */
#include "cli/search_batch.h"

#include <string.h>

#include "cli/reader/reader.h"
#include "cli/table.h"
#include "runtime/arena.h"

enum { BATCH_SEARCHES = 256, BATCH_RESULTS = 100000, BATCH_BYTES = 8 * 1024 * 1024 };

struct sending {
    struct command_session *session;
    const struct search_batch *options;
    struct reader *reader;
    struct arena arena; /* of the batch */
    Vectron__V1__SearchRequest *requests[BATCH_SEARCHES];
    const char *names[BATCH_SEARCHES]; /* of the queries */
    size_t n;
    size_t bytes;
    uint64_t n_failed, n_partial;
    struct table table;
};

/* --- printing -------------------------------------------------------------------------------- */

static void print_rows(struct sending *sending, const Vectron__V1__BatchSearchResponse *reply) {
    struct table *table = &sending->table;
    for (size_t i = 0; i < reply->n_results; i++) {
        const Vectron__V1__BatchSearchResult *result = reply->results[i];
        for (size_t r = 0; result->response && r < result->response->n_results; r++) {
            const Vectron__V1__SearchResult *hit = result->response->results[r];
            table_row(table);
            table_cell(table, 0, "%s", sending->names[i]);
            table_cell(table, 1, "%zu", r + 1);
            table_cell(table, 2, "%.4f", (double)hit->score);
            table_cell(table, 3, "%s", hit->id);
        }
    }
}

static void print_reply(struct sending *sending, const Vectron__V1__BatchSearchResponse *reply) {
    for (size_t i = 0; i < reply->n_results; i++) {
        const Vectron__V1__BatchSearchResult *result = reply->results[i];
        sending->n_partial += result->response && result->response->partial;
        if (sending->options->json) command_print_json(&result->base);
        if (result->code == 0) continue;
        sending->n_failed++;
        fprintf(stderr, "vectron: query %s: %s: %s\n", sending->names[i],
                client_code_name(result->code), result->message);
    }
    if (!sending->options->json) print_rows(sending, reply);
}

/* --- sending --------------------------------------------------------------------------------- */

static int send_batch(struct sending *sending) {
    Vectron__V1__BatchSearchRequest request = VECTRON__V1__BATCH_SEARCH_REQUEST__INIT;
    request.collection = (char *)(uintptr_t)sending->options->collection;
    request.n_requests = sending->n;
    request.requests = sending->requests;
    request.allow_partial = sending->options->partial;
    if (sending->n == 0) return EXIT_OK;
    int code = EXIT_OK;
    struct client_call call = {"BatchSearch", &request.base,
                               &vectron__v1__batch_search_response__descriptor};
    ProtobufCMessage *message = command_call(sending->session, &call, &code);
    if (!message) return code;
    const Vectron__V1__BatchSearchResponse *reply = (void *)message;
    if (reply->n_results == sending->n)
        print_reply(sending, reply);
    else
        code = command_fail("%zu answers to %zu queries", reply->n_results, sending->n);
    client_reply_free(message);
    arena_reset(&sending->arena);
    sending->n = 0;
    sending->bytes = 0;
    return code;
}

static bool add_row(struct sending *sending, const struct reader_row *row) {
    struct arena *arena = &sending->arena;
    Vectron__V1__SearchRequest *request = arena_alloc(arena, sizeof *request);
    float *vector = arena_alloc(arena, row->dimension * sizeof *vector);
    size_t size = row->id ? strlen(row->id) + 1 : 24;
    char *name = arena_alloc(arena, size);
    if (!request || !vector || !name) return false;
    *request = sending->options->request;
    request->n_vector = row->dimension;
    request->vector = memcpy(vector, row->vector, row->dimension * sizeof *vector);
    if (row->id)
        memcpy(name, row->id, size);
    else
        snprintf(name, size, "%llu", (unsigned long long)row->row);
    sending->names[sending->n] = name;
    sending->requests[sending->n++] = request;
    sending->bytes += row->dimension * sizeof *vector;
    return true;
}

static bool is_full(const struct sending *sending) {
    uint32_t k = sending->options->request.top_k ? sending->options->request.top_k : 10000;
    return sending->n == BATCH_SEARCHES || (sending->n + 1) * (uint64_t)k > BATCH_RESULTS ||
           sending->bytes >= BATCH_BYTES;
}

static int send_file(struct sending *sending) {
    for (;;) {
        struct reader_row row;
        if (reader_next(sending->reader, &row) != STATUS_OK)
            return command_fail("%s", reader_words(sending->reader));
        if (row.end) return send_batch(sending);
        if (!add_row(sending, &row)) return command_fail("out of memory");
        int code = is_full(sending) ? send_batch(sending) : EXIT_OK;
        if (code != EXIT_OK) return code;
    }
}

int search_batch_run(struct command_session *session, const struct search_batch *options) {
    static const char *const heads[] = {"QUERY", ">#", ">SCORE", "ID", NULL};
    struct sending sending = {.session = session, .options = options};
    struct reader_options from = {options->path, options->format, NULL};
    char words[READER_WORDS_MAX];
    if (reader_open(&from, &sending.reader, words) != STATUS_OK) return command_fail("%s", words);
    arena_init(&sending.arena, 0);
    table_init(&sending.table, heads);
    int code = send_file(&sending);
    if (!options->json && sending.table.n_rows > 0) table_print(&sending.table, stdout);
    if (sending.n_partial > 0)
        fprintf(stderr, "vectron: %llu of the answers are partial: shards did not answer\n",
                (unsigned long long)sending.n_partial);
    if (code == EXIT_OK && sending.n_failed > 0) code = EXIT_FAILED;
    table_reset(&sending.table);
    arena_free(&sending.arena);
    reader_close(sending.reader);
    return code;
}
