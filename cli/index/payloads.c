/* payloads: a filter goes the way of a server's: its text becomes the public message, that the
 * nodes that travel inside, and these the index's own. */
#include "cli/index/payloads.h"

#include <string.h>

#include "actors/filters.h"
#include "adapters/edge/filter.h"
#include "adapters/edge/payload.h"
#include "cli/filter_text.h"
#include "cli/index/rows.h"

static int read_filter(const char *text, struct arena *arena, struct filter *out) {
    struct buffer why;
    struct check check;
    struct filter_nodes nodes;
    Vectron__V1__Filter *public;
    buffer_init(&why);
    enum status s = filter_text_read(text, arena, &public, &why);
    if (s == STATUS_INVALID) {
        int code = command_misuse("index search", "--filter %s", (char *)why.data);
        buffer_free(&why);
        return code;
    }
    buffer_free(&why);
    if (s == STATUS_OK) s = filter_translate(public, arena, &nodes, &check);
    if (s == STATUS_INVALID) return command_misuse("index search", "--filter: %s", check.words);
    if (s == STATUS_OK) s = filters_read(nodes.nodes, nodes.n, arena, out);
    return s == STATUS_OK ? EXIT_OK : command_fail("--filter: %s", status_text(s));
}

static int fill(struct opened *opened, const struct reader_row *row) {
    enum { ARENA = 4096 };
    struct arena arena;
    arena_init(&arena, ARENA);
    ProtobufCBinaryData bytes = {0, NULL};
    Vectron__V1__Point__PayloadEntry entries[PAYLOAD_KEYS_MAX], *list[PAYLOAD_KEYS_MAX];
    for (size_t i = 0; i < row->n_pairs; i++) {
        vectron__v1__point__payload_entry__init(&entries[i]);
        entries[i].key = (char *)(uintptr_t)row->pairs[i].key;
        entries[i].value = (char *)(uintptr_t)row->pairs[i].value;
        list[i] = &entries[i];
    }
    size_t n = payload_distinct(list, row->n_pairs);
    enum status s = payload_pack(list, n, &arena, &bytes);
    if (s == STATUS_OK) s = index_column_fill(opened->index, row->row + 1, bytes.data, bytes.len);
    arena_free(&arena);
    if (s == STATUS_OK || s == STATUS_NOT_FOUND) return EXIT_OK; /* not every row is in the index */
    return command_fail("payloads: %s", status_text(s));
}

static int fill_all(struct opened *opened, const char *data) {
    struct rows rows;
    struct rows_options options = {
        .path = data, .dimension = opened->info.options.dimension, .skip_bad = true};
    int code = rows_open(&rows, &options);
    while (code == EXIT_OK) {
        struct reader_row row;
        code = rows_next(&rows, &row);
        if (code != EXIT_OK || row.end) break;
        code = fill(opened, &row);
    }
    rows_close(&rows);
    return code;
}

int payloads_filter(struct opened *opened,
                    const char *text,
                    const char *data,
                    struct arena *arena,
                    struct filter *out) {
    struct index_column missing[INDEX_COLUMNS_MAX];
    int code = read_filter(text, arena, out);
    if (code != EXIT_OK) return code;
    size_t n = index_columns_missing(opened->view, out, missing, INDEX_COLUMNS_MAX);
    for (size_t i = 0; i < n; i++) {
        enum status s = index_column_begin(opened->index, &missing[i]);
        if (s != STATUS_OK) return command_fail("--filter: %s", status_text(s));
    }
    if (n > 0) code = fill_all(opened, data);
    if (code != EXIT_OK) return code;
    index_columns_complete(opened->index);
    bool idle = false;
    while (!idle) /* sorts them */
        if (index_link_step(opened->index, 1000000, &idle) != STATUS_OK)
            return command_fail("out of memory");
    return EXIT_OK;
}
