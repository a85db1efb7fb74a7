/* shed: the control law: the nth refusal comes interval / sqrt(n) after the one before it. */
#include "runtime/shed.h"

#include <math.h>

enum { RESUME_WITHIN = 16 /* intervals: shedding that comes back so soon goes on where it was */ };

static uint64_t law(uint64_t at_us, uint32_t count) {
    return at_us + (uint64_t)((double)SHED_INTERVAL_US / sqrt((double)count));
}

/* Whether all waited too long for an interval. */
static bool
stands(struct shed *shed, uint64_t target_us, uint64_t now_us, uint64_t queued_us, bool alone) {
    uint64_t waited = now_us > queued_us ? now_us - queued_us : 0;
    if (waited < target_us || alone) {
        shed->above_us = 0;
        return false;
    }
    if (shed->above_us == 0) {
        shed->above_us = now_us + SHED_INTERVAL_US;
        return false;
    }
    return now_us >= shed->above_us;
}

bool shed_refuses(
    struct shed *shed, uint64_t target_us, uint64_t now_us, uint64_t queued_us, bool alone) {
    if (!stands(shed, target_us, now_us, queued_us, alone)) {
        shed->shedding = false;
        return false;
    }
    if (shed->shedding) {
        if (now_us < shed->next_us) return false;
        shed->count++;
        shed->next_us = law(shed->next_us, shed->count);
        return true;
    }
    bool again = now_us < shed->next_us + (uint64_t)RESUME_WITHIN * SHED_INTERVAL_US;
    uint32_t more = shed->count - shed->last;
    shed->shedding = true;
    shed->count = again && more > 1 ? more : 1;
    shed->last = shed->count;
    shed->next_us = law(now_us, shed->count);
    return true;
}

uint32_t shed_retry_ms(const struct shed *shed) {
    return shed->shedding ? SHED_INTERVAL_US / 1000 : 0;
}
