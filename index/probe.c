/* probe: its memory grows with the longest query it has had. */
#include "index/probe.h"

#include "runtime/memory.h"
#include "runtime/poison.h"

void probe_init(struct probe *probe) {
    *probe = (struct probe){0};
}

void probe_reset(struct probe *probe) {
    mem_free(probe->floats);
    mem_free(probe->units);
    mem_free(probe->codes);
    mem_free(probe->bits.planes);
    probe_init(probe);
}

enum status probe_set(struct probe *probe, const struct metric *metric, const void *vector) {
    size_t n = (metric->dimension + KERNEL_CODES - 1) / KERNEL_CODES * KERNEL_CODES;
    if (n > probe->room) {
        probe_reset(probe);
        probe->floats = mem_aligned(KERNEL_ALIGN, n * sizeof *probe->floats);
        probe->units = mem_aligned(KERNEL_ALIGN, n * sizeof *probe->units + PROBE_BEHIND);
        probe->codes = mem_aligned(KERNEL_ALIGN, n + PROBE_BEHIND);
        probe->bits.planes = mem_aligned(KERNEL_ALIGN, KERNEL_PLANES * n / 8);
        if (!probe->floats || !probe->units || !probe->codes || !probe->bits.planes) {
            probe_reset(probe);
            return STATUS_NO_MEMORY;
        }
        probe->room = n;
    }
    metric_prepare(metric, vector, probe->floats);
    return STATUS_OK;
}
