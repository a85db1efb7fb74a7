/* fuzz_columns_file: any bytes as the file of payload indexes. The first byte chooses whether they
 * are the file; what a stream carries, under sums that are right; or changes to a sound file under
 * right sums, five bytes each, a place and what is to be there. What was read is then used. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "index/index.h"
#include "index/stream.h"
#include "runtime/pack.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { EDIT = 5, POINTS = 40 };

static const struct index_column columns[] = {{{"kind", 4}, FILTER_KEYWORD},
                                              {{"value", 5}, FILTER_INTEGER}};
/* A graph that costs little: it is not what is tried here. */
static const struct index_options options = {.dimension = 1,
                                             .metric = INDEX_DOT,
                                             .M = 2,
                                             .ef_construction = 4,
                                             .columns = columns,
                                             .n_columns = 2};

static void need(bool fine) {
    if (!fine) abort();
}

static struct index *make_index(void) {
    struct index *index;
    uint64_t applied;
    need(index_open(&options, NULL, &index, &applied) == STATUS_OK);
    for (uint64_t number = 1; number <= POINTS; number++) {
        float vector[1] = {(float)number};
        unsigned char payload[64], *at = pack_map(payload, 2);
        const char kind = (char)('a' + number % 5), value = (char)('0' + number % 7);
        at = pack_string(at, "kind", 4);
        at = pack_string(at, &kind, 1);
        at = pack_string(at, "value", 5);
        at = pack_string(at, &value, 1);
        struct index_point point = {.number = number,
                                    .vector = vector,
                                    .id = "id",
                                    .id_size = 2,
                                    .payload = payload,
                                    .payload_size = (size_t)(at - payload)};
        need(index_append(index, &point, 1) == STATUS_OK);
    }
    return index;
}

static uint8_t *sound; /* what the stream carries */
static size_t sound_size;

static void make_sound(void) {
    struct index *index = make_index();
    const struct index_view *view = index_view_hold(index);
    struct stat about;
    char path[] = "/tmp/vectron-fuzz-XXXXXX";
    int fd = mkstemp(path);
    need(fd >= 0);
    need(index_columns_save(view, path, NULL) == STATUS_OK);
    FILE *file = fopen(path, "rb");
    need(file && stat(path, &about) == 0 && about.st_size < STREAM_BLOCK);
    sound_size = (size_t)about.st_size - STREAM_SUM;
    sound = malloc(sound_size);
    need(sound && fread(sound, 1, sound_size, file) == sound_size);
    fclose(file);
    close(fd);
    unlink(path);
    index_view_drop(view);
    index_close(index);
}

static void put_stream(int fd, const uint8_t *bytes, size_t size) {
    struct stream stream;
    int copy = dup(fd);
    need(copy >= 0 && stream_open_writer(&stream, copy) == STATUS_OK);
    need(stream_put(&stream, bytes, size) == STATUS_OK && stream_finish(&stream) == STATUS_OK);
    stream_close(&stream);
}

static int make_file(const uint8_t *data, size_t size) {
    int fd = memfd_create("columns", 0);
    need(fd >= 0);
    if (size == 0) return fd;
    unsigned how = data[0] % 3;
    data++;
    size--;
    if (how == 0) {
        need(write(fd, data, size) == (ssize_t)size);
    } else if (how == 1) {
        put_stream(fd, data, size);
    } else {
        if (!sound) make_sound();
        uint8_t *bytes = malloc(sound_size);
        need(bytes != NULL);
        memcpy(bytes, sound, sound_size);
        for (; size >= EDIT; data += EDIT, size -= EDIT) {
            uint32_t place;
            memcpy(&place, data, sizeof place);
            bytes[place % sound_size] = data[sizeof place];
        }
        put_stream(fd, bytes, sound_size);
        free(bytes);
    }
    return fd;
}

/* Filters find something or nothing, but end; sorting reads every value. */
static void use(struct index *index) {
    const struct index_view *view = index_view_hold(index);
    struct index_reader *reader;
    float vector[1] = {1};
    struct filter_text text = {"a", 1};
    struct filter_node nodes[] = {
        {.op = FILTER_ANY, .n = 2},
        {.op = FILTER_PREFIX, .type = FILTER_KEYWORD, .n = 1, .key = {"kind", 4}, .texts = &text},
        {.op = FILTER_RANGE,
         .type = FILTER_INTEGER,
         .key = {"value", 5},
         .low = FILTER_LOWEST,
         .high = FILTER_HIGHEST / 2}};
    struct filter filter = {nodes, 3};
    struct index_query query = {.vector = vector, .k = 5, .filter = &filter};
    bool idle = false, done = false;
    while (!idle)
        need(index_link_step(index, 1000, &idle) == STATUS_OK);
    need(index_reader_open(&reader) == STATUS_OK);
    need(index_search_start(reader, view, &query) == STATUS_OK);
    while (!done)
        need(index_search_step(reader, 100, &done) == STATUS_OK);
    index_search_end(reader);
    index_reader_close(reader);
    index_view_drop(view);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct index *index = make_index();
    struct index_columns_load *load = NULL;
    char path[64];
    bool done = false;
    int fd = make_file(data, size);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    enum status s = index_columns_load_open(index, path, &load);
    bool opened = s == STATUS_OK;
    while (s == STATUS_OK && !done)
        s = index_columns_load_step(load, &done);
    need(s == STATUS_OK || s == STATUS_CORRUPT || s == STATUS_NOT_FOUND);
    for (uint64_t number = 0; opened && number < POINTS + 2; number++)
        (void)index_columns_load_knew(load, number);
    if (opened) index_columns_load_close(load);
    use(index);
    index_close(index);
    close(fd);
    return 0;
}
