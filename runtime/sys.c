/* sys: answers what console, command line and metrics ask about this process. What is known to a
 * lane only, the lane's reporter tells:
 *
 *     SysAsk ─▶ sys ── SysAsk ─▶ reporters of lanes 1 … n ── SysReport ─▶ sys ── SysReport ─▶ asker
 *     SysAskActor ─▶ sys ── SysAskActor ─▶ reporter of its lane ── SysActorView ─▶ sys ─▶ asker
 *
 * So no lane reads another lane's counters. A lane that does not answer in time does not hold up
 * the rest. sys is on the first lane: there the link is, which knows the names of peers. */
#include "runtime/sys.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/assert.h"
#include "runtime/codec.h"
#include "runtime/memory.h"
#include "runtime/sys_state.h"

enum { SYS_GATHERINGS_MAX = 64 };

/* One question about one actor, in work at its lane. */
struct viewing {
    struct viewing *next; /* owned */
    struct promise promise;
};

struct sys {
    struct gathering *gatherings; /* owned */
    uint32_t n_gatherings;
    struct viewing *viewings; /* owned */
    uint32_t n_viewings;
    struct sys_tappings tappings;
    struct sys_lint lint;
    struct sys_profiles profiles;
};

#define SYS_ACCEPTS(X) \
    X(struct sys, SysAsk, sys_ask, on_ask) \
    X(struct sys, SysAskActor, sys_ask_actor, on_ask_actor) \
    X(struct sys, SysAskWaits, sys_ask_waits, on_ask_waits) \
    X(struct sys, SysAskLetters, sys_ask_letters, on_ask_letters) \
    X(struct sys, SysResend, sys_resend, on_resend) \
    X(struct sys, SysTap, sys_tap, on_tap) \
    X(struct sys, SysAskTraces, sys_ask_traces, on_ask_traces) \
    X(struct sys, SysAskTrace, sys_ask_trace, on_ask_trace) \
    X(struct sys, SysRecord, sys_record, on_record) \
    X(struct sys, SysDo, sys_do, on_do) \
    X(struct sys, SysProfile, sys_profile, on_profile)
ACTOR_HANDLERS(sys_handlers, SYS_ACCEPTS);

/* --- asking all lanes
 * ----------------------------------------------------------------------------- */

static void free_gathering(struct gathering *gathering) {
    struct gathering **at = &gathering->sys->gatherings;
    while (*at != gathering)
        at = &(*at)->next;
    *at = gathering->next;
    gathering->sys->n_gatherings--;
    for (uint32_t i = 0; i < gathering->n; i++)
        mem_free(gathering->answers[i].body);
    mem_free(gathering);
}

static void
on_lane_answer(void *self, void *context, const struct outcome *outcome, struct turn *turn) {
    (void)self;
    struct lane_answer *answer = context;
    struct gathering *gathering = answer->gathering;
    if (outcome->message) {
        const struct parcel *parcel = turn->parcel;
        answer->body = mem_copy(parcel->body, parcel->size);
        answer->size = answer->body ? parcel->size : 0;
    }
    if (--gathering->open > 0) return;
    gathering->finish(gathering, turn);
    free_gathering(gathering);
}

ProtobufCMessage *sys_answer(struct turn *turn,
                             const struct gathering *gathering,
                             uint32_t lane,
                             const ProtobufCMessageDescriptor *type) {
    const struct lane_answer *answer = &gathering->answers[lane];
    ProtobufCMessage *message = NULL;
    if (!answer->body || codec_decode(type, answer->body, answer->size, &turn->lane->arena,
                                      &message, NULL) != STATUS_OK)
        return NULL;
    return message;
}

static actor_handle reporter(struct turn *turn, uint32_t lane) {
    return turn_find(turn, sys_reporter_name(turn, lane));
}

enum status sys_gather(struct sys *self,
                       struct turn *turn,
                       const ProtobufCMessage *question,
                       void (*finish)(struct gathering *, struct turn *)) {
    uint32_t n = turn->core->n_lanes;
    if (self->n_gatherings >= SYS_GATHERINGS_MAX)
        return turn_fail(turn, STATUS_BUSY, "%d questions are in work", SYS_GATHERINGS_MAX);
    struct gathering *gathering = mem_zero(1, sizeof *gathering + n * sizeof(struct lane_answer));
    if (!gathering) return turn_fail(turn, STATUS_NO_MEMORY, "no memory for the answer");
    gathering->sys = self;
    gathering->finish = finish;
    gathering->n = gathering->open = n;
    gathering->next = self->gatherings;
    self->gatherings = gathering;
    self->n_gatherings++;
    if (turn->request) gathering->promise = turn_defer(turn);
    for (uint32_t i = 0; i < n; i++) {
        gathering->answers[i].gathering = gathering;
        turn_call(turn, &(struct call){
                            .to = reporter(turn, i),
                            .message = question,
                            .done = on_lane_answer,
                            .context = &gathering->answers[i],
                            .deadline_us = turn_now_us(turn) + SYS_ASK_US,
                            .control = true,
                        });
    }
    return STATUS_OK;
}

