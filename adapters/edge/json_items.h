/* json_items: a JSON object whose one big list is taken element by element, so that 100,000 points
 * never lie decoded side by side. The other members may stand before or behind the list: they are
 * checked as json_read would and forgotten. The text is borrowed until json_items_reset. */
#ifndef EDGE_JSON_ITEMS_H
#define EDGE_JSON_ITEMS_H

#include "adapters/edge/json_value.h"

enum json_items_stage { JSON_ITEMS_START, JSON_ITEMS_MEMBER, JSON_ITEMS_LIST, JSON_ITEMS_END };

struct json_items {
    struct json_reader reader;
    const ProtobufCMessageDescriptor *type;
    const ProtobufCFieldDescriptor *field; /* the list: repeated messages, no map */
    struct json_seen seen;
    enum json_items_stage stage;
    size_t n; /* elements so far */
};

void json_items_init(struct json_items *items,
                     const ProtobufCMessageDescriptor *type,
                     const char *field,
                     const char *text,
                     size_t size);
/* The next element, in the arena; *out is NULL behind the last one, when the rest of the text was
 * right too. INVALID (error filled, the path as of json_read), NO_MEMORY; after either only reset
 * is allowed. */
MUST_USE enum status json_items_next(struct json_items *items,
                                     struct arena *arena,
                                     ProtobufCMessage **out,
                                     struct json_error *error);
/* Bytes of text read so far: how much work was done. */
size_t json_items_offset(const struct json_items *items);
void json_items_reset(struct json_items *items);

#endif
