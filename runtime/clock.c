/* clock: the counter's rate is learned from two readings of the kernel's clock at least
 * CLOCK_LEARN_US apart, once for all clocks of the process; from then on the kernel is asked every
 * CLOCK_REACH_US, so an error of the rate of 10^-4 stays below a microsecond. */
#include "runtime/clock.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { CLOCK_LEARN_US = 20 * 1000, CLOCK_REACH_US = 2000 };

/* per_tick of whoever learned it first; 0: nobody yet. */
static _Atomic uint64_t learned;

uint64_t clock_kernel_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

#if defined __x86_64__
/* The kernel uses the counter only when it found it steady on all cores. */
static bool counter_is_steady(void) {
    char name[16] = "";
    FILE *file = fopen("/sys/devices/system/clocksource/clocksource0/current_clocksource", "r");
    if (!file) return false;
    if (!fgets(name, sizeof name, file)) name[0] = '\0';
    fclose(file);
    return strcmp(name, "tsc\n") == 0;
}
#else
static bool counter_is_steady(void) {
    return false;
}
#endif

void clock_init(struct clock *clock) {
    *clock = (struct clock){0};
    clock->first_us = clock->anchor_us = clock->last_us = clock_kernel_us();
    clock->first = clock->anchor = counter_is_steady() ? clock_counter() : 0;
}

/* The rate since the first reading; 0: too early to tell. */
static uint64_t learn(const struct clock *clock) {
    uint64_t us = clock->anchor_us - clock->first_us, ticks = clock->anchor - clock->first;
    if (us < CLOCK_LEARN_US || ticks <= us) return 0;
    return (uint64_t)((double)us / (double)ticks * (double)(UINT64_C(1) << CLOCK_SHIFT));
}

/* Asks the kernel, and learns. */
static uint64_t anchor(struct clock *clock) {
    clock->anchor_us = clock_kernel_us();
    if (clock->first == 0) return clock->anchor_us;
    clock->anchor = clock_counter();
    if (clock->per_tick) return clock->anchor_us;
    uint64_t rate = atomic_load_explicit(&learned, memory_order_relaxed);
    if (!rate) rate = learn(clock);
    if (!rate) return clock->anchor_us;
    atomic_store_explicit(&learned, rate, memory_order_relaxed);
    clock->per_tick = rate;
    clock->reach = (UINT64_C(1) << CLOCK_SHIFT) / rate * CLOCK_REACH_US;
    return clock->anchor_us;
}

uint64_t clock_read_kernel(struct clock *clock) {
    uint64_t now = anchor(clock);
    if (now > clock->last_us) clock->last_us = now;
    return clock->last_us;
}
