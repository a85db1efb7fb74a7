/* courier: a snapshot from the leader to a member that is too far behind for its log, or new.
 *
 *   leader    wanted by consensus ─▶ the catalog's parts, in memory ─▶ install, with its number
 *             PdFetch n ─▶ the nth part, as often as it is asked for
 *   follower  install ─▶ fetch, put into the slot that does not count ─ … ─ last ─▶ recorded,
 * synced ─▶ the actor begins anew, on that slot
 *
 * One synced record switches: whatever fails before leaves the member as it was. */
#include <inttypes.h>
#include <string.h>
#include <xxhash.h>

#include "actors/pd/driver.h"
#include "runtime/memory.h"

#include "runtime/poison.h"

enum {
    RETRY_US = 300 * 1000,
    TRIES_MAX = 20,
    CALL_US = 5 * 1000 * 1000,
    IDLE_US = 30 * 1000 * 1000, /* an offer nobody fetches from is closed */
};

/* --- the leader's side ------------------------------------------------------------------------ */

struct offer {
    uint64_t number, to;
    uint64_t index, term;
    struct proposals parts; /* owned */
    uint64_t touched_us;
};

static void offer_close(struct driver *self) {
    if (!self->offer) return;
    proposals_free(&self->offer->parts);
    mem_free(self->offer);
    self->offer = NULL;
}

static void look_at_offer(void *actor, void *context, struct turn *turn) {
    struct driver *self = actor;
    (void)context;
    if (!self->offer) return;
    if (turn_now_us(turn) - self->offer->touched_us >= IDLE_US) offer_close(self);
    if (self->offer) turn_timer(turn, IDLE_US, look_at_offer, NULL);
}

static bool offer_open(struct driver *self, uint64_t to, struct turn *turn) {
    struct offer *offer = self->offer = mem_zero(1, sizeof *offer);
    if (!offer) return false;
    offer->number = turn_random(turn) | 1;
    offer->to = to;
    offer->index = self->applied;
    offer->term = self->applied_term;
    offer->touched_us = turn_now_us(turn);
    turn_timer(turn, IDLE_US, look_at_offer, NULL);
    if (catalog_snapshot(&self->catalog, slots_emit, &offer->parts) == STATUS_OK) return true;
    offer_close(self);
    return false;
}

void courier_offer(void *owner, uint64_t to, struct turn *turn) {
    struct driver *self = owner;
    if (!self->ready) return;
    if (self->offer && self->offer->to != to) return; /* one at a time: consensus asks again */
    if (!self->offer && !offer_open(self, to, turn)) return;
    const struct offer *offer = self->offer;
    turn_note(turn, "snapshot of entry %" PRIu64 " for member %" PRIu64, offer->index, to);
    seat_offer(self->seat,
               &(struct seat_snapshot){
                   .index = offer->index, .term = offer->term, .number = offer->number},
               to, turn);
}

enum status courier_fetch(struct driver *self, const PdFetch *msg, struct turn *turn) {
    struct offer *offer = self->offer;
    const struct proposal *part = offer ? offer->parts.first : NULL;
    for (uint64_t i = 0; part && i < msg->piece; i++)
        part = part->next;
    if (!part || offer->number != msg->number)
        return turn_fail(turn, STATUS_NOT_FOUND, "there is no such snapshot");
    PdPiece piece = PD_PIECE__INIT;
    offer->touched_us = turn_now_us(turn);
    piece.data = (ProtobufCBinaryData){part->data.size, part->data.data};
    piece.checksum = XXH3_64bits(part->data.data, part->data.size);
    piece.last = part->next == NULL;
    turn_reply(turn, &piece.base);
    return STATUS_OK;
}

/* --- the follower's side ---------------------------------------------------------------------- */

struct intake {
    struct seat_snapshot what;
    uint64_t store; /* 0: it waits for the slot */
    uint64_t piece; /* the one asked for */
    uint32_t tries;
    bool last;
    char link[CONSENSUS_ADDRESS_MAX + 1];
};

