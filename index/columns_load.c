/* columns_load: a file's texts become codes of the columns that are there, its values those of the
 * slots that have its numbers. What it has of other columns is passed over. Everything it says is
 * judged before it is used, also under sums that are right. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "index/columns_file.h"
#include "index/stream.h"
#include "index/writer.h"
#include "runtime/memory.h"
#include "runtime/poison.h"

enum { PIECES = 64 /* in a step */ };

struct read_column {
    struct column *column; /* NULL: passed over */
    enum filter_type type;
    uint32_t n_texts;
    uint32_t *codes; /* owned; of its column, by those of the file */
};

struct index_columns_load {
    struct index *index; /* borrowed */
    struct stream stream;
    struct read_column of[INDEX_COLUMNS_MAX];
    uint32_t n;
    uint64_t *known; /* owned; one bit a slot */
    uint32_t n_slots;
    uint64_t numbers[COLUMNS_FILE_ROWS];
    uint64_t values[COLUMNS_FILE_ROWS];
    uint32_t slots[COLUMNS_FILE_ROWS];
};

void index_columns_load_close(struct index_columns_load *load) {
    if (!load) return;
    stream_close(&load->stream);
    for (uint32_t i = 0; i < load->n; i++)
        mem_free(load->of[i].codes);
    mem_free(load->known);
    mem_free(load);
}

/* --- the head
 * --------------------------------------------------------------------------------------------- */

/* Bytes that can still come, at most. */
static uint64_t left(const struct stream *stream) {
    return stream->left + (stream->size - stream->at);
}

/* A text into turns of one buffer. CORRUPT: it is longer than the file. */
static enum status get_text(struct stream *stream, uint32_t size, char **buffer, size_t *room) {
    if (size > left(stream)) return STATUS_CORRUPT;
    if (size > *room) {
        char *more = mem_resize(*buffer, size);
        if (!more) return STATUS_NO_MEMORY;
        *buffer = more;
        *room = size;
    }
    return stream_get(stream, *buffer, size);
}

static enum status
get_codes(struct index_columns_load *load, struct read_column *to, char **buffer, size_t *room) {
    if (to->n_texts > left(&load->stream) / sizeof(uint32_t)) return STATUS_CORRUPT;
    to->codes = mem_zero((size_t)to->n_texts + 1, sizeof *to->codes);
    if (!to->codes) return STATUS_NO_MEMORY;
    for (uint32_t code = 1; code <= to->n_texts; code++) {
        struct filter_text text;
        enum status s = stream_get(&load->stream, &text.size, sizeof text.size);
        if (s == STATUS_OK) s = get_text(&load->stream, text.size, buffer, room);
        text.data = *buffer;
        if (s == STATUS_OK && to->column) s = column_code(to->column, &text, &to->codes[code]);
        if (s != STATUS_OK) return s;
    }
    return STATUS_OK;
}

static enum status get_column(struct index_columns_load *load, char **buffer, size_t *room) {
    struct read_column *to = &load->of[load->n];
    struct columns_file_column about;
    enum status s = stream_get(&load->stream, &about, sizeof about);
    if (s == STATUS_OK && (about.type >= FILTER_TYPES || about.zero != 0)) s = STATUS_CORRUPT;
    if (s == STATUS_OK && about.type != FILTER_KEYWORD && about.n_texts != 0) s = STATUS_CORRUPT;
    if (s == STATUS_OK) s = get_text(&load->stream, about.key_size, buffer, room);
    if (s != STATUS_OK) return s;
    const struct filter_text key = {*buffer, about.key_size};
    to->type = (enum filter_type)about.type;
    to->column = columns_find(&load->index->view->columns, &key, to->type);
    to->n_texts = about.n_texts;
    for (uint32_t i = 0; to->column && i < load->n; i++)
        if (load->of[i].column == to->column) return STATUS_CORRUPT; /* twice */
    load->n++;
    return get_codes(load, to, buffer, room);
}

static enum status get_head(struct index_columns_load *load) {
    struct columns_file_head head;
    enum status s = stream_get(&load->stream, &head, sizeof head);
    if (s != STATUS_OK) return s;
    if (head.magic != COLUMNS_FILE_MAGIC || head.version != COLUMNS_FILE_VERSION ||
        head.n_columns > INDEX_COLUMNS_MAX || head.owner != load->index->view->options.seed)
        return STATUS_CORRUPT;
    char *buffer = mem_alloc(1);
    size_t room = 1;
    if (!buffer) return STATUS_NO_MEMORY;
    for (uint32_t i = 0; s == STATUS_OK && i < head.n_columns; i++)
        s = get_column(load, &buffer, &room);
    mem_free(buffer);
    uint32_t n_found = 0;
    for (uint32_t i = 0; i < load->n; i++)
        n_found += load->of[i].column != NULL;
    /* A column that the file does not have needs every payload. */
    if (s == STATUS_OK && n_found < columns_count(&load->index->view->columns))
        s = STATUS_NOT_FOUND;
    return s;
}

