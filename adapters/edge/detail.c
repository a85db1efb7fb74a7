/* detail: Status {code = 1, message = 2, details = 3: Any {type_url = 1, value = 2: ErrorInfo
 * {reason = 1, domain = 2, metadata = 3: {key = 1, value = 2}}}}. Inner messages are written first,
 * as their length leads. */
#include "adapters/edge/detail.h"

#include <stdint.h>
#include <string.h>

#include "runtime/poison.h"

static void put_varint(struct buffer *out, uint64_t value) {
    unsigned char bytes[10];
    size_t n = 0;
    do {
        bytes[n] = (unsigned char)((value & 0x7f) | (value > 0x7f ? 0x80 : 0));
        n++;
        value >>= 7;
    } while (value);
    buffer_append(out, bytes, n);
}

static void put_bytes(struct buffer *out, unsigned field, const void *bytes, size_t size) {
    put_varint(out, field << 3 | 2);
    put_varint(out, size);
    buffer_append(out, bytes, size);
}

static void put_text(struct buffer *out, unsigned field, const char *text) {
    put_bytes(out, field, text, strlen(text));
}

/* Writes an inner message as a field of an outer one and empties it for the next. */
static void put_message(struct buffer *out, unsigned field, struct buffer *inner) {
    put_bytes(out, field, inner->data, inner->size);
    out->failed |= inner->failed;
    buffer_clear(inner);
}

void detail_write(const struct detail *detail, struct buffer *out) {
    struct buffer pair, info, any;
    buffer_init(&pair);
    buffer_init(&info);
    buffer_init(&any);
    put_text(&info, 1, detail->reason);
    put_text(&info, 2, "vectron");
    for (size_t i = 0; i < detail->n_pairs; i++) {
        put_text(&pair, 1, detail->pairs[i].key);
        put_text(&pair, 2, detail->pairs[i].value);
        put_message(&info, 3, &pair);
    }
    put_text(&any, 1, "type.googleapis.com/google.rpc.ErrorInfo");
    put_message(&any, 2, &info);
    put_varint(out, 1 << 3);
    put_varint(out, (uint64_t)status_grpc(detail->status));
    put_text(out, 2, detail->message);
    put_message(out, 3, &any);
    buffer_free(&pair);
    buffer_free(&info);
    buffer_free(&any);
}
