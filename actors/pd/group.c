/* group: the placement driver as a member of its Raft group.
 *
 *     driver_propose ─▶ seat ─▶ log, followers ─▶ committed ─▶ catalog_apply ─▶ whoever waits
 *
 * Every member applies; one acts. Who is elected has the entries of the leader before in its log,
 * and applies them all before it answers anybody: ids and rows follow what is there. What only the
 * leader knows, it forgets when another leads. */
#include <inttypes.h>
#include <stdio.h>

#include "actors/pd/driver.h"
#include "actors/raft/raft.h"
#include "runtime/arena.h"
#include "runtime/assert.h"
#include "runtime/codec.h"
#include "runtime/handle.h"

#include "runtime/poison.h"

enum {
    FIND_US = 5 * 1000 * 1000,
    APPLY_ENTRIES = 256, /* in a turn */
    APPLY_BYTES = 4 * 1024 * 1024,
};

/* --- asking ----------------------------------------------------------------------------------- */

enum status driver_judge(const struct driver *self, struct turn *turn) {
    if (self->ready) return STATUS_OK;
    if (self->failed)
        return turn_fail(turn, STATUS_QUARANTINED, "placement driver is stopped: %s", self->why);
    if (!self->seat || self->leads)
        return turn_fail(turn, STATUS_NOT_READY, "placement driver is starting");
    const char *leader = seat_leader(self->seat);
    return turn_fail(turn, STATUS_NOT_LEADER,
                     *leader ? "the placement driver at %s leads%s"
                             : "no placement driver leads now%s%s",
                     leader, "");
}

enum status driver_propose(struct driver *self,
                           const PdCommand *command,
                           const struct promise *promise,
                           struct turn *turn) {
    struct buffer data;
    if (self->disk_full) return disk_judge(self, turn);
    buffer_init(&data);
    struct proposal *proposal;
    enum status s = codec_encode(&command->base, &data);
    if (s == STATUS_OK) s = proposal_new(ENTRY_DATA, &data, &proposal);
    if (s != STATUS_OK) {
        buffer_free(&data);
        return turn_fail(turn, s, "metadata");
    }
    if (promise) {
        proposal->promise = *promise;
        proposal->owed = true;
    }
    seat_push(self->seat, &proposal, turn);
    return STATUS_OK;
}

void group_fail(struct driver *self, enum status status, const char *text, struct turn *turn) {
    self->failed = true;
    self->ready = false;
    snprintf(self->why, sizeof self->why, "%s (%s)", text, status_text(status));
    turn_note(turn, "%s", self->why);
    turn_raise(turn, "stopped", "the placement driver is stopped: %s", self->why);
}

/* What came from this process, and is not for this member, goes to the one that leads. */
bool group_forward(const struct driver *self, struct turn *turn) {
    bool follows = self->seat && !self->failed && !self->leads;
    if (!follows || self->leader == 0 || handle_peer(turn_sender(turn)) != 0) return false;
    turn_forward(turn, self->leader);
    return true;
}

static void
on_leader_found(void *actor, void *context, const struct outcome *outcome, struct turn *turn) {
    struct driver *self = actor;
    bool newest = self->leader_looks == (uintptr_t)context;
    (void)turn;
    if (outcome->status == STATUS_OK && newest) self->leader = outcome->handle;
}

static void look_for_leader(struct driver *self, struct turn *turn) {
    const char *link = self->leads ? "" : seat_leader(self->seat);
    self->leader = 0;
    self->leader_looks++;
    if (!*link) return;
    turn_lookup(turn, &(struct lookup){.address = link,
                                       .name = "pd",
                                       .done = on_leader_found,
                                       .context = (void *)self->leader_looks,
                                       .deadline_us = turn_now_us(turn) + FIND_US});
}

/* --- leading ---------------------------------------------------------------------------------- */

/* A cluster begins: its number tells it from every other one. */
static void be_born(struct driver *self, struct turn *turn) {
    PdCommand command = PD_COMMAND__INIT;
    PdBirth birth = PD_BIRTH__INIT;
    birth.cluster = turn_random(turn) | 1;
    birth.wall_ms = turn_wall_ms(turn);
    command.command_case = PD_COMMAND__COMMAND_BIRTH;
    command.birth = &birth;
    if (driver_propose(self, &command, NULL, turn) != STATUS_OK)
        turn_exit(turn, STATUS_NO_MEMORY, "birth");
}

/* Once it has applied what was committed before. */
static void look_whether_ready(struct driver *self, struct turn *turn) {
    if (!self->leads || self->ready || self->failed || self->applied < self->lead_from) return;
    if (self->catalog.cluster == 0) {
        if (self->birth_term != self->lead_term) be_born(self, turn);
        self->birth_term = self->lead_term;
        return;
    }
    self->next_worker = self->catalog.next_worker;
    self->next_shard = self->catalog.next_shard;
    self->next_store = self->catalog.next_store;
    self->ready = true;
    turn_note(turn, "leads in term %" PRIu64, self->lead_term);
    collections_lead(self, turn);
    steward_start(self, turn);
    members_look(self, turn);
}

static void lead(struct driver *self, const struct consensus_state *state) {
    self->leads = true;
    self->lead_from = state->last;
    self->lead_term = state->term;
}

/* Whoever waits for an answer was told by the seat; what the log never took is gone. */
static void leave(struct driver *self, struct turn *turn) {
    self->leads = self->ready = self->registering = self->noting = false;
    turn_note(turn, "leads no more");
    collections_leave(self, "another placement driver leads by now", turn);
    steward_stop(self, turn);
    catalog_forget(&self->catalog);
}

