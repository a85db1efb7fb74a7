/* One lane writes its ring as fast as it can, readers copy it: no torn record, none out of order,
 * every number read or counted as lost. */
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "runtime/assert.h"
#include "runtime/ring.h"

enum { RECORDS = 1024, READERS = 2, PAUSE_EVERY = 4096 };

static struct ring ring;
static _Atomic bool over;

/* A record whose words all tell its number. */
static void *write_records(void *context) {
    (void)context;
    uint64_t words[RING_WORDS];
    for (uint64_t n = 0; !atomic_load(&over); n++) {
        for (uint64_t i = 0; i < RING_WORDS; i++)
            words[i] = n * RING_WORDS + i;
        ring_put(&ring, words);
        if (n % PAUSE_EVERY == 0) nanosleep(&(struct timespec){.tv_nsec = 50000}, NULL);
    }
    return NULL;
}

struct reader {
    pthread_t thread;
    uint64_t read, lost, from;
};

static void check(const uint64_t words[RING_WORDS], uint64_t number) {
    for (uint64_t i = 0; i < RING_WORDS; i++)
        assert(words[i] == number * RING_WORDS + i);
}

static void *read_records(void *context) {
    struct reader *reader = context;
    uint64_t out[RING_COPY][RING_WORDS];
    while (!atomic_load(&over)) {
        size_t n = ring_read(&ring, &reader->from, out, &reader->lost);
        for (size_t i = 0; i < n; i++)
            check(out[i], reader->from - n + i);
        reader->read += n;
        assert(reader->read + reader->lost == reader->from);
    }
    return NULL;
}

int main(int argc, char **argv) {
    int seconds = argc > 1 ? atoi(argv[1]) : 5;
    struct reader readers[READERS] = {0};
    pthread_t writer;
    enum status s = ring_open(&ring, RECORDS);
    assert(s == STATUS_OK);
    pthread_create(&writer, NULL, write_records, NULL);
    for (int i = 0; i < READERS; i++)
        pthread_create(&readers[i].thread, NULL, read_records, &readers[i]);
    nanosleep(&(struct timespec){.tv_sec = seconds}, NULL);
    atomic_store(&over, true);
    pthread_join(writer, NULL);
    for (int i = 0; i < READERS; i++) {
        pthread_join(readers[i].thread, NULL);
        printf("reader %d: %llu read, %llu lost\n", i, (unsigned long long)readers[i].read,
               (unsigned long long)readers[i].lost);
        assert(readers[i].read > 0);
    }
    ring_close(&ring);
    return 0;
}
