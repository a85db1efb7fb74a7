/* csv: fields between commas, semicolons or tabs (the one that the first line has most of), quoted
 * as in RFC 4180 ("" is a quote; a line end inside quotes is not supported and told).
 *
 *   id,0,1,2                      head, then:  a,0.1,0.2,0.3          a component a column
 *   id,vector,name                             a,"[0.1,0.2]",Anna     the vector as JSON, other
 * columns are payload (no head)                                  a,0.1,0.2,0.3
 *
 * A first line is a head when it begins with id, or its last field is no number and no JSON array.
 * In a head, "id" and "vector" are columns by name; without "vector" the components are the columns
 * whose names are numbers, or start with v, x, d, f, e, dim or "feature" and end in a number; any
 * other column is payload. */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "adapters/edge/json_number.h"
#include "cli/reader/format.h"
#include "runtime/memory.h"

enum { COLUMNS_MAX = READER_DIMENSION_MAX + READER_PAIRS_MAX };

enum role { COLUMN_ID, COLUMN_VECTOR, COLUMN_COMPONENT, COLUMN_PAYLOAD };

struct csv {
    char separator;
    char **fields; /* owned array; texts lie in the line */
    size_t n_fields;
    size_t capacity;
    enum role *roles; /* owned; NULL: no head */
    char **names;     /* owned, with the texts */
    size_t n_columns;
    bool first_kept; /* the first line was data and waits to be used */
    size_t n_vector;
    struct reader_pair pairs[READER_PAIRS_MAX];
    size_t n_pairs;
};

static enum status add_field(struct reader *reader, char *field) {
    struct csv *csv = reader->state;
    if (csv->n_fields == csv->capacity) {
        size_t capacity = csv->capacity ? csv->capacity * 2 : 256;
        char **fields =
            capacity <= 2 * COLUMNS_MAX ? mem_resize(csv->fields, capacity * sizeof *fields) : NULL;
        if (!fields)
            return reader_fail(reader, STATUS_INVALID, "more than %zu fields", csv->capacity);
        csv->fields = fields;
        csv->capacity = capacity;
    }
    csv->fields[csv->n_fields++] = field;
    return STATUS_OK;
}

/* Unquotes in place; *end is behind the closing quote. NULL: it has none. */
static char *quoted(char *at, char **end) {
    char *to = at, *begin = at;
    for (at++; *at; at++) {
        if (*at == '"' && at[1] == '"')
            at++;
        else if (*at == '"') {
            *to = 0;
            *end = at + 1;
            return begin;
        }
        *to++ = *at;
    }
    return NULL;
}

static enum status split(struct reader *reader, char *at) {
    struct csv *csv = reader->state;
    csv->n_fields = 0;
    for (;;) {
        char *field = at, *end;
        if (*at == '"') {
            field = quoted(at, &end);
            if (!field || (*end && *end != csv->separator))
                return reader_fail(reader, STATUS_INVALID, "field %zu: the quotes do not match",
                                   csv->n_fields + 1);
        } else {
            end = strchr(at, csv->separator);
            if (!end) end = at + strlen(at);
        }
        bool last = *end == 0;
        /* The terminator of a quoted field was written by quoted; here that of a plain one. */
        *end = 0;
        enum status status = add_field(reader, field);
        if (status != STATUS_OK || last) return status;
        at = end + 1;
    }
}

static char separator_of(const char *line) {
    size_t best = 0;
    char found = ',';
    for (const char *c = ",;\t"; *c; c++) {
        size_t n = 0;
        for (const char *at = line; *at; at++)
            n += *at == *c;
        if (n <= best) continue;
        best = n;
        found = *c;
    }
    return found;
}

static const char *trimmed(const char *text) {
    while (*text == ' ')
        text++;
    return text;
}

static bool number_of(const char *text, float *out, bool *fits) {
    text = trimmed(text);
    if (*text == '+') text++;
    size_t n = strlen(text);
    while (n && text[n - 1] == ' ')
        n--;
    struct json_number number;
    size_t size = json_number_scan(text, text + n, &number);
    *fits = size > 0 && size == n && json_number_float(&number, out);
    return size > 0 && size == n;
}

