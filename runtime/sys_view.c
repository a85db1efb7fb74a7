/* sys_view: one actor from near, and who waits for whom on a lane. All of it is walked when
 * somebody asks, within bounds; nothing is kept for it but the lane's ring of spans. */
#include <stdlib.h>
#include <string.h>

#include "runtime/sys_state.h"

struct cell *sys_cell(const struct turn *turn, actor_handle handle) {
    uint32_t lane = 0;
    const struct slot *slot = table_find(&turn->core->table, handle, &lane);
    if (!slot || lane != turn->lane->index) return NULL;
    return slot->cell->arrived && !slot->cell->sink ? slot->cell : NULL;
}

/* --- one actor
 * ------------------------------------------------------------------------------------ */

struct sender {
    actor_handle handle;
    uint64_t messages;
};

enum { SENDERS_SEEN = 256 }; /* different ones that are told apart */
struct senders {
    struct sender rows[SENDERS_SEEN];
    size_t n;
};

static void count_sender(struct senders *senders, actor_handle handle) {
    if (handle == 0) return;
    size_t i = 0;
    while (i < senders->n && senders->rows[i].handle != handle)
        i++;
    if (i == SENDERS_SEEN) return;
    if (i == senders->n) senders->rows[senders->n++] = (struct sender){.handle = handle};
    senders->rows[i].messages++;
}

static int by_messages(const void *a, const void *b) {
    uint64_t x = ((const struct sender *)a)->messages, y = ((const struct sender *)b)->messages;
    return (x < y) - (x > y);
}

static void add_senders(struct turn *turn, struct senders *senders, SysActorView *view) {
    qsort(senders->rows, senders->n, sizeof *senders->rows, by_messages);
    size_t n = senders->n < SYS_SENDERS_MAX ? senders->n : SYS_SENDERS_MAX;
    view->senders = SYS_LIST(turn, n, SysSender);
    for (size_t i = 0; view->senders && i < n; i++) {
        SysSender *row = turn_new(turn, SysSender, sys_sender);
        row->name = sys_name(turn, senders->rows[i].handle);
        row->handle = senders->rows[i].handle;
        row->messages = senders->rows[i].messages;
        view->senders[view->n_senders++] = row;
    }
}

static bool is_request(uint8_t kind) {
    return kind == PARCEL_CALL || kind == PARCEL_CAST;
}

static void add_queued(struct turn *turn,
                       const struct cell *cell,
                       struct senders *senders,
                       bool bodies,
                       SysActorView *view) {
    uint32_t seen = 0;
    view->queued = SYS_LIST(turn, SYS_QUEUED_MAX, SysMessage);
    if (!view->queued) return;
    for (int band = 0; band < BAND_COUNT; band++) {
        const struct parcel *parcel = cell->mailbox.bands[band].first;
        for (; parcel && seen < SYS_WALK_MAX; parcel = parcel->next, seen++) {
            if (is_request(parcel->envelope.kind)) count_sender(senders, parcel->envelope.from);
            if (view->n_queued == SYS_QUEUED_MAX) continue;
            SysMessage *row = sys_queued_row(turn, parcel);
            if (bodies && parcel->envelope.kind < PARCEL_WIRE_COUNT)
                sys_body(turn, parcel->envelope.op, parcel->body, parcel->size, &row->body);
            view->queued[view->n_queued++] = row;
        }
    }
}

static void
add_last(struct turn *turn, const struct cell *cell, struct senders *senders, SysActorView *view) {
    struct span_record record;
    uint64_t words[RING_WORDS];
    view->last = SYS_LIST(turn, SYS_LAST_MAX, SysMessage);
    if (!view->last) return;
    for (uint64_t nth = 0; ring_back(&turn->lane->ring, nth, words); nth++) {
        if (span_slot(words) != handle_slot(cell->handle)) continue;
        span_unpack(words, &record);
        if (record.kind > SPAN_DOWN) continue;
        if (record.kind <= SPAN_CAST) count_sender(senders, record.from);
        if (view->n_last < SYS_LAST_MAX) view->last[view->n_last++] = sys_span_row(turn, &record);
    }
}

static const char *const wait_names[] = {
    [WAIT_CALL] = "call",     [WAIT_TIMER] = "timer",         [WAIT_MONITOR] = "monitor",
    [WAIT_LOOKUP] = "lookup", [WAIT_OPEN] = "open",           [WAIT_WATCH] = "watch",
    [WAIT_SERVE] = "serve",   [WAIT_RESTART] = "restart",     [WAIT_GROUP] = "group",
    [WAIT_IDLE] = "idle",     [WAIT_FORWARDER] = "forwarder", [WAIT_STOP] = "stop",
    [WAIT_MUTED] = "muted",
};

static uint64_t age(const struct turn *turn, uint64_t since_us) {
    uint64_t now = turn->lane->now_us;
    return now > since_us ? now - since_us : 0;
}

