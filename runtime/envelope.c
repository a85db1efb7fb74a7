/* envelope: a fixed order makes both ways one pass without a search. */
#include "runtime/envelope.h"

#include "runtime/codec.h"
#include "runtime/handle.h"
#include "runtime/turn.h"

enum { BAND_BITS = 2, BAND_MASK = (1 << BAND_BITS) - 1, TRACE_SIZE = 16 };

size_t envelope_encode(const struct envelope *envelope, uint64_t now_us, void *out) {
    unsigned char *at = pack_array(out, ENVELOPE_FIELDS + (envelope->parent != 0));
    at = pack_uint(at, ENVELOPE_VERSION);
    at = pack_uint(at, envelope->kind);
    unsigned flags = envelope->flags & PARCEL_TRACED; /* the others are for this process only */
    at = pack_uint(at, envelope->band | flags << BAND_BITS);
    at = pack_uint(at, handle_local(envelope->to));
    at = pack_uint(at, handle_local(envelope->from));
    at = pack_uint(at, envelope->correlation);
    uint64_t deadline = envelope->deadline_us;
    if (deadline == NO_DEADLINE)
        at = pack_nil(at);
    else
        at = pack_uint(at, deadline > now_us ? deadline - now_us : 0);
    if (envelope->trace[0] == 0 && envelope->trace[1] == 0)
        at = pack_nil(at);
    else
        at = pack_bin(at, envelope->trace, TRACE_SIZE);
    at = pack_uint(at, envelope->span);
    at = pack_uint(at, envelope->op);
    if (envelope->parent) at = pack_uint(at, envelope->parent);
    return (size_t)(at - (unsigned char *)out);
}

/* One envelope being read; the first fault is kept and makes the rest of the reads no-ops. */
struct reading {
    struct pack_cursor *cursor;
    const char *why;
};

static inline uint64_t read_uint(struct reading *r, uint64_t max, const char *why) {
    uint64_t number;
    if (r->why) return 0;
    if (pack_read_uint(r->cursor, &number) && number <= max) return number;
    r->why = why;
    return 0;
}

/* Nobody, or a slot with the incarnation it had: "whoever is there now" is not for peers to say. */
static actor_handle read_handle(struct reading *r, const char *why) {
    actor_handle handle = read_uint(r, UINT64_MAX, why);
    bool fine = handle == 0 || (handle_peer(handle) == 0 && handle_incarnation(handle) != 0);
    if (!fine && !r->why) r->why = why;
    return handle;
}

static uint64_t read_deadline(struct reading *r, uint64_t now_us) {
    struct pack_value value;
    if (r->why) return 0;
    if (pack_read(r->cursor, &value)) {
        if (value.type == PACK_NIL) return NO_DEADLINE;
        if (value.type == PACK_UINT) {
            return value.number < NO_DEADLINE - now_us ? now_us + value.number : NO_DEADLINE;
        }
    }
    r->why = "envelope: deadline is neither microseconds nor nil";
    return 0;
}

static void read_trace(struct reading *r, uint64_t trace[2]) {
    struct pack_value value;
    if (r->why) return;
    bool ok = pack_read(r->cursor, &value);
    if (ok && value.type == PACK_BIN && value.number == TRACE_SIZE) {
        memcpy(trace, value.bytes, TRACE_SIZE);
    } else if (!ok || value.type != PACK_NIL) {
        r->why = "envelope: trace is neither 16 bytes nor nil";
    }
}

static uint64_t read_head(struct reading *r) {
    struct pack_value value;
    if (!pack_read(r->cursor, &value) || value.type != PACK_ARRAY ||
        value.number < ENVELOPE_FIELDS) {
        r->why = "envelope: not an array of ten";
        return 0;
    }
    uint64_t version = read_uint(r, UINT64_MAX, "envelope: version is not a number");
    if (!r->why && version != ENVELOPE_VERSION) r->why = "envelope: unknown version";
    return value.number;
}

enum status envelope_decode(struct pack_cursor *cursor,
                            uint64_t now_us,
                            struct envelope *out,
                            const char **why) {
    struct reading r = {.cursor = cursor};
    struct envelope read = {0};
    uint64_t fields = read_head(&r);
    read.kind = (uint8_t)read_uint(&r, PARCEL_WIRE_COUNT - 1, "envelope: unknown kind");
    uint64_t bits = read_uint(&r, UINT8_MAX, "envelope: flags out of range");
    read.band = bits & BAND_MASK;
    read.flags = (bits >> BAND_BITS) & PARCEL_TRACED;
    if (read.band >= BAND_COUNT && !r.why) r.why = "envelope: unknown band";
    read.to = read_handle(&r, "envelope: receiver is not a handle of this process");
    read.from = read_handle(&r, "envelope: sender is not a handle of its process");
    read.correlation = read_uint(&r, UINT64_MAX, "envelope: correlation is not a number");
    read.deadline_us = read_deadline(&r, now_us);
    read_trace(&r, read.trace);
    read.span = read_uint(&r, UINT64_MAX, "envelope: span is not a number");
    read.op = (uint32_t)read_uint(&r, UINT32_MAX, "envelope: op is not a 32-bit number");
    if (fields > ENVELOPE_FIELDS)
        read.parent = read_uint(&r, UINT64_MAX, "envelope: parent is not a number");
    for (uint64_t i = ENVELOPE_FIELDS + 1; i < fields && !r.why; i++) {
        if (!pack_skip(cursor)) r.why = "envelope: truncated";
    }
    if (r.why) {
        if (why) *why = r.why;
        return STATUS_INVALID;
    }
    *out = read;
    return STATUS_OK;
}

enum status envelope_open(const struct envelope_frames *frames,
                          uint64_t now_us,
                          struct parcel **out,
                          const char **why) {
    const unsigned char *at = frames->envelope;
    struct pack_cursor cursor = {at, at + frames->envelope_size};
    struct envelope envelope;
    enum status s = envelope_decode(&cursor, now_us, &envelope, why);
    if (s != STATUS_OK) return s;
    if (cursor.at != cursor.end) {
        if (why) *why = "envelope: bytes behind it";
        return STATUS_INVALID;
    }
    if (frames->body_size > CODEC_MESSAGE_MAX) return STATUS_TOO_LARGE;
    struct parcel *parcel = parcel_new(frames->body_size);
    if (!parcel) return STATUS_NO_MEMORY;
    parcel->envelope = envelope;
    parcel->size = frames->body_size;
    if (frames->body_size) memcpy(parcel->body, frames->body, frames->body_size);
    *out = parcel;
    return STATUS_OK;
}
