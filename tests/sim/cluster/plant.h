/* plant: bugs that are planted to judge the judge: each is a call of the product that the linker
 * hands to us (--wrap, tests/sim/CMakeLists.txt), which does wrong when it is told to. Nothing of
 * it is in the product. */
#ifndef TESTS_SIM_CLUSTER_PLANT_H
#define TESTS_SIM_CLUSTER_PLANT_H

#include <stdbool.h>
#include <stdint.h>

struct plant {
    const char *name;
    const char *words;
    const char *profile; /* under which it must be found … */
    uint32_t seconds;    /* … with so many seconds of faults */
};
/* The nth; NULL: there are no more. */
const struct plant *plant_nth(uint32_t n);
/* From now on in this process. False: there is no such bug. */
bool plant_choose(const char *name);

#endif
