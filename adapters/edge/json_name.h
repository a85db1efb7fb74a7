/* json_name: how a field is called in JSON, and which repeated fields are maps; protobuf-c's
 * descriptors tell neither. */
#ifndef EDGE_JSON_NAME_H
#define EDGE_JSON_NAME_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>

enum { JSON_NAME_MAX = 128 };

/* "top_k" gives "topK", with its NUL; returns the length. Names beyond the room are cut. */
size_t json_name_camel(const char *name, char out[static JSON_NAME_MAX]);
/* True when `key` is the field's name as the .proto has it or in camelCase. */
bool json_name_matches(const char *name, const char *key, size_t size);
/* A map<K,V> field: entries {key = 1, value = 2} of a nested message named after it. */
bool json_name_is_map(const ProtobufCMessageDescriptor *type,
                      const ProtobufCFieldDescriptor *field);

#endif
