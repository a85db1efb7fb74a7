/* consensus: open and close, the events of a replica's life, and what is known. Changes of the
 * members are in membership.c, reads in reads.c.
 *
 *     event ─▶ effects_begin ─▶ guard ─▶ step … ─▶ reads_progress ─▶ effects_end ─▶ effects
 *
 * Host rules are numbered as in the design page "raft", section 7. */
#include "replication/consensus.h"

#include <string.h>

#include "replication/heap.h"
#include "replication/state.h"
#include "runtime/assert.h"
#include "runtime/codec.h"
#include "runtime/memory.h"

#include "runtime/poison.h"

enum {
    ELECTION_MS = 1000,
    INSTALL_MS = 600 * 1000,
    TICK_MIN_MS = 5, /* S5: a timer that stays in the past must not become a loop */
    CATCH_UP_ROUNDS = 100,
};

/* What every event ends with. */
static enum status
finish(struct consensus *self, enum status s, struct consensus_effects *effects) {
    if (s == STATUS_OK) s = reads_progress(self, effects);
    if (s == STATUS_OK) s = effects_end(self, effects);
    if (s != STATUS_OK) self->fatal = true;
    return s;
}

/* --- open and close --------------------------------------------------------------------------- */

static bool say(const char **why, const char *words) {
    if (why) *why = words;
    return false;
}

static bool options_sound(const struct consensus_options *options, const char **why) {
    uint64_t term = options->snapshot_term;
    if (options->id == 0) return say(why, "a replica without an id");
    if (!options->address || !*options->address) return say(why, "a replica without an address");
    if ((options->snapshot_index == 0) != (options->snapshot_term == 0))
        return say(why, "a snapshot needs index and term");
    if (options->snapshot_index > 0 &&
        (!options->members || !members_sound(options->members, why) ||
         options->members_index == 0 || options->members_index > options->snapshot_index))
        return say(why, "a snapshot needs the members as of it");
    if (options->n_entries > 0 && options->first > options->snapshot_index + 1)
        return say(why, "a gap between snapshot and log");
    if (options->n_entries > 0 && options->first == 0) return say(why, "a log begins at index 1");
    for (uint32_t i = 0; i < options->n_entries; i++) {
        const struct consensus_entry *entry = &options->entries[i];
        bool old = options->first + i <= options->snapshot_index;
        if (entry->term == 0 || entry->term > options->term || (!old && entry->term < term))
            return say(why, "an entry of a wrong term");
        if (!old) term = entry->term;
    }
    return true;
}

/* libraft's form of an entry; changes are decoded from ours and encoded for it. */
static enum status to_raft(const struct consensus_entry *from, struct raft_entry *out) {
    *out = (struct raft_entry){
        .term = from->term, .type = (enum raft_entry_type)from->kind, .batch = heap_batch()};
    if (from->kind != CONSENSUS_CHANGE) {
        out->buf.base = (void *)from->data;
        out->buf.len = from->size;
        return STATUS_OK;
    }
    struct raft_configuration members;
    enum status s = members_decode(from->data, from->size, &members);
    if (s != STATUS_OK) return s;
    if (raft_configuration_encode(&members, &out->buf) != 0) s = STATUS_NO_MEMORY;
    raft_configuration_close(&members);
    return s;
}

/* The log as libraft wants it at its start: terms, and the changes. */
static enum status start(struct consensus *self,
                         const struct consensus_options *options,
                         struct consensus_effects *effects) {
    struct raft_event event = {.type = RAFT_START};
    struct raft_snapshot_metadata metadata = {.index = options->snapshot_index,
                                              .term = options->snapshot_term,
                                              .configuration_index = options->members_index};
    struct raft_entry *entries = NULL;
    enum status s = STATUS_OK;
    if (options->n_entries > 0) entries = mem_zero(options->n_entries, sizeof *entries);
    if (options->n_entries > 0 && !entries) s = STATUS_NO_MEMORY;
    uint32_t n = 0;
    for (; s == STATUS_OK && n < options->n_entries; n++) {
        struct raft_configuration members;
        s = to_raft(&options->entries[n], &entries[n]);
        if (s != STATUS_OK || options->entries[n].kind != CONSENSUS_CHANGE) continue;
        s = members_decode(options->entries[n].data, options->entries[n].size, &members);
        if (s == STATUS_OK) s = past_add(self, options->first + n, &members);
    }
    if (s == STATUS_OK && options->snapshot_index > 0) {
        event.start.metadata = &metadata;
        s = members_take(options->members, &metadata.configuration);
    }
    if (s == STATUS_OK) {
        event.start.term = options->term;
        event.start.voted_for = options->vote;
        event.start.start_index = options->n_entries ? options->first : options->snapshot_index + 1;
        event.start.entries = entries;
        event.start.n_entries = options->n_entries;
        s = effects_step(self, &event, effects);
    }
    for (uint32_t i = 0; i < n; i++)
        if (entries[i].type == RAFT_CHANGE) raft_free(entries[i].buf.base);
    mem_free(entries);
    return s;
}

