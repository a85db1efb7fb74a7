/* queries: searches.
 *
 *     RouterSearch ─▶ one ShardSearch a shard, at once ─▶ parts ─▶ merge ─▶ last shard answered, or
 * time is up └─ stream: the best so far, a shard answered
 *
 * A search looks at every shard. If one did not answer, the reply is an error, or marked partial
 * when the caller allowed that: by allow_partial, or by giving a budget (timeout_ms). A collection
 * of one shard needs no merge: its hits go straight from the message to the answer, and to who asks
 * for columns as the columns they came in. */
#include <inttypes.h>
#include <string.h>

#include "actors/filters.h"
#include "actors/router/hub.h"
#include "actors/router/page.h"
#include "actors/router/session.h"
#include "runtime/assert.h"
#include "runtime/codec.h"
#include "runtime/memory.h"

#include "runtime/poison.h"

enum {
    PATIENCE_US = 1500 * 1000, /* for a shard that moves or restarts */
    MARGIN_US = 50 * 1000,     /* of the caller's deadline, kept for a partial answer */
};

static_assert(ROUTER_PAGE_BYTES + INDEX_DIMENSION_MAX * 4 + 128 * 1024 < CODEC_MESSAGE_MAX,
              "a page with its last hit is one message");

struct part {
    struct ask ask;
    struct query *query;
    ShardSearch message;
    uint64_t shard;
    uint64_t applied;
    SearchPlan *plan;   /* in the arena; NULL: it told none */
    enum status status; /* of a failure */
    const char *words;
    bool open; /* no final outcome yet */
};

struct query {
    struct request base; /* first */
    struct hub *hub;
    const char *collection;
    struct part *parts;
    uint32_t n_parts;
    uint32_t n_open;
    uint32_t n_failed;
    struct merge merge;
    size_t merge_kept; /* bytes counted for it */
    uint64_t timer;    /* of the budget, 0 = none */
    bool may_be_partial;
    bool stream;
    bool ranged;
    bool cut;         /* a shard had more within the distance than it gave */
    bool columns;     /* ids and scores are asked for as such */
    bool with_values; /* payloads or vectors are asked for */
    bool answered;    /* the promise is settled; what is open still ends */
    size_t sent;      /* hits of the final answer */
};

static void query_release(struct request *request) {
    merge_free(&((struct query *)request)->merge);
}

/* Everything is over: no outcome is to come. */
static void end_if_done(struct hub *self, struct query *query, struct turn *turn) {
    if (!query->answered || query->n_open > 0) return;
    if (query->timer) turn_timer_cancel(turn, query->timer);
    request_end(self, &query->base);
}

/* --- the answer
 * ----------------------------------------------------------------------------------------- */

static const char *token(const struct query *query, struct turn *turn) {
    struct buffer text;
    buffer_init(&text);
    for (uint32_t i = 0; i < query->n_parts; i++)
        if (query->parts[i].applied > 0)
            session_put(&text, query->parts[i].shard, query->parts[i].applied);
    bool fits = !text.failed && text.size > 0 && text.size < SESSION_TEXT_MAX;
    char *copy = fits ? turn_alloc(turn, text.size + 1) : NULL;
    if (copy) memcpy(copy, text.data, text.size);
    buffer_free(&text);
    return copy ? copy : "";
}

/* What the shards said about how they went about it. */
static void set_plans(const struct query *query, RouterHits *out, struct turn *turn) {
    out->plans = turn_alloc(turn, query->n_parts * sizeof *out->plans);
    for (uint32_t i = 0; out->plans && i < query->n_parts; i++)
        if (query->parts[i].plan) out->plans[out->n_plans++] = query->parts[i].plan;
}

static void keep_plan(struct part *part, const ShardHits *hits) {
    struct arena *arena = &part->query->base.arena;
    if (!hits->plan) return;
    size_t size = strlen(hits->plan->plan) + 1;
    SearchPlan *plan = arena_alloc(arena, sizeof *plan);
    char *name = arena_alloc(arena, size);
    if (!plan || !name) return; /* told to people: an answer without it is one */
    *plan = *hits->plan;
    plan->plan = memcpy(name, hits->plan->plan, size);
    plan->shard = part->shard;
    part->plan = plan;
}

