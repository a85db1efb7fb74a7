/* searcher: up to SEARCHER_ACTIVE_MAX searches take turns of STEP_US, so that a long scan does not
 * hold up short searches; the others wait in line. Before each turn the caller is asked for: nobody
 * works on a search that was cancelled or has expired. A search that finds nobody else starts at
 * once, and when it is short its request is answered in the turn that brought it.
 *
 *     ShardSearch ─▶ waiting ─▶ active (a reader each) ─▶ parts … final part
 *          │                      └─▶ with the blocking pool while it fetches points from the disk
 *          └─ nobody else: a turn's steps at once ─▶ answered, or active
 */
#include "actors/searcher/searcher.h"

#include <inttypes.h>

#include "actors/searcher/bundle.h"
#include "actors/searcher/scan.h"
#include "runtime/assert.h"
#include "runtime/memory.h"
#include "runtime/turn.h"

#include "runtime/poison.h"

enum {
    BUSY_RETRY_MS = 50,
    STEP_US = 100,        /* a turn begins no other step after so long */
    STEPS_MAX = 4,        /* … nor after so many: in the simulator a turn takes no time */
    SETTLE_US = 250,      /* pause before a write under way is looked for again */
    IDLE_US = 100 * 1000, /* this long without a search: the load is 0, whatever was counted */
};

struct searches {
    struct search *first;
    struct search *last;
    uint32_t count;
};

struct searcher {
    struct searcher_options options;
    struct searches waiting;  /* no reader yet, or again */
    struct searches settling; /* … until a write that is being applied is in the index */
    struct searches active;
    uint32_t fetching; /* with the blocking pool */
    uint32_t n_bundles;
    size_t waiting_bytes;
    struct index_reader *readers[SEARCHER_ACTIVE_MAX]; /* owned; not in use */
    uint32_t n_readers;
    uint32_t n_opened;
    bool ticking;
    bool settle_armed;
    bool idle_armed;
    uint64_t served;
};

#define SEARCHER_ACCEPTS(X) \
    X(struct searcher, ShardSearch, shard_search, on_search) \
    X(struct searcher, ShardSearches, shard_searches, on_searches)
ACTOR_HANDLERS(searcher_handlers, SEARCHER_ACCEPTS);

static void push(struct searches *list, struct search *search) {
    search->next = NULL;
    if (list->last)
        list->last->next = search;
    else
        list->first = search;
    list->last = search;
    list->count++;
}

static struct search *pop(struct searches *list) {
    struct search *search = list->first;
    if (!search) return NULL;
    list->first = search->next;
    if (!list->first) list->last = NULL;
    list->count--;
    return search;
}

static size_t bytes_of(const struct search *search) {
    return search->holding->dimension * sizeof(float);
}

static void give_back(struct searcher *self, struct search *search) {
    struct index_reader *reader = search_release(search);
    if (!reader) return;
    assert(self->n_readers < SEARCHER_ACTIVE_MAX);
    self->readers[self->n_readers++] = reader;
}

/* NULL: all are in use, or there is no memory for another. */
static struct index_reader *take_reader(struct searcher *self) {
    if (self->n_readers > 0) return self->readers[--self->n_readers];
    if (self->n_opened == SEARCHER_ACTIVE_MAX) return NULL;
    struct index_reader *reader;
    if (index_reader_open(&reader) != STATUS_OK) return NULL;
    self->n_opened++;
    return reader;
}

static uint32_t busy(const struct searcher *self) {
    return self->active.count + self->waiting.count + self->settling.count + self->fetching;
}

static void idle(void *actor, void *context, struct turn *turn) {
    struct searcher *self = actor;
    uint64_t served = (uint64_t)(uintptr_t)context;
    (void)turn;
    self->idle_armed = false;
    if (self->served == served && busy(self) == 0) shelf_idle(self->options.shelf, self->options.n);
}

