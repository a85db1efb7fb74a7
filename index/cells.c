/* cells: a block counts the cells in use and, while it is open, its appender. Who takes the count
 * to zero passes it on: the linker to its own list, the appender through `sealed`. */
#include "index/cells.h"

#include <sys/mman.h>

#include "index/kernel.h"
#include "runtime/assert.h"
#include "runtime/memory.h"
#include "runtime/poison.h"

enum {
    BLOCK_MIN = 64 << 10, /* bytes of the first block, then twice as many each time */
    BLOCK_MAX = 256 << 10,
    HEAP_MAX = 64 << 10, /* larger ones are mapped, so that they go back to the system when done */
};

struct cells_block {
    struct cells_block *next;
    uint64_t epoch; /* when it was left */
    size_t bytes;
    size_t touched; /* bytes of it that were written to */
    uint32_t n;
    _Atomic uint32_t uses;
    struct cell cells[];
};

void cells_init(struct cells *cells, size_t stride) {
    *cells = (struct cells){.stride = stride, .block_bytes = BLOCK_MIN};
    atomic_init(&cells->sealed, NULL);
    atomic_init(&cells->bytes, 0);
}

static void free_list(struct cells *cells, struct cells_block *block) {
    while (block) {
        struct cells_block *next = block->next;
        cells->bytes -= block->touched;
        if (block->bytes <= HEAP_MAX)
            mem_free(block);
        else
            munmap(block, block->bytes);
        block = next;
    }
}

void cells_reset(struct cells *cells) {
    if (cells->open && atomic_fetch_sub(&cells->open->uses, 1) == 1) {
        cells->open->next = NULL;
        free_list(cells, cells->open);
    }
    free_list(cells, atomic_exchange(&cells->sealed, NULL));
    free_list(cells, cells->leaving);
    cells_init(cells, cells->stride);
}

static void *block_memory(size_t bytes) {
    if (bytes <= HEAP_MAX) return mem_aligned(KERNEL_ALIGN, bytes);
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

static struct cells_block *block_new(struct cells *cells, size_t n) {
    size_t head = sizeof(struct cells_block) + n * sizeof(struct cell);
    head = (head + KERNEL_ALIGN - 1) / KERNEL_ALIGN * KERNEL_ALIGN;
    size_t bytes = head + n * cells->stride;
    struct cells_block *block = block_memory(bytes);
    if (!block) return NULL;
    block->next = NULL;
    block->bytes = bytes;
    block->touched = head;
    block->n = (uint32_t)n;
    atomic_init(&block->uses, 1);
    for (size_t i = 0; i < n; i++) {
        void *vector = (char *)block + head + i * cells->stride;
        block->cells[i] = (struct cell){.vector = vector, .block = block};
    }
    cells->bytes += head;
    return block;
}

static void seal(struct cells *cells) {
    struct cells_block *block = cells->open;
    cells->open = NULL;
    cells->taken = cells->committed = 0;
    if (atomic_fetch_sub_explicit(&block->uses, 1, memory_order_acq_rel) > 1) return;
    block->next = atomic_load_explicit(&cells->sealed, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&cells->sealed, &block->next, block,
                                                  memory_order_release, memory_order_relaxed))
        continue;
}

enum status cells_reserve(struct cells *cells, size_t n) {
    assert(cells->taken == cells->committed);
    if (cells->open && cells->open->n - cells->taken >= n) return STATUS_OK;
    size_t fits = (cells->block_bytes - sizeof(struct cells_block) - KERNEL_ALIGN) /
                  (cells->stride + sizeof(struct cell));
    struct cells_block *block = block_new(cells, n > fits ? n : fits);
    if (!block) return STATUS_NO_MEMORY;
    if (cells->open) seal(cells);
    cells->open = block;
    if (cells->block_bytes < BLOCK_MAX) cells->block_bytes *= 2;
    return STATUS_OK;
}

struct cell *cells_take(struct cells *cells) {
    assert(cells->open && cells->taken < cells->open->n);
    return &cells->open->cells[cells->taken++];
}

void cells_commit(struct cells *cells) {
    uint32_t n = cells->taken - cells->committed;
    if (n == 0) return;
    atomic_fetch_add_explicit(&cells->open->uses, n, memory_order_relaxed);
    cells->open->touched += n * cells->stride;
    cells->bytes += n * cells->stride;
    cells->committed = cells->taken;
    if (cells->taken == cells->open->n) seal(cells);
}

void cells_undo(struct cells *cells) {
    cells->taken = cells->committed;
}

static void leave(struct cells *cells, struct cells_block *block, const struct epoch *epoch) {
    block->next = NULL;
    block->epoch = epoch_now(epoch);
    if (cells->leaving)
        cells->leaving_last->next = block;
    else
        cells->leaving = block;
    cells->leaving_last = block;
}

void cells_done(struct cells *cells, struct cell *cell, const struct epoch *epoch) {
    struct cells_block *block = cell->block;
    if (atomic_fetch_sub_explicit(&block->uses, 1, memory_order_acq_rel) == 1)
        leave(cells, block, epoch);
}

static void collect_sealed(struct cells *cells, const struct epoch *epoch) {
    if (!atomic_load_explicit(&cells->sealed, memory_order_relaxed)) return;
    struct cells_block *block =
        atomic_exchange_explicit(&cells->sealed, NULL, memory_order_acquire);
    while (block) {
        struct cells_block *next = block->next;
        leave(cells, block, epoch);
        block = next;
    }
}

bool cells_can_free(struct cells *cells, struct epoch *epoch) {
    collect_sealed(cells, epoch);
    return cells->leaving && epoch_passed(epoch, cells->leaving->epoch);
}

void cells_free(struct cells *cells, struct epoch *epoch) {
    while (cells_can_free(cells, epoch)) {
        struct cells_block *block = cells->leaving;
        cells->leaving = block->next;
        block->next = NULL;
        free_list(cells, block);
    }
}
