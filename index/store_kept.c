/* store_kept: vectors kept whole beside their codes, those far beyond the bound or all. */
#include <string.h>

#include "index/store.h"
#include "runtime/memory.h"
#include "runtime/poison.h"

const float *store_kept(const struct store *store, uint32_t slot) {
    if (atomic_load_explicit(&store->n_kept, memory_order_acquire) == 0) return NULL;
    store_whole_vector *at = slots_at(&store->kept, slot);
    return atomic_load_explicit(at, memory_order_acquire);
}

enum status store_keep(struct store *store, uint32_t slot, const float *prepared) {
    store_whole_vector *at = slots_at(&store->kept, slot);
    size_t bytes = store->metric.n_floats * sizeof(float);
    float *vector = mem_aligned(KERNEL_ALIGN, bytes);
    if (!vector) return STATUS_NO_MEMORY;
    store_forget(store, slot);
    memcpy(vector, prepared, bytes);
    atomic_store_explicit(at, vector, memory_order_release);
    atomic_fetch_add_explicit(&store->n_kept, 1, memory_order_release);
    if (store->kept_end <= slot) store->kept_end = slot + 1;
    return STATUS_OK;
}

void store_forget(struct store *store, uint32_t slot) {
    if (slot >= store->kept_end) return;
    store_whole_vector *at = slots_at(&store->kept, slot);
    float *vector = atomic_load_explicit(at, memory_order_relaxed);
    if (!vector) return;
    atomic_store_explicit(at, NULL, memory_order_relaxed);
    atomic_fetch_sub_explicit(&store->n_kept, 1, memory_order_relaxed);
    mem_free(vector);
}
