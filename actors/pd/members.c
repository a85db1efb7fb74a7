/* members: who is in the group of placement drivers. An administrator adds and removes one at a
 * time; who has caught up is made a voter by the leader, which also writes down who has taken part
 * (founding.c) and where clients find it. */
#include <inttypes.h>
#include <string.h>

#include "actors/pd/driver.h"
#include "schemas/runtime.pb-c.h"

#include "runtime/poison.h"

#define AWAY_US (6 * SEAT_ELECTION_MS * UINT64_C(1000))

enum { STEP_ADD, STEP_REMOVE, STEP_TRANSFER };

/* --- changes ---------------------------------------------------------------------------------- */

static enum status explain(const struct driver *self, enum status s, struct turn *turn) {
    const char *leader = seat_leader(self->seat);
    switch (s) {
    case STATUS_OK:
        return STATUS_OK;
    case STATUS_NOT_LEADER:
        return turn_fail(turn, s, "the placement driver at %s leads", leader);
    case STATUS_BUSY:
        return turn_fail(turn, s, "another change of the members is under way");
    case STATUS_NOT_READY:
        return turn_fail(turn, s,
                         "the member has not caught up yet, or the leader is new: again "
                         "in a moment");
    case STATUS_EXISTS:
        return turn_fail(turn, s,
                         "a member has this id or link already: remove that one first, "
                         "and never use an id twice");
    case STATUS_NOT_FOUND:
        return turn_fail(turn, s, "there is no such member (vectron admin pd)");
    case STATUS_INVALID:
        return turn_fail(turn, s, "the last voter stays, and a link is 1 to %d bytes",
                         CONSENSUS_ADDRESS_MAX);
    default:
        return turn_fail(turn, s, "change of the members");
    }
}

/* Who leads goes only when another does. */
static enum status step_down(struct driver *self, struct turn *turn) {
    uint64_t to = seat_heir(self->seat);
    if (to == 0) return explain(self, STATUS_INVALID, turn);
    enum status s = seat_transfer(self->seat, to, turn);
    if (s != STATUS_OK) return explain(self, s, turn);
    return turn_fail(turn, STATUS_NOT_LEADER, "leadership goes to member %" PRIu64 " first", to);
}

static enum status hand_over(struct driver *self, uint64_t member, struct turn *turn) {
    enum status s = seat_transfer(self->seat, member, turn);
    if (s != STATUS_INVALID) return explain(self, s, turn);
    if (member == self->options.member)
        return turn_fail(turn, s, "member %" PRIu64 " leads already", member);
    return turn_fail(turn, s, "member %" PRIu64 " is no voter of the group (vectron admin pd)",
                     member);
}

enum status members_change(struct driver *self, const PdChangeMember *msg, struct turn *turn) {
    struct consensus_change change = {.id = msg->member, .address = msg->link};
    switch (msg->step) {
    case STEP_ADD:
        change.step = CONSENSUS_ADD_LEARNER;
        if (msg->member == 0 || !*msg->link) return explain(self, STATUS_INVALID, turn);
        if (catalog_peer(&self->catalog, msg->member)) return explain(self, STATUS_EXISTS, turn);
        return explain(self, seat_change(self->seat, &change, turn), turn);
    case STEP_REMOVE:
        change.step = CONSENSUS_REMOVE;
        if (msg->member == self->options.member) return step_down(self, turn);
        return explain(self, seat_change(self->seat, &change, turn), turn);
    case STEP_TRANSFER:
        return hand_over(self, msg->member, turn);
    default:
        return turn_fail(turn, STATUS_INVALID, "step %" PRIu32 " is unknown", msg->step);
    }
}

/* --- looking ---------------------------------------------------------------------------------- */

static const char *text_or_none(const char *text) {
    return text ? text : "";
}

static bool is_noted(const struct driver *self, const struct consensus_member *member) {
    const struct catalog_peer *peer = catalog_peer(&self->catalog, member->id);
    if (!peer || !peer->started) return false;
    if (member->id != self->options.member) return true;
    return !strcmp(peer->grpc_address, text_or_none(self->options.grpc_address)) &&
           !strcmp(peer->link, text_or_none(self->options.link));
}

