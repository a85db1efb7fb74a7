/* clock: monotonic microseconds for one thread, cheap enough to read after every message: the
 * processor's time stamp counter between readings of the kernel's clock, where it is steady; else
 * the kernel's clock itself. */
#ifndef RUNTIME_CLOCK_H
#define RUNTIME_CLOCK_H

#include <stdint.h>

struct clock {
    uint64_t anchor_us; /* the kernel's clock when it was last read … */
    uint64_t anchor;    /* … and the counter */
    uint64_t last_us;   /* what was told: never goes back */
    uint64_t per_tick;  /* microseconds << CLOCK_SHIFT in one tick; 0 = not known yet */
    uint64_t reach;     /* ticks after which the kernel is asked again; 0: always */
    uint64_t first_us;  /* of the first reading, for per_tick */
    uint64_t first;
};
enum { CLOCK_SHIFT = 40 };

/* The kernel's clock. Any thread. */
uint64_t clock_kernel_us(void);
void clock_init(struct clock *clock);
/* clock_read where the kernel has to be asked. */
uint64_t clock_read_kernel(struct clock *clock);

static inline uint64_t clock_counter(void) {
#if defined __x86_64__
    return __builtin_ia32_rdtsc();
#else
    return 0;
#endif
}

/* On the kernel's scale, within some microseconds of it. Inline: after every message. */
static inline uint64_t clock_read(struct clock *clock) {
    uint64_t ticks = clock->reach ? clock_counter() - clock->anchor : 0;
    if (ticks >= clock->reach) return clock_read_kernel(clock);
    uint64_t now = clock->anchor_us + (ticks * clock->per_tick >> CLOCK_SHIFT);
    if (now > clock->last_us) clock->last_us = now;
    return clock->last_us;
}

#endif
