/* tenants: the replicas that run here. settle compares them with the ledger and moves each one
 * step:
 *
 *     in the ledger, not here ─▶ spawned        here, not in the ledger ─▶ stopped ─▶ removal ─▶
 * gone
 *
 * A shard that comes back under another store waits until the old one is gone. Tenants are freed
 * after their actor stopped, as it borrows their options. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "actors/keeper/house.h"
#include "runtime/assert.h"
#include "runtime/codec.h"
#include "runtime/memory.h"
#include "runtime/turn.h"

#include "runtime/poison.h"

enum {
    SHARD_RESTARTS_MAX = 10, /* in RESTARTS_PERIOD_S, before the keeper itself gives up */
    RESTARTS_PERIOD_S = 60,
    NAME_SIZE = 64,
};

/* Position of the shard's tenant, or where it would stand. */
static uint32_t position(const struct house *self, uint64_t shard) {
    uint32_t low = 0;
    uint32_t high = self->n_tenants;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (self->tenants[middle]->options.shard < shard)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct tenant *tenant_find(const struct house *self, uint64_t shard) {
    uint32_t at = position(self, shard);
    bool found = at < self->n_tenants && self->tenants[at]->options.shard == shard;
    return found ? self->tenants[at] : NULL;
}

static void tenant_free(struct tenant *tenant) {
    buffer_free(&tenant->founders);
    buffer_free(&tenant->columns);
    mem_free(tenant);
}

void tenants_free(struct house *self) {
    for (uint32_t i = 0; i < self->n_tenants; i++)
        tenant_free(self->tenants[i]);
    mem_free(self->tenants);
}

/* --- opening
 * --------------------------------------------------------------------------------------------- */

static enum status tenant_add(struct house *self, struct tenant *tenant) {
    size_t n = self->n_tenants;
    struct tenant **tenants = mem_resize(self->tenants, (n + 1) * sizeof(struct tenant *));
    if (!tenants) return STATUS_NO_MEMORY;
    self->tenants = tenants;
    uint32_t at = position(self, tenant->options.shard);
    memmove(tenants + at + 1, tenants + at, (n - at) * sizeof(struct tenant *));
    tenants[at] = tenant;
    self->n_tenants++;
    return STATUS_OK;
}

static void tenant_remove(struct house *self, struct tenant *tenant) {
    uint32_t at = position(self, tenant->options.shard);
    assert(self->tenants[at] == tenant);
    self->n_tenants--;
    memmove(self->tenants + at, self->tenants + at + 1,
            (self->n_tenants - at) * sizeof(struct tenant *));
    tenant_free(tenant);
}

static enum status spawn(const struct tenant *tenant, struct turn *turn) {
    char name[NAME_SIZE];
    shard_name(tenant->options.shard, name, sizeof name);
    actor_handle actor;
    return turn_spawn(turn,
                      &(struct spawn){.type = &shard_type,
                                      .name = name,
                                      .options = &tenant->options,
                                      .restart = RESTART_PERMANENT,
                                      .intensity = SHARD_RESTARTS_MAX,
                                      .period_s = RESTARTS_PERIOD_S,
                                      .stop_ms = SHARD_STOP_MS},
                      &actor);
}

/* The members that found its group; none: it is alone. */
static enum status keep_founders(struct tenant *tenant, const PdAssignment *given) {
    RaftMembers members = RAFT_MEMBERS__INIT;
    buffer_init(&tenant->founders);
    if (given->n_founders == 0) return STATUS_OK;
    members.n_members = given->n_founders;
    members.members = given->founders;
    enum status s = codec_encode(&members.base, &tenant->founders);
    tenant->options.founders = (struct bytes){tenant->founders.data, tenant->founders.size};
    return s;
}

static enum status keep_columns(struct tenant *tenant, const PdAssignment *given) {
    buffer_clear(&tenant->columns);
    if (given->payload_indexes.len > 0)
        buffer_append(&tenant->columns, given->payload_indexes.data, given->payload_indexes.len);
    return tenant->columns.failed ? STATUS_NO_MEMORY : STATUS_OK;
}

static void open_tenant(struct house *self, const PdAssignment *given, struct turn *turn) {
    enum index_metric metric;
    struct payload_columns columns;
    enum status s = index_metric_parse(given->distance, &metric);
    if (s == STATUS_OK)
        s = payload_columns_read(given->payload_indexes.data, given->payload_indexes.len, &columns);
    struct tenant *tenant = s == STATUS_OK ? mem_zero(1, sizeof *tenant) : NULL;
    if (!tenant) {
        turn_note(turn, "shard %" PRIu64 " %s", given->shard, status_name(STATUS_NO_MEMORY));
        return;
    }
    tenant->options = (struct shard_options){.shard = given->shard,
                                             .store_id = given->store_id,
                                             .epoch = given->epoch,
                                             .dimension = given->dimension,
                                             .metric = metric,
                                             .columns = columns,
                                             .born = given->born,
                                             .address = self->options.link,
                                             .founder = given->founder,
                                             .log = self->options.log,
                                             .points = self->options.points,
                                             .shelf = self->options.shelf,
                                             .index_dir = self->options.index_dir,
                                             .memory = self->options.memory,
                                             .tail_max = self->options.tail_max,
                                             .flush_ms = self->options.flush_ms,
                                             .save_changes = self->options.save_changes,
                                             .doomed = &tenant->doomed};
    tenant->epoch = given->epoch;
    s = keep_founders(tenant, given);
    if (s == STATUS_OK) s = keep_columns(tenant, given);
    if (s == STATUS_OK) s = tenant_add(self, tenant);
    if (s != STATUS_OK) {
        tenant_free(tenant);
    } else {
        s = spawn(tenant, turn);
        if (s != STATUS_OK) tenant_remove(self, tenant);
    }
    if (s != STATUS_OK) turn_note(turn, "shard %" PRIu64 " %s", given->shard, status_name(s));
}

/* --- stopping
 * -------------------------------------------------------------------------------------------- */

static void
on_stopped(void *actor, void *context, const struct outcome *outcome, struct turn *turn) {
    struct tenant *tenant = context;
    (void)outcome;
    removal_start(actor, tenant, tenant->options.store_id, turn);
}

static void stop_tenant(struct house *self, struct tenant *tenant, struct turn *turn) {
    char name[NAME_SIZE];
    shard_name(tenant->options.shard, name, sizeof name);
    tenant->stopping = true;
    atomic_store(&tenant->doomed, true);
    actor_handle actor = turn_find(turn, name);
    if (actor == 0) {
        removal_start(self, tenant, tenant->options.store_id, turn);
        return;
    }
    turn_monitor(turn, actor, on_stopped, tenant);
    turn_stop(turn, actor);
}

void tenant_gone(struct house *self, struct tenant *tenant, struct turn *turn) {
    tenant_remove(self, tenant);
    tenants_settle(self, turn);
}

/* --- both
 * ------------------------------------------------------------------------------------------------
 */

static const PdAssignment *assignment_find(const struct house *self,
                                           const struct shard_options *options) {
    size_t low = 0;
    size_t high = self->ledger->n_assignments;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (self->by_shard[middle]->shard < options->shard)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == self->ledger->n_assignments) return NULL;
    const PdAssignment *given = self->by_shard[low];
    bool same = given->shard == options->shard && given->store_id == options->store_id;
    return same ? given : NULL;
}

