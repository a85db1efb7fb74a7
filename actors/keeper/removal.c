/* removal: a store that nobody shall keep gives its disk back.
 *
 *     wait until the last search, save or job on it ended ─▶ points, index file (blocking pool) ─▶
 * LogDrop
 *
 * The log goes last: as long as it is there the store is known, and a removal that was cut short is
 * found by the next sweep. The sweep trusts only a list that the PD gave in this life of the
 * process, never the ledger alone: the ledger may be older than a replica that acknowledged writes.
 */
#include <inttypes.h>
#include <string.h>

#include "actors/keeper/house.h"
#include "actors/pd/catalog.h"
#include "runtime/memory.h"
#include "runtime/turn.h"
#include "schemas/log.pb-c.h"

#include "runtime/poison.h"

enum {
    LOOK_US = 20 * 1000,        /* pause while the store is still used */
    DROP_US = 30 * 1000 * 1000, /* for the log actor */
    SWEEP_MAX = 16384,          /* stores looked at in one sweep */
    STORES_MAX = 16384,
};

struct removal {
    struct tenant *tenant; /* NULL: an orphan */
    struct point_store *points;
    uint64_t store_id;
    const char *index_dir; /* of index files; NULL: there are none */
};

static void removal_free(void *context) {
    mem_free(context);
}

static void removal_end(struct house *self, struct removal *removal, struct turn *turn) {
    struct tenant *tenant = removal->tenant;
    removal_free(removal);
    if (tenant) tenant_gone(self, tenant, turn);
}

static void
on_dropped(void *actor, void *context, const struct outcome *outcome, struct turn *turn) {
    struct removal *removal = context;
    if (outcome->status != STATUS_OK)
        turn_note(turn, "log of store %" PRIu64 " stays until the next start: %s",
                  removal->store_id, status_name(outcome->status));
    removal_end(actor, removal, turn);
}

static void
on_removed(void *actor, void *context, const struct outcome *outcome, struct turn *turn) {
    struct removal *removal = context;
    actor_handle log = turn_find(turn, "log");
    if (outcome->status != STATUS_OK || log == 0) {
        turn_note(turn, "store %" PRIu64 " stays until the next start: %s", removal->store_id,
                  status_name(outcome->status));
        removal_end(actor, removal, turn);
        return;
    }
    LogDrop drop = LOG_DROP__INIT;
    drop.store = removal->store_id;
    turn_call(turn, &(struct call){.to = log,
                                   .message = &drop.base,
                                   .done = on_dropped,
                                   .context = removal,
                                   .deadline_us = turn_now_us(turn) + DROP_US});
}

static enum status remove_work(void *context) {
    struct removal *removal = context;
    if (removal->index_dir) shard_drop_index(removal->index_dir, removal->store_id);
    uint64_t ids[STORES_MAX];
    size_t n = 0;
    enum status s = point_store_ids(removal->points, ids, STORES_MAX, &n);
    for (size_t i = 0; s == STATUS_OK && i < n && i < STORES_MAX; i++)
        if (shard_store_of(ids[i]) == removal->store_id)
            s = point_store_drop(removal->points, ids[i]);
    return s;
}

static void look(void *actor, void *context, struct turn *turn) {
    struct house *self = actor;
    struct removal *removal = context;
    if (removal->tenant &&
        turn_saw(turn, shelf_uses(self->options.shelf, removal->tenant->options.shard))) {
        turn_timer(turn, LOOK_US, look, removal);
        return;
    }
    turn_block(turn, &(struct block){.work = remove_work,
                                     .done = on_removed,
                                     .abandon = removal_free,
                                     .context = removal});
}

void removal_start(struct house *self,
                   struct tenant *tenant,
                   uint64_t store_id,
                   struct turn *turn) {
    struct removal *removal = mem_zero(1, sizeof *removal);
    if (!removal) {
        /* The sweep of the next start finds it; until then the tenant stands there, stopped. */
        turn_note(turn, "store %" PRIu64 " stays until the next start: no memory", store_id);
        return;
    }
    removal->tenant = tenant;
    removal->points = self->options.points;
    removal->store_id = store_id;
    removal->index_dir = self->options.index_dir;
    look(self, removal, turn);
}

/* --- orphans
 * --------------------------------------------------------------------------------------------- */

struct sweep {
    struct log_store *log;
    struct point_store *points;
    size_t n;
    uint64_t ids[2 * SWEEP_MAX];
};

static void sweep_free(void *context) {
    mem_free(context);
}

static enum status sweep_work(void *context) {
    struct sweep *sweep = context;
    size_t n = log_store_ids(sweep->log, sweep->ids, SWEEP_MAX);
    sweep->n = n < SWEEP_MAX ? n : SWEEP_MAX;
    enum status s = point_store_ids(sweep->points, sweep->ids + sweep->n, SWEEP_MAX, &n);
    if (s == STATUS_OK) sweep->n += n < SWEEP_MAX ? n : SWEEP_MAX;
    return s;
}

static bool is_kept(const struct house *self, uint64_t store_id) {
    if (store_id < CATALOG_STORE_FIRST) return true;
    for (uint32_t i = 0; i < self->n_tenants; i++)
        if (self->tenants[i]->options.store_id == store_id) return true;
    return false;
}

static void on_swept(void *actor, void *context, const struct outcome *outcome, struct turn *turn) {
    struct house *self = actor;
    struct sweep *sweep = context;
    if (outcome->status != STATUS_OK) turn_note(turn, "sweep %s", status_name(outcome->status));
    sweep->n = turn_saw(turn, sweep->n);
    if (sweep->n > 2 * SWEEP_MAX) sweep->n = 2 * SWEEP_MAX;
    for (size_t i = 0; i < sweep->n; i++)
        sweep->ids[i] = shard_store_of(turn_saw(turn, sweep->ids[i]));
    for (size_t i = 0; outcome->status == STATUS_OK && i < sweep->n; i++) {
        bool again = false; /* the same store has a log and points */
        for (size_t j = 0; j < i && !again; j++)
            again = sweep->ids[j] == sweep->ids[i];
        if (again || is_kept(self, sweep->ids[i])) continue;
        turn_note(turn, "store %" PRIu64 " belongs to nobody", sweep->ids[i]);
        removal_start(self, NULL, sweep->ids[i], turn);
    }
    sweep_free(sweep);
}

void removal_sweep(struct house *self, struct turn *turn) {
    struct sweep *sweep = mem_zero(1, sizeof *sweep);
    if (!sweep) return; /* the next start does it */
    sweep->log = self->options.log;
    sweep->points = self->options.points;
    turn_block(turn,
               &(struct block){
                   .work = sweep_work, .done = on_swept, .abandon = sweep_free, .context = sweep});
}
