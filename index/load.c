/* load: reads an index back. The checksums catch accidents; beyond them every number in the file is
 * judged before it is used, so that no file, however made, can do worse than be CORRUPT or lead to
 * odd neighbours. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "index/file.h"
#include "index/stream.h"
#include "runtime/assert.h"
#include "runtime/memory.h"
#include "runtime/poison.h"

struct load {
    struct index *index;
    struct stream stream;
    struct file_header header;
    uint8_t *slots; /* owned */
};

static enum status get_header(struct load *load) {
    struct file_header *header = &load->header;
    const struct index_options *options = &load->index->view->options;
    enum status s = stream_get(&load->stream, header, sizeof *header);
    if (s != STATUS_OK) return s;
    bool ours = memcmp(header->magic, FILE_MAGIC, sizeof header->magic) == 0 &&
                header->version == FILE_VERSION && header->dimension == options->dimension &&
                header->metric == options->metric && header->M == options->M &&
                (header->store == STORE_F32 ||
                 (header->store == STORE_CODES && options->storage != INDEX_F32));
    /* A slot takes a byte of the file at least, which bounds what a lie can make us allocate. */
    uint64_t rest = load->stream.left + load->stream.size - load->stream.at;
    bool fits = header->n_slots <= SLOTS_MAX && header->n_slots <= rest &&
                header->n_tail <= header->n_slots && header->entry <= header->n_slots &&
                header->root <= header->n_slots;
    return ours && fits ? STATUS_OK : STATUS_CORRUPT;
}

/* The store the linked points go into. */
static enum status get_codes(struct load *load) {
    const struct file_header *header = &load->header;
    struct index_view *view = load->index->view;
    struct coder coder;
    struct store *store;
    if (header->store != STORE_CODES) return STATUS_OK;
    enum status s = coder_init(&coder, header->dimension, header->seed);
    if (s != STATUS_OK) return s;
    s = stream_get(&load->stream, coder.centre, header->dimension * sizeof *coder.centre);
    if (s == STATUS_OK && !coder_set_bound(&coder, header->bound)) s = STATUS_CORRUPT;
    if (s == STATUS_OK) s = store_new_codes(&view->points.metric, &coder, &store);
    if (s != STATUS_OK) {
        coder_reset(&coder);
        return s;
    }
    store_free(view_store(view));
    atomic_store_explicit(&store->n_zero, header->n_zero, memory_order_relaxed);
    atomic_store_explicit(&view->store, store, memory_order_release);
    load->index->linker.recode.n_trained = header->n_trained;
    return STATUS_OK;
}

static bool flags_are_valid(const struct load *load, uint8_t flags) {
    if (flags == 0 || flags == (FILE_TAIL | FILE_LIVE)) return true;
    if (flags & FILE_KEPT && load->header.store != STORE_CODES) return false;
    return (flags & ~(FILE_LEVEL | FILE_LIVE | FILE_KEPT)) == FILE_LINKED;
}

static enum status get_slots(struct load *load) {
    uint32_t n_slots = load->header.n_slots, n_waiting = 0;
    load->slots = mem_zero(n_slots, sizeof *load->slots);
    if (!load->slots) return STATUS_NO_MEMORY;
    enum status s = stream_get(&load->stream, load->slots, n_slots);
    if (s != STATUS_OK) return s;
    for (uint32_t slot = 0; slot < n_slots; slot++) {
        if (!flags_are_valid(load, load->slots[slot])) return STATUS_CORRUPT;
        n_waiting += (load->slots[slot] & FILE_TAIL) != 0;
    }
    return n_waiting == load->header.n_tail ? STATUS_OK : STATUS_CORRUPT;
}

static enum status get_row(struct load *load, uint32_t slot, unsigned level) {
    struct graph *graph = &load->index->view->graph;
    struct visited *seen = &load->index->linker.walk.visited;
    uint32_t row[GRAPH_ROW_MAX];
    unsigned max = graph_row_max(graph, level), n = 0;
    enum status s = visited_begin(seen, load->header.n_slots);
    if (s == STATUS_OK) s = stream_get(&load->stream, row, max * sizeof *row);
    if (s != STATUS_OK) return s;
    for (; n < max && row[n] != 0; n++) {
        uint32_t edge = row[n] - 1;
        if (edge >= load->header.n_slots || edge == slot) return STATUS_CORRUPT;
        if (!visited_add(seen, edge)) return STATUS_CORRUPT;
        uint8_t flags = load->slots[edge];
        if (!(flags & FILE_LINKED) || (flags & FILE_LEVEL) < level) return STATUS_CORRUPT;
        row[n] = edge;
    }
    graph_write(graph, slot, level, row, n);
    return STATUS_OK;
}

