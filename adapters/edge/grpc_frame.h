/* grpc_frame: cuts a stream of bytes into gRPC's length-prefixed messages, at whatever places the
 * bytes are split: one DATA frame may hold part of a prefix or several messages. Keeps nothing but
 * the prefix. */
#ifndef EDGE_GRPC_FRAME_H
#define EDGE_GRPC_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { GRPC_PREFIX_SIZE = 5 };

struct grpc_frame {
    unsigned char prefix[GRPC_PREFIX_SIZE];
    size_t n_prefix;
    uint32_t size;   /* of the message under way */
    uint32_t left;   /* of it */
    bool compressed; /* the message under way */
    bool inside;     /* its prefix is complete */
};

enum grpc_event {
    GRPC_MORE,   /* the input is used up */
    GRPC_START,  /* a prefix is complete: size and compressed are set */
    GRPC_BYTES,  /* a piece of the message */
    GRPC_END,    /* the message is complete */
    GRPC_BROKEN, /* a prefix that is none: nothing more can be read */
};

struct grpc_piece {
    const unsigned char *data;
    size_t size;
};

/* Takes the next event off the front of input, which it advances. Bytes of a GRPC_BYTES event are
 * borrowed from the input. A zeroed struct is a good start. */
enum grpc_event
grpc_frame_next(struct grpc_frame *frame, struct grpc_piece *input, struct grpc_piece *piece);
/* True between two messages: the only place where a stream may end. */
bool grpc_frame_whole(const struct grpc_frame *frame);
/* Writes a prefix. */
void grpc_frame_prefix(unsigned char out[GRPC_PREFIX_SIZE], bool compressed, uint32_t size);

#endif
