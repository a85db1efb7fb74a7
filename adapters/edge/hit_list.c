/* hit_list: hits come in pages of columns and are written as results where they are to stay. */
#include "adapters/edge/hit_list.h"

#include <string.h>

#include "adapters/edge/payload.h"
#include "runtime/poison.h"
#include "runtime/text.h"

static void *copy(struct arena *arena, const void *bytes, size_t size) {
    void *memory = arena_alloc(arena, size);
    if (memory && size) memcpy(memory, bytes, size);
    return memory;
}

/* values: what came beside id and score; NULL: nothing. */
static enum status
add_hit(struct hit_list *list, const char *id, float score, const RouterHit *values) {
    Vectron__V1__SearchResponse *response = &list->response;
    Vectron__V1__SearchResult *result = arena_alloc(list->arena, sizeof *result);
    if (!result) return STATUS_TOO_LARGE;
    vectron__v1__search_result__init(result);
    result->score = score;
    result->id = (char *)(uintptr_t)id;
    response->results[response->n_results++] = result;
    if (!values) return STATUS_OK;
    result->n_vector = values->n_vector;
    result->vector = copy(list->arena, values->vector, values->n_vector * sizeof *values->vector);
    if (!result->vector) return STATUS_TOO_LARGE;
    ProtobufCMessage **entries;
    enum status s =
        payload_unpack(&values->payload, &vectron__v1__search_result__payload_entry__descriptor,
                       list->arena, &entries, &result->n_payload);
    if (s != STATUS_OK) return s == STATUS_NO_MEMORY ? STATUS_TOO_LARGE : s;
    result->payload = (Vectron__V1__SearchResult__PayloadEntry **)entries;
    return STATUS_OK;
}

static enum status add_hits(struct hit_list *list, const RouterHits *hits) {
    size_t n = hits->n_scores;
    if (n > list->top_k - list->response.n_results) return STATUS_INTERNAL;
    if (hits->n_hits > 0 && hits->n_hits != n) return STATUS_INTERNAL;
    if (!text_column_valid(hits->ids.data, hits->ids.len, n)) return STATUS_INTERNAL;
    const char *id = copy(list->arena, hits->ids.data, hits->ids.len);
    enum status s = id ? STATUS_OK : STATUS_TOO_LARGE;
    for (size_t i = 0; s == STATUS_OK && i < n; i++) {
        float score;
        memcpy(&score, (const char *)hits->scores + i * sizeof score, sizeof score);
        s = add_hit(list, id, score, hits->n_hits > 0 ? hits->hits[i] : NULL);
        id += strlen(id) + 1;
    }
    return s;
}

/* What the shards told of how they went about it. */
static enum status add_explain(struct hit_list *list, const RouterHits *hits) {
    if (hits->n_plans == 0) return STATUS_OK;
    Vectron__V1__Explain *explain = arena_alloc(list->arena, sizeof *explain);
    Vectron__V1__ShardExplain **shards = arena_alloc(list->arena, hits->n_plans * sizeof *shards);
    if (!explain || !shards) return STATUS_TOO_LARGE;
    vectron__v1__explain__init(explain);
    for (size_t i = 0; i < hits->n_plans; i++) {
        const SearchPlan *plan = hits->plans[i];
        Vectron__V1__ShardExplain *shard = arena_alloc(list->arena, sizeof *shard);
        if (!shard) return STATUS_TOO_LARGE;
        vectron__v1__shard_explain__init(shard);
        shard->shard_id = (uint32_t)plan->shard;
        shard->plan = copy(list->arena, plan->plan, strlen(plan->plan) + 1);
        if (!shard->plan) return STATUS_TOO_LARGE;
        shard->fell_back = plan->fell_back;
        shard->points = plan->points;
        shard->matching = plan->matching;
        shard->visited = plan->visited;
        shard->distances = plan->distances;
        shard->match_ns = plan->match_ns;
        shard->search_ns = plan->search_ns;
        shard->fill_ns = plan->fill_ns;
        shard->ef = plan->ef;
        shard->recall = plan->recall;
        shards[explain->n_shards++] = shard;
    }
    explain->shards = shards;
    list->response.explain = explain;
    return STATUS_OK;
}

enum status hit_list_open(struct hit_list *list, struct arena *arena, uint32_t top_k) {
    *list = (struct hit_list){.arena = arena, .top_k = top_k};
    vectron__v1__search_response__init(&list->response);
    list->response.results = arena_alloc(arena, top_k * sizeof *list->response.results);
    return list->response.results ? STATUS_OK : STATUS_TOO_LARGE;
}

enum status hit_list_add(struct hit_list *list, const RouterHits *hits) {
    enum status s = add_hits(list, hits);
    return s == STATUS_OK && !hits->page_more ? add_explain(list, hits) : s;
}

enum status hit_list_end(struct hit_list *list, const RouterHits *hits, bool ranged) {
    Vectron__V1__SearchResponse *response = &list->response;
    if (ranged) {
        vectron__v1__range__init(&list->range);
        list->range.cut = hits->cut;
        response->range = &list->range;
    }
    response->partial = hits->partial;
    response->n_failed_shards = hits->n_failed_shards;
    response->failed_shards =
        copy(list->arena, hits->failed_shards, hits->n_failed_shards * sizeof *hits->failed_shards);
    response->session = copy(list->arena, hits->session, strlen(hits->session) + 1);
    return response->failed_shards && response->session ? STATUS_OK : STATUS_TOO_LARGE;
}

const char *hit_list_failure(enum status s) {
    if (s == STATUS_TOO_LARGE)
        return "the answer is above the limit of 64 MiB: ask for fewer results (top_k) or leave "
               "vectors and payload out";
    if (s == STATUS_CORRUPT) return "a stored payload is not a map of strings";
    return "the router's answer is not what was asked for";
}
