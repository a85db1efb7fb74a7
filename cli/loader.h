/* loader: many points into one collection: batches, several in flight, refused ones tried again
 * with backoff.
 *
 *   loader_add … ─▶ batch being filled ─▶ slots in flight ─▶ acked / refused
 *
 * Memory is bounded by concurrency batches. With more than one in flight, of two equal ids in
 * different batches either may win. One thread. */
#ifndef CLI_LOADER_H
#define CLI_LOADER_H

#include "cli/client.h"
#include "cli/reader/reader.h"

enum {
    LOADER_BATCH_MAX = 10000,
    LOADER_CONCURRENCY_MAX = 64,
    LOADER_BATCH_BYTES = 4 * 1024 * 1024, /* a batch is sent when it is about so big */
    LOADER_WORDS_MAX = 2304,
};

struct loader;

struct loader_options {
    struct client *client;  /* borrowed */
    const char *collection; /* borrowed */
    uint32_t batch;         /* points, 1..LOADER_BATCH_MAX */
    uint32_t concurrency;   /* 1..LOADER_CONCURRENCY_MAX */
    uint64_t patience_ms;   /* a batch that only meets passing refusals is given up after this */
    /* The server has these rows, for good. May be NULL. */
    void (*acked)(void *context, const uint64_t *rows, size_t n);
    /* The server refuses this row as malformed. True: leave it out and go on; false: stop. */
    bool (*refused)(void *context, uint64_t row, const char *text);
    void *context;
};

struct loader_point {
    uint64_t row; /* what acked tells */
    const char *id;
    const float *vector;
    uint32_t dimension;
    const struct reader_pair *pairs;
    size_t n_pairs;
};

MUST_USE enum status loader_open(const struct loader_options *options, struct loader **out);
void loader_close(struct loader *loader); /* NULL is fine; what is in flight is dropped */
/* Copies the point; waits while everything is in flight. A failure sticks: loader_words. */
MUST_USE enum status loader_add(struct loader *loader, const struct loader_point *point);
/* Sends what is left and waits for all answers. */
MUST_USE enum status loader_finish(struct loader *loader);
const char *loader_words(const struct loader *loader);
/* Batches that were sent again. */
uint64_t loader_retries(const struct loader *loader);

#endif
