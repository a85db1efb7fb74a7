/* writing: what consensus wants durable, by the log actor.
 *
 *     effects ─▶ next ─ nothing under way ─▶ LogAppend ─▶ durable: consensus_persisted
 *                 ▲                              │
 *                 └──── refused: next again ─────┘
 *
 * One append is under way at a time, until its one outcome: repeated before that, it would have two
 * answers, and the second of them would be taken for the next one's.
 *
 * Entries are not copied here: the window has them until they are durable. Each write of consensus
 * is a mark with the last index it put into the log; a mark is done when the entries up to there
 * are. One that no append carried yet takes in the next ones: it is done later, never too early. */
#include <string.h>

#include "actors/raft/state.h"
#include "runtime/assert.h"
#include "runtime/codec.h"
#include "schemas/log.pb-c.h"

#include "runtime/poison.h"

enum {
    APPEND_TIMEOUT_US = 30 * 1000 * 1000, /* a disk this slow counts as gone, and is asked again */
    REPEAT_US = 10 * 1000,                /* pause before an append is repeated */
};

static struct mark *mark_at(struct writing *writing, uint32_t nth) {
    return &writing->marks[(writing->first_mark + nth) % SEAT_MARKS];
}

void writing_add(struct seat *seat, const struct consensus_effects *effects) {
    struct writing *writing = &seat->writing;
    if (effects->persist == 0) return;
    if (effects->hard) {
        writing->hard = true;
        writing->term = effects->term;
        writing->vote = effects->vote;
    }
    uint64_t last = 0;
    if (effects->n_entries > 0) {
        last = effects->first + effects->n_entries - 1;
        if (writing->from == 0 || effects->first < writing->from) writing->from = effects->first;
    }
    if (!writing->open && writing->count < SEAT_MARKS) {
        *mark_at(writing, writing->count++) = (struct mark){effects->persist, last};
        writing->open = true;
        return;
    }
    struct mark *mark = mark_at(writing, writing->count - 1);
    mark->number = effects->persist;
    if (last > mark->last) mark->last = last;
    if (writing->n_marks == writing->count) writing->n_marks--; /* not with what is under way */
}

void writing_cut(struct writing *writing, uint64_t index) {
    for (uint32_t i = 0; i < writing->count; i++) {
        struct mark *mark = mark_at(writing, i);
        if (mark->last >= index) mark->last = index - 1;
    }
    if (writing->last >= index) writing->last = index - 1;
    if (writing->stored >= index) writing->stored = index - 1;
    if (writing->from >= index) writing->from = 0;
}

/* Entries and all are durable: the number of the newest write that is complete. */
static uint64_t complete(struct writing *writing) {
    uint64_t number = 0;
    if (writing->last >= writing->first && writing->last > writing->stored)
        writing->stored = writing->last;
    while (writing->n_marks > 0 && mark_at(writing, 0)->last <= writing->stored) {
        number = mark_at(writing, 0)->number;
        writing->first_mark = (writing->first_mark + 1) % SEAT_MARKS;
        writing->count--;
        writing->n_marks--;
    }
    writing->n_marks = 0;
    return number;
}

/* What was under way is to be written once more, with what came meanwhile. */
static void take_back(struct writing *writing) {
    if (writing->last >= writing->first && (writing->from == 0 || writing->first < writing->from))
        writing->from = writing->first;
    writing->hard = writing->hard || writing->sent_hard;
    writing->first = writing->last + 1;
    writing->n_marks = 0;
    writing->busy = false;
    writing->refused = false;
}

static void repeat(void *actor, void *context, struct turn *turn) {
    struct seat *seat = context;
    (void)actor;
    writing_repeat(seat, turn);
}

void writing_repeat(struct seat *seat, struct turn *turn) {
    if (seat->left || !seat->writing.refused) return;
    take_back(&seat->writing);
    writing_pump(seat, turn);
}

