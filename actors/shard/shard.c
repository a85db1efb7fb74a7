/* shard: the conversation of one replica; see shard.h for the states.
 *
 *     ShardWrite ─▶ judged ─▶ its group's log (one entry) ─▶ committed ─▶ apply.c ─▶ ShardWritten
 *     ShardGet ─▶ points, from the cache or the blocking pool ─▶ ShardPoint
 *     ShardSearch ─▶ judged ─▶ forwarded: a small one to the searcher of this lane when nothing
 * else is to do here, else to the searcher with the least to do
 *
 * The lane never waits: whatever may touch the disk is a job on the blocking pool. A write is
 * acknowledged after the leader applied it. Writers wait at the seat's gate while the index's tail
 * has no room, up to a bound, then they are told to come back. */
#include "actors/shard/shard.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "actors/searcher/scan.h"
#include "actors/shard/replica.h"
#include "runtime/assert.h"
#include "runtime/codec.h"
#include "runtime/floats.h"
#include "runtime/log.h"
#include "runtime/memory.h"
#include "schemas/pd.pb-c.h"
#include "schemas/shard.pb-c.h"

#include "runtime/poison.h"

enum {
    MEMORY_RETRY_MS = 1000, /* told to writers of points that memory is not there for */
    MEBIBYTE = 1024 * 1024,
    BUSY_RETRY_MS = 20,              /* told to writers that found the queue full */
    ROOM_LOOK_US = 2 * 1000,         /* pause before a full tail is looked at again */
    BULK_OVER_US = 60 * 1000 * 1000, /* after a bulk write: all linkers link what waits */
    WALK_NEIGHBOURS = 32,            /* reached for each of ef candidates, about */
    POINT_FLOATS = 128,              /* reaching a point costs as comparing so many floats */
    SMALL_FLOATS = 1 << 23,          /* some 0.6 ms with wide registers */
};

static_assert((int)SHARD_PENDING_BYTES_MAX >= (int)JOURNAL_ENTRY_MAX,
              "any write fits an empty queue");
static_assert(SHARD_OPERATIONS_MAX < 1 << POINT_POSITION_BITS, "positions number a write's points");

static const char *const state_names[] = {
    [REPLICA_LOADING] = "loading",
    [REPLICA_SERVING] = "serving",
    [REPLICA_DISK_FULL] = "disk_full",
    [REPLICA_QUARANTINED] = "quarantined",
};

#define SHARD_ACCEPTS(X) \
    X(struct replica, ShardWrite, shard_write, on_write) \
    X(struct replica, ShardGet, shard_get, on_get) \
    X(struct replica, ShardStanding, shard_standing, on_standing) \
    X(struct replica, ShardSearch, shard_search, on_search) \
    X(struct replica, ShardSearches, shard_searches, on_searches) \
    X(struct replica, ShardAsk, shard_ask, on_ask) \
    X(struct replica, ShardEpoch, shard_epoch, on_epoch) \
    X(struct replica, ShardColumns, shard_columns, on_columns) \
    X(struct replica, ShardChange, shard_change, on_change) \
    X(struct replica, ShardReadIndex, shard_read_index, on_read_index) \
    X(struct replica, ShardFetch, shard_fetch, on_fetch) \
    X(struct replica, RaftReceive, raft_receive, on_raft)
ACTOR_HANDLERS(shard_handlers, SHARD_ACCEPTS);

void shard_name(uint64_t shard, char *text, size_t size) {
    snprintf(text, size, "shard/%" PRIu64, shard);
}

enum { GENERATION_SHIFT = 40 };

uint64_t shard_data_id(uint64_t store_id, uint64_t generation) {
    return store_id | generation << GENERATION_SHIFT;
}

uint64_t shard_store_of(uint64_t data_id) {
    return data_id & ((UINT64_C(1) << GENERATION_SHIFT) - 1);
}

