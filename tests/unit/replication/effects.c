/* effects: what a replica is told to do: messages leave, writes go to its disk, entries are
 * applied, snapshots taken and installed; with what must be true of it each time. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/arena.h"
#include "runtime/codec.h"
#include "tests/unit/replication/world_state.h"

static uint64_t mix(uint64_t hash, uint64_t value) {
    return rng_mix(hash ^ rng_mix(value));
}

/* --- logs ------------------------------------------------------------------------------------- */

struct cell *cell_at(struct log *log, uint64_t index) {
    return &log->cells[index % LOG_MAX];
}

void cell_set(struct cell *to, const struct cell *from) {
    void *old = to->data;
    *to = *from;
    to->data = NULL;
    if (from->data) {
        to->data = malloc(from->size ? from->size : 1);
        memcpy(to->data, from->data, from->size);
    }
    free(old);
}

void snapshot_copy(struct snapshot *to, const struct snapshot *from) {
    struct buffer members = to->members;
    buffer_clear(&members);
    buffer_append(&members, from->members.data, from->members.size);
    *to = *from;
    to->members = members;
}

struct consensus_entry entry_of(const struct cell *cell) {
    struct consensus_entry entry = {cell->term, (enum consensus_kind)cell->kind, NULL, 0};
    if (cell->kind == CONSENSUS_COMMAND) {
        entry.data = &cell->value;
        entry.size = sizeof cell->value;
    } else if (cell->kind == CONSENSUS_CHANGE) {
        entry.data = cell->data;
        entry.size = cell->size;
    }
    return entry;
}

static uint64_t term_at(struct replica *replica, uint64_t index) {
    if (index == replica->snapshot.index) return replica->snapshot.term;
    return cell_at(&replica->log, index)->term;
}

/* --- effects ---------------------------------------------------------------------------------- */

uint32_t slot_of(const struct world *world, uint64_t id) {
    for (uint32_t i = 0; i < world->n_replicas; i++)
        if (world->replicas[i]->id == id) return i;
    return REPLICAS_MAX;
}

static void transmit(struct world *world, uint32_t from, struct held *held) {
    uint32_t to = slot_of(world, held->to);
    uint32_t copies = 1 + (!world->healing && chance(world, world->faults.twice));
    for (uint32_t i = 0; to < REPLICAS_MAX && i < copies; i++) {
        uint64_t delay = 1 + rng_below(&world->rng, world->faults.delay_ms + 1);
        if (!world->healing && chance(world, 10))
            delay += rng_below(&world->rng, world->faults.slow_ms + 1);
        if (world->cut[from][to] || (!world->healing && chance(world, world->faults.drop)))
            continue;
        void *bytes = malloc(held->size);
        memcpy(bytes, held->bytes, held->size);
        push(world, (struct event){.at = world->now + delay,
                                   .what = DELIVER,
                                   .slot = to,
                                   .bytes = bytes,
                                   .size = held->size});
        world->counts.messages++;
    }
    free(held->bytes);
}

static void flush_held(struct world *world, uint32_t slot) {
    struct replica *self = world->replicas[slot];
    uint32_t kept = 0;
    for (uint32_t i = 0; i < self->n_held; i++) {
        if (self->held[i].after > self->written)
            self->held[kept++] = self->held[i];
        else
            transmit(world, slot, &self->held[i]);
    }
    self->n_held = kept;
}

static void
hold(struct world *world, struct replica *self, const RaftMessage *message, uint64_t after) {
    struct buffer bytes;
    buffer_init(&bytes);
    enum status s = codec_encode(&message->base, &bytes);
    CHECK(world, s == STATUS_OK && self->n_held < HELD_MAX, "encode");
    self->held[self->n_held++] = (struct held){after, bytes.data, bytes.size, message->to};
}

