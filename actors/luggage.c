/* luggage: pieces of at most PIECE_BYTES, so that neither side needs all of it twice in memory. */
#include "actors/luggage.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/codec.h"
#include "runtime/memory.h"

#include "runtime/poison.h"

enum { PIECE_BYTES = 512 * 1024, PIECE_ENTRIES = 1024, LENGTH_SIZE = 4 };

void luggage_init(struct luggage *luggage, uint64_t max) {
    *luggage = (struct luggage){.max = max};
    buffer_init(&luggage->bytes);
}

void luggage_free(struct luggage *luggage) {
    buffer_free(&luggage->bytes);
}

__attribute__((format(printf, 3, 4))) static void
fail(struct luggage *luggage, enum status status, const char *format, ...) {
    va_list list;
    va_start(list, format);
    vsnprintf(luggage->why, sizeof luggage->why, format, list);
    va_end(list);
    luggage->status = status;
    buffer_free(&luggage->bytes);
}

/* --- packing ---------------------------------------------------------------------------------- */

void luggage_add(struct luggage *luggage, const LuggagePiece *piece) {
    size_t size = 0;
    if (luggage->status != STATUS_OK) return;
    enum status s = codec_measure(&piece->base, &size);
    if (s == STATUS_OK && luggage->bytes.size + LENGTH_SIZE + size > luggage->max) {
        fail(luggage, STATUS_TOO_LARGE,
             "it has more than %llu MB on its disk (log, points and index), which is what this "
             "recording may carry: --disk-mb allows more",
             (unsigned long long)(luggage->max / (UINT64_C(1024) * 1024)));
        return;
    }
    const unsigned char length[LENGTH_SIZE] = {(unsigned char)size, (unsigned char)(size >> 8),
                                               (unsigned char)(size >> 16),
                                               (unsigned char)(size >> 24)};
    buffer_append(&luggage->bytes, length, sizeof length);
    if (s == STATUS_OK) s = codec_encode(&piece->base, &luggage->bytes);
    if (luggage->bytes.failed) s = STATUS_NO_MEMORY;
    if (s != STATUS_OK) fail(luggage, s, "its disk cannot be packed: %s", status_text(s));
}

/* Entries of one piece; what they hold is in the arena. */
struct packing {
    struct luggage *luggage;
    LuggageLog *log;
    struct arena arena;
    LogEntry *entries[PIECE_ENTRIES];
    size_t bytes;
};

static void add_entries(struct packing *packing) {
    LuggagePiece piece = LUGGAGE_PIECE__INIT;
    piece.log = packing->log;
    packing->log->entries = packing->entries;
    luggage_add(packing->luggage, &piece);
    packing->log->n_entries = 0;
    packing->log->record = (ProtobufCBinaryData){0, NULL};
    packing->bytes = 0;
    arena_reset(&packing->arena);
}

static enum status pack_entry(void *context, const struct log_entry *entry) {
    struct packing *packing = context;
    LuggageLog *log = packing->log;
    if (log->n_entries == PIECE_ENTRIES || packing->bytes > PIECE_BYTES) add_entries(packing);
    LogEntry *row = arena_alloc(&packing->arena, sizeof *row);
    void *data = arena_alloc(&packing->arena, entry->data.size);
    if (!row || !data) return STATUS_NO_MEMORY;
    if (entry->data.size) memcpy(data, entry->data.data, entry->data.size);
    log_entry__init(row);
    row->index = entry->index;
    row->term = entry->term;
    row->type = entry->type;
    row->data = (ProtobufCBinaryData){entry->data.size, data};
    log->entries = packing->entries;
    packing->entries[log->n_entries++] = row;
    packing->bytes += entry->data.size;
    return packing->luggage->status;
}

void luggage_add_log(struct luggage *luggage, struct log_store *log, uint64_t store) {
    LuggageLog piece = LUGGAGE_LOG__INIT;
    struct packing *packing = mem_zero(1, sizeof *packing);
    struct log_state state = {0};
    struct kv_value record = {0};
    if (luggage->status != STATUS_OK || !packing) {
        if (!packing) fail(luggage, STATUS_NO_MEMORY, "no memory to pack its disk");
        mem_free(packing);
        return;
    }
    *packing = (struct packing){.luggage = luggage, .log = &piece};
    arena_init(&packing->arena, 0);
    enum status s = log_store_state(log, store, &state);
    if (s == STATUS_OK) s = log_store_record(log, store, &record);
    if (s == STATUS_NOT_FOUND) s = STATUS_OK;
    piece.store = store;
    piece.term = state.term;
    piece.vote = state.vote;
    piece.first = state.first;
    piece.record = (ProtobufCBinaryData){record.size, (uint8_t *)(uintptr_t)record.data};
    if (s == STATUS_OK && state.last >= state.first)
        s = log_store_read(log, store, state.first, state.last, pack_entry, packing);
    if (s == STATUS_OK) add_entries(packing);
    if (s != STATUS_OK && luggage->status == STATUS_OK)
        fail(luggage, s, "its log cannot be packed: %s", kv_error());
    kv_value_free(&record);
    arena_free(&packing->arena);
    mem_free(packing);
}

