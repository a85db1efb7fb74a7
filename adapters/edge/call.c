/* call: the life of a request between its stream and its work. See exchange.h for the picture.
 *
 * Invariants: a call is in hub->calls until it is freed; conn is NULL exactly when its stream is
 * gone; only a call in PARSING, RUNNING or ENCODING has work under way, so a call without conn
 * in any other stage does not exist. */
#include "adapters/edge/call.h"

#include <string.h>

#include "adapters/edge/budget.h"
#include "adapters/edge/exchange.h"
#include "adapters/edge/grpc_text.h"
#include "adapters/edge/job.h"
#include "runtime/assert.h"
#include "runtime/memory.h"

enum {
    ARENA_KEPT = 64 * 1024,    /* bytes a call used, up to which it keeps its memory */
    SPARE_MAX = 256,           /* calls kept, each with its arenas' first chunks */
    DEADLINE_GRACE_US = 20000, /* the service's own words about the deadline come first */
    METHOD_SIZE_MAX = 64,
};

/* --- what services read ------------------------------------------------------------------- */
const ProtobufCMessage *edge_call_request(const struct edge_call *call) {
    return call->request;
}

const void *edge_call_body(const struct edge_call *call, size_t *size) {
    *size = call->body.size;
    return call->body.data ? call->body.data : (const void *)"";
}

enum edge_format edge_call_format(const struct edge_call *call) {
    return call->format;
}

const char *edge_call_field(const struct edge_call *call, const char *field) {
    size_t size = strlen(field);
    for (size_t i = 0; i < call->match.n_fields; i++) {
        const struct route_field *bound = &call->match.fields[i];
        if (bound->name_size == size && memcmp(bound->name, field, size) == 0) return bound->value;
    }
    return NULL;
}

const char *edge_call_header(const struct edge_call *call, const char *name) {
    const char *value = headers_get(&call->headers, name);
    if (value || call->kind == CALL_GRPC) return value;
    static const char prefix[] = "grpc-metadata-";
    char full[sizeof prefix + METHOD_SIZE_MAX];
    size_t size = strlen(name);
    if (size >= METHOD_SIZE_MAX) return NULL;
    memcpy(full, prefix, sizeof prefix - 1);
    memcpy(full + sizeof prefix - 1, name, size + 1);
    return headers_get(&call->headers, full);
}

uint64_t edge_call_deadline_us(const struct edge_call *call) {
    return call->deadline_us;
}

struct arena *edge_call_arena(struct edge_call *call) {
    return &call->arena;
}

void *edge_call_state(const struct edge_call *call) {
    return call->entry.state;
}

void edge_call_keep(struct edge_call *call, void *kept) {
    call->kept = kept;
}

void *edge_call_kept(const struct edge_call *call) {
    return call->kept;
}

const char *edge_call_router(const struct edge_call *call) {
    return call->hub->options->router;
}

bool edge_call_wanted(const struct edge_call *call) {
    return !call->unwanted;
}

void edge_call_on_cancel(struct edge_call *call,
                         void (*run)(void *context, struct turn *turn),
                         void *context) {
    call->on_cancel = run;
    call->cancel_context = context;
}

void edge_call_on_free(struct edge_call *call, void (*run)(void *context), void *context) {
    call->on_free = run;
    call->free_context = context;
}

void edge_call_set_header(struct edge_call *call, const char *name, const char *value) {
    /* A value may carry words of a user: what could end the header early is left out. */
    if (!headers_value_valid(value)) return;
    /* Without memory for metadata the answer itself will fail, and says so. */
    (void)headers_set(&call->metadata, &call->arena, name, value);
}

void edge_call_set_details(struct edge_call *call, const void *data, size_t size) {
    if (size <= EDGE_DETAILS_MAX) call->details = grpc_text_binary(&call->arena, data, size);
}

void edge_retry_after(struct edge_call *call, uint32_t ms) {
    call->retry_after_ms = ms;
}

/* --- life --------------------------------------------------------------------------------- */
static void on_timeout(struct timeout *timeout, struct turn *turn);

struct edge_call *call_new(struct conn *conn, const struct carrier *carrier) {
    struct hub *hub = conn->hub;
    struct edge_call *call = hub->spare;
    if (!timeouts_reserve(&hub->timeouts, hub->n_calls + hub->n_conns + 2)) return NULL;
    if (call) {
        struct arena arena = call->arena, message = call->message;
        hub->spare = call->next;
        hub->n_spare--;
        *call = (struct edge_call){.arena = arena, .message = message};
    } else {
        call = mem_zero(1, sizeof *call);
        if (!call) return NULL;
    }
    call->hub = hub;
    call->conn = conn;
    call->carrier = carrier;
    call->timeout.run = on_timeout;
    call->deadline_us = NO_DEADLINE;
    call->beat_us = NO_DEADLINE;
    call->next = hub->calls;
    if (hub->calls) hub->calls->prev = call;
    hub->calls = call;
    hub->n_calls++;
    hub->stats.calls++;
    return call;
}

/* An arena keeps its first chunk, whose size its first user chose: a large one is not kept. */
static void calm(struct arena *arena) {
    if (arena->total > ARENA_KEPT)
        arena_free(arena);
    else
        arena_reset(arena);
}

static void keep_or_free(struct hub *hub, struct edge_call *call) {
    calm(&call->arena);
    calm(&call->message);
    if (hub->n_spare < SPARE_MAX) {
        call->next = hub->spare;
        hub->spare = call;
        hub->n_spare++;
        return;
    }
    arena_free(&call->arena);
    arena_free(&call->message);
    mem_free(call);
}

