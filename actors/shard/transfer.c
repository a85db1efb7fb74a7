/* transfer: a snapshot from the leader to a replica that is too far behind for its log.
 *
 *   leader    wanted by consensus ─▶ export opened (one view of the store) ─▶ install, with its
 * number ShardFetch n ─▶ the nth piece; the last one again when its answer was lost follower
 * install ─▶ fetch, import under a store of its own ─ … ─ last ─▶ flushed ─▶ recorded, synced ─▶
 * the actor begins anew, on that store
 *
 * The store that serves is not touched: one synced record switches. Whatever fails before leaves
 * the replica as it was; its next life clears what was imported. A piece is asked for when the one
 * before is stored, PAUSE_US later: neither side is flooded. */
#include <inttypes.h>
#include <string.h>
#include <xxhash.h>

#include "actors/shard/replica.h"
#include "runtime/memory.h"

#include "runtime/poison.h"

enum {
    PIECE_BYTES = 512 * 1024,
    PAUSE_US = 2 * 1000,
    RETRY_US = 300 * 1000,
    TRIES_MAX = 20,
    CALL_US = 5 * 1000 * 1000,
    IDLE_US = 30 * 1000 * 1000, /* an offer nobody fetches from is closed … */
    GONE_US = 2 * CALL_US,      /* … or gives way to another follower's … */
    DONE_US = 1000 * 1000,      /* … sooner when all of it was fetched */
    NAME_SIZE = 64,
};

/* --- the leader's side ------------------------------------------------------------------------ */

struct offer {
    uint64_t number, to;
    struct holding *holding; /* owned hold */
    struct point_store *points;
    struct point_export *export; /* owned */
    struct point_applied applied;
    uint64_t next;       /* piece that is read next */
    struct buffer piece; /* piece next - 1 */
    bool last, busy, unwanted;
    uint64_t touched_us;
    struct promise promise; /* of whoever waits for the piece that is read */
};

static void offer_free(void *context) {
    struct offer *offer = context;
    if (!offer) return;
    point_export_close(offer->export);
    holding_drop(offer->holding);
    buffer_free(&offer->piece);
    mem_free(offer);
}

/* One that a job works on goes when the job has ended. */
static void offer_close(struct replica *self) {
    struct offer *offer = self->offer;
    self->offer = NULL;
    if (offer && offer->busy)
        offer->unwanted = true;
    else
        offer_free(offer);
}

static void watch_offer(struct replica *self, struct turn *turn);

static void look_at_offer(void *actor, void *context, struct turn *turn) {
    struct replica *self = actor;
    (void)context;
    self->offer_armed = false;
    if (!self->offer) return;
    if (turn_now_us(turn) - self->offer->touched_us >= IDLE_US) offer_close(self);
    watch_offer(self, turn);
}

static void watch_offer(struct replica *self, struct turn *turn) {
    if (!self->offer || self->offer_armed) return;
    self->offer_armed = true;
    turn_timer(turn, IDLE_US, look_at_offer, NULL);
}

/* One follower at a time. Who has what it wanted, or left, does not keep the next one waiting, and
 * wants a newer one itself when it asks again. */
static bool gives_way(const struct offer *offer, uint64_t now) {
    return now - offer->touched_us >= (offer->last ? DONE_US : GONE_US);
}

static enum status open_work(void *context) {
    struct offer *offer = context;
    return point_export_open(offer->points, offer->holding->store_id, &offer->applied,
                             &offer->export);
}

static void send_offer(struct replica *self, struct turn *turn) {
    const struct offer *offer = self->offer;
    seat_offer(self->seat,
               &(struct seat_snapshot){.index = offer->applied.index,
                                       .term = offer->applied.term,
                                       .number = offer->number},
               offer->to, turn);
}

static void on_open(void *actor, void *context, const struct outcome *outcome, struct turn *turn) {
    struct replica *self = actor;
    struct offer *offer = context;
    offer->busy = false;
    if (offer->unwanted) {
        offer_free(offer);
        return;
    }
    if (outcome->status != STATUS_OK) {
        turn_note(turn, "snapshot %s %s", status_name(outcome->status), kv_error());
        offer_close(self);
        return;
    }
    offer->applied.index = turn_saw(turn, offer->applied.index);
    offer->applied.term = turn_saw(turn, offer->applied.term);
    turn_note(turn, "snapshot of %" PRIu64 " for replica %" PRIu64, offer->applied.index,
              offer->to);
    send_offer(self, turn);
}

