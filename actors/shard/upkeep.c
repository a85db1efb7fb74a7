/* upkeep: what keeps log, points and index file short and close together, once a second while there
 * is something to do:
 *
 *     points flushed (64 MB of log or 60 s) ─▶ log cut below what is persisted
 *     index saved by the linker, when it changed by a quarter or rests, and at a stop
 *     linker told again, should the message have been lost
 *     an index file that turned out bad deleted, and the shard restarted without it
 *
 * The store of points is the process's: a flush covers all its shards. So a shard first asks what
 * is persisted, and flushes only when nobody did it since its first unflushed entry. */
#include <unistd.h>

#include "actors/shard/replica.h"
#include "runtime/memory.h"
#include "schemas/shard.pb-c.h"

#include "runtime/poison.h"

enum {
    LOOK_US = 1000 * 1000,
    SAVE_SHARE = 4, /* an index is saved when 1/4 of it changed */
    PATH_SIZE = 4096,
    SAVE_TIMEOUT_US = 600 * 1000 * 1000 /* the largest index on a slow disk */
};

struct flush {
    struct holding *holding; /* owned hold */
    struct point_store *points;
    uint64_t enough; /* nothing to do when this much is persisted already */
    uint64_t bytes;  /* of log, when the flush began */
    struct point_applied persisted;
};

static void flush_free(void *context) {
    struct flush *flush = context;
    holding_drop(flush->holding);
    mem_free(flush);
}

static enum status persisted(struct flush *flush) {
    flush->persisted = (struct point_applied){0};
    return point_store_applied(flush->points, flush->holding->store_id, KV_PERSISTED,
                               &flush->persisted);
}

static enum status flush_work(void *context) {
    struct flush *flush = context;
    enum status s = persisted(flush);
    if (s != STATUS_OK || flush->persisted.index >= flush->enough) return s;
    s = point_store_flush(flush->points);
    return s == STATUS_OK ? persisted(flush) : s;
}

static void
on_flushed(void *actor, void *context, const struct outcome *outcome, struct turn *turn) {
    struct replica *self = actor;
    struct flush *flush = context;
    self->flushing = false;
    self->dirty_us = turn_now_us(turn); /* after a failure too: it is tried again in its time */
    if (outcome->status != STATUS_OK) {
        turn_note(turn, "flush %s %s", status_name(outcome->status), kv_error());
    } else {
        flush->persisted.index = turn_saw(turn, flush->persisted.index);
        flush->persisted.term = turn_saw(turn, flush->persisted.term);
        self->log_bytes -= flush->bytes;
        self->dirty_index = flush->persisted.index + 1;
        if (flush->persisted.index == self->applied) self->dirty_us = 0;
        seat_snapshot(self->seat, flush->persisted.index, flush->persisted.term, turn);
    }
    flush_free(flush);
}

static void start_flush(struct replica *self, struct turn *turn) {
    uint32_t flush_ms = self->options.flush_ms ? self->options.flush_ms : SHARD_FLUSH_MS;
    bool by_bytes = self->log_bytes >= SHARD_FLUSH_BYTES;
    bool by_time =
        self->dirty_us != 0 && turn_now_us(turn) - self->dirty_us >= flush_ms * UINT64_C(1000);
    if (self->flushing || (!by_bytes && !by_time)) return;
    struct flush *flush = mem_zero(1, sizeof *flush);
    if (!flush) return; /* the next look tries again */
    flush->holding = holding_again(self->holding);
    flush->points = self->options.points;
    flush->enough = by_bytes ? self->applied : self->dirty_index;
    flush->bytes = self->log_bytes;
    self->flushing = true;
    turn_block(
        turn, &(struct block){
                  .work = flush_work, .done = on_flushed, .abandon = flush_free, .context = flush});
}

static void on_saved(void *actor, void *context, const struct outcome *outcome, struct turn *turn) {
    struct replica *self = actor;
    uint64_t covered = (uint64_t)(uintptr_t)context;
    self->saving = false;
    self->saved_us = turn_now_us(turn);
    if (outcome->status == STATUS_OK) {
        self->changes -= covered;
    } else {
        self->columns_unsaved |= self->columns_saving;
        turn_note(turn, "save %s %s", status_name(outcome->status), outcome->text);
    }
    if (self->stopping) turn_exit(turn, STATUS_OK, "stopped");
}

