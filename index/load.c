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
    uint32_t *tail; /* owned */
};

static enum status get_header(struct load *load) {
    struct file_header *header = &load->header;
    const struct index_options *options = &load->index->view->options;
    enum status s = stream_get(&load->stream, header, sizeof *header);
    if (s != STATUS_OK) return s;
    bool ours = memcmp(header->magic, FILE_MAGIC, sizeof header->magic) == 0 &&
                header->version == FILE_VERSION && header->dimension == options->dimension &&
                header->metric == options->metric && header->M == options->M;
    /* A slot takes a byte of the file at least, which bounds what a lie can make us allocate. */
    uint64_t rest = load->stream.left + load->stream.size - load->stream.at;
    bool fits = header->n_slots <= SLOTS_MAX && header->n_slots <= rest &&
                header->n_tail <= header->n_slots && header->entry <= header->n_slots &&
                header->root <= header->n_slots;
    return ours && fits ? STATUS_OK : STATUS_CORRUPT;
}

static bool flags_are_valid(uint8_t flags) {
    if (flags == 0 || flags == (FILE_TAIL | FILE_LIVE)) return true;
    return (flags & ~(FILE_LEVEL | FILE_LIVE)) == FILE_LINKED;
}

/* Tail and slots; every tail slot is in the list, once. */
static enum status get_lists(struct load *load) {
    uint32_t n_slots = load->header.n_slots, n_tail = load->header.n_tail, n_waiting = 0;
    load->slots = mem_zero(n_slots, sizeof *load->slots);
    load->tail = mem_zero(n_tail, sizeof *load->tail);
    if (!load->slots || !load->tail) return STATUS_NO_MEMORY;
    enum status s = stream_get(&load->stream, load->tail, n_tail * sizeof *load->tail);
    if (s == STATUS_OK) s = stream_get(&load->stream, load->slots, n_slots);
    if (s != STATUS_OK) return s;
    for (uint32_t slot = 0; slot < n_slots; slot++) {
        if (!flags_are_valid(load->slots[slot])) return STATUS_CORRUPT;
        n_waiting += (load->slots[slot] & FILE_TAIL) != 0;
    }
    if (n_waiting != n_tail) return STATUS_CORRUPT;
    for (uint32_t i = 0; i < n_tail; i++) {
        uint32_t slot = load->tail[i];
        if (slot >= n_slots || !(load->slots[slot] & FILE_TAIL)) return STATUS_CORRUPT;
        load->slots[slot] = FILE_LIVE; /* seen; the second time is one too many */
    }
    for (uint32_t i = 0; i < n_tail; i++)
        load->slots[load->tail[i]] = FILE_TAIL | FILE_LIVE;
    return STATUS_OK;
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

static enum status get_node(struct load *load, uint32_t slot, uint32_t parent) {
    struct graph *graph = &load->index->view->graph;
    unsigned level = load->slots[slot] & FILE_LEVEL;
    struct node *node = graph_node(graph, slot);
    if (parent > load->header.n_slots) return STATUS_CORRUPT;
    if (parent != 0 && !(load->slots[parent - 1] & FILE_LINKED)) return STATUS_CORRUPT;
    if ((parent == 0) != (slot + 1 == load->header.root)) return STATUS_CORRUPT;
    graph_set_parent(graph, slot, parent - 1);
    if (level > 0) {
        enum status s = graph_upper_new(graph, level, &node->upper);
        if (s != STATUS_OK) return s;
    }
    node->level = (uint8_t)level;
    node->state = NODE_LINKED;
    atomic_fetch_add_explicit(&graph->n_linked, 1, memory_order_relaxed);
    for (unsigned l = 0; l <= level; l++) {
        enum status s = get_row(load, slot, l);
        if (s != STATUS_OK) return s;
    }
    return STATUS_OK;
}

static enum status get_record(struct load *load, uint32_t slot) {
    struct points *points = &load->index->view->points;
    struct point *point = points_at(points, slot);
    uint32_t parent;
    char id[INDEX_ID_MAX];
    enum status s = stream_get(&load->stream, &point->number, sizeof point->number);
    if (s == STATUS_OK) s = stream_get(&load->stream, &parent, sizeof parent);
    if (s == STATUS_OK) s = stream_get(&load->stream, &point->id_size, sizeof point->id_size);
    if (s != STATUS_OK) return s;
    if (point->id_size < 1 || point->id_size > INDEX_ID_MAX) return STATUS_CORRUPT;
    s = stream_get(&load->stream, id, point->id_size);
    if (s != STATUS_OK) return s;
    point->id = ids_new(&points->ids, id, point->id_size);
    if (!point->id) return STATUS_NO_MEMORY;
    if (load->slots[slot] & FILE_LINKED) {
        s = get_node(load, slot, parent);
        if (s != STATUS_OK) return s;
    }
    return stream_get(&load->stream, points_vector(points, slot), points->vectors.stride);
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

static enum status get_all(struct load *load) {
    struct index_view *view = load->index->view;
    enum status s = get_header(load);
    if (s == STATUS_OK) s = get_lists(load);
    if (s != STATUS_OK) return s;
    uint32_t n_slots = load->header.n_slots;
    s = view_grow(view, n_slots);
    if (s == STATUS_OK) s = numbers_reserve(&load->index->numbers, n_slots);
    if (s == STATUS_OK && load->header.n_tail > view->tail.limit) {
        tail_reset(&view->tail);
        s = tail_init(&view->tail, load->header.n_tail);
    }
    if (s != STATUS_OK) return s;
    atomic_store_explicit(&view->points.n_slots, n_slots, memory_order_relaxed);
    for (uint32_t slot = 0; slot < n_slots; slot++) {
        if (load->slots[slot]) s = get_record(load, slot);
        if (s == STATUS_OK) s = place(load, slot);
        if (s != STATUS_OK) return s;
    }
    if (!stream_ended(&load->stream)) return STATUS_CORRUPT;
    s = set_entry(load);
    if (s == STATUS_OK) tail_push(&view->tail, load->tail, load->header.n_tail);
    return s;
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
    mem_free(load.tail);
    return s;
}
