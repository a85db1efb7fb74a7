/* span: packing a turn into a record, and names. */
#include "runtime/span.h"

#include <string.h>

#include "runtime/assert.h"
#include "runtime/codec.h"
#include "runtime/handle.h"
#include "runtime/turn_state.h"

enum {
    TIME_BITS = 28,
    SIZE_MANTISSA_BITS = 12,
    SIZE_MANTISSA_MAX = (1 << SIZE_MANTISSA_BITS) - 1,
    SIZE_EXPONENT_MAX = 15,
    BEGAN_SHIFT = 16,
    OUTCOME_SHIFT = 8,
    KIND_SHIFT = 3,
    KIND_MASK = 31,
    BAND_SHIFT = 1,
    BAND_MASK = 3,
};
#define TIME_MAX ((UINT64_C(1) << TIME_BITS) - 1)

static_assert(HANDLE_SLOT_BITS == 24, "span_slot");
static_assert(SPAN_KINDS <= KIND_MASK + 1, "a kind fits its bits");
static_assert((int)STATUS_COUNT < (int)SPAN_DEFERRED, "outcomes beside the statuses");

/* --- records
 * -------------------------------------------------------------------------------------- */

static uint64_t pack_size(uint64_t size) {
    uint64_t exponent = 0;
    while (size > SIZE_MANTISSA_MAX && exponent < SIZE_EXPONENT_MAX) {
        size >>= 1;
        exponent++;
    }
    return exponent << SIZE_MANTISSA_BITS | (size < SIZE_MANTISSA_MAX ? size : SIZE_MANTISSA_MAX);
}

static uint64_t at_most(uint64_t us) {
    return us < TIME_MAX ? us : TIME_MAX;
}

/* Inline: once a turn. */
static inline void pack(const struct span_record *record, uint64_t words[RING_WORDS]) {
    uint64_t size = pack_size(record->size);
    uint64_t times = at_most(record->waited_us) << TIME_BITS | at_most(record->ran_us);
    if (record->kind == SPAN_EDGE) times = record->ran_us & (TIME_MAX << TIME_BITS | TIME_MAX);
    words[0] = record->trace[0];
    words[1] = record->trace[1];
    words[2] = record->span;
    words[3] = record->parent;
    words[4] = record->began_us << BEGAN_SHIFT | (uint64_t)record->outcome << OUTCOME_SHIFT |
               (uint64_t)record->kind << KIND_SHIFT | (uint64_t)record->band << BAND_SHIFT |
               record->sampled;
    words[5] = times << 8 | (size & 0xff);
    words[6] = record->from;
    words[7] = (uint64_t)record->op << 32 | (uint64_t)record->slot << 8 | size >> 8;
}

void span_pack(const struct span_record *record, uint64_t words[RING_WORDS]) {
    pack(record, words);
}

void span_unpack(const uint64_t words[RING_WORDS], struct span_record *out) {
    uint64_t size = (words[5] & 0xff) | (words[7] & 0xff) << 8;
    uint64_t times = words[5] >> 8;
    *out = (struct span_record){
        .trace = {words[0], words[1]},
        .span = words[2],
        .parent = words[3],
        .began_us = words[4] >> BEGAN_SHIFT,
        .waited_us = times >> TIME_BITS,
        .ran_us = times & TIME_MAX,
        .from = words[6],
        .slot = span_slot(words),
        .op = (uint32_t)(words[7] >> 32),
        .size = (uint32_t)(size & SIZE_MANTISSA_MAX) << (size >> SIZE_MANTISSA_BITS),
        .kind = (uint8_t)(words[4] >> KIND_SHIFT & KIND_MASK),
        .band = (uint8_t)(words[4] >> BAND_SHIFT & BAND_MASK),
        .outcome = (uint8_t)(words[4] >> OUTCOME_SHIFT),
        .sampled = words[4] & 1,
    };
    if (out->kind != SPAN_EDGE) return;
    out->waited_us = 0;
    out->ran_us = times;
}

/* --- names
 * ---------------------------------------------------------------------------------------- */

