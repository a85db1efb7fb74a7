/* batches: many searches of one collection.
 *
 *     RouterSearches ─▶ one ShardSearches a shard, at once ─▶ finds ─▶ a merge for each search ─▶
 *                                                  RouterFinds, a page a turn, in any number of
 * parts
 *
 * What is wrong with a search is its own find; what is wrong with a shard is every search's, or
 * makes them partial, as in queries.c. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "actors/filters.h"
#include "actors/router/hub.h"
#include "actors/router/page.h"
#include "actors/router/session.h"
#include "runtime/assert.h"
#include "runtime/memory.h"

#include "runtime/poison.h"

enum {
    PATIENCE_US = 1500 * 1000, /* for a shard that moves or restarts */
    MARGIN_US = 50 * 1000,     /* of the caller's deadline, kept for a partial answer */
    FIND_BYTES = 64,           /* of an encoded find, besides its hits */
    FINDS_MAX = 1024,          /* of one page */
    WORDS_SIZE = 256,
};

/* One search. */
struct finding {
    struct merge merge;
    size_t merge_kept; /* bytes counted for it */
    bool ranged;
    bool cut;         /* a shard had more within the distance than it gave */
    bool with_values; /* payloads or vectors are asked for */
    enum status status;
    const char *words; /* of a failure */
    uint32_t *lost;    /* shards that failed it; in the arena, as the rest */
    uint32_t n_lost;
    SearchPlan **plans;
    uint32_t n_plans;
};

struct batch_part {
    struct ask ask;
    struct batch *batch;
    ShardSearches message;
    uint64_t shard;
    uint64_t applied;
    enum status status; /* of a failure */
    const char *words;
    bool open; /* no final outcome yet */
};

struct batch {
    struct request base; /* first */
    struct hub *hub;
    const char *collection;
    struct batch_part *parts;
    uint32_t n_parts;
    uint32_t n_open;
    uint32_t n_failed;
    struct finding *findings;
    uint32_t n_findings;
    uint32_t *asked; /* findings that shards were asked for, in the order they were */
    uint32_t n_asked;
    uint64_t timer; /* of the budget, 0 = none */
    bool may_be_partial;
    bool answered;    /* it is being, or was */
    uint32_t sending; /* the finding whose hits are sent next … */
    size_t sent;      /* … from here */
};

static void batch_release(struct request *request) {
    struct batch *batch = (struct batch *)request;
    for (uint32_t i = 0; batch->findings && i < batch->n_findings; i++)
        merge_free(&batch->findings[i].merge);
}

static void end_if_done(struct hub *self, struct batch *batch, struct turn *turn) {
    if (!batch->answered || batch->n_open > 0) return;
    if (batch->timer) turn_timer_cancel(turn, batch->timer);
    request_end(self, &batch->base);
}

static const char *keep_words(struct batch *batch, enum status status, const char *words) {
    size_t size = strlen(words) + 1;
    char *copy = arena_alloc(&batch->base.arena, size);
    return copy ? memcpy(copy, words, size) : status_text(status);
}

static void add_lost(struct finding *finding, const struct batch_part *part) {
    uint32_t shard = (uint32_t)part->shard;
    bool known = finding->n_lost > 0 && finding->lost[finding->n_lost - 1] == shard;
    if (!known && finding->n_lost < part->batch->n_parts) finding->lost[finding->n_lost++] = shard;
}

static void fail_finding(struct finding *finding, enum status status, const char *words) {
    if (finding->status != STATUS_OK) return;
    finding->status = status;
    finding->words = words;
}

/* --- the answer ------------------------------------------------------------------------------ */

static char *token(const struct batch *batch, struct turn *turn) {
    struct buffer text;
    buffer_init(&text);
    for (uint32_t i = 0; i < batch->n_parts; i++)
        if (batch->parts[i].applied > 0)
            session_put(&text, batch->parts[i].shard, batch->parts[i].applied);
    bool fits = !text.failed && text.size > 0 && text.size < SESSION_TEXT_MAX;
    char *copy = fits ? turn_alloc(turn, text.size + 1) : NULL;
    if (copy) memcpy(copy, text.data, text.size);
    buffer_free(&text);
    return copy;
}

