/* trace: the lines of what actors do (runtime/sim/sim.h has the format). Costs one branch when
 * nobody reads. Private to runtime/. */
#ifndef RUNTIME_TRACE_H
#define RUNTIME_TRACE_H

#include "runtime/cell.h"

static inline bool trace_on(const struct cell *cell) {
    return __builtin_expect(cell->core->tracing, 0) && !cell->kind->type->quiet;
}
/* "name SIGN message" */
void trace_message(const struct cell *cell, char sign, const ProtobufCMessage *message);
/* "name SIGN words" */
void trace_words(const struct cell *cell, char sign, const char *format, ...) PRINTF(3, 4);
/* "name * words": an event of the actor's life, told whether tracing is on or not. */
void trace_life(const struct cell *cell, const char *format, ...) PRINTF(2, 3);
/* "name x Message: REASON": a message that was not delivered. */
void trace_dead(const struct cell *cell, uint32_t op, enum status reason);

#endif