static enum status get_node(struct load *load, uint32_t slot) {
    uint32_t parent;
    enum status s = stream_get(&load->stream, &parent, sizeof parent);
    if (s != STATUS_OK) return s;
    struct graph *graph = &load->index->view->graph;
    unsigned level = load->slots[slot] & FILE_LEVEL;
    struct node *node = graph_node(graph, slot);
    if (parent > load->header.n_slots) return STATUS_CORRUPT;
    if (parent != 0 && !(load->slots[parent - 1] & FILE_LINKED)) return STATUS_CORRUPT;
    if ((parent == 0) != (slot + 1 == load->header.root)) return STATUS_CORRUPT;
    graph_set_parent(graph, slot, parent - 1);
    if (level > 0) {
        s = graph_upper_new(graph, level, &node->upper);
        if (s != STATUS_OK) return s;
    }
    node->level = (uint8_t)level;
    node->state = NODE_LINKED;
    atomic_fetch_add_explicit(&graph->n_linked, 1, memory_order_relaxed);
    for (unsigned l = 0; l <= level; l++) {
        s = get_row(load, slot, l);
        if (s != STATUS_OK) return s;
    }
    return STATUS_OK;
}

static enum status get_name(struct load *load, uint32_t slot) {
    struct points *points = &load->index->view->points;
    struct index_point point = {0};
    uint16_t id_size;
    char id[INDEX_ID_MAX];
    enum status s = stream_get(&load->stream, &point.number, sizeof point.number);
    if (s == STATUS_OK) s = stream_get(&load->stream, &id_size, sizeof id_size);
    if (s != STATUS_OK) return s;
    if (id_size < 1 || id_size > INDEX_ID_MAX) return STATUS_CORRUPT;
    s = stream_get(&load->stream, id, id_size);
    if (s != STATUS_OK) return s;
    point.id = id;
    point.id_size = id_size;
    return points_write(points, slot, &point);
}

static enum status get_stored(struct load *load, uint32_t slot) {
    struct store *store = view_store(load->index->view);
    void *row = slots_at(&store->rows, slot);
    enum status s = stream_get(&load->stream, row, store->rows.stride);
    if (s == STATUS_OK && store->kind == STORE_CODES)
        s = stream_get(&load->stream, slots_at(&store->fine, slot), store->fine.stride);
    if (s == STATUS_OK && !store_row_is_valid(store, slot)) s = STATUS_CORRUPT;
    if (s == STATUS_OK) points_set_placed(&load->index->view->points, slot, true);
    if (s != STATUS_OK || !(load->slots[slot] & FILE_KEPT)) return s;
    size_t bytes = load->index->view->cells.stride;
    float *kept = mem_aligned(KERNEL_ALIGN, bytes);
    if (!kept) return STATUS_NO_MEMORY;
    s = stream_get(&load->stream, kept, bytes);
    if (s == STATUS_OK) s = store_keep(store, slot, kept);
    mem_free(kept);
    return s;
}

/* Live points are known by number, removed ones wait for repair, free slots for a new point. */
static enum status place(struct load *load, uint32_t slot) {
    struct index *index = load->index;
    struct points *points = &index->view->points;
    uint8_t flags = load->slots[slot];
    if (flags & FILE_LIVE) {
        uint64_t number = points_at(points, slot)->number;
        if (numbers_find(&index->numbers, points, number) != SLOT_NONE) return STATUS_CORRUPT;
        numbers_add(&index->numbers, points, slot);
        points_set_live(points, slot, true);
    } else if (flags) {
        handoff_push(&index->linker.removed, points, slot);
    } else {
        handoff_push(&index->linker.freed, points, slot);
        atomic_fetch_add_explicit(&index->view->n_free, 1, memory_order_relaxed);
    }
    return STATUS_OK;
}

static enum status get_linked(struct load *load) {
    enum status s = STATUS_OK;
    for (uint32_t slot = 0; s == STATUS_OK && slot < load->header.n_slots; slot++) {
        if (load->slots[slot] & FILE_LINKED) {
            s = get_name(load, slot);
            if (s == STATUS_OK) s = get_node(load, slot);
            if (s == STATUS_OK) s = get_stored(load, slot);
        }
        if (s == STATUS_OK && !(load->slots[slot] & FILE_TAIL)) s = place(load, slot);
    }
    return s;
}

/* Every tail slot once: one that was taken is no longer marked as waiting. */
static enum status get_waiting(struct load *load) {
    struct index_view *view = load->index->view;
    for (uint32_t i = 0; i < load->header.n_tail; i++) {
        uint32_t slot;
        enum status s = stream_get(&load->stream, &slot, sizeof slot);
        if (s != STATUS_OK) return s;
        if (slot >= load->header.n_slots || !(load->slots[slot] & FILE_TAIL)) return STATUS_CORRUPT;
        load->slots[slot] = FILE_LIVE;
        s = get_name(load, slot);
        if (s == STATUS_OK) s = cells_reserve(&view->cells, 1);
        if (s != STATUS_OK) return s;
        struct cell *cell = cells_take(&view->cells);
        cell->slot = slot;
        s = stream_get(&load->stream, cell->vector, view->cells.stride);
        if (s == STATUS_OK) s = place(load, slot);
        if (s != STATUS_OK) {
            cells_undo(&view->cells);
            return s;
        }
        cells_commit(&view->cells);
        tail_push(&view->tail, &cell, 1);
    }
    return STATUS_OK;
}

