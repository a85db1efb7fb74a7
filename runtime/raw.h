/* raw: a message as bytes: an op and an encoded body (runtime/codec.h), where this process does not
 * know the type or does not want it decoded. It stands wherever a message does:
 *
 *   sent        turn_tell, turn_call, turn_reply, …: the body goes as it is
 *   handlers    {&raw__descriptor, on_any} in a table takes what no other row names
 *   answers     call.reply = &raw__descriptor
 *
 * Bodies are not looked at: the receiver judges them. */
#ifndef RUNTIME_RAW_H
#define RUNTIME_RAW_H

#include <protobuf-c/protobuf-c.h>
#include <stddef.h>
#include <stdint.h>

struct raw {
    ProtobufCMessage base; /* its descriptor is &raw__descriptor */
    uint32_t op;
    const void *body; /* borrowed: of the sender until the call returns, of the turn in handlers */
    size_t size;      /* <= CODEC_MESSAGE_MAX */
};
extern const ProtobufCMessageDescriptor raw__descriptor;

void raw_init(struct raw *raw, uint32_t op, const void *body, size_t size);
/* NULL: it is a message of a known type. */
static inline const struct raw *raw_of(const ProtobufCMessage *message) {
    return message->descriptor == &raw__descriptor ? (const struct raw *)message : NULL;
}

#endif
