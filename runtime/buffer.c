/* buffer: doubles until it fits. */
#include "runtime/buffer.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "runtime/memory.h"

enum { BUFFER_MIN = 256 };

void buffer_init(struct buffer *buffer) {
    *buffer = (struct buffer){0};
}

void *buffer_reserve(struct buffer *buffer, size_t more) {
    if (buffer->failed) return NULL;
    if (buffer->capacity - buffer->size >= more) return buffer->data + buffer->size;
    size_t capacity = buffer->capacity ? buffer->capacity : BUFFER_MIN;
    while (capacity - buffer->size < more) {
        if (capacity > SIZE_MAX / 2) {
            buffer->failed = true;
            return NULL;
        }
        capacity *= 2;
    }
    unsigned char *data = mem_resize(buffer->data, capacity);
    if (!data) {
        buffer->failed = true;
        return NULL;
    }
    buffer->data = data;
    buffer->capacity = capacity;
    return data + buffer->size;
}

void buffer_append(struct buffer *buffer, const void *data, size_t size) {
    if (size == 0) return;
    void *at = buffer_reserve(buffer, size);
    if (!at) return;
    memcpy(at, data, size);
    buffer->size += size;
}

void buffer_printf(struct buffer *buffer, const char *format, ...) {
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *at = n < 0 ? NULL : buffer_reserve(buffer, (size_t)n + 1);
    if (at) {
        vsnprintf(at, (size_t)n + 1, format, again);
        buffer->size += (size_t)n;
    }
    va_end(again);
}

void buffer_clear(struct buffer *buffer) {
    buffer->size = 0;
    buffer->failed = false;
}

void buffer_free(struct buffer *buffer) {
    mem_free(buffer->data);
    buffer_init(buffer);
}