/* One picked for this searcher is over. */
static void count_end(struct searcher *self, struct turn *turn) {
    shelf_ended(self->options.shelf, self->options.n);
    self->served++;
    bool quiet = busy(self) == 0;
    if (!quiet || self->idle_armed) return;
    self->idle_armed = true;
    turn_timer(turn, IDLE_US, idle, (void *)(uintptr_t)self->served);
}

/* The search is over; its promise was settled. */
static void end(struct searcher *self, struct search *search, struct turn *turn) {
    give_back(self, search);
    search_free(search);
    count_end(self, turn);
}

static void wait_in_line(struct searcher *self, struct search *search) {
    self->waiting_bytes += bytes_of(search);
    push(&self->waiting, search);
}

/* After one of a bundle was done or left. */
static void go_on_bundle(struct searcher *self, struct bundle *bundle, struct turn *turn) {
    struct search *next;
    while ((next = bundle_next(bundle)))
        wait_in_line(self, next);
    if (!bundle_ended(bundle, turn)) return;
    self->n_bundles--;
    count_end(self, turn);
}

/* One of a bundle has its last page, or its status says why not; so for those it scans for. */
static void end_bundled(struct searcher *self, struct search *search, struct turn *turn) {
    struct bundle *bundle = search->bundle;
    give_back(self, search);
    for (struct search *other; search->scan && (other = scan_pop(search->scan));) {
        other->status = search->status;
        bundle_joined(bundle);
        bundle_done(bundle, other, turn);
    }
    bundle_done(bundle, search, turn);
    go_on_bundle(self, bundle, turn);
}

static void
end_failed(struct searcher *self, struct search *search, enum status status, struct turn *turn) {
    if (search->bundle) {
        search->status = status;
        end_bundled(self, search, turn);
        return;
    }
    if (search->words)
        turn_reject(turn, &search->promise, status, "%s", search->words);
    else
        turn_reject(turn, &search->promise, status, "search on shard %" PRIu64,
                    search->holding->shard);
    end(self, search, turn);
}

/* Its caller has cancelled it, or it is too late. */
static void end_unwanted(struct searcher *self, struct search *search, struct turn *turn) {
    bool late = turn_now_us(turn) >= search->promise.deadline_us;
    enum status s = late ? STATUS_EXPIRED : STATUS_CANCELLED;
    struct bundle *bundle = search->bundle;
    if (!bundle) {
        end_failed(self, search, s, turn);
        return;
    }
    bundle_reject(bundle, s, turn);
    give_back(self, search);
    bundle_leave(search);
    go_on_bundle(self, bundle, turn);
}

static void tick(void *actor, void *context, struct turn *turn);

static void look_again(struct searcher *self, struct search *search, struct turn *turn);

static void wake(struct searcher *self, struct turn *turn) {
    if (self->ticking) return;
    self->ticking = true;
    turn_later(turn, tick, NULL);
}

static void
on_fetched(void *actor, void *context, const struct outcome *outcome, struct turn *turn) {
    struct searcher *self = actor;
    struct search *search = context;
    self->fetching--;
    if (outcome->status != STATUS_OK) search->status = outcome->status;
    search->times.fill_us += turn_now_us(turn) - search->times.fetch_at_us;
    push(&self->active, search);
    wake(self, turn);
}

/* Without a word: the searcher is gone. */
static void drop(struct search *search) {
    struct bundle *bundle = search->bundle;
    if (!bundle) {
        search_free(search);
        return;
    }
    bundle_leave(search);
    bundle_drop(bundle);
}

static void abandon(void *context) {
    drop(context);
}

static void fetch(struct searcher *self, struct search *search, struct turn *turn) {
    give_back(self, search);
    self->fetching++;
    search->times.fetch_at_us = turn_now_us(turn);
    turn_block(
        turn, &(struct block){
                  .work = search_fetch, .done = on_fetched, .abandon = abandon, .context = search});
}

