/* restore: from what is durable to a seat in the group.
 *
 *     identity ─▶ facts of the log ─▶ the snapshot that counts ─▶ entries known to be committed
 *         └─ none: written now              └─ a slot of the log's generation, the newest whole one
 *
 * What the log has behind the snapshot is applied by the group, once it says what is committed.
 * Only a member that is all of its group knows by itself: all of it. A log from before there were
 * groups is that of such a member, and may begin with its snapshot. */
#include <inttypes.h>
#include <stdio.h>

#include "actors/pd/driver.h"
#include "runtime/arena.h"
#include "runtime/codec.h"
#include "runtime/memory.h"
#include "schemas/log.pb-c.h"

#include "runtime/poison.h"

enum { AGAIN_US = 1000 * 1000, WORDS_SIZE = 256 };

struct restore {
    struct log_store *log;
    uint64_t member;
    bool known; /* it has written down who it is */
    struct seat_facts facts;
    struct catalog catalog;
    uint64_t slot;
    uint64_t applied, applied_term;
    uint64_t entries;
    char text[WORDS_SIZE];
};

void restore_free(struct restore *restore) {
    if (!restore) return;
    seat_facts_free(&restore->facts);
    catalog_reset(&restore->catalog);
    mem_free(restore);
}

static void restore_abandon(void *context) {
    restore_free(context);
}

/* --- on the blocking pool --------------------------------------------------------------------- */

static enum status fail(struct restore *restore, enum status status, const char *what) {
    snprintf(restore->text, sizeof restore->text, "%s: %s", what, kv_error());
    return status;
}

/* NOT_FOUND: nothing is kept there. */
static enum status read_kept(struct restore *restore, uint64_t store, PdKept *out) {
    struct kv_value value = {0};
    struct arena arena;
    ProtobufCMessage *message = NULL;
    enum status s = log_store_record(restore->log, store, &value);
    if (s != STATUS_OK) return s;
    arena_init(&arena, 0);
    s = codec_decode(&pd_kept__descriptor, value.data, value.size, &arena, &message, NULL);
    if (s == STATUS_OK) *out = *(const PdKept *)message; /* numbers alone */
    arena_free(&arena);
    kv_value_free(&value);
    return s;
}

static enum status read_identity(struct restore *restore) {
    PdKept kept = PD_KEPT__INIT;
    enum status s = read_kept(restore, PD_IDENTITY_ID, &kept);
    if (s == STATUS_NOT_FOUND) return STATUS_OK;
    if (s != STATUS_OK) return fail(restore, s, "identity");
    restore->known = true;
    if (kept.member == restore->member) return STATUS_OK;
    snprintf(restore->text, sizeof restore->text,
             "its data folder is of member %" PRIu64 ", not %" PRIu64
             ": give it its own (--data-dir), or the id it had (--node-id)",
             kept.member, restore->member);
    return STATUS_INVALID;
}

static enum status apply_entry(void *context, const struct log_entry *entry) {
    struct restore *restore = context;
    struct arena arena;
    ProtobufCMessage *message;
    if (entry->type == ENTRY_DATA) {
        arena_init(&arena, 0);
        enum status s = codec_decode(&pd_command__descriptor, entry->data.data, entry->data.size,
                                     &arena, &message, NULL);
        if (s == STATUS_OK) s = catalog_apply(&restore->catalog, (const PdCommand *)message);
        arena_free(&arena);
        if (s != STATUS_OK) return s;
    }
    restore->applied = entry->index;
    restore->applied_term = entry->term;
    restore->entries++;
    return STATUS_OK;
}

/* The newest whole snapshot of the log's generation. */
static enum status read_slots(struct restore *restore) {
    PdKept best = PD_KEPT__INIT;
    for (uint64_t store = PD_SLOT_ID; store < PD_SLOT_ID + 2; store++) {
        PdKept kept = PD_KEPT__INIT;
        enum status s = read_kept(restore, store, &kept);
        if (s == STATUS_NOT_FOUND) continue;
        if (s != STATUS_OK) return fail(restore, s, "snapshot");
        if (kept.parts == 0 || kept.generation != restore->facts.generation) continue;
        if (kept.index <= best.index) continue;
        best = kept;
        restore->slot = store;
    }
    if (restore->slot == 0) return STATUS_OK;
    enum status s =
        log_store_read(restore->log, restore->slot, 1, best.parts, apply_entry, restore);
    if (s == STATUS_OK && (restore->applied != best.parts || restore->catalog.building))
        s = STATUS_CORRUPT;
    if (s != STATUS_OK) return fail(restore, s, "snapshot");
    restore->applied = best.index;
    restore->applied_term = best.term;
    restore->entries = 0;
    return STATUS_OK;
}

