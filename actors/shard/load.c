/* load: from the stores to SERVING, in jobs on the blocking pool.
 *
 *     CHECK ─▶ REPLAY ─▶ OPEN ─▶ FILL ──────────────────────────▶ PRUNE ─▶ serve
 *                         ▲ │        └▶ COUNT ─▶ OPEN, with a larger tail
 *                         │ └──▶ (COLUMNS ─▶) LIST ─▶ FETCH ────▶ PRUNE
 *                         └─────────────────────────────┘ the same
 *
 * REPLAY: log to points. OPEN: the index file, or an empty one. FILL: all points to the index. With
 * a file the points themselves are not read: COLUMNS reads the file of the payload indexes, when
 * there are any, LIST compares the points' numbers with both, FETCH reads those that one of them
 * lacks. Without a sound file of all payload indexes all points are read.
 *
 * The points are the truth and the index is compared with all of them: so it does not matter how
 * old its file is, nor whether it is older or newer than what the points had kept. Appending a
 * number that is there is nothing; when the index then has more points than there are, it still has
 * removed ones: those are found by number and removed. Nothing waits for linking: a replica without
 * an index file scans at first and serves at once. The index stays the job's until it is whole. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "actors/shard/replica.h"
#include "actors/shard/shard_luggage.h"
#include "index/inspect.h"
#include "runtime/arena.h"
#include "runtime/log.h"
#include "runtime/memory.h"

#include "runtime/poison.h"

enum {
    REPLAY_ENTRIES = 256,       /* in one job */
    FILL_POINTS = 4096,         /* in one job */
    COUNT_POINTS = 65536,       /* in one job */
    LIST_BATCH = 256,           /* numbers compared at a time */
    FETCH_SHARE = 4,            /* with more than one in so many to fetch, all are read in order */
    PRUNE_BATCH = 256,          /* numbers listed at a time */
    HOLDING_LOOK_US = 5 * 1000, /* pause while an older holding is still used */
    LONG_US = 100 * 1000,       /* a load that people are told of */
};

enum load_stage {
    LOAD_CHECK,
    LOAD_REPLAY,
    LOAD_OPEN,
    LOAD_COUNT,
    LOAD_FILL,
    LOAD_COLUMNS,
    LOAD_LIST,
    LOAD_FETCH,
    LOAD_PRUNE,
    LOAD_DONE,
    LOAD_STAGES
};

struct load {
    struct shard_options options; /* copied; borrows the process's stores */
    struct holding *holding;      /* owned hold */
    enum load_stage stage;
    enum load_stage under_way;   /* with the job */
    uint64_t since_us;           /* it is */
    uint64_t spent[LOAD_STAGES]; /* us */
    bool ignore_file;
    struct seat_facts facts; /* of the log */
    uint64_t data_id;        /* store of the points */
    uint64_t last;           /* entries up to here are committed */
    uint64_t applied;        /* to the points */
    struct window window;
    struct index *index; /* owned */
    uint32_t tail_limit; /* what the index takes without tail_extra */
    uint32_t tail_extra;
    uint64_t *numbers; /* owned; of all live points seen: ascending from FILL, by id from LIST */
    size_t n_numbers;
    size_t room_numbers;
    struct point_listing *listing; /* owned; LIST */
    uint64_t *lacking;             /* owned; numbers the index does not have */
    size_t n_lacking, room_lacking, fetched;
    struct index_columns_load *columns; /* owned; NULL: the index has no payload indexes */
    bool in_order;                      /* read all points, the file has too few of them */
    uint64_t n_saved;                   /* points the index file had */
    uint64_t n_pruned;                  /* … and the store does not */
    uint64_t count_from;                /* next number to count */
    uint64_t n_counted;
    struct luggage luggage; /* for whoever records this life; max 0: nobody */
    enum status status;
    char text[REPLICA_WHY_SIZE];
};

void load_free(struct load *load) {
    if (!load) return;
    index_columns_load_close(load->columns);
    index_close(load->index);
    seat_facts_free(&load->facts);
    point_listing_close(load->listing);
    mem_free(load->lacking);
    mem_free(load->numbers);
    holding_drop(load->holding);
    luggage_free(&load->luggage);
    mem_free(load);
}

static void load_abandon(void *context) {
    load_free(context);
}

