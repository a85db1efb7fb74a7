/* columns_save: what every live point has, a piece at a time. A piece is collected within an epoch,
 * so that no slot is given to another point meanwhile, and written outside of it. Texts are counted
 * first: a row with a younger one is left out, and read from its point. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "index/columns_file.h"
#include "index/disk.h"
#include "index/stream.h"
#include "index/view.h"
#include "runtime/memory.h"
#include "runtime/poison.h"

struct kept_column {
    uint64_t serial;
    uint32_t place;
    enum filter_type type;
    uint32_t n_texts;
};

struct columns_save {
    struct index_view *view; /* borrowed */
    struct stream stream;
    struct kept_column of[INDEX_COLUMNS_MAX];
    uint32_t n;
    /* A piece. */
    uint32_t n_rows;
    uint64_t numbers[COLUMNS_FILE_ROWS];
    uint64_t *values; /* owned; n runs of COLUMNS_FILE_ROWS */
};

/* The column, as long as it is there. Inside an epoch. */
static const struct column *column_of(const struct columns_save *save, uint32_t i) {
    const struct column *column = columns_at(&save->view->columns, save->of[i].place);
    return column && column->serial == save->of[i].serial ? column : NULL;
}

static void choose(struct columns_save *save) {
    const struct columns *columns = &save->view->columns;
    for (uint32_t place = 0; place < INDEX_COLUMNS_MAX; place++) {
        const struct column *column = columns_at(columns, place);
        if (!column || !atomic_load_explicit(&column->complete, memory_order_acquire)) continue;
        uint32_t n_texts = atomic_load_explicit(&column->n_texts, memory_order_acquire);
        save->of[save->n++] = (struct kept_column){
            column->serial, place, column->type, column->type == FILTER_KEYWORD ? n_texts - 1 : 0};
    }
}

static enum status put_column(struct columns_save *save, uint32_t i) {
    const struct column *column = column_of(save, i);
    if (!column) return STATUS_CANCELLED;
    struct columns_file_column about = {
        .type = column->type, .key_size = column->key_size, .n_texts = save->of[i].n_texts};
    enum status s = stream_put(&save->stream, &about, sizeof about);
    if (s == STATUS_OK) s = stream_put(&save->stream, column->key, column->key_size);
    for (uint32_t code = 1; s == STATUS_OK && code <= about.n_texts; code++) {
        const struct filter_text *text = column_text(column, code);
        s = stream_put(&save->stream, &text->size, sizeof text->size);
        if (s == STATUS_OK) s = stream_put(&save->stream, text->data, text->size);
    }
    return s;
}

static enum status put_head(struct columns_save *save) {
    struct epoch *epoch = &save->view->epoch;
    uint64_t ticket = epoch_enter(epoch);
    choose(save);
    const struct columns_file_head head = {.magic = COLUMNS_FILE_MAGIC,
                                           .version = COLUMNS_FILE_VERSION,
                                           .n_columns = save->n,
                                           .owner = save->view->options.seed};
    enum status s = stream_put(&save->stream, &head, sizeof head);
    for (uint32_t i = 0; s == STATUS_OK && i < save->n; i++)
        s = put_column(save, i);
    epoch_leave(epoch, ticket);
    return s;
}

/* False: a text is younger than the file's. */
static bool
take_row(struct columns_save *save, const struct column *const *columns, uint32_t slot) {
    for (uint32_t i = 0; i < save->n; i++) {
        uint64_t value = column_value(columns[i], slot);
        if (save->of[i].type == FILTER_KEYWORD && value > save->of[i].n_texts) return false;
        save->values[i * COLUMNS_FILE_ROWS + save->n_rows] = value;
    }
    save->numbers[save->n_rows++] = points_at(&save->view->points, slot)->number;
    return true;
}

