/* service_upsert: Upsert of bodies up to 256 MiB without unpacking them as a whole.
 *
 *     SCAN ──▶ DESCRIBE ──RouterCollection──▶ CHECK ──▶ SEND ──RouterUpserted──▶ … ──▶ reply
 *
 * SCAN finds the collection's name, CHECK judges every point before anything is written, SEND cuts
 * them into pages. One page is on its way at a time, so that of equal ids the later wins; the next
 * is built meanwhile. The passes run in slices between which the lane serves others. A page the
 * router is too busy for is sent again after a while. An index that takes points more slowly than
 * the deadline allows is told a little before it, while the client still listens: BUSY, and how
 * many are acknowledged.
 *
 * A call may end only when no slice, timer or question of it is pending: over says that it wants
 * to. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "adapters/edge/check.h"
#include "adapters/edge/detail.h"
#include "adapters/edge/payload.h"
#include "adapters/edge/point_walk.h"
#include "adapters/edge/question.h"
#include "adapters/edge/service_vectron.h"
#include "runtime/assert.h"
#include "runtime/codec.h"
#include "runtime/poison.h"
#include "runtime/text.h"
#include "schemas/router.pb-c.h"

enum {
    SLICE_BYTES = 128 * 1024, /* of the body per turn: well below 1 ms */
    STEP_BYTES_MIN = 64,      /* what a step costs at least, in bytes of a slice */
    PAGE_POINTS = 1000,
    PAGE_BYTES = 1024 * 1024,     /* encoded */
    POINT_OVERHEAD = 64,          /* encoded: tags and lengths of a point */
    PAYLOAD_OVERHEAD = 1024,      /* encoded: lengths of the keys and values of a payload */
    ARENA_CHECK = 64 * 1024,      /* checked points are forgotten here: 3x faster than at 1 MiB */
    ARENA_MAX = 16 * 1024 * 1024, /* of a page: its points, and one that is not judged yet */
    BACKOFF_US_MIN = 10 * 1000,
    BACKOFF_US_MAX = 1000 * 1000,
    MARGIN_SHARE = 20,           /* of the time left: so much is kept to answer in … */
    MARGIN_US_MAX = 1000 * 1000, /* … at most */
    LATE_RETRY_MS = 1000,        /* told with it: linking goes on meanwhile */
    WORDS_MAX = 1024,
    WORDS_TAIL = 160, /* of them, for what is added at the end */
};
/* The largest point's encoding; a page is full when the next one might not fit. */
#define POINT_BYTES(dimension) \
    ((size_t)(dimension) * sizeof(float) + CHECK_ID_MAX + PAYLOAD_BYTES_MAX + PAYLOAD_OVERHEAD + \
     POINT_OVERHEAD)
static_assert(POINT_BYTES(CHECK_DIMENSION_MAX) < PAGE_BYTES, "every point fits a page");
static_assert((int)PAGE_BYTES < (int)CODEC_MESSAGE_MAX, "a page is a message");

enum stage { SCAN, DESCRIBE, CHECK, SEND };

struct page {
    struct arena arena;
    RouterPoint **points; /* PAGE_POINTS, in the arena; NULL: the page is not begun */
    size_t n;
    size_t bytes; /* encoded, about */
};

struct upsert {
    struct question question; /* first: context and self are one pointer */
    struct point_walk points;
    enum stage stage;
    char *collection;
    uint32_t dimension;
    bool bulk;             /* of a bulk ingest */
    size_t total;          /* points of the request, known after CHECK */
    size_t acknowledged;   /* … and how many of them are written */
    size_t partly;         /* … of the page on its way, on some of its shards */
    uint64_t pages_end_us; /* pages are answered before it, or given up */
    struct buffer session; /* of the last page, with its NUL; empty without one */

    struct page pages[2];
    unsigned building; /* the other one is on its way, or was */
    bool full;         /* the page being built is ready to go */
    bool read;         /* … and it is the last one */

