/* frame: reading and writing what processes say to each other. */
#include "runtime/frame.h"

#include "runtime/assert.h"
#include "runtime/codec.h"
#include "runtime/envelope.h"
#include "runtime/handle.h"
#include "runtime/text.h"

static const char MAGIC[] = "vectron";

static_assert((int)FRAME_ENVELOPE_MAX >= (int)ENVELOPE_SIZE_MAX,
              "a builder's row holds an envelope");
static_assert(FRAME_SMALL_MAX >= FRAME_TEXT_MAX + 8 * PACK_HEAD_MAX, "the longest text fits");
static_assert(FRAME_SMALL_MAX >= FRAME_NAME_MAX + FRAME_LINK_MAX + 10 * PACK_HEAD_MAX,
              "the longest hello fits");

/* --- writing --- */

static unsigned char *put_text(unsigned char *at, const char *text, size_t max) {
    size_t size = strnlen(text, max + 1);
    if (size > max) size = text_cut(text, max);
    return pack_string(at, text, (uint32_t)size);
}

static unsigned char *put_hello(unsigned char *at, const struct frame *frame) {
    bool reached = *frame->link;
    at = pack_uint(pack_array(at, reached ? 8 : 7), FRAME_HELLO);
    at = put_text(at, MAGIC, sizeof MAGIC);
    at = pack_uint(at, FRAME_VERSION);
    at = put_text(at, frame->text, FRAME_NAME_MAX);
    at = pack_uint(at, frame->incarnation);
    at = pack_uint(at, frame->session);
    at = pack_uint(at, frame->class);
    return reached ? put_text(at, frame->link, FRAME_LINK_MAX) : at;
}

size_t frame_write(const struct frame *frame, void *out) {
    unsigned char *at = out;
    switch (frame->kind) {
    case FRAME_HELLO:
        at = put_hello(at, frame);
        break;
    case FRAME_LOOKUP:
        at = pack_uint(pack_array(at, 3), FRAME_LOOKUP);
        at = put_text(pack_uint(at, frame->token), frame->text, FRAME_TEXT_MAX);
        break;
    case FRAME_FOUND:
        at = pack_uint(pack_array(at, 4), FRAME_FOUND);
        at = pack_uint(pack_uint(at, frame->token), frame->status);
        at = pack_uint(at, handle_local(frame->handle));
        break;
    case FRAME_BEAT:
    case FRAME_BEATEN:
        at = pack_uint(pack_uint(pack_array(at, 2), frame->kind), frame->token);
        break;
    case FRAME_BYE:
        at = pack_uint(pack_array(at, 2), FRAME_BYE);
        at = put_text(at, frame->text, FRAME_TEXT_MAX);
        break;
    case FRAME_REGISTER:
        at = pack_uint(pack_uint(pack_array(at, 4), FRAME_REGISTER), frame->token);
        at = put_text(at, frame->text, FRAME_TEXT_MAX);
        at = pack_uint(at, handle_local(frame->handle));
        break;
    case FRAME_REGISTERED:
        at = pack_uint(pack_uint(pack_array(at, 3), FRAME_REGISTERED), frame->token);
        at = pack_uint(at, frame->status);
        break;
    case FRAME_MESSAGES:
        assert(!"messages are built, not written");
    }
    return (size_t)(at - (unsigned char *)out);
}

void frame_begin(struct frame_builder *builder, uint64_t now_us) {
    builder->size = FRAME_HEAD_SIZE;
    builder->count = 0;
    builder->now_us = now_us;
}

size_t frame_cost(const struct parcel *parcel) {
    return FRAME_ENVELOPE_MAX + pack_bin_size(parcel->size);
}

bool frame_add(struct frame_builder *builder, const struct parcel *parcel) {
    if (builder->count == FRAME_MESSAGES_MAX) return false;
    uint32_t i = builder->count++;
    builder->messages[i].parcel = parcel;
    builder->messages[i].size =
        (uint32_t)envelope_encode(&parcel->envelope, builder->now_us, builder->messages[i].bytes);
    builder->size += builder->messages[i].size + pack_bin_size(parcel->size);
    return true;
}

void frame_build(const struct frame_builder *builder, void *out) {
    /* The array's head in its widest form, so that the size does not depend on the count. */
    unsigned char *at = out;
    uint32_t values = 1 + 2 * builder->count;
    *at++ = 0xdc;
    *at++ = (unsigned char)(values >> 8);
    *at++ = (unsigned char)values;
    at = pack_uint(at, FRAME_MESSAGES);
    for (uint32_t i = 0; i < builder->count; i++) {
        const struct parcel *parcel = builder->messages[i].parcel;
        memcpy(at, builder->messages[i].bytes, builder->messages[i].size);
        at = pack_bin(at + builder->messages[i].size, parcel->body, (uint32_t)parcel->size);
    }
    assert(at == (unsigned char *)out + builder->size);
}

/* --- reading --- */

struct reading {
    struct pack_cursor cursor;
    const char *why; /* the first fault; makes the rest of the reads no-ops */
};

static uint64_t get_uint(struct reading *r, uint64_t max, const char *why) {
    struct pack_value value;
    if (r->why) return 0;
    if (pack_read(&r->cursor, &value) && value.type == PACK_UINT && value.number <= max) {
        return value.number;
    }
    r->why = why;
    return 0;
}

static void get_text(struct reading *r, size_t max, char *out, const char *why) {
    struct pack_value value;
    if (r->why) return;
    if (!pack_read(&r->cursor, &value) || value.type != PACK_STRING || value.number > max ||
        !text_valid(value.bytes, value.number)) {
        r->why = why;
        return;
    }
    memcpy(out, value.bytes, value.number);
    out[value.number] = 0;
}

