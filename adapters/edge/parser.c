/* parser: one step of each job in turn, so that a small body does not wait behind a large one. Unpacking is cut into
 * steps; decoding a body is one step, however large, because neither JSON nor protobuf can be left in the middle: that
 * is what compute lanes are for. */
#include "adapters/edge/parser.h"

#include "adapters/edge/job.h"
#include "runtime/memory.h"
#include "runtime/turn.h"
#include "schemas/edge.pb-c.h"
#include "schemas/runtime.pb-c.h"

struct work {
    struct work *next, *prev;
    struct edge_job *job; /* a share */
    struct promise promise;
};

struct parser {
    struct work *works; /* owned */
};

#define PARSER_ACCEPTS(X) X(struct parser, EdgeParse, edge_parse, on_parse)
ACTOR_HANDLERS(parser_handlers, PARSER_ACCEPTS);

static void drop(struct parser *self, struct work *work) {
    if (work->next) work->next->prev = work->prev;
    if (work->prev) work->prev->next = work->next;
    else self->works = work->next;
    job_drop(work->job);
    mem_free(work);
}

static void step(void *self, void *context, struct turn *turn) {
    struct work *work = context;
    if (!turn_wanted(turn, &work->promise)) {
        turn_reject(turn, &work->promise, STATUS_CANCELLED, "no longer wanted");
        drop(self, work);
    } else if (job_step(work->job)) {
        Done done = DONE__INIT;
        turn_resolve(turn, &work->promise, &done.base);
        drop(self, work);
    } else {
        turn_later(turn, step, work);
    }
}

static enum status on_parse(struct parser *self, const EdgeParse *message, struct turn *turn) {
    struct edge_job *job = job_take(message->ticket);
    if (!job) return turn_fail(turn, STATUS_NOT_FOUND, "no body waits under this ticket");
    struct work *work = mem_zero(1, sizeof *work);
    if (!work) {
        job_drop(job);
        return turn_fail(turn, STATUS_NO_MEMORY, "no memory to parse a body");
    }
    work->job = job;
    work->promise = turn_defer(turn);
    work->next = self->works;
    if (self->works) self->works->prev = work;
    self->works = work;
    turn_later(turn, step, work);
    return STATUS_OK;
}

static void parser_close(void *actor) {
    struct parser *self = actor;
    while (self->works)
        drop(self, self->works);
}

const struct actor_type parser_type = {
    .kind = "parser",
    .size = sizeof(struct parser),
    .handlers = parser_handlers,
    .close = parser_close,
    .lane = LANE_COMPUTE,
};
