/* proto: protobuf from outside into messages, where protobuf-c alone is too trusting: strings are
 * checked on the raw bytes (UTF-8, no NUL, which its C strings would cut at), nesting is bounded,
 * memory comes from an arena. */
#ifndef EDGE_PROTO_H
#define EDGE_PROTO_H

#include <protobuf-c/protobuf-c.h>

#include "runtime/arena.h"
#include "runtime/status.h"

enum { PROTO_DEPTH_MAX = 32 };

/* INVALID, with static words in *why; NO_MEMORY, also when the arena's limit is reached. */
MUST_USE enum status proto_read(const ProtobufCMessageDescriptor *type,
                                const void *data,
                                size_t size,
                                struct arena *arena,
                                ProtobufCMessage **out,
                                const char **why);
/* Checks only: what proto_read does before it decodes. */
MUST_USE enum status proto_check(const ProtobufCMessageDescriptor *type,
                                 const void *data,
                                 size_t size,
                                 const char **why);

#endif
