/* point_walk: the points of an UpsertRequest one by one out of the body as it came, protobuf or
 * JSON, so that 256 MiB are never unpacked as a whole. The body is borrowed. */
#ifndef EDGE_POINT_WALK_H
#define EDGE_POINT_WALK_H

#include "adapters/edge/call.h"
#include "adapters/edge/json_items.h"
#include "adapters/edge/wire.h"
#include "schemas/apigateway.pb-c.h"

enum { POINT_WALK_WORDS_MAX = 200 };

struct point_walk {
    enum edge_format format;
    const void *body;
    size_t size;
    struct wire wire;                 /* of a protobuf body */
    struct json_items items;          /* of a JSON body */
    size_t n;                         /* points passed */
    char words[POINT_WALK_WORDS_MAX]; /* after INVALID and TOO_LARGE */
};

void point_walk_init(struct point_walk *points,
                     enum edge_format format,
                     const void *body,
                     size_t size);
/* The next point, in the arena; *out is NULL behind the last one. INVALID and TOO_LARGE (no room in
 * the arena), both with words. */
MUST_USE enum status
point_walk_next(struct point_walk *points, struct arena *arena, Vectron__V1__Point **out);
/* One field of a protobuf body without looking into points: *more is false behind the last one.
 * Keeps the collection's name in the arena when it comes by; n counts the points. INVALID,
 * NO_MEMORY. */
MUST_USE enum status
point_walk_scan(struct point_walk *points, struct arena *arena, char **collection, bool *more);
/* To the first point again. */
void point_walk_rewind(struct point_walk *points);
/* Bytes passed: how much work was done. */
size_t point_walk_offset(const struct point_walk *points);
void point_walk_reset(struct point_walk *points);

#endif
