/* fuzz_recording: a recording of anybody, played to a router as far as it goes. */
#include <stdint.h>
#include <string.h>

#include "actors/router/router.h"
#include "runtime/assert.h"
#include "runtime/sim/replay.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const struct router_options router = {.pd = ""};
    static const struct replay_options options = {.type = &router_type, .options = &router};
    static struct replay_result result;
    enum status s = sim_replay(&options, data, size, &result);
    assert(s != STATUS_OK || result.same != (*result.difference || result.missing));
    assert(s == STATUS_OK || *result.difference || s == STATUS_TOO_LARGE);
    return 0;
}
