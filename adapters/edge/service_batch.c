/* service_batch: BatchSearch.
 *
 *     requests ─▶ judged, each by itself ─▶ chunks of what is sound ─▶ RouterSearches, a few at a
 *                                            time ─▶ RouterFinds … ─▶ one result a request
 *
 * A chunk of walks is as many as are worth a question to every shard, so that several searchers
 * have some; exact searches go in larger ones, which read the points once for many. */
#include <stdio.h>
#include <string.h>

#include "adapters/edge/hit_list.h"
#include "adapters/edge/question.h"
#include "adapters/edge/service_vectron.h"
#include "runtime/codec.h"
#include "runtime/memory.h"
#include "runtime/poison.h"
#include "schemas/apigateway.pb-c.h"
#include "schemas/router.pb-c.h"

enum {
    CHUNK_WALKS = 64, /* of one question; others than exact ones without a filter */
    CHUNK_MAX = 256,  /* searches in all */
    CHUNK_BYTES = 1024 * 1024,
    UNDER_WAY = 4, /* questions at once */
};

/* One request of the batch. */
struct item {
    RouterSearch query;
    struct hit_list list;
    bool open; /* pages of its list came, and more will */
    bool done;
    Vectron__V1__BatchSearchResult result;
};

/* One question: items of the batch, by their places. */
struct batch_chunk {
    struct question question; /* first */
    struct batch *batch;
    uint32_t *items; /* in the call's arena; CHUNK_MAX */
    uint32_t n;
    bool busy;
};

struct batch {
    struct edge_call *call;
    const Vectron__V1__BatchSearchRequest *request;
    struct item *items;
    uint32_t n;
    uint32_t next; /* item that is asked for next */
    struct batch_chunk chunks[UNDER_WAY];
    uint32_t n_busy;
    enum status failure; /* of all of it */
    uint32_t retry_after_ms;
    const char *words; /* in the call's arena, or static */
    const char *session;
    struct arena arena; /* of the answer */
};

static char *keep_text(struct edge_call *call, const char *text) {
    size_t size = strlen(text) + 1;
    char *copy = arena_alloc(edge_call_arena(call), size);
    return copy ? memcpy(copy, text, size) : (char *)(uintptr_t) "";
}

static void fail_item(struct batch *batch, struct item *item, enum status s, const char *words) {
    if (item->done) return;
    item->done = true;
    item->result.code = status_grpc(s);
    item->result.message = keep_text(batch->call, words[0] ? words : status_text(s));
    item->result.response = NULL;
}

static void fail_all(struct batch *batch, enum status s, const char *words) {
    if (batch->failure != STATUS_OK) return;
    batch->failure = s;
    batch->words = words;
}

/* --- judging --------------------------------------------------------------------------------- */

/* What is said once for all is not said of one. */
static const char *misplaced(const Vectron__V1__BatchSearchRequest *batch,
                             const Vectron__V1__SearchRequest *request) {
    if (request->collection[0] && strcmp(request->collection, batch->collection) != 0)
        return "collection is another than the batch's: leave it empty";
    if (request->timeout_ms) return "timeout_ms is the batch's: give it there";
    if (request->consistency) return "consistency is the batch's: give it there";
    if (request->session[0]) return "session is the batch's: give it there";
    if (request->max_staleness_ms) return "max_staleness_ms is the batch's: give it there";
    if (request->allow_partial) return "allow_partial is the batch's: give it there";
    return NULL;
}

static void
judge_item(struct batch *batch, struct item *item, Vectron__V1__SearchRequest *request) {
    struct check check;
    const char *wrong = misplaced(batch->request, request);
    vectron__v1__batch_search_result__init(&item->result);
    if (wrong) {
        fail_item(batch, item, STATUS_INVALID, wrong);
        return;
    }
    request->collection = batch->request->collection;
    enum status s = service_query(request, edge_call_arena(batch->call), &item->query, &check);
    if (s != STATUS_OK)
        fail_item(batch, item, s, s == STATUS_NO_MEMORY ? status_text(s) : check.words);
}

