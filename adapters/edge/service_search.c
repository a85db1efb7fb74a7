/* service_search: Search and SearchStream.
 *
 *     RouterSearch ──▶ RouterHits {page_more} … RouterHits        one list of hits, paged at 1 MiB
 *
 * Search gathers the one list; SearchStream gets several, each a cumulative top-k, and sends each
 * as a part. A client that reads too slowly misses snapshots in between, never the last one. */
#include <string.h>

#include "adapters/edge/filter.h"
#include "adapters/edge/hit_list.h"
#include "adapters/edge/preset.h"
#include "adapters/edge/question.h"
#include "adapters/edge/service_vectron.h"
#include "runtime/assert.h"
#include "runtime/poison.h"
#include "schemas/apigateway.pb-c.h"
#include "schemas/router.pb-c.h"

struct search {
    struct question question; /* first: context and self are one pointer */
    uint32_t top_k;
    bool stream;
    bool ranged;
    bool sent;            /* a part: metadata went with it */
    bool list_open;       /* pages of the current list are in it */
    enum status failure;  /* the answer is no good; the call waits for its last part */
    struct arena arena;   /* of the current list */
    struct hit_list list; /* the current one */
};
static_assert(offsetof(struct search, question) == 0, "a question is its search");

/* --- hits ------------------------------------------------------------------------------------ */

/* A fresh, empty list. */
static enum status open_list(struct search *search) {
    arena_reset(&search->arena);
    search->list_open = true;
    return hit_list_open(&search->list, &search->arena, search->top_k);
}

/* TOO_LARGE: over HIT_LIST_BYTES_MAX. INTERNAL: more hits than asked for. */
static enum status add_page(struct search *search, const RouterHits *hits) {
    enum status s = search->list_open ? STATUS_OK : open_list(search);
    if (s == STATUS_OK) s = hit_list_add(&search->list, hits);
    if (s != STATUS_OK || hits->page_more) return s;
    search->list_open = false;
    return hit_list_end(&search->list, hits, search->ranged);
}

/* --- answers --------------------------------------------------------------------------------- */

static void send_list(struct search *search, bool last, struct turn *turn) {
    struct edge_call *call = search->question.call;
    if (!search->sent) service_session(call, search->list.response.session);
    if (!search->stream) {
        edge_reply(call, &search->list.response.base, turn);
        return;
    }
    /* Snapshots are cumulative: what a slow reader misses is in the next one. */
    if (last || !edge_call_clogged(call)) {
        edge_part(call, &search->list.response.base, turn);
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
        edge_fail(question->call, search->failure, hit_list_failure(search->failure), turn);
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
    arena_init(&search->arena, HIT_LIST_BYTES_MAX);
    edge_call_on_free(call, on_free, search);
    question_start(&search->question, &query->base, turn);
}

enum status service_query(const Vectron__V1__SearchRequest *request,
                          struct arena *arena,
                          RouterSearch *query,
                          struct check *check) {
    struct filter_nodes filter;
    struct preset preset;
    enum status s = check_search(check, request);
    if (s == STATUS_OK) s = preset_read(request->preset, &preset, check);
    if (s == STATUS_OK) s = filter_translate(request->filter, arena, &filter, check);
    if (s != STATUS_OK) return s;
    router_search__init(query);
    query->collection = request->collection;
    query->vector = request->vector;
    query->n_vector = request->n_vector;
    query->ranged = request->range_case == VECTRON__V1__SEARCH_REQUEST__RANGE_WITHIN;
    query->within = query->ranged ? request->within : 0;
    query->top_k = request->top_k  ? request->top_k
                   : query->ranged ? CHECK_TOP_K_MAX
                                   : CHECK_TOP_K_DEFAULT;
    query->ef = request->ef;
    query->target_recall = preset.target_recall > 0 ? preset.target_recall : request->target_recall;
    query->exact = request->exact || preset.exact;
    query->rescore = request->rescore;
    query->n_filter = filter.n;
    query->filter = filter.nodes;
    query->explain = request->explain;
    query->include_vectors = request->include_vectors;
    query->include_payload = request->include_metadata;
    query->timeout_ms = request->timeout_ms;
    query->consistency = (uint32_t)request->consistency;
    query->session = request->session;
    query->max_staleness_ms = request->max_staleness_ms;
    query->allow_partial = request->allow_partial;
    query->columns = true;
    return STATUS_OK;
}

static void start(struct edge_call *call, bool stream, struct turn *turn) {
    const Vectron__V1__SearchRequest *request = (const void *)edge_call_request(call);
    const char *session = edge_call_header(call, SESSION_HEADER);
    struct check check;
    RouterSearch query;
    enum status s = service_query(request, edge_call_arena(call), &query, &check);
    if (s != STATUS_OK) {
        edge_fail(call, s, check.words, turn);
        return;
    }
    /* Contract 4.4: a stream always carries the payload. */
    query.include_payload |= stream;
    if (!request->session[0] && session) query.session = (char *)(uintptr_t)session;
    query.stream = stream;
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
