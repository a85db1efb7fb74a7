/* random_message: any message type with random contents, and whether two are the same. */
#ifndef TESTS_UNIT_WIRE_RANDOM_MESSAGE_H
#define TESTS_UNIT_WIRE_RANDOM_MESSAGE_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>

#include "runtime/arena.h"
#include "runtime/rng.h"

ProtobufCMessage *
random_message(const ProtobufCMessageDescriptor *type, struct rng *rng, struct arena *arena);
/* Field by field, floats by their bits. */
bool same_message(const ProtobufCMessage *a, const ProtobufCMessage *b);

#endif
