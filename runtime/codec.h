/* codec: protobuf-c messages to and from msgpack by walking their descriptors. The wire form of
 * every message body, also in process:
 *
 *   message          map {field number: value}, ascending; default values are left out
 *   int, enum, bool  int / bool            float, double   float32 / float64
 *   string           str (valid UTF-8, no NUL)            bytes           bin
 *   repeated T       array of T; repeated float: one bin of little-endian float32
 *   map<K,V>         array of {1: key, 2: value} maps, as protobuf has it
 *   oneof            the member that is set
 *
 * Decoding validates everything (types, ranges, UTF-8, depth <= 32, counts against the bytes that
 * are there), skips unknown fields, and allocates only from the given arena: at most
 * CODEC_ARENA_BASE + CODEC_ARENA_FACTOR times the size of the input. Keys may come in any order; of
 * a repeated key the last counts. float and double are read from either width.  bytes and repeated
 * float are borrowed from the input: the latter MAY BE MISALIGNED, read it by memcpy or unaligned
 * loads; strings are copied (they need their NUL). */
#ifndef RUNTIME_CODEC_H
#define RUNTIME_CODEC_H

#include <protobuf-c/protobuf-c.h>

#include "runtime/arena.h"
#include "runtime/buffer.h"
#include "runtime/status.h"

enum {
    CODEC_MESSAGE_MAX = 4 * 1024 * 1024,
    CODEC_DEPTH_MAX = 32,
    CODEC_ARENA_FACTOR = 32,
    CODEC_ARENA_BASE = 64 * 1024,
    CODEC_TYPES_MAX = 2048,
};

/* Appends the encoded message. NO_MEMORY; TOO_LARGE above CODEC_MESSAGE_MAX (nothing appended).
 * INVALID: a string is not UTF-8. */
MUST_USE enum status codec_encode(const ProtobufCMessage *message, struct buffer *out);
/* The same in two steps, to encode straight into a parcel: the size, with all that can be wrong;
 * then exactly that many bytes at `at`. The message must not change in between. */
MUST_USE enum status codec_measure(const ProtobufCMessage *message, size_t *size);
void codec_write(const ProtobufCMessage *message, void *at);
/* The same in one step for what is sound and fits into `room` bytes at `at`: false, without a
 * reason, for everything else, and for some of what would just fit. */
bool codec_write_within(const ProtobufCMessage *message,
                        unsigned char *at,
                        size_t room,
                        size_t *size);
/* Bytes codec_encode would append, were there no limit and were all strings fine. */
size_t codec_size(const ProtobufCMessage *message);
/* INVALID with the reason in *why (static words, may be NULL). */
MUST_USE enum status codec_decode(const ProtobufCMessageDescriptor *type,
                                  const void *data,
                                  size_t size,
                                  struct arena *arena,
                                  ProtobufCMessage **out,
                                  const char **why);
/* "ShardWrite epoch=1 operations=[{id=a vector=[3 4]}]": the trace's form. Fields at their default
 * are left out; floats with %g; lists, strings and bytes are cut with … after a few elements. Never
 * fails; cuts at size. Returns the length. */
size_t codec_print(const ProtobufCMessage *message, char *text, size_t size);

/* The messages that this process knows by name: all of schemas/internal, which the build lists, and
 * what codec_add added. op is a 32-bit hash (FNV-1a) of the message's full name: what envelopes
 * carry. NULL for an unknown op. Any thread. */
const ProtobufCMessageDescriptor *codec_find(uint32_t op);
/* The nth type that is known, in the order they became so; NULL beyond the last. */
const ProtobufCMessageDescriptor *codec_nth(size_t n);
/* A program's own type, for good: answers of it are decoded, traces and sys print its name. The
 * first of a name stays. EXISTS: another name has its op, rename it; QUOTA: CODEC_TYPES_MAX are
 * there. Any thread. */
MUST_USE enum status codec_add(const ProtobufCMessageDescriptor *type);
uint32_t codec_op(const ProtobufCMessageDescriptor *type);

#endif
