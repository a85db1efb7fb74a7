/* batch: records in a page, each a multiple of 8 bytes:
 *
 *     to 8 | from 8 | span 8 | op 4 | kind 1 | has 1 | flags 1 | size 1
 *     correlation 8 | deadline 8     with HAS_CALL
 *     trace 16 | parent 8            with HAS_TRACE
 *     body, `size` bytes
 *
 * With HAS_POINTER `to` is the address of a parcel, and there is nothing else. */
#include "runtime/batch.h"

#include <string.h>

#include "runtime/assert.h"
#include "runtime/turn.h"

enum {
    HAS_CALL = 4, /* the band is in the lowest two bits */
    HAS_TRACE = 8,
    HAS_POINTER = 16,
    BAND_MASK = 3,
    RECORD_ALIGN = 8,
    AHEAD = 8, /* lines of a page that are fetched before they are read or written */
};

struct record {
    uint64_t to;
    uint64_t from;
    uint64_t span;
    uint32_t op;
    uint8_t kind;
    uint8_t has;
    uint8_t flags;
    uint8_t size; /* of the body */
};
struct record_call {
    uint64_t correlation;
    uint64_t deadline_us;
};
struct record_trace {
    uint64_t trace[2];
    uint64_t parent;
};
static_assert(PARCEL_INLINE <= UINT8_MAX, "the size of a small body fits its byte");
static_assert((int)BAND_COUNT <= BAND_MASK + 1, "a band fits its bits");
static_assert(sizeof(struct envelope) == 72, "a record keeps every field of an envelope");

struct parcel *batch_new(void) {
    struct parcel *batch = parcel_new(PARCEL_PAGE);
    if (batch) batch->size = 0;
    return batch;
}

static unsigned char *write_bytes(unsigned char *at, const void *bytes, size_t size) {
    memcpy(at, bytes, size);
    return at + size;
}

static const unsigned char *read_bytes(const unsigned char *at, void *bytes, size_t size) {
    memcpy(bytes, at, size);
    return at + size;
}

/* Which parts the parcel's record needs. */
static uint8_t parts_of(const struct parcel *parcel) {
    const struct envelope *envelope = &parcel->envelope;
    if (parcel->body != parcel->room) return HAS_POINTER;
    uint8_t has = envelope->band;
    if (envelope->correlation != 0 || envelope->deadline_us != NO_DEADLINE) has |= HAS_CALL;
    if (envelope->trace[0] | envelope->trace[1] | envelope->parent) has |= HAS_TRACE;
    return has;
}

static size_t size_of(uint8_t has, size_t body) {
    size_t size = sizeof(struct record);
    if (has & HAS_POINTER) return size;
    if (has & HAS_CALL) size += sizeof(struct record_call);
    if (has & HAS_TRACE) size += sizeof(struct record_trace);
    return (size + body + RECORD_ALIGN - 1) & ~(size_t)(RECORD_ALIGN - 1);
}

static void write_pointer(unsigned char *at, struct parcel *parcel) {
    struct record record = {.to = (uint64_t)(uintptr_t)parcel, .has = HAS_POINTER};
    write_bytes(at, &record, sizeof record);
}

static void write_value(unsigned char *at, const struct parcel *parcel, uint8_t has) {
    const struct envelope *envelope = &parcel->envelope;
    struct record record = {
        .to = envelope->to,
        .from = envelope->from,
        .span = envelope->span,
        .op = envelope->op,
        .kind = envelope->kind,
        .has = has,
        .flags = envelope->flags,
        .size = (uint8_t)parcel->size,
    };
    at = write_bytes(at, &record, sizeof record);
    if (has & HAS_CALL) {
        struct record_call call = {envelope->correlation, envelope->deadline_us};
        at = write_bytes(at, &call, sizeof call);
    }
    if (has & HAS_TRACE) {
        struct record_trace trace = {{envelope->trace[0], envelope->trace[1]}, envelope->parent};
        at = write_bytes(at, &trace, sizeof trace);
    }
    write_bytes(at, parcel->room, parcel->size);
}

bool batch_put(struct parcel *batch, struct parcel *parcel) {
    uint8_t has = parts_of(parcel);
    size_t size = size_of(has, parcel->size);
    if (size > PARCEL_PAGE - batch->size) return false;
    unsigned char *at = batch->page + batch->size;
    batch->size += size;
    __builtin_prefetch(at + AHEAD * PARCEL_CACHE_LINE, 1);
    if (has & HAS_POINTER) {
        write_pointer(at, parcel);
    } else {
        write_value(at, parcel, has);
        parcel_free(parcel);
    }
    return true;
}

static struct parcel *read_value(const unsigned char *at, const struct record *record) {
    struct parcel *parcel = parcel_new(record->size);
    assert(parcel);
    struct envelope *envelope = &parcel->envelope;
    envelope->kind = record->kind;
    envelope->band = record->has & BAND_MASK;
    envelope->flags = record->flags;
    envelope->op = record->op;
    envelope->to = record->to;
    envelope->from = record->from;
    envelope->span = record->span;
    if (record->has & HAS_CALL) {
        struct record_call call;
        at = read_bytes(at, &call, sizeof call);
        envelope->correlation = call.correlation;
        envelope->deadline_us = call.deadline_us;
    }
    if (record->has & HAS_TRACE) {
        struct record_trace trace;
        at = read_bytes(at, &trace, sizeof trace);
        envelope->trace[0] = trace.trace[0];
        envelope->trace[1] = trace.trace[1];
        envelope->parent = trace.parent;
    }
    read_bytes(at, parcel->room, record->size);
    return parcel;
}

struct parcel *batch_next(const struct parcel *batch, size_t *at) {
    if (*at >= batch->size) return NULL;
    struct record record;
    const unsigned char *from = batch->page + *at;
    __builtin_prefetch(from + AHEAD * PARCEL_CACHE_LINE);
    from = read_bytes(from, &record, sizeof record);
    *at += size_of(record.has, record.size);
    if (record.has & HAS_POINTER) return (struct parcel *)(uintptr_t)record.to;
    return read_value(from, &record);
}

void batch_prefetch(const struct parcel *batch) {
    if (batch) __builtin_prefetch(batch);
}
