/* search: see the header. Hits are copied out of the index at once, so that the reader and the
 * epoch it holds are free before the disk is asked.
 *
 * A search sees the updates of its shard up to `applied`, as it was when the search began. Of an id
 * that was updated before, the old number is dropped; of one that is updated meanwhile, the old
 * number stays findable (grace) and the newer one wins when both are found. So an id that is there
 * all the time is in every search. Filling in payload and vectors asks the points, which are ahead
 * of the index: a number that has none was removed, or has a successor; then the index is searched
 * again, for as many more, once the successor's entry is applied. What was sent already is left
 * out. Measuring the candidates of an exact search asks the points first, by the same rules. */
#include "actors/searcher/search.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "actors/searcher/scan.h"
#include "runtime/assert.h"
#include "runtime/codec.h"
#include "runtime/memory.h"

#include "runtime/poison.h"

enum {
    STEP_COST = 1 << 19, /* of a step, in floats compared: some 0.3 ms */
    DISTANCE_COST = 128, /* of reaching a vector, in floats compared */
    FILL_STEP = 64,      /* hits filled or measured from the cache in a step */
    FETCH_STEP = 1024,   /* … measured in a blocking job */
    WAITS_MAX = 4000, /* of the searcher's SETTLE_US: a replica that stopped applying ends them */
    NS_PER_US = 1000,
    HIT_BYTES = 32, /* of an encoded hit, besides id, payload and vector */
    PAGE_IDS_MAX = SEARCH_PAGE_BYTES + 128 * 1024, /* a full page, and its last id */
    POINT_BYTES_MAX = INDEX_DIMENSION_MAX * (int)sizeof(float) + 128 * 1024,
};

static_assert(SEARCH_PAGE_BYTES + POINT_BYTES_MAX < CODEC_MESSAGE_MAX, "a page is one message");

enum status search_new(const ShardSearch *query,
                       struct holding *holding,
                       struct point_store *points,
                       struct search **out) {
    struct search *search = mem_zero(1, sizeof *search);
    if (!search) return STATUS_NO_MEMORY;
    search->vector = mem_copy(query->vector, query->n_vector * sizeof(float));
    if (!search->vector) {
        mem_free(search);
        return STATUS_NO_MEMORY;
    }
    arena_init(&search->arena, 0);
    arena_init(&search->page_arena, 0);
    search->holding = holding;
    search->points = points;
    search->k = query->k;
    search->ef = query->ef;
    search->target_recall = query->target_recall;
    search->exact = scan_is_exact(holding, query);
    search->rescore = query->rescore > 0 ? query->rescore : holding->rescore;
    search->mapped =
        index_view_originals(holding->view) == INDEX_ORIGINALS_MAPPED && !query->ranged;
    if (search->exact || search->mapped)
        search->measure.margin = search->exact ? measure_margin(query->k)
                                               : measure_margin_walked(query->k, search->rescore);
    search->with_vectors = query->include_vectors;
    search->with_payload = query->include_payload;
    search->explain = query->explain;
    search->ranged = query->ranged;
    search->within = query->within;
    enum status s = STATUS_OK;
    if (query->n_filter > 0)
        s = filters_read(query->filter, query->n_filter, &search->arena, &search->filter);
    if (s == STATUS_OK) {
        *out = search;
        return s;
    }
    search->holding = NULL; /* the caller's */
    search_free(search);
    return s;
}

void search_free(struct search *search) {
    if (!search) return;
    assert(!search->reader); /* search_release came first */
    scan_free(search->scan);
    arena_free(&search->arena);
    arena_free(&search->page_arena);
    holding_drop(search->holding);
    index_ruler_close(search->measure.ruler);
    mem_free(search->vector);
    mem_free(search);
}

