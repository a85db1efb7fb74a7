/* payload: a point's map<string, string> as it is stored and travels inside: one msgpack map of
 * strings. */
#ifndef EDGE_PAYLOAD_H
#define EDGE_PAYLOAD_H

#include "runtime/arena.h"
#include "runtime/status.h"
#include "schemas/apigateway.pb-c.h"

enum { PAYLOAD_KEYS_MAX = 64, PAYLOAD_BYTES_MAX = 64 * 1024 };

/* Drops entries whose key comes again later; returns how many stay, PAYLOAD_KEYS_MAX + 1 as soon as
 * there are too many. */
size_t payload_distinct(Vectron__V1__Point__PayloadEntry **entries, size_t n);
/* Bytes of all keys and values. */
size_t payload_size(Vectron__V1__Point__PayloadEntry *const *entries, size_t n);
/* The map's msgpack bytes in the arena; no entries give no bytes. NO_MEMORY. */
MUST_USE enum status payload_pack(Vectron__V1__Point__PayloadEntry *const *entries,
                                  size_t n,
                                  struct arena *arena,
                                  ProtobufCBinaryData *out);
/* The entries as messages of `type`, a map's entry with string keys and values, in the arena.
 * CORRUPT: not a map of UTF-8 strings; NO_MEMORY. */
MUST_USE enum status payload_unpack(const ProtobufCBinaryData *bytes,
                                    const ProtobufCMessageDescriptor *type,
                                    struct arena *arena,
                                    ProtobufCMessage ***entries,
                                    size_t *n);

#endif