void transfer_offer(void *owner, uint64_t to, struct turn *turn) {
    struct replica *self = owner;
    uint64_t now = turn_now_us(turn);
    if (self->state != REPLICA_SERVING) return;
    if (self->offer && gives_way(self->offer, now)) offer_close(self);
    if (self->offer && self->offer->to == to && self->offer->export) send_offer(self, turn);
    if (self->offer) return; /* consensus asks again */
    struct offer *offer = mem_zero(1, sizeof *offer);
    if (!offer) return;
    buffer_init(&offer->piece);
    offer->number = turn_random(turn) | 1;
    offer->to = to;
    offer->holding = holding_again(self->holding);
    offer->points = self->options.points;
    offer->touched_us = now;
    offer->busy = true;
    self->offer = offer;
    watch_offer(self, turn);
    turn_block(turn,
               &(struct block){
                   .work = open_work, .done = on_open, .abandon = offer_free, .context = offer});
}

static enum status read_work(void *context) {
    struct offer *offer = context;
    buffer_clear(&offer->piece);
    return point_export_next(offer->export, PIECE_BYTES, &offer->piece, &offer->last);
}

static void
answer_piece(const struct offer *offer, const struct promise *promise, struct turn *turn) {
    ShardPiece piece = SHARD_PIECE__INIT;
    piece.data = (ProtobufCBinaryData){offer->piece.size, offer->piece.data};
    piece.checksum = XXH3_64bits(offer->piece.data, offer->piece.size);
    piece.last = offer->last;
    turn_resolve(turn, promise, &piece.base);
}

static void
on_piece_read(void *actor, void *context, const struct outcome *outcome, struct turn *turn) {
    struct replica *self = actor;
    struct offer *offer = context;
    offer->busy = false;
    if (outcome->status == STATUS_OK) {
        offer->next++;
        answer_piece(offer, &offer->promise, turn);
    } else {
        turn_reject(turn, &offer->promise, STATUS_NOT_FOUND, "the snapshot cannot be read");
    }
    if (offer->unwanted)
        offer_free(offer);
    else if (outcome->status != STATUS_OK)
        offer_close(self);
}

enum status transfer_fetch(struct replica *self, const ShardFetch *msg, struct turn *turn) {
    struct offer *offer = self->offer;
    if (!offer || offer->number != msg->number || !offer->export)
        return turn_fail(turn, STATUS_NOT_FOUND, "there is no such snapshot");
    if (offer->busy) return turn_fail(turn, STATUS_BUSY, "the piece is being read");
    if (offer->next > 0 && msg->piece == offer->next - 1) {
        offer->touched_us = turn_now_us(turn);
        const struct promise promise = turn_defer(turn);
        answer_piece(offer, &promise, turn);
        return STATUS_OK;
    }
    if (msg->piece != offer->next || offer->last) {
        offer_close(self); /* the follower began anew, this one cannot go back */
        return turn_fail(turn, STATUS_NOT_FOUND, "the snapshot is at another piece");
    }
    offer->touched_us = turn_now_us(turn);
    offer->promise = turn_defer(turn);
    offer->busy = true;
    turn_block(turn, &(struct block){.work = read_work,
                                     .done = on_piece_read,
                                     .abandon = offer_free,
                                     .context = offer});
    return STATUS_OK;
}

/* --- the follower's side ---------------------------------------------------------------------- */

struct intake {
    struct holding *holding; /* owned hold: the shelf keeps the process's stores */
    struct point_store *points;
    uint64_t number;
    uint64_t data_id; /* store it goes to */
    uint64_t index;
    uint64_t piece; /* the one asked for */
    uint32_t tries;
    struct buffer bytes; /* of the piece */
    bool last;
    char link[CONSENSUS_ADDRESS_MAX + 1];
};

static void intake_free(void *context) {
    struct intake *intake = context;
    if (!intake) return;
    holding_drop(intake->holding);
    buffer_free(&intake->bytes);
    mem_free(intake);
}

void transfer_free(struct replica *self) {
    offer_close(self);
    intake_free(self->intake);
    self->intake = NULL;
}

/* The next life begins from what is durable, and clears what was imported. */
static void give_up(struct replica *self, const char *why, struct turn *turn) {
    turn_note(turn, "snapshot given up: %s", why);
    turn_exit(turn, STATUS_OK, "snapshot given up: %s", why);
    (void)self;
}

static void ask_piece(void *actor, void *context, struct turn *turn);

static void ask_again(struct replica *self, const char *why, struct turn *turn) {
    if (++self->intake->tries > TRIES_MAX)
        give_up(self, why, turn);
    else
        turn_timer(turn, RETRY_US, ask_piece, NULL);
}

