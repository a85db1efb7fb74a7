/* history: a ring that doubles until its bytes reach the bound. */
#include "cli/console/history.h"

#include <errno.h>
#include <string.h>

#include "runtime/memory.h"

enum { FIRST_CAPACITY = 256, READ_BYTES = 1 << 20 };

void history_init(struct history *history, size_t bytes_max) {
    *history = (struct history){.bytes_max = bytes_max};
}

void history_free(struct history *history) {
    for (size_t i = 0; i < history->n; i++)
        mem_free(history->events[(history->first + i) % history->capacity]);
    mem_free(history->events);
    *history = (struct history){0};
}

static void forget_oldest(struct history *history) {
    struct event *event = history->events[history->first];
    history->bytes -= event_bytes(event);
    history->first = (history->first + 1) % history->capacity;
    history->n--;
    history->forgotten++;
    mem_free(event);
}

static bool grow(struct history *history) {
    size_t capacity = history->capacity ? history->capacity * 2 : FIRST_CAPACITY;
    struct event **events = mem_alloc(capacity * sizeof *events);
    if (!events) return false;
    for (size_t i = 0; i < history->n; i++)
        events[i] = history->events[(history->first + i) % history->capacity];
    mem_free(history->events);
    history->events = events;
    history->capacity = capacity;
    history->first = 0;
    return true;
}

void history_add(struct history *history, struct event *event) {
    if (history->n == history->capacity && !grow(history)) {
        if (history->n == 0) {
            mem_free(event);
            return;
        }
        forget_oldest(history);
    }
    history->events[(history->first + history->n++) % history->capacity] = event;
    history->bytes += event_bytes(event);
    while (history->n > 1 && history->bytes > history->bytes_max)
        forget_oldest(history);
}

const struct event *history_at(const struct history *history, size_t nth) {
    return history->events[(history->first + nth) % history->capacity];
}

size_t history_until(const struct history *history, uint64_t at_ms) {
    size_t low = 0, high = history->n;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (history_at(history, middle)->at_ms <= at_ms)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* --- files --- */

FILE *history_open_file(const char *path) {
    FILE *file = fopen(path, "wbx");
    if (!file) return NULL;
    if (fwrite(event_magic, sizeof event_magic, 1, file) == 1) return file;
    fclose(file);
    return NULL;
}

enum status history_append(FILE *file, const struct event *event) {
    struct buffer bytes;
    buffer_init(&bytes);
    event_write(event, &bytes);
    enum status s = bytes.failed ? STATUS_NO_MEMORY : STATUS_OK;
    if (s == STATUS_OK && bytes.size && fwrite(bytes.data, bytes.size, 1, file) != 1) s = STATUS_IO;
    buffer_free(&bytes);
    return s;
}

enum status history_save(const struct history *history, const char *path) {
    FILE *file = history_open_file(path);
    if (!file) return errno == EEXIST ? STATUS_EXISTS : STATUS_IO;
    enum status s = STATUS_OK;
    for (size_t i = 0; i < history->n && s == STATUS_OK; i++)
        s = history_append(file, history_at(history, i));
    if (fclose(file) != 0 && s == STATUS_OK) s = STATUS_IO;
    return s;
}

/* Takes what is whole in the buffer and keeps the rest at its front. */
static enum status take(struct history *history, struct buffer *bytes, size_t *read) {
    size_t at = 0, used;
    struct event *event = NULL;
    for (;;) {
        enum status s = event_read(bytes->data + at, bytes->size - at, &used, &event);
        if (s != STATUS_OK) return s;
        if (used == 0) break;
        history_add(history, event);
        at += used;
        ++*read;
    }
    memmove(bytes->data, bytes->data + at, bytes->size - at);
    bytes->size -= at;
    return STATUS_OK;
}

enum status history_load(struct history *history, const char *path, size_t *read) {
    FILE *file = fopen(path, "rb");
    if (!file) return STATUS_IO;
    char magic[sizeof event_magic];
    struct buffer bytes;
    buffer_init(&bytes);
    *read = 0;
    enum status s = STATUS_OK;
    if (fread(magic, sizeof magic, 1, file) != 1 || memcmp(magic, event_magic, sizeof magic) != 0)
        s = STATUS_INVALID;
    while (s == STATUS_OK) {
        void *room = buffer_reserve(&bytes, READ_BYTES);
        size_t n = room ? fread(room, 1, READ_BYTES, file) : 0;
        if (!room) s = STATUS_NO_MEMORY;
        if (n == 0) break;
        bytes.size += n;
        s = take(history, &bytes, read);
    }
    if (s == STATUS_OK && ferror(file)) s = STATUS_IO;
    fclose(file);
    buffer_free(&bytes);
    return s;
}