static void set_last(const struct finding *finding, RouterHits *out) {
    out->cut = finding->cut || (finding->ranged && finding->merge.cut);
    out->partial = finding->n_lost > 0;
    out->n_failed_shards = finding->n_lost;
    out->failed_shards = finding->lost;
    out->n_plans = finding->n_plans;
    out->plans = finding->plans;
}

/* The next find of a page, in the turn's memory. NULL: none for want of memory. */
static RouterFind *next_find(struct batch *batch, size_t *bytes, struct turn *turn) {
    struct finding *finding = &batch->findings[batch->sending];
    RouterFind *find = turn_new(turn, RouterFind, router_find);
    RouterHits *hits = turn_new(turn, RouterHits, router_hits);
    if (!find || !hits) return NULL;
    find->search = batch->sending;
    find->status = (uint32_t)finding->status;
    *bytes += FIND_BYTES;
    if (finding->status != STATUS_OK) {
        find->text = (char *)(uintptr_t)finding->words;
        batch->sending++;
        return find;
    }
    struct page page = page_of(true, finding->with_values, hits);
    size_t next = page_merge(&page, &finding->merge, batch->sent, bytes, turn);
    if (next == batch->sent && finding->merge.n > 0) return NULL;
    find->hits = hits;
    batch->sent = next;
    if (hits->page_more) return find;
    set_last(finding, hits);
    batch->sending++;
    batch->sent = 0;
    return find;
}

/* A page a turn. */
static void send_page(void *actor, void *context, struct turn *turn) {
    struct batch *batch = context;
    RouterFinds finds = ROUTER_FINDS__INIT;
    size_t bytes = 0;
    bool memory = true;
    finds.finds = turn_alloc(turn, FINDS_MAX * sizeof *finds.finds);
    while (finds.finds && memory && batch->sending < batch->n_findings &&
           finds.n_finds < FINDS_MAX && bytes < ROUTER_PAGE_BYTES) {
        RouterFind *find = next_find(batch, &bytes, turn);
        memory = find != NULL;
        if (find) finds.finds[finds.n_finds++] = find;
    }
    if (!finds.finds || !memory) {
        turn_reject(turn, &batch->base.promise, STATUS_NO_MEMORY, "searches");
    } else if (batch->sending < batch->n_findings) {
        turn_resolve_part(turn, &batch->base.promise, &finds.base);
        turn_later(turn, send_page, batch);
        return;
    } else {
        finds.session = token(batch, turn);
        if (!finds.session) finds.session = (char *)(uintptr_t) "";
        turn_resolve(turn, &batch->base.promise, &finds.base);
    }
    batch->n_open--; /* taken by finish */
    end_if_done(actor, batch, turn);
}

/* What a shard that failed means for a search. */
static void lose_shard(struct batch *batch, const struct batch_part *part) {
    char words[WORDS_SIZE];
    snprintf(words, sizeof words, "shard %" PRIu64 " of collection '%s': %s", part->shard,
             batch->collection, part->words);
    const char *kept = keep_words(batch, part->status, words);
    for (uint32_t i = 0; i < batch->n_asked; i++) {
        struct finding *finding = &batch->findings[batch->asked[i]];
        add_lost(finding, part);
        if (!batch->may_be_partial || batch->n_failed == batch->n_parts)
            fail_finding(finding, part->status, kept);
    }
}

static void settle(struct finding *finding, uint32_t n_parts) {
    if (finding->status == STATUS_OK && finding->n_lost == n_parts)
        fail_finding(finding, STATUS_LOST_PEER, "no shard answered");
    if (finding->status == STATUS_OK && merge_settle(&finding->merge) != STATUS_OK)
        fail_finding(finding, STATUS_NO_MEMORY, status_text(STATUS_NO_MEMORY));
}

/* Every shard answered or failed, or the budget is spent. */
static void finish(struct hub *self, struct batch *batch, struct turn *turn) {
    assert(!batch->answered);
    batch->answered = true;
    for (uint32_t i = 0; i < batch->n_parts; i++)
        if (batch->parts[i].status != STATUS_OK) lose_shard(batch, &batch->parts[i]);
    for (uint32_t i = 0; i < batch->n_findings; i++)
        settle(&batch->findings[i], batch->n_parts);
    batch->n_open++; /* for send_page */
    send_page(self, batch, turn);
}