enum status search_start(struct search *search, struct index_reader *reader) {
    uint64_t k = (uint64_t)search->k + search->extra + search->measure.margin;
    uint32_t k_max = search->exact ? INDEX_EXACT_MAX : INDEX_K_MAX;
    struct index_query query = {.vector = search->vector,
                                .k = k < k_max ? (uint32_t)k : k_max,
                                .ef = search->ef < INDEX_EF_MAX ? search->ef : INDEX_EF_MAX,
                                .target_recall = search->target_recall,
                                .rescore = search->mapped ? 0 : search->rescore,
                                .filter = search->filter.n_nodes ? &search->filter : NULL,
                                .ranged = search->ranged,
                                .within = search->within,
                                .exact = search->exact};
    enum status s = STATUS_OK;
    if (search->exact && search->ranged) s = measure_within(search, &query.within);
    if (s != STATUS_OK) return s;
    /* In this order: what is replaced after `applied` was read stays in the index until we leave.
     */
    uint32_t phase = grace_enter(&search->holding->grace);
    search->applied = atomic_load_explicit(&search->holding->applied, memory_order_acquire);
    s = index_search_start(reader, search->holding->view, &query);
    if (s != STATUS_OK) {
        grace_leave(&search->holding->grace, phase);
        return s;
    }
    search->phase = phase;
    search->reader = reader;
    search->attempts++;
    search->asked = query.k;
    search->unsettled = false;
    search->stage = SEARCH_SEARCHING;
    return STATUS_OK;
}

struct index_reader *search_release(struct search *search) {
    struct index_reader *reader = search->reader;
    if (!reader) return NULL;
    index_search_end(reader);
    grace_leave(&search->holding->grace, search->phase);
    search->reader = NULL;
    return reader;
}

/* --- ids seen
 * ------------------------------------------------------------------------------------------- */

static uint64_t hash_id(const char *id) {
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (; *id; id++)
        hash = (hash ^ (unsigned char)*id) * UINT64_C(0x100000001b3);
    return hash ^ hash >> 32;
}

/* A table with room for k ids at half load. */
static enum status ids_open(struct search *search) {
    size_t size = 16;
    while (size < 2 * (size_t)search->k)
        size *= 2;
    search->ids = arena_zero(&search->arena, size * sizeof *search->ids);
    search->ids_mask = size - 1;
    return search->ids ? STATUS_OK : STATUS_NO_MEMORY;
}

/* The id's place: empty, or holding an equal id. */
static const char **ids_find(const struct search *search, const char *id) {
    size_t at = hash_id(id) & search->ids_mask;
    while (search->ids[at] && strcmp(search->ids[at], id) != 0)
        at = (at + 1) & search->ids_mask;
    return &search->ids[at];
}

/* --- SEARCHING
 * ------------------------------------------------------------------------------------------ */

static enum status copy_hits(struct search *search, const struct index_hit *hits, size_t n) {
    search->hits = arena_alloc(&search->arena, (n + 1) * sizeof *search->hits);
    if (!search->hits) return STATUS_NO_MEMORY;
    for (size_t i = 0; i < n; i++) {
        char *id = arena_alloc(&search->arena, (size_t)hits[i].id_size + 1);
        if (!id) return STATUS_NO_MEMORY;
        memcpy(id, hits[i].id, hits[i].id_size);
        id[hits[i].id_size] = '\0';
        search->hits[i] = (struct search_hit){.number = hits[i].number,
                                              .id = id,
                                              .id_size = hits[i].id_size,
                                              .distance = hits[i].distance};
        uint64_t replaced = grace_replaced(&search->holding->grace, hits[i].number);
        if (replaced == 0 || replaced > search->applied) continue;
        search->hits[i].dropped = true; /* replaced before this search began */
        search->extra++;
    }
    search->n_hits = n;
    search->next_hit = 0;
    return STATUS_OK;
}

/* Of hits with one id the newest number stays. */
static enum status drop_versions(struct search *search) {
    size_t size = 16;
    while (size < 2 * search->n_hits)
        size *= 2;
    uint32_t *table = arena_zero(&search->arena, size * sizeof *table); /* index of the hit + 1 */
    if (!table) return STATUS_NO_MEMORY;
    for (size_t i = 0; i < search->n_hits; i++) {
        struct search_hit *hit = &search->hits[i];
        if (hit->dropped) continue;
        size_t at = hash_id(hit->id) & (size - 1);
        while (table[at] && strcmp(search->hits[table[at] - 1].id, hit->id) != 0)
            at = (at + 1) & (size - 1);
        if (table[at] == 0) {
            table[at] = (uint32_t)i + 1;
            continue;
        }
        struct search_hit *other = &search->hits[table[at] - 1];
        bool newer = hit->number > other->number;
        (newer ? other : hit)->dropped = true;
        if (newer) table[at] = (uint32_t)i + 1;
        search->extra++;
    }
    return STATUS_OK;
}

