/* HDF5 through its child process, also when the library crashes. */
#include <criterion/criterion.h>
#include <hdf5.h>
#include <stdlib.h>
#include <string.h>

#include "files.h"
#include "runtime/rng.h"

/* The file's bytes; *size of them. */
static unsigned char *hdf5_file(const char *name, hid_t type, const char *dataset, size_t *size) {
    const char *path = file_with(name, "", 0);
    hid_t file = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    hsize_t sizes[2] = {3, 2};
    hid_t space = H5Screate_simple(2, sizes, NULL);
    hid_t set = H5Dcreate2(file, dataset, type, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    float rows[6] = {1, 2, 3, 4, 5, 6.5f};
    H5Dwrite(set, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, rows);
    H5Dclose(set);
    H5Sclose(space);
    H5Fclose(file);
    FILE *in = fopen(path, "r");
    unsigned char *bytes = malloc(65536);
    *size = fread(bytes, 1, 65536, in);
    fclose(in);
    return bytes;
}

static void expect_rows(const char *path, const char *wanted) {
    char *text = rows_of(path, NULL);
    cr_expect_str_eq(text, wanted, "got: %s", text);
    free(text);
}

Test(hdf5, ann_benchmarks_layout) {
    size_t size;
    unsigned char *bytes = hdf5_file("a.hdf5", H5T_IEEE_F32LE, "train", &size);
    expect_rows(file_with("a.hdf5", bytes, size), "#0:[1 2] #1:[3 4] #2:[5 6.5] ");
    expect_rows(file_with("noname", bytes, size), "#0:[1 2] #1:[3 4] #2:[5 6.5] ");
    expect_rows(file_with("a.h5", bytes, size / 8),
                "!!not a readable HDF5 file (damaged, cut, or another format)");
    free(bytes);
    bytes = hdf5_file("b.hdf5", H5T_STD_I16BE, "other", &size);
    expect_rows(file_with("b.hdf5", bytes, size),
                "!!there is no dataset \"train\"; name one with --dataset");
    char words[READER_WORDS_MAX];
    struct reader *reader;
    struct reader_options options = {.path = file_with("b.hdf5", bytes, size), .dataset = "other"};
    cr_assert_eq(reader_open(&options, &reader, words), STATUS_OK);
    struct reader_row row;
    cr_assert_eq(reader_next(reader, &row), STATUS_OK);
    cr_expect_eq(row.dimension, 2);
    cr_expect_eq(reader_rows(reader), 3);
    reader_close(reader);
    free(bytes);
}

Test(hdf5, damaged_files_end_well) {
    size_t size;
    unsigned char *bytes = hdf5_file("a.hdf5", H5T_IEEE_F32LE, "train", &size);
    struct rng rng;
    rng_init(&rng, 11);
    for (int round = 0; round < 40; round++) {
        unsigned char copy[65536];
        memcpy(copy, bytes, size);
        for (int k = 0; k < 8; k++)
            copy[rng_below(&rng, size)] = (unsigned char)rng_next(&rng);
        cr_expect_leq(rows_read(file_with("m.hdf5", copy, size), NULL), 3);
    }
    free(bytes);
}
