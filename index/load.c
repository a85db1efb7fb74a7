/* load: opens an index file. What is read here is verified here: roots, table, extra and the small
 * pages; what is large is mapped (settle.c). Every number of the root is judged before it is used.
 */
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include "index/stream.h"
#include "index/writer.h"
#include "runtime/assert.h"
#include "runtime/memory.h"
#include "runtime/poison.h"

enum { MAP_MIN = 4 << 20 /* bytes of pages; fewer are read at once */ };

static_assert(sizeof(struct file_root) == FILE_ROOT, "a root has no padding");
static_assert(sizeof(struct file_page) == 24, "an entry of the table has no padding");
static_assert(STORE_ARRAYS_MAX + 8 <= FILE_SECTIONS_MAX, "all arrays have a place in a root");

struct load {
    struct index *index;
    int fd;
    uint64_t size; /* of the file */
    struct file_root root;
};

unsigned file_sections(struct index_view *view,
                       struct store *store,
                       const struct file_root *root,
                       struct file_section *out) {
    struct slots *arrays[STORE_ARRAYS_MAX];
    uint32_t n_slots = root->n_slots, n_words = (n_slots + 63) / 64;
    unsigned n = 0;
    out[n++] = (struct file_section){&view->points.records, n_slots};
    out[n++] = (struct file_section){&view->points.ids.cells, root->n_cells};
    out[n++] = (struct file_section){&view->points.live, n_words};
    out[n++] = (struct file_section){&view->points.placed, n_words};
    out[n++] = (struct file_section){&view->graph.nodes, n_slots};
    assert(n == FILE_LINKERS);
    out[n++] = (struct file_section){&view->graph.parents, n_slots};
    out[n++] = (struct file_section){&view->graph.rows, n_slots};
    out[n++] = (struct file_section){&view->graph.upper, root->n_upper};
    for (unsigned i = 0, n_arrays = store_arrays(store, arrays); i < n_arrays; i++)
        out[n++] = (struct file_section){arrays[i], n_slots};
    return n;
}

static enum status get(const struct load *load, void *bytes, size_t size, uint64_t at) {
    unsigned char *to = bytes;
    while (size > 0) {
        ssize_t n = pread(load->fd, to, size, (off_t)at);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return STATUS_IO;
        if (n == 0) return STATUS_CORRUPT;
        to += n;
        at += (uint64_t)n;
        size -= (size_t)n;
    }
    return STATUS_OK;
}

/* --- the root
 * --------------------------------------------------------------------------------------------- */

const struct file_root *file_choose(const struct file_root *roots) {
    const struct file_root *best = NULL;
    for (unsigned i = 0; i < FILE_ROOTS; i++) {
        const struct file_root *root = &roots[i];
        if (memcmp(root->magic, FILE_MAGIC, sizeof root->magic) == 0 &&
            root->version == FILE_VERSION &&
            root->sum == XXH3_64bits(root, offsetof(struct file_root, sum)) &&
            (!best || root->generation > best->generation))
            best = root;
    }
    return best;
}

/* Of these options, with codes or none yet, and with the vectors that are to be kept. */
static bool is_ours(const struct file_root *root, const struct index_options *options) {
    return root->dimension == options->dimension && root->metric == options->metric &&
           root->M == options->M &&
           (root->store == STORE_F32 || root->store == recode_kind(options)) &&
           (root->store == STORE_F32 || options->originals != INDEX_ORIGINALS_RAM ||
            root->n_kept >= root->n_linked);
}

static bool lies_within(uint64_t at, uint64_t size, uint64_t end) {
    return at <= end && size <= end - at;
}

/* Counts are bounded by what the table has entries for, a page of each. */
static bool root_fits(const struct file_root *root, uint64_t size) {
    return root->end <= size && lies_within(root->extra_at, root->extra_size, root->end) &&
           lies_within(root->table_at, root->table_size, root->end) && root->n_slots <= SLOTS_MAX &&
           root->n_upper <= SLOTS_MAX && root->n_cells <= SLOTS_MAX &&
           root->n_tail <= root->n_slots && root->n_kept <= root->n_slots &&
           root->n_live <= root->n_slots && root->n_linked <= root->n_slots &&
           root->entry <= root->n_slots && root->root <= root->n_slots &&
           root->entry_level <= GRAPH_LEVEL_MAX && root->n_sections <= FILE_SECTIONS_MAX;
}

static enum status get_root(struct load *load) {
    struct file_root roots[FILE_ROOTS];
    enum status s = get(load, roots, sizeof roots, 0);
    if (s != STATUS_OK) return s;
    const struct file_root *best = file_choose(roots);
    if (!best) return STATUS_CORRUPT;
    load->root = *best;
    if (!is_ours(best, &load->index->view->options)) return STATUS_CORRUPT;
    return root_fits(best, load->size) ? STATUS_OK : STATUS_CORRUPT;
}

/* --- the extra
 * -------------------------------------------------------------------------------------------- */

