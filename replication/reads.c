/* reads: linearizable reads without a log write (6.4). A round notes the commit index, asks the
 * voters whether the leader's term is still theirs, and serves when a majority said so: no later
 * leader can have committed anything before the round began, since each later term was durable at a
 * majority. A read joins only a round that begins after it came. Rounds need an entry of the own
 * term committed: before that the leader does not know what is. No leases: a clock proves nothing
 * here.
 *
 * Who reads may ask the voters itself, in place of the leader and at the same time as it: the round
 * then began with the read, and what it proves is the same (consensus_unasked). */
#include <string.h>

#include "replication/state.h"
#include "runtime/memory.h"

#include "runtime/poison.h"

static enum status end(struct consensus *self, uint64_t token, enum status status, uint64_t index) {
    enum status s = effects_room((void **)&self->ended, self->n_ended, &self->ended_capacity,
                                 sizeof *self->ended);
    if (s == STATUS_OK)
        self->ended[self->n_ended++] = (struct consensus_read){token, status, index};
    return s;
}

enum status reads_end_all(struct consensus *self, enum status status) {
    struct reads *reads = &self->reads;
    enum status s = STATUS_OK;
    for (uint32_t i = 0; i < reads->n_asked && s == STATUS_OK; i++)
        s = end(self, reads->asked[i], status, 0);
    for (uint32_t i = 0; i < reads->n_waiting && s == STATUS_OK; i++)
        s = end(self, reads->waiting[i], status, 0);
    reads->n_asked = reads->n_waiting = 0;
    return s;
}

static bool granted_by(const struct reads *reads, uint64_t id) {
    for (uint32_t i = 0; i < reads->n_voters; i++)
        if (reads->voters[i] == id) return true;
    return false;
}

/* The voters that did not answer yet. */
static enum status ask(struct consensus *self) {
    const struct raft_configuration *members = &self->raft.configuration;
    self->reads.asked_ms = self->now_ms;
    for (unsigned i = 0; i < members->n; i++) {
        const struct raft_server *server = &members->servers[i];
        if (server->role != RAFT_VOTER || server->id == self->id) continue;
        if (granted_by(&self->reads, server->id)) continue;
        struct outgoing *out = effects_message(self, server->id);
        if (!out) return STATUS_NO_MEMORY;
        raft_read__init(&out->read);
        out->message.body_case = RAFT_MESSAGE__BODY_READ;
        out->read.round = self->reads.round;
    }
    return STATUS_OK;
}

static enum status begin(struct consensus *self) {
    struct reads *reads = &self->reads;
    uint64_t *tokens = reads->asked;
    uint32_t capacity = reads->asked_capacity;
    reads->asked = reads->waiting;
    reads->n_asked = reads->n_waiting;
    reads->asked_capacity = reads->waiting_capacity;
    reads->waiting = tokens;
    reads->n_waiting = 0;
    reads->waiting_capacity = capacity;
    reads->round++;
    reads->index = self->commit;
    reads->n_voters = 0;
    if (raft_role(&self->raft) == RAFT_VOTER) reads->voters[reads->n_voters++] = self->id;
    return ask(self);
}

/* Counts those who are voters now: one change at a time keeps majorities overlapping. */
static bool majority(const struct consensus *self) {
    const struct raft_configuration *members = &self->raft.configuration;
    size_t n = 0;
    for (uint32_t i = 0; i < self->reads.n_voters; i++) {
        const struct raft_server *server = members_find(members, self->reads.voters[i]);
        n += server && server->role == RAFT_VOTER;
    }
    return n > members_voters(members) / 2;
}

static enum status serve(struct consensus *self) {
    struct reads *reads = &self->reads;
    enum status s = STATUS_OK;
    for (uint32_t i = 0; i < reads->n_asked && s == STATUS_OK; i++)
        s = end(self, reads->asked[i], STATUS_OK, reads->index);
    reads->n_asked = 0;
    return s;
}

enum status reads_progress(struct consensus *self, struct consensus_effects *effects) {
    struct reads *reads = &self->reads;
    if (reads->n_asked + reads->n_waiting == 0) return STATUS_OK;
    if (raft_state(&self->raft) != RAFT_LEADER) return reads_end_all(self, STATUS_NOT_LEADER);
    bool committed = false;
    enum status s = consensus_own_term(self, &committed, effects);
    while (s == STATUS_OK && committed) {
        if (reads->n_asked > 0 && !majority(self)) break;
        if (reads->n_asked > 0) s = serve(self);
        if (reads->n_waiting == 0) break;
        if (s == STATUS_OK) s = begin(self);
    }
    return s;
}

enum status reads_answer(struct consensus *self,
                         const RaftMessage *message,
                         struct consensus_effects *effects) {
    struct reads *reads = &self->reads;
    if (message->term != self->raft.current_term) return STATUS_OK;
    if (message->body_case == RAFT_MESSAGE__BODY_READ) {
        struct outgoing *out = effects_message(self, message->from);
        if (!out) return STATUS_NO_MEMORY;
        raft_read_result__init(&out->read_result);
        out->message.body_case = RAFT_MESSAGE__BODY_READ_RESULT;
        out->read_result.round = message->read->round;
        return STATUS_OK;
    }
    if (raft_state(&self->raft) != RAFT_LEADER || message->read_result->round != reads->round ||
        reads->n_asked == 0 || granted_by(reads, message->from) ||
        reads->n_voters == CONSENSUS_MEMBERS_MAX)
        return STATUS_OK;
    reads->voters[reads->n_voters++] = message->from;
    return reads_progress(self, effects);
}

enum status reads_ask_again(struct consensus *self) {
    if (self->reads.n_asked == 0 || self->now_ms < self->reads.asked_ms + self->heartbeat_ms)
        return STATUS_OK;
    return ask(self);
}

uint64_t reads_due(const struct consensus *self) {
    return self->reads.n_asked ? self->reads.asked_ms + self->heartbeat_ms : UINT64_MAX;
}

enum status consensus_read(struct consensus *self,
                           uint64_t now_ms,
                           uint64_t token,
                           struct consensus_effects *effects) {
    struct reads *reads = &self->reads;
    effects_begin(self, now_ms, effects);
    if (self->fatal) return STATUS_CORRUPT;
    if (raft_state(&self->raft) != RAFT_LEADER) return STATUS_NOT_LEADER;
    if (reads->n_waiting == CONSENSUS_READS_MAX) return STATUS_BUSY;
    enum status s = effects_room((void **)&reads->waiting, reads->n_waiting,
                                 &reads->waiting_capacity, sizeof *reads->waiting);
    if (s != STATUS_OK) return s;
    reads->waiting[reads->n_waiting++] = token;
    s = reads_progress(self, effects);
    if (s == STATUS_OK) s = effects_end(self, effects);
    if (s != STATUS_OK) self->fatal = true;
    return s;
}

bool consensus_unasked(const struct consensus *consensus, uint64_t *index) {
    if (consensus->fatal || raft_state((struct raft *)(uintptr_t)&consensus->raft) != RAFT_LEADER)
        return false;
    if (consensus->own_term_index == 0 || consensus->commit < consensus->own_term_index)
        return false;
    *index = consensus->commit;
    return true;
}
