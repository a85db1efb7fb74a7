/* columns: payload indexes that come and go while the shard serves: declared ones, as the keeper
 * tells (ShardColumns), and those that a filter asks for and nobody declared, built on first use.
 * The column begins, so that new points write it, then every point's payload is read.
 *
 *     ShardColumns, ShardSearch ─▶ missing? ─▶ index_column_begin ─▶ job: a piece of the payloads
 *                                                                    ▲    │
 *                                     lane: index_column_fill, in steps ◀─┘
 *
 * A search is forwarded at once and waits at its searcher until the column is complete. What a
 * job finds may have gone meanwhile, or may have been written by its own append: both are fine.
 * What every replica has is equal in the end, as all are told the same; until then they answer
 * alike, as an index decides how a filter is answered and never with what. A declared one that
 * finds all places taken gets that of one built on first use. */
#include <inttypes.h>
#include <string.h>

#include "actors/shard/replica.h"
#include "runtime/arena.h"
#include "runtime/memory.h"

#include "runtime/poison.h"

enum {
    FILL_POINTS = 2048,           /* in one job */
    FILL_BYTES = 4 * 1024 * 1024, /* of payloads in one job, and the last one */
    STEP_POINTS = 256,            /* given to the index in one turn */
    AGAIN_US = 500 * 1000,        /* after a failure */
};

struct filled {
    uint64_t number;
    struct bytes payload; /* in the arena */
};

struct fill {
    struct holding *holding; /* owned hold */
    struct point_store *points;
    uint64_t next; /* number to go on from */
    bool at_end;
    struct filled *rows; /* owned; FILL_POINTS */
    uint32_t n_rows, taken;
    struct arena arena;
};

static void fill_free(void *context) {
    struct fill *fill = context;
    holding_drop(fill->holding);
    arena_free(&fill->arena);
    mem_free(fill->rows);
    mem_free(fill);
}

/* --- on the blocking pool
 * ----------------------------------------------------------------------------- */

static enum status fill_work(void *context) {
    struct fill *fill = context;
    struct point_cursor *cursor;
    struct point point;
    size_t bytes = 0;
    arena_reset(&fill->arena);
    fill->n_rows = fill->taken = 0;
    enum status s = point_cursor_open(fill->points, fill->holding->store_id, fill->next, &cursor);
    if (s != STATUS_OK) return s;
    while (fill->n_rows < FILL_POINTS && bytes < FILL_BYTES) {
        if (!point_cursor_next(cursor, &point)) {
            s = point_cursor_status(cursor);
            fill->at_end = s == STATUS_OK;
            break;
        }
        void *copy = arena_alloc(&fill->arena, point.payload.size);
        if (!copy) {
            s = STATUS_NO_MEMORY;
            break;
        }
        if (point.payload.size) memcpy(copy, point.payload.data, point.payload.size);
        fill->rows[fill->n_rows++] = (struct filled){point.number, {copy, point.payload.size}};
        bytes += point.payload.size;
        fill->next = point.number + 1;
    }
    point_cursor_close(cursor);
    return s;
}

/* --- in the lane
 * --------------------------------------------------------------------------------------- */

static void on_piece(void *actor, void *context, const struct outcome *outcome, struct turn *turn);

static void next_piece(struct fill *fill, struct turn *turn) {
    turn_block(turn,
               &(struct block){
                   .work = fill_work, .done = on_piece, .abandon = fill_free, .context = fill});
}

static void start_again(void *actor, void *context, struct turn *turn) {
    struct replica *self = actor;
    (void)context;
    self->filling = false;
    columns_fill(self, turn);
}

static enum status take_rows(struct replica *self, struct fill *fill) {
    uint32_t end =
        fill->taken + STEP_POINTS < fill->n_rows ? fill->taken + STEP_POINTS : fill->n_rows;
    for (; fill->taken < end; fill->taken++) {
        const struct filled *row = &fill->rows[fill->taken];
        enum status s = index_column_fill(self->holding->index, row->number, row->payload.data,
                                          row->payload.size);
        if (s != STATUS_OK && s != STATUS_NOT_FOUND) return s;
    }
    return STATUS_OK;
}

static void fill_failed(struct fill *fill, enum status s, struct turn *turn) {
    fill_free(fill);
    turn_note(turn, "payload index: %s", status_name(s));
    turn_timer(turn, AGAIN_US, start_again, NULL);
}