void shard_index_path(const char *index_dir, uint64_t store_id, char *text, size_t size) {
    snprintf(text, size, "%s/%" PRIu64 ".index", index_dir, store_id);
}

void shard_columns_path(const char *index_dir, uint64_t store_id, char *text, size_t size) {
    snprintf(text, size, "%s/%" PRIu64 ".index.columns", index_dir, store_id);
}

/* --- states
 * ------------------------------------------------------------------------------------------- */

/* What a person must act on, or waits for, does not hide in the trace. */
static void log_move(const struct replica *self, enum replica_state state) {
    uint64_t shard = self->options.shard;
    if (state == REPLICA_QUARANTINED)
        log_error("shard/%" PRIu64 " is quarantined: %s", shard, self->why);
    else if (state == REPLICA_DISK_FULL)
        log_error("shard/%" PRIu64 " is read-only until disk space is free: %s", shard, self->why);
    else if (self->state == REPLICA_DISK_FULL)
        log_info("shard/%" PRIu64 " takes writes again", shard);
}

static void tell_alarm(const struct replica *self, enum replica_state state, struct turn *turn) {
    if (state == REPLICA_QUARANTINED)
        turn_raise_told(turn, "quarantined", "%s", self->why);
    else
        turn_clear(turn, "quarantined");
    if (state == REPLICA_DISK_FULL)
        turn_raise_told(turn, "disk_full", "reads only, until there is space: %s", self->why);
    else
        turn_clear(turn, "disk_full");
}

void replica_move(struct replica *self, enum replica_state state, struct turn *turn) {
    if (self->state == state) return;
    turn_note(turn, "%s -> %s", state_names[self->state], state_names[state]);
    log_move(self, state);
    tell_alarm(self, state, turn);
    self->state = state;
    if (state == REPLICA_SERVING) self->why[0] = '\0';
    peers_tell(self, turn);
}

const char *replica_state_name(enum replica_state state) {
    return state_names[state];
}

void replica_fail(struct replica *self,
                  enum status status,
                  const char *what,
                  const char *text,
                  struct turn *turn) {
    snprintf(self->why, sizeof self->why, "%s: %s", what, text);
    turn_note(turn, "%s %s", status_name(status), self->why);
    bool full = status == STATUS_DISK_FULL && self->state != REPLICA_QUARANTINED;
    enum status told = full ? STATUS_DISK_FULL : STATUS_QUARANTINED;
    proposals_reject(&self->durable, told, self->why, turn);
    if (self->seat) seat_reject(self->seat, told, self->why, turn);
    if (self->seat && !full) seat_leave(self->seat);
    if (!full)
        replica_move(self, REPLICA_QUARANTINED, turn);
    else if (self->state == REPLICA_SERVING)
        replica_move(self, REPLICA_DISK_FULL, turn);
    self->probing = false;
    if (full) peers_probe_later(self, turn);
    if (full && self->seat) peers_hand_over(self, turn);
    reads_look(self, turn);
}

static enum status on_epoch(struct replica *self, const ShardEpoch *msg, struct turn *turn) {
    (void)turn;
    if (msg->epoch > self->options.epoch) self->options.epoch = msg->epoch;
    return STATUS_OK;
}

static enum status on_columns(struct replica *self, const ShardColumns *msg, struct turn *turn) {
    return columns_told(self, msg, turn);
}

/* Words for a request that this state cannot serve. */
static enum status refuse(const struct replica *self, struct turn *turn) {
    uint64_t shard = self->options.shard;
    switch (self->state) {
    case REPLICA_LOADING:
        return turn_fail(turn, STATUS_NOT_READY, "shard %" PRIu64 " is loading", shard);
    case REPLICA_DISK_FULL:
        return turn_fail(turn, STATUS_DISK_FULL,
                         "shard %" PRIu64 " is read-only until disk space is free (%s)", shard,
                         self->why);
    default:
        return turn_fail(turn, STATUS_QUARANTINED, "shard %" PRIu64 " is quarantined (%s)", shard,
                         self->why);
    }
}