    unsigned tries;      /* how often the question on its way was refused BUSY */
    uint64_t timer;      /* until it is asked again, 0 = none */
    bool later;          /* a slice is to come */
    bool over;           /* with: */
    enum status failure; /* OK = all is written */
    uint32_t retry_after_ms;
    char words[WORDS_MAX];
};
static_assert(offsetof(struct upsert, question) == 0, "a question is its upsert");

static void advance(struct upsert *upsert, struct turn *turn);

/* --- the end --------------------------------------------------------------------------------- */

static void fail(struct upsert *upsert, enum status s, const char *words) {
    if (upsert->over) return;
    upsert->over = true;
    upsert->failure = s;
    snprintf(upsert->words, sizeof upsert->words, "%s", words && words[0] ? words : status_text(s));
}

/* Words and details of an upsert that stopped between two pages. */
static void tell_progress(struct upsert *upsert) {
    static const char safe[] = "repeating the request is safe";
    size_t n = upsert->acknowledged + upsert->partly;
    size_t used = strlen(upsert->words);
    if (used > WORDS_MAX - WORDS_TAIL) used = text_cut(upsert->words, WORDS_MAX - WORDS_TAIL);
    bool said = strstr(upsert->words, safe) != NULL;
    snprintf(upsert->words + used, sizeof upsert->words - used,
             "; %zu of %zu points are acknowledged%s%s", n, upsert->total, said ? "" : ", ",
             said ? "" : safe);
    char acknowledged[24], total[24];
    snprintf(acknowledged, sizeof acknowledged, "%zu", n);
    snprintf(total, sizeof total, "%zu", upsert->total);
    struct buffer details;
    buffer_init(&details);
    detail_write(
        &(struct detail){
            .status = upsert->failure,
            .message = upsert->words,
            .reason = "UPSERT_INCOMPLETE",
            .pairs = (struct detail_pair[]){{"acknowledged", acknowledged}, {"points", total}},
            .n_pairs = 2,
        },
        &details);
    if (!details.failed) edge_call_set_details(upsert->question.call, details.data, details.size);
    buffer_free(&details);
}

static void end(struct upsert *upsert, struct turn *turn) {
    struct edge_call *call = upsert->question.call;
    if (upsert->failure != STATUS_OK) {
        if (upsert->stage == SEND) tell_progress(upsert);
        if (upsert->retry_after_ms) edge_retry_after(call, upsert->retry_after_ms);
        edge_fail(call, upsert->failure, upsert->words, turn);
        return;
    }
    Vectron__V1__UpsertResponse response = VECTRON__V1__UPSERT_RESPONSE__INIT;
    response.upserted = (int32_t)upsert->total;
    if (upsert->session.size) {
        response.session = (char *)upsert->session.data;
        service_session(call, response.session);
    }
    edge_reply(call, &response.base, turn);
}

/* --- checking -------------------------------------------------------------------------------- */

static void describe(struct upsert *upsert, struct turn *turn) {
    RouterDescribe question = ROUTER_DESCRIBE__INIT;
    struct check check;
    enum status s = check_name(&check, upsert->collection ? upsert->collection : "",
                               "collection name cannot be empty");
    if (s != STATUS_OK) {
        fail(upsert, s, check.words);
        return;
    }
    upsert->stage = DESCRIBE;
    question.name = upsert->collection;
    if (!question_send(&upsert->question, &question.base, turn))
        fail(upsert, STATUS_NOT_READY, QUESTION_NO_ROUTER);
}

/* Too many or no points are refused as soon as that is known. */
static void judge_count(struct upsert *upsert, bool all) {
    char words[CHECK_WORDS_MAX];
    if (upsert->points.n > CHECK_POINTS_MAX) {
        snprintf(words, sizeof words,
                 "the request has more than %d points: send them in several requests",
                 CHECK_POINTS_MAX);
        fail(upsert, STATUS_INVALID, words);
    } else if (all && upsert->points.n == 0) {
        fail(upsert, STATUS_INVALID, "at least one point is required for upsert");
    }
}

