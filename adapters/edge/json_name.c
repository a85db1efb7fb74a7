/* json_name: protoc's rule for json_name: an underscore goes, the letter behind it becomes a
 * capital. */
#include "adapters/edge/json_name.h"

#include <string.h>

#include "runtime/poison.h"

static char capital(char c) {
    return c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
}

size_t json_name_camel(const char *name, char out[static JSON_NAME_MAX]) {
    size_t n = 0;
    bool up = false;
    for (; *name && n < JSON_NAME_MAX - 1; name++) {
        if (*name == '_') {
            up = true;
            continue;
        }
        out[n++] = up ? capital(*name) : *name;
        up = false;
    }
    out[n] = '\0';
    return n;
}

bool json_name_matches(const char *name, const char *key, size_t size) {
    if (strncmp(name, key, size) == 0 && name[size] == '\0') return true;
    size_t n = 0;
    bool up = false;
    for (; *name; name++) {
        if (*name == '_') {
            up = true;
            continue;
        }
        if (n == size || key[n++] != (up ? capital(*name) : *name)) return false;
        up = false;
    }
    return n == size;
}

bool json_name_is_map(const ProtobufCMessageDescriptor *type,
                      const ProtobufCFieldDescriptor *field) {
    if (field->label != PROTOBUF_C_LABEL_REPEATED || field->type != PROTOBUF_C_TYPE_MESSAGE)
        return false;
    const ProtobufCMessageDescriptor *entry = field->descriptor;
    size_t size = strlen(type->name);
    if (entry->n_fields != 2 || entry->fields[0].id != 1 || entry->fields[1].id != 2 ||
        strcmp(entry->fields[0].name, "key") != 0 || strcmp(entry->fields[1].name, "value") != 0 ||
        strncmp(entry->name, type->name, size) != 0 || entry->name[size] != '.')
        return false;

    const char *at = entry->name + size + 1;
    bool up = true;
    for (const char *name = field->name; *name; name++) {
        if (*name == '_') {
            up = true;
            continue;
        }
        if (*at++ != (up ? capital(*name) : *name)) return false;
        up = false;
    }
    return strcmp(at, "Entry") == 0;
}
