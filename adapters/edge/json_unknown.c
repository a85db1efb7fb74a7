/* json_unknown: the nearest name is that with the fewest letters to insert, leave out or change
 * (Levenshtein), whatever their case; two of them, and less than half of the name, are a slip. */
#include "adapters/edge/json_unknown.h"

#include <stdio.h>
#include <string.h>

#include "adapters/edge/json_name.h"

#include "runtime/poison.h"

enum { SHOWN = 40, SLIPS_MAX = 2 };

static char lower(char c) {
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static unsigned least(unsigned a, unsigned b) {
    return a < b ? a : b;
}

/* Both at most SHOWN long. */
static unsigned slips(const char *a, size_t n_a, const char *b, size_t n_b) {
    unsigned row[SHOWN + 1];
    for (unsigned j = 0; j <= n_b; j++)
        row[j] = j;
    for (unsigned i = 1; i <= n_a; i++) {
        unsigned corner = row[0];
        row[0] = i;
        for (unsigned j = 1; j <= n_b; j++) {
            unsigned changed = corner + (lower(a[i - 1]) != lower(b[j - 1]));
            corner = row[j];
            row[j] = least(changed, least(row[j], row[j - 1]) + 1);
        }
    }
    return row[n_b];
}

/* The name as JSON has it; false: none is near. */
static bool nearest(const ProtobufCMessageDescriptor *type,
                    const char *name,
                    size_t size,
                    char out[static JSON_NAME_MAX]) {
    unsigned best = SLIPS_MAX + 1;
    for (unsigned i = 0; i < type->n_fields; i++) {
        char camel[JSON_NAME_MAX];
        const char *proto = type->fields[i].name;
        size_t n_camel = json_name_camel(proto, camel), n_proto = strlen(proto);
        if (n_proto > SHOWN) continue;
        unsigned n = least(slips(name, size, camel, n_camel), slips(name, size, proto, n_proto));
        if (n >= best || 2 * n >= n_camel) continue;
        best = n;
        memcpy(out, camel, n_camel + 1);
    }
    return best <= SLIPS_MAX;
}

void json_unknown_words(const ProtobufCMessageDescriptor *type,
                        const struct json_slice *name,
                        char out[static JSON_UNKNOWN_MAX]) {
    char shown[SHOWN + 1], near[JSON_NAME_MAX] = "";
    size_t size = name->size < SHOWN ? name->size : SHOWN;
    for (size_t i = 0; i < size; i++) {
        char c = name->text[i];
        shown[i] = c > ' ' && c <= '~' && c != '"' ? c : '?';
    }
    shown[size] = '\0';
    bool is_near = name->size <= SHOWN && nearest(type, name->text, size, near);
    snprintf(out, JSON_UNKNOWN_MAX, "field \"%s%s\" is unknown and was ignored%s%.*s%s", shown,
             size < name->size ? "..." : "", is_near ? "; " : "", is_near ? SHOWN : 0, near,
             is_near ? " is meant?" : "");
}
