/* allowance: how often a process may be restarted, and how soon. The first restart in a period
 * comes at once, the next ones after a backoff that doubles, with jitter so that processes that
 * died together do not come back together. Pure: time and randomness are given. */
#ifndef CLI_SUPERVISE_ALLOWANCE_H
#define CLI_SUPERVISE_ALLOWANCE_H

#include <stdbool.h>
#include <stdint.h>

#include "cli/supervise/cluster.h"

struct allowance {
    uint64_t spent_us[CLUSTER_INTENSITY_MAX]; /* when, the oldest first */
    uint32_t n;
};

/* One restart more; false: there were `intensity` of them within the period. */
bool allowance_spend(struct allowance *allowance,
                     const struct cluster_process *process,
                     uint64_t now_us,
                     uint64_t random,
                     uint64_t *delay_us);
/* Restarts within the period that ends now. */
uint32_t allowance_spent(struct allowance *allowance,
                         const struct cluster_process *process,
                         uint64_t now_us);

#endif
