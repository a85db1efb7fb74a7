/* columns: payload indexes that a filter asks for and nobody declared, built on first use: the
 * column begins, so that new points write it, then every point's payload is read.
 *
 *     ShardSearch with a filter ─▶ missing? ─▶ index_column_begin ─▶ job: a piece of the points'
 * payloads ▲                    └─▶ lane: index_column_fill ─┐ └──────────────── next piece
 * ◀──────────────────┘
 *
 * The search is forwarded at once and waits at its searcher until the column is complete. What a
 * job finds may have gone meanwhile, or may have been written by its own append: both are fine. */
#include <inttypes.h>
#include <string.h>

#include "actors/shard/replica.h"
#include "runtime/arena.h"
#include "runtime/memory.h"

#include "runtime/poison.h"

enum {
    FILL_POINTS = 2048,           /* in one job */
    FILL_BYTES = 4 * 1024 * 1024, /* of payloads in one job, and the last one */
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
    uint32_t n_rows;
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
    fill->n_rows = 0;
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

static enum status take_piece(struct replica *self, const struct fill *fill) {
    for (uint32_t i = 0; i < fill->n_rows; i++) {
        const struct filled *row = &fill->rows[i];
        enum status s = index_column_fill(self->holding->index, row->number, row->payload.data,
                                          row->payload.size);
        if (s != STATUS_OK && s != STATUS_NOT_FOUND) return s;
    }
    return STATUS_OK;
}

static void on_piece(void *actor, void *context, const struct outcome *outcome, struct turn *turn) {
    struct replica *self = actor;
    struct fill *fill = context;
    enum status s = outcome->status;
    if (s == STATUS_OK) s = take_piece(self, fill);
    s = (enum status)turn_saw(turn, s);
    if (s == STATUS_OK) self->filled += turn_saw(turn, fill->n_rows);
    if (s == STATUS_OK && !turn_saw(turn, fill->at_end)) {
        next_piece(fill, turn);
        return;
    }
    fill_free(fill);
    if (s != STATUS_OK) {
        turn_note(turn, "payload index: %s", status_name(s));
        turn_timer(turn, AGAIN_US, start_again, NULL);
        return;
    }
    self->filling = false;
    if (self->fill_again) { /* a column began while others were filled */
        self->fill_again = false;
        columns_fill(self, turn);
        return;
    }
    index_columns_complete(self->holding->index);
    replica_link(self, turn); /* sorts them */
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
            s = turn_fail(turn, STATUS_INVALID,
                          "the filter asks for \"%.*s\" as %s, which is not among the %d payload "
                          "indexes of shard %" PRIu64 ", the limit: declare the keys that matter "
                          "in payload_indexes when the collection is created",
                          (int)missing[i].key.size, missing[i].key.data,
                          filter_type_name(missing[i].type), INDEX_COLUMNS_MAX,
                          self->options.shard);
    }
    arena_free(&arena);
    if (began) columns_fill(self, turn);
    return s;
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
        state->columns[state->n_columns++] = &rows[i];
    }
    return true;
}
