/* buffer: bytes that grow. Failure sticks: append freely, check buffer.failed once at the end. */
#ifndef RUNTIME_BUFFER_H
#define RUNTIME_BUFFER_H

#include <stdbool.h>
#include <stddef.h>

struct buffer {
    unsigned char *data; /* owned */
    size_t size;
    size_t capacity;
    bool failed; /* an append had no memory; size is what fitted before */
};

void buffer_init(struct buffer *buffer);
/* Room for `more` bytes; the pointer to write at, or NULL. Then buffer.size += what was written. */
void *buffer_reserve(struct buffer *buffer, size_t more);
void buffer_append(struct buffer *buffer, const void *data, size_t size);
void buffer_printf(struct buffer *buffer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void buffer_clear(struct buffer *buffer); /* keeps the memory */
void buffer_free(struct buffer *buffer);

#endif
