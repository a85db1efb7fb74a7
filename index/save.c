/* save: writes the index while appends, readers and, between the steps, the linker go on (file.h).
 *
 * start remembers which slots were linked or waiting; until end the linker frees no slot and moves
 * no parent (linker.saving), so these slots keep their point and the tree over them stands still.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "index/file.h"
#include "index/stream.h"
#include "runtime/assert.h"
#include "runtime/memory.h"
#include "runtime/poison.h"

static_assert(sizeof(struct file_header) == 48, "the header has no padding");
static_assert((int)FILE_LEVEL >= (int)GRAPH_LEVEL_MAX, "a level fits its bits");

struct index_save {
    struct index *index; /* borrowed; outlives the save */
    char *path;          /* owned */
    char *temporary;     /* owned; path + ".tmp" */
    struct stream stream;
    struct file_header header;
    uint8_t *slots;  /* owned; flags and level of each slot at the start */
    uint32_t *tail;  /* owned */
    uint32_t cursor; /* next slot to write */
    bool started;    /* header and lists are written */
    bool done;
};

/* Flags of the linked slots, and the entry: the highest of them if the present one is leaving. */
static void capture_graph(struct index_save *save) {
    const struct index_view *view = save->index->view;
    struct file_header *header = &save->header;
    unsigned top = 0;
    for (uint32_t slot = 0; slot < header->n_slots; slot++) {
        const struct node *node = graph_node(&view->graph, slot);
        if (node->state != NODE_LINKED) continue;
        bool live = points_live(&view->points, slot);
        save->slots[slot] = (uint8_t)(FILE_LINKED | (live ? FILE_LIVE : 0) | node->level);
        if (header->entry != 0 && node->level <= top) continue;
        header->entry = slot + 1;
        top = node->level;
    }
    struct graph_entry entry = graph_entry(&view->graph);
    if (entry.slot != SLOT_NONE && graph_node(&view->graph, entry.slot)->state == NODE_LINKED)
        header->entry = entry.slot + 1;
    header->root = save->index->linker.root + 1;
}

/* The tail first: every slot in it is below a count of slots read later. */
static enum status capture(struct index_save *save) {
    const struct index_view *view = save->index->view;
    struct file_header *header = &save->header;
    save->tail = mem_alloc(view->tail.limit * sizeof *save->tail);
    if (!save->tail) return STATUS_NO_MEMORY;
    size_t n_tail = tail_copy(&view->tail, save->tail);
    header->n_slots = atomic_load_explicit(&view->points.n_slots, memory_order_acquire);
    save->slots = mem_zero(header->n_slots, sizeof *save->slots);
    if (!save->slots) return STATUS_NO_MEMORY;
    for (size_t i = 0; i < n_tail; i++) {
        uint32_t slot = save->tail[i];
        if (!points_live(&view->points, slot)) continue;
        save->slots[slot] = FILE_TAIL | FILE_LIVE;
        save->tail[header->n_tail++] = slot;
    }
    capture_graph(save);
    return STATUS_OK;
}

static enum status open_file(struct index_save *save, const char *path) {
    size_t size = strlen(path) + sizeof ".tmp";
    save->path = mem_string(path);
    save->temporary = mem_alloc(size);
    if (!save->path || !save->temporary) return STATUS_NO_MEMORY;
    (void)snprintf(save->temporary, size, "%s.tmp", path);
    int fd = open(save->temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0) return errno == ENOSPC || errno == EDQUOT ? STATUS_DISK_FULL : STATUS_IO;
    enum status s = stream_open_writer(&save->stream, fd);
    if (s != STATUS_OK) (void)close(fd);
    return s;
}

enum status
index_save_start(struct index *index, const char *path, uint64_t applied, struct index_save **out) {
    assert(!index->linker.saving);
    struct index_save *save = mem_zero(1, sizeof *save);
    if (!save) return STATUS_NO_MEMORY;
    const struct index_options *options = &index->view->options;
    index->linker.saving = true;
    save->index = index;
    save->stream.fd = -1;
    save->header = (struct file_header){
        .magic = FILE_MAGIC,
        .version = FILE_VERSION,
        .dimension = options->dimension,
        .metric = options->metric,
        .M = options->M,
        .applied = applied,
    };
    enum status s = capture(save);
    if (s == STATUS_OK) s = open_file(save, path);
    if (s != STATUS_OK) {
        index_save_end(save);
        return s;
    }
    *out = save;
    return STATUS_OK;
}

