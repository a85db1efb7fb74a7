/* point_walk: two bodies, one sequence. A point's own bytes are checked and decoded by proto.h or
 * json_items.h; here is only the list around them. */
#include "adapters/edge/point_walk.h"

#include <stdio.h>
#include <string.h>

#include "adapters/edge/proto.h"
#include "runtime/text.h"
#include "runtime/poison.h"

enum { FIELD_COLLECTION = 1, FIELD_POINTS = 2 };
#define POINT_BYTES_MAX ((size_t)1024 * 1024) /* encoded: three times the largest allowed */

void point_walk_init(struct point_walk *points,
                     enum edge_format format,
                     const void *body,
                     size_t size) {
    *points = (struct point_walk){.format = format, .body = body, .size = size};
    point_walk_rewind(points);
}

void point_walk_rewind(struct point_walk *points) {
    point_walk_reset(points);
    points->n = 0;
    points->wire = (struct wire){points->body, points->body};
    if (points->size) points->wire.end = points->wire.at + points->size;
    if (points->format == EDGE_JSON)
        json_items_init(&points->items, &vectron__v1__upsert_request__descriptor, "points",
                        points->body, points->size);
}

void point_walk_reset(struct point_walk *points) {
    json_items_reset(&points->items);
}

size_t point_walk_offset(const struct point_walk *points) {
    if (points->format == EDGE_JSON) return json_items_offset(&points->items);
    return points->size - (size_t)(points->wire.end - points->wire.at);
}

/* Memory ends at the arena's limit: the point is beyond anything that could be allowed. */
static enum status too_large(struct point_walk *points) {
    snprintf(points->words, sizeof points->words, "points[%zu] is too large", points->n);
    return STATUS_TOO_LARGE;
}

static enum status refuse(struct point_walk *points, const char *words) {
    snprintf(points->words, sizeof points->words, "%s", words);
    return STATUS_INVALID;
}

/* A field of the request, strictly: of the two we know, one with another wire type is no request of
 * ours. */
static enum status next_field(struct point_walk *points, struct wire_field *field) {
    if (!wire_next(&points->wire, field))
        return refuse(points, "request is not valid protobuf: a field is cut off or has no type");
    bool known = field->number == FIELD_COLLECTION || field->number == FIELD_POINTS;
    if (known && field->type != WIRE_BYTES)
        return refuse(points, "request is not an UpsertRequest: a field has the wrong wire type");
    return STATUS_OK;
}

static enum status
next_of_protobuf(struct point_walk *points, struct arena *arena, ProtobufCMessage **out) {
    *out = NULL;
    while (points->wire.at < points->wire.end) {
        struct wire_field field;
        const char *why = "";
        enum status s = next_field(points, &field);
        if (s != STATUS_OK) return s;
        if (field.number != FIELD_POINTS) continue;
        if (field.size > POINT_BYTES_MAX) return too_large(points);
        s = proto_read(&vectron__v1__point__descriptor, field.bytes, field.size, arena, out, &why);
        if (s == STATUS_INVALID)
            snprintf(points->words, sizeof points->words, "points[%zu]: %s", points->n, why);
        return s;
    }
    return STATUS_OK;
}

static enum status
next_of_json(struct point_walk *points, struct arena *arena, ProtobufCMessage **out) {
    struct json_error error;
    enum status s = json_items_next(&points->items, arena, out, &error);
    if (s == STATUS_NO_MEMORY) return too_large(points);
    return s == STATUS_INVALID ? refuse(points, error.text) : s;
}

enum status
point_walk_next(struct point_walk *points, struct arena *arena, Vectron__V1__Point **out) {
    ProtobufCMessage *point;
    enum status s = points->format == EDGE_JSON ? next_of_json(points, arena, &point)
                                                : next_of_protobuf(points, arena, &point);
    if (s != STATUS_OK) return s;
    if (point) points->n++;
    *out = (Vectron__V1__Point *)point;
    return STATUS_OK;
}

/* protobuf's rule: of a field that comes twice the last one counts. */
static enum status keep_collection(struct point_walk *points,
                                   const struct wire_field *field,
                                   struct arena *arena,
                                   char **collection) {
    if (memchr(field->bytes, 0, field->size) ||
        text_prefix(field->bytes, field->size) != field->size)
        return refuse(points, "collection: name is not valid UTF-8 or contains NUL");
    char *name = arena_alloc(arena, field->size + 1);
    if (!name) return STATUS_NO_MEMORY;
    memcpy(name, field->bytes, field->size);
    name[field->size] = '\0';
    *collection = name;
    return STATUS_OK;
}

enum status
point_walk_scan(struct point_walk *points, struct arena *arena, char **collection, bool *more) {
    *more = points->wire.at < points->wire.end;
    if (!*more) return STATUS_OK;
    struct wire_field field;
    enum status s = next_field(points, &field);
    if (s != STATUS_OK) return s;
    if (field.number == FIELD_POINTS) points->n++;
    if (field.number == FIELD_COLLECTION) return keep_collection(points, &field, arena, collection);
    return STATUS_OK;
}