/* The shard's options stay as they were when it was spawned: a restarted one is told again. */
static void tell_epoch(struct tenant *tenant, uint64_t epoch, struct turn *turn) {
    char name[NAME_SIZE];
    shard_name(tenant->options.shard, name, sizeof name);
    actor_handle actor = turn_find(turn, name);
    ShardEpoch told = SHARD_EPOCH__INIT;
    told.epoch = tenant->epoch = epoch;
    if (actor) turn_tell(turn, actor, &told.base);
}

static void tell_columns(struct tenant *tenant, struct turn *turn) {
    char name[NAME_SIZE];
    shard_name(tenant->options.shard, name, sizeof name);
    actor_handle actor = turn_find(turn, name);
    ShardColumns told = SHARD_COLUMNS__INIT;
    told.payload_indexes = (ProtobufCBinaryData){tenant->columns.size, tenant->columns.data};
    if (actor) turn_tell(turn, actor, &told.base);
}

/* What its options are behind. */
static void tell_again(struct tenant *tenant, struct turn *turn) {
    if (tenant->epoch != tenant->options.epoch) tell_epoch(tenant, tenant->epoch, turn);
    if (tenant->columns_changed) tell_columns(tenant, turn);
}

static void settle_columns(struct tenant *tenant, const PdAssignment *given, struct turn *turn) {
    const ProtobufCBinaryData *columns = &given->payload_indexes;
    bool same =
        columns->len == tenant->columns.size &&
        (columns->len == 0 || memcmp(columns->data, tenant->columns.data, columns->len) == 0);
    if (same) return;
    enum status s = keep_columns(tenant, given);
    tenant->columns_changed = true;
    if (s == STATUS_OK)
        tell_columns(tenant, turn);
    else
        turn_note(turn, "payload indexes of shard %" PRIu64 " %s", given->shard, status_name(s));
}

void tenants_remind(const struct house *self, struct turn *turn) {
    for (uint32_t i = 0; i < self->n_tenants; i++) {
        struct tenant *tenant = self->tenants[i];
        if (!tenant->stopping) tell_again(tenant, turn);
    }
}