static bool worth_saving(const struct replica *self, struct turn *turn) {
    const struct shard_options *options = &self->options;
    uint32_t enough = options->save_changes ? options->save_changes : SHARD_SAVE_CHANGES_MIN;
    if (!options->index_dir) return false;
    if (self->changes >= enough) return true;
    if (!self->columns_unsaved) return false;
    return turn_saw(turn, index_stats(self->holding->view).points >= enough) != 0;
}

static void save(struct replica *self, struct turn *turn) {
    actor_handle linker = replica_linker(self, turn);
    if (linker == 0) return;
    LinkerSave save = LINKER_SAVE__INIT;
    save.shard = self->options.shard;
    save.applied = self->applied;
    self->saving = true;
    self->columns_saving = self->columns_unsaved;
    self->columns_unsaved = false;
    turn_call(turn, &(struct call){.to = linker,
                                   .message = &save.base,
                                   .done = on_saved,
                                   .context = (void *)(uintptr_t)self->changes,
                                   .deadline_us = turn_now_us(turn) + SAVE_TIMEOUT_US});
}

static void start_save(struct replica *self, struct turn *turn) {
    if (self->saving || !worth_saving(self, turn)) return;
    uint64_t now = turn_now_us(turn);
    if (now - self->saved_us < SHARD_SAVE_MS * UINT64_C(1000)) return;
    bool rests = now - self->changed_us >= SHARD_SAVE_RESTS_MS * UINT64_C(1000);
    uint64_t points = turn_saw(turn, index_stats(self->holding->view).points);
    if (rests || self->changes >= points / SAVE_SHARE) save(self, turn);
}

bool upkeep_stop(struct replica *self, struct turn *turn) {
    bool doomed = turn_saw(turn, self->options.doomed && atomic_load(self->options.doomed));
    bool whole = self->state == REPLICA_SERVING || self->state == REPLICA_DISK_FULL;
    if (doomed || !whole) return false;
    self->stopping = true;
    if (!self->saving && worth_saving(self, turn)) save(self, turn);
    return self->saving;
}

static bool has_work(const struct replica *self, struct turn *turn) {
    struct index_stats stats = index_stats(self->holding->view);
    bool linker_has = turn_saw(turn, stats.tail > 0 || stats.unverified > 0);
    return self->dirty_us != 0 || linker_has || worth_saving(self, turn);
}

/* What was answered from it meanwhile may have missed a neighbour; what is written is in log and
 * points. */
static bool is_damaged(struct replica *self, struct turn *turn) {
    char path[PATH_SIZE];
    if (!self->options.index_dir) return false;
    if (!turn_saw(turn, index_stats(self->holding->view).damaged)) return false;
    shard_index_path(self->options.index_dir, self->options.store_id, path, sizeof path);
    (void)unlink(path);
    turn_exit(turn, STATUS_CORRUPT, "%s has a bad page: the index is built anew from the points",
              path);
    return true;
}

static void look(void *actor, void *context, struct turn *turn) {
    struct replica *self = actor;
    (void)context;
    self->upkeep_armed = false;
    if (self->state == REPLICA_QUARANTINED || !self->holding || !self->holding->view) return;
    if (is_damaged(self, turn)) return;
    start_flush(self, turn);
    start_save(self, turn);
    replica_link(self, turn);
    if (!has_work(self, turn)) return;
    self->upkeep_armed = true;
    turn_timer(turn, LOOK_US, look, NULL);
}

void upkeep_watch(struct replica *self, struct turn *turn) {
    if (self->upkeep_armed) return;
    if (!turn_saw(turn, index_stats(self->holding->view).unverified > 0)) return;
    self->upkeep_armed = true;
    turn_timer(turn, LOOK_US, look, NULL);
}

void upkeep_arm_save(struct replica *self, struct turn *turn) {
    self->changed_us = turn_now_us(turn);
    if (self->upkeep_armed) return;
    self->upkeep_armed = true;
    turn_timer(turn, LOOK_US, look, NULL);
}

void upkeep_arm(struct replica *self, struct turn *turn) {
    if (self->applied >= self->dirty_index && self->dirty_us == 0)
        self->dirty_us = turn_now_us(turn);
    self->changed_us = turn_now_us(turn);
    if (self->log_bytes >= SHARD_FLUSH_BYTES) start_flush(self, turn);
    if (self->upkeep_armed) return;
    self->upkeep_armed = true;
    turn_timer(turn, LOOK_US, look, NULL);
}
