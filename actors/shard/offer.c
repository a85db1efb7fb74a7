/* offer: a snapshot for a replica that is too far behind for the log; the leader's side. The
 * follower's is intake.c.
 *
 *     wanted by consensus ─▶ export opened (one view of the store), index file opened ─▶ install,
 *     with its number ─▶ ShardFetch n ─▶ the nth piece, while the next one is read
 *
 * A piece is of the points, then of the index file as it is: the follower compares what is in it
 * with its points, as every start does, so its age does not matter. The last piece is sent again
 * when its answer was lost: a transfer goes on where it stopped, as long as this leader lives. */
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#include "actors/shard/replica.h"
#include "runtime/memory.h"

#include "runtime/poison.h"

enum {
    PIECE_BYTES = 1024 * 1024,
    IDLE_US = 30 * 1000 * 1000, /* an offer nobody fetches from is closed … */
    GONE_US = 10 * 1000 * 1000, /* … or gives way to another follower's … */
    DONE_US = 1000 * 1000,      /* … sooner when all of it was fetched */
    PATH_SIZE = 4096,
};

struct piece_facts {
    bool file, last;
    uint32_t percent;
};

struct offer {
    uint64_t number, to;
    struct holding *holding; /* owned hold */
    struct point_store *points;
    struct point_export *export; /* owned */
    struct point_applied applied;
    char path[PATH_SIZE]; /* of the index file; "": there is none */
    int file;             /* its index file, owned; -1: there is none */
    uint64_t file_at;     /* read so far */
    uint64_t n_points;    /* about; of the whole */
    bool points_sent;
    uint64_t next;              /* number of the piece ahead */
    struct buffer piece, ahead; /* sent last, and the one that is read meanwhile */
    struct piece_facts sent, read;
    bool has_ahead, busy, unwanted;
    bool owed; /* somebody waits for the piece ahead */
    struct promise promise;
    uint64_t touched_us;
};

static void offer_free(void *context) {
    struct offer *offer = context;
    if (!offer) return;
    point_export_close(offer->export);
    holding_drop(offer->holding);
    if (offer->file >= 0) close(offer->file);
    buffer_free(&offer->piece);
    buffer_free(&offer->ahead);
    mem_free(offer);
}

/* One that a job works on goes when the job has ended. */
void offer_close(struct replica *self) {
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
    return now - offer->touched_us >= (offer->sent.last ? DONE_US : GONE_US);
}

/* A save while it is read touches nothing that its root leads to (index-file.md). */
static enum status open_work(void *context) {
    struct offer *offer = context;
    if (offer->path[0]) offer->file = open(offer->path, O_RDONLY | O_CLOEXEC);
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
    buffer_init(&offer->ahead);
    offer->file = -1;
    if (self->options.index_dir)
        shard_index_path(self->options.index_dir, self->options.store_id, offer->path,
                         sizeof offer->path);
    offer->n_points = index_stats(self->holding->view).points;
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

/* --- pieces: of the points, then of the index file */

static enum status read_file(struct offer *offer) {
    unsigned char *at = buffer_reserve(&offer->ahead, PIECE_BYTES);
    if (!at) return STATUS_NO_MEMORY;
    ssize_t n = pread(offer->file, at, PIECE_BYTES, (off_t)offer->file_at);
    if (n < 0) return STATUS_IO;
    offer->ahead.size += (size_t)n;
    offer->file_at += (uint64_t)n;
    offer->read.file = true;
    offer->read.last = n < PIECE_BYTES;
    return STATUS_OK;
}

static enum status read_work(void *context) {
    struct offer *offer = context;
    bool points_end = false;
    buffer_clear(&offer->ahead);
    if (offer->points_sent) return read_file(offer);
    enum status s = point_export_next(offer->export, PIECE_BYTES, &offer->ahead, &points_end);
    uint64_t n = point_export_points(offer->export);
    if (n > offer->n_points) offer->n_points = n;
    offer->read.percent = offer->n_points ? (uint32_t)(n * 100 / offer->n_points) : 100;
    offer->points_sent = points_end;
    offer->read.last = points_end && offer->file < 0;
    return s;
}

static void
on_piece_read(void *actor, void *context, const struct outcome *outcome, struct turn *turn);

static void read_ahead(struct offer *offer, struct turn *turn) {
    offer->busy = true;
    turn_block(turn, &(struct block){.work = read_work,
                                     .done = on_piece_read,
                                     .abandon = offer_free,
                                     .context = offer});
}

static void
answer_piece(const struct offer *offer, const struct promise *promise, struct turn *turn) {
    ShardPiece piece = SHARD_PIECE__INIT;
    piece.data = (ProtobufCBinaryData){offer->piece.size, offer->piece.data};
    piece.checksum = XXH3_64bits(offer->piece.data, offer->piece.size);
    piece.last = offer->sent.last;
    piece.file = offer->sent.file;
    piece.percent = offer->sent.percent;
    turn_resolve(turn, promise, &piece.base);
}

/* The piece ahead is sent, and the next one read while that travels. */
static void give(struct offer *offer, const struct promise *promise, struct turn *turn) {
    struct buffer sent = offer->piece;
    offer->piece = offer->ahead;
    offer->ahead = sent;
    offer->sent = offer->read;
    offer->has_ahead = false;
    offer->next++;
    answer_piece(offer, promise, turn);
    if (!offer->sent.last) read_ahead(offer, turn);
}

static void
on_piece_read(void *actor, void *context, const struct outcome *outcome, struct turn *turn) {
    struct replica *self = actor;
    struct offer *offer = context;
    bool owed = offer->owed;
    offer->busy = offer->owed = false;
    offer->has_ahead = outcome->status == STATUS_OK;
    offer->read.last = turn_saw(turn, offer->read.last);
    offer->read.file = turn_saw(turn, offer->read.file);
    offer->read.percent = (uint32_t)turn_saw(turn, offer->read.percent);
    if (owed && (!offer->has_ahead || offer->unwanted))
        turn_reject(turn, &offer->promise, STATUS_NOT_FOUND, "the snapshot cannot be read");
    else if (owed)
        give(offer, &offer->promise, turn);
    if (offer->unwanted)
        offer_free(offer);
    else if (outcome->status != STATUS_OK)
        offer_close(self);
}

enum status transfer_fetch(struct replica *self, const ShardFetch *msg, struct turn *turn) {
    struct offer *offer = self->offer;
    if (!offer || offer->number != msg->number || !offer->export)
        return turn_fail(turn, STATUS_NOT_FOUND, "there is no such snapshot");
    bool again = offer->next > 0 && msg->piece == offer->next - 1;
    if (!again && (msg->piece != offer->next || offer->sent.last)) {
        offer_close(self); /* the follower began anew, this one cannot go back */
        return turn_fail(turn, STATUS_NOT_FOUND, "the snapshot is at another piece");
    }
    if (!again && offer->owed) return turn_fail(turn, STATUS_BUSY, "the piece is being read");
    offer->touched_us = turn_now_us(turn);
    const struct promise promise = turn_defer(turn);
    if (again) {
        answer_piece(offer, &promise, turn);
    } else if (offer->has_ahead) {
        give(offer, &promise, turn);
    } else {
        offer->owed = true;
        offer->promise = promise;
        if (!offer->busy) read_ahead(offer, turn);
    }
    return STATUS_OK;
}