void call_free(struct edge_call *call) {
    struct hub *hub = call->hub;
    if (call->on_free) call->on_free(call->free_context);
    timeouts_clear(&hub->timeouts, &call->timeout);
    if (call->next) call->next->prev = call->prev;
    if (call->prev)
        call->prev->next = call->next;
    else
        hub->calls = call->next;
    hub->n_calls--;
    if (call->held) budget_give(call->held);
    body_free(&call->body);
    body_free(&call->answer.out);
    if (call->job) job_recall(call->job);
    job_drop(call->job);
    keep_or_free(hub, call);
}

/* Someone will call call_worked. */
static bool works(const struct edge_call *call) {
    return call->stage == CALL_PARSING || call->stage == CALL_RUNNING ||
           call->stage == CALL_ENCODING;
}

void call_unwanted(struct edge_call *call, struct turn *turn) {
    if (call->unwanted) return;
    call->unwanted = true;
    if (call->stage != CALL_RUNNING) return;
    if (call->on_cancel)
        call->on_cancel(call->cancel_context, turn);
    else if (call->entry.method->both)
        call_worked(call); /* it works only while a message is run */
}

void call_leave(struct edge_call *call, struct turn *turn) {
    bool working = works(call);
    bool answered = call->answer.ended && answer_pending(call) == 0;
    call->conn = NULL;
    tracing_end(call, STATUS_CANCELLED, turn);
    if (!answered && call->stage != CALL_HEAD) call->hub->stats.calls_cancelled++;
    if (!working) {
        call_free(call);
        return;
    }
    timeouts_clear(&call->hub->timeouts, &call->timeout);
    call_unwanted(call, turn); /* may end, and so free, the call */
}

void call_worked(struct edge_call *call) {
    call->stage = CALL_ENDED;
    call->on_cancel = NULL;
    if (!call->conn)
        call_free(call);
    else
        call_rearm(call);
}

/* PARSING and ENCODING: the job is done, or could not be. */
void call_job_done(struct edge_call *call,
                   enum status status,
                   const char *text,
                   struct turn *turn) {
    struct edge_job *job = call->job;
    bool parsing = call->stage == CALL_PARSING;
    assert(job && (parsing || call->stage == CALL_ENCODING));
    job_recall(job); /* when the question never reached a parser */
    call->job = NULL;
    if (call->answer.ended || !call->conn) {
        call_worked(call);
    } else if (status != STATUS_OK) {
        answer_status(call, status, text, turn);
        call_worked(call);
    } else {
        assert(job->done);
        if (parsing) call->stage = CALL_BODY;
        if (parsing)
            intake_outcome(call, job, turn);
        else
            answer_outcome(call, job, turn);
    }
    job_drop(job);
}

/* --- time --------------------------------------------------------------------------------- */
static uint64_t body_due(const struct edge_call *call) {
    uint64_t earned_us = call->received * (uint64_t)1000000 / EDGE_BODY_PACE;
    return call->began_us + call->hub->limits.body_ms * (uint64_t)1000 + earned_us;
}

static bool waits_for_body(const struct edge_call *call) {
    return call->stage == CALL_BODY && !call->request_done;
}

static uint64_t stall_due(const struct edge_call *call) {
    return call->answer.progress_us + call->hub->limits.write_ms * (uint64_t)1000;
}

static uint64_t work_due(const struct edge_call *call) {
    if (!works(call)) return NO_DEADLINE;
    if (call->unwanted || call->deadline_us == NO_DEADLINE) return NO_DEADLINE;
    return call->deadline_us + DEADLINE_GRACE_US;
}

void call_rearm(struct edge_call *call) {
    if (!call->conn) return;
    uint64_t due = work_due(call);
    if (waits_for_body(call) && body_due(call) < due) due = body_due(call);
    if (answer_pending(call) && stall_due(call) < due) due = stall_due(call);
    if (!call->answer.ended && call->beat_us < due) due = call->beat_us;
    if (call->reset_us && call->reset_us < due) due = call->reset_us;
    if (due == NO_DEADLINE)
        timeouts_clear(&call->hub->timeouts, &call->timeout);
    else
        timeouts_set(&call->hub->timeouts, &call->timeout, due);
}

/* The answer goes out first: the service then ends a call that has nothing more to say. */
static void expire(struct edge_call *call, struct turn *turn) {
    call->hub->stats.calls_expired++;
    answer_status(call, STATUS_EXPIRED, NULL, turn);
    call_unwanted(call, turn);
}

static void on_timeout(struct timeout *timeout, struct turn *turn) {
    struct edge_call *call =
        (struct edge_call *)((char *)timeout - offsetof(struct edge_call, timeout));
    uint64_t now = call->hub->now_us;
    bool stalled = answer_pending(call) && stall_due(call) <= now;
    if (stalled || (call->reset_us && call->reset_us <= now)) {
        call->carrier->abort(call);
        return;
    }
    if (waits_for_body(call) && body_due(call) <= now) {
        static const struct failure slow = {4, 408, "the request body came too slowly"};
        answer_fail(call, &slow, turn);
        return;
    }
    if (work_due(call) <= now) {
        expire(call, turn);
        return;
    }
    if (!call->answer.ended && call->beat_us <= now) answer_beat(call, turn);
    call_rearm(call);
}