void tenants_look(const struct house *self) {
    for (uint32_t i = 0; i < self->n_tenants; i++) {
        const char *state = self->tenants[i]->state;
        if (!*state || !strcmp(state, "loading")) return; /* a new one has not said anything yet */
    }
    shelf_set_filled(self->options.shelf);
}

void tenants_settle(struct house *self, struct turn *turn) {
    for (uint32_t i = 0; i < self->n_tenants; i++) {
        struct tenant *tenant = self->tenants[i];
        if (tenant->stopping) continue;
        const PdAssignment *given = assignment_find(self, &tenant->options);
        if (!given) {
            stop_tenant(self, tenant, turn);
            continue;
        }
        if (given->epoch != tenant->epoch) tell_epoch(tenant, given->epoch, turn);
        settle_columns(tenant, given, turn);
    }
    for (size_t i = 0; i < self->ledger->n_assignments; i++)
        if (!tenant_find(self, self->ledger->assignments[i]->shard))
            open_tenant(self, self->ledger->assignments[i], turn);
    tenants_look(self);
}

/* --- hearing and reporting
 * ------------------------------------------------------------------------------------------- */

void tenant_heard(struct tenant *tenant, const KeeperShard *said, struct turn *turn) {
    snprintf(tenant->state, sizeof tenant->state, "%s", said->state);
    bool serves = !strcmp(tenant->state, "serving") || !strcmp(tenant->state, "disk_full");
    tenant->term = said->term;
    tenant->leader = said->leader;
    tenant->lag = said->lag;
    tenant->is_leader = said->is_leader;
    tenant->n_members = 0;
    for (size_t i = 0; i < said->n_members && i < CATALOG_REPLICAS_MAX; i++) {
        const PdBeatMember *member = said->members[i];
        tenant->members[tenant->n_members++] =
            (struct tenant_member){member->id, member->match, member->voter};
    }
    if (said->term == 0) {
        tenant->is_leader = serves;
        tenant->leader = serves ? tenant->options.store_id : 0;
    }
    tell_again(tenant, turn);
}

static enum status
report_members(const struct tenant *tenant, PdBeatShard *row, struct turn *turn) {
    if (!tenant->is_leader || tenant->n_members == 0) return STATUS_OK;
    PdBeatMember *members = turn_alloc(turn, tenant->n_members * sizeof *members);
    row->members = turn_alloc(turn, tenant->n_members * sizeof *row->members);
    if (!members || !row->members) return STATUS_NO_MEMORY;
    for (uint32_t i = 0; i < tenant->n_members; i++) {
        pd_beat_member__init(&members[i]);
        members[i].id = tenant->members[i].id;
        members[i].match = tenant->members[i].match;
        members[i].voter = tenant->members[i].voter;
        row->members[row->n_members++] = &members[i];
    }
    return STATUS_OK;
}

/* What others write, on other lanes. */
static void report_index(const struct house *self,
                         const struct tenant *tenant,
                         PdBeatShard *row,
                         struct turn *turn) {
    struct holding *holding = shelf_take(self->options.shelf, tenant->options.shard);
    struct index_stats stats = {0};
    uint64_t applied = 0, requests = 0, bytes = 0;
    if (holding) {
        stats = index_stats(holding->view);
        applied = atomic_load_explicit(&holding->applied, memory_order_acquire);
        requests = atomic_load_explicit(&holding->requests, memory_order_relaxed);
        bytes = atomic_load_explicit(&holding->bytes, memory_order_relaxed);
    }
    holding_drop(holding);
    row->applied = turn_saw(turn, applied);
    row->points = turn_saw(turn, stats.points);
    row->memory_bytes = turn_saw(turn, stats.memory_bytes);
    row->requests = turn_saw(turn, requests);
    row->bytes = turn_saw(turn, bytes);
}

enum status tenants_report(const struct house *self, PdBeat *beat, struct turn *turn) {
    PdBeatShard *rows = turn_alloc(turn, (self->n_tenants + 1) * sizeof *rows);
    beat->shards = turn_alloc(turn, (self->n_tenants + 1) * sizeof *beat->shards);
    if (!rows || !beat->shards) return STATUS_NO_MEMORY;
    for (uint32_t i = 0; i < self->n_tenants; i++) {
        struct tenant *tenant = self->tenants[i];
        if (tenant->stopping) continue;
        PdBeatShard *row = &rows[beat->n_shards];
        pd_beat_shard__init(row);
        row->shard = tenant->options.shard;
        row->state = tenant->state;
        row->store_id = tenant->options.store_id;
        row->is_leader = tenant->is_leader;
        row->term = tenant->term;
        row->leader = tenant->leader;
        row->lag = tenant->lag;
        if (report_members(tenant, row, turn) != STATUS_OK) return STATUS_NO_MEMORY;
        report_index(self, tenant, row, turn);
        beat->shards[beat->n_shards++] = row;
    }
    return STATUS_OK;
}