/* Returns the number of values read, of `values` behind the kind. */
static unsigned read_hello(struct reading *r, uint64_t values, struct frame *out) {
    get_text(r, sizeof MAGIC - 1, out->text, "hello: not from Vectron");
    if (!r->why && strcmp(out->text, MAGIC) != 0) r->why = "hello: not from Vectron";
    out->version = get_uint(r, UINT64_MAX, "hello: version is not a number");
    if (r->why || out->version != FRAME_VERSION) return 2;
    get_text(r, FRAME_NAME_MAX, out->text, "hello: name is not a short text");
    out->incarnation = get_uint(r, UINT64_MAX, "hello: incarnation is not a number");
    out->session = get_uint(r, UINT64_MAX, "hello: session is not a number");
    out->class = (enum frame_class)get_uint(r, FRAME_CLASSES - 1, "hello: unknown class");
    if (values < 7) return 6;
    get_text(r, FRAME_LINK_MAX, out->link, "hello: link is not a short text");
    return 7;
}

static unsigned read_found(struct reading *r, struct frame *out) {
    out->token = get_uint(r, UINT64_MAX, "found: token is not a number");
    out->status = (enum status)get_uint(r, STATUS_COUNT - 1, "found: unknown status");
    out->handle = get_uint(r, UINT64_MAX, "found: handle is not a number");
    bool real = handle_peer(out->handle) == 0 && handle_incarnation(out->handle) != 0;
    if (out->status == STATUS_OK && !real && !r->why) r->why = "found: not a handle";
    return 3;
}

static unsigned read_register(struct reading *r, struct frame *out) {
    out->token = get_uint(r, UINT64_MAX, "register: token is not a number");
    get_text(r, FRAME_TEXT_MAX, out->text, "register: name is not a short text");
    out->handle = get_uint(r, UINT64_MAX, "register: handle is not a number");
    bool real = handle_peer(out->handle) == 0 && handle_incarnation(out->handle) != 0;
    if (out->handle && !real && !r->why) r->why = "register: not a handle";
    return 3;
}

static unsigned read_rest(struct reading *r, uint64_t values, struct frame *out) {
    switch (out->kind) {
    case FRAME_HELLO:
        return read_hello(r, values, out);
    case FRAME_LOOKUP:
        out->token = get_uint(r, UINT64_MAX, "lookup: token is not a number");
        get_text(r, FRAME_TEXT_MAX, out->text, "lookup: name is not a short text");
        return 2;
    case FRAME_FOUND:
        return read_found(r, out);
    case FRAME_BEAT:
    case FRAME_BEATEN:
        out->token = get_uint(r, UINT64_MAX, "beat: stamp is not a number");
        return 1;
    case FRAME_BYE:
        get_text(r, FRAME_TEXT_MAX, out->text, "goodbye: not a short text");
        return 1;
    case FRAME_REGISTER:
        return read_register(r, out);
    case FRAME_REGISTERED:
        out->token = get_uint(r, UINT64_MAX, "registered: token is not a number");
        out->status = (enum status)get_uint(r, STATUS_COUNT - 1, "registered: unknown status");
        return 2;
    default:
        r->why = "frame: unknown kind";
        return 0;
    }
}

static void read_frame(struct reading *r, struct frame *out) {
    struct pack_value head;
    if (!pack_read(&r->cursor, &head) || head.type != PACK_ARRAY || head.number == 0) {
        r->why = "frame: not an array";
        return;
    }
    out->kind = (enum frame_kind)get_uint(r, FRAME_REGISTERED, "frame: unknown kind");
    if (r->why) return;
    uint64_t values = head.number - 1;
    if (out->kind == FRAME_MESSAGES) {
        out->messages = r->cursor;
        out->count = values;
        if (values % 2 != 0) r->why = "messages: an envelope without a body";
        return;
    }
    uint64_t read = read_rest(r, values, out);
    if (read > values && !r->why) r->why = "frame: too short";
    for (; read < values && !r->why; read++) {
        if (!pack_skip(&r->cursor)) r->why = "frame: truncated";
    }
    if (!r->why && r->cursor.at != r->cursor.end) r->why = "frame: bytes behind it";
}

enum status frame_read(const void *data, size_t size, struct frame *out, const char **why) {
    const unsigned char *at = data;
    struct reading r = {.cursor = {at, at + size}};
    out->text[0] = out->link[0] = 0;
    read_frame(&r, out);
    if (!r.why) return STATUS_OK;
    if (why) *why = r.why;
    return STATUS_INVALID;
}

static enum status bad(const char *words, const char **why) {
    if (why) *why = words;
    return STATUS_INVALID;
}

enum status
frame_next(struct frame *frame, uint64_t now_us, struct parcel **out, const char **why) {
    struct pack_cursor *cursor = &frame->messages;
    if (frame->count == 0) {
        if (cursor->at != cursor->end) return bad("messages: bytes behind them", why);
        *out = NULL;
        return STATUS_OK;
    }
    frame->count -= 2;
    struct envelope envelope;
    enum status s = envelope_decode(cursor, now_us, &envelope, why);
    if (s != STATUS_OK) return s;
    if (envelope.to == 0) return bad("envelope: no receiver", why);
    struct pack_value body;
    if (!pack_read(cursor, &body) || body.type != PACK_BIN)
        return bad("messages: body is not bin", why);
    if (body.number > CODEC_MESSAGE_MAX) return STATUS_TOO_LARGE;
    struct parcel *parcel = parcel_new(body.number);
    if (!parcel) return STATUS_NO_MEMORY;
    parcel->envelope = envelope;
    parcel->size = body.number;
    if (body.number) memcpy(parcel->body, body.bytes, body.number);
    *out = parcel;
    return STATUS_OK;
}