static enum search_want fail(struct search *search, enum status status) {
    search->status = status;
    return SEARCH_FAIL;
}

void search_trim(struct search *search) {
    size_t n = 0;
    if (!search->ranged) return;
    while (n < search->n_hits && search->hits[n].distance <= search->within)
        n++;
    search->n_hits = n;
}

enum status search_found(struct search *search, const struct index_hit *hits, size_t n) {
    enum status s = copy_hits(search, hits, n);
    if (s == STATUS_OK) s = drop_versions(search);
    if (s == STATUS_OK && !search->ids) s = ids_open(search);
    if (s != STATUS_OK) return s;
    search->measures = (search->exact || search->mapped) && search->stats.coded;
    if (!search->measures) search_trim(search);
    if (search->measures) s = measure_begin(search);
    search->stage = search->measures ? SEARCH_MEASURING : SEARCH_FILLING;
    return s;
}

static enum search_want step_searching(struct search *search) {
    size_t budget = STEP_COST / (DISTANCE_COST + search->holding->dimension) + 1;
    bool done = false;
    enum status s = index_search_step(search->reader, budget, &done);
    if (s != STATUS_OK) return fail(search, s);
    if (!done) return SEARCH_MORE;
    size_t n;
    const struct index_hit *hits = index_search_hits(search->reader, &n);
    search->stats = index_search_stats(search->reader);
    s = search_found(search, hits, n);
    return s == STATUS_OK ? SEARCH_MORE : fail(search, s);
}

/* --- MEASURING
 * ------------------------------------------------------------------------------------------ */

/* The index has more than was asked for: what did not count may have kept others out. (Hits that
 * died during the search are not even given, so their number says nothing.) */
static bool was_crowded_out(const struct search *search) {
    if (search->ranged) return search->stats.cut;
    if (search->filter.n_nodes) return search->asked < search->stats.matching;
    struct index_stats stats = index_stats(search->holding->view);
    return search->asked < stats.points + stats.removed;
}

static enum search_want step_measuring(struct search *search) {
    enum status s = measure_some(search, KV_CACHED, FILL_STEP);
    if (s == STATUS_NOT_READY) {
        search->stage = SEARCH_FETCHING;
        return SEARCH_FETCH;
    }
    if (s != STATUS_OK) return fail(search, s);
    if (search->next_hit < search->n_hits) return SEARCH_MORE;
    search->measures = false;
    bool wider =
        measure_end(search) && search->attempts < SEARCH_ATTEMPTS && was_crowded_out(search);
    search->stage = wider ? SEARCH_WAITING : SEARCH_FILLING; /* for a reader: another look */
    return SEARCH_MORE;
}

/* --- FILLING
 * -------------------------------------------------------------------------------------------- */

static void page_clear(struct search *search) {
    search->page = (struct search_page){0};
    arena_reset(&search->page_arena);
}

/* For what is left of the hits, as far as one page goes. */
static enum status page_open(struct search *search) {
    struct search_page *page = &search->page;
    struct arena *arena = &search->page_arena;
    size_t n = search->n_hits - search->next_hit, ids_size = 0;
    if (n > search->k - search->n_sent) n = search->k - search->n_sent;
    for (size_t i = search->next_hit; i < search->n_hits; i++)
        ids_size += (size_t)search->hits[i].id_size + 1;
    page->ids = arena_alloc(arena, ids_size < PAGE_IDS_MAX ? ids_size : PAGE_IDS_MAX);
    page->names = arena_alloc(arena, n * sizeof *page->names);
    if (search->with_payload || search->with_vectors) {
        page->values = arena_alloc(arena, n * sizeof *page->values);
        if (!page->values) return STATUS_NO_MEMORY;
    }
    if (!page->ids || !page->names) return STATUS_NO_MEMORY;
    page->distances = arena_alloc(arena, n * sizeof *page->distances);
    return page->distances ? STATUS_OK : STATUS_NO_MEMORY;
}

static void *page_copy(struct search *search, const void *data, size_t size) {
    void *copy = arena_alloc(&search->page_arena, size + 1);
    if (copy && size > 0) memcpy(copy, data, size);
    return copy;
}