/* Reads are served while the disk is full. */
static enum status judge_read(const struct replica *self, uint64_t epoch, struct turn *turn) {
    if (self->state != REPLICA_SERVING && self->state != REPLICA_DISK_FULL)
        return refuse(self, turn);
    return peers_epoch(self, epoch, turn);
}

/* Writes are the leader's. */
static enum status judge_leader(const struct replica *self, struct turn *turn) {
    struct consensus_state state;
    if (seat_state(self->seat, &state) && state.role == CONSENSUS_LEADER) return STATUS_OK;
    const char *leader = seat_leader(self->seat);
    return turn_fail(turn, STATUS_NOT_LEADER, "shard %" PRIu64 " is led by %s%s",
                     self->options.shard, *leader ? "the replica at " : "nobody that is known",
                     leader);
}

/* --- writing
 * ------------------------------------------------------------------------------------------ */

static enum status
judge_operation(const struct replica *self, const ShardOperation *op, struct turn *turn) {
    size_t id_size = strlen(op->id);
    if (id_size == 0 || id_size > INDEX_ID_MAX)
        return turn_fail(turn, STATUS_INVALID, "an id has %zu bytes, not 1 to %d", id_size,
                         INDEX_ID_MAX);
    if (op->remove) return STATUS_OK;
    if (op->n_vector != self->options.dimension)
        return turn_fail(turn, STATUS_INVALID,
                         "vector dimension %zu does not match index dimension %" PRIu32,
                         op->n_vector, self->options.dimension);
    if (op->payload.len > SHARD_PAYLOAD_MAX)
        return turn_fail(turn, STATUS_TOO_LARGE, "payload of point \"%s\" is above %d bytes",
                         op->id, SHARD_PAYLOAD_MAX);
    if (!floats_finite(op->vector, op->n_vector))
        return turn_fail(turn, STATUS_INVALID, "vector of point \"%s\" is not finite", op->id);
    return STATUS_OK;
}

static enum status
judge_write(const struct replica *self, const ShardWrite *msg, struct turn *turn) {
    enum status s = STATUS_OK;
    if (self->state == REPLICA_DISK_FULL) s = judge_leader(self, turn); /* another may take it */
    if (s == STATUS_OK && self->state != REPLICA_SERVING) s = refuse(self, turn);
    if (s == STATUS_OK) s = peers_epoch(self, msg->epoch, turn);
    if (s == STATUS_OK) s = judge_leader(self, turn);
    if (s != STATUS_OK) return s;
    if (msg->router == 0 || msg->sequence == 0)
        return turn_fail(turn, STATUS_INVALID, "a write needs a router and a sequence");
    if (msg->n_operations == 0 || msg->n_operations > SHARD_OPERATIONS_MAX)
        return turn_fail(turn, STATUS_INVALID, "%zu operations in a write, not 1 to %d",
                         msg->n_operations, SHARD_OPERATIONS_MAX);
    for (size_t i = 0; s == STATUS_OK && i < msg->n_operations; i++)
        s = judge_operation(self, msg->operations[i], turn);
    return s;
}

/* A repeat of the newest write of its router is answered without a new entry. The final word is the
 * window's at apply: here an entry under way is not known yet. */
static bool answer_repeat(const struct replica *self, const ShardWrite *msg, struct turn *turn) {
    const struct window_row *row = window_find(&self->window, msg->router);
    if (!row || row->sequence != msg->sequence || row->index > self->applied) return false;
    turn_note(turn, "repeat of %" PRIu64 ", answered from the window", msg->sequence);
    ShardWritten written = SHARD_WRITTEN__INIT;
    written.operations = row->operations;
    written.index = row->index;
    turn_reply(turn, &written.base);
    return true;
}

