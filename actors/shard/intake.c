/* intake: a snapshot from the leader, at the replica that is too far behind for its log. The
 * leader's side is offer.c.
 *
 *     install ─▶ fetch ─▶ piece ─▶ import: points for a store of their own, or the index file
 *                  ▲        └─▶ the next one is fetched while this one is imported
 *                  └── at the rate of the process
 *     … last ─▶ all points are there, durable ─▶ recorded, synced ─▶ the actor begins anew, on them
 *
 * The store that serves is not touched: one synced record switches. Whatever fails before leaves
 * the replica as it was; its next life clears what was imported. The index file comes into a file
 * beside the place of ours, which the next life moves there (load.c): this one may be saving.
 * Without it, or when it turns out bad, the index is built from the points. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#include "actors/shard/replica.h"
#include "runtime/log.h"
#include "runtime/memory.h"

#include "runtime/poison.h"

enum {
    RETRY_US = 300 * 1000,
    TRIES_MAX = 20,
    CALL_US = 5 * 1000 * 1000,
    NAME_SIZE = 64,
    PATH_SIZE = 4096,
    MEBIBYTE = 1024 * 1024,
    TELL_PERCENT = 5, /* between two reports of how far it is */
};

struct intake {
    uint64_t number;
    uint64_t data_id; /* store it goes to */
    uint64_t index;
    uint64_t piece; /* the one asked for */
    uint32_t tries;
    actor_handle leader;          /* 0: to be looked up */
    struct point_intake *points;  /* owned, while no job has it; NULL before the first piece */
    uint64_t began_us, points_us; /* the first piece was asked for, the last of the points came */
    uint64_t bytes;
    struct buffer coming; /* a piece that waits until the one before is stored */
    bool has_coming, coming_file, coming_last;
    bool importing;
    bool filing;      /* a piece of the index file came */
    uint32_t percent; /* of the points */
    char link[CONSENSUS_ADDRESS_MAX + 1];
};

/* A piece on its way into the store. */
struct import {
    struct holding *holding; /* owned hold: the shelf keeps the process's stores */
    struct point_store *points;
    struct point_intake *into; /* owned */
    uint64_t data_id;
    struct buffer bytes;
    bool file, first, last;
    char path[PATH_SIZE]; /* of the index file; "": none is kept */
};

static void import_free(void *context) {
    struct import *import = context;
    point_intake_close(import->into);
    holding_drop(import->holding);
    buffer_free(&import->bytes);
    mem_free(import);
}

void transfer_free(struct replica *self) {
    struct intake *intake = self->intake;
    offer_close(self);
    self->intake = NULL;
    if (!intake) return;
    buffer_free(&intake->coming);
    point_intake_close(intake->points);
    mem_free(intake);
}

int transfer_percent(const struct replica *self) {
    return self->intake ? (int)self->intake->percent : -1;
}

/* The next life begins from what is durable, and clears what was imported. */
static void give_up(const char *why, struct turn *turn) {
    turn_note(turn, "snapshot given up: %s", why);
    turn_exit(turn, STATUS_OK, "snapshot given up: %s", why);
}

/* --- importing -------------------------------------------------------------------------------- */

static void coming_path(const struct import *import, char *text, size_t size) {
    snprintf(text, size, "%s.coming", import->path);
}

static enum status append(const char *path, const struct buffer *bytes, bool first) {
    int file = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | (first ? O_TRUNC : 0), 0600);
    if (file < 0) return STATUS_IO;
    size_t done = 0;
    while (done < bytes->size) {
        ssize_t n = write(file, bytes->data + done, bytes->size - done);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) break;
        done += (size_t)n;
    }
    return close(file) == 0 && done == bytes->size ? STATUS_OK : STATUS_IO;
}

static enum status keep_whole(const char *coming, const char *index) {
    char whole[PATH_SIZE + 16];
    snprintf(whole, sizeof whole, "%s.snapshot", index);
    return rename(coming, whole) == 0 ? STATUS_OK : STATUS_IO;
}

/* The index file is worth having, not needed: a failure leaves none. */
static void import_file(const struct import *import) {
    char path[PATH_SIZE + 16];
    if (!import->path[0]) return;
    coming_path(import, path, sizeof path);
    enum status s = append(path, &import->bytes, import->first);
    if (s == STATUS_OK && import->last) s = keep_whole(path, import->path);
    if (s != STATUS_OK) unlink(path);
}

