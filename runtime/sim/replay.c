/* replay: a recording is read into one list by time. Its answers wait with stand-ins, one for each
 * name the actor was answered by; a stand-in accepts every message there is and gives its next
 * answer, whatever it is asked. */
#include "runtime/sim/replay.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/codec.h"
#include "runtime/memory.h"
#include "runtime/raw.h"
#include "runtime/turn_state.h"
#include "schemas/messages.h"
#include "schemas/sys.pb-c.h"

enum { MAGIC_SIZE = sizeof REPLAY_MAGIC - 1, LENGTH_SIZE = 4, ROWS_MAX = 1 << 20 };

struct rows {
    struct arena arena;
    const SysMessage **rows; /* owned */
    size_t n, room;
};

/* --- reading
 * -------------------------------------------------------------------------------------- */

static enum status add_row(struct rows *rows, const SysMessage *row) {
    if (rows->n == ROWS_MAX) return STATUS_TOO_LARGE;
    if (rows->n == rows->room) {
        size_t more = rows->room ? rows->room * 2 : 256;
        const SysMessage **bigger = mem_resize(rows->rows, more * sizeof *bigger);
        if (!bigger) return STATUS_NO_MEMORY;
        rows->rows = bigger;
        rows->room = more;
    }
    rows->rows[rows->n++] = row;
    return STATUS_OK;
}

static uint32_t op_of(const char *name) {
    for (size_t i = 0; schema_messages[i]; i++)
        if (strcmp(schema_messages[i]->name, name) == 0) return codec_op(schema_messages[i]);
    return 0;
}

static enum status read_part(struct rows *rows, const unsigned char *at, size_t size) {
    ProtobufCMessage *message = NULL;
    enum status s = codec_decode(&sys_tapped__descriptor, at, size, &rows->arena, &message, NULL);
    const SysTapped *part = (const SysTapped *)message;
    for (size_t i = 0; s == STATUS_OK && i < part->n_messages; i++) {
        const SysMessage *row = part->messages[i];
        s = op_of(row->message) ? add_row(rows, row) : STATUS_INVALID;
    }
    return s;
}

static enum status read_rows(struct rows *rows, const unsigned char *at, size_t size) {
    if (size < MAGIC_SIZE || memcmp(at, REPLAY_MAGIC, MAGIC_SIZE) != 0) return STATUS_INVALID;
    enum status s = STATUS_OK;
    for (size_t i = MAGIC_SIZE; i < size && s == STATUS_OK;) {
        if (size - i < LENGTH_SIZE) return STATUS_INVALID;
        size_t length = (size_t)at[i] | (size_t)at[i + 1] << 8 | (size_t)at[i + 2] << 16 |
                        (size_t)at[i + 3] << 24;
        i += LENGTH_SIZE;
        if (length > size - i) return STATUS_INVALID;
        s = read_part(rows, at + i, length);
        i += length;
    }
    return s;
}

/* Lanes send parts of their own, so parts are not in order of time. */
static int by_time(const void *a, const void *b) {
    uint64_t x = (*(const SysMessage *const *)a)->at_us, y = (*(const SysMessage *const *)b)->at_us;
    return (x > y) - (x < y);
}

/* --- stand-ins
 * ------------------------------------------------------------------------------------ */

struct stand_in_options {
    const struct rows *rows;
    const char *name;
    size_t next; /* row at which the search for the next answer begins */
    struct replay_counts *counts;
    struct stand_in_options *others; /* owned list */
};

struct stand_in {
    struct stand_in_options *options;
};

static enum status stand_in_open(void *actor, const void *options, struct turn *turn) {
    (void)turn;
    ((struct stand_in *)actor)->options = (struct stand_in_options *)(uintptr_t)options;
    return STATUS_OK;
}

static bool is_answer(const SysMessage *row) {
    return strcmp(row->kind, "reply") == 0;
}

static bool is_request(const SysMessage *row) {
    return strcmp(row->kind, "call") == 0 || strcmp(row->kind, "cast") == 0;
}