static bool is_head(const struct csv *csv) {
    const char *last = csv->fields[csv->n_fields - 1];
    float value;
    bool fits;
    if (strcasecmp(trimmed(csv->fields[0]), "id") == 0) return true;
    return *trimmed(last) != '[' && !number_of(last, &value, &fits);
}

static bool component_name(const char *name) {
    static const char *const stems[] = {"feature", "dim", "v", "x", "d", "f", "e", ""};
    for (size_t i = 0; i < sizeof stems / sizeof *stems; i++) {
        size_t n = strlen(stems[i]);
        if (strncasecmp(name, stems[i], n) != 0) continue;
        const char *rest = name + n + (name[n] == '_');
        if (*rest && strspn(rest, "0123456789") == strlen(rest)) return true;
    }
    return false;
}

static enum status read_head(struct reader *reader) {
    struct csv *csv = reader->state;
    csv->roles = mem_zero(csv->n_fields, sizeof *csv->roles);
    csv->names = mem_zero(csv->n_fields, sizeof *csv->names);
    if (!csv->roles || !csv->names) return reader_fail(reader, STATUS_NO_MEMORY, "out of memory");
    csv->n_columns = csv->n_fields;
    bool has_vector = false, has_components = false;
    for (size_t i = 0; i < csv->n_fields; i++)
        has_vector |= strcasecmp(trimmed(csv->fields[i]), "vector") == 0;
    for (size_t i = 0; i < csv->n_fields; i++) {
        const char *name = trimmed(csv->fields[i]);
        csv->names[i] = mem_string(name);
        if (!csv->names[i]) return reader_fail(reader, STATUS_NO_MEMORY, "out of memory");
        if (strcasecmp(name, "id") == 0)
            csv->roles[i] = COLUMN_ID;
        else if (strcasecmp(name, "vector") == 0)
            csv->roles[i] = COLUMN_VECTOR;
        else if (!has_vector && component_name(name))
            csv->roles[i] = COLUMN_COMPONENT;
        else
            csv->roles[i] = COLUMN_PAYLOAD;
        has_components |= csv->roles[i] == COLUMN_COMPONENT;
    }
    if (has_vector || has_components) return STATUS_OK;
    return reader_fail(reader, STATUS_INVALID,
                       "the head has neither a column \"vector\" nor columns of components");
}

static enum status add_component(struct reader *reader, const char *text, size_t field) {
    struct csv *csv = reader->state;
    float value;
    bool fits;
    if (!number_of(text, &value, &fits))
        return reader_fail(reader, STATUS_INVALID, "field %zu: \"%.40s\" is no number", field + 1,
                           text);
    if (!fits)
        return reader_fail(reader, STATUS_INVALID, "field %zu: %.40s does not fit a float",
                           field + 1, text);
    if (csv->n_vector == READER_DIMENSION_MAX)
        return reader_fail(reader, STATUS_INVALID, "more than %d components", READER_DIMENSION_MAX);
    enum status status = reader_room(reader, csv->n_vector + 1);
    if (status == STATUS_OK) reader->vector[csv->n_vector++] = value;
    return status;
}

/* "[0.1, 0.2]", in place. */
static enum status add_vector(struct reader *reader, char *text, size_t field) {
    char *at = (char *)trimmed(text);
    size_t n = strlen(at);
    while (n && isspace((unsigned char)at[n - 1]))
        n--;
    if (n < 2 || *at != '[' || at[n - 1] != ']')
        return reader_fail(reader, STATUS_INVALID, "field %zu: \"%.40s\" is no JSON array",
                           field + 1, at);
    at[n - 1] = 0;
    for (char *next = at + 1; next;) {
        char *item = next;
        next = strchr(item, ',');
        if (next) *next++ = 0;
        enum status status = add_component(reader, item, field);
        if (status != STATUS_OK) return status;
    }
    return STATUS_OK;
}