static enum status get_codes(struct load *load, struct stream *stream) {
    const struct file_root *root = &load->root;
    struct index_view *view = load->index->view;
    struct coder coder;
    struct store *store;
    if (root->store == STORE_F32) return STATUS_OK;
    enum status s =
        coder_init(&coder, root->dimension, store_bits((enum store_kind)root->store), root->seed);
    if (s != STATUS_OK) return s;
    s = stream_get(stream, coder.centre, root->dimension * sizeof *coder.centre);
    if (s == STATUS_OK && !coder_set_bound(&coder, root->bound)) s = STATUS_CORRUPT;
    if (s == STATUS_OK)
        s = store_new_codes(&view->points.metric, (enum store_kind)root->store, &coder, &store);
    if (s != STATUS_OK) {
        coder_reset(&coder);
        return s;
    }
    store->keeps_all = view->options.originals == INDEX_ORIGINALS_RAM;
    store_free(view_store(view));
    atomic_store_explicit(&view->store, store, memory_order_release);
    return STATUS_OK;
}

/* Memory for what the root counts, which the table then has to have pages for. The store also for
 * what the tail may bring before the linker looks: readers of a page that lies may go there. */
static enum status reserve(struct load *load) {
    struct index_view *view = load->index->view;
    const struct file_root *root = &load->root;
    struct store *store = view_store(view);
    if (root->n_tail > view->tail.limit) {
        tail_reset(&view->tail);
        enum status s = tail_init(&view->tail, root->n_tail);
        if (s != STATUS_OK) return s;
    }
    enum status s = view_grow(view, root->n_slots);
    if (s == STATUS_OK) s = store_grow(store, (uint64_t)root->n_slots + view->tail.limit);
    if (s == STATUS_OK) s = slots_grow(&view->points.ids.cells, root->n_cells);
    if (s == STATUS_OK) s = slots_grow(&view->graph.upper, root->n_upper);
    return s;
}

static enum status get_kept(struct load *load, struct stream *stream) {
    struct index_view *view = load->index->view;
    if (load->root.n_kept == 0) return STATUS_OK;
    if (load->root.store == STORE_F32) return STATUS_CORRUPT;
    float *vector = mem_aligned(KERNEL_ALIGN, view->cells.stride);
    enum status s = vector ? STATUS_OK : STATUS_NO_MEMORY;
    for (uint32_t i = 0; s == STATUS_OK && i < load->root.n_kept; i++) {
        uint32_t slot;
        s = stream_get(stream, &slot, sizeof slot);
        if (s == STATUS_OK && slot >= load->root.n_slots) s = STATUS_CORRUPT;
        if (s == STATUS_OK) s = stream_get(stream, vector, view->cells.stride);
        if (s == STATUS_OK) s = store_keep(view_store(view), slot, vector);
    }
    mem_free(vector);
    return s;
}

static enum status get_tail(struct load *load, struct stream *stream) {
    struct index_view *view = load->index->view;
    for (uint32_t i = 0; i < load->root.n_tail; i++) {
        uint32_t slot;
        enum status s = stream_get(stream, &slot, sizeof slot);
        if (s == STATUS_OK && slot >= load->root.n_slots) s = STATUS_CORRUPT;
        if (s == STATUS_OK) s = cells_reserve(&view->cells, 1);
        if (s != STATUS_OK) return s;
        struct cell *cell = cells_take(&view->cells);
        cell->slot = slot;
        s = stream_get(stream, cell->vector, view->cells.stride);
        if (s != STATUS_OK) {
            cells_undo(&view->cells);
            return s;
        }
        cells_commit(&view->cells);
        tail_push(&view->tail, &cell, 1);
    }
    return STATUS_OK;
}

/* Entries that the counts of the root make. */
static uint64_t count_pages(const struct file_section *section) {
    uint64_t n = 0;
    for (unsigned segment = 0; segment < SLOTS_SEGMENTS; segment++) {
        uint64_t first = slots_first(segment), end = slots_end(segment);
        if (first >= section->n) break;
        if (end > section->n) end = section->n;
        n += (end - first + (UINT64_C(1) << section->slots->shift) - 1) >> section->slots->shift;
    }
    return n;
}

/* Before memory is reserved for what the root counts: the file must have a table as long. */
static enum status check_counts(const struct load *load) {
    const struct file_root *root = &load->root;
    struct index_view *view = load->index->view;
    struct settle *settle = &view->settle;
    uint64_t n = 0, waiting = (uint64_t)root->n_tail + root->n_kept;
    settle->n_sections = file_sections(view, view_store(view), root, settle->sections);
    if (settle->n_sections != root->n_sections) return STATUS_CORRUPT;
    for (unsigned i = 0; i < settle->n_sections; i++) {
        if (settle->sections[i].slots->stride != root->strides[i]) return STATUS_CORRUPT;
        n += count_pages(&settle->sections[i]);
    }
    if (waiting * (view->cells.stride + sizeof(uint32_t)) > root->extra_size) return STATUS_CORRUPT;
    return n * sizeof(struct file_page) == root->table_size ? STATUS_OK : STATUS_CORRUPT;
}

