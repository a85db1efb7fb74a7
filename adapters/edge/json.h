/* json: proto3 JSON over protobuf-c descriptors, both ways, without a DOM. Follows the contract's
 * section 2.1: writes camelCase, unpopulated fields too, 64-bit integers as strings, enums by name,
 * float32 shortest that reads back; reads camelCase or snake_case, numbers as strings, enums by
 * name or number, ignores unknown fields. Bounded: depth 64, no duplicate oneof members, strict
 * UTF-8, no NUL in strings, NaN/Infinity only as strings. */
#ifndef EDGE_JSON_H
#define EDGE_JSON_H

#include <protobuf-c/protobuf-c.h>

#include "runtime/arena.h"
#include "runtime/buffer.h"
#include "runtime/status.h"

enum { JSON_DEPTH_MAX = 64, JSON_UNKNOWN_MAX = 144 };

struct json_error {
    size_t offset;                  /* into the text */
    char text[160];                 /* "points[3].vector[17]: number is out of range of float" */
    char unknown[JSON_UNKNOWN_MAX]; /* of what was read: words on the first member that its message
                                       does not have (json_unknown.h), "": there was none */
};

/* An empty text is an empty message. Memory from the arena. INVALID (error filled), NO_MEMORY; OK
 * fills error->unknown. */
MUST_USE enum status json_read(const ProtobufCMessageDescriptor *type,
                               const char *text,
                               size_t size,
                               struct arena *arena,
                               ProtobufCMessage **out,
                               struct json_error *error);
/* buffer.failed tells of missing memory. */
void json_write(const ProtobufCMessage *message, struct buffer *out);
/* The same for people at a terminal: ids (@hex in schemas/internal) are hexadecimal digits, as they
 * are in headers, logs and arguments; an id that is not there is "". */
void json_write_people(const ProtobufCMessage *message, struct buffer *out);
/* A JSON string with quotes. */
void json_write_string(struct buffer *out, const char *text, size_t size);
/* Shortest decimal that reads back as the same float32. */
void json_write_float(struct buffer *out, float value);

#endif