/* --- on the blocking pool
 * ----------------------------------------------------------------------------- */

static enum status
load_fail(struct load *load, enum status status, const char *what, const char *why) {
    snprintf(load->text, sizeof load->text, "%s: %s", what, why);
    return status;
}

/* What the log has behind the points is applied by the group, once it says what is committed. Only
 * a replica that is all of its group knows by itself: all of it. */
static enum status check(struct load *load) {
    const struct shard_options *options = &load->options;
    struct seat_facts *facts = &load->facts;
    enum status s = seat_facts_read(facts, options->log, options->store_id, options->store_id);
    if (s != STATUS_OK) return load_fail(load, s, "log", kv_error());
    load->data_id = shard_data_id(options->store_id, facts->generation);
    if (load->luggage.max) shard_luggage_pack(options, load->data_id, &load->luggage);
    if (facts->generation > 0)
        s = point_store_drop(options->points,
                             shard_data_id(options->store_id, facts->generation - 1));
    if (s != STATUS_OK) return load_fail(load, s, "points before the snapshot", kv_error());
    struct point_applied applied = {0};
    s = point_store_applied(options->points, load->data_id, KV_ANY, &applied);
    if (s != STATUS_OK) return load_fail(load, s, "points", kv_error());
    if (options->born && facts->empty)
        return load_fail(load, STATUS_CORRUPT, "log", "the data this replica had is gone");
    if (applied.index + 1 < facts->log.first || applied.index > facts->log.last)
        return load_fail(load, STATUS_CORRUPT, "log", "it does not meet the points");
    s = window_load(&load->window, options->points, load->data_id);
    if (s != STATUS_OK) return load_fail(load, s, "window", kv_error());
    shard_take_index(options->index_dir, options->store_id);
    load->applied = applied.index;
    load->last = facts->alone ? facts->log.last : applied.index;
    load->stage = LOAD_REPLAY;
    return STATUS_OK;
}

struct replay {
    struct load *load;
    struct point_batch *batch;
    struct arena arena;
};

static enum status replay_entry(void *context, const struct log_entry *entry) {
    struct replay *replay = context;
    struct apply_entry work = {
        .index = entry->index, .term = entry->term, .type = entry->type, .data = entry->data};
    arena_reset(&replay->arena);
    enum status s = apply_points(&work, &replay->load->window, replay->batch, &replay->arena);
    if (s == STATUS_OK) replay->load->applied = entry->index;
    return s;
}

static enum status replay_piece(struct load *load) {
    const struct shard_options *options = &load->options;
    if (load->applied == load->last) {
        load->stage = LOAD_OPEN;
        return STATUS_OK;
    }
    struct replay replay = {.load = load};
    arena_init(&replay.arena, 0);
    enum status s = point_batch_open(options->points, load->data_id, &replay.batch);
    uint64_t to = load->applied + REPLAY_ENTRIES;
    if (to > load->last) to = load->last;
    if (s == STATUS_OK)
        s = log_store_read(options->log, options->store_id, load->applied + 1, to, replay_entry,
                           &replay);
    point_batch_close(replay.batch);
    arena_free(&replay.arena);
    if (s == STATUS_OK && load->applied != to) s = STATUS_CORRUPT;
    return s == STATUS_OK ? s : load_fail(load, s, "replay", kv_error());
}

static struct index_stats stats_of(const struct load *load) {
    const struct index_view *view = index_view_hold(load->index);
    struct index_stats stats = index_stats(view);
    index_view_drop(view);
    return stats;
}

static void say_unread(uint64_t shard, const char *path) {
    struct index_file_info info;
    if (index_file_info(path, &info) == STATUS_UNIMPLEMENTED)
        log_info("shard/%" PRIu64 ": %s is an index of format %u, which this vectron does not "
                 "read; the index is built anew from the points",
                 shard, path, info.version);
    else
        log_info("shard/%" PRIu64 ": %s is damaged, or of other settings; the index is built anew "
                 "from the points",
                 shard, path);
}

