/* storage: the names of how vectors are kept. */
#include <strings.h>

#include "index/index.h"
#include "runtime/poison.h"

static const char *const storages[INDEX_STORAGES] = {
    [INDEX_AUTO] = "auto", [INDEX_F32] = "f32",       [INDEX_SQ8] = "sq8",
    [INDEX_SQ4] = "sq4",   [INDEX_RABITQ] = "rabitq", [INDEX_F16] = "f16",
};
static const char *const originals[INDEX_ORIGINALS_KINDS] = {
    [INDEX_ORIGINALS_NONE] = "none",
    [INDEX_ORIGINALS_RAM] = "ram",
    [INDEX_ORIGINALS_MAPPED] = "mapped",
};

/* The place of a name; nothing is the first. */
static enum status find(const char *text, const char *const *names, unsigned n, unsigned *out) {
    for (unsigned i = 0; i < n; i++) {
        if (*text != '\0' && strcasecmp(text, names[i]) != 0) continue;
        *out = i;
        return STATUS_OK;
    }
    return STATUS_INVALID;
}

enum status index_storage_parse(const char *text, enum index_storage *out) {
    unsigned at;
    enum status s = find(text, storages, INDEX_STORAGES, &at);
    if (s == STATUS_OK) *out = (enum index_storage)at;
    return s;
}

const char *index_storage_name(enum index_storage storage) {
    return storages[storage];
}

enum status index_originals_parse(const char *text, enum index_originals *out) {
    unsigned at;
    enum status s = find(text, originals, INDEX_ORIGINALS_KINDS, &at);
    if (s == STATUS_OK) *out = (enum index_originals)at;
    return s;
}

const char *index_originals_name(enum index_originals kind) {
    return originals[kind];
}
