/* effects: one event into libraft, its update out as effects. A call of ours may take several steps
 * (a committed change is told to libraft at once), so effects add up.
 *
 * Memory of libraft 0.22.1, as the simulator under ASan confirms: the array of an update's entries
 * is the caller's or libraft's own; the batch of each entry is ours to free, once where entries
 * share it; messages are valid until the next step, hence copied here (they have no bodies: entries
 * are added by the host). */
#include <string.h>

#include "replication/state.h"
#include "runtime/assert.h"
#include "runtime/codec.h"
#include "runtime/memory.h"

#include "runtime/poison.h"

static enum status status_of(int error) {
    switch (error) {
    case RAFT_NOTLEADER:
    case RAFT_LEADERSHIPLOST:
        return STATUS_NOT_LEADER;
    case RAFT_CANTCHANGE:
    case RAFT_BUSY:
    case RAFT_TOOMANY:
        return STATUS_BUSY;
    case RAFT_NOMEM:
        return STATUS_NO_MEMORY;
    default:
        return STATUS_CORRUPT;
    }
}

enum status effects_room(void **array, uint32_t n, uint32_t *capacity, size_t size) {
    if (n < *capacity) return STATUS_OK;
    uint32_t more = *capacity ? *capacity * 2 : 8;
    void *larger = mem_resize(*array, more * size);
    if (!larger) return STATUS_NO_MEMORY;
    *array = larger;
    *capacity = more;
    return STATUS_OK;
}

/* --- begin and end ---------------------------------------------------------------------------- */

void effects_begin(struct consensus *self, uint64_t now_ms, struct consensus_effects *effects) {
    if (now_ms > self->now_ms) self->now_ms = now_ms;
    for (uint32_t i = 0; i < self->n_batches; i++)
        raft_free(self->batches[i]);
    self->n_batches = self->n_entries = self->n_messages = self->n_ended = 0;
    buffer_clear(&self->changes);
    *effects = (struct consensus_effects){.apply = self->applied};
}

static bool state_changed(struct consensus *self) {
    raft_id leader = 0;
    const char *address = NULL;
    raft_leader(&self->raft, &leader, &address);
    unsigned short role = (unsigned short)raft_state(&self->raft);
    bool changed = role != self->told_role || leader != self->told_leader ||
                   self->raft.current_term != self->told_term;
    self->told_role = role;
    self->told_leader = leader;
    self->told_term = self->raft.current_term;
    return changed;
}

/* A change's bytes are in one buffer that may have moved while it grew. */
static void place_changes(struct consensus *self) {
    const unsigned char *at = self->changes.data;
    for (uint32_t i = 0; i < self->n_entries; i++) {
        if (self->entries[i].kind != CONSENSUS_CHANGE) continue;
        self->entries[i].data = at;
        at += self->entries[i].size;
    }
}

/* By what is durable this replica is all the voters there are. It then leads at once after a
 * restart, and in the same term: what others got to see of its log must be durable before, or the
 * same index of the same term could become another entry. */
static bool alone(const struct consensus *self) {
    const struct past *members = past_at(self, self->durable);
    const struct raft_server *own = members ? members_find(&members->members, self->id) : NULL;
    return own && own->role == RAFT_VOTER && members_voters(&members->members) == 1;
}

enum status effects_end(struct consensus *self, struct consensus_effects *effects) {
    if (effects->n_entries > 0 || effects->hard) {
        uint64_t last = effects->n_entries > 0 ? effects->first + effects->n_entries - 1 : 0;
        enum status s = writes_add(&self->writes, last, effects->hard);
        if (s != STATUS_OK) return s;
        effects->persist = self->writes.number;
        effects->term = self->raft.current_term;
        effects->vote = self->raft.voted_for;
    }
    place_changes(self);
    effects->entries = self->entries;
    effects->after = writes_hard(&self->writes);
    if (self->writes.count > 0 && alone(self)) effects->after = self->writes.number;
    effects->messages = self->messages;
    effects->wanted = self->wanted;
    effects->n_messages = self->n_messages;
    effects->reads = self->ended;
    effects->n_reads = self->n_ended;
    uint64_t apply = self->commit < self->durable ? self->commit : self->durable;
    if (apply > self->applied) self->applied = apply;
    effects->apply = self->applied;
    if (state_changed(self)) effects->changed = true;
    return STATUS_OK;
}

/* --- entries ---------------------------------------------------------------------------------- */

static enum status own_batch(struct consensus *self, void *batch) {
    for (uint32_t i = self->n_batches; i > 0; i--)
        if (self->batches[i - 1] == batch) return STATUS_OK;
    enum status s = effects_room((void **)&self->batches, self->n_batches, &self->batches_capacity,
                                 sizeof *self->batches);
    if (s == STATUS_OK) self->batches[self->n_batches++] = batch;
    return s;
}

