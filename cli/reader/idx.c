/* idx: the format of MNIST: 0 0 TYPE N, N big-endian 32-bit sizes, then the numbers, big-endian.
 * The first size counts rows, the product of the others is the dimension. */
#include <string.h>

#include "cli/reader/format.h"
#include "runtime/memory.h"

struct idx {
    enum element element;
    uint32_t dimension;
    unsigned char bytes[]; /* one row */
};

static bool element_of(unsigned char type, enum element *out) {
    static const struct {
        unsigned char type;
        enum element element;
    } types[] = {
        {0x08, ELEMENT_U1}, {0x09, ELEMENT_I1}, {0x0b, ELEMENT_I2},
        {0x0c, ELEMENT_I4}, {0x0d, ELEMENT_F4}, {0x0e, ELEMENT_F8},
    };
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (types[i].type != type) continue;
        *out = types[i].element;
        return true;
    }
    return false;
}

static enum status read_sizes(struct reader *reader, unsigned n, uint64_t *dimension) {
    *dimension = 1;
    for (unsigned i = 0; i < n; i++) {
        unsigned char size[4];
        enum status status = reader_bytes(reader, size, sizeof size, "the sizes", NULL);
        if (status != STATUS_OK) return status;
        uint32_t value =
            (uint32_t)size[0] << 24 | (uint32_t)size[1] << 16 | (uint32_t)size[2] << 8 | size[3];
        if (i == 0)
            reader->rows = value;
        else
            *dimension *= value;
        if (*dimension > READER_DIMENSION_MAX) break;
    }
    if (*dimension >= 1 && *dimension <= READER_DIMENSION_MAX) return STATUS_OK;
    return reader_fail(reader, STATUS_CORRUPT, "the dimension must be 1 to %d",
                       READER_DIMENSION_MAX);
}

static enum status idx_open(struct reader *reader) {
    unsigned char magic[4];
    enum element element;
    uint64_t dimension;
    enum status status = reader_bytes(reader, magic, sizeof magic, "the magic", NULL);
    if (status != STATUS_OK) return status;
    if (magic[0] || magic[1] || !element_of(magic[2], &element) || magic[3] < 1 || magic[3] > 8)
        return reader_fail(reader, STATUS_CORRUPT, "not an IDX file: wrong magic bytes");
    status = read_sizes(reader, magic[3], &dimension);
    if (status != STATUS_OK) return status;
    struct idx *idx = mem_zero(1, sizeof *idx + (size_t)dimension * element_size(element));
    if (!idx) return reader_fail(reader, STATUS_NO_MEMORY, "out of memory");
    idx->element = element;
    idx->dimension = (uint32_t)dimension;
    reader->state = idx;
    return reader_room(reader, idx->dimension);
}

static enum status idx_next(struct reader *reader, struct reader_row *row) {
    struct idx *idx = reader->state;
    row->end = reader->row >= reader->rows;
    if (row->end) return STATUS_OK;
    enum status status = reader_bytes(reader, idx->bytes,
                                      idx->dimension * element_size(idx->element), "a row", NULL);
    if (status != STATUS_OK) return status;
    element_floats(idx->element, true, idx->bytes, idx->dimension, reader->vector);
    row->vector = reader->vector;
    row->dimension = idx->dimension;
    return STATUS_OK;
}

static void idx_close(struct reader *reader) {
    mem_free(reader->state);
}

const struct format format_idx = {
    "idx", "-ubyte .idx .idx1 .idx2 .idx3", false, idx_open, idx_next, idx_close};