static enum status open_index(struct load *load) {
    const struct shard_options *options = &load->options;
    char path[4096] = "";
    if (options->index_dir && !load->ignore_file)
        shard_index_path(options->index_dir, options->store_id, path, sizeof path);
    struct index_column columns[PAYLOAD_COLUMNS_MAX];
    struct index_options index = {.dimension = options->dimension,
                                  .metric = options->metric,
                                  .seed = options->store_id,
                                  .tail_max = options->tail_max,
                                  .tail_extra = load->tail_extra,
                                  .storage = options->columns.storage,
                                  .originals = options->columns.originals,
                                  .target_recall = options->columns.target_recall,
                                  .columns = columns,
                                  .n_columns = payload_columns_give(&options->columns, columns)};
    uint64_t applied;
    index_columns_load_close(load->columns);
    index_close(load->index);
    load->columns = NULL;
    load->index = NULL;
    enum status s = index_open(&index, path[0] ? path : NULL, &load->index, &applied);
    if (s == STATUS_OK) s = index_wake(load->index);
    if (s == STATUS_CORRUPT) {
        say_unread(options->shard, path);
        unlink(path);
        index_close(load->index);
        load->index = NULL;
        s = index_open(&index, NULL, &load->index, &applied);
    }
    if (s != STATUS_OK) return load_fail(load, s, "index", status_text(s));
    load->n_saved = stats_of(load).points;
    if (load->tail_limit == 0)
        load->tail_limit = (uint32_t)(index_tail_room(load->index) + stats_of(load).tail);
    load->n_numbers = 0;
    load->n_lacking = load->fetched = 0;
    load->stage = load->n_saved == 0 || load->in_order ? LOAD_FILL
                  : index.n_columns > 0                ? LOAD_COLUMNS
                                                       : LOAD_LIST;
    return STATUS_OK;
}

/* The file of payload indexes; without it all payloads are read. */
static enum status read_columns(struct load *load) {
    const struct shard_options *options = &load->options;
    char path[4096];
    bool done = false;
    shard_columns_path(options->index_dir, options->store_id, path, sizeof path);
    enum status s = STATUS_OK;
    if (!load->columns) s = index_columns_load_open(load->index, path, &load->columns);
    if (s == STATUS_OK) s = index_columns_load_step(load->columns, &done);
    if (s == STATUS_OK && done) load->stage = LOAD_LIST;
    if (s == STATUS_OK) return s;
    if (s != STATUS_NOT_FOUND && s != STATUS_CORRUPT)
        return load_fail(load, s, "payload indexes", status_text(s));
    if (s == STATUS_CORRUPT) {
        log_info("shard/%" PRIu64 ": %s is damaged: its payload indexes are built anew from the "
                 "points",
                 options->shard, path);
        (void)unlink(path);
    }
    index_columns_load_close(load->columns);
    load->columns = NULL;
    load->in_order = true;
    load->stage = LOAD_FILL;
    return STATUS_OK;
}

static enum status push_number(uint64_t **list, size_t *n, size_t *room, uint64_t number) {
    if (*n == *room) {
        size_t more = *room ? 2 * *room : FILL_POINTS;
        uint64_t *numbers = mem_resize(*list, more * sizeof *numbers);
        if (!numbers) return STATUS_NO_MEMORY;
        *list = numbers;
        *room = more;
    }
    (*list)[(*n)++] = number;
    return STATUS_OK;
}

static enum status note_number(struct load *load, uint64_t number) {
    return push_number(&load->numbers, &load->n_numbers, &load->room_numbers, number);
}

static enum status fill_point(struct load *load, const struct point *point) {
    if (point->vector.size != load->options.dimension * sizeof(float)) return STATUS_CORRUPT;
    struct index_point entry = {.number = point->number,
                                .vector = point->vector.data,
                                .id = point->id.data,
                                .id_size = (uint32_t)point->id.size,
                                .payload = point->payload.data,
                                .payload_size = point->payload.size};
    enum status s = index_append(load->index, &entry, 1);
    return s == STATUS_OK ? note_number(load, point->number) : s;
}

static uint64_t next_number(const struct load *load) {
    return load->n_numbers ? load->numbers[load->n_numbers - 1] + 1 : 0;
}

