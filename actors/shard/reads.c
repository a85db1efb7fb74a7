/* reads: what a get or a search may be answered with, by its level.
 *
 *     LINEARIZABLE  a read index: the leader asks a majority, a follower asks the leader; served
 *                   once it is applied. Alone, what is applied is all there is, from when it has
 *                   applied what it found in its log
 *     SESSION       once what the session saw is applied
 *     BOUNDED       when the replica had, within the time given, all that was acknowledged; what it
 *                   does not know it asks, as for LINEARIZABLE
 *     EVENTUAL      at once
 *
 * A read that has to wait is kept, at most READ_WAIT_US, then it is for another replica
 * (NOT_READY). A search is forwarded unread to a searcher when it need not wait; one that waited is
 * asked of the searcher and its pages are handed on. */
#include <inttypes.h>
#include <string.h>

#include "actors/shard/replica.h"
#include "runtime/codec.h"
#include "runtime/memory.h"
#include "schemas/shard.pb-c.h"

#include "runtime/poison.h"

enum {
    LEVEL_DEFAULT,
    LEVEL_LINEARIZABLE, /* as in the public contract */
    LEVEL_SESSION,
    LEVEL_BOUNDED,
    LEVEL_EVENTUAL,
    WAITING_MAX = 1024,
    READ_WAIT_US = 1000 * 1000,
    LOOK_US = 20 * 1000, /* between two looks for reads nobody waits for any more */
    ASK_US = 1000 * 1000,
    NAME_SIZE = 64,
    STALE_DEFAULT_MS = 5000,
};

/* A read, or a follower's question for a read index, that waits. */
struct read {
    struct read *next;
    uint64_t token;
    struct promise promise;
    uint64_t asked_us;
    uint64_t index;        /* served once it is applied; 0: not known yet */
    bool whole;            /* the index is of all that was acknowledged when it was asked */
    bool search, question; /* else a get */
    const ProtobufCMessageDescriptor *type;
    struct buffer message; /* encoded, of that type: ShardGet, ShardSearch or ShardSearches */
};

static void read_free(struct read *read) {
    buffer_free(&read->message);
    mem_free(read);
}

void reads_free(struct replica *self) {
    while (self->reads) {
        struct read *read = self->reads;
        self->reads = read->next;
        read_free(read);
    }
}

/* --- serving what waited ---------------------------------------------------------------------- */

static void on_hits(void *actor, void *context, const struct outcome *outcome, struct turn *turn) {
    struct read *read = context;
    (void)actor;
    if (outcome->status != STATUS_OK)
        turn_reject(turn, &read->promise, outcome->status, "%s", outcome->text);
    else if (outcome->more)
        turn_resolve_part(turn, &read->promise, outcome->message);
    else
        turn_resolve(turn, &read->promise, outcome->message);
    if (!outcome->more) read_free(read);
}

static void ask_searcher(struct replica *self,
                         struct read *read,
                         const ProtobufCMessage *search,
                         struct turn *turn) {
    struct shelf *shelf = self->options.shelf;
    actor_handle to = turn_find(turn, shelf_searcher_name(shelf, shelf_pick(shelf)));
    turn_call(turn, &(struct call){.to = to,
                                   .message = search,
                                   .done = on_hits,
                                   .context = read,
                                   .deadline_us = read->promise.deadline_us,
                                   .behalf = &read->promise});
}

/* It is off the list. */
static void serve(struct replica *self, struct read *read, struct turn *turn) {
    struct arena arena;
    ProtobufCMessage *message = NULL;
    if (read->question) {
        ShardReadIndexDone done = SHARD_READ_INDEX_DONE__INIT;
        done.index = read->index;
        turn_resolve(turn, &read->promise, &done.base);
        read_free(read);
        return;
    }
    arena_init(&arena, 0);
    enum status s =
        codec_decode(read->type, read->message.data, read->message.size, &arena, &message, NULL);
    if (s != STATUS_OK) {
        turn_reject(turn, &read->promise, s, "a read that waited");
        read_free(read);
    } else if (read->search) {
        ask_searcher(self, read, message, turn);
    } else {
        replica_get(self, ((const ShardGet *)message)->id, NULL, &read->promise, turn);
        read_free(read);
    }
    arena_free(&arena);
}

static void
refuse(struct replica *self, struct read *read, enum status s, const char *why, struct turn *turn) {
    turn_reject(turn, &read->promise, s, "shard %" PRIu64 " %s", self->options.shard, why);
    read_free(read);
}