static enum status put_lists(struct index_save *save) {
    const struct file_header *header = &save->header;
    enum status s = stream_put(&save->stream, header, sizeof *header);
    if (s == STATUS_OK)
        s = stream_put(&save->stream, save->tail, header->n_tail * sizeof *save->tail);
    if (s == STATUS_OK) s = stream_put(&save->stream, save->slots, header->n_slots);
    return s;
}

/* A row without the edges to points that this file does not have linked. */
static enum status put_row(struct index_save *save, uint32_t slot, unsigned level) {
    const struct graph *graph = &save->index->view->graph;
    uint32_t edges[GRAPH_ROW_MAX] = {0}, row[GRAPH_ROW_MAX] = {0};
    unsigned n_edges = graph_read(graph, slot, level, edges), n = 0;
    for (unsigned i = 0; i < n_edges; i++) {
        if (edges[i] < save->header.n_slots && save->slots[edges[i]] & FILE_LINKED)
            row[n++] = edges[i] + 1;
    }
    return stream_put(&save->stream, row, graph_row_max(graph, level) * sizeof *row);
}

static enum status put_record(struct index_save *save, uint32_t slot) {
    const struct index_view *view = save->index->view;
    const struct point *point = points_at(&view->points, slot);
    uint8_t flags = save->slots[slot];
    uint32_t parent = flags & FILE_LINKED ? graph_parent(&view->graph, slot) + 1 : 0;
    struct stream *stream = &save->stream;
    enum status s = stream_put(stream, &point->number, sizeof point->number);
    if (s == STATUS_OK) s = stream_put(stream, &parent, sizeof parent);
    if (s == STATUS_OK) s = stream_put(stream, &point->id_size, sizeof point->id_size);
    if (s == STATUS_OK) s = stream_put(stream, point->id, point->id_size);
    if (flags & FILE_LINKED) {
        for (unsigned level = 0; s == STATUS_OK && level <= (flags & FILE_LEVEL); level++)
            s = put_row(save, slot, level);
    }
    if (s != STATUS_OK) return s;
    return stream_put(stream, points_vector(&view->points, slot), view->points.vectors.stride);
}

/* The name of a file is durable once its folder is. */
static enum status sync_folder(const char *path) {
    const char *slash = strrchr(path, '/');
    char *folder = slash ? mem_copy(path, (size_t)(slash - path) + 2) : mem_string(".");
    if (!folder) return STATUS_NO_MEMORY;
    if (slash) folder[slash - path + 1] = '\0';
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    mem_free(folder);
    if (fd < 0) return STATUS_IO;
    enum status s = fsync(fd) == 0 ? STATUS_OK : STATUS_IO;
    (void)close(fd);
    return s;
}

static enum status publish(struct index_save *save) {
    enum status s = stream_finish(&save->stream);
    if (s != STATUS_OK) return s;
    stream_close(&save->stream);
    if (rename(save->temporary, save->path) != 0) return STATUS_IO;
    save->done = true;
    return sync_folder(save->path);
}

enum status index_save_step(struct index_save *save, size_t bytes, bool *done) {
    enum status s = STATUS_OK;
    uint64_t record = save->index->view->points.vectors.stride;
    if (!save->started) {
        s = put_lists(save);
        save->started = true;
    }
    for (uint64_t put = 0; s == STATUS_OK && put < bytes && save->cursor < save->header.n_slots;
         save->cursor++) {
        if (!save->slots[save->cursor]) continue;
        s = put_record(save, save->cursor);
        put += record;
    }
    if (s == STATUS_OK && save->cursor == save->header.n_slots && !save->done) s = publish(save);
    if (s == STATUS_OK) *done = save->done;
    return s;
}

void index_save_end(struct index_save *save) {
    if (!save) return;
    stream_close(&save->stream);
    if (save->temporary && !save->done) (void)unlink(save->temporary);
    save->index->linker.saving = false;
    mem_free(save->path);
    mem_free(save->temporary);
    mem_free(save->slots);
    mem_free(save->tail);
    mem_free(save);
}