/* A piece of the points. */
static enum status fill_piece(struct load *load) {
    struct point_cursor *cursor;
    enum status s =
        point_cursor_open(load->options.points, load->data_id, next_number(load), &cursor);
    if (s != STATUS_OK) return load_fail(load, s, "points", kv_error());
    struct point point;
    for (uint32_t i = 0; s == STATUS_OK && i < FILL_POINTS; i++) {
        if (!point_cursor_next(cursor, &point)) {
            s = point_cursor_status(cursor);
            if (s == STATUS_OK) load->stage = LOAD_PRUNE;
            break;
        }
        s = fill_point(load, &point);
    }
    point_cursor_close(cursor);
    if (s == STATUS_BUSY) {
        load->count_from = next_number(load);
        load->n_counted = 0;
        load->stage = LOAD_COUNT;
        return STATUS_OK;
    }
    return s == STATUS_OK ? s : load_fail(load, s, "points to index", status_text(s));
}

/* How many more points there are than the tail took; then the index is opened with room for them.
 */
static enum status count_piece(struct load *load) {
    struct point_cursor *cursor;
    enum status s =
        point_cursor_open(load->options.points, load->data_id, load->count_from, &cursor);
    if (s != STATUS_OK) return load_fail(load, s, "points", kv_error());
    struct point point;
    uint32_t n = 0;
    while (n < COUNT_POINTS && point_cursor_next(cursor, &point)) {
        load->count_from = point.number + 1;
        n++;
    }
    s = point_cursor_status(cursor);
    point_cursor_close(cursor);
    if (s != STATUS_OK) return load_fail(load, s, "points", kv_error());
    load->n_counted += n;
    if (n == COUNT_POINTS) return STATUS_OK;
    uint64_t extra = load->n_counted + load->tail_limit;
    if (extra > UINT32_MAX) return load_fail(load, STATUS_NO_MEMORY, "index", "too many points");
    load->tail_extra = (uint32_t)extra;
    load->stage = LOAD_OPEN;
    return STATUS_OK;
}

static int rising(const void *left, const void *right) {
    uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
    return a < b ? -1 : a > b;
}

static void sort_numbers(uint64_t *numbers, size_t n) {
    if (n > 0) qsort(numbers, n, sizeof *numbers, rising);
}

static enum status end_list(struct load *load) {
    point_listing_close(load->listing);
    load->listing = NULL;
    if (load->n_lacking > load->n_numbers / FETCH_SHARE) {
        load->in_order = true;
        load->n_numbers = 0;
        load->stage = LOAD_FILL;
        return STATUS_OK;
    }
    sort_numbers(load->lacking, load->n_lacking);
    load->stage = LOAD_FETCH;
    return STATUS_OK;
}

/* Of a few numbers, those that the index does not have, or not in its columns. */
static enum status compare(struct load *load, const uint64_t *numbers, size_t n) {
    uint64_t lacking[LIST_BATCH];
    size_t n_lacking = index_lacking(load->index, numbers, n, lacking);
    if (load->columns) {
        n_lacking = 0; /* they do not know what the index lacks either */
        for (size_t i = 0; i < n; i++)
            if (!index_columns_load_knew(load->columns, numbers[i]))
                lacking[n_lacking++] = numbers[i];
    }
    enum status s = STATUS_OK;
    for (size_t i = 0; s == STATUS_OK && i < n_lacking; i++)
        s = push_number(&load->lacking, &load->n_lacking, &load->room_lacking, lacking[i]);
    return s;
}

/* A piece of the numbers of all points. */
static enum status list_piece(struct load *load) {
    enum status s = STATUS_OK;
    if (!load->listing) s = point_listing_open(load->options.points, load->data_id, &load->listing);
    for (uint32_t listed = 0; s == STATUS_OK && listed < COUNT_POINTS; listed += LIST_BATCH) {
        uint64_t numbers[LIST_BATCH];
        size_t n = 0;
        while (n < LIST_BATCH && point_listing_next(load->listing, &numbers[n]))
            n++;
        s = point_listing_status(load->listing);
        for (size_t i = 0; s == STATUS_OK && i < n; i++)
            s = note_number(load, numbers[i]);
        if (s == STATUS_OK) s = compare(load, numbers, n);
        if (s == STATUS_OK && n < LIST_BATCH) return end_list(load);
    }
    return s == STATUS_OK ? s : load_fail(load, s, "points", kv_error());
}

