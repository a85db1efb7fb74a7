/* budget: how often something may be restarted: `intensity` times within a period, at once the
 * first time and then after a pause that doubles (OTP's intensity and period; the pause is ours).
 * One lane's thread. */
#ifndef RUNTIME_BUDGET_H
#define RUNTIME_BUDGET_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/rng.h"

enum {
    BUDGET_INTENSITY_DEFAULT = 1,
    BUDGET_INTENSITY_MAX = 1000,
    BUDGET_PERIOD_DEFAULT_S = 5,
    BUDGET_PAUSE_FIRST_US = 10 * 1000, /* before the second restart of a period */
    BUDGET_PAUSE_MAX_US = 10 * 1000 * 1000,
};

struct budget {
    uint32_t intensity;
    uint64_t period_us;
    uint64_t *times; /* owned: when the last ones were; made with the first */
    uint32_t n_times;
};

/* 0 = the defaults; an intensity beyond BUDGET_INTENSITY_MAX is cut. */
void budget_init(struct budget *budget, uint32_t intensity, uint32_t period_s);
void budget_free(struct budget *budget);
/* Records a restart now. False: it is one too many within the period (or there is no memory to
 * count it). *pause_us: how long to wait before it. */
bool budget_spend(struct budget *budget, uint64_t now_us, struct rng *rng, uint64_t *pause_us);

/* Restarts within the period that ends now. */
uint32_t budget_spent(const struct budget *budget, uint64_t now_us);

#endif