/* Of the batch itself. */
static enum status judge(const Vectron__V1__BatchSearchRequest *request, struct check *check) {
    enum status s = check_batch(check, request);
    uint64_t results = 0;
    for (size_t i = 0; s == STATUS_OK && i < request->n_requests; i++) {
        const Vectron__V1__SearchRequest *search = request->requests[i];
        bool ranged = search->range_case == VECTRON__V1__SEARCH_REQUEST__RANGE_WITHIN;
        results += search->top_k ? search->top_k : ranged ? CHECK_TOP_K_MAX : CHECK_TOP_K_DEFAULT;
    }
    if (s != STATUS_OK || results <= CHECK_BATCH_RESULTS_MAX) return s;
    snprintf(check->words, sizeof check->words,
             "top_k of all requests together is %llu, above the limit of %d: send smaller batches",
             (unsigned long long)results, CHECK_BATCH_RESULTS_MAX);
    return STATUS_INVALID;
}

/* --- the answer ------------------------------------------------------------------------------ */

static void reply(struct batch *batch, struct turn *turn) {
    Vectron__V1__BatchSearchResponse response = VECTRON__V1__BATCH_SEARCH_RESPONSE__INIT;
    if (batch->retry_after_ms) edge_retry_after(batch->call, batch->retry_after_ms);
    response.results = arena_alloc(&batch->arena, batch->n * sizeof *response.results);
    if (!response.results) fail_all(batch, STATUS_TOO_LARGE, hit_list_failure(STATUS_TOO_LARGE));
    if (batch->failure != STATUS_OK) {
        edge_fail(batch->call, batch->failure, batch->words, turn);
        return;
    }
    for (uint32_t i = 0; i < batch->n; i++)
        response.results[i] = &batch->items[i].result;
    response.n_results = batch->n;
    if (batch->session) {
        response.session = (char *)(uintptr_t)batch->session;
        service_session(batch->call, batch->session);
    }
    edge_reply(batch->call, &response.base, turn);
}

static enum status add_page(struct batch *batch, struct item *item, const RouterHits *hits) {
    enum status s = STATUS_OK;
    if (!item->open) s = hit_list_open(&item->list, &batch->arena, item->query.top_k);
    item->open = true;
    if (s == STATUS_OK) s = hit_list_add(&item->list, hits);
    if (s != STATUS_OK || hits->page_more) return s;
    item->done = true;
    item->result.response = &item->list.response;
    return hit_list_end(&item->list, hits, item->query.ranged);
}

static void take_find(struct batch_chunk *chunk, const RouterFind *find) {
    struct batch *batch = chunk->batch;
    struct item *item = find->search < chunk->n ? &batch->items[chunk->items[find->search]] : NULL;
    if (!item || item->done || (find->status == STATUS_OK && !find->hits)) {
        fail_all(batch, STATUS_INTERNAL, hit_list_failure(STATUS_INTERNAL));
        return;
    }
    if (find->status != STATUS_OK) {
        fail_item(batch, item, (enum status)find->status, find->text);
        return;
    }
    enum status s = add_page(batch, item, find->hits);
    if (s == STATUS_CORRUPT)
        fail_item(batch, item, s, hit_list_failure(s));
    else if (s != STATUS_OK)
        fail_all(batch, s, hit_list_failure(s));
}

/* --- questions ------------------------------------------------------------------------------- */

static void go_on(struct batch *batch, struct turn *turn);

static void cancel_all(struct batch *batch, struct turn *turn) {
    for (int i = 0; i < UNDER_WAY; i++)
        if (batch->chunks[i].busy) question_cancel(&batch->chunks[i].question, turn);
}

/* What is wrong with the collection, or with everything, is the call's outcome, so that clients try
 * again as they do a search. */
static void on_finds(struct question *question, const struct outcome *outcome, struct turn *turn) {
    struct batch_chunk *chunk = (struct batch_chunk *)question;
    struct batch *batch = chunk->batch;
    const RouterFinds *finds = outcome_as(outcome, RouterFinds, router_finds);
    bool failed_before = batch->failure != STATUS_OK;
    for (size_t i = 0; !failed_before && finds && i < finds->n_finds; i++)
        take_find(chunk, finds->finds[i]);
    if (!finds && !failed_before) {
        bool odd = outcome->status == STATUS_OK;
        batch->retry_after_ms = outcome->retry_after_ms;
        fail_all(batch, odd ? STATUS_INTERNAL : outcome->status,
                 odd ? QUESTION_ODD_ANSWER : keep_text(batch->call, outcome->text));
    }
    if (!failed_before && batch->failure != STATUS_OK) cancel_all(batch, turn);
    if (outcome->more) return;
    for (uint32_t i = 0; i < chunk->n; i++)
        if (!batch->items[chunk->items[i]].done)
            fail_all(batch, STATUS_INTERNAL, hit_list_failure(STATUS_INTERNAL));
    if (finds && finds->session[0] && !batch->session)
        batch->session = keep_text(batch->call, finds->session);
    chunk->busy = false;
    batch->n_busy--;
    go_on(batch, turn);
}