static void set_failed(const struct query *query, RouterHits *out, struct turn *turn) {
    if (query->n_failed == 0) return;
    out->failed_shards = turn_alloc(turn, query->n_failed * sizeof *out->failed_shards);
    out->partial = true;
    for (uint32_t i = 0; out->failed_shards && i < query->n_parts; i++)
        if (query->parts[i].status != STATUS_OK)
            out->failed_shards[out->n_failed_shards++] = (uint32_t)query->parts[i].shard;
}

static struct page page_for(const struct query *query, RouterHits *out) {
    return page_of(query->columns, query->with_values, out);
}

/* One page of merged hits from `from` on; returns where the next one begins. */
static size_t
fill_page(const struct query *query, size_t from, RouterHits *out, struct turn *turn) {
    struct page page = page_for(query, out);
    size_t bytes = 0;
    return page_merge(&page, &query->merge, from, &bytes, turn);
}

/* A cumulative best-so-far; its last page is a part too. */
static void send_snapshot(struct query *query, struct turn *turn) {
    size_t at = 0;
    do {
        RouterHits hits = ROUTER_HITS__INIT;
        size_t next = fill_page(query, at, &hits, turn);
        if (next == at && query->merge.n > 0) return; /* no memory: the final answer says so */
        at = next;
        turn_resolve_part(turn, &query->base.promise, &hits.base);
    } while (at < query->merge.n);
}

/* A page a turn: the answer to a large search is many megabytes. */
static void send_final(void *actor, void *context, struct turn *turn) {
    struct query *query = context;
    RouterHits hits = ROUTER_HITS__INIT;
    size_t next = fill_page(query, query->sent, &hits, turn);
    if (next == query->sent && query->merge.n > 0) {
        turn_reject(turn, &query->base.promise, STATUS_NO_MEMORY, "search");
    } else if (hits.page_more) {
        query->sent = next;
        turn_resolve_part(turn, &query->base.promise, &hits.base);
        turn_later(turn, send_final, query);
        return;
    } else {
        set_failed(query, &hits, turn);
        set_plans(query, &hits, turn);
        hits.cut = query->cut || (query->ranged && query->merge.cut);
        hits.session = (char *)(uintptr_t)token(query, turn);
        turn_resolve(turn, &query->base.promise, &hits.base);
    }
    query->n_open--; /* taken by finish */
    end_if_done(actor, query, turn);
}

static const struct part *first_failed(const struct query *query) {
    for (uint32_t i = 0; i < query->n_parts; i++)
        if (query->parts[i].status != STATUS_OK) return &query->parts[i];
    return NULL;
}

static bool only_time_ran_out(const struct query *query) {
    for (uint32_t i = 0; i < query->n_parts; i++)
        if (query->parts[i].status != STATUS_EXPIRED) return false;
    return true;
}

static void reject(struct query *query, const struct part *failed, struct turn *turn) {
    if (only_time_ran_out(query))
        turn_reject(turn, &query->base.promise, STATUS_EXPIRED,
                    "search timed out before any results were returned");
    else if (failed->status == STATUS_NOT_FOUND)
        turn_reject(turn, &query->base.promise, failed->status, "%s", failed->words);
    else
        turn_reject(turn, &query->base.promise, failed->status,
                    "shard %" PRIu64 " of collection '%s': %s", failed->shard, query->collection,
                    failed->words);
}

/* Every shard answered or failed, or the budget is spent. */
static void finish(struct hub *self, struct query *query, struct turn *turn) {
    assert(!query->answered);
    query->answered = true;
    const struct part *failed = first_failed(query);
    bool nothing = query->n_failed == query->n_parts;
    if (failed && (nothing || !query->may_be_partial)) {
        reject(query, failed, turn);
    } else if (merge_settle(&query->merge) != STATUS_OK) {
        turn_reject(turn, &query->base.promise, STATUS_NO_MEMORY, "search");
    } else {
        query->n_open++; /* for send_final */
        send_final(self, query, turn);
        return;
    }
    end_if_done(self, query, turn);
}

/* --- shards answer
 * -------------------------------------------------------------------------------------- */

static void fail_part(struct part *part, enum status status, const char *words) {
    if (part->status != STATUS_OK) return;
    struct arena *arena = &part->query->base.arena;
    size_t size = strlen(words) + 1;
    char *copy = arena_alloc(arena, size);
    part->status = status;
    part->words = copy ? memcpy(copy, words, size) : status_text(status);
    part->query->n_failed++;
}