static enum status open_file(struct index_columns_load *load, const char *path) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return errno == ENOENT ? STATUS_NOT_FOUND : STATUS_IO;
    struct stat about;
    enum status s = fstat(fd, &about) == 0 ? STATUS_OK : STATUS_IO;
    if (s == STATUS_OK) s = stream_open_reader(&load->stream, fd, (uint64_t)about.st_size);
    if (s != STATUS_OK) (void)close(fd);
    return s;
}

enum status
index_columns_load_open(struct index *index, const char *path, struct index_columns_load **out) {
    enum status s = index_wake(index);
    if (s != STATUS_OK) return s;
    struct index_columns_load *load = mem_zero(1, sizeof *load);
    if (!load) return STATUS_NO_MEMORY;
    load->index = index;
    load->stream.fd = -1;
    load->n_slots = atomic_load_explicit(&index->view->points.n_slots, memory_order_relaxed);
    load->known = mem_zero(load->n_slots / 64 + 1, sizeof *load->known);
    s = load->known ? open_file(load, path) : STATUS_NO_MEMORY;
    if (s == STATUS_OK) s = get_head(load);
    if (s == STATUS_OK)
        *out = load;
    else
        index_columns_load_close(load);
    return s;
}

/* --- rows
 * ------------------------------------------------------------------------------------------------
 */

/* CORRUPT: a code that no text has. */
static enum status
get_values(struct index_columns_load *load, const struct read_column *from, uint32_t n) {
    if (from->type != FILTER_KEYWORD)
        return stream_get(&load->stream, load->values, n * sizeof *load->values);
    uint32_t codes[COLUMNS_FILE_ROWS];
    enum status s = stream_get(&load->stream, codes, n * sizeof *codes);
    for (uint32_t i = 0; s == STATUS_OK && i < n; i++) {
        if (codes[i] > from->n_texts) return STATUS_CORRUPT;
        load->values[i] = from->codes[codes[i]];
    }
    return s;
}

static enum status get_piece(struct index_columns_load *load, bool *last) {
    const struct index *index = load->index;
    uint32_t n;
    enum status s = stream_get(&load->stream, &n, sizeof n);
    if (s == STATUS_OK && n > COLUMNS_FILE_ROWS) s = STATUS_CORRUPT;
    if (s == STATUS_OK) s = stream_get(&load->stream, load->numbers, n * sizeof *load->numbers);
    if (s != STATUS_OK) return s;
    *last = n == 0;
    for (uint32_t i = 0; i < n; i++)
        load->slots[i] = numbers_find(&index->numbers, &index->view->points, load->numbers[i]);
    for (uint32_t c = 0; s == STATUS_OK && c < load->n; c++) {
        struct column *column = load->of[c].column;
        s = get_values(load, &load->of[c], n);
        for (uint32_t i = 0; s == STATUS_OK && column && i < n; i++)
            if (load->slots[i] != SLOT_NONE)
                columns_put(&index->view->columns, column, load->slots[i], load->values[i]);
    }
    for (uint32_t i = 0; s == STATUS_OK && i < n; i++)
        if (load->slots[i] < load->n_slots)
            load->known[load->slots[i] / 64] |= UINT64_C(1) << (load->slots[i] % 64);
    return s;
}

enum status index_columns_load_step(struct index_columns_load *load, bool *done) {
    enum status s = STATUS_OK;
    bool last = false;
    for (int i = 0; s == STATUS_OK && !last && i < PIECES; i++)
        s = get_piece(load, &last);
    if (s == STATUS_OK && last && !stream_ended(&load->stream)) s = STATUS_CORRUPT;
    if (s == STATUS_OK) *done = last;
    return s;
}

bool index_columns_load_knew(const struct index_columns_load *load, uint64_t number) {
    const struct index *index = load->index;
    uint32_t slot = numbers_find(&index->numbers, &index->view->points, number);
    return slot < load->n_slots && (load->known[slot / 64] >> (slot % 64) & 1);
}
