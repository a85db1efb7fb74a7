/* nemesis: crashes, cuts, changes of the members, and clients that keep on asking. Nothing of it
 * while the world heals. */
#include "tests/unit/replication/world_state.h"

#include <inttypes.h>
#include <stdio.h>

static void ask_read(struct world *world, uint32_t slot) {
    struct consensus_effects effects;
    if (world->n_reads == sizeof world->reads / sizeof *world->reads) return;
    world->reads[world->n_reads++] = (struct read_sent){++world->token, world->acknowledged};
    enum status s =
        consensus_read(world->replicas[slot]->consensus, world->now, world->token, &effects);
    if (s == STATUS_OK)
        carry_out(world, slot, &effects);
    else
        world->n_reads--;
}

static void ask_write(struct world *world, uint32_t slot) {
    struct replica *self = world->replicas[slot];
    struct consensus_effects effects;
    uint64_t values[4], first = 0;
    struct consensus_entry commands[4];
    uint32_t n = 1 + (uint32_t)rng_below(&world->rng, 4);
    if (self->log.last + n + 64 > self->snapshot.index + LOG_MAX ||
        world->n_committed + 64 > LOG_MAX)
        return;
    for (uint32_t i = 0; i < n; i++) {
        values[i] = ++world->value;
        commands[i] = (struct consensus_entry){0, CONSENSUS_COMMAND, &values[i], sizeof *values};
    }
    enum status s = consensus_propose(self->consensus, world->now, commands, n, &first, &effects);
    if (s == STATUS_OK) carry_out(world, slot, &effects);
}

void client_ask(struct world *world, uint32_t slot) {
    if (!world->replicas[slot]->consensus) return;
    if (chance(world, 300))
        ask_read(world, slot);
    else
        ask_write(world, slot);
}

/* Clients know nobody: they try whoever there is, also leaders of long ago. */
void client(struct world *world) {
    uint32_t slot = (uint32_t)rng_below(&world->rng, world->n_replicas);
    push(world, (struct event){.at = world->now + CLIENT_MS, .what = CLIENT});
    if (chance(world, 600) && world_leader(world) < REPLICAS_MAX) slot = world_leader(world);
    push(world, (struct event){.at = world->now, .what = ASK, .slot = slot});
}

void nemesis_pause(struct world *world) {
    push(world, (struct event){.at = world->now + 1 +
                                     rng_below(&world->rng, world->faults.pause_every_ms * 2),
                               .what = PAUSE});
    if (world->healing) return;
    uint32_t slot = (uint32_t)rng_below(&world->rng, world->n_replicas);
    if (chance(world, 700) && world_leader(world) < REPLICAS_MAX) slot = world_leader(world);
    world->replicas[slot]->paused_until = world->now + rng_below(&world->rng, 3000);
}

void nemesis_crash(struct world *world) {
    uint32_t slot = (uint32_t)rng_below(&world->rng, world->n_replicas);
    push(world, (struct event){.at = world->now + 1 +
                                     rng_below(&world->rng, world->faults.crash_every_ms * 2),
                               .what = CRASH});
    if (world->healing) return;
    world_crash(world, slot);
    push(world, (struct event){
                    .at = world->now + rng_below(&world->rng, 2000), .what = START, .slot = slot});
}

void world_cut(struct world *world, uint32_t from, uint32_t to, bool cut) {
    world->cut[from][to] = cut;
}

void nemesis_cut(struct world *world) {
    push(world, (struct event){.at = world->now + 1 +
                                     rng_below(&world->rng, world->faults.cut_every_ms * 2),
                               .what = CUT});
    if (world->healing) return;
    uint32_t kind = (uint32_t)rng_below(&world->rng, 4);
    uint32_t one = (uint32_t)rng_below(&world->rng, world->n_replicas);
    if (kind == 3 && world_leader(world) < REPLICAS_MAX) one = world_leader(world);
    for (uint32_t i = 0; i < world->n_replicas; i++) {
        for (uint32_t j = 0; j < world->n_replicas; j++) {
            bool split = kind == 1   ? i == one && i != j       /* speaks to nobody */
                         : kind == 2 ? (i < one) != (j < one)   /* two parts */
                         : kind == 3 ? (i == one) != (j == one) /* the leader alone */
                                     : false;
            world->cut[i][j] = split;
        }
    }
}

/* A change of the members as a placement driver would make it: add, promote, remove, transfer. */
void nemesis_change(struct world *world) {
    push(world, (struct event){.at = world->now + 1 +
                                     rng_below(&world->rng, world->faults.change_every_ms * 2),
                               .what = CHANGE});
    uint32_t leader = world_leader(world);
    if (leader == REPLICAS_MAX || world->healing) return;
    struct consensus *consensus = world->replicas[leader]->consensus;
    struct consensus_effects effects;
    struct consensus_member member, other = {0};
    size_t n = 0, voters = 0, learners = 0;
    char address[32];
    for (; consensus_member(consensus, n, &member); n++) {
        voters += member.voter;
        learners += !member.voter;
        if (!member.voter || (member.id != world->replicas[leader]->id && chance(world, 500)))
            other = member;
    }
    struct consensus_change change = {.step = CONSENSUS_REMOVE, .id = other.id};
    if (learners > 0) {
        for (size_t i = 0; consensus_member(consensus, i, &member); i++)
            if (!member.voter) change.id = member.id;
        if (chance(world, 800)) change.step = CONSENSUS_PROMOTE;
    } else if ((voters < 3 || chance(world, 500)) && world->n_replicas < REPLICAS_MAX) {
        uint32_t slot = add_replica(world);
        change.step = CONSENSUS_ADD_LEARNER;
        change.id = world->replicas[slot]->id;
        snprintf(address, sizeof address, "tcp://r%" PRIu64, change.id);
        change.address = address;
        world_start(world, slot);
    } else if (chance(world, 300) && other.id) {
        enum status s = consensus_transfer(consensus, world->now, other.id, &effects);
        CHECK(world, s != STATUS_CORRUPT && s != STATUS_NO_MEMORY, "%s", status_name(s));
        carry_out(world, leader, &effects);
        return;
    }
    if (change.id == 0 || (change.step == CONSENSUS_REMOVE && voters <= 2 && learners == 0)) return;
    enum status s = consensus_change(consensus, world->now, &change, &effects);
    CHECK(world, s != STATUS_CORRUPT && s != STATUS_NO_MEMORY, "%s", status_name(s));
    carry_out(world, leader, &effects);
    if (s == STATUS_OK)
        world->counts.changes++;
    else
        world->counts.refused++;
}