static void send_page(struct searcher *self, struct search *search, bool last, struct turn *turn) {
    ShardHits hits;
    if (search->bundle && last) {
        end_bundled(self, search, turn);
        return;
    }
    if (search->bundle) {
        bundle_page(search->bundle, search, turn);
        push(&self->active, search);
        return;
    }
    search_page(search, last, &hits);
    if (last) {
        turn_resolve(turn, &search->promise, &hits.base);
        end(self, search, turn);
        return;
    }
    turn_resolve_part(turn, &search->promise, &hits.base);
    search_page_sent(search);
    push(&self->active, search);
}

static enum status
timed_start(struct search *search, struct index_reader *reader, struct turn *turn) {
    if (search->scan && search->attempts == 0) return scan_start(search->scan);
    if (!search->filter.n_nodes) return search_start(search, reader);
    uint64_t now = turn_now_us(turn);
    enum status s = search_start(search, reader);
    search->times.match_us += turn_now_us(turn) - now;
    return s;
}

/* Readers that are free start the searches that wait. */
static void start_waiting(struct searcher *self, struct turn *turn) {
    while (self->waiting.first) {
        struct index_reader *reader = take_reader(self);
        if (!reader) return;
        struct search *search = pop(&self->waiting);
        self->waiting_bytes -= bytes_of(search);
        enum status s = timed_start(search, reader, turn);
        if (s == STATUS_OK) {
            push(&self->active, search);
            if (search->reader) continue;
        }
        self->readers[self->n_readers++] = reader;
        if (s == STATUS_NOT_READY) /* a payload index is being built */
            look_again(self, search, turn);
        else if (s != STATUS_OK)
            end_failed(self, search, s, turn);
    }
}

static void settle(void *actor, void *context, struct turn *turn) {
    struct searcher *self = actor;
    (void)context;
    self->settle_armed = false;
    for (uint32_t n = self->settling.count; n > 0; n--) {
        struct search *search = pop(&self->settling);
        enum status hopeless = search_hopeless(search);
        if (!turn_wanted(turn, &search->promise))
            end_unwanted(self, search, turn);
        else if (hopeless != STATUS_OK)
            end_failed(self, search, hopeless, turn);
        else if (search_ready(search))
            wait_in_line(self, search);
        else
            push(&self->settling, search);
    }
    if (self->waiting.first) wake(self, turn);
    if (!self->settling.first) return;
    self->settle_armed = true;
    turn_timer(turn, SETTLE_US, settle, NULL);
}

/* Another look at the index, when it is worth it. */
static void look_again(struct searcher *self, struct search *search, struct turn *turn) {
    push(&self->settling, search);
    if (!self->settle_armed) settle(self, NULL, turn);
}

/* A step, and who gets the time it took. Returns when it was over. */
static uint64_t
timed_step(struct search *search, enum search_want *want, uint64_t now, struct turn *turn) {
    bool searching = search->stage == SEARCH_SEARCHING || search->stage == SEARCH_SCANNING;
    *want = search_step(search);
    uint64_t end = turn_now_us(turn);
    *(searching ? &search->times.search_us : &search->times.fill_us) += end - now;
    return end;
}

/* A turn's steps. */
static enum search_want advance(struct searcher *self, struct search *search, struct turn *turn) {
    uint64_t now = turn_now_us(turn), until = now + STEP_US;
    enum search_want want;
    now = timed_step(search, &want, now, turn);
    for (int i = 1; want == SEARCH_MORE && i < STEPS_MAX && now < until; i++) {
        if (search->stage == SEARCH_WAITING) break;
        now = timed_step(search, &want, now, turn);
    }
    if (search->stage != SEARCH_SEARCHING) give_back(self, search);
    return want;
}