/* Members in libraft's form: its own encoding of what we gave it, sound. */
static enum status
add_change(struct consensus *self, const struct raft_entry *entry, uint64_t index, size_t *size) {
    struct raft_configuration members;
    size_t before = self->changes.size;
    raft_configuration_init(&members);
    if (raft_configuration_decode(&entry->buf, &members) != 0) return STATUS_NO_MEMORY;
    enum status s = members_encode(&members, &self->changes);
    *size = self->changes.size - before;
    if (s == STATUS_OK) return past_add(self, index, &members);
    raft_configuration_close(&members);
    return s;
}

static enum status
add_entry(struct consensus *self, const struct raft_entry *entry, uint64_t index) {
    enum status s = effects_room((void **)&self->entries, self->n_entries, &self->entries_capacity,
                                 sizeof *self->entries);
    if (s == STATUS_OK) s = own_batch(self, entry->batch);
    if (s != STATUS_OK) return s;
    struct consensus_entry *out = &self->entries[self->n_entries];
    *out = (struct consensus_entry){entry->term, (enum consensus_kind)entry->type, NULL, 0};
    if (entry->type == RAFT_CHANGE) {
        s = add_change(self, entry, index, &out->size);
        if (s != STATUS_OK) return s;
    } else if (entry->type == RAFT_COMMAND) {
        out->data = entry->buf.base;
        out->size = entry->buf.len;
    }
    self->n_entries++;
    return STATUS_OK;
}

/* H2: what is committed here is never overwritten, whatever a peer made libraft believe (S4). */
static enum status add_entries(struct consensus *self,
                               const struct raft_update *update,
                               struct consensus_effects *effects) {
    uint64_t first = update->entries.index;
    if (first <= self->commit || first <= self->snapshot_index) return STATUS_CORRUPT;
    if (effects->n_entries == 0) {
        effects->first = first;
    } else if (first != effects->first + effects->n_entries) {
        return STATUS_CORRUPT; /* one call of ours never goes back behind itself */
    }
    past_cut(self, first);
    writes_cut(&self->writes, first);
    if (self->durable >= first) self->durable = first - 1;
    for (unsigned i = 0; i < update->entries.n; i++) {
        enum status s = add_entry(self, &update->entries.batch[i], first + i);
        if (s != STATUS_OK) return s;
        effects->n_entries = self->n_entries;
        self->last_term = update->entries.batch[i].term;
        if (raft_state(&self->raft) == RAFT_LEADER && self->own_term_index == 0 &&
            update->entries.batch[i].term == self->raft.current_term)
            self->own_term_index = first + i;
    }
    return STATUS_OK;
}

/* --- messages --------------------------------------------------------------------------------- */

static enum status more_messages(struct consensus *self) {
    if (self->n_messages < self->messages_capacity) return STATUS_OK;
    uint32_t capacity = self->messages_capacity ? self->messages_capacity * 2 : 8;
    struct outgoing *outgoing = mem_resize(self->outgoing, capacity * sizeof *outgoing);
    if (outgoing) self->outgoing = outgoing;
    RaftMessage **messages = mem_resize(self->messages, capacity * sizeof *messages);
    if (messages) self->messages = messages;
    uint32_t *wanted = mem_resize(self->wanted, capacity * sizeof *wanted);
    if (wanted) self->wanted = wanted;
    if (!outgoing || !messages || !wanted) return STATUS_NO_MEMORY;
    self->messages_capacity = capacity;
    return STATUS_OK;
}

/* The bodies lie beside their messages in an array that moves: the pointers are set at the end. */
static void place_messages(struct consensus *self) {
    for (uint32_t i = 0; i < self->n_messages; i++) {
        struct outgoing *outgoing = &self->outgoing[i];
        self->messages[i] = &outgoing->message;
        outgoing->message.vote = &outgoing->vote; /* all members of the oneof are pointers */
        if (outgoing->message.body_case == RAFT_MESSAGE__BODY_INSTALL)
            outgoing->install.members = NULL;
    }
}

struct outgoing *effects_message(struct consensus *self, uint64_t to) {
    if (more_messages(self) != STATUS_OK) return NULL;
    struct outgoing *outgoing = &self->outgoing[self->n_messages];
    memset(outgoing, 0, sizeof *outgoing);
    raft_message__init(&outgoing->message);
    outgoing->message.group = self->group;
    outgoing->message.from = self->id;
    outgoing->message.to = to;
    outgoing->message.term = self->raft.current_term;
    self->wanted[self->n_messages++] = 0;
    place_messages(self);
    return outgoing;
}

static void
set_append(struct outgoing *out, const struct raft_append_entries *from, uint32_t *wanted) {
    raft_append__init(&out->append);
    out->message.body_case = RAFT_MESSAGE__BODY_APPEND;
    out->append.prev_index = from->prev_log_index;
    out->append.prev_term = from->prev_log_term;
    out->append.commit = from->leader_commit;
    out->message.term = from->term;
    *wanted = from->n_entries;
}

static void set_vote(struct outgoing *out, const struct raft_request_vote *from) {
    raft_vote__init(&out->vote);
    out->message.body_case = RAFT_MESSAGE__BODY_VOTE;
    out->vote.last_index = from->last_log_index;
    out->vote.last_term = from->last_log_term;
    out->vote.disrupt = from->disrupt_leader;
    out->vote.pre_vote = from->pre_vote;
    out->message.term = from->term; /* of a pre-vote: the next one */
}

