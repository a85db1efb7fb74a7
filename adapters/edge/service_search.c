/* service_search: Search and SearchStream.
 *
 *     RouterSearch ──▶ RouterHits {page_more} … RouterHits        one list of hits, paged at 1 MiB
 *
 * Search gathers the one list; SearchStream gets several, each a cumulative top-k, and sends each
 * as a part. A client that reads too slowly misses snapshots in between, never the last one. */
#include <string.h>

#include "adapters/edge/check.h"
#include "adapters/edge/filter.h"
#include "adapters/edge/payload.h"
#include "adapters/edge/question.h"
#include "adapters/edge/service_vectron.h"
#include "runtime/assert.h"
#include "runtime/poison.h"
#include "runtime/text.h"
#include "schemas/apigateway.pb-c.h"
#include "schemas/router.pb-c.h"

/* Of one list of hits with everything asked for: 10,000 hits of 1,500 values. */
#define SEARCH_BYTES_MAX ((size_t)64 * 1024 * 1024)

struct search {
    struct question question; /* first: context and self are one pointer */
    uint32_t top_k;
    bool stream;
    bool ranged;
    bool sent;           /* a part: metadata went with it */
    bool list_open;      /* pages of the current list are in the arena */
    enum status failure; /* the answer is no good; the call waits for its last part */
    struct arena arena;  /* of the current list */
    Vectron__V1__SearchResponse response; /* the current list, in the arena */
    Vectron__V1__Range range;             /* of it */
};
static_assert(offsetof(struct search, question) == 0, "a question is its search");

/* --- hits ------------------------------------------------------------------------------------ */

static void *copy(struct arena *arena, const void *bytes, size_t size) {
    void *memory = arena_alloc(arena, size);
    if (memory && size) memcpy(memory, bytes, size);
    return memory;
}

/* values: what came beside id and score; NULL: nothing. */
static enum status
add_hit(struct search *search, const char *id, float score, const RouterHit *values) {
    Vectron__V1__SearchResponse *response = &search->response;
    Vectron__V1__SearchResult *result = arena_alloc(&search->arena, sizeof *result);
    if (!result) return STATUS_TOO_LARGE;
    vectron__v1__search_result__init(result);
    result->score = score;
    result->id = (char *)(uintptr_t)id;
    response->results[response->n_results++] = result;
    if (!values) return STATUS_OK;
    result->n_vector = values->n_vector;
    result->vector =
        copy(&search->arena, values->vector, values->n_vector * sizeof *values->vector);
    if (!result->vector) return STATUS_TOO_LARGE;
    ProtobufCMessage **entries;
    enum status s =
        payload_unpack(&values->payload, &vectron__v1__search_result__payload_entry__descriptor,
                       &search->arena, &entries, &result->n_payload);
    if (s != STATUS_OK) return s == STATUS_NO_MEMORY ? STATUS_TOO_LARGE : s;
    result->payload = (Vectron__V1__SearchResult__PayloadEntry **)entries;
    return STATUS_OK;
}

static enum status add_hits(struct search *search, const RouterHits *hits) {
    size_t n = hits->n_scores;
    if (n > search->top_k - search->response.n_results) return STATUS_INTERNAL;
    if (hits->n_hits > 0 && hits->n_hits != n) return STATUS_INTERNAL;
    if (!text_column_valid(hits->ids.data, hits->ids.len, n)) return STATUS_INTERNAL;
    const char *id = copy(&search->arena, hits->ids.data, hits->ids.len);
    enum status s = id ? STATUS_OK : STATUS_TOO_LARGE;
    for (size_t i = 0; s == STATUS_OK && i < n; i++) {
        float score;
        memcpy(&score, (const char *)hits->scores + i * sizeof score, sizeof score);
        s = add_hit(search, id, score, hits->n_hits > 0 ? hits->hits[i] : NULL);
        id += strlen(id) + 1;
    }
    return s;
}

