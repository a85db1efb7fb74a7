/* Spinning: how long, how often, and when not. */
#include <criterion/criterion.h>

#include "runtime/spin.h"

enum { LOOK_US = 5 };

/* Looks until it may not any more; how long it looked. */
static uint64_t spin_in_vain(struct spin *spin, uint64_t *now) {
    uint64_t began = *now;
    while (spin_again(spin, *now += LOOK_US)) {
    }
    return *now - began;
}

Test(spin, looks_for_its_time_and_then_sleeps) {
    struct spin spin = {0};
    uint64_t now = 1000000;
    cr_assert(spin_begin(&spin, now));
    cr_assert_eq(spin_in_vain(&spin, &now), SPIN_US);
}

Test(spin, each_miss_in_a_row_lets_more_chances_pass) {
    struct spin spin = {0};
    uint64_t now = 1000000;
    for (uint32_t miss = 1; miss <= SPIN_MISSES_MAX + 2; miss++) {
        cr_assert(spin_begin(&spin, now));
        spin_in_vain(&spin, &now);
        uint32_t passed = 0, power = miss < SPIN_MISSES_MAX ? miss : SPIN_MISSES_MAX;
        for (; !spin_begin(&spin, now); passed++)
            now += LOOK_US;
        cr_assert_eq(passed, (1u << power) - 1);
        spin.began_us = spin.looked_us = now;
    }
}

Test(spin, a_hit_ends_the_row_of_misses) {
    struct spin spin = {0};
    uint64_t now = 1000000;
    cr_assert(spin_begin(&spin, now));
    spin_in_vain(&spin, &now);
    while (!spin_begin(&spin, now))
        now += LOOK_US;
    spin_hit(&spin);
    cr_assert(spin_begin(&spin, now));
    spin_in_vain(&spin, &now);
    cr_assert(!spin_begin(&spin, now));
    cr_assert(spin_begin(&spin, now));
}

Test(spin, leaves_the_core_to_others_for_longer_than_they_took_it) {
    struct spin spin = {0};
    uint64_t now = 1000000, taken = 2 * SPIN_TAKEN_US;
    cr_assert(spin_begin(&spin, now));
    cr_assert(!spin_again(&spin, now += taken));
    cr_assert(!spin_begin(&spin, now + SPIN_AWAY * taken - 1));
    now += SPIN_AWAY * taken;
    cr_assert(!spin_begin(&spin, now)); /* it was a miss, too */
    cr_assert(spin_begin(&spin, now));
}
