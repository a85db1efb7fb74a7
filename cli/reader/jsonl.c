/* jsonl: one JSON object a line.
 *
 *   {"id": "a", "vector": [0.1, 2], "payload": {"name": "x", "year": 1999}}
 *
 * id: a string or an integer; when missing the row's number is used. vector: needed. payload: an
 * object; strings are kept, other values become their JSON text, null is left out. Other members
 * are ignored, empty lines too. A line that cannot be read is one bad row. */
#include <string.h>

#include "adapters/edge/json_number.h"
#include "adapters/edge/json_text.h"
#include "cli/reader/format.h"
#include "runtime/memory.h"

struct jsonl {
    struct arena arena; /* of one row */
    struct json_text json;
    const char *id;
    size_t n_vector;
    struct reader_pair pairs[READER_PAIRS_MAX];
    size_t n_pairs;
};

static const char *terminated(struct jsonl *self, const char *text, size_t size) {
    char *copy = arena_alloc(&self->arena, size + 1);
    if (!copy) return NULL;
    memcpy(copy, text, size);
    copy[size] = 0;
    return copy;
}

static enum status read_string(struct jsonl *self, const char **out) {
    struct json_slice slice;
    enum status status = json_text_string(&self->json, &slice);
    if (status != STATUS_OK) return status;
    *out = terminated(self, slice.text, slice.size);
    return *out ? STATUS_OK : STATUS_NO_MEMORY;
}

/* Any value as its text. */
static enum status read_raw(struct jsonl *self, const char **out) {
    json_text_peek(&self->json);
    const char *from = self->json.at;
    enum status status = json_text_skip(&self->json);
    if (status != STATUS_OK) return status;
    *out = terminated(self, from, (size_t)(self->json.at - from));
    return *out ? STATUS_OK : STATUS_NO_MEMORY;
}

static enum status read_id(struct jsonl *self) {
    char c = json_text_peek(&self->json);
    if (c == '"') return read_string(self, &self->id);
    if (json_text_word(&self->json, "null")) return STATUS_OK;
    struct json_number number;
    size_t size = json_number_scan(self->json.at, self->json.end, &number);
    uint64_t magnitude;
    if (size == 0 || json_number_integer(&number, &magnitude) != STATUS_OK)
        return json_text_fail(&self->json, "id is neither a string nor an integer");
    return read_raw(self, &self->id);
}

static enum status read_component(struct reader *reader, struct jsonl *self) {
    if (self->n_vector == READER_DIMENSION_MAX)
        return json_text_fail(&self->json, "vector has more than %d components",
                              READER_DIMENSION_MAX);
    enum status status = reader_room(reader, self->n_vector + 1);
    if (status != STATUS_OK) return status;
    struct json_number number;
    json_text_peek(&self->json);
    size_t size = json_number_scan(self->json.at, self->json.end, &number);
    if (size == 0) return json_text_fail(&self->json, "vector[%zu] is no number", self->n_vector);
    if (!json_number_float(&number, &reader->vector[self->n_vector]))
        return json_text_fail(&self->json, "vector[%zu] does not fit a float", self->n_vector);
    self->json.at += size;
    self->n_vector++;
    return STATUS_OK;
}

static enum status read_vector(struct reader *reader, struct jsonl *self) {
    self->n_vector = 0;
    enum status status = json_text_enter(&self->json, '[');
    if (status != STATUS_OK) return status;
    bool more = json_text_peek(&self->json) != ']';
    if (!more) return json_text_leave(&self->json, ']', &more);
    while (more) {
        status = read_component(reader, self);
        if (status == STATUS_OK) status = json_text_leave(&self->json, ']', &more);
        if (status != STATUS_OK) return status;
    }
    return STATUS_OK;
}