static enum status prepare(struct consensus *self, const struct consensus_options *options) {
    uint32_t election = options->election_ms ? options->election_ms : ELECTION_MS;
    heap_use();
    if (raft_init(&self->raft, NULL, NULL, options->id, options->address) != 0)
        return STATUS_NO_MEMORY;
    self->started = true;
    self->raft.tracer = NULL; /* S10 */
    self->election_ms = election;
    self->heartbeat_ms = options->heartbeat_ms ? options->heartbeat_ms : (election + 9) / 10;
    raft_seed(&self->raft, (unsigned)options->seed);
    raft_set_election_timeout(&self->raft, election);
    raft_set_heartbeat_timeout(&self->raft, self->heartbeat_ms);
    raft_set_install_snapshot_timeout(&self->raft,
                                      options->install_ms ? options->install_ms : INSTALL_MS);
    raft_set_pre_vote(&self->raft, true);
    raft_set_max_inflight_entries(&self->raft, CONSENSUS_INFLIGHT_MAX);
    raft_set_max_catch_up_rounds(&self->raft, CATCH_UP_ROUNDS);
    return STATUS_OK;
}

/* The log is its founding entry. */
static bool is_founded(const struct consensus_options *options) {
    return options->snapshot_index == 0 && options->term == 1 && options->vote == 0 &&
           options->first == 1 && options->n_entries == 1;
}

/* The snapshot's members are the first of the past. */
static enum status remember_snapshot(struct consensus *self,
                                     const struct consensus_options *options) {
    struct raft_configuration members;
    if (options->snapshot_index == 0) return STATUS_OK;
    enum status s = members_take(options->members, &members);
    if (s == STATUS_OK) s = past_add(self, options->members_index, &members);
    if (s == STATUS_OK) self->past[0].told = true;
    return s;
}

enum status consensus_open(const struct consensus_options *options,
                           struct consensus **out,
                           struct consensus_effects *effects,
                           const char **why) {
    if (why) *why = "";
    if (!options_sound(options, why)) return STATUS_INVALID;
    struct consensus *self = mem_zero(1, sizeof *self);
    if (!self) return STATUS_NO_MEMORY;
    buffer_init(&self->changes);
    buffer_init(&self->install_bytes);
    arena_init(&self->install_arena, 0);
    self->group = options->group;
    self->id = options->id;
    self->snapshot_index = options->snapshot_index;
    self->snapshot_term = options->snapshot_term;
    self->commit = self->applied = options->snapshot_index;
    self->last_term = options->snapshot_term;
    if (options->n_entries > 0 &&
        options->first + options->n_entries - 1 >= options->snapshot_index)
        self->last_term = options->entries[options->n_entries - 1].term;
    self->durable =
        options->n_entries ? options->first + options->n_entries - 1 : options->snapshot_index;
    if (self->durable < options->snapshot_index) self->durable = options->snapshot_index;
    effects_begin(self, options->now_ms, effects);
    enum status s = prepare(self, options);
    if (s == STATUS_OK) s = remember_snapshot(self, options);
    if (s == STATUS_OK) s = start(self, options, effects);
    if (s == STATUS_OK && is_founded(options)) votes_first(self);
    if (s == STATUS_OK) s = finish(self, s, effects);
    if (s != STATUS_OK) {
        consensus_close(self);
        return s == STATUS_CORRUPT ? STATUS_INVALID : s;
    }
    *out = self;
    return STATUS_OK;
}

