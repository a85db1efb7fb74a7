/* vector_text: on the JSON reader's cursor, so that numbers are read exactly and whatever the
 * locale. */
#include "cli/vector_text.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "adapters/edge/json_number.h"
#include "adapters/edge/json_text.h"
#include "runtime/memory.h"

enum { COMPONENTS_MAX = 65535, FILE_MAX = 16 * 1024 * 1024 };

static enum status read_number(struct json_text *json, struct buffer *floats) {
    struct json_number number;
    float value;
    json_text_peek(json);
    size_t size = json_number_scan(json->at, json->end, &number);
    size_t i = floats->size / sizeof value;
    if (size == 0) return json_text_fail(json, "component %zu is no number", i);
    if (!json_number_float(&number, &value))
        return json_text_fail(json, "component %zu does not fit a float", i);
    if (i == COMPONENTS_MAX) return json_text_fail(json, "more than %d components", COMPONENTS_MAX);
    json->at += size;
    buffer_append(floats, &value, sizeof value);
    return floats->failed ? STATUS_NO_MEMORY : STATUS_OK;
}

static enum status read_array(struct json_text *json, struct buffer *floats) {
    enum status status = json_text_enter(json, '[');
    bool more = true;
    while (status == STATUS_OK && more) {
        status = read_number(json, floats);
        if (status == STATUS_OK) status = json_text_leave(json, ']', &more);
    }
    if (status == STATUS_OK && json_text_peek(json))
        return json_text_fail(json, "text behind the array");
    return status;
}

enum status
vector_text_read(const char *text, size_t size, float **out, size_t *n, struct buffer *why) {
    struct arena arena;
    struct json_text json;
    struct buffer floats;
    arena_init(&arena, 0);
    buffer_init(&floats);
    json_text_init(&json, text, size, &arena);
    enum status status = read_array(&json, &floats);
    if (status == STATUS_OK) {
        *n = floats.size / sizeof **out;
        *out = (float *)(void *)floats.data;
    } else {
        struct json_error error;
        json_text_error(&json, &error);
        buffer_printf(why, "the vector is no JSON array of numbers: %s", error.text);
        buffer_free(&floats);
    }
    arena_free(&arena);
    return status;
}

enum status vector_text_read_file(const char *path, float **out, size_t *n, struct buffer *why) {
    FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
    char *text = file ? mem_alloc(FILE_MAX) : NULL;
    if (!text) {
        buffer_printf(why, "%s: %s", path, file ? "out of memory" : strerror(errno));
        if (file && file != stdin) fclose(file);
        return file ? STATUS_NO_MEMORY : STATUS_IO;
    }
    size_t size = fread(text, 1, FILE_MAX, file);
    if (file != stdin) fclose(file);
    enum status status = vector_text_read(text, size, out, n, why);
    mem_free(text);
    return status;
}
