/* pack: one switch on the first byte to read, the shortest form to write. All numbers are
 * big-endian. */
#include "runtime/pack.h"

static uint64_t load(const unsigned char *at, size_t size) {
    uint16_t two;
    uint32_t four;
    uint64_t eight;
    switch (size) {
    case 1:
        return *at;
    case 2:
        memcpy(&two, at, sizeof two);
        return be16toh(two);
    case 4:
        memcpy(&four, at, sizeof four);
        return be32toh(four);
    default:
        memcpy(&eight, at, sizeof eight);
        return be64toh(eight);
    }
}

static unsigned char *store(unsigned char *at, uint64_t value, size_t size) {
    uint16_t two = htobe16((uint16_t)value);
    uint32_t four = htobe32((uint32_t)value);
    uint64_t eight = htobe64(value);
    switch (size) {
    case 1:
        *at = (unsigned char)value;
        break;
    case 2:
        memcpy(at, &two, sizeof two);
        break;
    case 4:
        memcpy(at, &four, sizeof four);
        break;
    default:
        memcpy(at, &eight, sizeof eight);
    }
    return at + size;
}

static size_t left(const struct pack_cursor *cursor) {
    return (size_t)(cursor->end - cursor->at);
}

/* --- reading --- */

/* Takes `size` bytes of big-endian number. */
static bool take_number(struct pack_cursor *cursor, size_t size, uint64_t *number) {
    if (left(cursor) < size) return false;
    *number = load(cursor->at, size);
    cursor->at += size;
    return true;
}

static bool take_bytes(struct pack_cursor *cursor, struct pack_value *value, enum pack_type type) {
    if (left(cursor) < value->number) return false;
    value->type = type;
    value->bytes = cursor->at;
    cursor->at += value->number;
    return true;
}

/* A count is believed only when each item can have at least a byte. */
static bool take_count(struct pack_cursor *cursor, struct pack_value *value, enum pack_type type) {
    value->type = type;
    uint64_t items = type == PACK_MAP ? 2 * value->number : value->number;
    return items <= left(cursor);
}

static bool take_signed(struct pack_cursor *cursor, size_t size, struct pack_value *value) {
    if (!take_number(cursor, size, &value->number)) return false;
    unsigned shift = (unsigned)(64 - 8 * size);
    int64_t number = (int64_t)(value->number << shift) >> shift;
    value->number = (uint64_t)number;
    value->type = number < 0 ? PACK_INT : PACK_UINT;
    return true;
}

static bool take_real(struct pack_cursor *cursor, size_t size, struct pack_value *value) {
    uint64_t bits;
    if (!take_number(cursor, size, &bits)) return false;
    if (size == sizeof(float)) {
        uint32_t narrow = (uint32_t)bits;
        float real;
        memcpy(&real, &narrow, sizeof real);
        value->type = PACK_FLOAT32;
        value->real = real;
    } else {
        value->type = PACK_FLOAT64;
        memcpy(&value->real, &bits, sizeof value->real);
    }
    return true;
}

static bool
take_sized(struct pack_cursor *cursor, size_t size, struct pack_value *value, enum pack_type type) {
    return take_number(cursor, size, &value->number) && take_bytes(cursor, value, type);
}

/* The forms 0xc0 to 0xdf: those with a byte of their own. */
static bool read_marked(struct pack_cursor *cursor, unsigned mark, struct pack_value *value) {
    switch (mark) {
    case 0xc0:
        value->type = PACK_NIL;
        return true;
    case 0xc2:
    case 0xc3:
        value->type = PACK_BOOL, value->number = mark & 1;
        return true;
    case 0xc4:
        return take_sized(cursor, 1, value, PACK_BIN);
    case 0xc5:
        return take_sized(cursor, 2, value, PACK_BIN);
    case 0xc6:
        return take_sized(cursor, 4, value, PACK_BIN);
    case 0xca:
        return take_real(cursor, 4, value);
    case 0xcb:
        return take_real(cursor, 8, value);
    case 0xcc:
    case 0xcd:
    case 0xce:
    case 0xcf:
        value->type = PACK_UINT;
        return take_number(cursor, (size_t)1 << (mark - 0xcc), &value->number);
    case 0xd0:
    case 0xd1:
    case 0xd2:
    case 0xd3:
        return take_signed(cursor, (size_t)1 << (mark - 0xd0), value);
    case 0xd9:
        return take_sized(cursor, 1, value, PACK_STRING);
    case 0xda:
        return take_sized(cursor, 2, value, PACK_STRING);
    case 0xdb:
        return take_sized(cursor, 4, value, PACK_STRING);
    case 0xdc:
    case 0xdd:
        return take_number(cursor, mark == 0xdc ? 2 : 4, &value->number) &&
               take_count(cursor, value, PACK_ARRAY);
    case 0xde:
    case 0xdf:
        return take_number(cursor, mark == 0xde ? 2 : 4, &value->number) &&
               take_count(cursor, value, PACK_MAP);
    case 0xc7:
    case 0xc8:
    case 0xc9:
        if (!take_number(cursor, (size_t)1 << (mark - 0xc7), &value->number)) return false;
        break;
    case 0xd4:
    case 0xd5:
    case 0xd6:
    case 0xd7:
    case 0xd8:
        value->number = (uint64_t)1 << (mark - 0xd4);
        break;
    default:
        return false; /* 0xc1 means nothing */
    }
    /* What is left are the ext forms: a type byte, then the bytes. */
    uint64_t ext_type;
    return take_number(cursor, 1, &ext_type) && take_bytes(cursor, value, PACK_EXT);
}

