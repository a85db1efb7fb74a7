/* hdf5: one dataset of rank 2 (ann-benchmarks keeps the vectors in "train").
 *
 *     this process ◀── pipe: head, then rows of float32 ── child: libhdf5
 *
 * libhdf5 1.10 crashes on many damaged files. It therefore runs in a child process of its own,
 * which can only send numbers: whatever happens to it, the import ends with an error. The child is
 * forked before anything has threads; it reads and converts in lots of a few megabytes. */
#include <errno.h>
#include <fcntl.h>
#include <hdf5.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/reader/format.h"
#include "runtime/memory.h"

enum { LOT_BYTES = 4 * 1024 * 1024 };

/* What the child says first. */
struct head {
    uint64_t rows;
    uint64_t dimension;
    char words[256]; /* not empty: it cannot be read, and why */
};

struct hdf5 {
    pid_t child;
    FILE *pipe; /* owned */
    uint32_t dimension;
};

/* --- in the child
 * --------------------------------------------------------------------------------- */

static bool write_all(int fd, const void *data, size_t n) {
    const char *at = data;
    while (n > 0) {
        ssize_t count = write(fd, at, n);
        if (count < 0 && errno == EINTR) continue;
        if (count <= 0) return false;
        at += count;
        n -= (size_t)count;
    }
    return true;
}

/* Opens the dataset; says in head what it is. */
static hid_t open_dataset(const char *path, const char *name, struct head *head) {
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    hid_t file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT);
    if (file < 0) {
        snprintf(head->words, sizeof head->words,
                 "not a readable HDF5 file (damaged, cut, or another format)");
        return -1;
    }
    hid_t dataset = H5Dopen2(file, name, H5P_DEFAULT);
    if (dataset < 0) {
        snprintf(head->words, sizeof head->words,
                 "there is no dataset \"%.100s\"; name one with --dataset", name);
        return -1;
    }
    hid_t space = H5Dget_space(dataset);
    hsize_t sizes[2] = {0, 0};
    H5T_class_t class = H5Tget_class(H5Dget_type(dataset));
    if (H5Sget_simple_extent_ndims(space) != 2 ||
        H5Sget_simple_extent_dims(space, sizes, NULL) != 2 ||
        (class != H5T_FLOAT && class != H5T_INTEGER) || sizes[1] < 1 ||
        sizes[1] > READER_DIMENSION_MAX) {
        snprintf(head->words, sizeof head->words,
                 "dataset \"%.100s\" is not rows x dimension (1 to %d) of numbers", name,
                 READER_DIMENSION_MAX);
        return -1;
    }
    head->rows = sizes[0];
    head->dimension = sizes[1];
    return dataset;
}

static bool send_rows(hid_t dataset, const struct head *head, int fd) {
    hsize_t lot = LOT_BYTES / (head->dimension * sizeof(float));
    float *rows = mem_alloc(lot * head->dimension * sizeof *rows);
    hid_t from = H5Dget_space(dataset);
    if (!rows) return false;
    for (hsize_t at = 0; at < head->rows; at += lot) {
        hsize_t start[2] = {at, 0},
                count[2] = {head->rows - at < lot ? head->rows - at : lot, head->dimension};
        hid_t to = H5Screate_simple(2, count, NULL);
        bool read = H5Sselect_hyperslab(from, H5S_SELECT_SET, start, NULL, count, NULL) >= 0 &&
                    H5Dread(dataset, H5T_NATIVE_FLOAT, to, from, H5P_DEFAULT, rows) >= 0;
        H5Sclose(to);
        if (!read || !write_all(fd, rows, count[0] * count[1] * sizeof *rows)) return false;
    }
    mem_free(rows);
    return true;
}

static _Noreturn void child_main(const char *path, const char *name, int fd) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGPIPE, SIG_DFL);
    struct head head = {0};
    hid_t dataset = open_dataset(path, name, &head);
    bool sent = write_all(fd, &head, sizeof head) && dataset >= 0 && send_rows(dataset, &head, fd);
    _exit(sent ? 0 : 1);
}

/* --- in this process
 * ------------------------------------------------------------------------------ */

static enum status start_child(struct reader *reader, struct hdf5 *hdf5) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
        return reader_fail(reader, STATUS_IO, "pipe: %s", strerror(errno));
    const char *name = reader->dataset ? reader->dataset : "train";
    hdf5->child = fork();
    if (hdf5->child == 0) {
        close(ends[0]);
        child_main(reader->path, name, ends[1]);
    }
    close(ends[1]);
    if (hdf5->child > 0) hdf5->pipe = fdopen(ends[0], "r");
    if (hdf5->pipe) return STATUS_OK;
    close(ends[0]);
    return reader_fail(reader, STATUS_IO, "cannot start the reader process: %s", strerror(errno));
}

static enum status hdf5_open(struct reader *reader) {
    if (access(reader->path, R_OK) != 0)
        return reader_fail(reader, STATUS_IO, "cannot open: %s", strerror(errno));
    struct hdf5 *hdf5 = mem_zero(1, sizeof *hdf5);
    if (!hdf5) return reader_fail(reader, STATUS_NO_MEMORY, "out of memory");
    reader->state = hdf5;
    enum status status = start_child(reader, hdf5);
    if (status != STATUS_OK) return status;
    struct head head;
    if (fread(&head, sizeof head, 1, hdf5->pipe) != 1)
        return reader_fail(reader, STATUS_CORRUPT, "the file is damaged: libhdf5 crashed on it");
    head.words[sizeof head.words - 1] = 0;
    if (*head.words) return reader_fail(reader, STATUS_CORRUPT, "%s", head.words);
    reader->rows = head.rows;
    hdf5->dimension = (uint32_t)head.dimension;
    return reader_room(reader, hdf5->dimension);
}

static enum status hdf5_next(struct reader *reader, struct reader_row *row) {
    struct hdf5 *hdf5 = reader->state;
    row->end = reader->row >= reader->rows;
    if (row->end) return STATUS_OK;
    if (fread(reader->vector, sizeof(float), hdf5->dimension, hdf5->pipe) != hdf5->dimension)
        return reader_fail(reader, STATUS_CORRUPT,
                           "row %llu cannot be read: the file is damaged or cut",
                           (unsigned long long)reader->row);
    row->vector = reader->vector;
    row->dimension = hdf5->dimension;
    return STATUS_OK;
}

static void hdf5_close(struct reader *reader) {
    struct hdf5 *hdf5 = reader->state;
    if (!hdf5) return;
    if (hdf5->pipe) fclose(hdf5->pipe);
    if (hdf5->child > 0) {
        kill(hdf5->child, SIGKILL);
        while (waitpid(hdf5->child, NULL, 0) < 0 && errno == EINTR)
            continue;
    }
    mem_free(hdf5);
}

const struct format format_hdf5 = {"hdf5", ".hdf5 .h5", true, hdf5_open, hdf5_next, hdf5_close};
