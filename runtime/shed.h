/* shed: CoDel for a mailbox (Nichols and Jacobson, "Controlling Queue Delay", ACM Queue 10(5),
 * 2012, figure 3). A queue that is never short of `target_us` for a whole interval does not absorb
 * a burst, it only adds delay; then requests are refused, more and more often, until the oldest
 * waits less than the target again. Opt-in by actor_type.shed_us. One lane's thread. */
#ifndef RUNTIME_SHED_H
#define RUNTIME_SHED_H

#include <stdbool.h>
#include <stdint.h>

enum { SHED_INTERVAL_US = 100 * 1000 };

struct shed {
    uint64_t above_us; /* when the interval in which all waited too long is over; 0 = none runs */
    uint64_t next_us;  /* when the next one is refused, while shedding */
    uint32_t count;    /* refused since shedding began */
    uint32_t last;     /* count when it began last */
    bool shedding;
};

/* Whether to refuse the request that leaves the queue now, having waited since queued_us. `alone`:
 * nothing waits behind it, so there is no queue to shorten. */
bool shed_refuses(
    struct shed *shed, uint64_t target_us, uint64_t now_us, uint64_t queued_us, bool alone);
/* How long a refused one should stay away: until the queue can have recovered. */
uint32_t shed_retry_ms(const struct shed *shed);

#endif