const char *span_kind_name(uint8_t kind) {
    static const char *const names[SPAN_KINDS] = {
        [SPAN_CALL] = "call",       [SPAN_CAST] = "cast",   [SPAN_REPLY] = "reply",
        [SPAN_PART] = "part",       [SPAN_DOWN] = "down",   [SPAN_LATER] = "later",
        [SPAN_WORKED] = "worked",   [SPAN_FOUND] = "found", [SPAN_TIMER] = "timer",
        [SPAN_EVENT] = "event",     [SPAN_OPEN] = "open",   [SPAN_ANSWERED] = "answered",
        [SPAN_REFUSED] = "refused", [SPAN_EDGE] = "edge",
    };
    return kind < SPAN_KINDS ? names[kind] : "unknown";
}

const char *span_outcome_name(uint8_t outcome) {
    if (outcome == SPAN_DEFERRED) return "DEFERRED";
    if (outcome == SPAN_FORWARDED) return "FORWARDED";
    return status_name((enum status)outcome);
}

/* Filled from the front, never emptied: reading needs no lock. */
static struct {
    _Atomic(const char *) words;
    _Atomic uint32_t op;
} names[SPAN_NAMES_MAX];

static uint32_t hash(const char *words) {
    uint32_t hash = 2166136261u;
    for (const char *c = words; *c; c++)
        hash = (hash ^ (unsigned char)*c) * 16777619u;
    return hash ? hash : 1;
}

uint32_t span_name(const char *words) {
    uint32_t op = hash(words);
    for (size_t i = 0; i < SPAN_NAMES_MAX; i++) {
        const char *there = atomic_load_explicit(&names[i].words, memory_order_acquire);
        if (!there && atomic_compare_exchange_strong(&names[i].words, &there, words)) {
            atomic_store(&names[i].op, op);
            return op;
        }
        if (there == words || strcmp(there, words) == 0) return op;
    }
    return 0;
}

const char *span_nth_name(uint32_t n, uint32_t *op) {
    if (n >= SPAN_NAMES_MAX) return NULL;
    *op = atomic_load(&names[n].op);
    return atomic_load(&names[n].words);
}

const char *span_op_name(uint32_t op) {
    if (op == 0) return NULL;
    const ProtobufCMessageDescriptor *type = codec_find(op);
    if (type) return type->name;
    for (size_t i = 0; i < SPAN_NAMES_MAX; i++) {
        const char *words = atomic_load(&names[i].words);
        if (!words) break;
        if (atomic_load(&names[i].op) == op) return words;
    }
    return NULL;
}

/* --- what happens
 * --------------------------------------------------------------------------------- */

uint64_t span_new(struct lane *lane) {
    uint64_t span = ++lane->last_span;
    return span ? span : ++lane->last_span;
}

enum span_kind span_turn_kind(const struct turn *turn) {
    static const uint8_t kinds[] = {
        [PARCEL_CAST] = SPAN_CAST,   [PARCEL_CALL] = SPAN_CALL,   [PARCEL_REPLY] = SPAN_REPLY,
        [PARCEL_PART] = SPAN_PART,   [PARCEL_DOWN] = SPAN_DOWN,   [PARCEL_OPENED] = SPAN_FOUND,
        [PARCEL_FOUND] = SPAN_FOUND, [PARCEL_LATER] = SPAN_LATER, [PARCEL_WORKED] = SPAN_WORKED,
    };
    uint8_t kind = turn->parcel ? turn->parcel->envelope.kind : UINT8_MAX;
    return (enum span_kind)(kind < sizeof kinds ? kinds[kind] : turn->cause);
}

void span_turn(const struct turn *turn, uint64_t began_us, uint64_t ran_us) {
    struct ring *ring = &turn->lane->ring;
    if (!ring->records) return;
    const struct parcel *parcel = turn->parcel;
    uint64_t words[RING_WORDS];
    struct span_record record = {
        .trace = {turn->trace[0], turn->trace[1]},
        .span = turn->span,
        .began_us = began_us,
        .ran_us = ran_us,
        .slot = handle_slot(turn->cell->handle),
        .op = turn->op,
        .kind = (uint8_t)span_turn_kind(turn),
        .outcome = turn->outcome,
        .sampled = turn->flags & PARCEL_TRACED,
    };
    if (parcel) {
        if (turn->request) record.parent = parcel->envelope.parent;
        record.from = parcel->envelope.from;
        record.band = parcel->envelope.band;
        record.size = (uint32_t)parcel->size;
        if (began_us > parcel->queued_us) record.waited_us = began_us - parcel->queued_us;
    }
    pack(&record, words);
    ring_put(ring, words);
}

