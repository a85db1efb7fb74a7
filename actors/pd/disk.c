/* disk: a placement driver whose log is refused. Whoever asked is told, and asks again.
 *
 *     full      who leads asks another member to lead; what was refused is tried each second
 *     anything  the actor ends: its supervisor starts it anew from what is durable, and meanwhile
 *     else      the others elect one of them
 *
 * What is in the log's way stays there: it is the group's, and may be committed without this disk.
 */
#include <inttypes.h>

#include "actors/pd/driver.h"

#include "runtime/poison.h"

enum {
    RETRY_US = 1000 * 1000,  /* between two looks whether there is space again */
    HAND_OVER_US = 20 * 1000 /* between two tries: the heir has to have all of the log first */
};

static void look_for_heir(struct driver *self, struct turn *turn);
static void wait_for_space(struct driver *self, struct turn *turn);

static void hand_over(void *actor, void *context, struct turn *turn) {
    struct driver *self = actor;
    struct consensus_state state;
    (void)context;
    self->hand_armed = false;
    if (!self->disk_full || !seat_state(self->seat, &state)) return;
    if (state.role != CONSENSUS_LEADER || state.transferee != 0) return;
    uint64_t heir = seat_heir(self->seat);
    if (heir == 0) return;
    if (seat_transfer(self->seat, heir, turn) == STATUS_OK)
        turn_note(turn, "no space: member %" PRIu64 " is asked to lead", heir);
    look_for_heir(self, turn);
}

static void look_for_heir(struct driver *self, struct turn *turn) {
    if (self->hand_armed) return;
    self->hand_armed = true;
    turn_timer(turn, HAND_OVER_US, hand_over, NULL);
}

static void retry(void *actor, void *context, struct turn *turn) {
    struct driver *self = actor;
    (void)context;
    self->retry_armed = false;
    if (!seat_writing(self->seat)) {
        self->disk_full = false;
        turn_clear(turn, "disk_full");
        turn_note(turn, "writes again");
        return;
    }
    look_for_heir(self, turn);
    wait_for_space(self, turn);
    seat_retry(self->seat, turn);
}

static void wait_for_space(struct driver *self, struct turn *turn) {
    if (self->retry_armed) return;
    self->retry_armed = true;
    turn_timer(turn, RETRY_US, retry, NULL);
}

#define ELSEWHERE "this placement driver cannot write: another one is to lead"

/* The seat may know nobody any more. */
static bool has_others(const struct driver *self) {
    return self->catalog.n_peers > 1;
}

enum status disk_judge(const struct driver *self, struct turn *turn) {
    if (has_others(self)) return turn_fail(turn, STATUS_NOT_LEADER, ELSEWHERE);
    return turn_fail(
        turn, STATUS_DISK_FULL,
        "the placement driver's disk is full: it changes nothing until there is space");
}

/* Where others may lead, whoever asked is to ask them; it may have happened all the same, which the
 * tokens of collections are there for. */
static void refuse(struct driver *self, enum status status, const char *text, struct turn *turn) {
    if (has_others(self)) {
        status = STATUS_NOT_LEADER;
        text = ELSEWHERE;
    }
    seat_reject(self->seat, status, text, turn);
    collections_refused(self, status, text, turn);
    steward_refused(self);
    self->registering = self->noting = false;
}

void disk_refused(struct driver *self, enum status status, const char *text, struct turn *turn) {
    turn_note(turn, "log %s %s", status_name(status), text);
    refuse(self, status, text, turn);
    if (status != STATUS_DISK_FULL) {
        turn_exit(turn, status, "metadata log: %s", text);
        return;
    }
    if (!self->disk_full)
        turn_raise(turn, "disk_full",
                   "this placement driver writes nothing, and leads nobody, until there is space: "
                   "%s",
                   text);
    self->disk_full = true;
    wait_for_space(self, turn);
    look_for_heir(self, turn);
}