static void
go_on(struct searcher *self, struct search *search, enum search_want want, struct turn *turn) {
    switch (want) {
    case SEARCH_MORE:
        if (search->stage == SEARCH_WAITING)
            look_again(self, search, turn);
        else
            push(&self->active, search);
        break;
    case SEARCH_FETCH:
        fetch(self, search, turn);
        break;
    case SEARCH_PAGE:
    case SEARCH_LAST:
        send_page(self, search, want == SEARCH_LAST, turn);
        break;
    case SEARCH_FAIL:
        end_failed(self, search, search->status, turn);
        break;
    }
}

/* What was scanned with this one goes on by itself. */
static void take_joined(struct searcher *self, struct search *leader) {
    struct search *search;
    while ((search = scan_pop(leader->scan))) {
        search->times.search_us = leader->times.search_us;
        bundle_joined(leader->bundle);
        push(&self->active, search);
    }
}

static void step(struct searcher *self, struct search *search, struct turn *turn) {
    if (turn_wanted(turn, &search->promise)) {
        enum search_want want = advance(self, search, turn);
        if (search->scan && search->stage != SEARCH_SCANNING) take_joined(self, search);
        go_on(self, search, want, turn);
        return;
    }
    end_unwanted(self, search, turn);
}

static void tick(void *actor, void *context, struct turn *turn) {
    struct searcher *self = actor;
    (void)context;
    self->ticking = false;
    start_waiting(self, turn);
    struct search *search = pop(&self->active);
    if (!search) {
        /* Searches wait and no reader could be opened: memory may come back. */
        search = self->fetching == 0 ? pop(&self->waiting) : NULL;
        if (search) {
            self->waiting_bytes -= bytes_of(search);
            end_failed(self, search, STATUS_NO_MEMORY, turn);
        }
    } else {
        step(self, search, turn);
    }
    if (self->active.first || (self->waiting.first && self->fetching == 0)) wake(self, turn);
}

/* With nobody else here. */
static enum status run_at_once(struct searcher *self,
                               struct search *search,
                               struct index_reader *reader,
                               struct turn *turn) {
    enum status s = timed_start(search, reader, turn);
    if (s != STATUS_OK) self->readers[self->n_readers++] = reader;
    if (s == STATUS_NOT_READY) { /* a payload index is being built */
        search->promise = turn_defer(turn);
        look_again(self, search, turn);
        return STATUS_OK;
    }
    enum search_want want = s == STATUS_OK ? advance(self, search, turn) : SEARCH_FAIL;
    if (want == SEARCH_FAIL) {
        s = turn_fail(turn, s == STATUS_OK ? search->status : s, "search on shard %" PRIu64,
                      search->holding->shard);
        end(self, search, turn);
    } else if (want == SEARCH_LAST) {
        ShardHits hits;
        search_page(search, true, &hits);
        turn_reply(turn, &hits.base);
        end(self, search, turn);
    } else {
        search->promise = turn_defer(turn);
        go_on(self, search, want, turn);
        if (self->active.first) wake(self, turn);
    }
    return s;
}

static enum status on_search(struct searcher *self, const ShardSearch *msg, struct turn *turn) {
    struct holding *holding = shelf_take(self->options.shelf, msg->shard);
    enum status s = STATUS_OK;
    struct search *search = NULL;
    if (!holding)
        s = turn_fail(turn, STATUS_NOT_READY, "shard %" PRIu64 " is not here", msg->shard);
    else if (msg->n_vector != holding->dimension || msg->k == 0 || msg->k > INDEX_K_MAX)
        s = turn_fail(turn, STATUS_INVALID, "search on shard %" PRIu64, msg->shard);
    else if (self->waiting.count >= SEARCHER_WAITING_MAX ||
             self->waiting_bytes >= SEARCHER_WAITING_BYTES) {
        turn_retry_after(turn, BUSY_RETRY_MS);
        s = turn_fail(turn, STATUS_BUSY, "too many searches are waiting");
    } else
        s = search_new(msg, holding, self->options.points, &search);
    if (s != STATUS_OK) {
        holding_drop(holding);
        shelf_ended(self->options.shelf, self->options.n);
        return s;
    }
    bool alone = self->active.count == 0 && self->waiting.count == 0;
    struct index_reader *reader = alone ? take_reader(self) : NULL;
    if (reader) return run_at_once(self, search, reader, turn);
    search->promise = turn_defer(turn);
    wait_in_line(self, search);
    wake(self, turn);
    return STATUS_OK;
}

