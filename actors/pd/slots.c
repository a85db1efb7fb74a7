/* slots: snapshots of the catalog beside the log, in two stores of the log's own disk, by turns:
 *
 *     catalog ─▶ parts ─ one append each ─▶ the other slot ─ last part ─▶ it counts ─▶ log cut
 *
 * A slot is whole from its last part on, which is written in one batch with the record that says
 * so; until then the one before counts. */
#include <inttypes.h>

#include "actors/pd/driver.h"
#include "runtime/assert.h"
#include "runtime/codec.h"
#include "runtime/memory.h"
#include "schemas/log.pb-c.h"

#include "runtime/poison.h"

enum { PUT_US = 30 * 1000 * 1000 };

struct saving {
    struct proposals parts; /* owned; the first is the next to be written */
    uint64_t store, nth;
    uint64_t index, term;
};

static void saving_free(struct saving *saving) {
    if (!saving) return;
    proposals_free(&saving->parts);
    mem_free(saving);
}

void slots_free(struct driver *self) {
    saving_free(self->saving);
    self->saving = NULL;
}

uint64_t slot_other(const struct driver *self) {
    return self->slot == PD_SLOT_ID ? PD_SLOT_ID + 1 : PD_SLOT_ID;
}

void slot_settled(struct driver *self, uint64_t store) {
    self->slot = store;
}

/* --- one part --------------------------------------------------------------------------------- */

static void on_put(void *actor, void *context, const struct outcome *outcome, struct turn *turn) {
    struct driver *self = actor;
    slot_done done = self->on_slot;
    (void)context;
    self->on_slot = NULL;
    if (outcome->status != STATUS_OK)
        turn_note(turn, "snapshot %s %s", status_name(outcome->status), outcome->text);
    done(self, outcome->status, turn);
}

void slot_put(struct driver *self,
              const struct slot_part *part,
              slot_done done,
              struct turn *turn) {
    LogAppend append = LOG_APPEND__INIT;
    LogEntry entry = LOG_ENTRY__INIT, *entries[] = {&entry};
    PdKept kept = PD_KEPT__INIT;
    struct buffer record;
    assert(!self->on_slot);
    buffer_init(&record);
    kept.index = part->index;
    kept.term = part->term;
    kept.generation = part->generation;
    kept.parts = part->last ? part->nth : 0;
    enum status s = STATUS_OK;
    if (part->nth == 1 || part->last) s = codec_encode(&kept.base, &record);
    append.store = part->store;
    append.n_entries = s == STATUS_OK;
    append.entries = entries;
    append.record = (ProtobufCBinaryData){record.size, record.data};
    entry.index = part->nth;
    entry.term = 1;
    entry.type = ENTRY_DATA;
    entry.data = (ProtobufCBinaryData){part->data.size, (uint8_t *)(uintptr_t)part->data.data};
    self->on_slot = done;
    turn_call(turn, &(struct call){.to = turn_find(turn, "log"),
                                   .message = &append.base,
                                   .done = on_put,
                                   .deadline_us = turn_now_us(turn) + PUT_US});
    buffer_free(&record);
}

/* --- this member's own ------------------------------------------------------------------------ */

static void put_next(struct driver *self, struct turn *turn);

static void on_saved(struct driver *self, enum status status, struct turn *turn) {
    struct saving *saving = self->saving;
    if (status == STATUS_OK) proposal_free(proposals_pop(&saving->parts));
    if (status == STATUS_OK && saving->parts.first) {
        put_next(self, turn);
        return;
    }
    self->saving = NULL; /* what failed is tried again with the next entry */
    if (status == STATUS_OK) {
        turn_note(turn, "snapshot of entry %" PRIu64, saving->index);
        slot_settled(self, saving->store);
        self->entries = self->applied - saving->index;
        seat_snapshot(self->seat, saving->index, saving->term, turn);
    }
    saving_free(saving);
    courier_go_on(self, turn);
}

static void put_next(struct driver *self, struct turn *turn) {
    struct saving *saving = self->saving;
    const struct proposal *part = saving->parts.first;
    slot_put(self,
             &(struct slot_part){.store = saving->store,
                                 .nth = ++saving->nth,
                                 .data = {part->data.data, part->data.size},
                                 .last = part->next == NULL,
                                 .index = saving->index,
                                 .term = saving->term,
                                 .generation = self->generation},
             on_saved, turn);
}

enum status slots_emit(void *context, struct buffer *entry) {
    struct proposals *parts = context;
    struct proposal *proposal;
    enum status s = proposal_new(ENTRY_DATA, entry, &proposal);
    if (s == STATUS_OK) proposals_push(parts, proposal);
    return s;
}

void slots_look(struct driver *self, struct turn *turn) {
    if (self->entries < PD_SNAPSHOT_ENTRIES || self->saving || self->intake) return;
    struct saving *saving = mem_zero(1, sizeof *saving);
    if (!saving) return;
    if (catalog_snapshot(&self->catalog, slots_emit, &saving->parts) != STATUS_OK) {
        saving_free(saving); /* no memory now: the next entry asks again */
        return;
    }
    saving->store = slot_other(self);
    saving->index = self->applied;
    saving->term = self->applied_term;
    self->saving = saving;
    put_next(self, turn);
}