static uint32_t count_puts(const ShardWrite *msg) {
    uint32_t n = 0;
    for (size_t i = 0; i < msg->n_operations; i++)
        n += !msg->operations[i]->remove;
    return n;
}

/* Points beyond those that find the place of a removed one make the process grow. */
static enum status judge_memory(const struct replica *self, uint32_t puts, struct turn *turn) {
    if (puts == 0) return STATUS_OK;
    const struct watermark mark =
        self->options.memory ? self->options.memory() : (struct watermark){.limit = 0};
    if (turn_saw(turn, !self->options.memory || watermark_room(&mark) > 0)) return STATUS_OK;
    struct index_stats stats = index_stats(self->holding->view);
    uint64_t places = turn_saw(turn, stats.slots - stats.points - stats.removed);
    if ((uint64_t)self->reserved + seat_waiting(self->seat)->weight + puts <= places)
        return STATUS_OK;
    turn_retry_after(turn, MEMORY_RETRY_MS);
    return turn_fail(turn, STATUS_NO_MEMORY,
                     "no memory for more points: %" PRIu64 " of %" PRIu64
                     " MB are in use; remove points or collections, or give the process more "
                     "(VECTRON_MEMORY_LIMIT)",
                     turn_saw(turn, mark.used / MEBIBYTE), turn_saw(turn, mark.limit / MEBIBYTE));
}

static void pump_later(struct replica *self, struct turn *turn);

static enum status on_write(struct replica *self, const ShardWrite *msg, struct turn *turn) {
    enum status s = judge_write(self, msg, turn);
    if (s != STATUS_OK) return s;
    if (answer_repeat(self, msg, turn)) return STATUS_OK;
    uint32_t puts = count_puts(msg);
    s = judge_memory(self, puts, turn);
    if (s != STATUS_OK) return s;
    if (seat_pending(self->seat) >= SHARD_PENDING_MAX ||
        seat_pending_bytes(self->seat) >= SHARD_PENDING_BYTES_MAX) {
        turn_retry_after(turn, BUSY_RETRY_MS);
        return turn_fail(turn, STATUS_BUSY, "shard %" PRIu64 " has too many writes waiting",
                         self->options.shard);
    }
    struct buffer data;
    buffer_init(&data);
    struct proposal *proposal;
    s = codec_encode(&msg->base, &data);
    if (s == STATUS_OK && data.size > JOURNAL_ENTRY_MAX) s = STATUS_TOO_LARGE;
    if (s == STATUS_OK) s = proposal_new(ENTRY_DATA, &data, &proposal);
    if (s != STATUS_OK) {
        buffer_free(&data);
        return turn_fail(turn, s, "write of %zu operations", msg->n_operations);
    }
    proposal->weight = puts;
    proposal->promise = turn_defer(turn);
    proposal->owed = true;
    seat_push(self->seat, &proposal, turn);
    pump_later(self, turn);
    return STATUS_OK;
}

static void look_for_room(void *actor, void *context, struct turn *turn);

/* Points that writers may add to the tail. What loading left there beyond the limit does not keep
 * them out, but once it is linked the tail stays as short as the index wants it. */
static size_t tail_room(struct replica *self, struct turn *turn) {
    size_t room = turn_saw(turn, index_tail_room(self->holding->index));
    size_t whole = (size_t)self->tail_extra + self->tail_limit;
    size_t used = whole > room ? whole - room : 0;
    if (used < self->tail_loaded) self->tail_loaded = (uint32_t)used;
    size_t limit = (size_t)self->tail_limit + self->tail_loaded;
    return limit > used ? limit - used : 0;
}

/* An entry is logged only when the tail will have room for its points. */
bool replica_gate(void *owner, const struct proposal *next, struct turn *turn) {
    struct replica *self = owner;
    if (tail_room(self, turn) < (size_t)self->reserved + next->weight) return true;
    self->reserved += next->weight;
    return false;
}