/* --- shards answer --------------------------------------------------------------------------- */

static void fail_part(struct batch_part *part, enum status status, const char *words) {
    if (part->status != STATUS_OK) return;
    part->status = status;
    part->words = keep_words(part->batch, status, words);
    part->batch->n_failed++;
}

static void keep_plan(struct batch_part *part, struct finding *finding, const ShardHits *hits) {
    struct arena *arena = &part->batch->base.arena;
    if (!hits->plan || finding->n_plans == part->batch->n_parts) return;
    size_t size = strlen(hits->plan->plan) + 1;
    SearchPlan *plan = arena_alloc(arena, sizeof *plan);
    char *name = arena_alloc(arena, size);
    if (!finding->plans)
        finding->plans = arena_alloc(arena, part->batch->n_parts * sizeof *finding->plans);
    if (!plan || !name || !finding->plans) return; /* told to people: an answer without is one */
    *plan = *hits->plan;
    plan->plan = memcpy(name, hits->plan->plan, size);
    plan->shard = part->shard;
    finding->plans[finding->n_plans++] = plan;
}

static enum status add_hits(struct batch *batch, struct finding *finding, const ShardHits *from) {
    struct hits hits = hits_of(from);
    struct hit hit;
    enum status s = STATUS_OK;
    while (s == STATUS_OK && hits_next(&hits, &hit))
        s = merge_add(&finding->merge, &hit);
    size_t bytes = finding->merge.bytes;
    if (s != STATUS_OK || bytes <= finding->merge_kept) return s;
    if (!request_keep(batch->hub, &batch->base, bytes - finding->merge_kept)) return STATUS_BUSY;
    finding->merge_kept = bytes;
    return s;
}

/* A search that one shard could not do. */
static void
lose(struct batch_part *part, struct finding *finding, enum status status, const char *words) {
    add_lost(finding, part);
    if (part->batch->may_be_partial) return;
    bool told = words && words[0];
    fail_finding(finding, status,
                 told ? keep_words(part->batch, status, words) : status_text(status));
}

static enum status take_find(struct batch_part *part, const ShardFind *find) {
    struct batch *batch = part->batch;
    if (find->search >= batch->n_asked) return STATUS_INTERNAL;
    struct finding *finding = &batch->findings[batch->asked[find->search]];
    const ShardHits *hits = find->hits;
    if (find->status != STATUS_OK) {
        lose(part, finding, (enum status)find->status, find->text);
        return STATUS_OK;
    }
    if (!hits || !hits_valid(hits)) return STATUS_INTERNAL;
    if (hits->applied > 0 && (part->applied == 0 || hits->applied < part->applied))
        part->applied = hits->applied;
    enum status s = add_hits(batch, finding, hits);
    if (s != STATUS_OK) lose(part, finding, s, NULL);
    if (hits->page_more) return STATUS_OK;
    finding->cut |= hits->cut;
    keep_plan(part, finding, hits);
    return STATUS_OK;
}

static void
part_done(struct hub *self, struct ask *ask, const struct outcome *outcome, struct turn *turn) {
    struct batch_part *part = ask->context;
    struct batch *batch = part->batch;
    const ShardFinds *finds = outcome_as(outcome, ShardFinds, shard_finds);
    if (!outcome->more) {
        part->open = false;
        batch->n_open--;
    }
    if (batch->answered) {
        end_if_done(self, batch, turn);
        return;
    }
    enum status s = outcome->status;
    if (s == STATUS_OK && !finds) s = STATUS_INTERNAL;
    for (size_t i = 0; s == STATUS_OK && i < finds->n_finds; i++)
        s = take_find(part, finds->finds[i]);
    if (s != STATUS_OK)
        fail_part(part, s, outcome->text && outcome->text[0] ? outcome->text : status_text(s));
    if (batch->n_open == 0) finish(self, batch, turn);
}