/* The end of a request that was put off. */
static void put_answered(struct lane *lane, struct span_record *record) {
    uint64_t words[RING_WORDS];
    record->began_us = lane->now_us;
    record->kind = SPAN_ANSWERED;
    span_pack(record, words);
    ring_put(&lane->ring, words);
}

void span_answered(const struct turn *turn, const struct promise *promise, enum status outcome) {
    struct lane *lane = turn->lane;
    if (!lane->ring.records) return;
    put_answered(lane, &(struct span_record){
                           .trace = {promise->trace[0], promise->trace[1]},
                           .span = promise->span,
                           .slot = handle_slot(turn->cell->handle),
                           .outcome = (uint8_t)outcome,
                           .sampled = promise->flags & PARCEL_TRACED,
                       });
}

void span_abandoned(const struct wait *wait) {
    struct lane *lane = wait->cell->lane;
    if (!lane->ring.records) return;
    put_answered(lane, &(struct span_record){
                           .trace = {wait->trace[0], wait->trace[1]},
                           .span = wait->span,
                           .slot = handle_slot(wait->cell->handle),
                           .outcome = STATUS_LOST_PEER,
                           .sampled = wait->flags & PARCEL_TRACED,
                       });
}

void span_refused(struct lane *lane, const struct parcel *parcel, enum status reason) {
    if (!lane || !lane->ring.records) return;
    const struct envelope *envelope = &parcel->envelope;
    uint64_t words[RING_WORDS];
    uint64_t queued = parcel->queued_us;
    struct span_record record = {
        .trace = {envelope->trace[0], envelope->trace[1]},
        .span = envelope->span,
        .parent = envelope->parent,
        .began_us = lane->now_us,
        .waited_us = queued && lane->now_us > queued ? lane->now_us - queued : 0,
        .from = envelope->from,
        .slot = handle_peer(envelope->to) ? 0 : handle_slot(envelope->to),
        .op = envelope->op,
        .size = (uint32_t)parcel->size,
        .kind = SPAN_REFUSED,
        .band = envelope->band,
        .outcome = (uint8_t)reason,
        .sampled = envelope->flags & PARCEL_TRACED,
    };
    span_pack(&record, words);
    ring_put(&lane->ring, words);
}

/* --- requests from outside
 * ------------------------------------------------------------------------ */

void turn_root_begin(struct turn *turn, struct root_span *root) {
    struct lane *lane = turn->lane;
    root->span = span_new(lane);
    root->began_us = lane_time(lane);
    if (root->trace[0] | root->trace[1]) return;
    root->parent = 0;
    root->trace[0] = rng_mix(root->span);
    root->trace[1] = rng_mix(root->trace[0] ^ turn->core->seed);
    root->sampled = rng_mix(root->trace[1]) < turn->core->sample_below;
}

void turn_root_enter(struct turn *turn, const struct root_span *root) {
    static const struct root_span nobody;
    if (!root) root = &nobody;
    turn->trace[0] = root->trace[0];
    turn->trace[1] = root->trace[1];
    turn->span = root->span;
    turn->flags = root->sampled ? PARCEL_TRACED : 0;
}

void turn_root_end(struct turn *turn,
                   const struct root_span *root,
                   const char *name,
                   enum status outcome,
                   const char *text) {
    struct lane *lane = turn->lane;
    if (!lane->ring.records) return;
    reasons_put(&turn->core->reasons, root->span, text);
    uint64_t words[RING_WORDS];
    uint64_t now = lane_time(lane);
    struct span_record record = {
        .trace = {root->trace[0], root->trace[1]},
        .span = root->span,
        .parent = root->parent,
        .began_us = root->began_us,
        .ran_us = now > root->began_us ? now - root->began_us : 0,
        .slot = handle_slot(turn->cell->handle),
        .op = span_name(name),
        .kind = SPAN_EDGE,
        .outcome = (uint8_t)outcome,
        .sampled = root->sampled,
    };
    span_pack(&record, words);
    ring_put(&lane->ring, words);
}
