/* The gRPC deframer: whatever the bytes and however they are split, the same events; and an answer
 * in percent and base64 form stays printable. The first byte says how large the pieces are. */
#include <stdint.h>
#include <string.h>

#include "adapters/edge/grpc_frame.h"
#include "adapters/edge/grpc_text.h"
#include "runtime/assert.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { EVENTS_MAX = 4096 };

/* A number that depends on every event and byte, but not on where the bytes were cut. */
static uint64_t digest(const uint8_t *data, size_t size, size_t step) {
    struct grpc_frame frame = {0};
    uint64_t sum = 1;
    for (size_t at = 0; at < size; at += step) {
        struct grpc_piece input = {data + at, size - at < step ? size - at : step}, piece;
        for (;;) {
            enum grpc_event event = grpc_frame_next(&frame, &input, &piece);
            if (event == GRPC_MORE) break;
            if (event == GRPC_BROKEN) return sum * 31 + 7;
            if (event == GRPC_START) sum = sum * 31 + frame.size + frame.compressed;
            if (event == GRPC_END) sum = sum * 31 + 3;
            for (size_t i = 0; event == GRPC_BYTES && i < piece.size; i++)
                sum = sum * 31 + piece.data[i];
        }
    }
    return sum * 2 + grpc_frame_whole(&frame);
}

static void encode(const uint8_t *data, size_t size) {
    struct arena arena;
    char text[256];
    uint64_t us;
    size_t n = size < sizeof text - 1 ? size : sizeof text - 1;
    memcpy(text, data, n);
    text[n] = 0;
    arena_init(&arena, 1 << 20);
    const char *message = grpc_text_message(&arena, text);
    for (const char *c = message; *c; c++)
        assert(*c >= 0x20 && *c <= 0x7e);
    assert(strlen(grpc_text_binary(&arena, data, n)) == (n * 4 + 2) / 3);
    (void)grpc_text_timeout(text, &us);
    arena_free(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0) return 0;
    uint64_t whole = digest(data + 1, size - 1, size);
    assert(whole == digest(data + 1, size - 1, 1));
    assert(whole == digest(data + 1, size - 1, data[0] % 16 + 1u));
    encode(data + 1, size - 1);
    return 0;
}