static enum status import_work(void *context) {
    struct import *import = context;
    enum status s = STATUS_OK;
    if (!import->into) s = point_intake_open(import->points, import->data_id, &import->into);
    if (s == STATUS_OK && import->file)
        import_file(import);
    else if (s == STATUS_OK)
        s = point_intake_piece(import->into,
                               (struct bytes){import->bytes.data, import->bytes.size});
    return s == STATUS_OK && import->last ? point_intake_end(import->into) : s;
}

static void pump(struct replica *self, struct turn *turn);

static double seconds(uint64_t us) {
    return (double)us / 1e6;
}

static void log_whole(const struct replica *self, const struct turn *turn) {
    const struct intake *intake = self->intake;
    uint64_t now = turn_now_us(turn);
    if (intake->bytes < MEBIBYTE) return;
    log_info("shard/%" PRIu64 ": snapshot of entry %" PRIu64 ": %" PRIu64
             " MB in %.2f s (its points in %.2f) from %s",
             self->options.shard, intake->index, intake->bytes / MEBIBYTE,
             seconds(now - intake->began_us), seconds(intake->points_us - intake->began_us),
             intake->link);
}

static void
on_imported(void *actor, void *context, const struct outcome *outcome, struct turn *turn) {
    struct replica *self = actor;
    struct import *import = context;
    struct intake *intake = self->intake;
    bool last = import->last;
    if (intake) {
        intake->points = import->into;
        import->into = NULL;
    }
    import_free(import);
    if (!intake) return;
    intake->importing = false;
    if (outcome->status != STATUS_OK) {
        give_up("it could not be stored", turn);
    } else if (last) {
        turn_note(turn, "snapshot of %" PRIu64 " is here: %" PRIu64 " pieces", intake->index,
                  intake->piece + 1);
        log_whole(self, turn);
        seat_install(self->seat, turn);
    } else {
        pump(self, turn);
    }
}

static struct import *import_new(struct replica *self) {
    struct intake *intake = self->intake;
    struct import *import = mem_zero(1, sizeof *import);
    if (!import) return NULL;
    import->holding = holding_again(self->holding);
    import->points = self->options.points;
    import->data_id = intake->data_id;
    import->into = intake->points;
    intake->points = NULL;
    import->bytes = intake->coming;
    buffer_init(&intake->coming);
    import->file = intake->coming_file;
    import->first = intake->coming_file && !intake->filing;
    import->last = intake->coming_last;
    if (self->options.index_dir)
        shard_index_path(self->options.index_dir, self->options.store_id, import->path,
                         sizeof import->path);
    return import;
}

/* --- fetching --------------------------------------------------------------------------------- */

static void ask_piece(void *actor, void *context, struct turn *turn);

static void ask_again(struct replica *self, const char *why, struct turn *turn) {
    if (++self->intake->tries > TRIES_MAX)
        give_up(why, turn);
    else
        turn_timer(turn, RETRY_US, ask_piece, NULL);
}

/* The piece that came is stored while the next one is fetched. */
static void pump(struct replica *self, struct turn *turn) {
    struct intake *intake = self->intake;
    if (intake->importing || !intake->has_coming) return;
    size_t bytes = intake->coming.size;
    struct import *import = import_new(self);
    if (!import) {
        give_up("no memory", turn);
        return;
    }
    intake->has_coming = false;
    intake->importing = true;
    intake->filing |= import->file;
    bool last = import->last;
    turn_block(turn, &(struct block){.work = import_work,
                                     .done = on_imported,
                                     .abandon = import_free,
                                     .context = import});
    if (last) return;
    intake->piece++;
    uint64_t pause =
        turn_saw(turn, shelf_snapshot_pause(self->options.shelf, bytes, turn_now_us(turn)));
    if (pause > 0)
        turn_timer(turn, pause, ask_piece, NULL);
    else
        ask_piece(self, NULL, turn);
}

static void note_percent(struct replica *self, uint32_t percent, struct turn *turn) {
    struct intake *intake = self->intake;
    if (percent < intake->percent + TELL_PERCENT) return;
    intake->percent = percent / TELL_PERCENT * TELL_PERCENT;
    if (intake->percent > 100) intake->percent = 100;
    peers_tell(self, turn);
}