static enum status get_extra(struct load *load) {
    struct stream stream;
    int fd = dup(load->fd);
    if (fd < 0 || lseek(fd, (off_t)load->root.extra_at, SEEK_SET) < 0) {
        if (fd >= 0) (void)close(fd);
        return STATUS_IO;
    }
    enum status s = stream_open_reader(&stream, fd, load->root.extra_size);
    if (s != STATUS_OK) {
        (void)close(fd);
        return s;
    }
    s = get_codes(load, &stream);
    if (s == STATUS_OK) s = check_counts(load);
    if (s == STATUS_OK) s = reserve(load);
    if (s == STATUS_OK) s = get_kept(load, &stream);
    if (s == STATUS_OK) s = get_tail(load, &stream);
    if (s == STATUS_OK && !stream_ended(&stream)) s = STATUS_CORRUPT;
    stream_close(&stream);
    return s;
}

/* --- the table
 * -------------------------------------------------------------------------------------------- */

static bool take_page(struct load *load, const struct file_page *entry, struct slots_piece *piece) {
    struct file_book *book = &load->index->book;
    piece->page->at = entry->at;
    if (entry->at == 0) return entry->size == 0 && entry->sum == 0;
    piece->page->size = entry->size;
    piece->page->sum = entry->sum;
    book->used += entry->size;
    return entry->size == piece->size && entry->at % FILE_FINE == 0 &&
           lies_within(entry->at, entry->size, load->root.end);
}

static enum status
take_table(struct load *load, const struct file_page *entries, const struct settle *settle) {
    uint64_t follows = 0;
    for (unsigned i = 0; i < settle->n_sections; i++) {
        const struct file_section *section = &settle->sections[i];
        for (uint64_t slot = 0; slot < section->n;) {
            struct slots_piece piece = slots_piece(section->slots, (uint32_t)slot, section->n);
            load->index->book.runs += entries->at != follows;
            follows = entries->at + entries->size;
            if (!take_page(load, entries++, &piece)) return STATUS_CORRUPT;
            slot = piece.end;
        }
    }
    return STATUS_OK;
}

static enum status get_table(struct load *load) {
    const struct file_root *root = &load->root;
    struct file_page *entries = mem_alloc(root->table_size + 1);
    if (!entries) return STATUS_NO_MEMORY;
    enum status s = get(load, entries, root->table_size, root->table_at);
    if (s == STATUS_OK && XXH3_64bits(entries, root->table_size) != root->table_sum)
        s = STATUS_CORRUPT;
    if (s == STATUS_OK) s = take_table(load, entries, &load->index->view->settle);
    mem_free(entries);
    return s;
}

/* --- all of it
 * -------------------------------------------------------------------------------------------- */

static void set_counts(struct load *load) {
    struct index *index = load->index;
    struct index_view *view = index->view;
    const struct file_root *root = &load->root;
    atomic_store(&view->points.n_live, root->n_live);
    atomic_store(&view->points.ids.n, root->n_cells);
    atomic_store(&view->graph.n_linked, root->n_linked);
    atomic_store(&view->graph.n_upper, root->n_upper);
    atomic_store(&view->points.n_slots, root->n_slots);
    if (root->entry > 0)
        graph_set_entry(&view->graph, (struct graph_entry){root->entry - 1, root->entry_level});
    index->linker.root = root->root - 1;
    index->linker.recode.n_trained = root->n_trained;
}

static enum status open_all(struct load *load) {
    struct index *index = load->index;
    struct settle *settle = &index->view->settle;
    enum status s = get_root(load);
    if (s == STATUS_OK) s = get_extra(load);
    if (s == STATUS_OK) s = get_table(load);
    if (s != STATUS_OK) return s;
    settle->fd = dup(load->fd);
    if (settle->fd < 0) return STATUS_IO;
    bool large = index->book.used >= MAP_MIN;
    s = settle_open(settle, index->view, large);
    if (s != STATUS_OK) return s;
    set_counts(load);
    /* A small one is verified and judged at once: no worse than reading it. */
    return large ? STATUS_OK : index_verify(index);
}

enum status file_load(struct index *index, const char *path, uint64_t *applied) {
    struct load load = {.index = index, .fd = open(path, O_RDONLY | O_CLOEXEC)};
    struct stat about;
    if (load.fd < 0) return errno == ENOENT ? STATUS_NOT_FOUND : STATUS_IO;
    enum status s = fstat(load.fd, &about) == 0 ? STATUS_OK : STATUS_IO;
    load.size = (uint64_t)about.st_size;
    if (s == STATUS_OK) s = open_all(&load);
    (void)close(load.fd);
    if (s != STATUS_OK) return s;
    struct file_book *book = &index->book;
    book->device = about.st_dev;
    book->inode = about.st_ino;
    book->generation = load.root.generation;
    book->end = load.root.end;
    book->known = true;
    *applied = load.root.applied;
    return STATUS_OK;
}
