/* guard: what libraft would believe is judged first. It trusts its input (S12), loses its way over
 * some stale messages (S1, S4, S9), and registers a change inside a longer append under a wrong
 * index (S3). */
#include "replication/state.h"

#include "runtime/poison.h"

static bool append_sound(const RaftMessage *message) {
    const RaftAppend *append = message->append;
    uint64_t term = append->prev_term;
    if ((append->prev_index == 0) != (append->prev_term == 0)) return false;
    if (append->prev_term > message->term) return false;
    if (append->n_entries > CONSENSUS_INFLIGHT_MAX) return false;
    for (size_t i = 0; i < append->n_entries; i++) {
        const RaftEntry *entry = append->entries[i];
        if (entry->term < term || entry->term == 0 || entry->term > message->term) return false;
        if (entry->kind < CONSENSUS_COMMAND || entry->kind > CONSENSUS_CHANGE) return false;
        if (entry->kind == CONSENSUS_CHANGE && i > 0) return false; /* S3 */
        term = entry->term;
    }
    return true;
}

static bool install_sound(const RaftMessage *message) {
    const RaftInstall *install = message->install;
    return install->last_index > 0 && install->last_term > 0 &&
           install->last_term <= message->term && install->members &&
           members_sound(install->members, NULL) && install->members_index > 0 &&
           install->members_index <= install->last_index;
}

static bool sound(const struct consensus *self, const RaftMessage *message) {
    if (message->group != self->group || message->to != self->id) return false;
    if (message->from == 0 || message->from == self->id || message->term == 0) return false;
    switch (message->body_case) {
    case RAFT_MESSAGE__BODY_APPEND:
        return append_sound(message);
    case RAFT_MESSAGE__BODY_INSTALL:
        return install_sound(message);
    case RAFT_MESSAGE__BODY_VOTE:
        return message->vote->last_term <= message->term;
    case RAFT_MESSAGE__BODY_TIMEOUT_NOW:
        return message->timeout_now->last_term <= message->term;
    case RAFT_MESSAGE__BODY_VOTE_RESULT:
    case RAFT_MESSAGE__BODY_APPEND_RESULT:
    case RAFT_MESSAGE__BODY_READ:
    case RAFT_MESSAGE__BODY_READ_RESULT:
        return true;
    default:
        return false;
    }
}

/* Answers that libraft asserts about, or reads the wrong part of a union for. */
static bool of_use(struct consensus *self, const RaftMessage *message) {
    raft_index match = 0;
    bool newer = message->term > self->raft.current_term;
    switch (message->body_case) {
    case RAFT_MESSAGE__BODY_APPEND_RESULT: /* S1 */
        if (raft_state(&self->raft) != RAFT_LEADER) return newer;
        if (raft_match_index(&self->raft, message->from, &match) != 0) return newer;
        return newer || message->append_result->rejected == 0 ||
               message->append_result->rejected > match;
    case RAFT_MESSAGE__BODY_VOTE_RESULT: /* S9: for others it is by a pointer's bits */
        return raft_state(&self->raft) == RAFT_CANDIDATE;
    case RAFT_MESSAGE__BODY_INSTALL:
        return !self->raft.snapshot.installing &&
               message->install->last_index > self->snapshot_index;
    default:
        return true;
    }
}

enum status guard_judge(struct consensus *self, const RaftMessage *message, bool *wanted) {
    if (!sound(self, message)) return STATUS_INVALID;
    *wanted = of_use(self, message);
    return STATUS_OK;
}
