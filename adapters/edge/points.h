/* points: the points of an UpsertRequest one by one out of the body as it came, protobuf or JSON,
 * so that 256 MiB are never unpacked as a whole. The body is borrowed. */
#ifndef EDGE_POINTS_H
#define EDGE_POINTS_H

#include "adapters/edge/call.h"
#include "adapters/edge/json_items.h"
#include "adapters/edge/wire.h"
#include "schemas/apigateway.pb-c.h"

enum { POINTS_WORDS_MAX = 200 };

struct points {
    enum edge_format format;
    const void *body;
    size_t size;
    struct wire wire;             /* of a protobuf body */
    struct json_items items;      /* of a JSON body */
    size_t n;                     /* points passed */
    char words[POINTS_WORDS_MAX]; /* after INVALID and TOO_LARGE */
};

void points_init(struct points *points, enum edge_format format, const void *body, size_t size);
/* The next point, in the arena; *out is NULL behind the last one. INVALID and TOO_LARGE (no room in
 * the arena), both with words. */
MUST_USE enum status
points_next(struct points *points, struct arena *arena, Vectron__V1__Point **out);
/* One field of a protobuf body without looking into points: *more is false behind the last one.
 * Keeps the collection's name in the arena when it comes by; n counts the points. INVALID,
 * NO_MEMORY. */
MUST_USE enum status
points_scan(struct points *points, struct arena *arena, char **collection, bool *more);
/* To the first point again. */
void points_rewind(struct points *points);
/* Bytes passed: how much work was done. */
size_t points_offset(const struct points *points);
void points_reset(struct points *points);

#endif