static enum status add_hits(struct query *query, const ShardHits *from) {
    struct hits hits = hits_of(from);
    struct hit hit;
    enum status s = STATUS_OK;
    while (s == STATUS_OK && hits_next(&hits, &hit))
        s = merge_add(&query->merge, &hit);
    size_t bytes = query->merge.bytes;
    if (s == STATUS_OK && bytes > query->merge_kept) {
        if (!request_keep(query->hub, &query->base, bytes - query->merge_kept))
            s = STATUS_BUSY;
        else
            query->merge_kept = bytes;
    }
    return s;
}

/* One shard, one page: straight through. */
static void
pass_on(struct hub *self, struct query *query, const ShardHits *from, struct turn *turn) {
    RouterHits hits = ROUTER_HITS__INIT;
    struct page page = page_for(query, &hits);
    query->answered = true;
    if (!page_pass(&page, from, turn)) {
        turn_reject(turn, &query->base.promise, STATUS_NO_MEMORY, "search");
    } else {
        set_plans(query, &hits, turn);
        hits.cut = query->cut;
        hits.session = (char *)(uintptr_t)token(query, turn);
        turn_resolve(turn, &query->base.promise, &hits.base);
    }
    end_if_done(self, query, turn);
}

static bool sorted(const ShardHits *from) {
    struct hits hits = hits_of(from);
    struct hit a, b;
    if (!hits_next(&hits, &a)) return true;
    for (; hits_next(&hits, &b); a = b) {
        if (a.distance > b.distance) return false;
        if (a.distance == b.distance && strcmp(a.id, b.id) >= 0) return false;
    }
    return true;
}

static void
part_done(struct hub *self, struct ask *ask, const struct outcome *outcome, struct turn *turn) {
    struct part *part = ask->context;
    struct query *query = part->query;
    const ShardHits *hits = outcome_as(outcome, ShardHits, shard_hits);
    if (!outcome->more) {
        part->open = false;
        query->n_open--;
    }
    if (query->answered) {
        end_if_done(self, query, turn);
        return;
    }
    enum status s = outcome->status;
    if (s == STATUS_OK && (!hits || !hits_valid(hits))) s = STATUS_INTERNAL;
    if (s == STATUS_OK && !outcome->more) {
        part->applied = hits->applied;
        query->cut |= hits->cut;
        keep_plan(part, hits);
    }
    bool single = query->n_parts == 1 && !outcome->more && query->merge.n == 0;
    if (s == STATUS_OK && single && !hits->page_more && sorted(hits)) {
        pass_on(self, query, hits, turn);
        return;
    }
    if (s == STATUS_OK) s = add_hits(query, hits);
    if (s != STATUS_OK)
        fail_part(part, s, outcome->text && outcome->text[0] ? outcome->text : status_text(s));
    if (query->n_open == 0) {
        finish(self, query, turn);
    } else if (!outcome->more && query->stream && part->status == STATUS_OK) {
        if (merge_settle(&query->merge) == STATUS_OK) send_snapshot(query, turn);
    }
}

/* The budget is spent: what did not answer by now counts as lost. */
static void on_budget(void *actor, void *context, struct turn *turn) {
    struct hub *self = actor;
    struct query *query = context;
    query->timer = 0;
    if (query->answered) return;
    for (uint32_t i = 0; i < query->n_parts; i++) {
        struct part *part = &query->parts[i];
        if (!part->open) continue;
        fail_part(part, STATUS_EXPIRED, "no answer in time");
        ask_stop(self, &part->ask, turn);
        part->open = false;
        query->n_open--;
    }
    finish(self, query, turn);
}

/* --- requests
 * ------------------------------------------------------------------------------------------- */