void consensus_close(struct consensus *self) {
    if (!self) return;
    struct consensus_effects none;
    effects_begin(self, 0, &none);
    if (self->raft.snapshot.installing) raft_configuration_close(&self->installing.configuration);
    if (self->started) raft_close(&self->raft, NULL);
    past_cut(self, 0);
    writes_free(&self->writes);
    buffer_free(&self->changes);
    buffer_free(&self->install_bytes);
    arena_free(&self->install_arena);
    mem_free(self->past);
    mem_free(self->reads.waiting);
    mem_free(self->reads.asked);
    mem_free(self->entries);
    mem_free(self->batches);
    mem_free(self->outgoing);
    mem_free(self->messages);
    mem_free(self->wanted);
    mem_free(self->ended);
    mem_free(self);
}

enum status consensus_found(const RaftMembers *members, struct buffer *data, const char **why) {
    if (!members_sound(members, why)) return STATUS_INVALID;
    return codec_encode(&members->base, data);
}

/* --- receive ---------------------------------------------------------------------------------- */

/* S4: what the snapshot holds already is cut off the front; where nothing is left, a heartbeat
 * behind the snapshot is. */
static void cut_front(const struct consensus *self, struct raft_append_entries *append) {
    while (append->n_entries > 0 && append->prev_log_index < self->snapshot_index) {
        append->prev_log_index++;
        append->prev_log_term = append->entries[0].term;
        append->entries++;
        append->n_entries--;
    }
    if (append->prev_log_index <= self->snapshot_index) {
        append->prev_log_index = self->snapshot_index;
        append->prev_log_term = self->snapshot_term;
    }
}

static enum status take_append(struct consensus *self,
                               const RaftMessage *from,
                               struct raft_message *message,
                               struct consensus_effects *effects) {
    const RaftAppend *append = from->append;
    uint32_t n = (uint32_t)append->n_entries;
    struct raft_entry *entries = n ? mem_zero(n, sizeof *entries) : NULL;
    enum status s = n && !entries ? STATUS_NO_MEMORY : STATUS_OK;
    uint32_t done = 0;
    for (; s == STATUS_OK && done < n; done++) {
        const RaftEntry *entry = append->entries[done];
        s = to_raft(&(struct consensus_entry){entry->term, (enum consensus_kind)entry->kind,
                                              entry->data.data, entry->data.len},
                    &entries[done]);
        if (s == STATUS_CORRUPT) s = STATUS_INVALID;
    }
    void *change = done > 0 && entries[0].type == RAFT_CHANGE ? entries[0].buf.base : NULL;
    if (s == STATUS_OK) {
        message->type = RAFT_APPEND_ENTRIES;
        message->append_entries = (struct raft_append_entries){
            .term = from->term,
            .prev_log_index = append->prev_index,
            .prev_log_term = append->prev_term,
            .leader_commit = append->commit,
            .entries = entries,
            .n_entries = n,
        };
        cut_front(self, &message->append_entries);
        if (from->term >= self->raft.current_term) self->heard_ms = self->now_ms;
        struct raft_event event = {.type = RAFT_RECEIVE, .receive.message = message};
        s = effects_step(self, &event, effects);
        if (s == STATUS_OK && !self->raft.snapshot.installing) s = standing_tell(self, from);
    }
    raft_free(change);
    mem_free(entries);
    return s;
}

/* The message is kept: its descriptor and members are for the host, later. */
static enum status take_install(struct consensus *self,
                                const RaftMessage *from,
                                struct raft_message *message,
                                struct consensus_effects *effects) {
    ProtobufCMessage *kept = NULL;
    buffer_clear(&self->install_bytes);
    arena_reset(&self->install_arena);
    enum status s = codec_encode(&from->install->base, &self->install_bytes);
    if (s == STATUS_OK)
        s = codec_decode(&raft_install__descriptor, self->install_bytes.data,
                         self->install_bytes.size, &self->install_arena, &kept, NULL);
    if (s != STATUS_OK) return s;
    self->install = (RaftInstall *)kept;
    message->type = RAFT_INSTALL_SNAPSHOT;
    message->install_snapshot = (struct raft_install_snapshot){
        .term = from->term,
        .last_index = from->install->last_index,
        .last_term = from->install->last_term,
        .conf_index = from->install->members_index,
        .data = {.base = heap_batch(), .len = 1},
    };
    s = members_take(from->install->members, &message->install_snapshot.conf);
    if (s != STATUS_OK) return s;
    struct raft_event event = {.type = RAFT_RECEIVE, .receive.message = message};
    return effects_step(self, &event, effects);
}

