/* inspect: reads, and never writes; what it tells of a live index is of a moment. */
#include "index/inspect.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "index/writer.h"
#include "runtime/assert.h"
#include "runtime/memory.h"
#include "runtime/rng.h"

#include "runtime/poison.h"

static_assert((int)INDEX_LEVELS > (int)GRAPH_LEVEL_MAX, "a count for every level");
static_assert((int)INDEX_ROW_MAX == (int)GRAPH_ROW_MAX, "a count for every degree");

static bool root_is_sound(const struct file_root *root) {
    return root->dimension >= 1 && root->dimension <= INDEX_DIMENSION_MAX &&
           root->metric <= INDEX_DOT && root->M >= GRAPH_M_MIN && root->M <= GRAPH_M_MAX &&
           root->n_tail <= root->n_slots && root->n_slots <= SLOTS_MAX && root->store < STORE_KINDS;
}

/* Also of an older version, which begins with magic and version too. */
static enum status judge_roots(const struct file_root *roots, struct index_file_info *out) {
    if (memcmp(roots[0].magic, FILE_MAGIC, sizeof roots[0].magic) == 0)
        out->version = roots[0].version;
    const struct file_root *root = file_choose(roots);
    if (root) out->version = root->version;
    if (out->version == 0) return STATUS_CORRUPT;
    if (out->version != FILE_VERSION) return STATUS_UNIMPLEMENTED;
    if (!root || !root_is_sound(root)) return STATUS_CORRUPT;
    out->options = (struct index_options){
        .dimension = root->dimension,
        .metric = (enum index_metric)root->metric,
        .M = root->M,
        .storage = store_storage((enum store_kind)root->store),
    };
    out->applied = root->applied;
    out->slots = root->n_slots;
    out->tail = root->n_tail;
    return STATUS_OK;
}

enum status index_file_info(const char *path, struct index_file_info *out) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return errno == ENOENT ? STATUS_NOT_FOUND : STATUS_IO;
    struct stat about;
    struct file_root roots[FILE_ROOTS] = {0};
    ssize_t n =
        fstat(fd, &about) == 0 && S_ISREG(about.st_mode) ? pread(fd, roots, sizeof roots, 0) : -1;
    (void)close(fd);
    if (n < 0) return STATUS_IO;
    struct index_file_info info = {.bytes = (uint64_t)about.st_size};
    enum status s = judge_roots(roots, &info);
    if (s == STATUS_OK || s == STATUS_UNIMPLEMENTED) *out = info;
    return s;
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
        out->levels[node->level <= GRAPH_LEVEL_MAX ? node->level : GRAPH_LEVEL_MAX]++;
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