void courier_free(struct driver *self) {
    offer_close(self);
    mem_free(self->intake);
    self->intake = NULL;
}

/* The next life begins from what is durable. */
static void give_up(const char *why, struct turn *turn) {
    turn_exit(turn, STATUS_OK, "snapshot given up: %s", why);
}

static void ask_piece(void *actor, void *context, struct turn *turn);

static void ask_again(struct driver *self, const char *why, struct turn *turn) {
    if (++self->intake->tries > TRIES_MAX)
        give_up(why, turn);
    else
        turn_timer(turn, RETRY_US, ask_piece, NULL);
}

static void on_stored(struct driver *self, enum status status, struct turn *turn) {
    struct intake *intake = self->intake;
    if (status != STATUS_OK) {
        ask_again(self, "it could not be stored", turn);
    } else if (intake->last) {
        turn_note(turn, "snapshot of entry %" PRIu64 " is here", intake->what.index);
        seat_install(self->seat, turn);
    } else {
        intake->piece++;
        ask_piece(self, NULL, turn);
    }
}

static void on_piece(void *actor, void *context, const struct outcome *outcome, struct turn *turn) {
    struct driver *self = actor;
    struct intake *intake = self->intake;
    const PdPiece *piece = outcome_as(outcome, PdPiece, pd_piece);
    (void)context;
    if (!piece && outcome->status == STATUS_NOT_FOUND) {
        give_up(outcome->text, turn);
        return;
    }
    if (!piece || XXH3_64bits(piece->data.data, piece->data.len) != piece->checksum) {
        ask_again(self, piece ? "a piece is damaged" : outcome->text, turn);
        return;
    }
    intake->tries = 0;
    intake->last = piece->last;
    slot_put(self,
             &(struct slot_part){.store = intake->store,
                                 .nth = intake->piece + 1,
                                 .data = {piece->data.data, piece->data.len},
                                 .last = piece->last,
                                 .index = intake->what.index,
                                 .term = intake->what.term,
                                 .generation = intake->what.generation},
             on_stored, turn);
}

static void
on_leader_found(void *actor, void *context, const struct outcome *outcome, struct turn *turn) {
    struct driver *self = actor;
    (void)context;
    if (outcome->status != STATUS_OK) {
        ask_again(self, outcome->text, turn);
        return;
    }
    PdFetch fetch = PD_FETCH__INIT;
    fetch.number = self->intake->what.number;
    fetch.piece = self->intake->piece;
    turn_call(turn, &(struct call){.to = outcome->handle,
                                   .message = &fetch.base,
                                   .done = on_piece,
                                   .deadline_us = turn_now_us(turn) + CALL_US});
}

static void ask_piece(void *actor, void *context, struct turn *turn) {
    struct driver *self = actor;
    (void)context;
    turn_lookup(turn, &(struct lookup){.address = self->intake->link,
                                       .name = "pd",
                                       .done = on_leader_found,
                                       .deadline_us = turn_now_us(turn) + CALL_US});
}

void courier_go_on(struct driver *self, struct turn *turn) {
    if (!self->intake || self->intake->store != 0 || self->saving) return;
    self->intake->store = slot_other(self);
    ask_piece(self, NULL, turn);
}

void courier_take(void *owner,
                  const struct seat_snapshot *snapshot,
                  const char *link,
                  struct turn *turn) {
    struct driver *self = owner;
    struct intake *intake = self->intake ? NULL : mem_zero(1, sizeof *intake);
    if (!intake || strlen(link) >= sizeof intake->link) {
        mem_free(intake);
        give_up("no memory", turn);
        return;
    }
    turn_note(turn, "snapshot of entry %" PRIu64 " from %s", snapshot->index, link);
    intake->what = *snapshot;
    memcpy(intake->link, link, strlen(link) + 1);
    self->intake = intake;
    courier_go_on(self, turn);
}
