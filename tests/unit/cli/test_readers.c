/* Binary formats: good, cut, damaged. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/reader/format.h"
#include "files.h"
#include "runtime/rng.h"

struct data {
    unsigned char bytes[8192];
    size_t size;
};

static void put(struct data *data, const void *bytes, size_t size) {
    memcpy(data->bytes + data->size, bytes, size);
    data->size += size;
}

static void put_npy(struct data *data, int version, const char *head) {
    unsigned char magic[8] = {0x93, 'N', 'U', 'M', 'P', 'Y', (unsigned char)version, 0};
    put(data, magic, 8);
    unsigned char length[4] = {(unsigned char)strlen(head), 0, 0, 0};
    put(data, length, version == 1 ? 2 : 4);
    put(data, head, strlen(head));
}

static void expect_rows(const char *path, const char *format, const char *wanted) {
    char *text = rows_of(path, format);
    cr_expect_str_eq(text, wanted, "got: %s", text);
    free(text);
}

static struct data npy_floats(void) {
    struct data data = {.size = 0};
    put_npy(&data, 1, "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }   \n");
    put(&data, (float[]){1, 2, 3, -4, 0.5f, 6}, 24);
    return data;
}

Test(readers, npy_of_every_type) {
    struct data data = npy_floats();
    expect_rows(file_with("a.npy", data.bytes, data.size), NULL, "#0:[1 2 3] #1:[-4 0.5 6] ");
    expect_rows(file_gzipped("a.npy.gz", data.bytes, data.size), NULL, "#0:[1 2 3] #1:[-4 0.5 6] ");
    expect_rows(file_with("unnamed", data.bytes, data.size), NULL, "#0:[1 2 3] #1:[-4 0.5 6] ");

    data.size = 0;
    put_npy(&data, 2, "{'descr': '>i2', 'fortran_order': False, 'shape': (2L, 1L, 2L)}\n");
    put(&data, "\x00\x01\xff\xff\x01\x00\x00\x02", 8);
    expect_rows(file_with("b.npy", data.bytes, data.size), NULL, "#0:[1 -1] #1:[256 2] ");

    data.size = 0;
    put_npy(&data, 1, "{'descr': '<f2', 'fortran_order': False, 'shape': (1, 4)}\n");
    put(&data, "\x00\x3c\x00\xc0\x01\x00\x00\x7c", 8);
    expect_rows(file_with("c.npy", data.bytes, data.size), NULL, "#0:[1 -2 5.96046e-08 inf] ");

    data.size = 0;
    put_npy(&data, 1, "{'descr': '<f8', 'fortran_order': False, 'shape': (1, 2)}\n");
    put(&data, (double[]){1e300, 0.1}, 16);
    expect_rows(file_with("d.npy", data.bytes, data.size), NULL, "#0:[inf 0.1] ");
}

Test(readers, npy_that_cannot_be_read) {
    static const struct {
        const char *head, *wanted;
    } rows[] = {
        {"{'descr': '<c8', 'fortran_order': False, 'shape': (2, 3)}",
         "!!byte 67: numbers of type '<c8' are not supported (f2 f4 f8 i1..i8 u1..u8 are)"},
        {"{'descr': '<f4', 'fortran_order': True, 'shape': (2, 3)}",
         "!!byte 66: the array is in Fortran order; save numpy.ascontiguousarray of it"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (3,)}",
         "!!byte 65: shape (3,) is not (rows, dimension)"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (3,70000)}",
         "!!byte 70: shape (3,70000)}: the dimension must be 1 to 65535"},
        {"{'descr': '<f4', 'shape': (3,7)}",
         "!!byte 42: the head does not say descr, fortran_order and shape"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3)}",
         "!!byte 67: the file is cut inside a row (0 of 12 bytes) "},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct data data = {.size = 0};
        put_npy(&data, 1, rows[i].head);
        expect_rows(file_with("x.npy", data.bytes, data.size), NULL, rows[i].wanted);
    }
    expect_rows(file_with("x.npy", "hello world", 11), NULL,
                "!!byte 8: not a .npy file: the magic bytes are missing");
    expect_rows(file_with("x.npy", "", 0), NULL,
                "!!byte 0: the file is cut inside the magic (0 of 8 bytes)");
}

static struct data fvecs(void) {
    struct data data = {.size = 0};
    for (int i = 0; i < 3; i++) {
        put(&data, "\x02\x00\x00\x00", 4);
        put(&data, (float[]){(float)i, 0.5f}, 8);
    }
    return data;
}

Test(readers, vecs_of_every_type) {
    struct data data = fvecs();
    expect_rows(file_with("a.fvecs", data.bytes, data.size), NULL,
                "#0:[0 0.5] #1:[1 0.5] #2:[2 0.5] ");
    expect_rows(file_gzipped("a.fvecs.gz", data.bytes, data.size), NULL,
                "#0:[0 0.5] #1:[1 0.5] #2:[2 0.5] ");
    expect_rows(file_with("a.bvecs", "\x03\x00\x00\x00\x01\x02\xff", 7), NULL, "#0:[1 2 255] ");
    expect_rows(file_with("a.ivecs", "\x01\x00\x00\x00\xff\xff\xff\xff", 8), NULL, "#0:[-1] ");
    expect_rows(file_with("a.fvecs", data.bytes, 20), NULL,
                "#0:[0 0.5] !!byte 20: the file is cut inside a row (4 of 8 bytes) ");
    expect_rows(file_with("a.fvecs", data.bytes, 14), NULL,
                "#0:[0 0.5] !!byte 14: the file is cut inside a row's count (2 of 4 bytes) ");
    data.bytes[12] = 3;
    expect_rows(file_with("a.fvecs", data.bytes, data.size), NULL,
                "#0:[0 0.5] !!byte 16: row 1 has 3 components, the first has 2 ");
    expect_rows(file_with("a.fvecs", "\xff\xff\xff\xff", 4), NULL,
                "!!byte 4: a row of 4294967295 components (1 to 65535) ");
}

Test(readers, idx_of_mnist) {
    struct data data = {.size = 0};
    put(&data, "\0\0\x08\x03\0\0\0\x02\0\0\0\x01\0\0\0\x02", 16);
    put(&data, "\x01\x02\xfe\xff", 4);
    expect_rows(file_with("train-images-idx3-ubyte", data.bytes, data.size), NULL,
                "#0:[1 2] #1:[254 255] ");
    expect_rows(file_gzipped("train-images-idx3-ubyte.gz", data.bytes, data.size), NULL,
                "#0:[1 2] #1:[254 255] ");
    expect_rows(file_with("x", data.bytes, data.size), NULL, "#0:[1 2] #1:[254 255] ");
    expect_rows(file_with("x", data.bytes, data.size - 1), "idx",
                "#0:[1 2] !!byte 19: the file is cut inside a row (1 of 2 bytes) ");
    data.bytes[2] = 0x77;
    expect_rows(file_with("x", data.bytes, data.size), "idx",
                "!!byte 4: not an IDX file: wrong magic bytes");
    data.bytes[2] = 0x08;
    memset(data.bytes + 8, 0xff, 8);
    expect_rows(file_with("x", data.bytes, data.size), "idx",
                "!!byte 12: the dimension must be 1 to 65535");
    expect_rows(file_with("f.idx", "\0\0\x0d\x02\0\0\0\x01\0\0\0\x01\x3f\x80\0\0", 16), NULL,
                "#0:[1] ");
}

Test(readers, a_cut_gzip_file_is_told) {
    unsigned char *noise = malloc(100000);
    struct rng rng;
    rng_init(&rng, 1);
    for (size_t i = 0; i < 100000; i++)
        noise[i] = (unsigned char)rng_next(&rng);
    memcpy(noise, "\0\0\x08\x02\0\0\x03\xe8\0\0\0\x40", 12);
    const char *path = file_gzipped("a.idx.gz", noise, 12 + 64 * 1000);
    FILE *file = fopen(path, "r");
    static unsigned char kept[200000];
    size_t size = fread(kept, 1, sizeof kept, file);
    fclose(file);
    cr_expect_eq(rows_read(path, NULL), 1000);
    path = file_with("a.idx.gz", kept, size / 2);
    char *text = rows_of(path, NULL);
    cr_expect(strstr(text, "!!byte") && strstr(text, "the gzip stream is damaged or cut"), "%s",
              strstr(text, "!!"));
    free(text);
    kept[size / 3] ^= 0x55;
    path = file_with("a.idx.gz", kept, size);
    text = rows_of(path, NULL);
    cr_expect(strstr(text, "the gzip stream is damaged or cut"));
    free(text);
    free(noise);
}

Test(readers, files_that_are_not_there) {
    char words[READER_WORDS_MAX];
    struct reader *reader;
    cr_assert_eq(reader_open(&(struct reader_options){.path = "/does/not.npy"}, &reader, words),
                 STATUS_IO);
    cr_expect_str_eq(words, "/does/not.npy: cannot open: No such file or directory");
    cr_assert_eq(
        reader_open(&(struct reader_options){.path = "/tmp", .format = "npy"}, &reader, words),
        STATUS_IO);
    cr_expect_str_eq(words, "/tmp: is a folder");
    cr_assert_eq(reader_open(&(struct reader_options){.path = "/does/not"}, &reader, words),
                 STATUS_IO);
    cr_expect_str_eq(words, "/does/not: cannot open: No such file or directory");
    cr_assert_eq(reader_open(&(struct reader_options){.path = "/etc/hostname"}, &reader, words),
                 STATUS_INVALID);
    cr_assert_eq(
        reader_open(&(struct reader_options){.path = "x", .format = "zip"}, &reader, words),
        STATUS_INVALID);
    cr_expect_str_eq(words,
                     "x: unknown format zip; give --format npy, vecs, idx, hdf5, jsonl or csv");
}

/* Any change of a good file gives rows or an error; sanitizers see the rest. */
Test(readers, mutations_end_well) {
    struct data files[2] = {npy_floats(), fvecs()};
    static const char *const names[] = {"m.npy", "m.fvecs"};
    struct rng rng;
    rng_init(&rng, 7);
    for (int round = 0; round < 2000; round++) {
        struct data data = files[round % 2];
        for (uint64_t n = 1 + rng_below(&rng, 4); n > 0; n--)
            data.bytes[rng_below(&rng, data.size)] = (unsigned char)rng_next(&rng);
        if (rng_below(&rng, 4) == 0) data.size = rng_below(&rng, data.size + 1);
        rows_read(file_with(names[round % 2], data.bytes, data.size), NULL);
    }
}
