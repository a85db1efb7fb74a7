/* messages: lists the build makes from the .proto files. */
#ifndef SCHEMAS_MESSAGES_H
#define SCHEMAS_MESSAGES_H

#include <protobuf-c/protobuf-c.h>

/* Every message of schemas/internal; ends with NULL. */
extern const ProtobufCMessageDescriptor *const schema_messages[];
/* The text, bytes and vector fields that may be shown to people: those with @shown behind them in
 * schemas/internal. Ends with a row of type NULL. */
struct schema_shown {
    const ProtobufCMessageDescriptor *type;
    unsigned field; /* its number */
};
extern const struct schema_shown schema_shown[];
/* The bytes and uint64 fields that are ids, which people read and write as hexadecimal digits:
 * those with @hex behind them. Ends as the other does. */
extern const struct schema_shown schema_hex[];
/* The public schemas as an encoded google.protobuf.FileDescriptorSet, imports included. */
extern const unsigned char schema_descriptors[];
extern const unsigned long schema_descriptors_size;

#endif
