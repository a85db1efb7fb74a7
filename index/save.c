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

static_assert(sizeof(struct file_header) == 80, "the header has no padding");
static_assert((int)FILE_LEVEL >= (int)GRAPH_LEVEL_MAX, "a level fits its bits");

struct index_save {
    struct index *index; /* borrowed; outlives the save */
    char *path;          /* owned */
    char *temporary;     /* owned; path + ".tmp" */
    struct stream stream;
    struct file_header header;
    uint8_t *slots;            /* owned; flags and level of each slot at the start */
    struct cell **tail;        /* owned; live ones */
    const struct store *store; /* borrowed; stays the current one until the end */
    uint32_t cursor;           /* next slot to write; from n_slots on, of the tail */
    bool started;              /* header and lists are written */
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
        save->slots[slot] =
            (uint8_t)(FILE_LINKED | (live ? FILE_LIVE : 0) |
                      (store_kept(save->store, slot) ? FILE_KEPT : 0) | node->level);
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
    save->tail = (struct cell **)mem_alloc(view->tail.limit * sizeof *save->tail);
    if (!save->tail) return STATUS_NO_MEMORY;
    size_t n_tail = tail_copy(&view->tail, save->tail);
    header->n_slots = atomic_load_explicit(&view->points.n_slots, memory_order_acquire);
    save->slots = mem_zero(header->n_slots, sizeof *save->slots);
    if (!save->slots) return STATUS_NO_MEMORY;
    for (size_t i = 0; i < n_tail; i++) {
        uint32_t slot = save->tail[i]->slot;
        if (!points_live(&view->points, slot)) continue;
        save->slots[slot] = FILE_TAIL | FILE_LIVE;
        save->tail[header->n_tail++] = save->tail[i];
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
    save->store = view_store(index->view);
    save->header = (struct file_header){
        .magic = FILE_MAGIC,
        .version = FILE_VERSION,
        .dimension = options->dimension,
        .metric = options->metric,
        .M = options->M,
        .applied = applied,
        .store = save->store->kind,
        .bound = save->store->coder.bound,
        .seed = save->store->coder.seed,
        .n_trained = index->linker.recode.n_trained,
        .n_zero = atomic_load_explicit(&save->store->n_zero, memory_order_relaxed),
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
    const struct coder *coder = &save->store->coder;
    enum status s = stream_put(&save->stream, header, sizeof *header);
    if (s == STATUS_OK && save->store->kind == STORE_CODES)
        s = stream_put(&save->stream, coder->centre, coder->dimension * sizeof *coder->centre);
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

static enum status put_stored(struct index_save *save, uint32_t slot) {
    const struct store *store = save->store;
    enum status s = stream_put(&save->stream, store_row(store, slot), store->rows.stride);
    if (s == STATUS_OK && store->kind == STORE_CODES)
        s = stream_put(&save->stream, slots_at(&store->fine, slot), store->fine.stride);
    if (s != STATUS_OK || !(save->slots[slot] & FILE_KEPT)) return s;
    /* Nothing is forgotten while a save runs. */
    return stream_put(&save->stream, store_kept(store, slot), save->index->view->cells.stride);
}

static enum status put_name(struct index_save *save, uint32_t slot) {
    const struct point *point = points_at(&save->index->view->points, slot);
    uint16_t id_size = (uint16_t)point->id_size;
    enum status s = stream_put(&save->stream, &point->number, sizeof point->number);
    if (s == STATUS_OK) s = stream_put(&save->stream, &id_size, sizeof id_size);
    if (s == STATUS_OK) s = stream_put(&save->stream, point_id(point), id_size);
    return s;
}

static enum status put_linked(struct index_save *save, uint32_t slot) {
    uint32_t parent = graph_parent(&save->index->view->graph, slot) + 1;
    enum status s = put_name(save, slot);
    if (s == STATUS_OK) s = stream_put(&save->stream, &parent, sizeof parent);
    for (unsigned level = 0; level <= (save->slots[slot] & FILE_LEVEL); level++)
        if (s == STATUS_OK) s = put_row(save, slot, level);
    return s == STATUS_OK ? put_stored(save, slot) : s;
}

static enum status put_waiting(struct index_save *save, const struct cell *cell) {
    enum status s = stream_put(&save->stream, &cell->slot, sizeof cell->slot);
    if (s == STATUS_OK) s = put_name(save, cell->slot);
    if (s != STATUS_OK) return s;
    return stream_put(&save->stream, cell->vector, save->index->view->cells.stride);
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

/* The next slot or waiting point; gives the bytes it took, about. */
static enum status put_next(struct index_save *save, size_t *bytes) {
    uint32_t n_slots = save->header.n_slots;
    if (save->cursor >= n_slots) {
        *bytes = save->index->view->cells.stride;
        return put_waiting(save, save->tail[save->cursor - n_slots]);
    }
    bool linked = save->slots[save->cursor] & FILE_LINKED;
    *bytes = linked ? store_stride(save->store) : 0;
    return linked ? put_linked(save, save->cursor) : STATUS_OK;
}

enum status index_save_step(struct index_save *save, size_t bytes, bool *done) {
    enum status s = STATUS_OK;
    uint32_t end = save->header.n_slots + save->header.n_tail;
    if (!save->started) {
        s = put_lists(save);
        save->started = true;
    }
    for (size_t put = 0, more; s == STATUS_OK && put < bytes && save->cursor < end; put += more) {
        s = put_next(save, &more);
        save->cursor++;
    }
    if (s == STATUS_OK && save->cursor == end && !save->done) s = publish(save);
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
    mem_free((void *)save->tail);
    mem_free(save);
}