static enum status import_work(void *context) {
    struct intake *intake = context;
    enum status s = point_import(intake->points, intake->data_id,
                                 (struct bytes){intake->bytes.data, intake->bytes.size});
    return s == STATUS_OK && intake->last ? point_store_flush(intake->points) : s;
}

static void
on_imported(void *actor, void *context, const struct outcome *outcome, struct turn *turn) {
    struct replica *self = actor;
    struct intake *intake = self->intake = context;
    if (outcome->status != STATUS_OK) {
        give_up(self, "it could not be stored", turn);
    } else if (intake->last) {
        turn_note(turn, "snapshot of %" PRIu64 " is here: %" PRIu64 " pieces", intake->index,
                  intake->piece + 1);
        seat_install(self->seat, turn);
    } else {
        intake->piece++;
        turn_timer(turn, PAUSE_US, ask_piece, NULL);
    }
}

static void on_piece(void *actor, void *context, const struct outcome *outcome, struct turn *turn) {
    struct replica *self = actor;
    struct intake *intake = self->intake;
    const ShardPiece *piece = outcome_as(outcome, ShardPiece, shard_piece);
    (void)context;
    if (!piece) {
        if (outcome->status == STATUS_NOT_FOUND)
            give_up(self, outcome->text, turn);
        else
            ask_again(self, outcome->text, turn);
        return;
    }
    buffer_clear(&intake->bytes);
    buffer_append(&intake->bytes, piece->data.data, piece->data.len);
    if (intake->bytes.failed || XXH3_64bits(piece->data.data, piece->data.len) != piece->checksum) {
        intake->bytes.failed = false;
        ask_again(self, "a piece is damaged", turn);
        return;
    }
    intake->tries = 0;
    intake->last = piece->last;
    self->intake = NULL; /* the job's */
    turn_block(turn, &(struct block){.work = import_work,
                                     .done = on_imported,
                                     .abandon = intake_free,
                                     .context = intake});
}

static void
on_leader_found(void *actor, void *context, const struct outcome *outcome, struct turn *turn) {
    struct replica *self = actor;
    (void)context;
    if (outcome->status != STATUS_OK) {
        ask_again(self, outcome->text, turn);
        return;
    }
    ShardFetch fetch = SHARD_FETCH__INIT;
    fetch.number = self->intake->number;
    fetch.piece = self->intake->piece;
    turn_call(turn, &(struct call){.to = outcome->handle,
                                   .message = &fetch.base,
                                   .done = on_piece,
                                   .deadline_us = turn_now_us(turn) + CALL_US});
}

static void ask_piece(void *actor, void *context, struct turn *turn) {
    struct replica *self = actor;
    char name[NAME_SIZE];
    (void)context;
    shard_name(self->options.shard, name, sizeof name);
    turn_lookup(turn, &(struct lookup){.address = self->intake->link,
                                       .name = name,
                                       .done = on_leader_found,
                                       .deadline_us = turn_now_us(turn) + CALL_US});
}

static enum status clear_work(void *context) {
    struct intake *intake = context;
    return point_store_drop(intake->points, intake->data_id);
}

static void
on_cleared(void *actor, void *context, const struct outcome *outcome, struct turn *turn) {
    struct replica *self = actor;
    self->intake = context;
    if (outcome->status != STATUS_OK)
        give_up(self, "it could not be stored", turn);
    else
        ask_piece(self, NULL, turn);
}

void transfer_take(void *owner,
                   const struct seat_snapshot *snapshot,
                   const char *link,
                   struct turn *turn) {
    struct replica *self = owner;
    struct intake *intake = mem_zero(1, sizeof *intake);
    if (!intake || strlen(link) >= sizeof intake->link) {
        mem_free(intake);
        give_up(self, "no memory", turn);
        return;
    }
    turn_note(turn, "snapshot of %" PRIu64 " from %s", snapshot->index, link);
    buffer_init(&intake->bytes);
    intake->holding = holding_again(self->holding);
    intake->points = self->options.points;
    intake->number = snapshot->number;
    intake->index = snapshot->index;
    intake->data_id = shard_data_id(self->options.store_id, snapshot->generation);
    memcpy(intake->link, link, strlen(link) + 1);
    turn_block(turn, &(struct block){.work = clear_work,
                                     .done = on_cleared,
                                     .abandon = intake_free,
                                     .context = intake});
}

void transfer_done(void *owner, struct turn *turn) {
    (void)owner;
    turn_exit(turn, STATUS_OK, "begins anew with the leader's snapshot");
}
