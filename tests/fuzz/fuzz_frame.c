/* fuzz_frame: what a peer may send on a link: any frame, with its messages taken out; and the same
 * bytes as the two frames of a foreign socket at an actor's mailbox, split at the place the first
 * byte says. */
#include <stdint.h>

#include "runtime/assert.h"
#include "runtime/codec.h"
#include "runtime/envelope.h"
#include "runtime/frame.h"
#include "runtime/handle.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { NOW = 5000000 };

static void check(const struct parcel *parcel) {
    const struct envelope *e = &parcel->envelope;
    assert(e->kind < PARCEL_WIRE_COUNT);
    assert(e->band < BAND_COUNT);
    assert(handle_peer(e->to) == 0 && handle_peer(e->from) == 0);
    assert(parcel->size <= CODEC_MESSAGE_MAX);
}

static void take_messages(struct frame *frame) {
    for (;;) {
        struct parcel *parcel;
        const char *why = NULL;
        enum status s = frame_next(frame, NOW, &parcel, &why);
        assert(s == STATUS_OK || why || s != STATUS_INVALID);
        if (s != STATUS_OK || !parcel) return;
        check(parcel);
        parcel_free(parcel);
    }
}

static void write_again(const struct frame *frame) {
    unsigned char bytes[FRAME_SMALL_MAX];
    size_t size = frame_write(frame, bytes);
    struct frame back;
    assert(size <= sizeof bytes);
    enum status s = frame_read(bytes, size, &back, NULL);
    assert(s == STATUS_OK && back.kind == frame->kind);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct frame frame = {0};
    const char *why = NULL;
    enum status s = frame_read(data, size, &frame, &why);
    assert(s == STATUS_OK || why);
    bool ours = frame.kind != FRAME_HELLO || frame.version == FRAME_VERSION;
    if (s == STATUS_OK && frame.kind == FRAME_MESSAGES)
        take_messages(&frame);
    else if (s == STATUS_OK && ours)
        write_again(&frame);
    if (size == 0) return 0;
    size_t cut = data[0] < size ? data[0] : size - 1;
    struct envelope_frames frames = {data + 1, cut, data + 1 + cut, size - 1 - cut};
    struct parcel *parcel = NULL;
    if (envelope_open(&frames, NOW, &parcel, &why) == STATUS_OK) {
        check(parcel);
        parcel_free(parcel);
    }
    return 0;
}
