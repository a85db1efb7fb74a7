/* peers: the replica as a member of its Raft group: what its seat asks of it, what the placement
 * driver is told of it and may have changed (ShardChange).
 *
 *     loaded ─▶ seat ─▶ opened: SERVING ─▶ ready: apply.c … changed: keeper
 *
 * A disk that is full refuses what the seat wants written; it is asked again once a second, with
 * the very entries: nothing that consensus counts on is ever left out. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "actors/shard/replica.h"
#include "runtime/assert.h"
#include "schemas/pd.pb-c.h"
#include "schemas/runtime.pb-c.h"
#include "schemas/shard.pb-c.h"

#include "runtime/poison.h"

enum {
    HAND_OVER_US = 20 * 1000,  /* between two tries to give leadership away */
    PROBE_US = 1000 * 1000,    /* between two looks whether the disk has space again */
    TELL_US = 2 * 1000 * 1000, /* between two looks whether followers moved */
    STATE_SIZE = 16,
    STEP_ADD = 0, /* of ShardChange */
    STEP_PROMOTE,
    STEP_REMOVE,
    STEP_TRANSFER,
};

/* --- told to the keeper ----------------------------------------------------------------------- */

static uint64_t lag_of(const struct replica *self, const struct consensus_state *state) {
    return state->commit > self->applied ? state->commit - self->applied : 0;
}

/* Members as committed, with what they have, as a leader knows. A change under way may yet be
 * undone: whoever acts on it would drop a replica that is still a member. What an earlier leader
 * began is not known to be over before it is. */
static void note_members(struct replica *self, const struct consensus_state *state) {
    struct consensus_member member;
    if (state->role != CONSENSUS_LEADER) self->n_members = 0;
    if (state->changing || state->role != CONSENSUS_LEADER) return;
    self->n_members = 0;
    while (self->n_members < REPLICA_MEMBERS_TOLD &&
           seat_member(self->seat, self->n_members, &member))
        self->members[self->n_members++] =
            (struct replica_member){member.id, member.match, member.voter};
}

static size_t tell_members(const struct replica *self, PdBeatMember *rows, PdBeatMember **list) {
    for (uint32_t i = 0; i < self->n_members; i++) {
        pd_beat_member__init(&rows[i]);
        rows[i].id = self->members[i].id;
        rows[i].voter = self->members[i].voter;
        rows[i].match = self->members[i].match;
        list[i] = &rows[i];
    }
    return self->n_members;
}

/* Told when something of it is new; matches alone count only when asked for. */
static bool is_news(struct replica *self, const KeeperShard *told, bool matches) {
    uint64_t sum = (uint64_t)self->state +
                   31 * (told->term + 31 * (told->leader * 2 + (told->is_leader ? 1 : 0)));
    sum = 31 * sum + (uint64_t)(transfer_percent(self) + 1);
    for (size_t i = 0; i < told->n_members; i++) {
        sum = 31 * sum + told->members[i]->id * 2 + (uint64_t)told->members[i]->voter;
        if (matches) sum = 31 * sum + told->members[i]->match;
    }
    if (matches) sum = 31 * sum + told->lag;
    uint64_t *last = matches ? &self->told_matches : &self->told;
    bool news = *last != sum + 1;
    *last = sum + 1;
    return news;
}

/* While a snapshot comes, it is what people wait for. */
static char *state_words(const struct replica *self, char words[STATE_SIZE]) {
    int percent = transfer_percent(self);
    if (percent >= 0 && self->state == REPLICA_SERVING)
        snprintf(words, STATE_SIZE, "snapshot %u %%", (uint8_t)percent);
    else
        snprintf(words, STATE_SIZE, "%s", replica_state_name(self->state));
    return words;
}

static void tell(struct replica *self, bool matches, struct turn *turn) {
    KeeperShard told = KEEPER_SHARD__INIT;
    struct consensus_state state;
    PdBeatMember rows[REPLICA_MEMBERS_TOLD], *list[REPLICA_MEMBERS_TOLD];
    told.shard = self->options.shard;
    char words[STATE_SIZE];
    told.state = state_words(self, words);
    if (self->seat && seat_state(self->seat, &state)) {
        told.term = state.term;
        told.leader = state.leader;
        told.lag = lag_of(self, &state);
        told.members = list;
        note_members(self, &state);
        told.is_leader = self->n_members > 0 && self->state != REPLICA_LOADING;
        if (told.is_leader) told.n_members = tell_members(self, rows, list);
    }
    actor_handle keeper = turn_find(turn, "keeper");
    if (is_news(self, &told, matches) && keeper) turn_tell(turn, keeper, &told.base);
}