/* --- the process
 * ---------------------------------------------------------------------------------- */

static enum status on_ask(struct sys *self, const SysAsk *ask, struct turn *turn) {
    return sys_gather(self, turn, &ask->base, sys_report_finish);
}

static int by_age(const void *a, const void *b) {
    uint64_t x = (*(SysEdge *const *)a)->since_us, y = (*(SysEdge *const *)b)->since_us;
    return (x < y) - (x > y);
}

static void finish_waits(struct gathering *gathering, struct turn *turn) {
    SysWaits *waits = turn_new(turn, SysWaits, sys_waits);
    waits->edges = SYS_LIST(turn, gathering->n * SYS_EDGES_MAX, SysEdge);
    for (uint32_t i = 0; waits->edges && i < gathering->n; i++) {
        const SysWaits *part = (SysWaits *)sys_answer(turn, gathering, i, &sys_waits__descriptor);
        if (!part) continue;
        waits->edges_total += part->edges_total;
        for (size_t j = 0; j < part->n_edges; j++)
            waits->edges[waits->n_edges++] = part->edges[j];
    }
    if (waits->n_edges) qsort(waits->edges, waits->n_edges, sizeof *waits->edges, by_age);
    if (waits->n_edges > SYS_EDGES_MAX) waits->n_edges = SYS_EDGES_MAX;
    for (size_t i = 0; i < waits->n_edges; i++) {
        SysEdge *edge = waits->edges[i];
        if (edge->to_peer == 0 || edge->to_peer > UINT16_MAX) continue;
        sys_name_peer(turn, &edge->to, edge->to_handle | edge->to_peer << 48);
    }
    turn_resolve(turn, &gathering->promise, &waits->base);
}

static enum status on_ask_waits(struct sys *self, const SysAskWaits *ask, struct turn *turn) {
    return sys_gather(self, turn, &ask->base, finish_waits);
}

/* --- one actor
 * ------------------------------------------------------------------------------------ */

static void free_viewing(struct sys *self, struct viewing *viewing) {
    struct viewing **at = &self->viewings;
    while (*at != viewing)
        at = &(*at)->next;
    *at = viewing->next;
    self->n_viewings--;
    mem_free(viewing);
}

/* Names that only this lane knows. */
static void name_peers(struct turn *turn, SysActorView *view) {
    for (size_t i = 0; i < view->n_queued; i++)
        sys_name_peer(turn, &view->queued[i]->from, view->queued[i]->from_handle);
    for (size_t i = 0; i < view->n_last; i++)
        sys_name_peer(turn, &view->last[i]->from, view->last[i]->from_handle);
    for (size_t i = 0; i < view->n_waits; i++)
        sys_name_peer(turn, &view->waits[i]->peer, view->waits[i]->peer_handle);
    for (size_t i = 0; i < view->n_senders; i++)
        sys_name_peer(turn, &view->senders[i]->name, view->senders[i]->handle);
}

static void on_view(void *actor, void *context, const struct outcome *outcome, struct turn *turn) {
    struct sys *self = actor;
    struct viewing *viewing = context;
    SysActorView *view = (SysActorView *)outcome_as(outcome, SysActorView, sys_actor_view);
    if (view) {
        name_peers(turn, view);
        turn_resolve(turn, &viewing->promise, &view->base);
    } else {
        enum status s = outcome->status == STATUS_OK ? STATUS_INTERNAL : outcome->status;
        turn_reject(turn, &viewing->promise, s, "%s",
                    s == STATUS_EXPIRED ? "its lane does not answer" : outcome->text);
    }
    free_viewing(self, viewing);
}

static enum status on_ask_actor(struct sys *self, const SysAskActor *ask, struct turn *turn) {
    uint32_t lane = 0;
    SysAskActor question = *ask;
    if (!question.handle) question.handle = core_find(turn->core, ask->name);
    if (!table_find(&turn->core->table, question.handle, &lane))
        return turn_fail(turn, STATUS_NOT_FOUND, "no actor %s in this process", ask->name);
    if (ask->bodies && !turn->core->bodies) return sys_no_bodies(turn);
    if (self->n_viewings >= SYS_GATHERINGS_MAX)
        return turn_fail(turn, STATUS_BUSY, "%d questions are in work", SYS_GATHERINGS_MAX);
    struct viewing *viewing = mem_zero(1, sizeof *viewing);
    if (!viewing) return turn_fail(turn, STATUS_NO_MEMORY, "no memory for the answer");
    viewing->next = self->viewings;
    self->viewings = viewing;
    self->n_viewings++;
    viewing->promise = turn_defer(turn);
    turn_call(turn, &(struct call){
                        .to = reporter(turn, lane),
                        .message = &question.base,
                        .done = on_view,
                        .context = viewing,
                        .deadline_us = turn_now_us(turn) + SYS_ASK_US,
                        .control = true,
                    });
    return STATUS_OK;
}