/* An append with its entries, in as many messages as the rules want. */
static void send_append(struct world *world,
                        struct replica *self,
                        RaftMessage *message,
                        uint32_t wanted,
                        uint64_t after) {
    uint64_t prev = message->append->prev_index;
    RaftEntry rows[64], *pointers[64];
    do {
        struct consensus_entry entries[64];
        uint32_t n = 0;
        for (; n < wanted && n < 64; n++) {
            CHECK(world, prev + 1 + n >= self->log.first && prev + 1 + n <= self->log.last,
                  "an append of %" PRIu64 " where the log is %" PRIu64 " to %" PRIu64, prev + 1 + n,
                  self->log.first, self->log.last);
            entries[n] = entry_of(cell_at(&self->log, prev + 1 + n));
        }
        n = consensus_split(entries, n, 200);
        for (uint32_t i = 0; i < n; i++) {
            raft_entry__init(&rows[i]);
            rows[i].term = entries[i].term;
            rows[i].kind = entries[i].kind;
            rows[i].data.data = (uint8_t *)entries[i].data;
            rows[i].data.len = entries[i].size;
            pointers[i] = &rows[i];
        }
        if (prev != message->append->prev_index) {
            message->append->prev_index = prev;
            message->append->prev_term = term_at(self, prev);
        }
        message->append->entries = pointers;
        message->append->n_entries = n;
        hold(world, self, message, after);
        prev += n;
        wanted -= n;
    } while (wanted > 0);
}

static void
send_install(struct world *world, struct replica *self, RaftMessage *message, uint64_t after) {
    struct arena arena;
    ProtobufCMessage *members = NULL;
    arena_init(&arena, 0);
    const struct snapshot *snapshot = &self->disk_snapshot;
    enum status s = codec_decode(&raft_members__descriptor, snapshot->members.data,
                                 snapshot->members.size, &arena, &members, NULL);
    CHECK(world, s == STATUS_OK && snapshot->index > 0, "no snapshot to send");
    RaftInstall *install = message->install;
    install->last_index = snapshot->index;
    install->last_term = snapshot->term;
    install->members = (RaftMembers *)members;
    install->members_index = snapshot->members_index;
    install->descriptor.data = (uint8_t *)&snapshot->hash;
    install->descriptor.len = sizeof snapshot->hash;
    hold(world, self, message, after);
    arena_free(&arena);
}

static void
send_all(struct world *world, struct replica *self, const struct consensus_effects *effects) {
    for (uint32_t i = 0; i < effects->n_messages; i++) {
        RaftMessage *message = effects->messages[i];
        if (message->body_case == RAFT_MESSAGE__BODY_APPEND)
            send_append(world, self, message, effects->wanted[i], effects->after);
        else if (message->body_case == RAFT_MESSAGE__BODY_INSTALL)
            send_install(world, self, message, effects->after);
        else
            hold(world, self, message, effects->after);
    }
}

static void write_all(struct world *world, uint32_t slot, const struct consensus_effects *effects) {
    struct replica *self = world->replicas[slot];
    CHECK(world, self->n_pending < PENDING_MAX, "disk queue");
    struct pending *pending =
        &self->pending[(self->first_pending + self->n_pending++) % PENDING_MAX];
    *pending = (struct pending){effects->persist, effects->hard,      effects->term, effects->vote,
                                effects->first,   effects->n_entries, NULL};
    CHECK(world, !effects->hard || effects->term >= self->term, "term %" PRIu64, effects->term);
    if (effects->hard) {
        CHECK(world, effects->term > self->term || self->vote == 0 || self->vote == effects->vote,
              "two votes in term %" PRIu64, effects->term);
        self->term = effects->term;
        self->vote = effects->vote;
    }
    if (effects->n_entries > 0) {
        CHECK(world, effects->first > self->applied, "overwrites what is applied");
        CHECK(world, effects->first <= self->log.last + 1, "a hole in the log");
        CHECK(world, effects->first + effects->n_entries < self->snapshot.index + LOG_MAX,
              "log full");
        pending->cells = calloc(effects->n_entries, sizeof *pending->cells);
    }
    for (uint32_t i = 0; i < effects->n_entries; i++) {
        const struct consensus_entry *entry = &effects->entries[i];
        struct cell cell = {.term = entry->term, .kind = entry->kind};
        if (entry->kind == CONSENSUS_COMMAND) memcpy(&cell.value, entry->data, sizeof cell.value);
        if (entry->kind == CONSENSUS_CHANGE) {
            cell.data = (void *)entry->data;
            cell.size = entry->size;
        }
        cell_set(cell_at(&self->log, effects->first + i), &cell);
        cell_set(&pending->cells[i], &cell);
    }
    if (effects->n_entries > 0) self->log.last = effects->first + effects->n_entries - 1;
    uint64_t start = self->disk_free_ms > world->now ? self->disk_free_ms : world->now;
    self->disk_free_ms = start + rng_below(&world->rng, world->faults.disk_ms + 1);
    push(world, (struct event){.at = self->disk_free_ms,
                               .what = WRITTEN,
                               .slot = slot,
                               .life = self->life,
                               .number = effects->persist});
}