static void pump_later(struct replica *self, struct turn *turn) {
    if (self->room_armed || seat_writing(self->seat) || !seat_waiting(self->seat)->first) return;
    self->room_armed = true;
    turn_timer(turn, ROOM_LOOK_US, look_for_room, NULL);
}

static void look_for_room(void *actor, void *context, struct turn *turn) {
    struct replica *self = actor;
    (void)context;
    self->room_armed = false;
    if (self->state == REPLICA_QUARANTINED) return;
    seat_pump(self->seat, turn);
    if (seat_waiting(self->seat)->first) replica_link(self, turn);
    pump_later(self, turn);
}

void replica_applied(struct replica *self, struct turn *turn) {
    if (self->probing) {
        self->probing = false;
        replica_move(self, REPLICA_SERVING, turn);
    }
    apply_start(self, turn);
    seat_pump(self->seat, turn); /* the gate may have opened */
    pump_later(self, turn);
    reads_look(self, turn);
}

/* --- reading
 * ------------------------------------------------------------------------------------------ */

/* Every read says in the same fields how fresh it must be. */
#define READ_OF(msg, searches) \
    &(const struct read_request) { \
        .message = &(msg)->base, .search = (searches), .level = (msg)->consistency, \
        .session = (msg)->session_index, .max_staleness_ms = (msg)->max_staleness_ms \
    }

static enum status on_get(struct replica *self, const ShardGet *msg, struct turn *turn) {
    bool now = false;
    struct read_count count;
    enum status s = judge_read(self, msg->epoch, turn);
    bool counted = s == STATUS_OK && msg->counting && reads_unasked(self, &count);
    if (s == STATUS_OK && !counted) s = reads_admit(self, READ_OF(msg, false), &now, turn);
    if (s != STATUS_OK) return s;
    holding_count(self->holding, 1, 0);
    if (!now && !counted) return s;
    const struct promise promise = turn_defer(turn);
    replica_get(self, msg->id, counted ? &count : NULL, &promise, turn);
    return STATUS_OK;
}

static enum status on_standing(struct replica *self, const ShardStanding *msg, struct turn *turn) {
    struct consensus_state state;
    (void)msg;
    if (!self->seat || !seat_state(self->seat, &state))
        return turn_fail(turn, STATUS_NOT_READY, "shard %" PRIu64 " takes no part in its group",
                         self->options.shard);
    ShardStands stands = SHARD_STANDS__INIT;
    stands.replica = self->options.store_id;
    stands.term = state.term;
    turn_reply(turn, &stands.base);
    return STATUS_OK;
}

/* A few turns of a lane. */
static bool is_small(const struct replica *self, const ShardSearch *msg) {
    struct index_stats stats = index_stats(self->holding->view);
    uint64_t ef = msg->ef > msg->k ? msg->ef : msg->k;
    uint64_t walk = stats.tail + (ef > INDEX_EF_DEFAULT ? ef : INDEX_EF_DEFAULT) * WALK_NEIGHBOURS;
    uint64_t points =
        scan_is_exact(self->holding, msg) || stats.points < walk ? stats.points : walk;
    return points * (POINT_FLOATS + msg->n_vector) <= SMALL_FLOATS;
}

/* Who searches: somebody of this lane when that holds nobody up, else who has the least to do. */
static actor_handle
find_searcher(const struct replica *self, const ShardSearch *msg, struct turn *turn) {
    struct shelf *shelf = self->options.shelf;
    bool small = turn_alone(turn) && msg->n_filter == 0 && turn_saw(turn, is_small(self, msg));
    actor_handle near =
        small ? turn_saw_actor(turn, shelf_take_near(shelf, turn_lane(turn), turn_now_us(turn)))
              : 0;
    return near ? near : turn_find(turn, shelf_searcher_name(shelf, shelf_pick(shelf)));
}

