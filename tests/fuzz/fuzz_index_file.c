/* fuzz_index_file: any bytes as an index file. The first byte chooses whether they are the file, or
 * what lies under its checksums; the latter gets past the first block. What opens is then used:
 * nothing in a file may make the index fail later. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "index/index.h"
#include "index/stream.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct index_options options = {
    .dimension = 2, .metric = INDEX_DOT, .M = 2, .ef_construction = 4};

static void need(bool fine) {
    if (!fine) abort();
}

/* The descriptor of a file that holds the bytes. */
static int make_file(const uint8_t *data, size_t size) {
    int fd = memfd_create("index", 0);
    need(fd >= 0);
    if (size == 0) return fd;
    if (data[0] & 1) {
        struct stream stream;
        need(stream_open_writer(&stream, dup(fd)) == STATUS_OK);
        need(stream_put(&stream, data + 1, size - 1) == STATUS_OK);
        need(stream_finish(&stream) == STATUS_OK);
        stream_close(&stream);
    } else {
        need(write(fd, data + 1, size - 1) == (ssize_t)(size - 1));
    }
    return fd;
}

static void link_all(struct index *index) {
    bool idle = false;
    while (!idle)
        need(index_link_step(index, 1000, &idle) == STATUS_OK);
}

static void use(struct index *index) {
    struct index_reader *reader;
    float vector[2] = {1, -1};
    const struct index_view *view = index_view_hold(index);
    need(index_validate(view, NULL, 0) == STATUS_OK);
    need(index_reader_open(&reader) == STATUS_OK);
    for (uint64_t number = 1; number < 12; number++) {
        struct index_point point = {.number = number, .vector = vector, .id = "id", .id_size = 2};
        vector[0] += (float)number;
        need(index_append(index, &point, 1) == STATUS_OK);
    }
    link_all(index);
    for (uint64_t number = 1; number < 12; number++)
        need(index_remove(index, number) == STATUS_OK);
    link_all(index);
    struct index_query query = {.vector = vector, .k = 3, .ef = 3};
    bool done = false;
    need(index_search_start(reader, view, &query) == STATUS_OK);
    while (!done)
        need(index_search_step(reader, 100, &done) == STATUS_OK);
    index_search_end(reader);
    index_reader_close(reader);
    index_view_drop(view);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct index *index = NULL;
    uint64_t applied;
    char path[64];
    int fd = make_file(data, size);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    enum status s = index_open(&options, path, &index, &applied);
    need(s == STATUS_OK || s == STATUS_CORRUPT);
    if (s == STATUS_OK) use(index);
    if (s == STATUS_OK) index_close(index);
    close(fd);
    return 0;
}
