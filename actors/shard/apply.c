/* apply: committed entries to points and index, in order.
 *
 *     committed ─▶ job on the blocking pool: points, applied index, window (apply_points, an entry
 * a batch) ─▶ lane: index_append, index_remove, answer; an entry a turn ─▶ next job
 *
 * The points may be ahead of the index for a moment, never behind it. A search that meets the gap
 * sees a number without a point and looks again (searcher). New points are appended before old ones
 * are removed: an updated id is never missing. What fails here stops the replica: no entry is
 * skipped. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "actors/shard/replica.h"
#include "runtime/arena.h"
#include "runtime/assert.h"
#include "runtime/codec.h"
#include "runtime/memory.h"
#include "schemas/shard.pb-c.h"

#include "runtime/poison.h"

enum {
    APPLY_ENTRIES_MAX = 128,
    APPLY_BYTES_MAX = 4 * 1024 * 1024, /* of entries in one job; the first always fits */
    ROOM_LOOK_US = 2 * 1000,           /* pause before a full tail is looked at again */
    RETIRE_BATCH = 64,
    RETIRE_LOOK_US = 1000, /* between two looks whether replaced points may go */
    STEP_POINTS = 256,     /* appended in one turn, about */
};

struct apply {
    struct holding *holding; /* owned hold: the store stays while the job runs */
    struct point_store *points;
    struct window window;
    struct proposals list; /* owned; entries[i] is the ith */
    struct apply_entry *entries;
    uint32_t n_entries;
    uint32_t n_written; /* entries that reached the points */
    uint32_t n_indexed;
    struct arena arena; /* decoded writes; their vectors are borrowed from the proposals */
    enum status status; /* of entry n_written */
    char text[REPLICA_WHY_SIZE];
};

void apply_free(struct apply *apply) {
    if (!apply) return;
    proposals_free(&apply->list);
    arena_free(&apply->arena);
    holding_drop(apply->holding);
    mem_free(apply->entries);
    mem_free(apply);
}

/* --- on the blocking pool
 * ----------------------------------------------------------------------------- */

static enum status
put_operations(struct apply_entry *entry, const ShardWrite *write, struct point_batch *batch) {
    for (size_t i = 0; i < write->n_operations; i++) {
        const ShardOperation *op = write->operations[i];
        struct bytes id = {op->id, strlen(op->id)};
        enum status s;
        if (op->remove) {
            s = point_batch_delete(batch, id, &entry->removed[i]);
        } else {
            struct point point = {.number = point_number(entry->index, (uint32_t)i),
                                  .id = id,
                                  .vector = {op->vector, op->n_vector * sizeof(float)},
                                  .payload = {op->payload.data, op->payload.len}};
            s = point_batch_put(batch, &point, &entry->removed[i]);
        }
        if (s != STATUS_OK) return s;
    }
    return STATUS_OK;
}

enum status apply_points(struct apply_entry *entry,
                         struct window *window,
                         struct point_batch *batch,
                         struct arena *arena) {
    if (entry->type != ENTRY_DATA) return point_batch_write(batch, entry->index, entry->term);
    ProtobufCMessage *message;
    enum status s = codec_decode(&shard_write__descriptor, entry->data.data, entry->data.size,
                                 arena, &message, NULL);
    if (s != STATUS_OK) return s == STATUS_NO_MEMORY ? s : STATUS_CORRUPT;
    const ShardWrite *write = (const ShardWrite *)message;
    const struct window_row *known = window_find(window, write->router);
    entry->repeated = known && write->sequence <= known->sequence;
    entry->write = write;
    entry->removed = arena_zero(arena, (write->n_operations + 1) * sizeof *entry->removed);
    if (!entry->removed) return STATUS_NO_MEMORY;
    if (entry->repeated) return point_batch_write(batch, entry->index, entry->term);

    s = put_operations(entry, write, batch);
    if (s != STATUS_OK) return s;
    struct window_row row = {.router = write->router,
                             .sequence = write->sequence,
                             .index = entry->index,
                             .operations = (uint32_t)write->n_operations};
    uint32_t slot = window_slot(window, write->router);
    window_fact(&row, slot, batch);
    s = point_batch_write(batch, entry->index, entry->term);
    if (s == STATUS_OK) window->rows[slot] = row;
    return s;
}

static enum status apply_work(void *context) {
    struct apply *apply = context;
    struct point_batch *batch = NULL;
    enum status s = point_batch_open(apply->points, apply->holding->store_id, &batch);
    while (s == STATUS_OK && apply->n_written < apply->n_entries) {
        s = apply_points(&apply->entries[apply->n_written], &apply->window, batch, &apply->arena);
        if (s == STATUS_OK) apply->n_written++;
    }
    if (s != STATUS_OK) {
        uint64_t entry = apply->entries[apply->n_written].index;
        const char *why = s == STATUS_CORRUPT ? "not a write" : kv_error();
        snprintf(apply->text, sizeof apply->text, "entry %" PRIu64 ": %s", entry, why);
    }
    point_batch_close(batch);
    apply->status = s;
    return STATUS_OK; /* what was written must be indexed, whatever became of the rest */
}