static enum status add_column(struct reader *reader, size_t i, struct reader_row *row) {
    struct csv *csv = reader->state;
    char *text = csv->fields[i];
    enum role role = csv->roles ? csv->roles[i] : i == 0 ? COLUMN_ID : COLUMN_COMPONENT;
    if (!csv->roles && i > 0 && *trimmed(text) == '[') role = COLUMN_VECTOR;
    switch (role) {
    case COLUMN_ID:
        row->id = *text ? text : NULL;
        return STATUS_OK;
    case COLUMN_VECTOR:
        return add_vector(reader, text, i);
    case COLUMN_COMPONENT:
        return add_component(reader, text, i);
    case COLUMN_PAYLOAD:
        break;
    }
    if (csv->n_pairs == READER_PAIRS_MAX)
        return reader_fail(reader, STATUS_INVALID, "more than %d columns of payload",
                           READER_PAIRS_MAX);
    csv->pairs[csv->n_pairs++] = (struct reader_pair){csv->names[i], text};
    return STATUS_OK;
}

/* The next line that is not empty, split. *line NULL: the end. */
static enum status next_line(struct reader *reader, char **line) {
    size_t size;
    do {
        enum status status = source_line(reader->source, line, &size);
        if (status != STATUS_OK)
            return reader_fail(reader, status, "%s", source_words(reader->source));
        reader->line++;
    } while (*line && size == 0);
    if (!*line) return STATUS_OK;
    if (memchr(*line, 0, size))
        return reader_fail(reader, STATUS_INVALID, "the line has a NUL byte");
    return split(reader, *line);
}

static enum status csv_open(struct reader *reader) {
    struct csv *csv = mem_zero(1, sizeof *csv);
    if (!csv) return reader_fail(reader, STATUS_NO_MEMORY, "out of memory");
    reader->state = csv;
    char *line;
    size_t size;
    enum status status = source_line(reader->source, &line, &size);
    if (status != STATUS_OK) return reader_fail(reader, status, "%s", source_words(reader->source));
    if (!line) return STATUS_OK;
    reader->line = 1;
    if (size >= 3 && memcmp(line, "\xef\xbb\xbf", 3) == 0) line += 3; /* Excel's mark of UTF-8 */
    csv->separator = separator_of(line);
    status = split(reader, line);
    if (status != STATUS_OK) return status;
    if (is_head(csv)) return read_head(reader);
    csv->first_kept = true;
    return STATUS_OK;
}

static enum status csv_next(struct reader *reader, struct reader_row *row) {
    struct csv *csv = reader->state;
    if (!csv->first_kept) {
        char *line;
        enum status status = next_line(reader, &line);
        row->end = status == STATUS_OK && !line;
        if (status != STATUS_OK || row->end) return status;
    }
    csv->first_kept = false;
    csv->n_vector = csv->n_pairs = 0;
    if (csv->roles && csv->n_fields != csv->n_columns)
        return reader_fail(reader, STATUS_INVALID, "%zu fields, the head has %zu", csv->n_fields,
                           csv->n_columns);
    for (size_t i = 0; i < csv->n_fields; i++) {
        enum status status = add_column(reader, i, row);
        if (status != STATUS_OK) return status;
    }
    if (csv->n_vector == 0) return reader_fail(reader, STATUS_INVALID, "there is no vector");
    row->vector = reader->vector;
    row->dimension = (uint32_t)csv->n_vector;
    row->pairs = csv->pairs;
    row->n_pairs = csv->n_pairs;
    return STATUS_OK;
}

static void csv_close(struct reader *reader) {
    struct csv *csv = reader->state;
    if (!csv) return;
    for (size_t i = 0; csv->names && i < csv->n_columns; i++)
        mem_free(csv->names[i]);
    mem_free(csv->names);
    mem_free(csv->roles);
    mem_free(csv->fields);
    mem_free(csv);
}

const struct format format_csv = {"csv", ".csv .tsv .txt", false, csv_open, csv_next, csv_close};
