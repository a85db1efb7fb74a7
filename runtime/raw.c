/* raw: a descriptor without fields, so that code which walks messages finds nothing to read. */
#include "runtime/raw.h"

static void init(ProtobufCMessage *message) {
    raw_init((struct raw *)message, 0, NULL, 0);
}

const ProtobufCMessageDescriptor raw__descriptor = {
    .magic = PROTOBUF_C__MESSAGE_DESCRIPTOR_MAGIC,
    .name = "raw",
    .short_name = "raw",
    .c_name = "raw",
    .package_name = "",
    .sizeof_message = sizeof(struct raw),
    .message_init = init,
};

void raw_init(struct raw *raw, uint32_t op, const void *body, size_t size) {
    *raw = (struct raw){
        .base = {.descriptor = &raw__descriptor},
        .op = op,
        .body = body,
        .size = size,
    };
}
