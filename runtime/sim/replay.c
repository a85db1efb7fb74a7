/* replay: the actor is held (CELL_PAUSED) between its turns, and each recorded turn is made to
 * happen by hand:
 *
 *     call, cast             a parcel as recorded, from a stand-in of the sender's name
 *     reply, part, down      the same, with the number that this life gave to the call or monitor
 *     reply without message  the call or lookup that ends first is late
 *     timer                  the timer that is due first
 *     later, worked, found   the first of its kind that waits; of a lookup with the recorded
 * outcome
 *
 * The world's clock stands at the turn's recorded time meanwhile, and the turn's tale is read aloud
 * to it (runtime/tale.h). A tap like the one that recorded it sees what it says; the two rows are
 * compared. Stand-ins defer whatever they are asked, for ever. */
#include "runtime/sim/replay.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "runtime/codec.h"
#include "runtime/memory.h"
#include "runtime/raw.h"
#include "runtime/sim/recording.h"
#include "runtime/sim/world.h"
#include "runtime/tap.h"
#include "schemas/runtime.pb-c.h"

enum { TEXT_MAX = 480, PAIRS_MAX = 1 << 20 };

/* The number of a call, lookup, monitor or work in the recording and here. */
struct pair {
    uint64_t there, here;
};
/* An actor of another process: as the recording names it, and its stand-in. */
struct stranger {
    struct stranger *next; /* owned by the recording's arena */
    const char *name;
    actor_handle handle;
};

struct replay {
    const struct replay_options *options;
    struct replay_result *out;
    struct recording recording;
    struct sim *sim;
    struct lane *lane;
    struct cell *cell;
    struct tap *tap;
    struct pair *pairs; /* owned; a call's answers come soon, so it is searched from its end */
    size_t n_pairs, pairs_room;
    struct stranger *strangers, *children;
    actor_handle nobody; /* the stand-in for whoever is not known */
};

/* --- stand-ins
 * ------------------------------------------------------------------------------------ */

static enum status defer(void *actor, const void *message, struct turn *turn) {
    (void)actor, (void)message;
    turn_defer(turn);
    return STATUS_OK;
}

static const struct handler any[] = {{&raw__descriptor, defer}, {NULL, NULL}};
static const struct actor_type stand_in_type = {
    .kind = "stand-in", .size = 1, .handlers = any, .light = true, .quiet = true};

/* peer/slot#incarnation: nobody can be looked up under that. */
static bool is_remote(const char *name) {
    return strchr(name, '#');
}

static actor_handle stranger(struct replay *replay, const char *name) {
    struct stranger *known = replay->strangers;
    while (known && strcmp(known->name, name) != 0)
        known = known->next;
    return known ? known->handle : replay->nobody;
}

/* Who the recording calls so was met here under this handle. */
static void meet(struct replay *replay, const char *name, actor_handle handle) {
    if (!is_remote(name) || stranger(replay, name) != replay->nobody) return;
    struct stranger *met = arena_alloc(&replay->recording.arena, sizeof *met);
    if (!met) return;
    *met = (struct stranger){replay->strangers, name, handle};
    replay->strangers = met;
}

static actor_handle stand_in(struct replay *replay, const char *name) {
    if (is_remote(name)) return stranger(replay, name);
    if (!*name) return replay->nobody;
    actor_handle there = registry_find(&replay->lane->core->registry, name);
    return there ? there : sim_spawn(replay->sim, name, &stand_in_type, NULL);
}

static bool spawns(const SysSent *sent) {
    return strcmp(sent->kind, tale_kind_name(PARCEL_START)) == 0;
}

/* The actor itself, or a child that it will spawn. */
static bool comes_later(const struct replay *replay, const char *name) {
    if (strcmp(name, replay->out->name) == 0) return true;
    for (const struct stranger *child = replay->children; child; child = child->next)
        if (strcmp(child->name, name) == 0) return true;
    return false;
}