/* The whole of the points was read. */
static void fill_done(struct replica *self, struct fill *fill, struct turn *turn) {
    fill_free(fill);
    self->filling = false;
    if (self->fill_again) { /* a column began while others were filled */
        self->fill_again = false;
        columns_fill(self, turn);
        return;
    }
    index_columns_complete(self->holding->index);
    self->columns_unsaved = true;
    upkeep_arm_save(self, turn);
    replica_link(self, turn); /* sorts them */
}

static void give_rows(void *actor, void *context, struct turn *turn) {
    struct replica *self = actor;
    struct fill *fill = self->fill;
    (void)context;
    if (self->state == REPLICA_QUARANTINED) return;
    uint32_t before = fill->taken;
    enum status s = (enum status)turn_saw(turn, take_rows(self, fill));
    self->filled += turn_saw(turn, fill->taken - before);
    if (s == STATUS_OK && turn_saw(turn, fill->taken < fill->n_rows)) {
        turn_later(turn, give_rows, NULL);
        return;
    }
    self->fill = NULL;
    if (s != STATUS_OK)
        fill_failed(fill, s, turn);
    else if (turn_saw(turn, fill->at_end))
        fill_done(self, fill, turn);
    else
        next_piece(fill, turn);
}

static void on_piece(void *actor, void *context, const struct outcome *outcome, struct turn *turn) {
    struct replica *self = actor;
    struct fill *fill = context;
    enum status s = (enum status)turn_saw(turn, outcome->status);
    if (s != STATUS_OK) {
        fill_failed(fill, s, turn);
        return;
    }
    self->fill = fill;
    give_rows(self, NULL, turn);
}

void columns_free(struct replica *self) {
    if (self->fill) fill_free(self->fill);
    self->fill = NULL;
}

void columns_fill(struct replica *self, struct turn *turn) {
    if (self->filling) {
        self->fill_again = true;
        return;
    }
    struct fill *fill = mem_zero(1, sizeof *fill);
    struct filled *rows = mem_alloc(FILL_POINTS * sizeof *rows);
    if (!fill || !rows) {
        mem_free(fill);
        mem_free(rows);
        self->filling = true;
        turn_timer(turn, AGAIN_US, start_again, NULL);
        return;
    }
    self->filling = true;
    self->filled = 0;
    arena_init(&fill->arena, 0);
    fill->rows = rows;
    fill->holding = holding_again(self->holding);
    fill->points = self->options.points;
    next_piece(fill, turn);
}

enum status
columns_demand(struct replica *self, FilterNode *const *nodes, size_t n_nodes, struct turn *turn) {
    struct arena arena;
    struct filter filter;
    struct index_column missing[COLUMNS_DEMAND_MAX];
    arena_init(&arena, 0);
    enum status s = filters_read(nodes, n_nodes, &arena, &filter);
    if (s != STATUS_OK) {
        arena_free(&arena);
        return turn_fail(turn, s, "filter");
    }
    size_t n = index_columns_missing(self->holding->view, &filter, missing, COLUMNS_DEMAND_MAX);
    bool began = false;
    for (size_t i = 0; s == STATUS_OK && i < n; i++) {
        s = index_column_begin(self->holding->index, &missing[i]);
        began |= s == STATUS_OK;
        if (s == STATUS_EXISTS) s = STATUS_OK; /* being filled */
        if (s == STATUS_QUOTA)
            s = turn_fail(turn, STATUS_QUOTA,
                          "the filter asks for \"%.*s\" as %s, which is not among the %d payload "
                          "indexes of shard %" PRIu64 ", the limit: create those that matter, "
                          "drop those that do not",
                          (int)missing[i].key.size, missing[i].key.data,
                          filter_type_name(missing[i].type), INDEX_COLUMNS_MAX,
                          self->options.shard);
    }
    arena_free(&arena);
    if (began) columns_fill(self, turn);
    return s;
}

/* --- declared ones
 * ------------------------------------------------------------------------------------------ */

/* A place for a declared one: that of the youngest nobody declared. */
static bool make_place(struct replica *self) {
    struct index_column_stats stats[INDEX_COLUMNS_MAX];
    size_t n = index_columns(self->holding->view, stats, INDEX_COLUMNS_MAX);
    const struct payload_columns *declared = &self->options.columns;
    while (n-- > 0) {
        const struct index_column *column = &stats[n].column;
        if (payload_columns_find(declared, &column->key, column->type) < declared->n) continue;
        return index_column_drop(self->holding->index, column) == STATUS_OK;
    }
    return false;
}

