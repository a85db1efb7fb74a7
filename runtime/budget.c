/* budget: a short array of times, oldest first. */
#include "runtime/budget.h"

#include "runtime/memory.h"

void budget_init(struct budget *budget, uint32_t intensity, uint32_t period_s) {
    *budget = (struct budget){
        .intensity = intensity ? intensity : BUDGET_INTENSITY_DEFAULT,
        .period_us = (period_s ? period_s : BUDGET_PERIOD_DEFAULT_S) * UINT64_C(1000000),
    };
    if (budget->intensity > BUDGET_INTENSITY_MAX) budget->intensity = BUDGET_INTENSITY_MAX;
}

void budget_free(struct budget *budget) {
    mem_free(budget->times);
    budget->times = NULL;
    budget->n_times = 0;
}

/* After `recent` restarts within the period: half to one and a half of 10 ms, 20 ms, … 10 s. */
static uint64_t pause_after(uint32_t recent, struct rng *rng) {
    if (recent == 0) return 0;
    uint64_t us =
        recent > 10 ? BUDGET_PAUSE_MAX_US : (uint64_t)BUDGET_PAUSE_FIRST_US << (recent - 1);
    if (us > BUDGET_PAUSE_MAX_US) us = BUDGET_PAUSE_MAX_US;
    return us / 2 + rng_below(rng, us);
}

bool budget_spend(struct budget *budget, uint64_t now_us, struct rng *rng, uint64_t *pause_us) {
    if (!budget->times) budget->times = mem_zero(budget->intensity, sizeof *budget->times);
    if (!budget->times) return false;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < budget->n_times; i++)
        if (now_us - budget->times[i] < budget->period_us) budget->times[kept++] = budget->times[i];
    budget->n_times = kept;
    if (kept >= budget->intensity) return false;
    budget->times[budget->n_times++] = now_us;
    *pause_us = pause_after(kept, rng);
    return true;
}

uint32_t budget_spent(const struct budget *budget, uint64_t now_us) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < budget->n_times; i++)
        n += now_us - budget->times[i] < budget->period_us;
    return n;
}