/* --- the state machine ------------------------------------------------------------------------ */

static void apply_one(struct world *world, struct replica *self, uint64_t index, bool leader) {
    struct cell *cell = cell_at(&self->log, index);
    uint64_t value = cell->kind == CONSENSUS_COMMAND ? cell->value : cell->kind;
    self->hash = mix(self->hash, mix(index, value));
    if (index == world->n_committed + 1) {
        world->committed[index % LOG_MAX].term = cell->term;
        world->committed[index % LOG_MAX].kind = cell->kind;
        world->committed[index % LOG_MAX].value = value;
        world->committed[index % LOG_MAX].hash = self->hash;
        world->n_committed++;
        world->counts.committed++;
    }
    CHECK(world, index <= world->n_committed, "a hole in what is applied");
    CHECK(world,
          world->committed[index % LOG_MAX].hash == self->hash &&
              world->committed[index % LOG_MAX].term == cell->term,
          "replica %" PRIu64 " applied another entry %" PRIu64 " (term %" PRIu64 " value %" PRIu64
          ", committed term %" PRIu64 " value %" PRIu64 ")",
          self->id, index, cell->term, value, world->committed[index % LOG_MAX].term,
          world->committed[index % LOG_MAX].value);
    if (leader && cell->kind == CONSENSUS_COMMAND && index > world->acknowledged)
        world->acknowledged = index;
    self->applied = index;
}

static void end_reads(struct world *world, const struct consensus_effects *effects) {
    for (uint32_t i = 0; i < effects->n_reads; i++) {
        uint32_t at = 0;
        while (at < world->n_reads && world->reads[at].token != effects->reads[i].token)
            at++;
        CHECK(world, at < world->n_reads, "a read ended twice");
        if (effects->reads[i].status == STATUS_OK) {
            CHECK(world, effects->reads[i].index >= world->reads[at].floor,
                  "a read at %" PRIu64 " misses what was acknowledged at %" PRIu64,
                  effects->reads[i].index, world->reads[at].floor);
            world->counts.reads++;
        }
        world->reads[at] = world->reads[--world->n_reads];
    }
}

/* 3.6.3, leader completeness: all that is committed is in a new leader's log. One whose votes came
 * late, when a later term had its leader already, may lack what was committed in that. */
static void
check_leader(struct world *world, struct replica *self, const struct consensus_state *state) {
    uint64_t *leader = &world->leaders[state->term % (1 << 14)];
    CHECK(world, *leader == 0 || *leader == self->id, "two leaders of term %" PRIu64, state->term);
    if (*leader == self->id) return;
    *leader = self->id;
    world->counts.elections++;
    if (state->term < world->newest_term) return;
    world->newest_term = state->term;
    CHECK(world, state->last >= world->n_committed, "a leader without what is committed");
    for (uint64_t i = self->log.first; i <= world->n_committed; i++) {
        if (i + LOG_MAX / 2 < world->n_committed) continue;
        CHECK(world, cell_at(&self->log, i)->term == world->committed[i % LOG_MAX].term,
              "a leader with another entry %" PRIu64, i);
    }
}

void arm(struct world *world, uint32_t slot) {
    const struct replica *self = world->replicas[slot];
    uint64_t due = consensus_due(self->consensus);
    if (due == world->due[slot]) return;
    world->due[slot] = due;
    push(world,
         (struct event){.at = due, .what = TICK, .slot = slot, .life = self->life, .number = due});
}

static void take_snapshot(struct world *world, uint32_t slot);