/* The budget is spent: what did not answer by now counts as lost. */
static void on_budget(void *actor, void *context, struct turn *turn) {
    struct hub *self = actor;
    struct batch *batch = context;
    batch->timer = 0;
    if (batch->answered) return;
    for (uint32_t i = 0; i < batch->n_parts; i++) {
        struct batch_part *part = &batch->parts[i];
        if (!part->open) continue;
        fail_part(part, STATUS_EXPIRED, "no answer in time");
        ask_stop(self, &part->ask, turn);
        part->open = false;
        batch->n_open--;
    }
    finish(self, batch, turn);
}

/* --- requests -------------------------------------------------------------------------------- */

/* Why a search cannot be, in the arena; NULL: it can. */
static const char *judge(struct batch *batch, const RouterSearch *msg, const struct route *route) {
    char words[WORDS_SIZE] = "";
    if (msg->n_vector != route->dimension)
        snprintf(words, sizeof words,
                 "search vector dimension %zu does not match index dimension %" PRIu32
                 " of collection \"%s\"",
                 msg->n_vector, route->dimension, route->name);
    else if (msg->top_k == 0 || msg->top_k > ROUTER_TOP_K_MAX)
        snprintf(words, sizeof words, "top_k is %" PRIu32 ", not 1 to %d", msg->top_k,
                 ROUTER_TOP_K_MAX);
    else if (msg->ef > INDEX_EF_MAX)
        snprintf(words, sizeof words, "ef is %" PRIu32 ", above %d", msg->ef, INDEX_EF_MAX);
    return words[0] ? keep_words(batch, STATUS_INVALID, words) : NULL;
}

/* NULL: no memory. */
static ShardSearch *copy_search(const RouterSearch *msg, struct arena *arena) {
    ShardSearch *search = arena_alloc(arena, sizeof *search);
    float *vector = arena_alloc(arena, msg->n_vector * sizeof *vector);
    FilterNode **filter = filters_copy(msg->filter, msg->n_filter, arena);
    if (!search || !vector || !filter) return NULL;
    memcpy((void *)vector, (const void *)msg->vector, msg->n_vector * sizeof *vector);
    shard_search__init(search);
    search->n_vector = msg->n_vector;
    search->vector = vector;
    search->k = msg->top_k;
    search->ef = msg->ef;
    search->exact = msg->exact;
    search->include_vectors = msg->include_vectors;
    search->include_payload = msg->include_payload;
    search->n_filter = msg->n_filter;
    search->filter = filter;
    search->explain = msg->explain;
    search->ranged = msg->ranged;
    search->within = msg->within;
    search->target_recall = msg->target_recall;
    search->rescore = msg->rescore;
    return search;
}

/* The searches that shards are asked for; their number is batch->n_asked. NULL: no memory. */
static ShardSearch **
prepare_searches(struct batch *batch, const RouterSearches *msg, const struct route *route) {
    struct arena *arena = &batch->base.arena;
    ShardSearch **searches = arena_alloc(arena, (msg->n_searches + 1) * sizeof *searches);
    batch->asked = arena_alloc(arena, (msg->n_searches + 1) * sizeof *batch->asked);
    batch->findings = arena_zero(arena, (msg->n_searches + 1) * sizeof *batch->findings);
    if (!searches || !batch->asked || !batch->findings) return NULL;
    for (uint32_t i = 0; i < msg->n_searches; i++) {
        const RouterSearch *from = msg->searches[i];
        struct finding *finding = &batch->findings[batch->n_findings++];
        finding->ranged = from->ranged;
        finding->with_values = from->include_payload || from->include_vectors;
        finding->lost = arena_alloc(arena, route->n_shards * sizeof *finding->lost);
        if (!finding->lost) return NULL;
        const char *wrong = judge(batch, from, route);
        merge_init(&finding->merge, from->top_k);
        if (wrong) {
            fail_finding(finding, STATUS_INVALID, wrong);
            continue;
        }
        searches[batch->n_asked] = copy_search(from, arena);
        if (!searches[batch->n_asked]) return NULL;
        batch->asked[batch->n_asked++] = i;
    }
    return searches;
}

