/* json_value: the typed half of the JSON reader: values of a descriptor's fields. Used by
 * json_read.c and json_items.c only. */
#ifndef EDGE_JSON_VALUE_H
#define EDGE_JSON_VALUE_H

#include "adapters/edge/json_text.h"

struct json_reader {
    struct json_text json;
    struct buffer scratch;          /* owned: a stack of the elements of the arrays being read */
    char unknown[JSON_UNKNOWN_MAX]; /* the first unknown member */
};

enum { JSON_FIELDS_MAX = 128 }; /* of one message type */
/* Which fields of a message were there. */
struct json_seen {
    uint64_t bits[JSON_FIELDS_MAX / 64];
};

/* A fresh message in the arena, its fields at their defaults. */
MUST_USE enum status json_value_new(struct json_reader *reader,
                                    const ProtobufCMessageDescriptor *type,
                                    ProtobufCMessage **out);
/* The member name and the colon; *field is NULL for one that the message does not have. Refuses a
 * field that comes twice. */
MUST_USE enum status json_value_member(struct json_reader *reader,
                                       const ProtobufCMessageDescriptor *type,
                                       struct json_seen *seen,
                                       const ProtobufCFieldDescriptor **field);
/* The value of a member into the message. */
MUST_USE enum status json_value_field(struct json_reader *reader,
                                      ProtobufCMessage *message,
                                      const ProtobufCFieldDescriptor *field);
/* An object as a message of the type. */
MUST_USE enum status json_value_message(struct json_reader *reader,
                                        const ProtobufCMessageDescriptor *type,
                                        ProtobufCMessage **out);

/* --- json_scalar.c: one value that is neither message nor list
 * ------------------------------------------ */
/* Bytes of one element of the type in a message. */
size_t json_scalar_size(ProtobufCType type);
/* slot: json_scalar_size bytes. */
MUST_USE enum status
json_scalar_read(struct json_reader *reader, const ProtobufCFieldDescriptor *field, void *slot);
/* A map's key: always written as a string. */
MUST_USE enum status json_scalar_key(struct json_reader *reader,
                                     const ProtobufCFieldDescriptor *field,
                                     const struct json_slice *text,
                                     void *slot);
/* A number (or "NaN", "Infinity", a number in quotes) as float32. */
MUST_USE enum status json_scalar_float(struct json_reader *reader, float *out);

#endif