bool pack_read_wide(struct pack_cursor *cursor, unsigned mark, struct pack_value *value) {
    value->number = mark;
    if (mark >= 0xe0) {
        value->type = PACK_INT;
        value->number = (uint64_t)(int64_t)(int8_t)mark;
        return true;
    }
    if (mark >= 0xc0) return read_marked(cursor, mark, value);
    if (mark >= 0xa0) {
        value->number = mark & 0x1f;
        return take_bytes(cursor, value, PACK_STRING);
    }
    value->number = mark & 0x0f;
    return take_count(cursor, value, mark < 0x90 ? PACK_MAP : PACK_ARRAY);
}

bool pack_skip(struct pack_cursor *cursor) {
    uint64_t open[PACK_DEPTH_MAX + 1]; /* values still to come at each level */
    size_t depth = 0;
    open[0] = 1;
    for (;;) {
        while (open[depth] == 0) {
            if (depth == 0) return true;
            depth--;
        }
        open[depth]--;
        struct pack_value value;
        if (!pack_read(cursor, &value)) return false;
        if (value.type != PACK_ARRAY && value.type != PACK_MAP) continue;
        if (depth == PACK_DEPTH_MAX) return false;
        open[++depth] = value.type == PACK_MAP ? 2 * value.number : value.number;
    }
}

/* --- writing --- */

unsigned char *pack_wide_uint(unsigned char *at, uint64_t value) {
    unsigned log = value <= UINT8_MAX ? 0 : value <= UINT16_MAX ? 1 : value <= UINT32_MAX ? 2 : 3;
    *at++ = (unsigned char)(0xcc + log);
    return store(at, value, (size_t)1 << log);
}

unsigned char *pack_int(unsigned char *at, int64_t value) {
    if (value >= 0) return pack_uint(at, (uint64_t)value);
    if (value >= -32) {
        *at = (unsigned char)value;
        return at + 1;
    }
    unsigned log = value >= INT8_MIN ? 0 : value >= INT16_MIN ? 1 : value >= INT32_MIN ? 2 : 3;
    *at++ = (unsigned char)(0xd0 + log);
    return store(at, (uint64_t)value, (size_t)1 << log);
}

unsigned char *pack_nil(unsigned char *at) {
    *at = 0xc0;
    return at + 1;
}

unsigned char *pack_bool(unsigned char *at, bool value) {
    *at = value ? 0xc3 : 0xc2;
    return at + 1;
}

unsigned char *pack_float(unsigned char *at, float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    *at = 0xca;
    return store(at + 1, bits, sizeof bits);
}

unsigned char *pack_double(unsigned char *at, double value) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    *at = 0xcb;
    return store(at + 1, bits, sizeof bits);
}

/* The head of a container: `small` marks the one-byte form, `big` the one with 16 bits. */
static unsigned char *head(unsigned char *at, uint32_t count, unsigned small, unsigned big) {
    if (count < 16) {
        *at = (unsigned char)(small | count);
        return at + 1;
    }
    bool wide = count > UINT16_MAX;
    *at = (unsigned char)(wide ? big + 1 : big);
    return store(at + 1, count, wide ? 4 : 2);
}

unsigned char *pack_array(unsigned char *at, uint32_t count) {
    return head(at, count, 0x90, 0xdc);
}

unsigned char *pack_wide_map(unsigned char *at, uint32_t count) {
    return head(at, count, 0x80, 0xde);
}

/* `mark` is the form with an 8-bit size; those with 16 and 32 bits follow it. */
static unsigned char *sized(unsigned char *at, unsigned mark, const void *bytes, uint32_t size) {
    unsigned log = size <= UINT8_MAX ? 0 : size <= UINT16_MAX ? 1 : 2;
    *at = (unsigned char)(mark + log);
    at = store(at + 1, size, (size_t)1 << log);
    if (size) memcpy(at, bytes, size);
    return at + size;
}

unsigned char *pack_string(unsigned char *at, const char *text, uint32_t size) {
    if (size >= 32) return sized(at, 0xd9, text, size);
    *at++ = (unsigned char)(0xa0 | size);
    if (size) memcpy(at, text, size);
    return at + size;
}

unsigned char *pack_wide_bin(unsigned char *at, const void *bytes, uint32_t size) {
    return sized(at, 0xc4, bytes, size);
}