static void to_result(const RaftMessage *from, struct raft_message *message) {
    switch (from->body_case) {
    case RAFT_MESSAGE__BODY_VOTE:
        message->type = RAFT_REQUEST_VOTE;
        message->request_vote = (struct raft_request_vote){
            .version = 2,
            .term = from->term,
            .candidate_id = from->from,
            .last_log_index = from->vote->last_index,
            .last_log_term = from->vote->last_term,
            .disrupt_leader = from->vote->disrupt,
            .pre_vote = from->vote->pre_vote,
        };
        break;
    case RAFT_MESSAGE__BODY_VOTE_RESULT:
        message->type = RAFT_REQUEST_VOTE_RESULT;
        message->request_vote_result = (struct raft_request_vote_result){
            .version = 2,
            .term = from->term,
            .vote_granted = from->vote_result->granted,
            .pre_vote = from->vote_result->pre_vote,
        };
        break;
    case RAFT_MESSAGE__BODY_APPEND_RESULT:
        message->type = RAFT_APPEND_ENTRIES_RESULT;
        message->append_entries_result = (struct raft_append_entries_result){
            .version = 1,
            .term = from->term,
            .rejected = from->append_result->rejected,
            .last_log_index = from->append_result->last_index,
        };
        break;
    default:
        message->type = RAFT_TIMEOUT_NOW;
        message->timeout_now = (struct raft_timeout_now){
            .version = 1,
            .term = from->term,
            .last_log_index = from->timeout_now->last_index,
            .last_log_term = from->timeout_now->last_term,
        };
        break;
    }
}

/* Where a peer's answers go; libraft keeps no pointer to it. */
static const char *address_of(const struct consensus *self, uint64_t id) {
    const struct raft_server *server = members_find(&self->raft.configuration, id);
    return server ? server->address : "?";
}

static enum status
take(struct consensus *self, const RaftMessage *from, struct consensus_effects *effects) {
    struct raft_message message;
    memset(&message, 0, sizeof message);
    message.server_id = from->from;
    message.server_address = address_of(self, from->from);
    switch (from->body_case) {
    case RAFT_MESSAGE__BODY_READ:
    case RAFT_MESSAGE__BODY_READ_RESULT:
        return reads_answer(self, from, effects);
    case RAFT_MESSAGE__BODY_APPEND:
        return take_append(self, from, &message, effects);
    case RAFT_MESSAGE__BODY_INSTALL:
        return take_install(self, from, &message, effects);
    default:
        to_result(from, &message);
        if (votes_too_old(self, from)) votes_take_term(from, &message);
        if (from->body_case == RAFT_MESSAGE__BODY_VOTE) votes_look(self, from);
        struct raft_event event = {.type = RAFT_RECEIVE, .receive.message = &message};
        enum status s = effects_step(self, &event, effects);
        if (s == STATUS_OK && from->body_case == RAFT_MESSAGE__BODY_VOTE)
            votes_of_learner(self, from, effects);
        if (s == STATUS_OK && from->body_case == RAFT_MESSAGE__BODY_VOTE) votes_refused(self, from);
        return s;
    }
}

/* Who refuses an older term says so alone: what libraft puts beside it is whatever its stack held.
 */
static void blank_refusals(struct consensus *self, uint64_t term) {
    for (uint32_t i = 0; i < self->n_messages; i++) {
        struct outgoing *out = &self->outgoing[i];
        if (out->message.body_case == RAFT_MESSAGE__BODY_APPEND_RESULT && out->message.term > term)
            out->append_result.last_index = 0;
    }
}