static void note(struct driver *self, const struct consensus_member *member, struct turn *turn) {
    const struct catalog_peer *peer = catalog_peer(&self->catalog, member->id);
    PdCommand command = PD_COMMAND__INIT;
    PdPeerRow row = PD_PEER_ROW__INIT;
    bool own = member->id == self->options.member;
    const char *grpc_address = own ? text_or_none(self->options.grpc_address) : "";
    const char *link = own ? text_or_none(self->options.link) : "";
    row.member = member->id;
    row.started = true;
    row.grpc_address = (char *)(uintptr_t)(own || !peer ? grpc_address : peer->grpc_address);
    row.link = (char *)(uintptr_t)(own || !peer ? link : peer->link);
    command.command_case = PD_COMMAND__COMMAND_PEER;
    command.peer = &row;
    if (driver_propose(self, &command, NULL, turn) == STATUS_OK) self->noting = true;
}

void members_look(struct driver *self, struct turn *turn) {
    struct consensus_member member;
    struct consensus_state state;
    if (!self->ready || !seat_state(self->seat, &state)) return;
    for (size_t i = 0; !self->noting && seat_member(self->seat, i, &member); i++)
        if ((member.match > 0 || member.id == self->options.member) && !is_noted(self, &member))
            note(self, &member, turn);
    uint64_t learner = 0;
    for (size_t i = 0; !state.changing && seat_member(self->seat, i, &member); i++)
        if (!member.voter) learner = member.id;
    const struct consensus_change promote = {.step = CONSENSUS_PROMOTE, .id = learner};
    if (learner == 0) return;
    enum status s = seat_change(self->seat, &promote, turn);
    turn_note(turn, "member %" PRIu64 " to be a voter: %s", learner, status_name(s));
}

/* --- telling ---------------------------------------------------------------------------------- */

static void tell_member(const struct driver *self,
                        const struct consensus_member *member,
                        const struct consensus_state *state,
                        PdMember *out,
                        struct turn *turn) {
    const struct catalog_peer *peer = catalog_peer(&self->catalog, member->id);
    bool own = member->id == self->options.member;
    const char *link = peer && peer->link[0] ? peer->link : member->address;
    const char *role = member->voter ? "voter" : "learner";
    if (member->id == state->leader) role = "leader";
    if (own && self->options.link) link = self->options.link;
    pd_member__init(out);
    out->id = member->id;
    out->link = turn_printf(turn, "%s", link);
    out->role = (char *)(uintptr_t)role;
    out->match = own ? state->last : member->match;
    if (!out->link) out->link = (char *)(uintptr_t) "";
    uint64_t heard = seat_heard_us(self->seat, member->id);
    out->away = self->leads && !own && heard + AWAY_US < turn_now_us(turn);
}

static enum status tell_members(const struct driver *self,
                                const struct consensus_state *state,
                                PdLeader *out,
                                struct turn *turn) {
    struct consensus_member member;
    size_t n = 0;
    while (seat_member(self->seat, n, &member))
        n++;
    PdMember *rows = turn_alloc(turn, (n + 1) * sizeof *rows);
    out->members = turn_alloc(turn, (n + 1) * sizeof *out->members);
    if (!rows || !out->members) return STATUS_NO_MEMORY;
    for (size_t i = 0; i < n && seat_member(self->seat, i, &member); i++) {
        tell_member(self, &member, state, &rows[i], turn);
        out->members[out->n_members++] = &rows[i];
    }
    return STATUS_OK;
}

enum status members_tell(const struct driver *self, PdLeader *out, struct turn *turn) {
    struct consensus_state state;
    if (self->failed)
        return turn_fail(turn, STATUS_QUARANTINED, "placement driver is stopped: %s", self->why);
    if (!self->seat || !seat_state(self->seat, &state) || (self->leads && !self->ready))
        return turn_fail(turn, STATUS_NOT_READY, "placement driver is starting");
    const struct catalog_peer *peer = catalog_peer(&self->catalog, state.leader);
    const char *grpc_address = peer ? peer->grpc_address : "";
    const char *link = seat_leader(self->seat);
    if (self->ready) {
        grpc_address = text_or_none(self->options.grpc_address);
        link = text_or_none(self->options.link);
    }
    out->link = (char *)(uintptr_t)link;
    out->grpc_address = (char *)(uintptr_t)grpc_address;
    out->leader = state.leader;
    out->member = self->options.member;
    out->term = state.term;
    out->commit = state.commit;
    out->applied = self->applied;
    out->log_index = state.last;
    out->changing = state.changing;
    return tell_members(self, &state, out, turn);
}
