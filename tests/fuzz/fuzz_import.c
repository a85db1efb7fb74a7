/* Data files of any format: the first byte picks it, the rest is the file. HDF5 is left out: its
 * library runs in a process of its own because it does not survive this (cli/reader/hdf5.c). */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cli/reader/reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char *const formats[] = {"npy", "vecs", "idx", "jsonl", "csv"};
    if (size == 0) return 0;
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    if (fd < 0 || write(fd, data + 1, size - 1) != (ssize_t)(size - 1)) return 0;
    char path[64], words[READER_WORDS_MAX];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    struct reader_options options = {
        .path = path,
        .format = formats[data[0] % (sizeof formats / sizeof *formats)],
    };
    struct reader *reader;
    if (reader_open(&options, &reader, words) == STATUS_OK) {
        struct reader_row row;
        enum status status;
        do
            status = reader_next(reader, &row);
        while ((status == STATUS_OK && !row.end) || status == STATUS_INVALID);
        reader_close(reader);
    }
    close(fd);
    return 0;
}