enum status consensus_receive(struct consensus *self,
                              uint64_t now_ms,
                              const RaftMessage *message,
                              struct consensus_effects *effects) {
    bool wanted = false;
    effects_begin(self, now_ms, effects);
    if (self->fatal) return STATUS_CORRUPT;
    enum status s = guard_judge(self, message, &wanted);
    if (s != STATUS_OK) return s;
    if (wanted) s = take(self, message, effects);
    blank_refusals(self, message->term);
    if (s == STATUS_INVALID) return s; /* a change whose members are not sound: nothing happened */
    return finish(self, s, effects);
}

/* --- the replica's own events ----------------------------------------------------------------- */

enum status consensus_persisted(struct consensus *self,
                                uint64_t now_ms,
                                uint64_t persist,
                                struct consensus_effects *effects) {
    effects_begin(self, now_ms, effects);
    if (self->fatal) return STATUS_CORRUPT;
    enum status s = STATUS_OK;
    uint64_t last = writes_done(&self->writes, persist);
    if (last > self->durable) self->durable = last;
    if (last > self->raft.last_stored && !self->raft.snapshot.installing) {
        struct raft_event event = {.type = RAFT_PERSISTED_ENTRIES, .persisted_entries.index = last};
        s = effects_step(self, &event, effects);
    }
    return finish(self, s, effects);
}

enum status
consensus_tick(struct consensus *self, uint64_t now_ms, struct consensus_effects *effects) {
    effects_begin(self, now_ms, effects);
    if (self->fatal) return STATUS_CORRUPT;
    enum status s = STATUS_OK;
    if (self->now_ms >= raft_timeout(&self->raft)) {
        struct raft_event event = {.type = RAFT_TIMEOUT};
        s = effects_step(self, &event, effects);
    }
    if (s == STATUS_OK && raft_state(&self->raft) == RAFT_LEADER) s = reads_ask_again(self);
    return finish(self, s, effects);
}

uint64_t consensus_due(const struct consensus *self) {
    uint64_t due = raft_timeout(&self->raft);
    if (reads_due(self) < due) due = reads_due(self);
    return due > self->now_ms + TICK_MIN_MS ? due : self->now_ms + TICK_MIN_MS;
}

enum status consensus_submit(struct consensus *self,
                             struct raft_entry *entries,
                             uint32_t n,
                             struct consensus_effects *effects) {
    for (uint32_t i = 0; i < n; i++) {
        entries[i].term = self->raft.current_term;
        entries[i].batch = heap_batch();
    }
    struct raft_event event = {.type = RAFT_SUBMIT, .submit = {entries, n}};
    return effects_step(self, &event, effects);
}

enum status
consensus_own_term(struct consensus *self, bool *committed, struct consensus_effects *effects) {
    enum status s = STATUS_OK;
    if (self->own_term_index == 0 && raft_transferee(&self->raft) == 0) {
        struct raft_entry barrier = {.type = RAFT_BARRIER};
        s = consensus_submit(self, &barrier, 1, effects);
    }
    *committed = self->own_term_index > 0 && self->commit >= self->own_term_index;
    return s;
}

enum status consensus_propose(struct consensus *self,
                              uint64_t now_ms,
                              const struct consensus_entry *commands,
                              uint32_t n,
                              uint64_t *first,
                              struct consensus_effects *effects) {
    assert(n > 0);
    effects_begin(self, now_ms, effects);
    if (self->fatal) return STATUS_CORRUPT;
    if (raft_state(&self->raft) != RAFT_LEADER || raft_transferee(&self->raft) != 0)
        return STATUS_NOT_LEADER;
    struct raft_entry *entries = mem_zero(n, sizeof *entries);
    if (!entries) return STATUS_NO_MEMORY;
    for (uint32_t i = 0; i < n; i++) {
        entries[i].type = RAFT_COMMAND;
        entries[i].buf.base = (void *)commands[i].data;
        entries[i].buf.len = commands[i].size;
    }
    uint64_t index = raft_last_index(&self->raft) + 1;
    enum status s = consensus_submit(self, entries, n, effects);
    mem_free(entries);
    if (s == STATUS_NOT_LEADER || s == STATUS_BUSY) return s;
    if (s == STATUS_OK) *first = index;
    return finish(self, s, effects);
}

/* --- snapshots -------------------------------------------------------------------------------- */