static enum status judge_searches(const struct searcher *self,
                                  const ShardSearches *msg,
                                  const struct holding *holding,
                                  struct turn *turn) {
    if (!holding)
        return turn_fail(turn, STATUS_NOT_READY, "shard %" PRIu64 " is not here", msg->shard);
    if (msg->n_searches == 0 || msg->n_searches > SEARCHER_BUNDLE_MAX)
        return turn_fail(turn, STATUS_INVALID, "%zu searches at once on a shard, not 1 to %d",
                         msg->n_searches, SEARCHER_BUNDLE_MAX);
    if (self->waiting.count < SEARCHER_WAITING_MAX && self->n_bundles < SEARCHER_BUNDLES_MAX)
        return STATUS_OK;
    turn_retry_after(turn, BUSY_RETRY_MS);
    return turn_fail(turn, STATUS_BUSY, "too many searches are waiting");
}

static enum status on_searches(struct searcher *self, const ShardSearches *msg, struct turn *turn) {
    struct holding *holding = shelf_take(self->options.shelf, msg->shard);
    struct bundle *bundle = NULL;
    enum status s = judge_searches(self, msg, holding, turn);
    if (s == STATUS_OK) {
        s = bundle_open(msg, holding, self->options.points, &bundle);
        if (s != STATUS_OK) s = turn_fail(turn, s, "searches on shard %" PRIu64, msg->shard);
    }
    holding_drop(holding);
    if (s != STATUS_OK) {
        shelf_ended(self->options.shelf, self->options.n);
        return s;
    }
    const struct promise promise = turn_defer(turn);
    bundle_owe(bundle, &promise);
    self->n_bundles++;
    go_on_bundle(self, bundle, turn);
    wake(self, turn);
    return STATUS_OK;
}

static enum status searcher_open(void *actor, const void *options, struct turn *turn) {
    struct searcher *self = actor;
    (void)turn;
    self->options = *(const struct searcher_options *)options;
    shelf_idle(self->options.shelf, self->options.n);
    return STATUS_OK;
}

static enum status near_open(void *actor, const void *options, struct turn *turn) {
    struct searcher *self = actor;
    uint32_t lane = turn_lane(turn);
    self->options = *(const struct searcher_options *)options;
    self->options.n = shelf_near_number(lane);
    shelf_idle(self->options.shelf, self->options.n);
    shelf_set_near(self->options.shelf, lane, turn_self(turn));
    return STATUS_OK;
}

static void searcher_close(void *actor) {
    struct searcher *self = actor;
    struct search *search;
    while ((search = pop(&self->active)) || (search = pop(&self->waiting)) ||
           (search = pop(&self->settling))) {
        give_back(self, search);
        drop(search);
    }
    while (self->n_readers > 0)
        index_reader_close(self->readers[--self->n_readers]);
}

static void near_close(void *actor) {
    const struct searcher *self = actor;
    shelf_set_near(self->options.shelf, self->options.n - shelf_near_number(0), 0);
    searcher_close(actor);
}

const struct actor_type searcher_type = {
    .kind = "searcher",
    .size = sizeof(struct searcher),
    .handlers = searcher_handlers,
    .open = searcher_open,
    .close = searcher_close,
    .lane = LANE_COMPUTE,
};

const struct actor_type searcher_near_type = {
    .kind = "searcher",
    .size = sizeof(struct searcher),
    .handlers = searcher_handlers,
    .open = near_open,
    .close = near_close,
    .lane = LANE_IO,
};