static void note_child(struct replay *replay, const char *name) {
    if (comes_later(replay, name)) return;
    struct stranger *child = arena_alloc(&replay->recording.arena, sizeof *child);
    if (!child) return;
    *child = (struct stranger){replay->children, name, 0};
    replay->children = child;
}

static void spawn_stand_ins(struct replay *replay) {
    const struct recording *recording = &replay->recording;
    replay->nobody = sim_spawn(replay->sim, NULL, &stand_in_type, NULL);
    for (size_t i = 0; i < replay->options->n_neighbours; i++) {
        const struct replay_neighbour *one = &replay->options->neighbours[i];
        sim_spawn(replay->sim, one->name, one->type, one->options);
    }
    for (size_t i = 0; i < recording->n; i++)
        for (size_t j = 0; j < recording->turns[i]->n_sent; j++)
            if (spawns(recording->turns[i]->sent[j]))
                note_child(replay, recording->turns[i]->sent[j]->to);
    for (size_t i = 0; i < recording->n; i++) {
        const SysMessage *turn = recording->turns[i];
        if (!comes_later(replay, turn->from)) stand_in(replay, turn->from);
        for (size_t j = 0; j < turn->n_sent; j++)
            if (!comes_later(replay, turn->sent[j]->to)) stand_in(replay, turn->sent[j]->to);
    }
}

/* --- differences
 * ---------------------------------------------------------------------------------- */

__attribute__((format(printf, 3, 4))) static bool
differ(struct replay *replay, const SysMessage *turn, const char *format, ...) {
    char what[REPLAY_WORDS_MAX / 2 + 512];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    snprintf(replay->out->difference, REPLAY_WORDS_MAX, "turn %" PRIu64 " (%s%s%s): %s",
             replay->out->turns + 1, turn->kind, *turn->message ? " " : "", turn->message, what);
    return false;
}

/* A body in words; what it cannot be read as is told by its size. */
static void
print_body(uint32_t op, const void *body, size_t size, size_t whole, char text[TEXT_MAX]) {
    const ProtobufCMessageDescriptor *type = codec_find(op);
    ProtobufCMessage *message = NULL;
    struct arena arena;
    arena_init(&arena, 0);
    if (op == 0)
        snprintf(text, TEXT_MAX, "%.*s", size < 200 ? (int)size : 200, (const char *)body);
    else if (type && size == whole &&
             codec_decode(type, body, size, &arena, &message, NULL) == STATUS_OK)
        codec_print(message, text, TEXT_MAX);
    else
        snprintf(text, TEXT_MAX, "%s, %zu bytes", type ? type->name : "a message", whole);
    arena_free(&arena);
}

static void print_sent(const SysSent *sent, char text[TEXT_MAX]) {
    print_body(recording_op(sent->message), sent->body.data, sent->body.len, sent->size, text);
}

static void print_said(const struct tale_sent *sent, char text[TEXT_MAX]) {
    print_body(sent->op, sent->body, sent->body ? sent->size : 0, sent->size, text);
}

static bool same_sent(const SysSent *there, const struct tale_sent *here) {
    if (strcmp(there->kind, tale_kind_name(here->kind)) != 0) return false;
    if (recording_op(there->message) != here->op || there->size != here->size) return false;
    return there->body.len != here->size || !here->body ||
           memcmp(there->body.data, here->body, here->size) == 0;
}

/* Long bodies look alike where they are cut off: says from which byte on they do not. */
static void print_where(const SysSent *there, const struct tale_sent *here, char text[64]) {
    size_t at = 0, most = there->body.len < here->size ? there->body.len : here->size;
    text[0] = '\0';
    if (!here->body || !there->body.len || there->body.len != there->size) return;
    while (at < most && there->body.data[at] == here->body[at])
        at++;
    snprintf(text, 64, "\n  they differ from byte %zu on", at);
}

