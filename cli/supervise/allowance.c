/* allowance: see the header. */
#include "cli/supervise/allowance.h"

#include <string.h>

uint32_t allowance_spent(struct allowance *allowance,
                         const struct cluster_process *process,
                         uint64_t now_us) {
    uint64_t period_us = (uint64_t)process->period_ms * 1000;
    uint32_t old = 0;
    while (old < allowance->n && now_us - allowance->spent_us[old] >= period_us)
        old++;
    allowance->n -= old;
    memmove(allowance->spent_us, allowance->spent_us + old,
            allowance->n * sizeof allowance->spent_us[0]);
    return allowance->n;
}

bool allowance_spend(struct allowance *allowance,
                     const struct cluster_process *process,
                     uint64_t now_us,
                     uint64_t random,
                     uint64_t *delay_us) {
    uint32_t spent = allowance_spent(allowance, process, now_us);
    if (spent >= process->intensity) return false;
    uint64_t most_us = (uint64_t)process->backoff_max_ms * 1000, wait_us = 0;
    if (spent > 0) {
        wait_us = (uint64_t)process->backoff_ms * 1000;
        for (uint32_t i = 1; i < spent && wait_us < most_us; i++)
            wait_us *= 2;
        if (wait_us > most_us) wait_us = most_us;
        wait_us = wait_us / 2 + random % (wait_us / 2 + 1);
    }
    allowance->spent_us[allowance->n++] = now_us;
    *delay_us = wait_us;
    return true;
}
