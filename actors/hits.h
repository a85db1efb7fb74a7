/* hits: reading the columns in which hits travel (ShardHits; RouterHits with columns):
 *
 *     ids        "a\0b\0…"        distances  [0.5 0.7 …]        values  one a hit, or none
 *
 * What comes from another process is judged before it is read. */
#ifndef ACTORS_HITS_H
#define ACTORS_HITS_H

#include <stdbool.h>
#include <string.h>

#include "runtime/text.h"
#include "schemas/shard.pb-c.h"

struct hit {
    const char *id; /* all borrowed from the message */
    size_t id_size; /* without its NUL */
    float distance;
    ProtobufCBinaryData payload;
    const float *vector; /* may be misaligned */
    size_t n_vector;
};

/* The columns belong together. */
static inline bool hits_valid(const ShardHits *hits) {
    size_t n = hits->n_distances;
    return (hits->n_values == 0 || hits->n_values == n) &&
           text_column_valid(hits->ids.data, hits->ids.len, n);
}

struct hits {
    const ShardHits *from;
    size_t nth;
    const char *id; /* of the next one */
};

/* Of columns that are valid; they stay the caller's. */
static inline struct hits hits_of(const ShardHits *from) {
    return (struct hits){.from = from, .id = (const char *)from->ids.data};
}

/* False: there are no more. */
static inline bool hits_next(struct hits *hits, struct hit *out) {
    const ShardHits *from = hits->from;
    if (hits->nth == from->n_distances) return false;
    *out = (struct hit){.id = hits->id, .id_size = strlen(hits->id)};
    memcpy(&out->distance, (const char *)from->distances + hits->nth * sizeof(float),
           sizeof(float));
    if (from->n_values > 0) {
        const ShardValue *value = from->values[hits->nth];
        out->payload = value->payload;
        out->vector = value->vector;
        out->n_vector = value->n_vector;
    }
    hits->id += out->id_size + 1;
    hits->nth++;
    return true;
}

#endif