static enum status answer(void *actor, const void *message, struct turn *turn) {
    (void)message;
    struct stand_in_options *own = ((struct stand_in *)actor)->options;
    const struct rows *rows = own->rows;
    while (own->next < rows->n && (!is_answer(rows->rows[own->next]) ||
                                   strcmp(rows->rows[own->next]->from, own->name) != 0))
        own->next++;
    if (own->next == rows->n) return turn_fail(turn, STATUS_LOST_PEER, "the recording ends here");
    const SysMessage *row = rows->rows[own->next++];
    struct raw raw;
    raw_init(&raw, op_of(row->message), row->body.data, row->body.len);
    turn_reply(turn, &raw.base);
    own->counts->answers++;
    return STATUS_OK;
}

static const struct handler any[] = {{&raw__descriptor, answer}, {NULL, NULL}};
static const struct actor_type stand_in_type = {.kind = "stand-in",
                                                .size = sizeof(struct stand_in),
                                                .handlers = any,
                                                .open = stand_in_open,
                                                .light = true,
                                                .quiet = true};

static enum status
spawn_stand_ins(struct sim *sim, struct stand_in_options *first, const struct rows *rows) {
    for (size_t i = 0; i < rows->n; i++) {
        const SysMessage *row = rows->rows[i];
        struct stand_in_options *known = first->others;
        while (known && strcmp(known->name, row->from) != 0)
            known = known->others;
        if (!is_answer(row) || !*row->from || known) continue;
        struct stand_in_options *made = mem_alloc(sizeof *made);
        if (!made) return STATUS_NO_MEMORY;
        *made = (struct stand_in_options){
            .rows = rows, .name = row->from, .counts = first->counts, .others = first->others};
        first->others = made;
        sim_spawn(sim, row->from, &stand_in_type, made);
    }
    return STATUS_OK;
}

/* --- playing
 * -------------------------------------------------------------------------------------- */

struct telling {
    const char *name;
    const SysMessage *row;
};

static void ignore(void *self, void *context, const struct outcome *outcome, struct turn *turn) {
    (void)self, (void)context, (void)outcome, (void)turn;
}

static void tell(void *self, void *context, struct turn *turn) {
    (void)self;
    const struct telling *telling = context;
    const SysMessage *row = telling->row;
    actor_handle to = turn_find(turn, telling->name);
    struct raw raw;
    raw_init(&raw, op_of(row->message), row->body.data, row->body.len);
    if (strcmp(row->kind, "cast") == 0) {
        turn_tell(turn, to, &raw.base);
        return;
    }
    turn_call(turn,
              &(struct call){.to = to,
                             .message = &raw.base,
                             .done = ignore,
                             .reply = &raw__descriptor,
                             .deadline_us = row->deadline_us ? turn_now_us(turn) + row->deadline_us
                                                             : NO_DEADLINE});
}

static void
play(struct sim *sim, const char *name, const struct rows *rows, struct replay_counts *counts) {
    uint64_t began = sim_now_us(sim), first = rows->n ? rows->rows[0]->at_us : 0;
    for (size_t i = 0; i < rows->n; i++) {
        const SysMessage *row = rows->rows[i];
        uint64_t at = began + (row->at_us - first);
        if (!is_request(row)) continue;
        if (row->size > 0 && row->body.len == 0) {
            counts->bodiless++;
            continue;
        }
        if (at > sim_now_us(sim)) sim_run(sim, at - sim_now_us(sim));
        sim_order(sim, tell, &(struct telling){name, row});
        counts->requests++;
    }
    sim_run(sim, 1000 * 1000); /* what is still under way */
}

enum status sim_replay(struct sim *sim,
                       const char *name,
                       const void *recording,
                       size_t size,
                       struct replay_counts *out) {
    struct rows rows = {.n = 0};
    struct stand_in_options first = {.counts = out};
    *out = (struct replay_counts){0};
    arena_init(&rows.arena, 0);
    enum status s = read_rows(&rows, recording, size);
    if (s == STATUS_OK && rows.n) qsort(rows.rows, rows.n, sizeof(SysMessage *), by_time);
    if (s == STATUS_OK) s = spawn_stand_ins(sim, &first, &rows);
    if (s == STATUS_OK) play(sim, name, &rows, out);
    while (first.others) {
        struct stand_in_options *one = first.others;
        first.others = one->others;
        sim_stop(sim, one->name);
        mem_free(one);
    }
    mem_free(rows.rows);
    arena_free(&rows.arena);
    return s;
}
