/* service_worker_search: one shard, or every shard of a collection that this worker keeps, one
 * after the other; a batch is one search after the other. A shard that does not answer fails the
 * search: it is never silently short. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "actors/hits.h"
#include "adapters/edge/service_worker.h"
#include "schemas/pd.pb-c.h"

#include "runtime/poison.h"

enum { BATCH_MAX = 1000, BYTES_MAX = 64 * 1024 * 1024 /* of one answer */ };

#define V1(Type) WORKER_V1(Type)

struct found {
    char *id;
    float score;
    ProtobufCBinaryData metadata;
};

struct find {
    struct question question; /* first */
    char name[WORKER_SHARD_NAME];
    V1(SearchRequest) * *requests; /* the call's */
    V1(SearchResponse) * *responses;
    size_t n_requests, nth;
    bool batch;
    /* the search under way */
    const uint64_t *shards, *epochs;
    size_t n_shards, next;
    struct found *hits;
    size_t n_hits, room;
    uint32_t k;
    enum status failure; /* of a part; more were still to come */
    struct arena arena;  /* of all answers */
};

static const V1(SearchRequest) * current(const struct find *find) {
    return find->requests[find->nth];
}

static void next_search(struct find *find, struct turn *turn);
static void next_shard(struct find *find, struct turn *turn);

static void on_free(void *context) {
    struct find *find = context;
    arena_free(&find->arena);
}

static void fail(struct find *find, enum status s, const char *words, struct turn *turn) {
    char text[CHECK_WORDS_MAX];
    if (s == STATUS_NO_MEMORY || s == STATUS_TOO_LARGE) {
        s = STATUS_TOO_LARGE;
        words = "the answer is above the limit of 64 MiB: ask for fewer results";
    }
    if (find->batch && words) {
        snprintf(text, sizeof text, "requests[%zu]: %.300s", find->nth, words);
        words = text;
    }
    edge_fail(find->question.call, s, words, turn);
}

static void fail_outcome(struct find *find, const struct outcome *outcome, struct turn *turn) {
    if (outcome->status == STATUS_OK || !find->batch)
        worker_fail(find->question.call, outcome, turn);
    else
        fail(find, outcome->status, outcome->text, turn);
}

/* --- the end --------------------------------------------------------------------------------- */

static void send(struct find *find, struct turn *turn) {
    if (!find->batch) {
        edge_reply(find->question.call, &find->responses[0]->base, turn);
        return;
    }
    V1(BatchSearchResponse) response = VECTRON__WORKER__V1__BATCH_SEARCH_RESPONSE__INIT;
    response.n_responses = find->n_requests;
    response.responses = find->responses;
    edge_reply(find->question.call, &response.base, turn);
}

/* By score, then id, as everywhere. */
static int compare(const void *a, const void *b) {
    const struct found *left = a, *right = b;
    if (left->score != right->score) return left->score < right->score ? -1 : 1;
    return strcmp(left->id, right->id);
}

/* The hits so far, as a response. False: no memory. */
static bool conclude(struct find *find) {
    size_t n = find->n_hits;
    V1(SearchResponse) *response = arena_alloc(&find->arena, sizeof *response);
    if (!response) return false;
    vectron__worker__v1__search_response__init(response);
    response->ids = arena_alloc(&find->arena, (n + 1) * sizeof *response->ids);
    response->scores = arena_alloc(&find->arena, (n + 1) * sizeof *response->scores);
    response->metadata = arena_alloc(&find->arena, (n + 1) * sizeof *response->metadata);
    if (!response->ids || !response->scores || !response->metadata) return false;
    for (size_t i = 0; i < n; i++) {
        response->ids[i] = find->hits[i].id;
        response->scores[i] = find->hits[i].score;
        response->metadata[i] = find->hits[i].metadata;
    }
    response->n_ids = response->n_scores = response->n_metadata = n;
    find->responses[find->nth++] = response;
    return true;
}

/* --- shards ---------------------------------------------------------------------------------- */

static enum status add_found(struct find *find, const struct hit *from) {
    struct found *hit = &find->hits[find->n_hits];
    size_t size = from->id_size + 1;
    if (find->n_hits == find->room) return STATUS_INTERNAL; /* more than was asked for */
    hit->id = arena_alloc(&find->arena, size);
    if (!hit->id) return STATUS_NO_MEMORY;
    memcpy(hit->id, from->id, size);
    hit->score = from->distance;
    enum status s = worker_metadata(&from->payload, &find->arena, &hit->metadata);
    find->n_hits += s == STATUS_OK;
    return s;
}

static enum status add_page(struct find *find, const ShardHits *from) {
    if (!hits_valid(from)) return STATUS_INTERNAL;
    struct hits hits = hits_of(from);
    struct hit hit;
    enum status s = STATUS_OK;
    while (s == STATUS_OK && hits_next(&hits, &hit))
        s = add_found(find, &hit);
    return s;
}

static void on_hits(struct question *question, const struct outcome *outcome, struct turn *turn) {
    struct find *find = (struct find *)question;
    const ShardHits *hits = outcome_as(outcome, ShardHits, shard_hits);
    enum status s = find->failure;
    if (s == STATUS_OK && !hits && !outcome->more) {
        fail_outcome(find, outcome, turn);
        return;
    }
    if (hits && s == STATUS_OK) s = add_page(find, hits);
    if (s != STATUS_OK && outcome->more) { /* it can only end with the last part */
        if (find->failure == STATUS_OK) question_cancel(question, turn);
        find->failure = s;
        return;
    }
    if (s != STATUS_OK) {
        fail(find, s, "the shard's answer is not what was asked for", turn);
        return;
    }
    if (outcome->more) return;
    qsort(find->hits, find->n_hits, sizeof *find->hits, compare);
    if (find->n_hits > find->k) find->n_hits = find->k;
    next_shard(find, turn);
}