static void set_small(struct outgoing *out, const struct raft_message *from) {
    RaftMessage *message = &out->message;
    switch (from->type) {
    case RAFT_APPEND_ENTRIES_RESULT:
        raft_append_result__init(&out->append_result);
        message->body_case = RAFT_MESSAGE__BODY_APPEND_RESULT;
        out->append_result.rejected = from->append_entries_result.rejected;
        out->append_result.last_index = from->append_entries_result.last_log_index;
        message->term = from->append_entries_result.term;
        break;
    case RAFT_REQUEST_VOTE_RESULT:
        raft_vote_result__init(&out->vote_result);
        message->body_case = RAFT_MESSAGE__BODY_VOTE_RESULT;
        out->vote_result.granted = from->request_vote_result.vote_granted;
        out->vote_result.pre_vote = from->request_vote_result.pre_vote;
        message->term = from->request_vote_result.term;
        break;
    case RAFT_INSTALL_SNAPSHOT:
        raft_install__init(&out->install);
        message->body_case = RAFT_MESSAGE__BODY_INSTALL;
        out->install.last_index = from->install_snapshot.last_index;
        out->install.last_term = from->install_snapshot.last_term;
        message->term = from->install_snapshot.term;
        break;
    default:
        raft_timeout_now__init(&out->timeout_now);
        message->body_case = RAFT_MESSAGE__BODY_TIMEOUT_NOW;
        out->timeout_now.last_index = from->timeout_now.last_log_index;
        out->timeout_now.last_term = from->timeout_now.last_log_term;
        message->term = from->timeout_now.term;
        break;
    }
}

static enum status add_messages(struct consensus *self, const struct raft_update *update) {
    for (unsigned i = 0; i < update->messages.n; i++) {
        const struct raft_message *from = &update->messages.batch[i];
        struct outgoing *out = effects_message(self, from->server_id);
        if (!out) return STATUS_NO_MEMORY;
        if (from->type == RAFT_APPEND_ENTRIES)
            set_append(out, &from->append_entries, &self->wanted[self->n_messages - 1]);
        else if (from->type == RAFT_REQUEST_VOTE)
            set_vote(out, &from->request_vote);
        else
            set_small(out, from);
    }
    return STATUS_OK;
}

/* --- commit and snapshot ---------------------------------------------------------------------- */

/* H6: libraft learns which configurations are committed, so that it can go back to them. */
static enum status tell_changes(struct consensus *self, struct consensus_effects *effects) {
    uint64_t known = self->commit < self->durable ? self->commit : self->durable;
    for (uint32_t i = 0; i < self->n_past; i++) {
        struct past *past = &self->past[i];
        if (past->told || past->index > known) continue;
        struct raft_event event = {.type = RAFT_CONFIGURATION};
        event.configuration.index = past->index;
        enum status s = members_copy(&past->members, &event.configuration.conf);
        if (s != STATUS_OK) return s;
        past->told = true; /* before: the step comes back here */
        s = effects_step(self, &event, effects);
        if (s != STATUS_OK) return s;
        effects->changed = true;
    }
    return STATUS_OK;
}

/* What must replace our state: the message that consensus_receive kept. */
static void
add_install(struct consensus *self, struct raft_update *update, struct consensus_effects *effects) {
    self->installing = update->snapshot.metadata; /* its members are ours now */
    raft_free(update->snapshot.chunk.base);
    writes_cut(&self->writes, 1);
    raft_id leader = 0;
    const char *address = NULL;
    raft_leader(&self->raft, &leader, &address);
    effects->install = self->install;
    effects->install_from = leader;
}

enum status
effects_step(struct consensus *self, struct raft_event *event, struct consensus_effects *effects) {
    struct raft_update update;
    memset(&update, 0, sizeof update);
    event_at(event, self->now_ms);
    unsigned short role = (unsigned short)raft_state(&self->raft);
    raft_term term = self->raft.current_term;
    int error = raft_step(&self->raft, event, &update);
    if (error != 0) return status_of(error);
    if (raft_state(&self->raft) != role || self->raft.current_term != term)
        self->own_term_index = 0;
    if (update.flags & (RAFT_UPDATE_CURRENT_TERM | RAFT_UPDATE_VOTED_FOR)) effects->hard = true;
    enum status s = STATUS_OK;
    if (update.flags & RAFT_UPDATE_ENTRIES) s = add_entries(self, &update, effects);
    if (s == STATUS_OK && (update.flags & RAFT_UPDATE_MESSAGES)) s = add_messages(self, &update);
    if (s == STATUS_OK && (update.flags & RAFT_UPDATE_SNAPSHOT))
        add_install(self, &update, effects);
    /* While a snapshot is on its way libraft speaks of the log behind it, which is not ours yet. */
    if (!self->raft.snapshot.installing && raft_commit_index(&self->raft) > self->commit)
        self->commit = raft_commit_index(&self->raft);
    if (s == STATUS_OK) s = tell_changes(self, effects);
    return s;
}