static void on_changed(void *owner, struct turn *turn) {
    struct driver *self = owner;
    struct consensus_state state;
    if (!seat_state(self->seat, &state)) return;
    bool leads = state.role == CONSENSUS_LEADER;
    if (self->leads && (!leads || state.term != self->lead_term)) leave(self, turn);
    if (leads && !self->leads) lead(self, &state);
    look_for_leader(self, turn);
    look_whether_ready(self, turn);
}

/* --- applying --------------------------------------------------------------------------------- */

static void applied(struct driver *self,
                    const PdCommand *command,
                    const struct promise *promise,
                    struct turn *turn) {
    switch (command->command_case) {
    case PD_COMMAND__COMMAND_WORKER:
        worker_applied(self, command, promise, turn);
        break;
    case PD_COMMAND__COMMAND_REPLICA:
    case PD_COMMAND__COMMAND_WORKER_STATE:
    case PD_COMMAND__COMMAND_WORKER_REMOVED:
        steward_applied(self, command, promise, turn);
        break;
    case PD_COMMAND__COMMAND_PEER:
        self->noting = false;
        break;
    default:
        collection_applied(self, command, promise, turn);
    }
}

/* The state changes and whoever waits is answered. */
static enum status apply(struct driver *self, struct proposal *proposal, struct turn *turn) {
    struct arena arena;
    ProtobufCMessage *message;
    if (proposal->type != ENTRY_DATA) return STATUS_OK;
    arena_init(&arena, 0);
    enum status s = codec_decode(&pd_command__descriptor, proposal->data.data, proposal->data.size,
                                 &arena, &message, NULL);
    const PdCommand *command = (const PdCommand *)message;
    if (s == STATUS_OK) s = catalog_apply(&self->catalog, command);
    if (s == STATUS_OK) applied(self, command, proposal->owed ? &proposal->promise : NULL, turn);
    if (s == STATUS_OK) proposal->owed = false;
    arena_free(&arena);
    return s;
}

/* False: it cannot go on, and begins anew from what is durable. An entry is never skipped. */
static bool apply_all(struct driver *self, struct proposals *list, struct turn *turn) {
    struct proposal *proposal;
    while ((proposal = proposals_pop(list))) {
        enum status s = apply(self, proposal, turn);
        self->applied = proposal->index;
        self->applied_term = proposal->term;
        self->entries++;
        if (s != STATUS_OK && proposal->owed) turn_reject(turn, &proposal->promise, s, "metadata");
        proposal->owed = false;
        proposal_free(proposal);
        if (s == STATUS_OK) continue;
        proposals_reject(list, s, "metadata", turn);
        proposals_free(list);
        self->ready = false;
        seat_leave(self->seat);
        turn_exit(turn, s, "metadata entry %" PRIu64, self->applied);
        return false;
    }
    return true;
}

static void on_ready(void *owner, struct turn *turn);

static void apply_more(void *actor, void *context, struct turn *turn) {
    struct driver *self = actor;
    (void)context;
    self->apply_armed = false;
    on_ready(self, turn);
}

static void on_ready(void *owner, struct turn *turn) {
    struct driver *self = owner;
    struct proposals list = {0};
    if (self->applying || !self->seat) return;
    self->applying = true; /* what is proposed on the way may be committed at once */
    seat_take(self->seat, APPLY_ENTRIES, APPLY_BYTES, &list, turn);
    bool any = list.first != NULL;
    bool whole = apply_all(self, &list, turn);
    self->applying = false;
    if (!any || !whole) return;
    look_whether_ready(self, turn);
    slots_look(self, turn);
    if (self->apply_armed) return;
    self->apply_armed = true;
    turn_later(turn, apply_more, NULL);
}

/* --- the rest of the seat's machine ----------------------------------------------------------- */

static void on_failed(void *owner, enum status status, const char *text, struct turn *turn) {
    disk_refused(owner, status, text, turn);
}

static void on_read(void *owner, uint64_t token, enum status s, uint64_t index, struct turn *turn) {
    (void)owner, (void)token, (void)s, (void)index, (void)turn; /* it begins none */
}

static void on_installed(void *owner, struct turn *turn) {
    (void)owner;
    turn_exit(turn, STATUS_OK, "begins anew with the leader's snapshot");
}

static void on_opened(void *owner, struct turn *turn) {
    (void)owner, (void)turn;
}

static const struct seat_machine machine = {
    .ready = on_ready,
    .read = on_read,
    .changed = on_changed,
    .failed = on_failed,
    .offer = courier_offer,
    .take = courier_take,
    .installed = on_installed,
    .opened = on_opened,
};

void group_join(struct driver *self, struct seat_facts *facts, struct turn *turn) {
    const struct seat_options options = {
        .group = RAFT_GROUP_PD,
        .id = self->options.member,
        .store = PD_STORE_ID,
        .address = self->options.link,
        .founders = {self->founders.data, self->founders.size},
        .founder = self->founder,
        .log = self->options.log,
        .applied = self->applied,
        .machine = &machine,
        .owner = self,
    };
    if (seat_open(&options, facts, turn, &self->seat) != STATUS_OK)
        group_fail(self, STATUS_NO_MEMORY, "no memory for its group", turn);
}

enum status group_receive(struct driver *self, const RaftReceive *msg, struct turn *turn) {
    if (self->seat) seat_receive(self->seat, msg, turn);
    return STATUS_OK;
}