void peers_tell(struct replica *self, struct turn *turn) {
    tell(self, false, turn);
}

/* How far the members are moves all the time: it is looked at now and then. */
static void look_at_matches(void *actor, void *context, struct turn *turn) {
    struct replica *self = actor;
    (void)context;
    self->tell_armed = false;
    if (!self->seat || seat_alone(self->seat)) return;
    tell(self, true, turn);
    self->tell_armed = true;
    turn_timer(turn, TELL_US, look_at_matches, NULL);
}

/* --- the seat's machine ----------------------------------------------------------------------- */

static void on_opened(void *owner, struct turn *turn) {
    struct replica *self = owner;
    replica_move(self, REPLICA_SERVING, turn);
    upkeep_arm(self, turn);
}

static void on_ready(void *owner, struct turn *turn) {
    apply_start(owner, turn);
}

static void on_dropped(void *owner, const struct proposal *proposal) {
    struct replica *self = owner;
    assert(self->reserved >= proposal->weight);
    self->reserved -= proposal->weight;
}

static void on_changed(void *owner, struct turn *turn) {
    struct replica *self = owner;
    struct consensus_state state;
    if (!seat_state(self->seat, &state)) return;
    turn_note(turn, "term %" PRIu64 " %s", state.term,
              state.role == CONSENSUS_LEADER     ? "leads"
              : state.role == CONSENSUS_FOLLOWER ? "follows"
                                                 : "stands for leader");
    if (state.role == CONSENSUS_LEADER && state.term != self->led_term) {
        self->led_term = state.term;
        self->inherited = state.last;
    }
    if (self->state != REPLICA_LOADING) peers_tell(self, turn);
    reads_look(self, turn);
    if (self->tell_armed || seat_alone(self->seat)) return;
    self->tell_armed = true;
    turn_timer(turn, TELL_US, look_at_matches, NULL);
}

static void on_failed(void *owner, enum status status, const char *text, struct turn *turn) {
    replica_fail(owner, status, "log", text, turn);
}

static const struct seat_machine machine = {
    .ready = on_ready,
    .gate = replica_gate,
    .dropped = on_dropped,
    .read = reads_on_index,
    .changed = on_changed,
    .failed = on_failed,
    .offer = transfer_offer,
    .take = transfer_take,
    .installed = transfer_done,
    .opened = on_opened,
};

void peers_join(struct replica *self, struct seat_facts *facts, struct turn *turn) {
    const struct shard_options *options = &self->options;
    const struct seat_options seat = {.group = options->shard,
                                      .id = options->store_id,
                                      .address = options->address,
                                      .founders = options->founders,
                                      .founder = options->founder,
                                      .log = options->log,
                                      .applied = self->applied,
                                      .machine = &machine,
                                      .owner = self};
    if (seat_open(&seat, facts, turn, &self->seat) != STATUS_OK)
        replica_fail(self, STATUS_NO_MEMORY, "load", "no memory for its group", turn);
}

enum status peers_receive(struct replica *self, const RaftReceive *msg, struct turn *turn) {
    if (self->seat) seat_receive(self->seat, msg, turn);
    return STATUS_OK;
}

/* --- a full disk ------------------------------------------------------------------------------ */

/* A leader that cannot write leaves it to one that can: the voter that has most of the log. It has
 * to have all of it, which it may not yet: asked again soon. */
static void hand_over(void *actor, void *context, struct turn *turn) {
    struct replica *self = actor;
    struct consensus_state state;
    (void)context;
    self->hand_armed = false;
    if (self->state != REPLICA_DISK_FULL || !seat_state(self->seat, &state)) return;
    if (state.role != CONSENSUS_LEADER || state.transferee != 0) return;
    uint64_t heir = seat_heir(self->seat);
    if (heir == 0) return;
    if (seat_transfer(self->seat, heir, turn) == STATUS_OK)
        turn_note(turn, "no space: replica %" PRIu64 " is asked to lead", heir);
    peers_hand_over(self, turn);
}

