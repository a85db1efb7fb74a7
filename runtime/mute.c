/* mute: see the header. One timer a muted actor, which is set anew when it rings too early. */
#include "runtime/mute.h"

#include "runtime/cell.h"
#include "runtime/memory.h"
#include "runtime/turn_state.h"

struct mute {
    struct mute *next; /* owned */
    actor_handle from;
    uint64_t at_us;
};

/* --- the receiver
 * ------------------------------------------------------------------------------------------- */

static void say(struct lane *lane, enum parcel_kind kind, actor_handle from, actor_handle to) {
    struct parcel *parcel = parcel_local(kind, to, NULL, 0);
    parcel->envelope.from = from;
    parcel->envelope.band = BAND_SYSTEM;
    core_send(lane->core, lane, parcel);
}

void mutes_add(struct mutes *mutes, struct lane *lane, const struct envelope *request) {
    struct mute *mute = mutes->first;
    while (mute && mute->from != request->from)
        mute = mute->next;
    if (mute && lane->now_us - mute->at_us < MUTE_US) return;
    if (!mute && mutes->n < MUTE_SENDERS_MAX) {
        mute = mem_zero(1, sizeof *mute);
        if (!mute) return;
        mute->from = request->from;
        mute->next = mutes->first;
        mutes->first = mute;
        mutes->n++;
    }
    if (!mute) return;
    mute->at_us = lane->now_us;
    say(lane, PARCEL_MUTE, request->to, mute->from);
}

void mutes_free(struct mutes *mutes) {
    while (mutes->first) {
        struct mute *mute = mutes->first;
        mutes->first = mute->next;
        mem_free(mute);
    }
    mutes->n = 0;
}

void mutes_end(struct mutes *mutes, struct lane *lane, actor_handle receiver) {
    for (const struct mute *mute = mutes->first; mute; mute = mute->next)
        say(lane, PARCEL_UNMUTE, receiver, mute->from);
    mutes_free(mutes);
}

/* More than this many quarters of a bound are taken. */
static bool above(const struct mailbox *mailbox, uint32_t quarters) {
    const struct mailbox_band *data = &mailbox->bands[BAND_DATA];
    return (uint64_t)data->count * 4 > (uint64_t)mailbox->messages_max * quarters ||
           data->bytes / quarters > mailbox->bytes_max / 4;
}

void mute_look(struct cell *cell, const struct envelope *request) {
    if (request->band != BAND_DATA || request->from == cell->handle) return;
    if (above(&cell->mailbox, 2)) mutes_add(&cell->muted, cell->lane, request);
}

void mute_settle(struct cell *cell) {
    if (!above(&cell->mailbox, 1)) mutes_end(&cell->muted, cell->lane, cell->handle);
}

/* --- the sender
 * ------------------------------------------------------------------------------------------- */

static void go_on(struct cell *cell) {
    cell->mutes = 0;
    lane_ready(cell->lane, cell);
}

void mute_take(struct cell *cell, struct parcel *parcel) {
    struct lane *lane = cell->lane;
    bool begins = parcel->envelope.kind == PARCEL_MUTE;
    parcel_free(parcel);
    if (!begins) {
        if (cell->mutes > 0 && --cell->mutes == 0) go_on(cell);
        return;
    }
    if (cell->now != CELL_OPEN) return;
    cell->mutes++;
    cell->muted_until_us = lane->now_us + MUTE_US;
    if (cell->mute_timed) return;
    cell->mute_timed = true;
    struct wait *wait = wait_new(&lane->waits, cell, WAIT_MUTED);
    timers_add(&lane->timers, &wait->timer, cell->muted_until_us);
}

void mute_over(struct cell *cell, struct wait *wait) {
    struct lane *lane = cell->lane;
    if (cell->mutes > 0 && lane->now_us < cell->muted_until_us) {
        timers_add(&lane->timers, &wait->timer, cell->muted_until_us);
        return;
    }
    wait_free(&lane->waits, wait);
    cell->mute_timed = false;
    if (cell->mutes > 0) go_on(cell);
}

void mute_close(struct cell *cell) {
    mutes_end(&cell->muted, cell->lane, cell->handle);
    cell->mutes = 0;
    cell->mute_timed = false;
}