static void apply_abandon(void *context) {
    apply_free(context);
}

/* --- in the lane
 * --------------------------------------------------------------------------------------- */

/* Takes a number out of the index that the points have no more. */
static enum status index_forget(struct replica *self, uint64_t number, struct turn *turn) {
    enum status s = (enum status)turn_saw(turn, index_remove(self->holding->index, number));
    self->changes++;
    /* Every live number was appended when its entry was: an unknown one is a divergence. */
    return s == STATUS_NOT_FOUND ? STATUS_CORRUPT : s;
}

/* A removed point goes at once, a replaced one after the searches under way. */
static enum status
replace(struct replica *self, uint64_t number, uint64_t index, bool remove, struct turn *turn) {
    bool same_entry = number >> POINT_POSITION_BITS == index;
    if (!remove && !same_entry &&
        turn_saw(turn, grace_replace(&self->holding->grace, number, index)) == STATUS_OK)
        return STATUS_OK;
    return index_forget(self, number, turn);
}

static enum status forget_retired(struct replica *self, struct turn *turn) {
    uint64_t numbers[RETIRE_BATCH];
    uint64_t removed = 0;
    size_t n;
    enum status s = STATUS_OK;
    while (s == STATUS_OK && (n = grace_take(&self->holding->grace, numbers, RETIRE_BATCH)) > 0)
        for (size_t i = 0; s == STATUS_OK && i < n; i++, removed++)
            s = index_remove(self->holding->index, numbers[i]);
    self->changes += turn_saw(turn, removed);
    s = (enum status)turn_saw(turn, s);
    return s == STATUS_NOT_FOUND ? STATUS_CORRUPT : s;
}

static void retire(struct replica *self, struct turn *turn);

static void look_for_retired(void *actor, void *context, struct turn *turn) {
    struct replica *self = actor;
    (void)context;
    self->retire_armed = false;
    retire(self, turn);
}

/* Replaced points leave the index when nobody needs them any more. */
static void retire(struct replica *self, struct turn *turn) {
    if (self->state == REPLICA_QUARANTINED) return;
    enum status s = forget_retired(self, turn);
    if (s != STATUS_OK) replica_fail(self, s, "index", "replaced points", turn);
    if (s != STATUS_OK || self->retire_armed) return;
    if (turn_saw(turn, grace_empty(&self->holding->grace))) return;
    self->retire_armed = true;
    turn_timer(turn, RETIRE_LOOK_US, look_for_retired, NULL);
}

/* Appends the points of an entry, then removes what they replace. */
static enum status
index_entry(struct replica *self, const struct apply_entry *entry, struct turn *turn) {
    const ShardWrite *write = entry->write;
    struct index_point *points = turn_alloc(turn, (write->n_operations + 1) * sizeof *points);
    if (!points) return STATUS_NO_MEMORY;
    size_t n_points = 0;
    for (size_t i = 0; i < write->n_operations; i++) {
        const ShardOperation *op = write->operations[i];
        if (op->remove) continue;
        points[n_points++] = (struct index_point){.number = point_number(entry->index, (uint32_t)i),
                                                  .vector = op->vector,
                                                  .id = op->id,
                                                  .id_size = (uint32_t)strlen(op->id),
                                                  .payload = op->payload.data,
                                                  .payload_size = op->payload.len};
    }
    enum status s = STATUS_OK;
    if (n_points > 0)
        s = (enum status)turn_saw(turn, index_append(self->holding->index, points, n_points));
    if (s != STATUS_OK) return s;
    self->changes += n_points;
    if (write->bulk) self->bulk_us = turn_now_us(turn);
    for (size_t i = 0; s == STATUS_OK && i < write->n_operations; i++)
        if (entry->removed[i] != 0)
            s = replace(self, entry->removed[i], entry->index, write->operations[i]->remove, turn);
    return s;
}

static void answer(struct proposal *proposal,
                   const struct apply_entry *entry,
                   const struct window *window,
                   struct turn *turn) {
    if (!proposal->owed) return;
    proposal->owed = false;
    ShardWritten written = SHARD_WRITTEN__INIT;
    if (entry->type == ENTRY_DATA) {
        const ShardWrite *write = entry->write;
        written.operations = (uint32_t)write->n_operations;
        written.index = entry->index;
        if (entry->repeated) {
            const struct window_row *row = window_find(window, write->router);
            if (!row || row->sequence != write->sequence) {
                turn_reject(turn, &proposal->promise, STATUS_CANCELLED,
                            "a later write of this router was applied already");
                return;
            }
            written.operations = row->operations;
            written.index = row->index;
        }
    }
    turn_resolve(turn, &proposal->promise, &written.base);
}