static bool is_plain_exact(const RouterSearch *query) {
    return query->exact && query->n_filter == 0 && !query->ranged;
}

/* The next items that are sound. */
static void fill_chunk(struct batch *batch, struct batch_chunk *chunk) {
    size_t bytes = 0, size;
    uint32_t walks = 0;
    chunk->n = 0;
    for (; batch->next < batch->n && bytes < CHUNK_BYTES; batch->next++) {
        struct item *item = &batch->items[batch->next];
        if (chunk->n == CHUNK_MAX || walks == CHUNK_WALKS) return;
        judge_item(batch, item, batch->request->requests[batch->next]);
        if (item->done) continue;
        if (codec_measure(&item->query.base, &size) != STATUS_OK) {
            fail_item(batch, item, STATUS_TOO_LARGE, "the search is too large");
            continue;
        }
        bytes += size;
        walks += !is_plain_exact(&item->query);
        chunk->items[chunk->n++] = batch->next;
    }
}

static void send_chunk(struct batch *batch, struct batch_chunk *chunk, struct turn *turn) {
    const Vectron__V1__BatchSearchRequest *request = batch->request;
    const char *session = edge_call_header(batch->call, SESSION_HEADER);
    RouterSearches searches = ROUTER_SEARCHES__INIT;
    RouterSearch *queries[CHUNK_MAX];
    for (uint32_t i = 0; i < chunk->n; i++)
        queries[i] = &batch->items[chunk->items[i]].query;
    searches.collection = request->collection;
    searches.n_searches = chunk->n;
    searches.searches = queries;
    searches.timeout_ms = request->timeout_ms;
    searches.consistency = (uint32_t)request->consistency;
    searches.session =
        request->session[0] || !session ? request->session : (char *)(uintptr_t)session;
    searches.max_staleness_ms = request->max_staleness_ms;
    searches.allow_partial = request->allow_partial;
    chunk->question = (struct question){.call = batch->call, .done = on_finds};
    if (!question_send(&chunk->question, &searches.base, turn)) {
        fail_all(batch, STATUS_NOT_READY, QUESTION_NO_ROUTER);
        return;
    }
    chunk->busy = true;
    batch->n_busy++;
}

/* Asks for what is not asked for yet; answers when nothing is under way any more. */
static void go_on(struct batch *batch, struct turn *turn) {
    for (int i = 0; i < UNDER_WAY && batch->failure == STATUS_OK; i++) {
        struct batch_chunk *chunk = &batch->chunks[i];
        if (chunk->busy) continue;
        fill_chunk(batch, chunk);
        if (chunk->n > 0) send_chunk(batch, chunk, turn);
    }
    if (batch->n_busy == 0) reply(batch, turn);
}

static void on_cancel(void *context, struct turn *turn) {
    struct batch *batch = context;
    fail_all(batch, STATUS_CANCELLED, "");
    cancel_all(batch, turn);
}

static void on_free(void *context) {
    struct batch *batch = context;
    arena_free(&batch->arena);
}

static bool prepare(struct batch *batch) {
    struct arena *arena = edge_call_arena(batch->call);
    batch->n = (uint32_t)batch->request->n_requests;
    batch->items = arena_zero(arena, batch->n * sizeof *batch->items);
    for (int i = 0; i < UNDER_WAY; i++) {
        batch->chunks[i].batch = batch;
        batch->chunks[i].items = arena_alloc(arena, CHUNK_MAX * sizeof(uint32_t));
        if (!batch->chunks[i].items) return false;
    }
    return batch->items != NULL;
}

void service_batch_search(void *self, struct edge_call *call, struct turn *turn) {
    const Vectron__V1__BatchSearchRequest *request = (const void *)edge_call_request(call);
    struct check check;
    (void)self;
    enum status s = judge(request, &check);
    if (s != STATUS_OK) {
        edge_fail(call, s, check.words, turn);
        return;
    }
    struct batch *batch = question_new(call, sizeof *batch, turn);
    if (!batch) return;
    batch->call = call;
    batch->request = request;
    arena_init(&batch->arena, HIT_LIST_BYTES_MAX);
    edge_call_on_free(call, on_free, batch);
    if (!prepare(batch)) {
        edge_fail(call, STATUS_NO_MEMORY, NULL, turn);
        return;
    }
    edge_call_on_cancel(call, on_cancel, batch);
    go_on(batch, turn);
}