static bool compare_sent(struct replay *replay, const SysMessage *turn, const struct tapped *here) {
    char said[TEXT_MAX], says[TEXT_MAX], where[64] = "";
    for (size_t i = 0; i < turn->n_sent || i < here->n_sent; i++) {
        if (i < turn->n_sent && i < here->n_sent && same_sent(turn->sent[i], &here->sent[i])) {
            replay->out->said++;
            continue;
        }
        snprintf(said, sizeof said, "nothing more");
        snprintf(says, sizeof says, "nothing more");
        if (i < turn->n_sent) print_sent(turn->sent[i], said);
        if (i < here->n_sent) print_said(&here->sent[i], says);
        if (i < turn->n_sent && i < here->n_sent) print_where(turn->sent[i], &here->sent[i], where);
        return differ(replay, turn,
                      "message %zu that it sends\n  recorded: %s%s%s %s\n  replayed: %s%s", i + 1,
                      i < turn->n_sent ? turn->sent[i]->kind : "", i < turn->n_sent ? " to " : "",
                      i < turn->n_sent ? turn->sent[i]->to : "", said, says, where);
    }
    return true;
}

static bool compare_told(struct replay *replay, const SysMessage *turn, const struct tapped *here) {
    const struct tale *tale = replay->lane->tale;
    replay->out->asked += here->told.n;
    if (!tale->strayed && here->told.n == turn->asked.len) return true;
    size_t at = 0;
    while (at < here->told.n && at < turn->asked.len &&
           here->told.asked[at] == (char)turn->asked.data[at])
        at++;
    return differ(replay, turn,
                  "question %zu to the runtime (r random, c clock, w wall clock, n still wanted)\n"
                  "  recorded: %.*s\n  replayed: %.*s",
                  at + 1, (int)turn->asked.len, (const char *)turn->asked.data, (int)here->told.n,
                  here->told.asked);
}

/* The recorded turn and what the tap saw of it here. */
static bool compare(struct replay *replay, const SysMessage *turn) {
    const struct tapped *here = replay->tap->held;
    if (replay->tap->n == 0) return differ(replay, turn, "it does not come to that here");
    if (strcmp(span_kind_name(here->kind), turn->kind) != 0)
        return differ(replay, turn, "here it is a turn of kind %s", span_kind_name(here->kind));
    if (turn->torn || here->torn) {
        replay->out->missing++;
        return true;
    }
    if (!compare_sent(replay, turn, here) || !compare_told(replay, turn, here)) return false;
    if (strcmp(span_outcome_name(here->outcome), turn->outcome) == 0) return true;
    return differ(replay, turn, "its outcome\n  recorded: %s\n  replayed: %s", turn->outcome,
                  span_outcome_name(here->outcome));
}

/* --- numbers of calls
 * ----------------------------------------------------------------------------- */

static enum status pair_calls(struct replay *replay, const SysMessage *turn) {
    const struct tapped *here = replay->tap->held;
    for (size_t i = 0; i < turn->n_sent && i < here->n_sent; i++) {
        meet(replay, turn->sent[i]->to, here->sent[i].to);
        if (here->sent[i].kind == PARCEL_CAST || here->sent[i].correlation == 0) continue;
        if (replay->n_pairs == replay->pairs_room) {
            size_t more = replay->pairs_room ? replay->pairs_room * 2 : 256;
            struct pair *bigger = mem_resize(replay->pairs, more * sizeof *bigger);
            if (!bigger || more > PAIRS_MAX) return STATUS_NO_MEMORY;
            replay->pairs = bigger;
            replay->pairs_room = more;
        }
        replay->pairs[replay->n_pairs++] =
            (struct pair){turn->sent[i]->correlation, here->sent[i].correlation};
    }
    return STATUS_OK;
}

static uint64_t number_here(const struct replay *replay, const SysMessage *turn) {
    for (size_t i = replay->n_pairs; i-- > 0;)
        if (replay->pairs[i].there == turn->correlation) return replay->pairs[i].here;
    return 0;
}