/* Each step does a little and tells whether there is more to do now. */
static bool scan_step(struct upsert *upsert, struct turn *turn) {
    bool more = false;
    enum status s = STATUS_OK;
    if (upsert->points.format == EDGE_PROTOBUF)
        s = point_walk_scan(&upsert->points, edge_call_arena(upsert->question.call),
                            &upsert->collection, &more);
    if (s != STATUS_OK)
        fail(upsert, s, upsert->points.words);
    else if (more)
        judge_count(upsert, false);
    else
        describe(upsert, turn);
    return more;
}

static bool check_step(struct upsert *upsert) {
    struct arena *arena = &upsert->pages[0].arena;
    Vectron__V1__Point *point;
    struct check check;
    if (arena->total > ARENA_CHECK) arena_reset(arena);
    enum status s = point_walk_next(&upsert->points, arena, &point);
    if (s != STATUS_OK) {
        fail(upsert, s, upsert->points.words);
        return false;
    }
    judge_count(upsert, !point);
    if (upsert->over) return false;
    if (!point) {
        upsert->total = upsert->points.n;
        arena_reset(arena);
        point_walk_rewind(&upsert->points);
        upsert->stage = SEND;
        return true;
    }
    s = check_point(&check, point,
                    &(struct check_place){.collection = upsert->collection,
                                          .dimension = upsert->dimension,
                                          .index = upsert->points.n - 1});
    if (s != STATUS_OK) fail(upsert, s, check.words);
    return s == STATUS_OK;
}

/* --- sending --------------------------------------------------------------------------------- */

/* Adds the point to the page being built; both live in the page's arena. */
static enum status add_point(struct page *page, Vectron__V1__Point *point) {
    if (!page->points) page->points = arena_alloc(&page->arena, PAGE_POINTS * sizeof *page->points);
    RouterPoint *added = arena_alloc(&page->arena, sizeof *added);
    if (!page->points || !added) return STATUS_NO_MEMORY;
    router_point__init(added);
    added->id = point->id;
    added->vector = point->vector;
    added->n_vector = point->n_vector;
    size_t n = payload_distinct(point->payload, point->n_payload);
    enum status s = payload_pack(point->payload, n, &page->arena, &added->payload);
    if (s != STATUS_OK) return s;
    page->points[page->n++] = added;
    page->bytes +=
        strlen(added->id) + added->n_vector * sizeof(float) + added->payload.len + POINT_OVERHEAD;
    return STATUS_OK;
}

static void send_page(struct upsert *upsert, struct turn *turn) {
    const struct page *page = &upsert->pages[1 - upsert->building];
    RouterUpsert message = ROUTER_UPSERT__INIT;
    message.collection = upsert->collection;
    message.points = page->points;
    message.n_points = page->n;
    message.bulk = upsert->bulk;
    upsert->question.deadline_us = upsert->pages_end_us;
    upsert->partly = 0;
    if (!question_send(&upsert->question, &message.base, turn))
        fail(upsert, STATUS_NOT_READY, QUESTION_NO_ROUTER);
}

/* The page being built goes out as soon as the one before it is answered. */
static bool turn_page(struct upsert *upsert, struct turn *turn) {
    if (upsert->question.under_way || upsert->timer) return false;
    upsert->building = 1 - upsert->building;
    upsert->full = false;
    upsert->tries = 0;
    struct page *page = &upsert->pages[upsert->building];
    arena_reset(&page->arena);
    page->points = NULL;
    page->n = page->bytes = 0;
    send_page(upsert, turn);
    return !upsert->over;
}

static bool send_step(struct upsert *upsert, struct turn *turn) {
    struct page *page = &upsert->pages[upsert->building];
    Vectron__V1__Point *point;
    if (upsert->full) return turn_page(upsert, turn);
    if (upsert->read) return false;
    enum status s = point_walk_next(&upsert->points, &page->arena, &point);
    if (s == STATUS_OK && point) s = add_point(page, point);
    if (s != STATUS_OK) {
        fail(upsert, s, upsert->points.words);
        return false;
    }
    upsert->read = !point;
    upsert->full = page->n > 0 && (upsert->read || page->n == PAGE_POINTS ||
                                   page->bytes + POINT_BYTES(upsert->dimension) > PAGE_BYTES);
    return true;
}

