#include "runtime/forward.h"

#include "runtime/assert.h"
#include "runtime/cell.h"
#include "runtime/handle.h"
#include "runtime/memory.h"
#include "runtime/turn_state.h"

static bool same_slot(actor_handle a, actor_handle b) {
    return handle_peer(a) == handle_peer(b) && handle_slot(a) == handle_slot(b);
}

void forwards_note(struct forwards *forwards, actor_handle to) {
    for (uint32_t i = 0; i < forwards->n; i++) {
        if (!same_slot(forwards->to[i], to)) continue;
        forwards->to[i] = to;
        return;
    }
    if (forwards->n == FORWARDS_MAX) {
        forwards->to[forwards->next++ % FORWARDS_MAX] = to;
        return;
    }
    forwards->to = mem_resize(forwards->to, (forwards->n + 1) * sizeof *forwards->to);
    assert(forwards->to);
    forwards->to[forwards->n++] = to;
}

void forwards_cancel(const struct forwards *forwards,
                     struct cell *cell,
                     const struct envelope *cancel) {
    if (cancel->op >= FORWARD_HOPS_MAX) return;
    for (uint32_t i = 0; i < forwards->n; i++) {
        if (same_slot(forwards->to[i], cell->handle)) continue;
        struct parcel *copy = parcel_local(PARCEL_CANCEL, forwards->to[i], NULL, 0);
        copy->envelope.from = cancel->from;
        copy->envelope.correlation = cancel->correlation;
        copy->envelope.band = cancel->band;
        copy->envelope.op = cancel->op + 1; /* a cancel has no body: its op counts the hops */
        core_send(cell->core, cell->lane, copy);
    }
}

void forwards_free(struct forwards *forwards) {
    mem_free(forwards->to);
    *forwards = (struct forwards){0};
}