/* Of a shard that may be read. */
static enum status judge_query(struct replica *self, const ShardSearch *msg, struct turn *turn) {
    if (msg->n_vector != self->options.dimension)
        return turn_fail(turn, STATUS_INVALID,
                         "search vector dimension %zu does not match index dimension %" PRIu32,
                         msg->n_vector, self->options.dimension);
    if (msg->k == 0 || msg->k > INDEX_K_MAX)
        return turn_fail(turn, STATUS_INVALID, "k is %" PRIu32 ", not 1 to %d", msg->k,
                         INDEX_K_MAX);
    if (!floats_finite(msg->vector, msg->n_vector))
        return turn_fail(turn, STATUS_INVALID, "search vector is not finite");
    if (msg->n_filter > 0) return columns_demand(self, msg->filter, msg->n_filter, turn);
    return STATUS_OK;
}

static enum status judge_search(struct replica *self, const ShardSearch *msg, struct turn *turn) {
    enum status s = judge_read(self, msg->epoch, turn);
    if (s == STATUS_OK) s = judge_query(self, msg, turn);
    return s == STATUS_QUOTA ? STATUS_INVALID : s;
}

static enum status
judge_searches(struct replica *self, const ShardSearches *msg, struct turn *turn) {
    enum status s = judge_read(self, msg->epoch, turn);
    for (size_t i = 0; s == STATUS_OK && i < msg->n_searches; i++) {
        s = judge_query(self, msg->searches[i], turn);
        if (s == STATUS_QUOTA) s = STATUS_OK; /* its searcher refuses that one alone */
    }
    return s;
}

/* Of a request that was judged. single: NULL for many at once. */
static enum status search(struct replica *self,
                          const struct read_request *request,
                          const ShardSearch *single,
                          struct turn *turn) {
    bool now = false;
    enum status s = reads_admit(self, request, &now, turn);
    if (s != STATUS_OK || !now) return s;
    struct shelf *shelf = self->options.shelf;
    actor_handle to = single ? find_searcher(self, single, turn)
                             : turn_find(turn, shelf_searcher_name(shelf, shelf_pick(shelf)));
    if (to == 0) return turn_fail(turn, STATUS_NOT_READY, "the searcher is not there");
    turn_forward(turn, to);
    return STATUS_OK;
}

static enum status on_search(struct replica *self, const ShardSearch *msg, struct turn *turn) {
    enum status s = judge_search(self, msg, turn);
    if (s == STATUS_OK) holding_count(self->holding, 1, 0);
    return s == STATUS_OK ? search(self, READ_OF(msg, true), msg, turn) : s;
}

static enum status on_searches(struct replica *self, const ShardSearches *msg, struct turn *turn) {
    enum status s = judge_searches(self, msg, turn);
    if (s == STATUS_OK) holding_count(self->holding, msg->n_searches, 0);
    return s == STATUS_OK ? search(self, READ_OF(msg, true), NULL, turn) : s;
}

/* How it keeps vectors, and what searches get. */
static void tell_index(const struct index_stats *stats, ShardState *state, struct turn *turn) {
    uint32_t ef = stats->target_ef ? stats->target_ef : INDEX_EF_DEFAULT, bits;
    enum index_storage storage = (enum index_storage)turn_saw(turn, stats->storage);
    memcpy(&bits, &stats->recall, sizeof bits);
    bits = (uint32_t)turn_saw(turn, bits);
    memcpy(&state->recall, &bits, sizeof bits);
    state->storage = (char *)(uintptr_t)index_storage_name(storage);
    state->recall_live = turn_saw(turn, stats->recall_live) != 0;
    state->ef = (uint32_t)turn_saw(turn, ef);
}

