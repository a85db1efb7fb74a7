/* world: see the header. Events in a heap by time; a replica is a consensus, a disk, and the writes
 * and messages that wait for it. */

#include "tests/unit/replication/world_state.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/arena.h"
#include "runtime/codec.h"

void broken(struct world *world, const char *condition, const char *format, ...) {
    va_list args;
    fprintf(stderr, "seed %" PRIu64 " at %" PRIu64 " ms: %s: ", world->seed, world->now, condition);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fprintf(stderr, "\n  again: VECTRON_SEED=%" PRIu64 " test_replication\n", world->seed);
    abort();
}

static uint64_t mix(uint64_t hash, uint64_t value) {
    return rng_mix(hash ^ rng_mix(value));
}

bool chance(struct world *world, uint32_t of_1000) {
    return rng_below(&world->rng, 1000) < of_1000;
}

/* --- events ----------------------------------------------------------------------------------- */

static bool before(const struct event *a, const struct event *b) {
    return a->at != b->at ? a->at < b->at : a->order < b->order;
}

void push(struct world *world, struct event event) {
    CHECK(world, world->n_events < EVENTS_MAX, "too many events");
    event.order = world->order++;
    uint32_t i = world->n_events++;
    while (i > 0 && before(&event, &world->heap[(i - 1) / 2])) {
        world->heap[i] = world->heap[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    world->heap[i] = event;
}

static struct event pop(struct world *world) {
    struct event top = world->heap[0], last = world->heap[--world->n_events];
    uint32_t i = 0;
    for (uint32_t child; (child = 2 * i + 1) < world->n_events; i = child) {
        if (child + 1 < world->n_events && before(&world->heap[child + 1], &world->heap[child]))
            child++;
        if (!before(&world->heap[child], &last)) break;
        world->heap[i] = world->heap[child];
    }
    world->heap[i] = last;
    return top;
}

/* --- logs ------------------------------------------------------------------------------------- */

static struct cell *cell_at(struct log *log, uint64_t index) {
    return &log->cells[index % LOG_MAX];
}

static void cell_set(struct cell *to, const struct cell *from) {
    void *old = to->data;
    *to = *from;
    to->data = NULL;
    if (from->data) {
        to->data = malloc(from->size ? from->size : 1);
        memcpy(to->data, from->data, from->size);
    }
    free(old);
}

static void snapshot_copy(struct snapshot *to, const struct snapshot *from) {
    struct buffer members = to->members;
    buffer_clear(&members);
    buffer_append(&members, from->members.data, from->members.size);
    *to = *from;
    to->members = members;
}

static struct consensus_entry entry_of(const struct cell *cell) {
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

static uint32_t slot_of(const struct world *world, uint64_t id) {
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

static void arm(struct world *world, uint32_t slot) {
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

static void
must(struct world *world, uint32_t slot, enum status s, const struct consensus_effects *effects) {
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

static void write_to_disk(struct replica *self, const struct pending *pending) {
    if (pending->hard) {
        self->disk_term = pending->term;
        self->disk_vote = pending->vote;
    }
    for (uint32_t i = 0; i < pending->n; i++)
        cell_set(cell_at(self->disk, pending->first + i), &pending->cells[i]);
    if (pending->n > 0) self->disk->last = pending->first + pending->n - 1;
}

static void drop_pending(struct replica *self) {
    struct pending *pending = &self->pending[self->first_pending % PENDING_MAX];
    for (uint32_t i = 0; i < pending->n; i++)
        free(pending->cells[i].data);
    free(pending->cells);
    self->first_pending = (self->first_pending + 1) % PENDING_MAX;
    self->n_pending--;
}

static void on_written(struct world *world, uint32_t slot, uint64_t number) {
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

static void on_installed(struct world *world, uint32_t slot) {
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

/* --- lives ------------------------------------------------------------------------------------ */

void world_crash(struct world *world, uint32_t slot) {
    struct replica *self = world->replicas[slot];
    if (!self->consensus) return;
    uint64_t some = rng_below(&world->rng, self->n_pending + 1); /* a prefix made it to the disk */
    for (; some > 0; some--) {
        write_to_disk(self, &self->pending[self->first_pending]);
        drop_pending(self);
    }
    while (self->n_pending > 0)
        drop_pending(self);
    for (uint32_t i = 0; i < self->n_held; i++)
        free(self->held[i].bytes);
    self->n_held = 0;
    consensus_close(self->consensus);
    self->consensus = NULL;
    self->life++;
    world->due[slot] = 0;
    world->counts.crashes++;
    for (uint32_t i = 0; i < world->n_replicas; i++)
        if (rng_below(&world->rng, 2)) world_lost(world, i, slot);
}

void world_lost(struct world *world, uint32_t by, uint32_t slot) {
    struct replica *self = world->replicas[by];
    if (by == slot || !self || !self->consensus) return;
    consensus_lost(self->consensus, world->now, world->replicas[slot]->id);
    arm(world, by);
}

void world_start(struct world *world, uint32_t slot) {
    struct replica *self = world->replicas[slot];
    if (self->consensus) return;
    struct arena arena;
    ProtobufCMessage *members = NULL;
    struct consensus_effects effects;
    char address[32];
    const char *why = "";
    arena_init(&arena, 0);
    self->term = self->disk_term;
    self->vote = self->disk_vote;
    snapshot_copy(&self->snapshot, &self->disk_snapshot);
    self->log.first = self->snapshot.index > TRAILING ? self->snapshot.index - TRAILING + 1 : 1;
    if (self->log.first < self->disk->first) self->log.first = self->disk->first;
    self->log.last = self->disk->last;
    if (self->log.last < self->snapshot.index) { /* a torn end behind a snapshot is no log */
        self->log.first = self->snapshot.index + 1;
        self->log.last = self->snapshot.index;
    }
    uint32_t n = (uint32_t)(self->log.last + 1 - self->log.first);
    struct consensus_entry *entries = calloc(n + 1, sizeof *entries);
    for (uint32_t i = 0; i < n; i++) {
        cell_set(cell_at(&self->log, self->log.first + i),
                 cell_at(self->disk, self->log.first + i));
        entries[i] = entry_of(cell_at(&self->log, self->log.first + i));
    }
    if (self->snapshot.index > 0) {
        enum status s = codec_decode(&raft_members__descriptor, self->snapshot.members.data,
                                     self->snapshot.members.size, &arena, &members, NULL);
        CHECK(world, s == STATUS_OK, "members of a snapshot");
    }
    self->applied = self->snapshot.index;
    self->hash = self->snapshot.hash;
    self->written = 0;
    self->disk_free_ms = world->now;
    snprintf(address, sizeof address, "tcp://r%" PRIu64, self->id);
    struct consensus_options options = {
        .group = 7,
        .id = self->id,
        .address = address,
        .seed = rng_next(&world->rng),
        .election_ms = ELECTION_MS,
        .install_ms = 2000,
        .now_ms = world->now,
        .term = self->term,
        .vote = self->vote,
        .snapshot_index = self->snapshot.index,
        .snapshot_term = self->snapshot.term,
        .members = (RaftMembers *)members,
        .members_index = self->snapshot.members_index,
        .first = n ? self->log.first : 0,
        .entries = entries,
        .n_entries = n,
    };
    enum status s = consensus_open(&options, &self->consensus, &effects, &why);
    CHECK(world, s == STATUS_OK, "%s %s", status_name(s), why);
    carry_out(world, slot, &effects);
    free(entries);
    arena_free(&arena);
}

uint32_t add_replica(struct world *world) {
    struct replica *self = calloc(1, sizeof *self);
    self->disk = calloc(1, sizeof *self->disk);
    self->id = world->next_id++;
    self->log.first = self->disk->first = 1;
    world->replicas[world->n_replicas] = self;
    return world->n_replicas++;
}

struct world *world_new(uint64_t seed, uint32_t voters, const struct faults *faults) {
    struct world *world = calloc(1, sizeof *world);
    RaftMember rows[REPLICAS_MAX], *pointers[REPLICAS_MAX];
    char addresses[REPLICAS_MAX][32];
    RaftMembers members = RAFT_MEMBERS__INIT;
    struct buffer data;
    world->heap = calloc(EVENTS_MAX, sizeof *world->heap);
    world->seed = seed;
    world->faults = *faults;
    world->next_id = 101;
    world->now = 1000;
    rng_init(&world->rng, seed);
    for (uint32_t i = 0; i < voters; i++) {
        struct replica *replica = world->replicas[add_replica(world)];
        raft_member__init(&rows[i]);
        snprintf(addresses[i], sizeof addresses[i], "tcp://r%" PRIu64, replica->id);
        rows[i].id = replica->id;
        rows[i].address = addresses[i];
        rows[i].voter = true;
        pointers[i] = &rows[i];
    }
    members.n_members = voters;
    members.members = pointers;
    buffer_init(&data);
    enum status s = consensus_found(&members, &data, NULL);
    CHECK(world, s == STATUS_OK, "%s", status_name(s));
    for (uint32_t i = 0; i < voters; i++) {
        struct replica *replica = world->replicas[i];
        struct cell cell = {1, CONSENSUS_CHANGE, 0, data.data, data.size};
        cell_set(cell_at(replica->disk, 1), &cell);
        replica->disk->last = 1;
        replica->disk_term = 1;
        world_start(world, i);
    }
    buffer_free(&data);
    push(world, (struct event){.at = world->now + CLIENT_MS, .what = CLIENT});
    if (faults->crash_every_ms) push(world, (struct event){.at = world->now, .what = CRASH});
    if (faults->cut_every_ms) push(world, (struct event){.at = world->now, .what = CUT});
    if (faults->pause_every_ms) push(world, (struct event){.at = world->now, .what = PAUSE});
    if (faults->change_every_ms) push(world, (struct event){.at = world->now, .what = CHANGE});
    return world;
}

void world_free(struct world *world) {
    for (uint32_t i = 0; i < world->n_replicas; i++)
        world_crash(world, i);
    for (uint32_t i = 0; i < world->n_replicas; i++) {
        struct replica *replica = world->replicas[i];
        for (uint32_t j = 0; j < LOG_MAX; j++) {
            free(replica->log.cells[j].data);
            free(replica->disk->cells[j].data);
        }
        buffer_free(&replica->snapshot.members);
        buffer_free(&replica->disk_snapshot.members);
        buffer_free(&replica->installing.members);
        free(replica->disk);
        free(replica);
    }
    for (uint32_t i = 0; i < world->n_events; i++)
        free(world->heap[i].bytes);
    free(world->heap);
    free(world);
}

/* --- what happens ----------------------------------------------------------------------------- */

static void deliver(struct world *world, struct event *event) {
    struct replica *self = world->replicas[event->slot];
    struct consensus_effects effects;
    struct arena arena;
    ProtobufCMessage *message = NULL;
    if (self->consensus) {
        arena_init(&arena, 0);
        enum status s = codec_decode(&raft_message__descriptor, event->bytes, event->size, &arena,
                                     &message, NULL);
        CHECK(world, s == STATUS_OK, "a message that was encoded cannot be decoded");
        s = consensus_receive(self->consensus, world->now, (RaftMessage *)message, &effects);
        must(world, event->slot, s, &effects);
        arena_free(&arena);
    }
    free(event->bytes);
}

uint32_t world_leader(const struct world *world) {
    uint32_t found = REPLICAS_MAX;
    uint64_t term = 0;
    for (uint32_t i = 0; i < world->n_replicas; i++) {
        struct consensus_state state;
        if (!world->replicas[i]->consensus) continue;
        consensus_state(world->replicas[i]->consensus, &state);
        if (state.role != CONSENSUS_LEADER || state.term <= term) continue;
        found = i;
        term = state.term;
    }
    return found;
}

struct consensus *world_consensus(struct world *world, uint32_t slot) {
    return world->replicas[slot]->consensus;
}

static void happen(struct world *world, struct event *event) {
    struct replica *self = world->replicas[event->slot];
    struct consensus_effects effects;
    bool alive = self->consensus && self->life == event->life;
    if (event->what <= ASK && event->what != CLIENT && self->paused_until > world->now) {
        event->at = self->paused_until; /* what came to a process that stands still waits for it */
        push(world, *event);
        return;
    }
    switch (event->what) {
    case DELIVER:
        deliver(world, event);
        break;
    case WRITTEN:
        if (alive && self->written < event->number) on_written(world, event->slot, event->number);
        break;
    case TICK:
        if (!alive || world->due[event->slot] != event->number) break;
        world->due[event->slot] = 0;
        enum status s = consensus_tick(self->consensus, world->now, &effects);
        must(world, event->slot, s, &effects);
        break;
    case INSTALLED:
        if (alive) on_installed(world, event->slot);
        break;
    case CLIENT:
        client(world);
        break;
    case ASK:
        client_ask(world, event->slot);
        break;
    case CRASH:
        nemesis_crash(world);
        break;
    case START:
        world_start(world, event->slot);
        break;
    case CUT:
        nemesis_cut(world);
        break;
    case CHANGE:
        nemesis_change(world);
        break;
    case PAUSE:
        nemesis_pause(world);
        break;
    }
}

void world_run(struct world *world, uint64_t ms) {
    uint64_t until = world->now + ms;
    while (world->n_events > 0 && world->heap[0].at <= until) {
        struct event event = pop(world);
        world->now = event.at;
        happen(world, &event);
    }
    world->now = until;
}

/* Members by the leader, all with everything the leader had committed when this was asked. */
static bool together(struct world *world, uint64_t goal) {
    uint32_t leader = world_leader(world);
    struct consensus_member member;
    if (leader == REPLICAS_MAX || world->replicas[leader]->applied < goal) return false;
    for (size_t i = 0; consensus_member(world->replicas[leader]->consensus, i, &member); i++) {
        uint32_t slot = slot_of(world, member.id);
        if (world->replicas[slot]->applied < goal) return false;
    }
    return world->acknowledged > goal;
}

bool world_heal(struct world *world, uint64_t limit_ms) {
    world->healing = true;
    memset(world->cut, 0, sizeof world->cut);
    for (uint32_t i = 0; i < world->n_replicas; i++)
        world_start(world, i);
    uint64_t goal = world->n_committed, until = world->now + limit_ms;
    while (world->now < until && !together(world, goal))
        world_run(world, 50);
    return together(world, goal);
}

struct world_counts world_counts(const struct world *world) {
    return world->counts;
}
