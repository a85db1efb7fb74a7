#include <criterion/criterion.h>
#include <math.h>

#include "runtime/floats.h"

enum { MOST = 33, SHIFTS = 4 };

/* At any length, at any address, whichever of them is bad. */
Test(floats, one_that_is_not_finite_is_seen_wherever_it_is) {
    static const float bad[] = {NAN, INFINITY, -INFINITY};
    unsigned char bytes[(MOST + 1) * sizeof(float)];
    for (size_t n = 0; n <= MOST; n++)
        for (size_t shift = 0; shift < SHIFTS; shift++) {
            float floats[MOST];
            for (size_t i = 0; i < MOST; i++)
                floats[i] = i % 3 ? -3.4e38F : 1e-45F;
            memcpy(bytes + shift, floats, n * sizeof(float));
            cr_assert(floats_finite(bytes + shift, n), "%zu", n);
            for (size_t i = 0; i < n; i++) {
                memcpy(bytes + shift, floats, n * sizeof(float));
                memcpy(bytes + shift + i * sizeof(float), &bad[i % 3], sizeof(float));
                cr_assert_not(floats_finite(bytes + shift, n), "%zu of %zu", i, n);
            }
        }
    cr_assert(floats_finite(NULL, 0));
}