/* --- what comes back ------------------------------------------------------------------------- */

/* A failure, or an answer of another type than asked for. */
static void refused(struct upsert *upsert, const struct outcome *outcome) {
    upsert->retry_after_ms = outcome->retry_after_ms;
    if (outcome->status == STATUS_OK)
        fail(upsert, STATUS_INTERNAL, QUESTION_ODD_ANSWER);
    else
        fail(upsert, outcome->status, outcome->text);
}

static void on_described(struct upsert *upsert, const struct outcome *outcome) {
    const RouterCollection *found = outcome_as(outcome, RouterCollection, router_collection);
    if (!found) {
        refused(upsert, outcome);
        return;
    }
    upsert->tries = 0;
    upsert->dimension = found->dimension;
    upsert->stage = CHECK;
    point_walk_rewind(&upsert->points);
}

static void on_timer(void *self, void *context, struct turn *turn) {
    (void)self;
    struct upsert *upsert = context;
    upsert->timer = 0;
    if (!upsert->over && upsert->stage == DESCRIBE)
        describe(upsert, turn);
    else if (!upsert->over)
        send_page(upsert, turn);
    advance(upsert, turn);
}

/* The router's hint, or twice as long each time; a little random, so that clients do not come back
 * together. */
static void wait_or_fail(struct upsert *upsert, const struct outcome *outcome, struct turn *turn) {
    uint64_t delay = (uint64_t)outcome->retry_after_ms * 1000;
    if (!delay) delay = (uint64_t)BACKOFF_US_MIN << (upsert->tries < 7 ? upsert->tries : 7);
    if (delay > BACKOFF_US_MAX) delay = BACKOFF_US_MAX;
    delay += turn_random(turn) % (delay / 4 + 1);
    upsert->tries++;
    uint64_t deadline = edge_call_deadline_us(upsert->question.call);
    if (turn_now_us(turn) + delay >= deadline) {
        upsert->retry_after_ms = (uint32_t)(delay / 1000);
        fail(upsert, STATUS_BUSY, outcome->text);
        return;
    }
    upsert->timer = turn_timer(turn, delay, on_timer, upsert);
}

/* The index takes points more slowly than they come: the client is to come back with the rest. */
static void too_slow(struct upsert *upsert) {
    char words[WORDS_MAX];
    snprintf(words, sizeof words,
             "collection '%s' takes points more slowly than this deadline allows: send fewer at "
             "once, or give them more time",
             upsert->collection);
    upsert->retry_after_ms = LATE_RETRY_MS;
    fail(upsert, STATUS_BUSY, words);
}

static void on_written(struct upsert *upsert, const struct outcome *outcome, struct turn *turn) {
    const RouterUpserted *written = outcome_as(outcome, RouterUpserted, router_upserted);
    bool late = outcome->status == STATUS_EXPIRED;
    if (late && turn_now_us(turn) < edge_call_deadline_us(upsert->question.call)) {
        too_slow(upsert);
        return;
    }
    if (!written) {
        refused(upsert, outcome);
        return;
    }
    upsert->acknowledged += upsert->pages[1 - upsert->building].n;
    buffer_clear(&upsert->session);
    buffer_append(&upsert->session, written->session, strlen(written->session) + 1);
    if (upsert->session.failed) buffer_clear(&upsert->session);
    if (upsert->acknowledged == upsert->total) upsert->over = true;
}

