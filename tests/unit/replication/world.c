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
