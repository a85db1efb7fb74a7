/* pack: msgpack (github.com/msgpack/msgpack/blob/master/spec.md) read and written by hand, without
 * a tree of objects: 5-8x cheaper than msgpack-c's unpacker (bench suite codec). Reading never
 * leaves the given bytes; a container's count is believed only when that many bytes are still
 * there. Writing always picks the shortest form and trusts the caller to have the room
 * (pack_*_size). */
#ifndef RUNTIME_PACK_H
#define RUNTIME_PACK_H

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { PACK_HEAD_MAX = 9, PACK_DEPTH_MAX = 32 };

enum pack_type {
    PACK_NIL,
    PACK_BOOL,    /* number: 0 or 1 */
    PACK_UINT,    /* number */
    PACK_INT,     /* number: a negative one, two's complement */
    PACK_FLOAT32, /* real */
    PACK_FLOAT64, /* real */
    PACK_STRING,  /* bytes, number = size */
    PACK_BIN,     /* bytes, number = size */
    PACK_ARRAY,   /* number = items that follow */
    PACK_MAP,     /* number = pairs that follow */
    PACK_EXT,     /* bytes, number = size; the ext type is not kept */
};

struct pack_value {
    enum pack_type type;
    uint64_t number;
    double real;
    const unsigned char *bytes; /* borrowed from the input */
};

struct pack_cursor {
    const unsigned char *at;
    const unsigned char *end;
};

/* The rest of pack_read: what begins with `mark` and is not a small number. */
bool pack_read_wide(struct pack_cursor *cursor, unsigned mark, struct pack_value *value);
/* The next value; of an array or map only its head. False: truncated or not msgpack; the cursor is
 * then nowhere useful. Small numbers, every key among them, are read in line. */
static inline bool pack_read(struct pack_cursor *cursor, struct pack_value *value) {
    if (cursor->at >= cursor->end) return false;
    unsigned mark = *cursor->at++;
    if (mark >= 0x80) return pack_read_wide(cursor, mark, value);
    value->type = PACK_UINT;
    value->number = mark;
    return true;
}
/* pack_read where an unsigned integer is wanted; false also when it is none. Large ones, as handles
 * and ids are, are read in line, too. */
static inline bool pack_read_uint(struct pack_cursor *cursor, uint64_t *number) {
    if (cursor->end - cursor->at >= PACK_HEAD_MAX && *cursor->at == 0xcf) {
        memcpy(number, cursor->at + 1, sizeof *number);
        *number = be64toh(*number);
        cursor->at += PACK_HEAD_MAX;
        return true;
    }
    struct pack_value value;
    if (!pack_read(cursor, &value) || value.type != PACK_UINT) return false;
    *number = value.number;
    return true;
}
/* pack_read where a map is looked for, a string or bytes: the usual short forms are read in line.
 */
static inline bool pack_read_map(struct pack_cursor *cursor, struct pack_value *value) {
    size_t left = (size_t)(cursor->end - cursor->at);
    if (left == 0 || *cursor->at >> 4 != 8) return pack_read(cursor, value);
    value->type = PACK_MAP;
    value->number = *cursor->at++ & 0x0f;
    return 2 * value->number < left; /* each item has at least a byte */
}

static inline bool pack_read_string(struct pack_cursor *cursor, struct pack_value *value) {
    size_t left = (size_t)(cursor->end - cursor->at);
    if (left == 0 || *cursor->at >> 5 != 5) return pack_read(cursor, value);
    value->type = PACK_STRING;
    value->number = *cursor->at & 0x1f;
    value->bytes = cursor->at + 1;
    if (value->number > left - 1) return false;
    cursor->at += 1 + value->number;
    return true;
}

/* A float32 where one is next. */
static inline bool pack_read_float(struct pack_cursor *cursor, float *real) {
    uint32_t bits;
    if (cursor->end - cursor->at < 5 || *cursor->at != 0xca) return false;
    memcpy(&bits, cursor->at + 1, sizeof bits);
    bits = be32toh(bits);
    memcpy(real, &bits, sizeof bits);
    cursor->at += 5;
    return true;
}

static inline bool pack_read_bin(struct pack_cursor *cursor, struct pack_value *value) {
    size_t left = (size_t)(cursor->end - cursor->at);
    if (left < 2 || cursor->at[0] != 0xc4) return pack_read(cursor, value);
    value->type = PACK_BIN;
    value->number = cursor->at[1];
    value->bytes = cursor->at + 2;
    if (value->number > left - 2) return false;
    cursor->at += 2 + value->number;
    return true;
}
/* Steps over the next value with all it contains. False also beyond PACK_DEPTH_MAX levels. */
bool pack_skip(struct pack_cursor *cursor);

/* Each returns the place behind what it wrote. */
unsigned char *pack_wide_uint(unsigned char *at, uint64_t value); /* 128 and above */
static inline unsigned char *pack_uint(unsigned char *at, uint64_t value) {
    if (value >= 128) return pack_wide_uint(at, value);
    *at = (unsigned char)value;
    return at + 1;
}
unsigned char *pack_int(unsigned char *at, int64_t value);
unsigned char *pack_nil(unsigned char *at);
unsigned char *pack_bool(unsigned char *at, bool value);
unsigned char *pack_float(unsigned char *at, float value);
unsigned char *pack_double(unsigned char *at, double value);
unsigned char *pack_array(unsigned char *at, uint32_t count);
unsigned char *pack_wide_map(unsigned char *at, uint32_t count); /* 16 and above */
static inline unsigned char *pack_map(unsigned char *at, uint32_t count) {
    if (count >= 16) return pack_wide_map(at, count);
    *at = (unsigned char)(0x80 | count);
    return at + 1;
}
unsigned char *pack_string(unsigned char *at, const char *text, uint32_t size);
unsigned char *
pack_wide_bin(unsigned char *at, const void *bytes, uint32_t size); /* 256 and above */
static inline unsigned char *pack_bin(unsigned char *at, const void *bytes, uint32_t size) {
    if (size > UINT8_MAX) return pack_wide_bin(at, bytes, size);
    *at++ = 0xc4;
    *at++ = (unsigned char)size;
    if (size) memcpy(at, bytes, size);
    return at + size;
}

/* Bytes that the calls above write: 1..9 for heads and numbers, payload included for string and
 * bin. */
static inline size_t pack_uint_size(uint64_t value) {
    if (value < 128) return 1;
    return value <= UINT8_MAX ? 2 : value <= UINT16_MAX ? 3 : value <= UINT32_MAX ? 5 : 9;
}

static inline size_t pack_int_size(int64_t value) {
    if (value >= 0) return pack_uint_size((uint64_t)value);
    if (value >= -32) return 1;
    return value >= INT8_MIN ? 2 : value >= INT16_MIN ? 3 : value >= INT32_MIN ? 5 : 9;
}

/* Of pack_array and pack_map. */
static inline size_t pack_count_size(uint32_t count) {
    return count < 16 ? 1 : count <= UINT16_MAX ? 3 : 5;
}

static inline size_t pack_string_size(size_t size) {
    return size + (size < 32 ? 1 : size <= UINT8_MAX ? 2 : size <= UINT16_MAX ? 3 : 5);
}

static inline size_t pack_bin_size(size_t size) {
    return size + (size <= UINT8_MAX ? 2 : size <= UINT16_MAX ? 3 : 5);
}

#endif