static void settle_again(void *actor, void *context, struct turn *turn) {
    struct replica *self = actor;
    (void)context;
    self->settle_armed = false;
    columns_settle(self, &self->options.columns, turn);
}

/* *began: some did. False: not all could. */
static bool begin_declared(struct replica *self, bool *began) {
    struct index_column columns[PAYLOAD_COLUMNS_MAX];
    uint32_t n = payload_columns_give(&self->options.columns, columns);
    bool all = true;
    for (uint32_t i = 0; i < n; i++) {
        enum status s = index_column_begin(self->holding->index, &columns[i]);
        if (s == STATUS_QUOTA && make_place(self))
            s = index_column_begin(self->holding->index, &columns[i]);
        *began |= s == STATUS_OK;
        all = all && (s == STATUS_OK || s == STATUS_EXISTS);
    }
    return all;
}

/* True: some went. */
static bool drop_undeclared(struct replica *self, const struct payload_columns *before) {
    struct index_column columns[PAYLOAD_COLUMNS_MAX];
    const struct payload_columns *now = &self->options.columns;
    uint32_t n = payload_columns_give(before, columns);
    bool dropped = false;
    for (uint32_t i = 0; i < n; i++)
        if (payload_columns_find(now, &columns[i].key, columns[i].type) == now->n)
            dropped |= index_column_drop(self->holding->index, &columns[i]) == STATUS_OK;
    return dropped;
}

void columns_settle(struct replica *self, const struct payload_columns *before, struct turn *turn) {
    bool began = false, dropped = drop_undeclared(self, before);
    bool all = begin_declared(self, &began);
    began = turn_saw(turn, began) != 0;
    dropped = turn_saw(turn, dropped) != 0;
    if (began) columns_fill(self, turn);
    if (dropped) {
        self->columns_unsaved = true;
        upkeep_arm_save(self, turn);
        replica_link(self, turn); /* gives their memory back */
    }
    if (turn_saw(turn, all) || self->settle_armed) return;
    self->settle_armed = true;
    turn_timer(turn, AGAIN_US, settle_again, NULL);
}

enum status columns_told(struct replica *self, const ShardColumns *msg, struct turn *turn) {
    struct payload_columns before = self->options.columns, now;
    enum status s = payload_columns_read(msg->payload_indexes.data, msg->payload_indexes.len, &now);
    if (s != STATUS_OK) return turn_fail(turn, s, "payload indexes");
    /* How vectors are kept stays as it was when the index was opened. */
    self->options.columns.n = now.n;
    memcpy(self->options.columns.of, now.of, sizeof now.of);
    bool open = self->state != REPLICA_QUARANTINED && self->holding && self->holding->index;
    if (open) columns_settle(self, &before, turn); /* else when it is loaded */
    return STATUS_OK;
}

bool columns_tell(const struct replica *self, ShardState *state, struct turn *turn) {
    struct index_column_stats stats[INDEX_COLUMNS_MAX];
    size_t n = index_columns(self->holding->view, stats, INDEX_COLUMNS_MAX);
    ShardColumn *rows = turn_alloc(turn, (n + 1) * sizeof *rows);
    PayloadColumn *columns = turn_alloc(turn, (n + 1) * sizeof *columns);
    state->columns = turn_alloc(turn, (n + 1) * sizeof *state->columns);
    if (!rows || !columns || !state->columns) return false;
    for (size_t i = 0; i < n; i++) {
        const struct index_column *column = &stats[i].column;
        char *key = turn_alloc(turn, (size_t)column->key.size + 1);
        if (!key) return false;
        memcpy(key, column->key.data, column->key.size);
        key[column->key.size] = '\0';
        payload_column__init(&columns[i]);
        columns[i].key = key;
        columns[i].type = column->type;
        shard_column__init(&rows[i]);
        rows[i].column = &columns[i];
        rows[i].complete = turn_saw(turn, stats[i].complete) != 0;
        rows[i].values = turn_saw(turn, stats[i].values);
        rows[i].unread = turn_saw(turn, stats[i].unread);
        rows[i].texts = turn_saw(turn, stats[i].texts);
        rows[i].bytes = turn_saw(turn, stats[i].bytes);
        rows[i].declared = payload_columns_find(&self->options.columns, &column->key,
                                                column->type) < self->options.columns.n;
        state->columns[state->n_columns++] = &rows[i];
    }
    return true;
}