static enum status fetch_point(struct load *load, uint64_t number) {
    struct point_value value;
    enum status s = point_store_read(load->options.points, load->data_id, number, KV_ANY, &value);
    if (s != STATUS_OK) return s;
    const struct point *point = &value.point;
    struct index_point entry = {.number = number,
                                .vector = point->vector.data,
                                .id = point->id.data,
                                .id_size = (uint32_t)point->id.size,
                                .payload = point->payload.data,
                                .payload_size = point->payload.size};
    s = point->vector.size == load->options.dimension * sizeof(float)
            ? index_append(load->index, &entry, 1)
            : STATUS_CORRUPT;
    point_value_free(&value);
    return s;
}

/* A piece of the points that the index lacks. */
static enum status fetch_piece(struct load *load) {
    enum status s = STATUS_OK;
    for (uint32_t i = 0; s == STATUS_OK && i < FILL_POINTS && load->fetched < load->n_lacking;
         i++) {
        s = fetch_point(load, load->lacking[load->fetched]);
        load->fetched += s == STATUS_OK;
    }
    if (s == STATUS_BUSY) {
        load->tail_extra = (uint32_t)(load->n_lacking + load->tail_limit);
        load->stage = LOAD_OPEN;
        return STATUS_OK;
    }
    if (s == STATUS_OK && load->fetched == load->n_lacking) load->stage = LOAD_PRUNE;
    return s == STATUS_OK ? s : load_fail(load, s, "points to index", kv_error());
}

static bool is_live(const struct load *load, uint64_t number) {
    size_t low = 0;
    size_t high = load->n_numbers;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (load->numbers[middle] < number)
            low = middle + 1;
        else
            high = middle;
    }
    return low < load->n_numbers && load->numbers[low] == number;
}

/* Removes what the index file had and the points have no more. */
static enum status prune(struct load *load) {
    load->stage = LOAD_DONE;
    if (stats_of(load).points == load->n_numbers) return STATUS_OK;
    if (!load->in_order) sort_numbers(load->numbers, load->n_numbers);
    const struct index_view *view = index_view_hold(load->index);
    uint64_t numbers[PRUNE_BATCH];
    uint32_t slot = 0;
    size_t n;
    enum status s = STATUS_OK;
    while (s == STATUS_OK && (n = index_numbers(view, &slot, numbers, PRUNE_BATCH)) > 0)
        for (size_t i = 0; s == STATUS_OK && i < n; i++)
            if (!is_live(load, numbers[i])) {
                s = index_remove(load->index, numbers[i]);
                load->n_pruned++;
            }
    index_view_drop(view);
    if (s == STATUS_OK && stats_of(load).points != load->n_numbers) s = STATUS_CORRUPT;
    return s == STATUS_OK ? s : load_fail(load, s, "index", "it does not meet the points");
}

static enum status load_work(void *context) {
    struct load *load = context;
    switch (load->stage) {
    case LOAD_CHECK:
        load->status = check(load);
        break;
    case LOAD_REPLAY:
        load->status = replay_piece(load);
        break;
    case LOAD_OPEN:
        load->status = open_index(load);
        break;
    case LOAD_COUNT:
        load->status = count_piece(load);
        break;
    case LOAD_FILL:
        load->status = fill_piece(load);
        break;
    case LOAD_COLUMNS:
        load->status = read_columns(load);
        break;
    case LOAD_LIST:
        load->status = list_piece(load);
        break;
    case LOAD_FETCH:
        load->status = fetch_piece(load);
        break;
    case LOAD_PRUNE:
        load->status = prune(load);
        break;
    case LOAD_DONE:
    case LOAD_STAGES:
        break;
    }
    return STATUS_OK;
}

/* --- in the lane
 * --------------------------------------------------------------------------------------- */

static void on_piece(void *actor, void *context, const struct outcome *outcome, struct turn *turn);

static void next_piece(struct replica *self, struct turn *turn) {
    struct load *load = self->load;
    load->under_way = load->stage;
    load->since_us = turn_now_us(turn);
    self->load = NULL; /* the job's from now on */
    turn_block(turn,
               &(struct block){
                   .work = load_work, .done = on_piece, .abandon = load_abandon, .context = load});
}

static void restart(void *actor, void *context, struct turn *turn) {
    (void)context;
    load_start(actor, turn);
}

