/* wire: tag, then what the tag says; every length is held against what is left. */
#include "adapters/edge/wire.h"

#include "runtime/poison.h"

enum { VARINT_BYTES_MAX = 10, FIELD_NUMBER_MAX = (1 << 29) - 1 };

static bool take_varint(struct wire *wire, uint64_t *out) {
    uint64_t value = 0;
    for (unsigned i = 0; i < VARINT_BYTES_MAX && wire->at < wire->end; i++) {
        unsigned char byte = *wire->at++;
        value |= (uint64_t)(byte & 0x7f) << (7 * i);
        if (byte & 0x80) continue;
        *out = value;
        return true;
    }
    return false;
}

bool wire_next(struct wire *wire, struct wire_field *field) {
    uint64_t tag, size = 0, ignored;
    if (!take_varint(wire, &tag)) return false;
    uint64_t number = tag >> 3;
    if (number == 0 || number > FIELD_NUMBER_MAX) return false;
    const unsigned char *start = wire->at;
    switch (tag & 7) {
    case WIRE_VARINT:
        if (!take_varint(wire, &ignored)) return false;
        size = (uint64_t)(wire->at - start);
        wire->at = start;
        break;
    case WIRE_FIXED64:
        size = 8;
        break;
    case WIRE_FIXED32:
        size = 4;
        break;
    case WIRE_BYTES:
        if (!take_varint(wire, &size)) return false;
        break;
    default:
        return false;
    }
    if (size > (uint64_t)(wire->end - wire->at)) return false;
    *field = (struct wire_field){
        .number = (uint32_t)number,
        .type = (enum wire_type)(tag & 7),
        .bytes = wire->at,
        .size = (size_t)size,
    };
    wire->at += size;
    return true;
}