/* --- turns
 * ---------------------------------------------------------------------------------------- */

/* The wait of one of these kinds that ends first; of those that end together the older one. */
static struct wait *first_due(const struct cell *cell, enum wait_kind a, enum wait_kind b) {
    struct wait *found = NULL;
    for (struct wait *wait = cell->waits; wait; wait = wait->next)
        if ((wait->kind == a || wait->kind == b) &&
            (!found || wait->timer.at_us <= found->timer.at_us))
            found = wait;
    return found;
}

static void run_message(struct replay *replay, const SysMessage *turn, enum parcel_kind kind) {
    struct parcel *parcel = parcel_new(turn->body.len);
    if (!parcel) return;
    if (turn->body.len) memcpy(parcel->body, turn->body.data, turn->body.len);
    parcel->size = turn->body.len;
    parcel->queued_us = replay->sim->now_us;
    parcel->envelope.kind = (uint8_t)kind;
    parcel->envelope.band = turn->band < BAND_COUNT ? (uint8_t)turn->band : BAND_DATA;
    parcel->envelope.op = recording_op(turn->message);
    parcel->envelope.to = replay->cell->handle;
    parcel->envelope.from = stand_in(replay, turn->from);
    bool request = kind == PARCEL_CALL || kind == PARCEL_CAST;
    parcel->envelope.correlation = request ? turn->correlation : number_here(replay, turn);
    if (turn->deadline_us) parcel->envelope.deadline_us = replay->sim->now_us + turn->deadline_us;
    cell_run_paused(replay->cell, parcel);
}

static void run_late(struct replay *replay) {
    struct wait *wait = first_due(replay->cell, WAIT_CALL, WAIT_LOOKUP);
    if (!wait) return;
    struct outcome late = {
        .status = STATUS_EXPIRED, .text = status_text(STATUS_EXPIRED), .call = wait_name(wait)};
    timers_remove(&replay->lane->timers, &wait->timer);
    cell_run_outcome(replay->cell, wait, NULL, &late);
}

static void run_timer(struct replay *replay) {
    struct wait *wait = first_due(replay->cell, WAIT_TIMER, WAIT_TIMER);
    if (!wait) return;
    timers_remove(&replay->lane->timers, &wait->timer);
    cell_run_fn(replay->cell, wait);
}

static void run_waiting(struct replay *replay, const SysMessage *turn, enum parcel_kind kind) {
    struct parcel *parcel = mailbox_take_kind(&replay->cell->mailbox, kind,
                                              kind == PARCEL_LATER ? 0 : number_here(replay, turn));
    if (!parcel) return;
    if (kind == PARCEL_FOUND) {
        struct found found;
        memcpy(&found, parcel->room, sizeof found);
        found.status = STATUS_OK;
        for (int s = 0; s < STATUS_COUNT; s++)
            if (strcmp(status_name((enum status)s), turn->outcome) == 0)
                found.status = (enum status)s;
        if (found.status != STATUS_OK)
            found.handle = 0;
        else if (found.handle == 0)
            found.handle = sim_spawn(replay->sim, NULL, &stand_in_type, NULL);
        memcpy(parcel->room, &found, sizeof found);
    }
    cell_run_paused(replay->cell, parcel);
}

static void run_turn(struct replay *replay, const SysMessage *turn) {
    static const struct {
        const char *name;
        enum parcel_kind kind;
        bool message;
    } kinds[] = {
        {"call", PARCEL_CALL, true},      {"cast", PARCEL_CAST, true},
        {"reply", PARCEL_REPLY, true},    {"part", PARCEL_PART, true},
        {"down", PARCEL_DOWN, true},      {"later", PARCEL_LATER, false},
        {"worked", PARCEL_WORKED, false}, {"found", PARCEL_FOUND, false},
    };
    if (strcmp(turn->kind, "timer") == 0) {
        run_timer(replay);
        return;
    }
    if (!*turn->message && strcmp(turn->kind, "reply") == 0) {
        run_late(replay);
        return;
    }
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (strcmp(turn->kind, kinds[i].name) != 0) continue;
        if (kinds[i].message)
            run_message(replay, turn, kinds[i].kind);
        else
            run_waiting(replay, turn, kinds[i].kind);
        return;
    }
}