/* The live slots of a piece. CANCELLED: a column was dropped meanwhile. */
static enum status collect(struct columns_save *save, uint32_t from, uint32_t end) {
    const struct points *points = &save->view->points;
    const struct column *columns[INDEX_COLUMNS_MAX];
    struct epoch *epoch = &save->view->epoch;
    uint64_t ticket = epoch_enter(epoch);
    bool there = true;
    save->n_rows = 0;
    for (uint32_t i = 0; there && i < save->n; i++) {
        columns[i] = column_of(save, i);
        there = columns[i] != NULL;
    }
    for (uint32_t slot = from; there && slot < end; slot++)
        if (points_live(points, slot)) (void)take_row(save, columns, slot);
    epoch_leave(epoch, ticket);
    return there ? STATUS_OK : STATUS_CANCELLED;
}

static enum status put_values(struct columns_save *save, uint32_t i) {
    const uint64_t *values = save->values + (size_t)i * COLUMNS_FILE_ROWS;
    uint32_t codes[COLUMNS_FILE_ROWS];
    if (save->of[i].type != FILTER_KEYWORD)
        return stream_put(&save->stream, values, save->n_rows * sizeof *values);
    for (uint32_t row = 0; row < save->n_rows; row++)
        codes[row] = (uint32_t)values[row];
    return stream_put(&save->stream, codes, save->n_rows * sizeof *codes);
}

static enum status put_piece(struct columns_save *save) {
    enum status s = stream_put(&save->stream, &save->n_rows, sizeof save->n_rows);
    if (s == STATUS_OK)
        s = stream_put(&save->stream, save->numbers, save->n_rows * sizeof *save->numbers);
    for (uint32_t i = 0; s == STATUS_OK && i < save->n; i++)
        s = put_values(save, i);
    return s;
}

static enum status put_rows(struct columns_save *save, const atomic_bool *cancel) {
    uint32_t n_slots = atomic_load_explicit(&save->view->points.n_slots, memory_order_acquire);
    for (uint32_t slot = 0; slot < n_slots; slot += COLUMNS_FILE_ROWS) {
        bool last = n_slots - slot <= COLUMNS_FILE_ROWS;
        enum status s = collect(save, slot, last ? n_slots : slot + COLUMNS_FILE_ROWS);
        if (s == STATUS_OK && save->n_rows > 0) s = put_piece(save);
        if (s != STATUS_OK) return s;
        if (cancel && atomic_load_explicit(cancel, memory_order_relaxed)) return STATUS_CANCELLED;
        if (last) break;
    }
    save->n_rows = 0;
    return put_piece(save);
}

static enum status write_all(struct columns_save *save, const atomic_bool *cancel) {
    enum status s = put_head(save);
    if (s == STATUS_OK && save->n > 0) {
        save->values = mem_alloc(save->n * (size_t)COLUMNS_FILE_ROWS * sizeof *save->values);
        if (!save->values) s = STATUS_NO_MEMORY;
    }
    if (s == STATUS_OK) s = put_rows(save, cancel);
    if (s == STATUS_OK) s = stream_finish(&save->stream);
    if (s == STATUS_OK && fdatasync(save->stream.fd) != 0) s = disk_status();
    return s;
}

enum status
index_columns_save(const struct index_view *view, const char *path, const atomic_bool *cancel) {
    size_t size = strlen(path) + sizeof ".tmp";
    struct columns_save *save = mem_zero(1, sizeof *save);
    char *temporary = mem_alloc(size);
    int fd = -1;
    enum status s = save && temporary ? STATUS_OK : STATUS_NO_MEMORY;
    if (s == STATUS_OK) {
        (void)snprintf(temporary, size, "%s.tmp", path);
        save->view = (struct index_view *)(uintptr_t)view; /* its epoch counts readers */
        save->stream.fd = -1;
        fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        if (fd < 0) s = disk_status();
    }
    if (s == STATUS_OK) s = stream_open_writer(&save->stream, fd);
    if (s != STATUS_OK && fd >= 0) (void)close(fd);
    bool opened = s == STATUS_OK;
    if (opened) s = write_all(save, cancel);
    if (opened) stream_close(&save->stream);
    if (s == STATUS_OK && rename(temporary, path) != 0) s = disk_status();
    if (s == STATUS_OK)
        s = disk_sync_folder(path);
    else if (fd >= 0)
        (void)unlink(temporary);
    if (save) mem_free(save->values);
    mem_free(save);
    mem_free(temporary);
    return s;
}