void peers_hand_over(struct replica *self, struct turn *turn) {
    if (self->hand_armed) return;
    self->hand_armed = true;
    turn_timer(turn, HAND_OVER_US, hand_over, NULL);
}

/* Is there space again? What was refused is tried again. */
static void probe(void *actor, void *context, struct turn *turn) {
    struct replica *self = actor;
    (void)context;
    self->probe_armed = false;
    if (self->state == REPLICA_LOADING && !self->seat) {
        holding_close(self->holding);
        self->holding = NULL;
        load_start(self, turn);
        return;
    }
    if (self->state == REPLICA_QUARANTINED) return;
    if (self->state == REPLICA_DISK_FULL && !self->durable.first && !seat_writing(self->seat)) {
        replica_move(self, REPLICA_SERVING, turn);
        apply_start(self, turn);
        return;
    }
    if (self->state == REPLICA_SERVING) return;
    peers_hand_over(self, turn);
    self->probing = true;
    if (self->durable.first) apply_start(self, turn);
    seat_retry(self->seat, turn);
    peers_probe_later(self, turn);
}

void peers_probe_later(struct replica *self, struct turn *turn) {
    if (self->probe_armed) return;
    self->probe_armed = true;
    turn_timer(turn, PROBE_US, probe, NULL);
}

/* Whoever knows of a newer one is not stale: our keeper is about to hear of it too. */
enum status peers_epoch(const struct replica *self, uint64_t epoch, struct turn *turn) {
    if (epoch >= self->options.epoch) return STATUS_OK;
    return turn_fail(turn, STATUS_STALE_EPOCH,
                     "shard %" PRIu64 " is at epoch %" PRIu64 ", not %" PRIu64, self->options.shard,
                     self->options.epoch, epoch);
}

/* --- changes ---------------------------------------------------------------------------------- */

static enum status explain(const struct replica *self, enum status s, struct turn *turn) {
    uint64_t shard = self->options.shard;
    const char *leader = self->seat ? seat_leader(self->seat) : "";
    switch (s) {
    case STATUS_NOT_LEADER:
        return turn_fail(turn, s, "shard %" PRIu64 " is led by another replica%s%s", shard,
                         *leader ? " at " : "", leader);
    case STATUS_BUSY:
        return turn_fail(turn, s, "another change of shard %" PRIu64 " is under way", shard);
    case STATUS_NOT_READY:
        return turn_fail(turn, s, "the replica has not caught up with shard %" PRIu64 " yet",
                         shard);
    case STATUS_EXISTS:
        return turn_fail(turn, s, "shard %" PRIu64 " has this replica or address already", shard);
    case STATUS_NOT_FOUND:
        return turn_fail(turn, s, "shard %" PRIu64 " has no such replica", shard);
    case STATUS_INVALID:
        return turn_fail(turn, s,
                         "shard %" PRIu64 ": not the leader itself (hand leadership over first), "
                         "nor the last voter",
                         shard);
    default:
        return turn_fail(turn, s, "change of shard %" PRIu64, shard);
    }
}

enum status peers_change(struct replica *self, const ShardChange *msg, struct turn *turn) {
    static const enum consensus_step steps[] = {
        [STEP_ADD] = CONSENSUS_ADD_LEARNER,
        [STEP_PROMOTE] = CONSENSUS_PROMOTE,
        [STEP_REMOVE] = CONSENSUS_REMOVE,
    };
    if (!self->seat) return explain(self, STATUS_NOT_LEADER, turn);
    if (msg->step > STEP_TRANSFER)
        return turn_fail(turn, STATUS_INVALID, "step %" PRIu32 " is unknown", msg->step);
    enum status s;
    if (msg->step == STEP_TRANSFER) {
        s = seat_transfer(self->seat, msg->replica, turn);
    } else {
        const struct consensus_change change = {
            .step = steps[msg->step], .id = msg->replica, .address = msg->address};
        s = seat_change(self->seat, &change, turn);
    }
    return s == STATUS_OK ? s : explain(self, s, turn);
}