/* The job's entries are in the index as far as they are in the points: go on, or stop. */
static void apply_end(struct replica *self, struct turn *turn) {
    struct apply *apply = self->apply;
    enum status s = apply->status;
    self->apply = NULL;
    self->applying = false;
    if (s != STATUS_OK) {
        /* The rest stays first in line: nothing is skipped, also when space comes back. */
        struct proposals rest = {0};
        proposals_move(&rest, &apply->list);
        proposals_move(&rest, &self->durable);
        self->durable = rest;
        replica_fail(self, s, "apply", apply->text, turn);
    }
    apply_free(apply);
    retire(self, turn);
    replica_link(self, turn);
    upkeep_arm(self, turn);
    if (s == STATUS_OK) replica_applied(self, turn);
}

/* One entry to the index, and its answer. */
static enum status index_next(struct replica *self, struct turn *turn) {
    struct apply *apply = self->apply;
    struct apply_entry *entry = &apply->entries[apply->n_indexed];
    if (entry->type == ENTRY_DATA && !entry->repeated) {
        enum status s = index_entry(self, entry, turn);
        if (s != STATUS_OK) return s;
        const ShardWrite *write = entry->write;
        holding_count(self->holding, write->n_operations, entry->data.size);
    }
    struct proposal *proposal = proposals_pop(&apply->list);
    apply->n_indexed++;
    self->applied = entry->index;
    self->reserved -= proposal->weight;
    self->log_bytes += proposal->data.size;
    atomic_store_explicit(&self->holding->applied, entry->index, memory_order_release);
    answer(proposal, entry, &apply->window, turn);
    proposal_free(proposal);
    return STATUS_OK;
}

static void index_step(void *actor, void *context, struct turn *turn) {
    struct replica *self = actor;
    struct apply *apply = self->apply;
    (void)context;
    uint32_t weight = self->reserved;
    while (apply->n_indexed < apply->n_written) {
        enum status s = index_next(self, turn);
        if (s == STATUS_BUSY) { /* the linker is behind what the gate had promised */
            replica_link(self, turn);
            turn_timer(turn, ROOM_LOOK_US, index_step, NULL);
            return;
        }
        if (s != STATUS_OK) {
            apply->status = s;
            snprintf(apply->text, sizeof apply->text, "index, entry %" PRIu64,
                     apply->entries[apply->n_indexed].index);
            break;
        }
        if (weight - self->reserved >= STEP_POINTS) {
            turn_later(turn, index_step, NULL);
            return;
        }
    }
    apply_end(self, turn);
}

static void
on_applied(void *actor, void *context, const struct outcome *outcome, struct turn *turn) {
    struct replica *self = actor;
    struct apply *apply = context;
    if (outcome->status != STATUS_OK) apply->status = outcome->status;
    apply->status = (enum status)turn_saw(turn, apply->status);
    uint32_t written = (uint32_t)turn_saw(turn, apply->n_written);
    if (written < apply->n_written) apply->n_written = written;
    self->window = apply->window;
    self->apply = apply;
    index_step(self, NULL, turn);
}

/* Takes committed entries into a job. NULL: no memory, they stay where they are. */
static struct apply *apply_new(struct replica *self) {
    struct apply *apply = mem_zero(1, sizeof *apply);
    struct apply_entry *entries = mem_zero(APPLY_ENTRIES_MAX, sizeof *entries);
    if (!apply || !entries) {
        mem_free(apply);
        mem_free(entries);
        return NULL;
    }
    arena_init(&apply->arena, 0);
    apply->entries = entries;
    apply->holding = holding_again(self->holding);
    apply->points = self->options.points;
    apply->window = self->window;
    while (self->durable.first && apply->n_entries < APPLY_ENTRIES_MAX) {
        size_t bytes = apply->list.bytes + self->durable.first->data.size;
        if (apply->n_entries > 0 && bytes > APPLY_BYTES_MAX) break;
        struct proposal *proposal = proposals_pop(&self->durable);
        entries[apply->n_entries++] =
            (struct apply_entry){.index = proposal->index,
                                 .term = proposal->term,
                                 .type = proposal->type,
                                 .data = {proposal->data.data, proposal->data.size}};
        proposals_push(&apply->list, proposal);
    }
    return apply;
}

static void start_again(void *self, void *context, struct turn *turn) {
    (void)context;
    apply_start(self, turn);
}

void apply_start(struct replica *self, struct turn *turn) {
    if (self->applying) return;
    if (self->state != REPLICA_SERVING && !self->probing) return;
    if (!self->durable.first)
        seat_take(self->seat, APPLY_ENTRIES_MAX, APPLY_BYTES_MAX, &self->durable, turn);
    if (!self->durable.first) return;
    struct apply *apply = apply_new(self);
    if (!apply) {
        turn_timer(turn, ROOM_LOOK_US, start_again, NULL);
        return;
    }
    self->applying = true;
    turn_block(turn, &(struct block){.work = apply_work,
                                     .done = on_applied,
                                     .abandon = apply_abandon,
                                     .context = apply});
}