/* NULL: it serves, or waits on. */
static const char *
verdict(const struct replica *self, const struct read *read, enum status *s, struct turn *turn) {
    if (self->state != REPLICA_SERVING && self->state != REPLICA_DISK_FULL) {
        *s = self->state == REPLICA_LOADING ? STATUS_NOT_READY : STATUS_QUARANTINED;
        return self->state == REPLICA_LOADING ? "is loading" : "is quarantined";
    }
    *s = STATUS_CANCELLED;
    if (!turn_wanted(turn, &read->promise)) return "is waited for by nobody";
    *s = STATUS_NOT_READY;
    if (turn_now_us(turn) > read->asked_us + READ_WAIT_US)
        return "has not applied in time what this read must see";
    return NULL;
}

static void look(void *actor, void *context, struct turn *turn) {
    struct replica *self = actor;
    (void)context;
    self->reads_armed = false;
    reads_look(self, turn);
}

void reads_look(struct replica *self, struct turn *turn) {
    struct read **link = &self->reads, *read;
    while ((read = *link)) {
        bool due = read->index != 0 && (read->question || read->index <= self->applied);
        enum status s = STATUS_OK;
        const char *why = verdict(self, read, &s, turn);
        if (!due && !why) {
            link = &read->next;
            continue;
        }
        *link = read->next;
        self->n_reads--;
        if (!why && read->whole && read->asked_us > self->fresh_us && read->index <= self->applied)
            self->fresh_us = read->asked_us;
        if (why)
            refuse(self, read, s, why, turn);
        else
            serve(self, read, turn);
    }
    if (!self->reads || self->reads_armed) return;
    self->reads_armed = true;
    turn_timer(turn, LOOK_US, look, NULL);
}

/* --- read indexes ----------------------------------------------------------------------------- */

static struct read **find(struct replica *self, uint64_t token) {
    struct read **link = &self->reads;
    while (*link && (*link)->token != token)
        link = &(*link)->next;
    return link;
}

static void answer_index(
    struct replica *self, uint64_t token, enum status s, uint64_t index, struct turn *turn) {
    struct read **link = find(self, token), *read = *link;
    if (!read) return; /* nobody waits any more */
    if (s == STATUS_OK) {
        read->index = index > 0 ? index : 1;
    } else {
        *link = read->next;
        self->n_reads--;
        refuse(self, read, s, "has no leader that answers", turn);
    }
    reads_look(self, turn);
}

void reads_on_index(void *owner, uint64_t token, enum status s, uint64_t index, struct turn *turn) {
    answer_index(owner, token, s, index, turn);
}

/* A follower's way to the leader: its shard's name, at its link. */
static void
on_answer(void *actor, void *context, const struct outcome *outcome, struct turn *turn) {
    uint64_t token = (uint64_t)(uintptr_t)context;
    const ShardReadIndexDone *done = outcome_as(outcome, ShardReadIndexDone, shard_read_index_done);
    enum status s = outcome->status == STATUS_OK && !done ? STATUS_INTERNAL : outcome->status;
    if (s != STATUS_OK && s != STATUS_BUSY) s = STATUS_NOT_LEADER;
    answer_index(actor, token, s, done ? done->index : 0, turn);
}

static void
on_leader(void *actor, void *context, const struct outcome *outcome, struct turn *turn) {
    struct replica *self = actor;
    uint64_t token = (uint64_t)(uintptr_t)context;
    if (outcome->status != STATUS_OK) {
        answer_index(self, token, STATUS_NOT_LEADER, 0, turn);
        return;
    }
    ShardReadIndex ask = SHARD_READ_INDEX__INIT;
    turn_call(turn, &(struct call){.to = outcome->handle,
                                   .message = &ask.base,
                                   .done = on_answer,
                                   .context = context,
                                   .deadline_us = turn_now_us(turn) + ASK_US});
}

static enum status ask_index(struct replica *self, struct read *read, struct turn *turn) {
    struct consensus_state state;
    if (!seat_state(self->seat, &state)) return STATUS_NOT_LEADER;
    if (state.role == CONSENSUS_LEADER) return seat_read(self->seat, read->token, turn);
    const char *leader = seat_leader(self->seat);
    if (!*leader || read->question) return STATUS_NOT_LEADER;
    char name[NAME_SIZE];
    shard_name(self->options.shard, name, sizeof name);
    turn_lookup(turn, &(struct lookup){.address = leader,
                                       .name = name,
                                       .done = on_leader,
                                       .context = (void *)(uintptr_t)read->token,
                                       .deadline_us = turn_now_us(turn) + ASK_US});
    return STATUS_OK;
}