static void add_waits(struct turn *turn, const struct cell *cell, SysActorView *view) {
    uint64_t now = turn->lane->now_us;
    view->waits = SYS_LIST(turn, SYS_WAITS_MAX, SysWait);
    if (!view->waits) return;
    const struct wait *wait = cell->waits;
    for (; wait && view->n_waits < SYS_WAITS_MAX; wait = wait->next) {
        SysWait *row = turn_new(turn, SysWait, sys_wait);
        uint64_t at = wait->timer.place ? wait->timer.at_us : NO_DEADLINE;
        row->kind = (char *)wait_names[wait->kind];
        row->peer_handle = wait->peer;
        row->peer = sys_name(turn, row->peer_handle);
        row->message = (char *)sys_type_name(wait->op);
        row->since_us = age(turn, wait->since_us);
        if (at != NO_DEADLINE) row->deadline_us = at > now ? at - now : 1;
        view->waits[view->n_waits++] = row;
    }
}

static void add_others(struct turn *turn, const struct cell *cell, SysActorView *view) {
    view->children = SYS_LIST(turn, SYS_OTHERS_MAX, char);
    view->watchers = SYS_LIST(turn, SYS_OTHERS_MAX, char);
    view->links = SYS_LIST(turn, SYS_OTHERS_MAX, char);
    if (!view->children || !view->watchers || !view->links) return;
    const struct child *child = cell->children;
    for (; child && view->n_children < SYS_OTHERS_MAX; child = child->next)
        view->children[view->n_children++] = sys_name(turn, child->handle);
    const struct watcher *watcher = cell->watchers;
    for (uint32_t n = 0; watcher && n < SYS_OTHERS_MAX; watcher = watcher->next, n++)
        if (watcher->link)
            view->links[view->n_links++] = sys_name(turn, watcher->handle);
        else
            view->watchers[view->n_watchers++] = sys_name(turn, watcher->handle);
}

SysActorView *sys_view(struct turn *turn, struct cell *cell, bool bodies) {
    SysActorView *view = turn_new(turn, SysActorView, sys_actor_view);
    struct senders *senders = turn_alloc(turn, sizeof *senders);
    view->actor = sys_actor_row(turn, cell);
    view->clock_us = turn->lane->now_us;
    if (cell->words) view->text = turn_printf(turn, "%s", cell->words);
    if (!senders) return view;
    add_queued(turn, cell, senders, bodies, view);
    add_last(turn, cell, senders, view);
    add_senders(turn, senders, view);
    add_waits(turn, cell, view);
    add_others(turn, cell, view);
    return view;
}

/* --- who waits
 * ------------------------------------------------------------------------------------ */

enum { CALLS_WALK = 1 << 16 };

struct calls {
    const struct wait **rows;
    size_t n;
    uint32_t own; /* op of the question itself, which waits too */
};

static void collect(const struct wait *wait, void *context) {
    struct calls *calls = context;
    if (wait->op != calls->own) calls->rows[calls->n++] = wait;
}

static int by_age(const void *a, const void *b) {
    uint64_t x = (*(const struct wait *const *)a)->since_us;
    uint64_t y = (*(const struct wait *const *)b)->since_us;
    return (x > y) - (x < y);
}

static SysEdge *edge_row(struct turn *turn, const struct wait *wait) {
    SysEdge *row = turn_new(turn, SysEdge, sys_edge);
    row->from = sys_name(turn, wait->cell->handle);
    row->from_handle = wait->cell->handle;
    row->to = sys_name(turn, wait->peer);
    row->to_handle = handle_local(wait->peer);
    row->to_peer = handle_peer(wait->peer);
    row->message = (char *)sys_type_name(wait->op);
    row->since_us = age(turn, wait->since_us);
    sys_trace(turn, wait->trace, &row->trace);
    return row;
}

SysWaits *sys_lane_waits(struct turn *turn) {
    SysWaits *waits = turn_new(turn, SysWaits, sys_waits);
    struct lane *lane = turn->lane;
    uint32_t open = lane->waits.calls < CALLS_WALK ? lane->waits.calls : CALLS_WALK;
    struct calls calls = {.rows = turn_alloc(turn, open * sizeof(struct wait *)), .own = turn->op};
    waits->edges_total = lane->waits.calls;
    if (!calls.rows || open == 0) return waits;
    waits_look(&lane->waits, WAIT_CALL, open, collect, &calls);
    qsort(calls.rows, calls.n, sizeof *calls.rows, by_age);
    size_t n = calls.n < SYS_EDGES_MAX ? calls.n : SYS_EDGES_MAX;
    waits->edges = SYS_LIST(turn, n, SysEdge);
    for (size_t i = 0; waits->edges && i < n; i++)
        waits->edges[waits->n_edges++] = edge_row(turn, calls.rows[i]);
    return waits;
}
