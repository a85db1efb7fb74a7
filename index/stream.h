/* stream: checksummed blocks in a file, written and read front to back.
 *
 * Every block is STREAM_BLOCK bytes of payload (the last one fewer) and their XXH3, 64 bits
 * little-endian, seeded with the block's position, so a block that was swapped, flipped or cut
 * fails. Payload is handed out only after its block was checked. One thread. */
#ifndef INDEX_STREAM_H
#define INDEX_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/status.h"

enum { STREAM_BLOCK = 1 << 20, STREAM_SUM = 8 };

struct stream {
    int fd;
    unsigned char *buffer; /* owned; a block and its sum */
    size_t size;           /* reading: payload bytes of the block; writing: filled so far */
    size_t at;             /* reading: consumed so far */
    uint64_t block;        /* position of the block in the buffer; of the next one while reading */
    uint64_t left;         /* reading: bytes of the file not read yet */
};

/* From the descriptor's position on; `size` is the stream's in the file. Takes the descriptor only
 * when OK. NO_MEMORY. */
MUST_USE enum status stream_open_writer(struct stream *stream, int fd);
MUST_USE enum status stream_open_reader(struct stream *stream, int fd, uint64_t size);
/* Closes the descriptor; a closed or never opened (all zero, fd -1) one is fine. */
void stream_close(struct stream *stream);

/* DISK_FULL, IO. */
MUST_USE enum status stream_put(struct stream *stream, const void *bytes, size_t size);
/* Writes the last block. */
MUST_USE enum status stream_finish(struct stream *stream);

/* CORRUPT: a sum is wrong or the file ends early. IO. */
MUST_USE enum status stream_get(struct stream *stream, void *bytes, size_t size);
/* Is everything read? */
bool stream_ended(const struct stream *stream);

#endif
