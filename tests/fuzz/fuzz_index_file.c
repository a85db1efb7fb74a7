/* fuzz_index_file: any bytes as an index file. The first byte chooses whether they are the file, or
 * changes to a sound one, under sums that are right again: five bytes each, a place and what is to
 * be there, which gets past every checksum. What opens is then used: nothing in a file may make the
 * index fail later. */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include "index/file.h"
#include "index/index.h"
#include "index/stream.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { EDIT = 5, POINTS = 60 };

static const struct index_options options = {
    .dimension = 2, .metric = INDEX_DOT, .M = 2, .ef_construction = 4};

static void need(bool fine) {
    if (!fine) abort();
}

static uint8_t *sound;
static size_t sound_size;

/* Points, of which some are removed and some wait, on two levels at least. */
static void make_sound(void) {
    struct index *index;
    struct index_save *save;
    uint64_t applied;
    bool done = false, idle = false;
    char path[] = "/tmp/vectron-fuzz-XXXXXX";
    int fd = mkstemp(path);
    need(fd >= 0 && unlink(path) == 0);
    need(index_open(&options, NULL, &index, &applied) == STATUS_OK);
    for (uint64_t number = 100; number < 100 + POINTS; number++) {
        float vector[2] = {(float)(number % 7), (float)(number % 11)};
        struct index_point point = {
            .number = number, .vector = vector, .id = "some id", .id_size = 7};
        need(index_append(index, &point, 1) == STATUS_OK);
        while (number < 90 + POINTS && !idle)
            need(index_link_step(index, 1000, &idle) == STATUS_OK);
        idle = false;
    }
    need(index_remove(index, 105) == STATUS_OK);
    need(index_save_start(index, path, 1, &save) == STATUS_OK);
    while (!done)
        need(index_save_step(save, 1 << 20, &done) == STATUS_OK);
    index_save_end(save);
    index_close(index);
    close(fd);
    FILE *file = fopen(path, "rb");
    struct stat about;
    need(file && stat(path, &about) == 0);
    sound_size = (size_t)about.st_size;
    sound = malloc(sound_size);
    need(sound && fread(sound, 1, sound_size, file) == sound_size);
    fclose(file);
    unlink(path);
}

static bool lies_within(uint64_t at, uint64_t size) {
    return at <= sound_size && size <= sound_size - at;
}

/* Every sum is made to be right: pages, table, extra (one block), root. */
static void seal(uint8_t *bytes) {
    struct file_root root;
    memcpy(&root, bytes + FILE_ROOT, sizeof root); /* the first save's */
    if (lies_within(root.table_at, root.table_size)) {
        for (uint64_t at = 0; at + sizeof(struct file_page) <= root.table_size;
             at += sizeof(struct file_page)) {
            struct file_page page;
            memcpy(&page, bytes + root.table_at + at, sizeof page);
            if (page.at == 0 || !lies_within(page.at, page.size)) continue;
            page.sum = XXH3_64bits(bytes + page.at, page.size);
            memcpy(bytes + root.table_at + at, &page, sizeof page);
        }
        root.table_sum = XXH3_64bits(bytes + root.table_at, root.table_size);
    }
    if (lies_within(root.extra_at, root.extra_size) && root.extra_size > STREAM_SUM) {
        size_t size = root.extra_size - STREAM_SUM;
        uint64_t sum = XXH3_64bits_withSeed(bytes + root.extra_at, size, 0);
        memcpy(bytes + root.extra_at + size, &sum, sizeof sum);
    }
    root.sum = XXH3_64bits(&root, offsetof(struct file_root, sum));
    memcpy(bytes + FILE_ROOT, &root, sizeof root);
}

/* The descriptor of a file that holds the bytes. */
static int make_file(const uint8_t *data, size_t size) {
    int fd = memfd_create("index", 0);
    need(fd >= 0);
    if (size == 0) return fd;
    if (!(data[0] & 1)) {
        need(write(fd, data + 1, size - 1) == (ssize_t)(size - 1));
        return fd;
    }
    if (!sound) make_sound();
    uint8_t *bytes = malloc(sound_size);
    need(bytes != NULL);
    memcpy(bytes, sound, sound_size);
    for (data++, size--; size >= EDIT; data += EDIT, size -= EDIT) {
        uint32_t place;
        memcpy(&place, data, sizeof place);
        bytes[place % sound_size] = data[sizeof place];
    }
    seal(bytes);
    need(write(fd, bytes, sound_size) == (ssize_t)sound_size);
    free(bytes);
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