static void next_shard(struct find *find, struct turn *turn) {
    const V1(SearchRequest) *request = current(find);
    if (find->next == find->n_shards) {
        if (conclude(find))
            next_search(find, turn);
        else
            fail(find, STATUS_NO_MEMORY, NULL, turn);
        return;
    }
    const struct worker_lease lease = {find->shards[find->next], find->epochs[find->next],
                                       request->lease_expiry_unix_ms};
    find->next++;
    if (!worker_judge(find->question.call, &lease, find->name, turn)) return;
    ShardSearch search = SHARD_SEARCH__INIT;
    search.shard = lease.shard;
    search.epoch = lease.epoch;
    search.n_vector = request->n_vector;
    search.vector = request->vector;
    search.k = find->k;
    search.exact = request->brute_force;
    search.include_payload = true;
    search.consistency = request->linearizable ? VECTRON__V1__CONSISTENCY__CONSISTENCY_LINEARIZABLE
                                               : VECTRON__V1__CONSISTENCY__CONSISTENCY_EVENTUAL;
    find->question.to = find->name;
    find->question.done = on_hits;
    question_start(&find->question, &search.base, turn);
}

/* --- which shards ---------------------------------------------------------------------------- */

static uint64_t *copy(struct find *find, const uint64_t *from, size_t n) {
    uint64_t *to = arena_alloc(&find->arena, (n + 1) * sizeof *to);
    if (to && n) memcpy(to, from, n * sizeof *to);
    return to;
}

static void on_has(struct question *question, const struct outcome *outcome, struct turn *turn) {
    struct find *find = (struct find *)question;
    const KeeperHas *has = outcome_as(outcome, KeeperHas, keeper_has);
    char words[CHECK_WORDS_MAX];
    if (!has) {
        fail_outcome(find, outcome, turn);
        return;
    }
    if (has->n_shards == 0 || has->n_epochs != has->n_shards) {
        snprintf(words, sizeof words, "this worker keeps no shard of collection '%.128s'",
                 current(find)->collection);
        fail(find, STATUS_NOT_FOUND, words, turn);
        return;
    }
    find->n_shards = has->n_shards;
    find->shards = copy(find, has->shards, has->n_shards);
    find->epochs = copy(find, has->epochs, has->n_shards);
    find->room = (size_t)find->k * 2; /* the best so far, and what comes */
    if (find->shards && find->epochs)
        next_shard(find, turn);
    else
        fail(find, STATUS_NO_MEMORY, NULL, turn);
}

static void ask_keeper(struct find *find, struct turn *turn) {
    KeeperAsk message = KEEPER_ASK__INIT;
    message.collection = current(find)->collection;
    find->question.to = "keeper";
    find->question.done = on_has;
    question_start(&find->question, &message.base, turn);
}

static void next_search(struct find *find, struct turn *turn) {
    if (find->nth == find->n_requests) {
        send(find, turn);
        return;
    }
    const V1(SearchRequest) *request = current(find);
    find->k = request->k > 0 ? (uint32_t)request->k : CHECK_TOP_K_DEFAULT; /* contract 7.2 */
    if (find->k > CHECK_TOP_K_MAX) {
        fail(find, STATUS_INVALID, "k is above the limit of 10000", turn);
        return;
    }
    find->n_hits = find->next = 0;
    find->room = (size_t)find->k * 2;
    find->hits = arena_alloc(&find->arena, find->room * sizeof *find->hits);
    if (!find->hits) {
        fail(find, STATUS_NO_MEMORY, NULL, turn);
        return;
    }
    if (request->shard_id == 0) {
        ask_keeper(find, turn);
        return;
    }
    find->n_shards = 1;
    find->shards = &request->shard_id;
    find->epochs = &request->shard_epoch;
    next_shard(find, turn);
}

/* --- requests -------------------------------------------------------------------------------- */

static void start(struct edge_call *call,
                  V1(SearchRequest) * *requests,
                  size_t n,
                  bool batch,
                  struct turn *turn) {
    struct find *find = question_new(call, sizeof *find, turn);
    if (!find) return;
    find->question = (struct question){.call = call};
    find->requests = requests;
    find->n_requests = n;
    find->batch = batch;
    arena_init(&find->arena, BYTES_MAX);
    edge_call_on_free(call, on_free, find);
    find->responses = arena_alloc(&find->arena, (n + 1) * sizeof *find->responses);
    if (find->responses)
        next_search(find, turn);
    else
        edge_fail(call, STATUS_NO_MEMORY, NULL, turn);
}

void worker_search(void *self, struct edge_call *call, struct turn *turn) {
    (void)self;
    V1(SearchRequest) **requests = arena_alloc(edge_call_arena(call), sizeof *requests);
    if (!requests) {
        edge_fail(call, STATUS_NO_MEMORY, NULL, turn);
        return;
    }
    requests[0] = (V1(SearchRequest) *)(uintptr_t)edge_call_request(call);
    start(call, requests, 1, false, turn);
}

void worker_batch_search(void *self, struct edge_call *call, struct turn *turn) {
    (void)self;
    const V1(BatchSearchRequest) *request = (const void *)edge_call_request(call);
    if (request->n_requests > BATCH_MAX)
        edge_fail(call, STATUS_INVALID, "a batch has more than 1000 searches", turn);
    else
        start(call, request->requests, request->n_requests, true, turn);
}