static enum status page_value(struct search *search, const struct point *point) {
    struct search_page *page = &search->page;
    ShardValue *value = arena_alloc(&search->page_arena, sizeof *value);
    if (!value) return STATUS_NO_MEMORY;
    shard_value__init(value);
    if (search->with_payload && point->payload.size > 0) {
        value->payload.len = point->payload.size;
        value->payload.data = page_copy(search, point->payload.data, point->payload.size);
        if (!value->payload.data) return STATUS_NO_MEMORY;
        page->bytes += point->payload.size;
    }
    if (search->with_vectors) {
        value->n_vector = point->vector.size / sizeof(float);
        value->vector = page_copy(search, point->vector.data, point->vector.size);
        if (!value->vector) return STATUS_NO_MEMORY;
        page->bytes += point->vector.size;
    }
    page->values[page->n] = value;
    return STATUS_OK;
}

/* point: NULL when neither payload nor vectors were asked for. */
static enum status
page_add(struct search *search, const struct search_hit *hit, const struct point *point) {
    struct search_page *page = &search->page;
    enum status s = page->distances ? STATUS_OK : page_open(search);
    if (s == STATUS_OK && point) s = page_value(search, point);
    if (s != STATUS_OK) return s;
    memcpy(page->ids + page->ids_size, hit->id, (size_t)hit->id_size + 1);
    page->ids_size += (size_t)hit->id_size + 1;
    page->names[page->n] = hit->id;
    page->distances[page->n++] = hit->distance;
    page->bytes += hit->id_size + HIT_BYTES;
    return STATUS_OK;
}

enum status
search_note_gone(struct search *search, const struct search_hit *hit, enum kv_tier tier) {
    struct point_value value;
    struct bytes id = {hit->id, strlen(hit->id)};
    enum status s = point_store_get(search->points, search->holding->store_id, id, tier, &value);
    if (s != STATUS_OK && s != STATUS_NOT_FOUND) return s;
    search->extra++;
    if (s == STATUS_NOT_FOUND) return STATUS_OK;
    uint64_t index = value.point.number >> POINT_POSITION_BITS;
    if (index > search->need) search->need = index;
    search->unsettled = true;
    point_value_free(&value);
    return STATUS_OK;
}

/* The payload indexes that the filter needs are being built. */
static bool lacks_columns(const struct search *search) {
    struct index_column missing;
    return search->filter.n_nodes &&
           index_columns_missing(search->holding->view, &search->filter, &missing, 1) > 0;
}

static_assert(INDEX_COLUMNS_MAX == 64, "words of search_hopeless");

enum status search_hopeless(struct search *search) {
    struct index_column missing;
    const struct index_view *view = search->holding->view;
    if (!search->filter.n_nodes || index_columns_missing(view, &search->filter, &missing, 1) == 0 ||
        index_has_column(view, &missing))
        return STATUS_OK;
    if (index_stats(view).columns < INDEX_COLUMNS_MAX) return STATUS_NOT_READY;
    search->words =
        "the filter asks for a payload index that is not among the 64 of its shard, the "
        "limit: create those that matter, drop those that do not";
    return STATUS_INVALID;
}

bool search_ready(struct search *search) {
    if (lacks_columns(search)) return false; /* until its caller gives up */
    uint64_t applied = atomic_load_explicit(&search->holding->applied, memory_order_acquire);
    return applied >= search->need || search->waits++ >= WAITS_MAX;
}

/* NOT_READY: the point is on the disk and tier is KV_CACHED. */
static enum status fill_hit(struct search *search, enum kv_tier tier) {
    const struct search_hit *hit = &search->hits[search->next_hit];
    enum status s = STATUS_OK;
    if (hit->dropped || *ids_find(search, hit->id)) {
        search->next_hit++;
        return STATUS_OK;
    }
    if (search->with_payload || search->with_vectors) {
        struct point_value value;
        s = point_store_read(search->points, search->holding->store_id, hit->number, tier, &value);
        if (s == STATUS_NOT_FOUND) {
            s = search_note_gone(search, hit, tier);
            if (s != STATUS_OK) return s;
            search->next_hit++;
            return STATUS_OK;
        }
        if (s != STATUS_OK) return s;
        s = page_add(search, hit, &value.point);
        point_value_free(&value);
    } else {
        s = page_add(search, hit, NULL);
    }
    search->next_hit++;
    return s;
}

/* A hit has a successor that was not found: whatever else there is, this look does not count. */
static bool look_is_void(const struct search *search) {
    return search->unsettled && search->attempts < SEARCH_ATTEMPTS;
}