/* --- playing
 * -------------------------------------------------------------------------------------- */

static void tell_line(struct replay *replay, const SysMessage *turn) {
    char line[512];
    if (!replay->options->line) return;
    snprintf(line, sizeof line, "%" PRIu64 " %s%s%.64s%s%.128s, sends %zu", turn->at_us, turn->kind,
             *turn->message ? " " : "", turn->message, *turn->from ? " of " : "", turn->from,
             turn->n_sent);
    replay->options->line(replay->options->context, line);
}

/* The clocks, and what the next turn is told. */
static void set_scene(struct replay *replay, const SysMessage *turn) {
    struct tale *tale = replay->lane->tale;
    tap_empty(replay->tap);
    tale->script = (struct tale_told){(char *)turn->asked.data, turn->told, turn->n_told, 0};
    tale->at = 0;
    tale->strayed = false;
    if (turn->at_us > replay->sim->now_us) replay->sim->now_us = turn->at_us;
    replay->lane->now_us = replay->sim->now_us;
}

/* What neighbours answered, and how stand-ins ended, is in the recording. */
static void hear_nothing(struct replay *replay) {
    static const enum parcel_kind kinds[] = {PARCEL_REPLY, PARCEL_PART, PARCEL_DOWN};
    struct parcel *parcel;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        while ((parcel = mailbox_take_kind(&replay->cell->mailbox, kinds[i], 0)))
            parcel_free(parcel);
}

static bool has_body(const SysMessage *turn) {
    return turn->body.len == turn->size;
}

/* False: no further. */
static bool play(struct replay *replay, const SysMessage *turn, bool opens) {
    tell_line(replay, turn);
    if (!has_body(turn)) {
        replay->out->missing++;
        return differ(replay, turn, "the recording has it without its %" PRIu64 " bytes",
                      turn->size);
    }
    if (!opens) {
        set_scene(replay, turn);
        run_turn(replay, turn);
    }
    if (!compare(replay, turn)) return false;
    replay->out->turns++;
    bool leaves = cell_leaves(replay->cell);
    if (leaves) replay->out->ended = true;
    if (leaves || pair_calls(replay, turn) != STATUS_OK) return false;
    sim_settle(replay->sim); /* stand-ins, and work that blocks */
    hear_nothing(replay);
    return true;
}

static void play_all(struct replay *replay, size_t first, bool opens) {
    const struct recording *recording = &replay->recording;
    for (size_t i = first; i < recording->n; i++) {
        const SysMessage *turn = recording->turns[i];
        bool again = strcmp(turn->kind, "open") == 0 && !(opens && i == first);
        if (again) replay->out->ended = true;
        if (again || !play(replay, turn, opens && i == first)) return;
    }
}

/* --- the world
 * ------------------------------------------------------------------------------------ */

/* A tap as the recording's, on the sim's only lane, and a tale that is read aloud. */
static enum status look_on(struct replay *replay) {
    SysTap wanted = SYS_TAP__INIT;
    wanted.actor = replay->out->name;
    wanted.bodies = wanted.whole = wanted.steps = true;
    wanted.per_second = UINT32_MAX;
    enum status s = tap_on(replay->lane, &wanted, &replay->tap);
    if (s != STATUS_OK) return s;
    struct tale *tale = replay->lane->tale;
    tale->only = replay->options->type;
    tale->nobody = replay->nobody;
    tale->children = &stand_in_type;
    return s;
}

