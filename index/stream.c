/* stream: payload passes through one block buffer; at memory speed the copy does not show beside
 * the system call. */
#include "index/stream.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#include "runtime/assert.h"
#include "runtime/memory.h"
#include "runtime/poison.h"

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "files are little-endian, read verbatim");

static enum status open_stream(struct stream *stream, int fd) {
    unsigned char *buffer = mem_alloc(STREAM_BLOCK + STREAM_SUM);
    if (!buffer) return STATUS_NO_MEMORY;
    *stream = (struct stream){.fd = fd, .buffer = buffer};
    return STATUS_OK;
}

enum status stream_open_writer(struct stream *stream, int fd) {
    return open_stream(stream, fd);
}

enum status stream_open_reader(struct stream *stream, int fd, uint64_t size) {
    enum status s = open_stream(stream, fd);
    if (s == STATUS_OK) stream->left = size;
    return s;
}

void stream_close(struct stream *stream) {
    mem_free(stream->buffer);
    if (stream->fd >= 0) (void)close(stream->fd); /* what matters was synced before */
    *stream = (struct stream){.fd = -1};
}

static enum status write_all(int fd, const unsigned char *bytes, size_t size) {
    while (size > 0) {
        ssize_t n = write(fd, bytes, size);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return errno == ENOSPC || errno == EDQUOT ? STATUS_DISK_FULL : STATUS_IO;
        bytes += n;
        size -= (size_t)n;
    }
    return STATUS_OK;
}

static enum status flush_block(struct stream *stream) {
    uint64_t sum = XXH3_64bits_withSeed(stream->buffer, stream->size, stream->block);
    memcpy(stream->buffer + stream->size, &sum, sizeof sum);
    enum status s = write_all(stream->fd, stream->buffer, stream->size + STREAM_SUM);
    if (s != STATUS_OK) return s;
    stream->block++;
    stream->size = 0;
    return STATUS_OK;
}

enum status stream_put(struct stream *stream, const void *bytes, size_t size) {
    const unsigned char *from = bytes;
    while (size > 0) {
        size_t n = STREAM_BLOCK - stream->size;
        if (n > size) n = size;
        memcpy(stream->buffer + stream->size, from, n);
        stream->size += n;
        from += n;
        size -= n;
        if (stream->size < STREAM_BLOCK) continue;
        enum status s = flush_block(stream);
        if (s != STATUS_OK) return s;
    }
    return STATUS_OK;
}

enum status stream_finish(struct stream *stream) {
    return stream->size > 0 ? flush_block(stream) : STATUS_OK;
}

static enum status read_all(int fd, unsigned char *bytes, size_t size) {
    while (size > 0) {
        ssize_t n = read(fd, bytes, size);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return STATUS_IO;
        if (n == 0) return STATUS_CORRUPT;
        bytes += n;
        size -= (size_t)n;
    }
    return STATUS_OK;
}

static enum status next_block(struct stream *stream) {
    size_t size = STREAM_BLOCK + STREAM_SUM;
    if (size > stream->left) size = (size_t)stream->left;
    if (size <= STREAM_SUM) return STATUS_CORRUPT;
    enum status s = read_all(stream->fd, stream->buffer, size);
    if (s != STATUS_OK) return s;
    stream->left -= size;
    stream->size = size - STREAM_SUM;
    stream->at = 0;
    uint64_t sum;
    memcpy(&sum, stream->buffer + stream->size, sizeof sum);
    if (sum != XXH3_64bits_withSeed(stream->buffer, stream->size, stream->block++))
        return STATUS_CORRUPT;
    return STATUS_OK;
}

enum status stream_get(struct stream *stream, void *bytes, size_t size) {
    unsigned char *to = bytes;
    while (size > 0) {
        if (stream->at == stream->size) {
            enum status s = next_block(stream);
            if (s != STATUS_OK) return s;
        }
        size_t n = stream->size - stream->at;
        if (n > size) n = size;
        memcpy(to, stream->buffer + stream->at, n);
        stream->at += n;
        to += n;
        size -= n;
    }
    return STATUS_OK;
}

bool stream_ended(const struct stream *stream) {
    return stream->left == 0 && stream->at == stream->size;
}
