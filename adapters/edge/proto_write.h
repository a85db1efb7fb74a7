/* proto_write: a message as protobuf in one walk, where protobuf-c asks every message twice for its
 * size before it writes: most answers are small. What this does not do is left to protobuf-c. */
#ifndef EDGE_PROTO_WRITE_H
#define EDGE_PROTO_WRITE_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>

/* Writes into `room` bytes at `at`. False, without a reason: it may not fit, it is nested deeper
 * than PROTO_DEPTH_MAX, it has fields that are unknown, or of proto2. */
bool proto_write(const ProtobufCMessage *message, unsigned char *at, size_t room, size_t *size);

#endif