/* What the shards told of how they went about it. */
static enum status add_explain(struct search *search, const RouterHits *hits) {
    if (hits->n_plans == 0) return STATUS_OK;
    Vectron__V1__Explain *explain = arena_alloc(&search->arena, sizeof *explain);
    Vectron__V1__ShardExplain **shards =
        arena_alloc(&search->arena, hits->n_plans * sizeof *shards);
    if (!explain || !shards) return STATUS_TOO_LARGE;
    vectron__v1__explain__init(explain);
    for (size_t i = 0; i < hits->n_plans; i++) {
        const SearchPlan *plan = hits->plans[i];
        Vectron__V1__ShardExplain *shard = arena_alloc(&search->arena, sizeof *shard);
        if (!shard) return STATUS_TOO_LARGE;
        vectron__v1__shard_explain__init(shard);
        shard->shard_id = (uint32_t)plan->shard;
        shard->plan = copy(&search->arena, plan->plan, strlen(plan->plan) + 1);
        if (!shard->plan) return STATUS_TOO_LARGE;
        shard->fell_back = plan->fell_back;
        shard->points = plan->points;
        shard->matching = plan->matching;
        shard->visited = plan->visited;
        shard->distances = plan->distances;
        shard->match_ns = plan->match_ns;
        shard->search_ns = plan->search_ns;
        shard->fill_ns = plan->fill_ns;
        shards[explain->n_shards++] = shard;
    }
    explain->shards = shards;
    search->response.explain = explain;
    return STATUS_OK;
}

/* A fresh, empty list. */
static enum status open_list(struct search *search) {
    arena_reset(&search->arena);
    vectron__v1__search_response__init(&search->response);
    search->response.results =
        arena_alloc(&search->arena, search->top_k * sizeof *search->response.results);
    if (!search->response.results) return STATUS_TOO_LARGE;
    search->list_open = true;
    return STATUS_OK;
}

/* TOO_LARGE: over SEARCH_BYTES_MAX. INTERNAL: more hits than asked for. */
static enum status add_page(struct search *search, const RouterHits *hits) {
    Vectron__V1__SearchResponse *response = &search->response;
    enum status s = search->list_open ? STATUS_OK : open_list(search);
    if (s == STATUS_OK) s = add_hits(search, hits);
    if (s == STATUS_OK && !hits->page_more) s = add_explain(search, hits);
    if (s != STATUS_OK || hits->page_more) return s;

    search->list_open = false;
    if (search->ranged) {
        vectron__v1__range__init(&search->range);
        search->range.cut = hits->cut;
        response->range = &search->range;
    }
    response->partial = hits->partial;
    response->n_failed_shards = hits->n_failed_shards;
    response->failed_shards = copy(&search->arena, hits->failed_shards,
                                   hits->n_failed_shards * sizeof *hits->failed_shards);
    response->session = copy(&search->arena, hits->session, strlen(hits->session) + 1);
    return response->failed_shards && response->session ? STATUS_OK : STATUS_TOO_LARGE;
}

/* --- answers --------------------------------------------------------------------------------- */

static const char *failure_words(enum status s) {
    if (s == STATUS_TOO_LARGE)
        return "the answer is above the limit of 64 MiB: ask for fewer results (top_k) or leave "
               "vectors and payload out";
    if (s == STATUS_CORRUPT) return "a stored payload is not a map of strings";
    return "the router's answer is not what was asked for";
}

static void send_list(struct search *search, bool last, struct turn *turn) {
    struct edge_call *call = search->question.call;
    if (!search->sent) service_session(call, search->response.session);
    if (!search->stream) {
        edge_reply(call, &search->response.base, turn);
        return;
    }
    /* Snapshots are cumulative: what a slow reader misses is in the next one. */
    if (last || !edge_call_clogged(call)) {
        edge_part(call, &search->response.base, turn);
        search->sent = true;
    }
    if (last) edge_end(call, turn);
}