/* Nothing to fill in: every hit was looked at, or there are enough. */
static bool filled(const struct search *search) {
    return look_is_void(search) || search->next_hit == search->n_hits ||
           search->n_sent + search->page.n >= search->k;
}

static bool page_full(const struct search *search) {
    return search->page.bytes >= SEARCH_PAGE_BYTES;
}

enum status search_fetch(void *context) {
    struct search *search = context;
    enum status s = STATUS_OK;
    if (search->measures) s = measure_some(search, KV_ANY, FETCH_STEP);
    while (s == STATUS_OK && !search->measures && !filled(search) && !page_full(search))
        s = fill_hit(search, KV_ANY);
    search->status = s;
    return STATUS_OK;
}

static enum search_want step_filling(struct search *search) {
    enum status s = STATUS_OK;
    for (int i = 0; s == STATUS_OK && i < FILL_STEP; i++) {
        if (filled(search) || page_full(search)) break;
        s = fill_hit(search, KV_CACHED);
    }
    if (s == STATUS_NOT_READY) {
        search->stage = SEARCH_FETCHING;
        return SEARCH_FETCH;
    }
    if (s != STATUS_OK) return fail(search, s);
    if (!filled(search)) return page_full(search) ? SEARCH_PAGE : SEARCH_MORE;
    bool short_of = search->n_sent + search->page.n < search->k;
    bool more = search->extra > 0 && search->attempts < SEARCH_ATTEMPTS && was_crowded_out(search);
    if (look_is_void(search) || (short_of && more)) {
        page_clear(search);
        search->stage = SEARCH_WAITING; /* for a reader: another look */
        return SEARCH_MORE;
    }
    return SEARCH_LAST;
}

enum search_want search_step(struct search *search) {
    switch (search->stage) {
    case SEARCH_SCANNING: {
        enum status s = scan_step(search->scan);
        return s == STATUS_OK ? SEARCH_MORE : fail(search, s);
    }
    case SEARCH_SEARCHING:
        return step_searching(search);
    case SEARCH_FETCHING:
        if (search->status != STATUS_OK) return SEARCH_FAIL;
        search->stage = search->measures ? SEARCH_MEASURING : SEARCH_FILLING;
        return search->measures ? step_measuring(search) : step_filling(search);
    case SEARCH_MEASURING:
        return step_measuring(search);
    case SEARCH_FILLING:
        return step_filling(search);
    case SEARCH_WAITING:
        break;
    }
    return SEARCH_MORE;
}

/* How it was done, when that was asked for. */
static SearchPlan *explain(struct search *search) {
    SearchPlan *plan = search->explain ? arena_alloc(&search->page_arena, sizeof *plan) : NULL;
    if (!plan) return NULL;
    search_plan__init(plan);
    plan->plan = (char *)(uintptr_t)index_plan_name(search->stats.plan);
    plan->fell_back = search->stats.fell_back;
    plan->points = search->stats.points;
    plan->matching = search->stats.matching;
    plan->visited = search->stats.hops;
    plan->distances = search->stats.distances;
    bool scan = search->stats.plan == INDEX_PLAN_SCAN;
    plan->ef = scan ? 0 : search->stats.ef;
    plan->recall = scan ? 0 : search->stats.recall;
    plan->match_ns = search->times.match_us * NS_PER_US;
    plan->search_ns = search->times.search_us * NS_PER_US;
    plan->fill_ns = search->times.fill_us * NS_PER_US;
    return plan;
}

void search_page(struct search *search, bool last, ShardHits *out) {
    const struct search_page *page = &search->page;
    shard_hits__init(out);
    out->ids.len = page->ids_size;
    out->ids.data = (uint8_t *)page->ids;
    out->n_distances = page->n;
    out->distances = page->distances;
    out->n_values = page->values ? page->n : 0;
    out->values = page->values;
    out->page_more = !last;
    out->applied = search->applied;
    out->plan = last ? explain(search) : NULL;
    out->cut = last && search->ranged && (search->stats.cut || search->next_hit < search->n_hits);
}

void search_page_sent(struct search *search) {
    for (size_t i = 0; i < search->page.n; i++)
        *ids_find(search, search->page.names[i]) = search->page.names[i];
    search->n_sent += (uint32_t)search->page.n;
    page_clear(search);
}