static void
on_outcome(struct question *question, const struct outcome *outcome, struct turn *turn) {
    struct upsert *upsert = (struct upsert *)question;
    if (outcome->more) { /* a failure follows: so much is written all the same */
        const RouterUpserted *some = outcome_as(outcome, RouterUpserted, router_upserted);
        if (some) upsert->partly = some->points;
        return;
    }
    if (outcome->status == STATUS_BUSY && !upsert->over)
        wait_or_fail(upsert, outcome, turn);
    else if (upsert->stage == DESCRIBE)
        on_described(upsert, outcome);
    else
        on_written(upsert, outcome, turn);
    advance(upsert, turn);
}

/* --- the engine ------------------------------------------------------------------------------ */

static void on_slice(void *self, void *context, struct turn *turn) {
    (void)self;
    struct upsert *upsert = context;
    upsert->later = false;
    advance(upsert, turn);
}

static bool step(struct upsert *upsert, struct turn *turn) {
    switch (upsert->stage) {
    case SCAN:
        return scan_step(upsert, turn);
    case DESCRIBE:
        return false;
    case CHECK:
        return check_step(upsert);
    case SEND:
        return send_step(upsert, turn);
    }
    return false;
}

/* Works until it has to wait or the slice is used up. Small fields cost more than their bytes. */
static void work(struct upsert *upsert, struct turn *turn) {
    size_t spent = 0;
    bool more = true;
    while (more && !upsert->over && spent < SLICE_BYTES) {
        size_t before = point_walk_offset(&upsert->points);
        more = step(upsert, turn);
        size_t after = point_walk_offset(&upsert->points);
        spent += after > before + STEP_BYTES_MIN ? after - before : STEP_BYTES_MIN;
    }
    if (!more || upsert->over) return;
    upsert->later = true;
    turn_later(turn, on_slice, upsert);
}

/* A slice of work, if there is any; the end, when nothing is pending any more. */
static void advance(struct upsert *upsert, struct turn *turn) {
    if (!upsert->over && !upsert->later) work(upsert, turn);
    if (upsert->over && !upsert->later && !upsert->timer && !upsert->question.under_way)
        end(upsert, turn);
}

static void on_cancel(void *context, struct turn *turn) {
    struct upsert *upsert = context;
    fail(upsert,
         turn_now_us(turn) < edge_call_deadline_us(upsert->question.call) ? STATUS_CANCELLED
                                                                          : STATUS_EXPIRED,
         NULL);
    question_cancel(&upsert->question, turn);
    if (upsert->timer) turn_timer_cancel(turn, upsert->timer);
    upsert->timer = 0;
    advance(upsert, turn);
}

static void on_free(void *context) {
    struct upsert *upsert = context;
    point_walk_reset(&upsert->points);
    buffer_free(&upsert->session);
    arena_free(&upsert->pages[0].arena);
    arena_free(&upsert->pages[1].arena);
}

static uint64_t pages_end_us(const struct edge_call *call, struct turn *turn) {
    uint64_t now = turn_now_us(turn);
    uint64_t deadline = edge_call_deadline_us(call);
    if (deadline == NO_DEADLINE || deadline <= now) return deadline;
    uint64_t margin = (deadline - now) / MARGIN_SHARE;
    return deadline - (margin < MARGIN_US_MAX ? margin : MARGIN_US_MAX);
}

void service_upsert(void *self, struct edge_call *call, struct turn *turn) {
    (void)self;
    size_t size;
    const void *body = edge_call_body(call, &size);
    struct upsert *upsert = question_new(call, sizeof *upsert, turn);
    if (!upsert) return;
    upsert->question = (struct question){.call = call, .done = on_outcome};
    upsert->collection = (char *)edge_call_field(call, "collection");
    const char *bulk = edge_call_header(call, BULK_HEADER);
    upsert->bulk = bulk && strcmp(bulk, "1") == 0;
    arena_init(&upsert->pages[0].arena, ARENA_MAX);
    arena_init(&upsert->pages[1].arena, ARENA_MAX);
    point_walk_init(&upsert->points, edge_call_format(call), body, size);
    edge_call_on_free(call, on_free, upsert);
    edge_call_on_cancel(call, on_cancel, upsert);
    upsert->pages_end_us = pages_end_us(call, turn);
    advance(upsert, turn);
}