static double seconds_in(const struct load *load, enum load_stage from, enum load_stage to) {
    uint64_t us = 0;
    for (enum load_stage stage = from; stage <= to; stage++)
        us += load->spent[stage];
    return (double)us / 1e6;
}

static void log_long(const struct load *load) {
    double all = seconds_in(load, LOAD_CHECK, LOAD_DONE);
    if (all < LONG_US / 1e6) return;
    log_info("shard/%" PRIu64 ": loaded in %.2f s: log %.2f, index file %.2f, comparing %zu points "
             "%.2f, reading %zu of them %.2f",
             load->options.shard, all, seconds_in(load, LOAD_CHECK, LOAD_REPLAY),
             seconds_in(load, LOAD_OPEN, LOAD_OPEN), load->n_numbers,
             seconds_in(load, LOAD_LIST, LOAD_LIST) + seconds_in(load, LOAD_PRUNE, LOAD_PRUNE),
             load->in_order || load->n_saved == 0 ? load->n_numbers : load->n_lacking,
             seconds_in(load, LOAD_COUNT, LOAD_FILL) + seconds_in(load, LOAD_FETCH, LOAD_FETCH));
}

static void load_done(struct replica *self, struct turn *turn) {
    struct load *load = self->load;
    log_long(load);
    self->window = load->window;
    struct load_result result = {.facts = &load->facts,
                                 .applied = load->applied,
                                 .tail_limit = load->tail_limit,
                                 .tail_extra = load->tail_extra};
    self->changes = load->n_numbers - (load->n_saved - load->n_pruned) + load->n_pruned;
    self->changed_us = turn_now_us(turn);
    self->holding->store_id = load->data_id;
    holding_publish(self->holding, &load->index);
    self->load = NULL;
    self->columns_unsaved = turn_saw(turn, load->options.columns.n > 0 && !load->columns) != 0;
    replica_serve(self, &result, turn);
    columns_settle(self, &load->options.columns, turn); /* it may have been told of others */
    load_free(load);
}

static void load_failed(struct replica *self, struct turn *turn) {
    struct load *load = self->load;
    bool by_file = load->stage >= LOAD_COUNT && load->status != STATUS_NO_MEMORY;
    if (by_file &&
        !load->ignore_file) { /* the file contradicts the points: once more, without it */
        turn_note(turn, "%s: building the index anew", load->text);
        load->ignore_file = true;
        load->status = STATUS_OK;
        load->stage = LOAD_OPEN;
        next_piece(self, turn);
        return;
    }
    replica_fail(self, load->status, "load", load->text, turn);
    load_free(load);
    self->load = NULL;
}

static void on_piece(void *actor, void *context, const struct outcome *outcome, struct turn *turn) {
    struct replica *self = actor;
    struct load *load = context;
    self->load = load;
    load->spent[load->under_way] += turn_now_us(turn) - load->since_us;
    if (outcome->status != STATUS_OK) load->status = outcome->status;
    if (load->luggage.max) {
        bool refused = load->luggage.status != STATUS_OK;
        turn_keep(turn, &load->luggage.bytes, refused ? load->luggage.why : NULL);
        load->luggage.max = 0;
    }
    if (load->status != STATUS_OK)
        load_failed(self, turn);
    else if (load->stage == LOAD_DONE)
        load_done(self, turn);
    else
        next_piece(self, turn);
}

void load_start(struct replica *self, struct turn *turn) {
    const struct shard_options *options = &self->options;
    struct holding like = {.shard = options->shard,
                           .store_id = options->store_id,
                           .dimension = options->dimension,
                           .metric = options->metric,
                           .exact = options->columns.exact,
                           .rescore = options->columns.rescore};
    enum status s = holding_open(options->shelf, &like, &self->holding);
    s = (enum status)turn_saw(turn, s);
    struct load *load = s == STATUS_OK ? mem_zero(1, sizeof *load) : NULL;
    if (!load) {
        /* An earlier incarnation's last search or job still uses the store, or there is no memory
         * now. */
        holding_close(self->holding);
        self->holding = NULL;
        turn_timer(turn, HOLDING_LOOK_US, restart, NULL);
        return;
    }
    load->options = *options;
    load->holding = holding_again(self->holding);
    luggage_init(&load->luggage, turn_recorded(turn));
    self->load = load;
    next_piece(self, turn);
}
