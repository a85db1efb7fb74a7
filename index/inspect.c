/* inspect: reads, and never writes; what it tells of a live index is of a moment. */
#include "index/inspect.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "index/file.h"
#include "index/stream.h"
#include "runtime/assert.h"
#include "runtime/memory.h"
#include "runtime/rng.h"

#include "runtime/poison.h"

static_assert((int)INDEX_LEVELS > (int)GRAPH_LEVEL_MAX, "a count for every level");
static_assert((int)INDEX_ROW_MAX == (int)GRAPH_ROW_MAX, "a count for every degree");

static enum status read_header(int fd, struct file_header *header) {
    struct stream stream;
    enum status s = stream_open_reader(&stream, fd);
    if (s != STATUS_OK) {
        (void)close(fd);
        return s;
    }
    s = stream_get(&stream, header, sizeof *header);
    stream_close(&stream);
    return s;
}

static bool header_is_sound(const struct file_header *header) {
    return header->dimension >= 1 && header->dimension <= INDEX_DIMENSION_MAX &&
           header->metric <= INDEX_DOT && header->M >= GRAPH_M_MIN && header->M <= GRAPH_M_MAX &&
           header->n_tail <= header->n_slots && header->n_slots <= SLOTS_MAX;
}

enum status index_file_info(const char *path, struct index_file_info *out) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return errno == ENOENT ? STATUS_NOT_FOUND : STATUS_IO;
    struct stat about;
    if (fstat(fd, &about) != 0 || !S_ISREG(about.st_mode)) {
        (void)close(fd);
        return STATUS_IO;
    }
    struct file_header header;
    enum status s = read_header(fd, &header);
    if (s != STATUS_OK) return s;
    if (memcmp(header.magic, FILE_MAGIC, sizeof header.magic) != 0) return STATUS_CORRUPT;
    *out = (struct index_file_info){.version = header.version, .bytes = (uint64_t)about.st_size};
    if (header.version != FILE_VERSION) return STATUS_UNIMPLEMENTED;
    if (!header_is_sound(&header)) return STATUS_CORRUPT;
    out->options = (struct index_options){
        .dimension = header.dimension,
        .metric = (enum index_metric)header.metric,
        .M = header.M,
        .storage = header.store == STORE_CODES ? INDEX_SQ8 : INDEX_F32,
    };
    out->applied = header.applied;
    out->slots = header.n_slots;
    out->tail = header.n_tail;
    return STATUS_OK;
}

void index_shape(const struct index_view *view, struct index_shape *out) {
    const struct graph *graph = &view->graph;
    uint32_t n_slots = atomic_load_explicit(&view->points.n_slots, memory_order_acquire);
    *out = (struct index_shape){.degree_max = graph_row_max(graph, 0)};
    for (uint32_t slot = 0; slot < n_slots; slot++) {
        const struct node *node = graph_node(graph, slot);
        uint32_t edges[GRAPH_ROW_MAX];
        if (node->state != NODE_LINKED) continue;
        out->linked++;
        out->levels[node->level]++;
        out->degrees[graph_read(graph, slot, 0, edges)]++;
    }
}

static bool is_found(const struct points *points, uint32_t slot) {
    return points_found_word(points, slot / 64) >> (slot % 64) & 1;
}

/* One way through the slots in order: each is taken with the chance that leaves just enough for
 * the rest (Knuth, 3.4.2 algorithm S). */
static size_t take(const struct index_view *view, const struct index_sample *sample, float *row) {
    const struct points *points = &view->points;
    const struct store *store = view_store(view);
    uint32_t n_slots = atomic_load_explicit(&points->n_slots, memory_order_acquire);
    uint32_t dimension = view->options.dimension;
    struct rng rng;
    rng_init(&rng, sample->seed);
    size_t n_found = 0, n = 0;
    for (uint32_t slot = 0; slot < n_slots; slot++)
        n_found += is_found(points, slot);
    for (uint32_t slot = 0; slot < n_slots && n < sample->n && n_found > 0; slot++) {
        if (!is_found(points, slot)) continue;
        if (rng_below(&rng, n_found--) >= sample->n - n) continue;
        store_read(store, slot, row);
        memcpy(sample->vectors + n * dimension, row, dimension * sizeof *row);
        sample->numbers[n++] = points_at(points, slot)->number;
    }
    return n;
}

size_t index_sample(const struct index_view *view, const struct index_sample *sample) {
    struct epoch *epoch = (struct epoch *)(uintptr_t)&view->epoch; /* counts, no more */
    uint64_t ticket = epoch_enter(epoch);
    const struct store *store = view_store(view);
    size_t room = store->metric.n_floats > store->coder.n ? store->metric.n_floats : store->coder.n;
    float *row = mem_aligned(KERNEL_ALIGN, room * sizeof *row);
    size_t n = row ? take(view, sample, row) : 0;
    mem_free(row);
    epoch_leave(epoch, ticket);
    return n;
}