enum status consensus_snapshot(struct consensus *self,
                               uint64_t now_ms,
                               uint64_t index,
                               uint64_t term,
                               uint32_t trailing,
                               struct consensus_effects *effects) {
    effects_begin(self, now_ms, effects);
    if (self->fatal) return STATUS_CORRUPT;
    const struct past *members = past_at(self, index);
    if (index > self->applied || index <= self->snapshot_index || !members) return STATUS_INVALID;
    if (self->raft.snapshot.installing) return STATUS_BUSY;
    struct raft_event event = {.type = RAFT_SNAPSHOT};
    event.snapshot.metadata.index = index;
    event.snapshot.metadata.term = term;
    event.snapshot.metadata.configuration_index = members->index;
    event.snapshot.trailing = trailing;
    enum status s = members_copy(&members->members, &event.snapshot.metadata.configuration);
    if (s == STATUS_OK) s = effects_step(self, &event, effects);
    if (s == STATUS_OK) {
        self->snapshot_index = index;
        self->snapshot_term = term;
        past_forget(self, index);
    }
    return finish(self, s, effects);
}

enum status
consensus_installed(struct consensus *self, uint64_t now_ms, struct consensus_effects *effects) {
    assert(self->raft.snapshot.installing);
    effects_begin(self, now_ms, effects);
    if (self->fatal) return STATUS_CORRUPT;
    struct raft_event event = {.type = RAFT_PERSISTED_SNAPSHOT};
    struct raft_configuration members;
    event.persisted_snapshot.metadata = self->installing;
    event.persisted_snapshot.last = true;
    enum status s = members_copy(&self->installing.configuration, &members);
    past_cut(self, 0);
    if (s == STATUS_OK) s = past_add(self, self->installing.configuration_index, &members);
    if (s == STATUS_OK) {
        self->past[0].told = true;
        self->snapshot_index = self->durable = self->installing.index;
        self->snapshot_term = self->last_term = self->installing.term;
        if (self->commit < self->snapshot_index) self->commit = self->snapshot_index;
        s = effects_step(self, &event, effects);
    }
    effects->changed = true;
    return finish(self, s, effects);
}

enum status consensus_members_at(const struct consensus *self,
                                 uint64_t applied,
                                 struct buffer *data,
                                 uint64_t *index) {
    const struct past *members = past_at(self, applied);
    if (!members) return STATUS_NOT_FOUND;
    *index = members->index;
    return members_encode(&members->members, data);
}

/* --- what is known ---------------------------------------------------------------------------- */

void consensus_state(const struct consensus *self, struct consensus_state *out) {
    struct raft *raft = (struct raft *)&self->raft; /* libraft's getters are not const */
    raft_id leader = 0;
    const char *address = NULL;
    int role = raft_state(raft);
    raft_leader(raft, &leader, &address);
    *out = (struct consensus_state){
        .role = role == RAFT_LEADER      ? CONSENSUS_LEADER
                : role == RAFT_CANDIDATE ? CONSENSUS_CANDIDATE
                                         : CONSENSUS_FOLLOWER,
        .term = raft->current_term,
        .leader = leader,
        .last = raft_last_index(raft),
        .commit = self->commit,
        .durable = self->durable,
        .voter = raft_role(raft) == RAFT_VOTER,
        .changing = raft->configuration_uncommitted_index != 0,
        .installing = raft->snapshot.installing,
        .transferee = role == RAFT_LEADER ? raft_transferee(raft) : 0,
    };
}

bool consensus_member(const struct consensus *self, size_t nth, struct consensus_member *out) {
    const struct raft_configuration *members = &self->raft.configuration;
    if (nth >= members->n) return false;
    const struct raft_server *server = &members->servers[nth];
    raft_index match = 0;
    if (self->raft.state == RAFT_LEADER && raft_match_index(&self->raft, server->id, &match) != 0)
        match = 0;
    *out =
        (struct consensus_member){server->id, server->address, server->role == RAFT_VOTER, match};
    return true;
}

uint32_t consensus_split(const struct consensus_entry *entries, uint32_t n, size_t max_bytes) {
    size_t bytes = 0;
    for (uint32_t i = 0; i < n; i++) {
        bytes += entries[i].size;
        if (i > 0 && (bytes > max_bytes || entries[i].kind == CONSENSUS_CHANGE)) return i;
    }
    return n;
}