static enum status
prepare(struct query *query, const RouterSearch *msg, const struct route *route) {
    struct arena *arena = &query->base.arena;
    size_t vector_size = msg->n_vector * sizeof(float);
    size_t name_size = strlen(msg->collection) + 1;
    float *vector = arena_alloc(arena, vector_size);
    char *collection = arena_alloc(arena, name_size);
    query->parts = arena_zero(arena, route->n_shards * sizeof *query->parts);
    FilterNode **filter = filters_copy(msg->filter, msg->n_filter, arena);
    if (!vector || !collection || !query->parts || !filter) return STATUS_NO_MEMORY;
    memcpy((void *)vector, (const void *)msg->vector, vector_size);
    query->collection = memcpy(collection, msg->collection, name_size);
    query->n_parts = route->n_shards;
    uint32_t level = level_of_search(query->hub, msg->collection, msg->consistency);
    enum way way = level_way(level, false);
    for (uint32_t i = 0; i < route->n_shards; i++) {
        struct part *part = &query->parts[i];
        struct target *target = route->shards[i].target;
        shard_search__init(&part->message);
        part->message.shard = target->shard;
        part->message.n_vector = msg->n_vector;
        part->message.vector = vector;
        part->message.k = msg->top_k;
        part->message.ef = msg->ef;
        part->message.exact = msg->exact;
        part->message.include_vectors = msg->include_vectors;
        part->message.include_payload = msg->include_payload;
        part->message.n_filter = msg->n_filter;
        part->message.filter = filter;
        part->message.explain = msg->explain;
        part->message.ranged = msg->ranged;
        part->message.within = msg->within;
        part->message.target_recall = msg->target_recall;
        part->message.rescore = msg->rescore;
        part->message.consistency = level;
        part->message.session_index = level_index(level, msg->session, target);
        part->message.max_staleness_ms = level_staleness_ms(level, msg->max_staleness_ms);
        part->query = query;
        part->shard = target->shard;
        part->ask.target = target;
        part->ask.way = way;
    }
    return STATUS_OK;
}

static void ask_all(struct query *query, const RouterSearch *msg, struct turn *turn) {
    uint64_t now = turn_now_us(turn);
    uint64_t deadline = query->base.promise.deadline_us;
    if (deadline == NO_DEADLINE) deadline = now + CALL_DEFAULT_US;
    uint64_t budget = deadline;
    if (query->may_be_partial && deadline > now + 2 * MARGIN_US) budget = deadline - MARGIN_US;
    if (msg->timeout_ms > 0 && now + msg->timeout_ms * UINT64_C(1000) < budget)
        budget = now + msg->timeout_ms * UINT64_C(1000);
    if (query->may_be_partial) query->timer = turn_timer(turn, budget - now, on_budget, query);
    query->n_open = query->n_parts + 1; /* one for this loop */
    for (uint32_t i = 0; i < query->n_parts; i++) {
        struct part *part = &query->parts[i];
        part->open = true;
        part->ask.message = &part->message.base;
        part->ask.epoch = &part->message.epoch;
        part->ask.behalf = &query->base.promise;
        part->ask.deadline_us = budget;
        part->ask.patience_us = now + PATIENCE_US;
        part->ask.read = true;
        part->ask.kind = PACE_SEARCH;
        part->ask.done = part_done;
        part->ask.context = part;
        ask_start(query->hub, &part->ask, turn);
    }
    query->n_open--;
}

static bool judge(const RouterSearch *msg, const struct promise *promise, struct turn *turn) {
    if (msg->top_k == 0 || msg->top_k > ROUTER_TOP_K_MAX)
        turn_reject(turn, promise, STATUS_INVALID, "top_k is %" PRIu32 ", not 1 to %d", msg->top_k,
                    ROUTER_TOP_K_MAX);
    else if (msg->ef > INDEX_EF_MAX)
        turn_reject(turn, promise, STATUS_INVALID, "ef is %" PRIu32 ", above %d", msg->ef,
                    INDEX_EF_MAX);
    else if (session_check(msg->session) != STATUS_OK)
        turn_reject(turn, promise, STATUS_INVALID, "session token is malformed");
    else
        return true;
    return false;
}

bool start_search(struct hub *self,
                  const void *message,
                  const struct promise *promise,
                  struct route *route,
                  bool fresh,
                  struct turn *turn) {
    const RouterSearch *msg = message;
    if (msg->n_vector != route->dimension) {
        if (!fresh) return false; /* the collection may be another one by now */
        turn_reject(turn, promise, STATUS_INVALID,
                    "search vector dimension %zu does not match index dimension %" PRIu32
                    " of collection \"%s\"",
                    msg->n_vector, route->dimension, route->name);
        return true;
    }
    if (!judge(msg, promise, turn)) return true;
    struct query *query = request_new(self, sizeof *query, promise, turn);
    if (!query) return true;
    query->hub = self;
    query->base.release = query_release;
    query->may_be_partial = msg->allow_partial || msg->timeout_ms > 0;
    query->stream = msg->stream;
    query->ranged = msg->ranged;
    query->columns = msg->columns;
    query->with_values = msg->include_payload || msg->include_vectors;
    merge_init(&query->merge, msg->top_k);
    if (prepare(query, msg, route) != STATUS_OK) {
        turn_reject(turn, promise, STATUS_NO_MEMORY, "search");
        request_end(self, &query->base);
        return true;
    }
    ask_all(query, msg, turn);
    return true;
}
