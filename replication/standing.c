/* standing: what a follower certainly has. libraft tells a leader that a snapshot arrived when it
 * was installed; a replica that begins anew on it never does, and the leader, whose heartbeats it
 * refuses, waits for the end of the installation time before it sends what follows. By then its log
 * may be cut again: under load no new replica would ever catch up.
 *
 * So a refusal is preceded by what needs no asking: entries up to `applied` are committed and
 * durable here, and the leader of any later term has all that is committed (Leader Completeness,
 * 3.6.3). They match. */
#include "replication/state.h"

#include "runtime/poison.h"

static struct outgoing *refusal_to(struct consensus *self, uint64_t id) {
    for (uint32_t i = self->n_messages; i > 0; i--) {
        struct outgoing *out = &self->outgoing[i - 1];
        if (out->message.to == id && out->message.body_case == RAFT_MESSAGE__BODY_APPEND_RESULT)
            return out->append_result.rejected > 0 ? out : NULL;
    }
    return NULL;
}

enum status standing_tell(struct consensus *self, const RaftMessage *message) {
    struct outgoing *refusal = refusal_to(self, message->from);
    if (!refusal || refusal->message.term != message->term || self->applied == 0) return STATUS_OK;
    uint64_t rejected = refusal->append_result.rejected, last = refusal->append_result.last_index;
    refusal->append_result.rejected = 0;
    refusal->append_result.last_index = self->applied;
    struct outgoing *out = effects_message(self, message->from);
    if (!out) return STATUS_NO_MEMORY;
    raft_append_result__init(&out->append_result);
    out->message.body_case = RAFT_MESSAGE__BODY_APPEND_RESULT;
    out->append_result.rejected = rejected;
    out->append_result.last_index = last;
    return STATUS_OK;
}