/* --- judging ---------------------------------------------------------------------------------- */

static enum status too_many(const struct replica *self, struct turn *turn) {
    turn_retry_after(turn, LOOK_US / 1000);
    return turn_fail(turn, STATUS_BUSY, "shard %" PRIu64 " has too many reads waiting",
                     self->options.shard);
}

/* Keeps the request of this turn until index is applied; 0: until it is known. */
static enum status
keep(struct replica *self, const struct read_request *request, uint64_t index, struct turn *turn) {
    if (self->n_reads >= WAITING_MAX) return too_many(self, turn);
    struct read *read = mem_zero(1, sizeof *read);
    if (!read) return turn_fail(turn, STATUS_NO_MEMORY, "a read that waits");
    buffer_init(&read->message);
    read->search = request->search;
    read->type = request->message ? request->message->descriptor : NULL;
    read->question = request->message == NULL;
    if (request->message && codec_encode(request->message, &read->message) != STATUS_OK) {
        read_free(read);
        return turn_fail(turn, STATUS_NO_MEMORY, "a read that waits");
    }
    read->token = ++self->read_token;
    read->index = index;
    read->asked_us = turn_now_us(turn);
    read->whole = index == 0;
    read->promise = turn_defer(turn);
    read->next = self->reads;
    self->reads = read;
    self->n_reads++;
    uint64_t token = read->token;
    enum status s = index == 0 ? ask_index(self, read, turn) : STATUS_OK;
    if (s != STATUS_OK)
        answer_index(self, token, s, 0, turn);
    else
        reads_look(self, turn);
    return STATUS_OK;
}

/* Staler than it may be, as far as it knows? */
static bool is_old(const struct replica *self, uint32_t max_ms, const struct turn *turn) {
    uint64_t most = (uint64_t)(max_ms ? max_ms : STALE_DEFAULT_MS) * 1000;
    return self->fresh_us == 0 || turn_now_us(turn) - self->fresh_us > most;
}

/* A new copy that got nothing yet: others have it. */
static bool is_empty(const struct replica *self) {
    return self->applied == 0 && !self->options.founder;
}

enum status reads_admit(struct replica *self,
                        const struct read_request *request,
                        bool *now,
                        struct turn *turn) {
    uint32_t level = request->level    ? request->level
                     : request->search ? LEVEL_SESSION
                                       : LEVEL_LINEARIZABLE;
    bool alone = seat_alone(self->seat) && self->applied >= self->inherited;
    *now = false;
    if (level == LEVEL_BOUNDED && !alone && is_old(self, request->max_staleness_ms, turn))
        return keep(self, request, 0, turn);
    if (level == LEVEL_LINEARIZABLE && !alone) return keep(self, request, 0, turn);
    if (level <= LEVEL_SESSION && request->session > self->applied) {
        if (alone)
            return turn_fail(turn, STATUS_NOT_READY,
                             "shard %" PRIu64 " has applied %" PRIu64 ", the session saw %" PRIu64,
                             self->options.shard, self->applied, request->session);
        return keep(self, request, request->session, turn);
    }
    if (is_empty(self) && !alone)
        return turn_fail(turn, STATUS_NOT_READY, "shard %" PRIu64 " has no data here yet",
                         self->options.shard);
    *now = true;
    return STATUS_OK;
}

bool reads_unasked(const struct replica *self, struct read_count *count) {
    struct consensus_state state;
    struct consensus_member member;
    uint64_t index;
    if (!seat_unasked(self->seat, &index) || self->applied < index) return false;
    if (!seat_state(self->seat, &state)) return false;
    *count = (struct read_count){.term = state.term};
    for (size_t i = 0; seat_member(self->seat, i, &member); i++) {
        if (!member.voter || member.id == self->options.store_id) continue;
        if (count->n_others == REPLICA_MEMBERS_TOLD) return false;
        count->others[count->n_others++] = member.id;
    }
    return count->n_others > 0; /* alone it need not be asked about */
}

enum status reads_question(struct replica *self, const ShardReadIndex *msg, struct turn *turn) {
    (void)msg;
    if (self->state != REPLICA_SERVING && self->state != REPLICA_DISK_FULL)
        return turn_fail(turn, STATUS_NOT_LEADER, "shard %" PRIu64 " does not lead here",
                         self->options.shard);
    return keep(self, &(struct read_request){0}, 0, turn);
}