/* INTERNAL: no page, or not one that belongs there; hits may be NULL. */
static enum status take_page(struct search *search, const RouterHits *hits, bool more) {
    if (!hits) return STATUS_INTERNAL;
    bool whole = !hits->page_more;
    if (search->stream ? !whole && !more : whole == more) return STATUS_INTERNAL;
    return add_page(search, hits);
}

/* Parts may follow the one that was no good: the call can only end when the last one came. */
static void on_hits(struct question *question, const struct outcome *outcome, struct turn *turn) {
    struct search *search = (struct search *)question;
    const RouterHits *hits = outcome_as(outcome, RouterHits, router_hits);
    bool failed_before = search->failure != STATUS_OK;
    if (!failed_before && !hits && !outcome->more) {
        question_fail(question->call, outcome, turn);
        return;
    }
    if (!failed_before) search->failure = take_page(search, hits, outcome->more);
    if (search->failure == STATUS_OK) {
        if (!hits->page_more) send_list(search, !outcome->more, turn);
        return;
    }
    if (!failed_before) question_cancel(question, turn);
    if (!outcome->more)
        edge_fail(question->call, search->failure, failure_words(search->failure), turn);
}

/* --- questions ------------------------------------------------------------------------------- */

static void on_free(void *context) {
    struct search *search = context;
    arena_free(&search->arena);
}

static void send_query(struct edge_call *call, const RouterSearch *query, struct turn *turn) {
    struct search *search = question_new(call, sizeof *search, turn);
    if (!search) return;
    search->question = (struct question){.call = call, .done = on_hits};
    search->top_k = query->top_k;
    search->stream = query->stream;
    search->ranged = query->ranged;
    arena_init(&search->arena, SEARCH_BYTES_MAX);
    edge_call_on_free(call, on_free, search);
    question_start(&search->question, &query->base, turn);
}

static void start(struct edge_call *call, bool stream, struct turn *turn) {
    const Vectron__V1__SearchRequest *request = (const void *)edge_call_request(call);
    const char *session = edge_call_header(call, SESSION_HEADER);
    struct check check;
    struct filter_nodes filter;
    enum status s = check_search(&check, request);
    if (s == STATUS_OK)
        s = filter_translate(request->filter, edge_call_arena(call), &filter, &check);
    if (s != STATUS_OK) {
        edge_fail(call, s, check.words, turn);
        return;
    }
    RouterSearch query = ROUTER_SEARCH__INIT;
    query.collection = request->collection;
    query.vector = request->vector;
    query.n_vector = request->n_vector;
    query.ranged = request->range_case == VECTRON__V1__SEARCH_REQUEST__RANGE_WITHIN;
    query.within = query.ranged ? request->within : 0;
    query.top_k = request->top_k ? request->top_k
                  : query.ranged ? CHECK_TOP_K_MAX
                                 : CHECK_TOP_K_DEFAULT;
    query.ef = request->ef;
    query.target_recall = request->target_recall;
    query.exact = request->exact;
    query.n_filter = filter.n;
    query.filter = filter.nodes;
    query.explain = request->explain;
    query.include_vectors = request->include_vectors;
    /* Contract 4.4: a stream always carries the payload. */
    query.include_payload = request->include_metadata || stream;
    query.timeout_ms = request->timeout_ms;
    query.consistency = (uint32_t)request->consistency;
    query.session = request->session[0] || !session ? request->session : (char *)session;
    query.max_staleness_ms = request->max_staleness_ms;
    query.allow_partial = request->allow_partial;
    query.stream = stream;
    query.columns = true;
    send_query(call, &query, turn);
}

void service_search(void *self, struct edge_call *call, struct turn *turn) {
    (void)self;
    start(call, false, turn);
}

void service_search_stream(void *self, struct edge_call *call, struct turn *turn) {
    (void)self;
    const Vectron__V1__SearchRequest *request = (const void *)edge_call_request(call);
    if (request->include_vectors) {
        edge_fail(call, STATUS_INVALID, "include_vectors is not supported on SearchStream", turn);
        return;
    }
    start(call, true, turn);
}