static enum status
prepare(struct batch *batch, const RouterSearches *msg, const struct route *route) {
    struct arena *arena = &batch->base.arena;
    batch->collection = keep_words(batch, STATUS_NO_MEMORY, msg->collection);
    batch->parts = arena_zero(arena, route->n_shards * sizeof *batch->parts);
    if (!batch->parts) return STATUS_NO_MEMORY;
    ShardSearch **searches = prepare_searches(batch, msg, route);
    if (!searches) return STATUS_NO_MEMORY;
    batch->n_parts = route->n_shards;
    uint32_t level = level_of_search(batch->hub, msg->collection, msg->consistency);
    for (uint32_t i = 0; i < route->n_shards; i++) {
        struct batch_part *part = &batch->parts[i];
        struct target *target = route->shards[i].target;
        shard_searches__init(&part->message);
        part->message.shard = target->shard;
        part->message.n_searches = batch->n_asked;
        part->message.searches = searches;
        part->message.consistency = level;
        part->message.session_index = level_index(level, msg->session, target);
        part->message.max_staleness_ms = level_staleness_ms(level, msg->max_staleness_ms);
        part->batch = batch;
        part->shard = target->shard;
        part->ask.target = target;
        part->ask.way = level_way(level, false);
    }
    return STATUS_OK;
}

static void ask_all(struct batch *batch, const RouterSearches *msg, struct turn *turn) {
    uint64_t now = turn_now_us(turn);
    uint64_t deadline = batch->base.promise.deadline_us;
    if (deadline == NO_DEADLINE) deadline = now + CALL_DEFAULT_US;
    uint64_t budget = deadline;
    if (batch->may_be_partial && deadline > now + 2 * MARGIN_US) budget = deadline - MARGIN_US;
    if (msg->timeout_ms > 0 && now + msg->timeout_ms * UINT64_C(1000) < budget)
        budget = now + msg->timeout_ms * UINT64_C(1000);
    if (batch->may_be_partial) batch->timer = turn_timer(turn, budget - now, on_budget, batch);
    batch->n_open = batch->n_parts + 1; /* one for this loop */
    for (uint32_t i = 0; i < batch->n_parts; i++) {
        struct batch_part *part = &batch->parts[i];
        part->open = true;
        part->ask.message = &part->message.base;
        part->ask.epoch = &part->message.epoch;
        part->ask.behalf = &batch->base.promise;
        part->ask.deadline_us = budget;
        part->ask.patience_us = now + PATIENCE_US;
        part->ask.done = part_done;
        part->ask.context = part;
        ask_start(batch->hub, &part->ask, turn);
    }
    batch->n_open--;
}

static size_t bytes_of(const RouterSearches *msg) {
    size_t bytes = 0;
    for (size_t i = 0; i < msg->n_searches; i++)
        bytes += msg->searches[i]->n_vector * sizeof(float);
    return bytes;
}

static bool all_fit(const RouterSearches *msg, const struct route *route) {
    for (size_t i = 0; i < msg->n_searches; i++)
        if (msg->searches[i]->n_vector != route->dimension) return false;
    return true;
}

bool start_searches(struct hub *self,
                    const void *message,
                    const struct promise *promise,
                    struct route *route,
                    bool fresh,
                    struct turn *turn) {
    const RouterSearches *msg = message;
    if (!fresh && !all_fit(msg, route)) return false; /* it may be another collection by now */
    if (session_check(msg->session) != STATUS_OK) {
        turn_reject(turn, promise, STATUS_INVALID, "session token is malformed");
        return true;
    }
    struct batch *batch = request_new(self, sizeof *batch, promise, turn);
    if (!batch) return true;
    batch->hub = self;
    batch->base.release = batch_release;
    batch->may_be_partial = msg->allow_partial || msg->timeout_ms > 0;
    enum status s = request_keep(self, &batch->base, bytes_of(msg)) ? STATUS_OK : STATUS_BUSY;
    if (s == STATUS_OK) s = prepare(batch, msg, route);
    if (s != STATUS_OK) {
        turn_reject(turn, promise, s, "searches");
        request_end(self, &batch->base);
    } else if (batch->n_asked == 0) {
        finish(self, batch, turn);
    } else {
        ask_all(batch, msg, turn);
    }
    return true;
}