/* --- letters
 * -------------------------------------------------------------------------------------- */

enum status sys_no_bodies(struct turn *turn) {
    return turn_fail(turn, STATUS_DENIED,
                     "bodies are not shown here: VECTRON_SYS_BODIES=redacted allows it");
}

enum status sys_no_actions(struct turn *turn) {
    return turn_fail(turn, STATUS_DENIED,
                     "actions are not allowed here: VECTRON_SYS_ACTIONS=on allows them");
}

static enum status on_ask_letters(struct sys *self, const SysAskLetters *ask, struct turn *turn) {
    (void)self;
    return sys_ask_letters(ask, turn);
}

static enum status on_resend(struct sys *self, const SysResend *ask, struct turn *turn) {
    (void)self;
    return sys_resend(ask, turn);
}

/* --- actions
 * -------------------------------------------------------------------------------------- */

static enum status on_do(struct sys *self, const SysDo *ask, struct turn *turn) {
    (void)self;
    return sys_do(ask, turn);
}

struct sys_profiles *sys_profiles(struct sys *self) {
    return &self->profiles;
}

static enum status on_profile(struct sys *self, const SysProfile *ask, struct turn *turn) {
    return sys_profile(self, ask, turn);
}

/* --- taps
 * ----------------------------------------------------------------------------------------- */

struct sys_tappings *sys_tappings(struct sys *self) {
    return &self->tappings;
}

static enum status on_tap(struct sys *self, const SysTap *ask, struct turn *turn) {
    return sys_tap(self, ask, turn);
}

struct sys_lint *sys_lint(struct sys *self) {
    return &self->lint;
}

/* --- life
 * ----------------------------------------------------------------------------------------- */

/* --- traces: the collector's, for programs that know only sys
 * ------------------------------------------------------------ */

static enum status to_collector(struct turn *turn) {
    actor_handle traces = turn_find(turn, "traces");
    if (!traces) return turn_fail(turn, STATUS_NOT_FOUND, "this process records no spans");
    turn_forward(turn, traces);
    return STATUS_OK;
}

static enum status on_ask_traces(struct sys *self, const SysAskTraces *ask, struct turn *turn) {
    (void)self, (void)ask;
    return to_collector(turn);
}

static enum status on_ask_trace(struct sys *self, const SysAskTrace *ask, struct turn *turn) {
    (void)self, (void)ask;
    return to_collector(turn);
}

static enum status on_record(struct sys *self, const SysRecord *ask, struct turn *turn) {
    (void)self, (void)ask;
    return to_collector(turn);
}

static void sys_close(void *actor) {
    struct sys *self = actor;
    while (self->gatherings)
        free_gathering(self->gatherings);
    while (self->viewings)
        free_viewing(self, self->viewings);
    sys_taps_close(&self->tappings);
    sys_profiles_close(&self->profiles);
}

static enum status sys_open(void *actor, const void *options, struct turn *turn) {
    (void)actor, (void)options;
    sys_lint_start(turn);
    return STATUS_OK;
}

static const struct actor_type sys_type = {
    .kind = "sys",
    .size = sizeof(struct sys),
    .handlers = sys_handlers,
    .open = sys_open,
    .close = sys_close,
    .lane = LANE_IO,
};

/* At the start: without memory for it the process ends. */
static void spawn_one(struct turn *turn, const struct spawn *spawn) {
    actor_handle handle = 0;
    bool spawned = turn_spawn(turn, spawn, &handle) == STATUS_OK;
    assert(spawned);
}

void sys_spawn(struct core *core, struct turn *turn) {
    for (uint32_t i = 0; i < core->n_lanes; i++) {
        bool compute = i >= core->n_io;
        spawn_one(turn, &(struct spawn){
                            .type = &sys_reporter_types[compute],
                            .name = sys_reporter_name(turn, i),
                            .lane = (int)(compute ? i - core->n_io : i) + 1,
                        });
    }
    spawn_one(turn, &(struct spawn){.type = &sys_type, .name = "sys", .lane = 1, .intensity = 10});
    if (core->collecting.period_min == 0 || core->ring_records == 0) return;
    spawn_one(turn, &(struct spawn){.type = &collector_type,
                                    .name = "traces",
                                    .options = &core->collecting,
                                    .lane = 1});
}
