/* assert: the last words of a process, with what its thread was doing. */
#include "runtime/assert.h"

#include <stdlib.h>

#include "runtime/codec.h"
#include "runtime/log.h"
#include "runtime/turn_state.h"

static _Thread_local const struct lane *here;

void assert_lane(const struct lane *lane) {
    here = lane;
}

const struct lane *assert_lane_here(void) {
    return here;
}

void assert_failed(const char *expression, const char *file, int line) {
    if (here && here->turn) {
        char name[CELL_NAME_MAX];
        const struct turn *turn = here->turn;
        const ProtobufCMessageDescriptor *type = codec_find(turn->op);
        log_error("%s:%d: assertion failed: %s (actor %s, message %s, turn %" PRIu64 ")", file,
                  line, expression, cell_name(turn->cell, name), type ? type->name : "none",
                  here->turns);
    } else {
        log_error("%s:%d: assertion failed: %s", file, line, expression);
    }
    abort();
}
