/* wire: a cursor over the fields of an encoded protobuf message, nothing decoded, nothing copied.
 */
#ifndef EDGE_WIRE_H
#define EDGE_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct wire {
    const unsigned char *at; /* borrowed */
    const unsigned char *end;
};

enum wire_type { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_BYTES = 2, WIRE_FIXED32 = 5 };

struct wire_field {
    uint32_t number;
    enum wire_type type;
    const unsigned char *bytes; /* the content of WIRE_BYTES, the encoded value of the others */
    size_t size;
};

/* The next field; at the end (at == end) there is none. False: truncated, a length beyond the end,
 * a field number of 0, or a group, which proto3 does not have. */
bool wire_next(struct wire *wire, struct wire_field *field);

#endif
