/* package: paragraphs of "Field: value" lines with continuations that begin with a blank, ended by
 * an empty line. */
#include "cli/package.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "runtime/buffer.h"
#include "runtime/memory.h"

enum field { FIELD_NONE, FIELD_NAME, FIELD_SECTION, FIELD_TAGS, FIELD_SUMMARY };

struct paragraph {
    struct buffer name, section, tags, summary, text;
};

void package_list_init(struct package_list *list) {
    *list = (struct package_list){0};
    arena_init(&list->arena, 0);
}

void package_list_reset(struct package_list *list) {
    mem_free(list->packages);
    arena_free(&list->arena);
    package_list_init(list);
}

static const char *kept(struct package_list *list, const struct buffer *buffer) {
    char *text = arena_alloc(&list->arena, buffer->size + 1);
    if (!text || buffer->failed) return NULL;
    if (buffer->size) memcpy(text, buffer->data, buffer->size);
    text[buffer->size] = 0;
    return text;
}

static enum status add(struct package_list *list, struct paragraph *paragraph) {
    if (paragraph->name.size == 0) return STATUS_OK;
    if ((list->n & (list->n - 1)) == 0) { /* grows at powers of two */
        size_t capacity = list->n ? list->n * 2 : 1;
        struct package *grown = mem_resize(list->packages, capacity * sizeof *grown);
        if (!grown) return STATUS_NO_MEMORY;
        list->packages = grown;
    }
    struct package package = {
        .name = kept(list, &paragraph->name),
        .section = kept(list, &paragraph->section),
        .summary = kept(list, &paragraph->summary),
        .text = kept(list, &paragraph->text),
        .tags = kept(list, &paragraph->tags),
    };
    if (!package.name || !package.section || !package.summary || !package.text || !package.tags)
        return STATUS_NO_MEMORY;
    list->packages[list->n++] = package;
    return STATUS_OK;
}

static void clear(struct paragraph *paragraph) {
    buffer_clear(&paragraph->name);
    buffer_clear(&paragraph->section);
    buffer_clear(&paragraph->tags);
    buffer_clear(&paragraph->summary);
    buffer_clear(&paragraph->text);
}

static enum field field_of(const char *line, const char **value) {
    static const struct {
        const char *name;
        enum field field;
    } fields[] = {
        {"Package", FIELD_NAME},        {"Section", FIELD_SECTION},        {"Tag", FIELD_TAGS},
        {"Description", FIELD_SUMMARY}, {"Description-en", FIELD_SUMMARY},
    };
    const char *colon = strchr(line, ':');
    if (!colon) return FIELD_NONE;
    *value = colon + 1 + strspn(colon + 1, " \t");
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        size_t n = strlen(fields[i].name);
        if ((size_t)(colon - line) == n && strncasecmp(line, fields[i].name, n) == 0)
            return fields[i].field;
    }
    return FIELD_NONE;
}

static void take_line(struct paragraph *paragraph, enum field *field, const char *line) {
    const char *value = line;
    bool continued = *line == ' ' || *line == '\t';
    if (!continued) *field = field_of(line, &value);
    struct buffer *to = *field == FIELD_NAME      ? &paragraph->name
                        : *field == FIELD_SECTION ? &paragraph->section
                        : *field == FIELD_TAGS    ? &paragraph->tags
                        : *field == FIELD_SUMMARY ? &paragraph->summary
                                                  : NULL;
    if (!to) return;
    if (!continued) {
        buffer_clear(to);
        buffer_append(to, value, strlen(value));
        return;
    }
    if (*field == FIELD_SUMMARY) to = &paragraph->text;
    if (strcmp(line, " .") == 0) return; /* an empty line of a description */
    buffer_append(to, line, strlen(line));
}

enum status package_list_read(struct package_list *list, FILE *file) {
    struct paragraph paragraph = {0};
    enum field field = FIELD_NONE;
    enum status status = STATUS_OK;
    char *line = NULL;
    size_t capacity = 0;
    ssize_t size;
    while (status == STATUS_OK && (size = getline(&line, &capacity, file)) >= 0) {
        while (size > 0 && (line[size - 1] == '\n' || line[size - 1] == '\r'))
            line[--size] = 0;
        if (size > 0) {
            take_line(&paragraph, &field, line);
            continue;
        }
        status = add(list, &paragraph);
        clear(&paragraph);
        field = FIELD_NONE;
    }
    if (status == STATUS_OK) status = ferror(file) ? STATUS_IO : add(list, &paragraph);
    free(line);
    buffer_free(&paragraph.name);
    buffer_free(&paragraph.section);
    buffer_free(&paragraph.tags);
    buffer_free(&paragraph.summary);
    buffer_free(&paragraph.text);
    return status;
}

static int by_name(const void *a, const void *b) {
    const struct package *left = a, *right = b;
    return strcmp(left->name, right->name);
}

void package_list_sort(struct package_list *list) {
    if (list->n == 0) return;
    qsort(list->packages, list->n, sizeof *list->packages, by_name);
    size_t n = 1;
    for (size_t i = 1; i < list->n; i++)
        if (strcmp(list->packages[n - 1].name, list->packages[i].name) != 0)
            list->packages[n++] = list->packages[i];
    list->n = n;
}

void package_parts(const struct package *package, struct embed_part out[PACKAGE_PARTS]) {
    out[0] = (struct embed_part){package->name, 1.0f};
    out[1] = (struct embed_part){package->summary, 2.0f};
    out[2] = (struct embed_part){package->text, 0.3f};
    out[3] = (struct embed_part){package->tags, 0.6f};
    out[4] = (struct embed_part){package->section, 0.3f};
}