static void on_piece(void *actor, void *context, const struct outcome *outcome, struct turn *turn) {
    struct replica *self = actor;
    struct intake *intake = self->intake;
    const ShardPiece *piece = outcome_as(outcome, ShardPiece, shard_piece);
    (void)context;
    if (!piece) {
        intake->leader = 0;
        if (outcome->status == STATUS_NOT_FOUND)
            give_up(outcome->text, turn);
        else
            ask_again(self, outcome->text, turn);
        return;
    }
    buffer_clear(&intake->coming);
    buffer_append(&intake->coming, piece->data.data, piece->data.len);
    if (intake->coming.failed ||
        XXH3_64bits(piece->data.data, piece->data.len) != piece->checksum) {
        intake->coming.failed = false;
        ask_again(self, "a piece is damaged", turn);
        return;
    }
    intake->tries = 0;
    intake->bytes += piece->data.len;
    if (!piece->file) intake->points_us = turn_now_us(turn);
    intake->has_coming = true;
    intake->coming_file = piece->file;
    intake->coming_last = piece->last;
    if (!piece->file) note_percent(self, piece->percent, turn);
    pump(self, turn);
}

static void fetch_piece(struct replica *self, struct turn *turn) {
    ShardFetch fetch = SHARD_FETCH__INIT;
    fetch.number = self->intake->number;
    fetch.piece = self->intake->piece;
    turn_call(turn, &(struct call){.to = self->intake->leader,
                                   .message = &fetch.base,
                                   .done = on_piece,
                                   .deadline_us = turn_now_us(turn) + CALL_US});
}

static void
on_leader_found(void *actor, void *context, const struct outcome *outcome, struct turn *turn) {
    struct replica *self = actor;
    (void)context;
    if (outcome->status != STATUS_OK) {
        ask_again(self, outcome->text, turn);
        return;
    }
    self->intake->leader = outcome->handle;
    fetch_piece(self, turn);
}

static void ask_piece(void *actor, void *context, struct turn *turn) {
    struct replica *self = actor;
    char name[NAME_SIZE];
    (void)context;
    if (self->intake->leader) {
        fetch_piece(self, turn);
        return;
    }
    shard_name(self->options.shard, name, sizeof name);
    turn_lookup(turn, &(struct lookup){.address = self->intake->link,
                                       .name = name,
                                       .done = on_leader_found,
                                       .deadline_us = turn_now_us(turn) + CALL_US});
}

/* --- beginning and end ------------------------------------------------------------------------ */

static enum status clear_work(void *context) {
    struct import *import = context;
    return point_store_drop(import->points, import->data_id);
}

static void
on_cleared(void *actor, void *context, const struct outcome *outcome, struct turn *turn) {
    struct replica *self = actor;
    import_free(context);
    if (outcome->status != STATUS_OK) {
        give_up("it could not be stored", turn);
        return;
    }
    self->intake->began_us = turn_now_us(turn);
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
        give_up("no memory", turn);
        return;
    }
    turn_note(turn, "snapshot of %" PRIu64 " from %s", snapshot->index, link);
    buffer_init(&intake->coming);
    intake->number = snapshot->number;
    intake->index = snapshot->index;
    intake->data_id = shard_data_id(self->options.store_id, snapshot->generation);
    memcpy(intake->link, link, strlen(link) + 1);
    self->intake = intake;
    struct import *clear = import_new(self);
    if (!clear) {
        give_up("no memory", turn);
        return;
    }
    peers_tell(self, turn);
    turn_block(turn, &(struct block){.work = clear_work,
                                     .done = on_cleared,
                                     .abandon = import_free,
                                     .context = clear});
}

void transfer_done(void *owner, struct turn *turn) {
    (void)owner;
    turn_exit(turn, STATUS_OK, "begins anew with the leader's snapshot");
}

/* --- the index file's place ------------------------------------------------------------------- */

void shard_take_index(const char *index_dir, uint64_t store_id) {
    char path[PATH_SIZE], whole[PATH_SIZE + 16];
    if (!index_dir) return;
    shard_index_path(index_dir, store_id, path, sizeof path);
    snprintf(whole, sizeof whole, "%s.coming", path);
    unlink(whole); /* of a transfer that did not end */
    snprintf(whole, sizeof whole, "%s.snapshot", path);
    if (rename(whole, path) != 0) unlink(whole); /* mostly it is not there */
}

void shard_drop_index(const char *index_dir, uint64_t store_id) {
    static const char *const ends[] = {"",          ".tmp",     ".coming",
                                       ".snapshot", ".columns", ".columns.tmp"};
    char path[PATH_SIZE], file[PATH_SIZE + 16];
    shard_index_path(index_dir, store_id, path, sizeof path);
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        snprintf(file, sizeof file, "%s%s", path, ends[i]);
        unlink(file);
    }
}