void luggage_add_points(struct luggage *luggage, struct point_store *points, uint64_t store) {
    struct point_applied applied;
    struct point_export *export = NULL;
    struct buffer data;
    bool last = false;
    if (luggage->status != STATUS_OK) return;
    buffer_init(&data);
    enum status s = point_export_open(points, store, &applied, &export);
    while (s == STATUS_OK && !last && luggage->status == STATUS_OK) {
        LuggagePoints row = LUGGAGE_POINTS__INIT;
        LuggagePiece piece = LUGGAGE_PIECE__INIT;
        buffer_clear(&data);
        s = point_export_next(export, PIECE_BYTES, &data, &last);
        row.store = store;
        row.data = (ProtobufCBinaryData){data.size, data.data};
        piece.points = &row;
        if (s == STATUS_OK) luggage_add(luggage, &piece);
    }
    point_export_close(export);
    buffer_free(&data);
    if (s != STATUS_OK && s != STATUS_NOT_FOUND && luggage->status == STATUS_OK)
        fail(luggage, s, "its points cannot be packed: %s", kv_error());
}

void luggage_add_file(struct luggage *luggage, enum luggage_file file, const char *path) {
    if (luggage->status != STATUS_OK) return;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT) return;
    unsigned char *data = fd < 0 ? NULL : mem_alloc(PIECE_BYTES);
    ssize_t n = data ? 1 : -1;
    while (luggage->status == STATUS_OK && n > 0 && (n = read(fd, data, PIECE_BYTES)) > 0) {
        LuggagePiece piece = LUGGAGE_PIECE__INIT;
        *(file == LUGGAGE_INDEX ? &piece.file : &piece.columns) =
            (ProtobufCBinaryData){(size_t)n, data};
        luggage_add(luggage, &piece);
    }
    if (n < 0) fail(luggage, STATUS_IO, "%s cannot be packed: %s", path, strerror(errno));
    mem_free(data);
    if (fd >= 0) close(fd);
}

/* --- unpacking -------------------------------------------------------------------------------- */

/* The next piece; NULL: there is no more. */
static enum status next(struct bytes *rest, struct arena *arena, LuggagePiece **out) {
    const unsigned char *at = rest->data;
    ProtobufCMessage *message = NULL;
    *out = NULL;
    if (rest->size == 0) return STATUS_OK;
    if (rest->size < LENGTH_SIZE) return STATUS_INVALID;
    size_t size = (size_t)at[0] | (size_t)at[1] << 8 | (size_t)at[2] << 16 | (size_t)at[3] << 24;
    if (size > rest->size - LENGTH_SIZE) return STATUS_INVALID;
    enum status s =
        codec_decode(&luggage_piece__descriptor, at + LENGTH_SIZE, size, arena, &message, NULL);
    if (s != STATUS_OK) return s == STATUS_NO_MEMORY ? s : STATUS_INVALID;
    *rest = (struct bytes){at + LENGTH_SIZE + size, rest->size - LENGTH_SIZE - size};
    *out = (LuggagePiece *)message;
    return STATUS_OK;
}

enum status luggage_look(struct bytes bytes, struct arena *arena, LuggagePiece **out) {
    enum status s = next(&bytes, arena, out);
    return s == STATUS_OK && !*out ? STATUS_INVALID : s;
}

static enum status add_to_log(struct log_batch *batch, const LuggageLog *log, bool first) {
    struct log_entry entries[PIECE_ENTRIES];
    enum status s = STATUS_OK;
    if (log->n_entries > PIECE_ENTRIES || log->first == 0) return STATUS_INVALID;
    for (size_t i = 0; i < log->n_entries; i++)
        entries[i] = (struct log_entry){log->entries[i]->index,
                                        log->entries[i]->term,
                                        (uint8_t)log->entries[i]->type,
                                        {log->entries[i]->data.data, log->entries[i]->data.len}};
    if (first && log->term) s = log_batch_vote(batch, log->store, log->term, log->vote);
    if (s == STATUS_OK && first && log->first > 1)
        s = log_batch_reset(batch, log->store, log->first);
    if (s == STATUS_OK && log->record.len)
        s = log_batch_record(batch, log->store, (struct bytes){log->record.data, log->record.len});
    if (s == STATUS_OK && log->n_entries)
        s = log_batch_append(batch, log->store, entries, log->n_entries);
    return s;
}

static enum status unpack_log(struct log_store *store, const LuggageLog *log, bool first) {
    struct log_batch *batch = log_batch_new();
    enum status s = batch ? add_to_log(batch, log, first) : STATUS_NO_MEMORY;
    if (s == STATUS_OK) s = log_store_write(store, batch);
    for (size_t i = 0; s == STATUS_OK && i < log_batch_count(batch); i++)
        s = log_batch_outcome(batch, i);
    log_batch_free(batch);
    return s;
}

static enum status append_file(const char *path, const ProtobufCBinaryData *data) {
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0) return STATUS_IO;
    size_t done = 0;
    while (done < data->len) {
        ssize_t n = write(fd, data->data + done, data->len - done);
        if (n <= 0) break;
        done += (size_t)n;
    }
    close(fd);
    return done == data->len ? STATUS_OK : STATUS_IO;
}

enum status luggage_unpack(struct bytes bytes, const struct luggage_place *place) {
    struct arena arena;
    LuggagePiece *piece = NULL;
    enum status s = STATUS_OK;
    bool first = true;
    arena_init(&arena, 0);
    while (s == STATUS_OK) {
        arena_reset(&arena);
        s = next(&bytes, &arena, &piece);
        if (s != STATUS_OK || !piece) break;
        if (piece->log) {
            s = unpack_log(place->log, piece->log, first);
            first = false;
        }
        if (s == STATUS_OK && piece->points)
            s = point_import(place->points, piece->points->store,
                             (struct bytes){piece->points->data.data, piece->points->data.len});
        if (s == STATUS_OK && piece->file.len) s = append_file(place->file, &piece->file);
        if (s == STATUS_OK && piece->columns.len) s = append_file(place->columns, &piece->columns);
    }
    arena_free(&arena);
    return s == STATUS_OK ? point_store_flush(place->points) : s;
}
