/* A filter as people write it: read, judged as the edge does, and, when both are content, sound for
 * the index. */
#include <stdlib.h>
#include <string.h>

#include "actors/filters.h"
#include "adapters/edge/filter.h"
#include "cli/filter_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(bool so) {
    if (!so) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct arena arena;
    struct buffer why;
    Vectron__V1__Filter *filter;
    struct filter_nodes nodes;
    struct check check;
    struct filter sound;
    char *text = malloc(size + 1);
    if (!text) return 0;
    if (size) memcpy(text, data, size);
    text[size] = '\0';
    arena_init(&arena, (size_t)64 << 20);
    buffer_init(&why);
    enum status s = filter_text_read(text, &arena, &filter, &why);
    need(s == STATUS_OK || s == STATUS_NO_MEMORY || (s == STATUS_INVALID && why.size > 0));
    if (s == STATUS_OK) s = filter_translate(filter, &arena, &nodes, &check);
    if (s == STATUS_OK && nodes.n > 0)
        need(filters_read(nodes.nodes, nodes.n, &arena, &sound) == STATUS_OK);
    buffer_free(&why);
    arena_free(&arena);
    free(text);
    return 0;
}