/* Opens the actor with the first turn's tale, and holds it from then on. */
static enum status open_actor(struct replay *replay, const SysMessage *first, bool opens) {
    static const SysMessage silent = SYS_MESSAGE__INIT;
    replay->sim->now_us = first->at_us > replay->sim->now_us ? first->at_us : replay->sim->now_us;
    set_scene(replay, opens ? first : &silent);
    replay->lane->tale->holds = true;
    actor_handle handle =
        sim_spawn(replay->sim, replay->out->name, replay->options->type, replay->options->options);
    uint32_t lane = 0;
    const struct slot *slot = table_find(&replay->lane->core->table, handle, &lane);
    if (!slot) {
        snprintf(replay->out->difference, REPLAY_WORDS_MAX, "the actor does not open here");
        return STATUS_INVALID;
    }
    replay->cell = slot->cell;
    return STATUS_OK;
}

static size_t find_first(const struct recording *recording, bool *opens) {
    for (size_t i = 0; i < recording->n; i++) {
        *opens = strcmp(recording->turns[i]->kind, "open") == 0;
        if (*opens) return i;
    }
    return 0;
}

static void leave(struct replay *replay) {
    if (replay->tap) tap_off(replay->lane, replay->tap);
    if (replay->cell && replay->cell->now == CELL_PAUSED) replay->cell->now = CELL_OPEN;
    mem_free(replay->pairs);
    sim_close(&replay->sim);
}

static enum status play_in_world(struct replay *replay) {
    bool opens = false;
    size_t first = find_first(&replay->recording, &opens);
    replay->sim = sim_open(&(struct sim_options){.seed = 1, .quiet = true});
    replay->lane = replay->sim->nodes[0].core.lanes;
    spawn_stand_ins(replay);
    enum status s = look_on(replay);
    if (s == STATUS_OK) s = open_actor(replay, replay->recording.turns[first], opens);
    replay->out->from_start = opens;
    if (s == STATUS_OK) play_all(replay, first, opens);
    replay->out->same = s == STATUS_OK && !*replay->out->difference && replay->out->missing == 0;
    leave(replay);
    return s;
}

static enum status
read_all(struct recording *recording, const void *bytes, size_t size, char why[REPLAY_WORDS_MAX]) {
    enum status s = recording_read(recording, bytes, size, why);
    if (s != STATUS_OK) return s;
    snprintf(why, REPLAY_WORDS_MAX, "%s", recording->n ? "" : "there is no turn in it");
    return recording->n ? STATUS_OK : STATUS_INVALID;
}

enum status sim_replay_about(const void *bytes,
                             size_t size,
                             struct replay_about *out,
                             char why[REPLAY_WORDS_MAX]) {
    struct recording recording;
    enum status s = read_all(&recording, bytes, size, why);
    *out = (struct replay_about){.remote = false};
    buffer_init(&out->disk);
    if (s == STATUS_OK) {
        snprintf(out->name, REPLAY_NAME_MAX, "%s", recording.turns[0]->to);
        snprintf(out->refused, sizeof out->refused, "%s",
                 recording.refused ? recording.refused : "");
        out->disk = recording.disk;
        out->disk_size = recording.disk_size;
        buffer_init(&recording.disk);
    }
    for (size_t i = 0; s == STATUS_OK && i < recording.n; i++)
        for (size_t j = 0; j < recording.turns[i]->n_sent; j++)
            if (is_remote(recording.turns[i]->sent[j]->to)) out->remote = true;
    recording_free(&recording);
    return s;
}

enum status sim_replay(const struct replay_options *options,
                       const void *recording,
                       size_t size,
                       struct replay_result *out) {
    struct replay replay = {.options = options, .out = out};
    *out = (struct replay_result){.turns = 0};
    enum status s = read_all(&replay.recording, recording, size, out->difference);
    if (s == STATUS_OK) {
        snprintf(out->name, sizeof out->name, "%s", replay.recording.turns[0]->to);
        s = play_in_world(&replay);
    }
    recording_free(&replay.recording);
    return s;
}