static bool has_edge(const struct graph *graph, uint32_t from, uint32_t to) {
    const graph_edge *row = graph_row(graph, from, 0);
    for (unsigned i = 0; i < graph_row_max(graph, 0); i++) {
        if (atomic_load_explicit(&row[i], memory_order_relaxed) == to + 1) return true;
    }
    return false;
}

/* Every way up must end: `ended` marks the nodes whose way is known to. */
static bool way_ends(const struct graph *graph, uint32_t slot, bool *ended, uint32_t n_slots) {
    uint32_t at = slot, steps = 0;
    while (at != SLOT_NONE && !ended[at]) {
        if (steps++ > n_slots) return false;
        at = graph_parent(graph, at);
    }
    for (at = slot; at != SLOT_NONE && !ended[at]; at = graph_parent(graph, at))
        ended[at] = true;
    return true;
}

/* What tree.h promises: no circles, both edges between child and parent, M children at most. */
static bool tree_is_valid(const struct load *load, bool *ended, uint16_t *n_children) {
    const struct graph *graph = &load->index->view->graph;
    for (uint32_t slot = 0; slot < load->header.n_slots; slot++) {
        if (!(load->slots[slot] & FILE_LINKED)) continue;
        if (!way_ends(graph, slot, ended, load->header.n_slots)) return false;
        uint32_t parent = graph_parent(graph, slot);
        if (parent == SLOT_NONE) continue;
        if (++n_children[parent] > graph->M) return false;
        if (!has_edge(graph, slot, parent) || !has_edge(graph, parent, slot)) return false;
    }
    return true;
}

static enum status check_tree(const struct load *load) {
    bool *ended = mem_zero(load->header.n_slots, sizeof *ended);
    uint16_t *n_children = mem_zero(load->header.n_slots, sizeof *n_children);
    enum status s = STATUS_NO_MEMORY;
    if (ended && n_children)
        s = tree_is_valid(load, ended, n_children) ? STATUS_OK : STATUS_CORRUPT;
    mem_free(ended);
    mem_free(n_children);
    return s;
}

/* Entry and root are there exactly when something is linked, and are linked. */
static enum status set_entry(struct load *load) {
    struct index_view *view = load->index->view;
    uint32_t entry = load->header.entry, root = load->header.root;
    bool empty = atomic_load_explicit(&view->graph.n_linked, memory_order_relaxed) == 0;
    if ((entry == 0) != empty || (root == 0) != empty) return STATUS_CORRUPT;
    if (empty) return STATUS_OK;
    uint8_t flags = load->slots[entry - 1];
    if (!(flags & FILE_LINKED) || !(load->slots[root - 1] & FILE_LINKED)) return STATUS_CORRUPT;
    graph_set_entry(&view->graph, (struct graph_entry){entry - 1, flags & FILE_LEVEL});
    load->index->linker.root = root - 1;
    return check_tree(load);
}

static enum status reserve(struct load *load) {
    struct index_view *view = load->index->view;
    uint32_t n_slots = load->header.n_slots;
    enum status s = view_grow(view, n_slots);
    if (s == STATUS_OK) s = store_grow(view_store(view), n_slots);
    if (s == STATUS_OK) s = numbers_reserve(&load->index->numbers, n_slots);
    if (s == STATUS_OK && load->header.n_tail > view->tail.limit) {
        tail_reset(&view->tail);
        s = tail_init(&view->tail, load->header.n_tail);
    }
    atomic_store_explicit(&view->points.n_slots, n_slots, memory_order_relaxed);
    return s;
}

static enum status get_all(struct load *load) {
    enum status s = get_header(load);
    if (s == STATUS_OK) s = get_codes(load);
    if (s == STATUS_OK) s = get_slots(load);
    if (s == STATUS_OK) s = reserve(load);
    if (s == STATUS_OK) s = get_linked(load);
    if (s == STATUS_OK) s = get_waiting(load);
    if (s == STATUS_OK && !stream_ended(&load->stream)) s = STATUS_CORRUPT;
    return s == STATUS_OK ? set_entry(load) : s;
}

enum status file_load(struct index *index, const char *path, uint64_t *applied) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return errno == ENOENT ? STATUS_NOT_FOUND : STATUS_IO;
    struct load load = {.index = index};
    enum status s = stream_open_reader(&load.stream, fd);
    if (s != STATUS_OK) {
        (void)close(fd);
        return s;
    }
    s = get_all(&load);
    if (s == STATUS_OK) *applied = load.header.applied;
    stream_close(&load.stream);
    mem_free(load.slots);
    return s;
}
