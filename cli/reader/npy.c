/* npy: NumPy's array file, versions 1 to 3: magic, version, length of the head, the head as a
 * Python dictionary {'descr': '<f4', 'fortran_order': False, 'shape': (1000, 128), }, then the
 * numbers. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "cli/reader/format.h"
#include "runtime/memory.h"

enum { HEAD_MAX = 64 * 1024 };

struct npy {
    enum element element;
    bool big_endian;
    uint32_t dimension;
    unsigned char bytes[]; /* one row as it lies in the file */
};

struct head {
    enum element element;
    bool big_endian;
    uint64_t rows;
    uint64_t dimension;
};

/* What follows 'key': in the dictionary. */
static const char *value_of(const char *head, const char *key) {
    const char *at = strstr(head, key);
    if (!at) return NULL;
    at += strlen(key);
    while (*at == ' ' || *at == ':')
        at++;
    return at;
}

static bool read_descr(const char *text, struct head *head) {
    static const struct {
        char kind[3];
        enum element element;
    } kinds[] = {
        {"f2", ELEMENT_F2}, {"f4", ELEMENT_F4}, {"f8", ELEMENT_F8}, {"i1", ELEMENT_I1},
        {"i2", ELEMENT_I2}, {"i4", ELEMENT_I4}, {"i8", ELEMENT_I8}, {"u1", ELEMENT_U1},
        {"u2", ELEMENT_U2}, {"u4", ELEMENT_U4}, {"u8", ELEMENT_U8}, {"b1", ELEMENT_U1},
    };
    if (*text != '\'' && *text != '"') return false;
    text++;
    head->big_endian = *text == '>';
    if (strchr("<>|=", *text) && *text) text++;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (strncmp(text, kinds[i].kind, 2) != 0 || (text[2] != '\'' && text[2] != '"')) continue;
        head->element = kinds[i].element;
        return true;
    }
    return false;
}

/* (rows, a, b …): the dimension is the product of all but the first. */
static bool read_shape(const char *text, struct head *head) {
    if (*text++ != '(') return false;
    int n = 0;
    head->dimension = 1;
    for (;;) {
        while (*text == ' ' || *text == ',')
            text++;
        if (*text == ')') return n >= 2;
        if (!isdigit((unsigned char)*text)) return false;
        char *end;
        uint64_t size = strtoull(text, &end, 10);
        if (size > (uint64_t)1 << 40) return false;
        if (n == 0)
            head->rows = size;
        else
            head->dimension *= size;
        if (head->dimension > READER_DIMENSION_MAX) return true;
        n++;
        text = *end == 'L' ? end + 1 : end;
    }
}

/* How much of a value is in a message. */
static int shown(const char *text, const char *end) {
    size_t n = strcspn(text, end);
    return n < 40 ? (int)n : 40;
}

static enum status judge_head(struct reader *reader, const char *text, struct head *head) {
    const char *descr = value_of(text, "'descr'");
    const char *order = value_of(text, "'fortran_order'");
    const char *shape = value_of(text, "'shape'");
    if (!descr || !order || !shape)
        return reader_fail(reader, STATUS_CORRUPT,
                           "the head does not say descr, fortran_order and shape");
    if (!read_descr(descr, head))
        return reader_fail(reader, STATUS_INVALID,
                           "numbers of type %.*s are not supported (f2 f4 f8 i1..i8 u1..u8 are)",
                           shown(descr, ","), descr);
    if (strncmp(order, "False", 5) != 0)
        return reader_fail(reader, STATUS_INVALID,
                           "the array is in Fortran order; save numpy.ascontiguousarray of it");
    if (!read_shape(shape, head))
        return reader_fail(reader, STATUS_INVALID, "shape %.*s is not (rows, dimension)",
                           shown(shape, ")") + 1, shape);
    if (head->dimension < 1 || head->dimension > READER_DIMENSION_MAX)
        return reader_fail(reader, STATUS_INVALID, "shape %.40s: the dimension must be 1 to %d",
                           shape, READER_DIMENSION_MAX);
    return STATUS_OK;
}

static enum status read_head(struct reader *reader, struct head *head) {
    unsigned char magic[8], length[4] = {0};
    enum status status = reader_bytes(reader, magic, sizeof magic, "the magic", NULL);
    if (status != STATUS_OK) return status;
    if (memcmp(magic, "\x93NUMPY", 6) != 0)
        return reader_fail(reader, STATUS_CORRUPT, "not a .npy file: the magic bytes are missing");
    if (magic[6] < 1 || magic[6] > 3)
        return reader_fail(reader, STATUS_INVALID,
                           "version %u of .npy is not supported (1, 2, 3 are)", magic[6]);
    status = reader_bytes(reader, length, magic[6] == 1 ? 2 : 4, "the head's length", NULL);
    if (status != STATUS_OK) return status;
    size_t size =
        length[0] | (size_t)length[1] << 8 | (size_t)length[2] << 16 | (size_t)length[3] << 24;
    if (size > HEAD_MAX)
        return reader_fail(reader, STATUS_CORRUPT, "a head of %zu bytes (at most %d)", size,
                           HEAD_MAX);
    char *text = mem_zero(1, size + 1);
    if (!text) return reader_fail(reader, STATUS_NO_MEMORY, "out of memory");
    status = reader_bytes(reader, text, size, "the head", NULL);
    if (status == STATUS_OK) status = judge_head(reader, text, head);
    mem_free(text);
    return status;
}

static enum status npy_open(struct reader *reader) {
    struct head head = {0};
    enum status status = read_head(reader, &head);
    if (status != STATUS_OK) return status;
    struct npy *npy =
        mem_zero(1, sizeof *npy + (size_t)head.dimension * element_size(head.element));
    if (!npy) return reader_fail(reader, STATUS_NO_MEMORY, "out of memory");
    npy->element = head.element;
    npy->big_endian = head.big_endian;
    npy->dimension = (uint32_t)head.dimension;
    reader->state = npy;
    reader->rows = head.rows;
    return reader_room(reader, npy->dimension);
}

static enum status npy_next(struct reader *reader, struct reader_row *row) {
    struct npy *npy = reader->state;
    row->end = reader->row >= reader->rows;
    if (row->end) return STATUS_OK;
    size_t size = npy->dimension * element_size(npy->element);
    enum status status = reader_bytes(reader, npy->bytes, size, "a row", NULL);
    if (status != STATUS_OK) return status;
    element_floats(npy->element, npy->big_endian, npy->bytes, npy->dimension, reader->vector);
    row->vector = reader->vector;
    row->dimension = npy->dimension;
    return STATUS_OK;
}

static void npy_close(struct reader *reader) {
    mem_free(reader->state);
}

const struct format format_npy = {"npy", ".npy", false, npy_open, npy_next, npy_close};