static enum status read_pair(struct jsonl *self) {
    struct reader_pair pair;
    enum status status = read_string(self, &pair.key);
    if (status == STATUS_OK) status = json_text_expect(&self->json, ':');
    if (status != STATUS_OK) return status;
    if (json_text_peek(&self->json) == '"')
        status = read_string(self, &pair.value);
    else if (json_text_word(&self->json, "null"))
        return STATUS_OK;
    else
        status = read_raw(self, &pair.value);
    if (status != STATUS_OK) return status;
    if (self->n_pairs == READER_PAIRS_MAX)
        return json_text_fail(&self->json, "payload has more than %d members", READER_PAIRS_MAX);
    self->pairs[self->n_pairs++] = pair;
    return STATUS_OK;
}

static enum status read_payload(struct jsonl *self) {
    if (json_text_word(&self->json, "null")) return STATUS_OK;
    self->n_pairs = 0;
    enum status status = json_text_enter(&self->json, '{');
    if (status != STATUS_OK) return status;
    bool more = json_text_peek(&self->json) != '}';
    if (!more) return json_text_leave(&self->json, '}', &more);
    while (more) {
        status = read_pair(self);
        if (status == STATUS_OK) status = json_text_leave(&self->json, '}', &more);
        if (status != STATUS_OK) return status;
    }
    return STATUS_OK;
}

static enum status read_member(struct reader *reader, struct jsonl *self) {
    const char *name;
    enum status status = read_string(self, &name);
    if (status == STATUS_OK) status = json_text_expect(&self->json, ':');
    if (status != STATUS_OK) return status;
    if (strcmp(name, "id") == 0) return read_id(self);
    if (strcmp(name, "vector") == 0) return read_vector(reader, self);
    if (strcmp(name, "payload") == 0) return read_payload(self);
    return json_text_skip(&self->json);
}

static enum status read_object(struct reader *reader, struct jsonl *self) {
    enum status status = json_text_enter(&self->json, '{');
    if (status != STATUS_OK) return status;
    bool more = json_text_peek(&self->json) != '}';
    if (!more) return json_text_fail(&self->json, "there is no vector");
    while (more) {
        status = read_member(reader, self);
        if (status == STATUS_OK) status = json_text_leave(&self->json, '}', &more);
        if (status != STATUS_OK) return status;
    }
    if (json_text_peek(&self->json)) return json_text_fail(&self->json, "text behind the object");
    if (self->n_vector == 0) return json_text_fail(&self->json, "there is no vector");
    return STATUS_OK;
}

static enum status next_line(struct reader *reader, char **line, size_t *size) {
    do {
        enum status status = source_line(reader->source, line, size);
        if (status != STATUS_OK)
            return reader_fail(reader, status, "%s", source_words(reader->source));
        reader->line++;
    } while (*line && strspn(*line, " \t") == *size);
    return STATUS_OK;
}

static enum status jsonl_open(struct reader *reader) {
    struct jsonl *self = mem_zero(1, sizeof *self);
    if (!self) return reader_fail(reader, STATUS_NO_MEMORY, "out of memory");
    arena_init(&self->arena, 0);
    reader->state = self;
    return STATUS_OK;
}

static enum status jsonl_next(struct reader *reader, struct reader_row *row) {
    struct jsonl *self = reader->state;
    char *line;
    size_t size;
    enum status status = next_line(reader, &line, &size);
    row->end = !line;
    if (status != STATUS_OK || !line) return status;
    arena_reset(&self->arena);
    json_text_init(&self->json, line, size, &self->arena);
    self->id = NULL;
    self->n_vector = self->n_pairs = 0;
    status = read_object(reader, self);
    if (status == STATUS_INVALID) {
        struct json_error error;
        json_text_error(&self->json, &error);
        return reader_fail(reader, STATUS_INVALID, "%s", error.text);
    }
    if (status != STATUS_OK) return reader_fail(reader, status, "out of memory");
    row->id = self->id;
    row->vector = reader->vector;
    row->dimension = (uint32_t)self->n_vector;
    row->pairs = self->pairs;
    row->n_pairs = self->n_pairs;
    return STATUS_OK;
}

static void jsonl_close(struct reader *reader) {
    struct jsonl *self = reader->state;
    if (self) arena_free(&self->arena);
    mem_free(self);
}

const struct format format_jsonl = {
    "jsonl", ".jsonl .ndjson .json", false, jsonl_open, jsonl_next, jsonl_close};
