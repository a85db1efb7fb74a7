/* membership: one member at a time (4.1), and transfer (3.10). The leader is never removed or
 * demoted: a server that is no voter in its own newest configuration neither votes nor stands, and
 * a leader that removed itself and lost contact would leave the group without one for ever (S6). */
#include <string.h>

#include "replication/state.h"

#include "runtime/poison.h"

/* The configuration with one entry more, changed, or gone. */
static enum status with(const struct raft_configuration *from,
                        const struct consensus_change *change,
                        struct raft_configuration *out) {
    raft_configuration_init(out);
    enum status s = STATUS_OK;
    for (unsigned i = 0; i < from->n && s == STATUS_OK; i++) {
        const struct raft_server *server = &from->servers[i];
        bool it = server->id == change->id;
        if (it && change->step == CONSENSUS_REMOVE) continue;
        int role = it ? RAFT_VOTER : server->role;
        if (raft_configuration_add(out, server->id, server->address, role) != 0)
            s = STATUS_NO_MEMORY;
    }
    if (s == STATUS_OK && change->step == CONSENSUS_ADD_LEARNER &&
        raft_configuration_add(out, change->id, change->address, RAFT_STANDBY) != 0)
        s = STATUS_NO_MEMORY;
    if (s != STATUS_OK) raft_configuration_close(out);
    return s;
}

static enum status judge_new(const struct raft_configuration *members,
                             const struct consensus_change *change) {
    if (change->id == 0 || !change->address || !*change->address ||
        strlen(change->address) > CONSENSUS_ADDRESS_MAX || members->n >= CONSENSUS_MEMBERS_MAX)
        return STATUS_INVALID;
    if (members_find(members, change->id)) return STATUS_EXISTS;
    for (unsigned i = 0; i < members->n; i++)
        if (strcmp(members->servers[i].address, change->address) == 0) return STATUS_EXISTS;
    return STATUS_OK;
}

static enum status judge(const struct consensus *self, const struct consensus_change *change) {
    const struct raft_configuration *members = &self->raft.configuration;
    if (change->step == CONSENSUS_ADD_LEARNER) return judge_new(members, change);
    const struct raft_server *server = members_find(members, change->id);
    if (!server) return STATUS_NOT_FOUND;
    if (change->step == CONSENSUS_PROMOTE)
        return server->role == RAFT_VOTER ? STATUS_EXISTS : STATUS_OK;
    return change->id == self->id ? STATUS_INVALID : STATUS_OK;
}

/* A learner is promoted once it has caught up (4.2.1): *ready. libraft ends a round only with an
 * answer that moves its match: where nothing is written, who has all has caught up already. */
static enum status
catch_up(struct consensus *self, uint64_t id, bool *ready, struct consensus_effects *effects) {
    int at = RAFT_CATCH_UP_NONE;
    raft_index match = 0;
    if (raft_catch_up(&self->raft, id, &at) != 0) at = RAFT_CATCH_UP_NONE;
    bool whole =
        raft_match_index(&self->raft, id, &match) == 0 && match == raft_last_index(&self->raft);
    *ready = whole || at == RAFT_CATCH_UP_FINISHED;
    if (whole) return STATUS_OK;
    if (at == RAFT_CATCH_UP_FINISHED || at == RAFT_CATCH_UP_RUNNING) return STATUS_OK;
    struct raft_event event = {.type = RAFT_CATCH_UP, .catch_up.server_id = id};
    return effects_step(self, &event, effects);
}

static enum status propose(struct consensus *self,
                           const struct consensus_change *change,
                           struct consensus_effects *effects) {
    struct raft_configuration members;
    struct raft_entry entry = {.type = RAFT_CHANGE};
    enum status s = with(&self->raft.configuration, change, &members);
    if (s != STATUS_OK) return s;
    if (raft_configuration_encode(&members, &entry.buf) != 0) s = STATUS_NO_MEMORY;
    raft_configuration_close(&members);
    if (s != STATUS_OK) return s;
    s = consensus_submit(self, &entry, 1, effects);
    raft_free(entry.buf.base);
    effects->changed = true;
    return s;
}

enum status consensus_change(struct consensus *self,
                             uint64_t now_ms,
                             const struct consensus_change *change,
                             struct consensus_effects *effects) {
    effects_begin(self, now_ms, effects);
    if (self->fatal) return STATUS_CORRUPT;
    if (raft_state(&self->raft) != RAFT_LEADER || raft_transferee(&self->raft) != 0)
        return STATUS_NOT_LEADER;
    enum status s = judge(self, change);
    if (s != STATUS_OK) return s;
    if (self->raft.configuration_uncommitted_index != 0) return STATUS_BUSY;
    bool ready = false;
    s = consensus_own_term(self, &ready, effects); /* H8, S7 */
    if (s == STATUS_OK && ready && change->step == CONSENSUS_PROMOTE)
        s = catch_up(self, change->id, &ready, effects);
    bool busy = false; /* with the catching up of another learner */
    if (s == STATUS_OK && ready) {
        s = propose(self, change, effects);
        busy = s == STATUS_BUSY;
        if (busy) s = STATUS_OK;
    }
    if (s == STATUS_OK) s = reads_progress(self, effects);
    if (s == STATUS_OK) s = effects_end(self, effects);
    if (s != STATUS_OK) self->fatal = true;
    if (s != STATUS_OK) return s;
    return busy ? STATUS_BUSY : ready ? STATUS_OK : STATUS_NOT_READY;
}

enum status consensus_transfer(struct consensus *self,
                               uint64_t now_ms,
                               uint64_t id,
                               struct consensus_effects *effects) {
    raft_index match = 0;
    effects_begin(self, now_ms, effects);
    if (self->fatal) return STATUS_CORRUPT;
    if (raft_state(&self->raft) != RAFT_LEADER) return STATUS_NOT_LEADER;
    const struct raft_server *server = members_find(&self->raft.configuration, id);
    if (!server || server->role != RAFT_VOTER || id == self->id) return STATUS_INVALID;
    if (raft_transferee(&self->raft) != 0) return STATUS_BUSY;
    /* An entry of the own term takes away what the heir has beyond: libraft's followers do not
     * stand with a log that is longer than the one that is handed over. */
    bool ready = false;
    enum status s = consensus_own_term(self, &ready, effects);
    ready = ready && raft_match_index(&self->raft, id, &match) == 0 &&
            match == raft_last_index(&self->raft); /* S8 */
    struct raft_event event = {.type = RAFT_TRANSFER, .transfer.server_id = id};
    if (s == STATUS_OK && ready) s = effects_step(self, &event, effects);
    if (s == STATUS_OK) s = reads_progress(self, effects);
    if (s == STATUS_OK) s = effects_end(self, effects);
    if (s != STATUS_OK) self->fatal = true;
    return s == STATUS_OK && !ready ? STATUS_NOT_READY : s;
}
