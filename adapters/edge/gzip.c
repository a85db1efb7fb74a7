/* gzip: zlib with the gzip wrapper only (window bits 31). */
#include "adapters/edge/gzip.h"

#include <stdbool.h>
#include <string.h>
#include <zlib.h>

#include "runtime/memory.h"

enum { GZIP_WINDOW = 15 + 16, GZIP_PIECE = 64 * 1024, GZIP_INPUT_MAX = 1 << 30 };

struct gunzip {
    z_stream stream;
    const unsigned char *data; /* borrowed */
    size_t left;
    size_t limit;
};

static void *zlib_alloc(void *opaque, uInt items, uInt size) {
    (void)opaque;
    return mem_zero(items, size);
}

static void zlib_free(void *opaque, void *memory) {
    (void)opaque;
    mem_free(memory);
}

enum status gunzip_new(const void *data, size_t size, size_t limit, struct gunzip **out) {
    struct gunzip *gunzip = mem_zero(1, sizeof *gunzip);
    if (!gunzip) return STATUS_NO_MEMORY;
    gunzip->stream.zalloc = zlib_alloc;
    gunzip->stream.zfree = zlib_free;
    gunzip->data = data;
    gunzip->left = size;
    gunzip->limit = limit;
    if (inflateInit2(&gunzip->stream, GZIP_WINDOW) != Z_OK) {
        mem_free(gunzip);
        return STATUS_NO_MEMORY;
    }
    *out = gunzip;
    return STATUS_OK;
}

void gunzip_free(struct gunzip *gunzip) {
    if (!gunzip) return;
    inflateEnd(&gunzip->stream);
    mem_free(gunzip);
}

/* What zlib may read next: its counters are narrower than ours. */
static void refill(struct gunzip *gunzip) {
    z_stream *stream = &gunzip->stream;
    if (stream->avail_in || gunzip->left == 0) return;
    size_t n = gunzip->left < GZIP_INPUT_MAX ? gunzip->left : GZIP_INPUT_MAX;
    stream->next_in = (Bytef *)gunzip->data;
    stream->avail_in = (uInt)n;
    gunzip->data += n;
    gunzip->left -= n;
}

static enum status unpack_piece(struct gunzip *gunzip, struct body *out, bool *done) {
    z_stream *stream = &gunzip->stream;
    refill(gunzip);
    /* One byte beyond the limit tells "exactly the limit" from "too large". */
    size_t room = gunzip->limit - out->size + 1;
    if (room > GZIP_PIECE) room = GZIP_PIECE;
    enum status status = body_reserve(out, room);
    if (status != STATUS_OK) return status;
    stream->next_out = out->data + out->size;
    stream->avail_out = (uInt)room;
    int result = inflate(stream, Z_NO_FLUSH);
    out->size += room - stream->avail_out;
    if (result == Z_MEM_ERROR) return STATUS_NO_MEMORY;
    if (result != Z_OK && result != Z_STREAM_END) return STATUS_INVALID;
    if (out->size > gunzip->limit) return STATUS_TOO_LARGE;
    if (result == Z_STREAM_END) {
        if (stream->avail_in || gunzip->left) return STATUS_INVALID;
        *done = true;
    }
    return STATUS_OK;
}

enum status gunzip_step(struct gunzip *gunzip, struct body *out, bool *done) {
    size_t end = out->size + GZIP_STEP;
    *done = false;
    while (!*done && out->size < end) {
        enum status status = unpack_piece(gunzip, out, done);
        if (status != STATUS_OK) return status;
    }
    return STATUS_OK;
}

enum status gzip_unpack(const void *data, size_t size, size_t limit, struct body *out) {
    struct gunzip *gunzip = NULL;
    enum status status = gunzip_new(data, size, limit, &gunzip);
    bool done = false;
    while (status == STATUS_OK && !done)
        status = gunzip_step(gunzip, out, &done);
    gunzip_free(gunzip);
    return status;
}

enum status gzip_pack(const void *data, size_t size, struct body *out) {
    z_stream stream = {.zalloc = zlib_alloc, .zfree = zlib_free};
    if (size > GZIP_INPUT_MAX) return STATUS_TOO_LARGE;
    if (deflateInit2(&stream, Z_BEST_SPEED, Z_DEFLATED, GZIP_WINDOW, 8, Z_DEFAULT_STRATEGY) != Z_OK)
        return STATUS_NO_MEMORY;
    size_t bound = deflateBound(&stream, size);
    enum status status = body_reserve(out, bound);
    if (status == STATUS_OK) {
        stream.next_in = (Bytef *)data;
        stream.avail_in = (uInt)size;
        stream.next_out = out->data + out->size;
        stream.avail_out = (uInt)bound;
        int result = deflate(&stream, Z_FINISH);
        out->size += bound - stream.avail_out;
        if (result != Z_STREAM_END) status = STATUS_INTERNAL;
    }
    deflateEnd(&stream);
    return status;
}
