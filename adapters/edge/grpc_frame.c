/* grpc_frame: prefix = 1 byte of flags (0 or 1: compressed), 4 bytes of length, big-endian. */
#include "adapters/edge/grpc_frame.h"

#include <string.h>

static enum grpc_event take_prefix(struct grpc_frame *frame, struct grpc_piece *input) {
    size_t n = GRPC_PREFIX_SIZE - frame->n_prefix;
    if (n > input->size) n = input->size;
    if (n == 0) return GRPC_MORE;
    memcpy(frame->prefix + frame->n_prefix, input->data, n);
    frame->n_prefix += n;
    input->data += n;
    input->size -= n;
    if (frame->prefix[0] > 1) return GRPC_BROKEN;
    if (frame->n_prefix < GRPC_PREFIX_SIZE) return GRPC_MORE;
    const unsigned char *p = frame->prefix;
    frame->compressed = p[0] == 1;
    frame->size = (uint32_t)p[1] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 8 | p[4];
    frame->left = frame->size;
    frame->inside = true;
    return GRPC_START;
}

enum grpc_event
grpc_frame_next(struct grpc_frame *frame, struct grpc_piece *input, struct grpc_piece *piece) {
    if (!frame->inside) return take_prefix(frame, input);
    if (frame->left == 0) {
        frame->inside = false;
        frame->n_prefix = 0;
        return GRPC_END;
    }
    size_t n = frame->left < input->size ? frame->left : input->size;
    if (n == 0) return GRPC_MORE;
    *piece = (struct grpc_piece){input->data, n};
    frame->left -= (uint32_t)n;
    input->data += n;
    input->size -= n;
    return GRPC_BYTES;
}

bool grpc_frame_whole(const struct grpc_frame *frame) {
    return !frame->inside && frame->n_prefix == 0;
}

void grpc_frame_prefix(unsigned char out[GRPC_PREFIX_SIZE], bool compressed, uint32_t size) {
    out[0] = compressed;
    out[1] = (unsigned char)(size >> 24);
    out[2] = (unsigned char)(size >> 16);
    out[3] = (unsigned char)(size >> 8);
    out[4] = (unsigned char)size;
}