void carry_out(struct world *world, uint32_t slot, const struct consensus_effects *effects) {
    struct replica *self = world->replicas[slot];
    struct consensus_state state;
    consensus_state(self->consensus, &state);
    if (effects->persist) write_all(world, slot, effects);
    send_all(world, self, effects);
    if (state.role == CONSENSUS_LEADER) check_leader(world, self, &state);
    CHECK(world, effects->apply >= self->applied, "apply goes back");
    while (self->applied < effects->apply)
        apply_one(world, self, self->applied + 1, state.role == CONSENSUS_LEADER);
    end_reads(world, effects);
    if (effects->install) {
        self->installing.index = effects->install->last_index;
        self->installing.term = effects->install->last_term;
        self->installing.members_index = effects->install->members_index;
        memcpy(&self->installing.hash, effects->install->descriptor.data, sizeof(uint64_t));
        buffer_clear(&self->installing.members);
        enum status s = codec_encode(&effects->install->members->base, &self->installing.members);
        CHECK(world, s == STATUS_OK, "members of a snapshot");
        push(world, (struct event){.at = world->now + rng_below(&world->rng, INSTALL_MS),
                                   .what = INSTALLED,
                                   .slot = slot,
                                   .life = self->life});
    }
    flush_held(world, slot);
    arm(world, slot);
    if (world->faults.snapshot_every && !state.installing &&
        self->applied >= self->snapshot.index + world->faults.snapshot_every)
        take_snapshot(world, slot);
}

void must(struct world *world,
          uint32_t slot,
          enum status s,
          const struct consensus_effects *effects) {
    CHECK(world, s == STATUS_OK, "%s", status_name(s));
    carry_out(world, slot, effects);
}

/* Durable at once: snapshots have no cost here. */
static void take_snapshot(struct world *world, uint32_t slot) {
    struct replica *self = world->replicas[slot];
    struct consensus_effects effects;
    struct snapshot *snapshot = &self->snapshot;
    uint64_t term = cell_at(&self->log, self->applied)->term;
    buffer_clear(&snapshot->members);
    enum status s = consensus_members_at(self->consensus, self->applied, &snapshot->members,
                                         &snapshot->members_index);
    CHECK(world, s == STATUS_OK, "members as of %" PRIu64, self->applied);
    snapshot->index = self->applied;
    snapshot->term = term;
    snapshot->hash = self->hash;
    snapshot_copy(&self->disk_snapshot, snapshot);
    if (snapshot->index > TRAILING && self->log.first <= snapshot->index - TRAILING)
        self->log.first = snapshot->index - TRAILING + 1;
    world->counts.snapshots++;
    s = consensus_snapshot(self->consensus, world->now, snapshot->index, term, TRAILING, &effects);
    must(world, slot, s, &effects);
}

/* --- disk ------------------------------------------------------------------------------------- */

void write_to_disk(struct replica *self, const struct pending *pending) {
    if (pending->hard) {
        self->disk_term = pending->term;
        self->disk_vote = pending->vote;
    }
    for (uint32_t i = 0; i < pending->n; i++)
        cell_set(cell_at(self->disk, pending->first + i), &pending->cells[i]);
    if (pending->n > 0) self->disk->last = pending->first + pending->n - 1;
}

void drop_pending(struct replica *self) {
    struct pending *pending = &self->pending[self->first_pending % PENDING_MAX];
    for (uint32_t i = 0; i < pending->n; i++)
        free(pending->cells[i].data);
    free(pending->cells);
    self->first_pending = (self->first_pending + 1) % PENDING_MAX;
    self->n_pending--;
}

void on_written(struct world *world, uint32_t slot, uint64_t number) {
    struct replica *self = world->replicas[slot];
    struct consensus_effects effects;
    while (self->n_pending > 0 && self->pending[self->first_pending].number <= number) {
        write_to_disk(self, &self->pending[self->first_pending]);
        drop_pending(self);
    }
    self->written = number;
    enum status s = consensus_persisted(self->consensus, world->now, number, &effects);
    must(world, slot, s, &effects);
}

void on_installed(struct world *world, uint32_t slot) {
    struct replica *self = world->replicas[slot];
    struct consensus_effects effects;
    while (self->n_pending > 0) { /* the log's actor works in order: these are done before */
        write_to_disk(self, &self->pending[self->first_pending]);
        self->written = self->pending[self->first_pending].number;
        drop_pending(self);
    }
    snapshot_copy(&self->snapshot, &self->installing);
    snapshot_copy(&self->disk_snapshot, &self->installing);
    self->log.first = self->disk->first = self->snapshot.index + 1;
    self->log.last = self->disk->last = self->snapshot.index;
    self->applied = self->snapshot.index;
    self->hash = self->snapshot.hash;
    CHECK(world, world->committed[self->applied % LOG_MAX].hash == self->hash, "a wrong snapshot");
    world->counts.installs++;
    enum status s = consensus_installed(self->consensus, world->now, &effects);
    must(world, slot, s, &effects);
    s = consensus_persisted(self->consensus, world->now, self->written, &effects);
    must(world, slot, s, &effects);
}