static void
on_written(void *actor, void *context, const struct outcome *outcome, struct turn *turn) {
    struct seat *seat = context;
    struct writing *writing = &seat->writing;
    (void)actor;
    if (seat->left) return;
    writing->refused = outcome->status != STATUS_OK;
    switch (outcome->status) {
    case STATUS_OK:
        break;
    case STATUS_BUSY:
    case STATUS_LOST_PEER:
    case STATUS_EXPIRED:
    case STATUS_NO_MEMORY:
        seat->log = 0; /* it may be back under a new incarnation */
        turn_timer(turn, REPEAT_US, repeat, seat);
        return;
    default: /* stays busy: seat_retry */
        seat_broken(seat, outcome->status, outcome->text, turn);
        return;
    }
    writing->busy = false;
    writing->sent_hard = false;
    if (writing->sent_record && writing->reset) {
        seat->options.machine->installed(seat->options.owner, turn);
        return;
    }
    if (writing->sent_record) {
        buffer_clear(&writing->record);
        writing->cut = 0;
        writing->reset = false;
        writing->sent_record = false;
    }
    uint64_t number = complete(writing);
    if (!seat->consensus) {
        seat_begin(seat, turn);
        return;
    }
    seat_persisted(seat, number, turn);
}

/* The entries that go, as many as one message takes; NULL: no memory. */
static LogEntry **take_entries(struct seat *seat, size_t *n, struct turn *turn) {
    struct writing *writing = &seat->writing;
    size_t bytes = 0;
    uint64_t last = seat->window.last;
    *n = 0;
    writing->first = 1;
    writing->last = 0;
    size_t most = writing->from ? last + 1 - writing->from : 0;
    if (most > SEAT_BATCH_ENTRIES) most = SEAT_BATCH_ENTRIES;
    LogEntry *rows = turn_alloc(turn, (most + 1) * sizeof *rows);
    LogEntry **entries = turn_alloc(turn, (most + 1) * sizeof *entries);
    if (!rows || !entries || most == 0) return rows ? entries : NULL;
    writing->first = writing->from;
    for (uint64_t index = writing->from; *n < most; index++) {
        const struct proposal *p = window_at(&seat->window, index);
        assert(p);
        if (*n > 0 && bytes + p->data.size > SEAT_BATCH_BYTES) break;
        bytes += p->data.size;
        LogEntry *row = &rows[*n];
        log_entry__init(row);
        row->index = index;
        row->term = p->term;
        row->type = p->type;
        row->data = (ProtobufCBinaryData){.len = p->data.size, .data = p->data.data};
        entries[(*n)++] = row;
        writing->last = index;
    }
    writing->from = writing->last < last ? writing->last + 1 : 0;
    return entries;
}

void writing_pump(struct seat *seat, struct turn *turn) {
    struct writing *writing = &seat->writing;
    bool record = writing->record.size > 0;
    if (writing->busy || seat->left) return;
    if (writing->from == 0 && !writing->hard && !record) return;
    if (seat->log == 0) seat->log = turn_find(turn, "log");
    writing->busy = true;
    LogAppend append = LOG_APPEND__INIT;
    append.entries = seat->log ? take_entries(seat, &append.n_entries, turn) : NULL;
    if (!append.entries) {
        writing->refused = true;
        turn_timer(turn, REPEAT_US, repeat, seat);
        return;
    }
    append.store = seat->options.store;
    append.hard = writing->hard;
    append.term = writing->term;
    append.vote = writing->vote;
    append.truncate_before = writing->cut;
    append.reset = writing->reset;
    append.record = (ProtobufCBinaryData){writing->record.size, writing->record.data};
    writing->sent_hard = writing->hard;
    writing->sent_record = record;
    writing->hard = false;
    writing->open = false;
    writing->n_marks = writing->count;
    turn_call(turn, &(struct call){.to = seat->log,
                                   .message = &append.base,
                                   .done = on_written,
                                   .context = seat,
                                   .deadline_us = turn_now_us(turn) + APPEND_TIMEOUT_US});
}

void writing_record(
    struct seat *seat, const struct buffer *record, uint64_t cut, bool reset, struct turn *turn) {
    struct writing *writing = &seat->writing;
    writing->sent_record = false; /* one that is under way is not the newest any more */
    buffer_clear(&writing->record);
    buffer_append(&writing->record, record->data, record->size);
    writing->cut = cut;
    writing->reset = reset;
    writing_pump(seat, turn);
}