static enum status begins_with_snapshot(void *context, const struct log_entry *entry) {
    bool *does = context;
    struct arena arena;
    ProtobufCMessage *message = NULL;
    arena_init(&arena, 0);
    enum status s = codec_decode(&pd_command__descriptor, entry->data.data, entry->data.size,
                                 &arena, &message, NULL);
    const PdCommand *command = (const PdCommand *)message;
    *does = s == STATUS_OK && command->command_case == PD_COMMAND__COMMAND_SNAPSHOT &&
            command->snapshot->first;
    arena_free(&arena);
    return STATUS_OK;
}

static enum status replay(struct restore *restore) {
    const struct seat_facts *facts = &restore->facts;
    uint64_t first = facts->log.first, last = facts->log.last;
    uint64_t to = facts->alone ? last : facts->snapshot_index;
    bool meets = restore->applied + 1 >= first;
    if (restore->applied == 0 && first > 1 && last >= first) {
        enum status s =
            log_store_read(restore->log, PD_STORE_ID, first, first, begins_with_snapshot, &meets);
        if (s != STATUS_OK) return fail(restore, s, "metadata log");
    }
    if (!meets || restore->applied > last) {
        snprintf(restore->text, sizeof restore->text,
                 "metadata log: it does not meet the snapshot");
        return STATUS_CORRUPT;
    }
    uint64_t from = restore->applied + 1 > first ? restore->applied + 1 : first;
    if (to < from) return STATUS_OK;
    enum status s = log_store_read(restore->log, PD_STORE_ID, from, to, apply_entry, restore);
    if (s == STATUS_OK && restore->applied != to) s = STATUS_CORRUPT;
    return s == STATUS_OK ? s : fail(restore, s, "metadata log");
}

static enum status restore_work(void *context) {
    struct restore *restore = context;
    enum status s = read_identity(restore);
    if (s != STATUS_OK) return s;
    s = seat_facts_read(&restore->facts, restore->log, PD_STORE_ID, restore->member);
    if (s != STATUS_OK) return fail(restore, s, "metadata log");
    s = read_slots(restore);
    return s == STATUS_OK ? replay(restore) : s;
}

/* --- in the lane ------------------------------------------------------------------------------ */

static void
on_identity(void *actor, void *context, const struct outcome *outcome, struct turn *turn) {
    (void)actor, (void)context;
    if (outcome->status != STATUS_OK) /* the next start writes it */
        turn_note(turn, "identity %s %s", status_name(outcome->status), outcome->text);
}

/* Goes before whatever else is logged, and nobody waits for it. */
static void write_identity(struct driver *self, struct turn *turn) {
    LogAppend append = LOG_APPEND__INIT;
    PdKept kept = PD_KEPT__INIT;
    struct buffer record;
    kept.member = self->options.member;
    buffer_init(&record);
    if (codec_encode(&kept.base, &record) == STATUS_OK) {
        append.store = PD_IDENTITY_ID;
        append.record = (ProtobufCBinaryData){record.size, record.data};
        turn_call(turn, &(struct call){.to = turn_find(turn, "log"),
                                       .message = &append.base,
                                       .done = on_identity});
    }
    buffer_free(&record);
}

static void restore_again(void *actor, void *context, struct turn *turn) {
    (void)context;
    restore_start(actor, turn);
}

static void
on_loaded(void *actor, void *context, const struct outcome *outcome, struct turn *turn) {
    struct driver *self = actor;
    struct restore *restore = context;
    if (outcome->status != STATUS_OK) {
        group_fail(self, outcome->status, restore->text[0] ? restore->text : "metadata", turn);
        restore_free(restore);
        return;
    }
    self->catalog = restore->catalog;
    catalog_init(&restore->catalog);
    self->slot = restore->slot;
    self->applied = restore->applied;
    self->applied_term = restore->applied_term;
    self->entries = restore->entries;
    self->generation = restore->facts.generation;
    turn_note(turn, "%u collections, %u workers as of entry %" PRIu64,
              (unsigned)self->catalog.n_collections, (unsigned)self->catalog.n_workers,
              self->applied);
    if (!restore->known) write_identity(self, turn);
    self->restore = restore;
    if (restore->facts.empty && self->founder && self->founders.size > 0)
        founding_start(self, turn);
    else
        restore_join(self, turn);
}

void restore_join(struct driver *self, struct turn *turn) {
    struct restore *restore = self->restore;
    self->restore = NULL;
    group_join(self, &restore->facts, turn);
    restore_free(restore);
}

void restore_start(struct driver *self, struct turn *turn) {
    struct restore *restore = mem_zero(1, sizeof *restore);
    if (!restore) {
        turn_timer(turn, AGAIN_US, restore_again, NULL);
        return;
    }
    catalog_init(&restore->catalog);
    restore->log = self->options.log;
    restore->member = self->options.member;
    turn_block(turn, &(struct block){.work = restore_work,
                                     .done = on_loaded,
                                     .abandon = restore_abandon,
                                     .context = restore});
}
