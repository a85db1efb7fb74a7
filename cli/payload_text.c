/* payload_text: commas between indexes, the last colon of each before its type. */
#include "cli/payload_text.h"

#include <string.h>

#include "index/filter.h"

static char *piece(struct arena *arena, const char *text, size_t size) {
    char *copy = arena_alloc(arena, size + 1);
    if (!copy) return NULL;
    memcpy(copy, text, size);
    copy[size] = '\0';
    return copy;
}

static enum status read_one(char *text, Vectron__V1__PayloadIndex *index, struct buffer *why) {
    enum filter_type type = FILTER_KEYWORD;
    char *colon = strrchr(text, ':');
    if (colon && filter_type_parse(colon + 1, &type) != STATUS_OK) {
        buffer_printf(
            why,
            "\"%s\" is no type: use keyword, integer, number, bool or datetime behind the "
            "colon of \"%s\"",
            colon + 1, text);
        return STATUS_INVALID;
    }
    if (colon) *colon = '\0';
    if (!text[0]) {
        buffer_printf(why, "a key is empty: give KEY or KEY:TYPE, with commas between them");
        return STATUS_INVALID;
    }
    vectron__v1__payload_index__init(index);
    index->key = text;
    index->type = (Vectron__V1__PayloadType)type; /* the same numbers */
    return STATUS_OK;
}

enum status payload_text_read(const char *text,
                              struct arena *arena,
                              struct payload_text *out,
                              struct buffer *why) {
    *out = (struct payload_text){.n = 0};
    if (!text) return STATUS_OK;
    size_t n = 1;
    for (const char *at = text; *at; at++)
        n += *at == ',';
    out->indexes = arena_alloc(arena, n * sizeof *out->indexes);
    if (!out->indexes) return STATUS_NO_MEMORY;
    for (; out->n < n; out->n++) {
        size_t size = strcspn(text, ",");
        char *one = piece(arena, text, size);
        Vectron__V1__PayloadIndex *index = arena_alloc(arena, sizeof *index);
        if (!one || !index) return STATUS_NO_MEMORY;
        enum status s = read_one(one, index, why);
        if (s != STATUS_OK) return s;
        out->indexes[out->n] = index;
        text += size + 1;
    }
    return STATUS_OK;
}