static enum status on_ask(struct replica *self, const ShardAsk *msg, struct turn *turn) {
    (void)msg;
    ShardState *state = turn_new(turn, ShardState, shard_state);
    if (!state) return STATUS_NO_MEMORY;
    state->shard = self->options.shard;
    state->state = (char *)(uintptr_t)state_names[self->state];
    state->applied = self->applied;
    state->text = self->why;
    state->target_recall = self->options.columns.target_recall;
    state->exact = self->options.columns.exact;
    state->rescore = self->options.columns.rescore;
    if (self->holding && self->holding->view) {
        struct index_stats stats = index_stats(self->holding->view);
        state->points = turn_saw(turn, stats.points);
        state->tail = turn_saw(turn, stats.tail);
        state->memory_bytes = turn_saw(turn, stats.memory_bytes);
        state->filled = self->filled;
        tell_index(&stats, state, turn);
        if (!columns_tell(self, state, turn)) return STATUS_NO_MEMORY;
    }
    turn_reply(turn, &state->base);
    return STATUS_OK;
}

/* --- its group --- */

static enum status on_change(struct replica *self, const ShardChange *msg, struct turn *turn) {
    return peers_change(self, msg, turn);
}

static enum status
on_read_index(struct replica *self, const ShardReadIndex *msg, struct turn *turn) {
    return reads_question(self, msg, turn);
}

static enum status on_raft(struct replica *self, const RaftReceive *msg, struct turn *turn) {
    return peers_receive(self, msg, turn);
}

static enum status on_fetch(struct replica *self, const ShardFetch *msg, struct turn *turn) {
    return transfer_fetch(self, msg, turn);
}

/* --- background
 * --------------------------------------------------------------------------------------- */

actor_handle replica_linker(struct replica *self, struct turn *turn) {
    char name[64];
    snprintf(name, sizeof name, "linker/%" PRIu32,
             shelf_linker(self->options.shelf, self->options.shard));
    return turn_find(turn, name);
}

void replica_link(struct replica *self, struct turn *turn) {
    bool linking = atomic_load_explicit(&self->holding->linking, memory_order_acquire);
    struct index_stats stats = index_stats(self->holding->view);
    bool idle = stats.tail == 0 && stats.removed == 0 && stats.unverified == 0 && !stats.unsorted;
    if (!turn_saw(turn, !linking && !stats.damaged && !idle)) return;
    actor_handle linker = replica_linker(self, turn);
    if (linker == 0) return;
    LinkerWork work = LINKER_WORK__INIT;
    work.shard = self->options.shard;
    work.bulk = self->bulk_us != 0 && turn_now_us(turn) - self->bulk_us < BULK_OVER_US;
    turn_tell(turn, linker, &work.base);
}

/* --- opening and closing
 * ------------------------------------------------------------------------------- */

void replica_serve(struct replica *self, const struct load_result *result, struct turn *turn) {
    self->tail_limit = result->tail_limit;
    self->tail_extra = result->tail_extra;
    self->tail_loaded = result->tail_extra;
    self->applied = result->applied;
    self->dirty_index = result->facts->log.first;
    self->saved_us = turn_now_us(turn);
    atomic_store_explicit(&self->holding->applied, self->applied, memory_order_release);
    replica_link(self, turn);
    upkeep_watch(self, turn);
    peers_join(self, result->facts, turn);
}

static enum status shard_open(void *actor, const void *options, struct turn *turn) {
    struct replica *self = actor;
    self->options = *(const struct shard_options *)options;
    load_start(self, turn);
    return STATUS_OK;
}

static void shard_stop(void *actor, struct turn *turn) {
    if (!upkeep_stop(actor, turn)) turn_exit(turn, STATUS_OK, "stopped");
}

static void shard_close(void *actor) {
    struct replica *self = actor;
    load_free(self->load);
    columns_free(self);
    apply_free(self->apply);
    transfer_free(self);
    seat_close(self->seat);
    reads_free(self);
    proposals_free(&self->durable);
    holding_close(self->holding);
}

const struct actor_type shard_type = {
    .kind = "shard",
    .size = sizeof(struct replica),
    .handlers = shard_handlers,
    .open = shard_open,
    .stop = shard_stop,
    .close = shard_close,
    .lane = LANE_IO,
};
