/* vecs: TEXMEX files (SIFT1M and friends): each row is a 32-bit little-endian count and as many
 * float32
 * (.fvecs), bytes (.bvecs) or int32 (.ivecs). The suffix alone tells which. */
#include <string.h>

#include "cli/reader/format.h"
#include "runtime/memory.h"

struct vecs {
    enum element element;
    uint32_t dimension;   /* of the first row; all others must have it too */
    unsigned char *bytes; /* owned; one row */
};

static enum status vecs_open(struct reader *reader) {
    struct vecs *vecs = mem_zero(1, sizeof *vecs);
    if (!vecs) return reader_fail(reader, STATUS_NO_MEMORY, "out of memory");
    reader->state = vecs;
    const char *slash = strrchr(reader->path, '/');
    const char *name = slash ? slash + 1 : reader->path;
    if (strstr(name, ".bvecs"))
        vecs->element = ELEMENT_U1;
    else if (strstr(name, ".ivecs"))
        vecs->element = ELEMENT_I4;
    else
        vecs->element = ELEMENT_F4;
    return STATUS_OK;
}

static enum status first_row(struct reader *reader, uint32_t dimension) {
    struct vecs *vecs = reader->state;
    if (dimension < 1 || dimension > READER_DIMENSION_MAX)
        return reader_fail(reader, STATUS_CORRUPT, "a row of %u components (1 to %d)", dimension,
                           READER_DIMENSION_MAX);
    vecs->bytes = mem_alloc(dimension * element_size(vecs->element));
    if (!vecs->bytes) return reader_fail(reader, STATUS_NO_MEMORY, "out of memory");
    vecs->dimension = dimension;
    uint64_t size = source_size(reader->source), row = 4 + dimension * element_size(vecs->element);
    if (!source_compressed(reader->source)) reader->rows = (size + row - 1) / row;
    return reader_room(reader, dimension);
}

static enum status vecs_next(struct reader *reader, struct reader_row *row) {
    struct vecs *vecs = reader->state;
    unsigned char count[4];
    enum status status = reader_bytes(reader, count, sizeof count, "a row's count", &row->end);
    if (status != STATUS_OK || row->end) return status;
    uint32_t dimension =
        count[0] | (uint32_t)count[1] << 8 | (uint32_t)count[2] << 16 | (uint32_t)count[3] << 24;
    if (!vecs->bytes)
        status = first_row(reader, dimension);
    else if (dimension != vecs->dimension)
        status = reader_fail(reader, STATUS_CORRUPT, "row %llu has %u components, the first has %u",
                             (unsigned long long)reader->row, dimension, vecs->dimension);
    if (status != STATUS_OK) return status;
    status =
        reader_bytes(reader, vecs->bytes, dimension * element_size(vecs->element), "a row", NULL);
    if (status != STATUS_OK) return status;
    element_floats(vecs->element, false, vecs->bytes, dimension, reader->vector);
    row->vector = reader->vector;
    row->dimension = dimension;
    return STATUS_OK;
}

static void vecs_close(struct reader *reader) {
    struct vecs *vecs = reader->state;
    if (vecs) mem_free(vecs->bytes);
    mem_free(vecs);
}

const struct format format_vecs = {"vecs",    ".fvecs .bvecs .ivecs", false, vecs_open, vecs_next,
                                   vecs_close};
