/* collector: the actor "traces" of a process. Drains the rings of all lanes, keeps what traces.h
 * says, tells processes that took part to keep theirs, hands kept spans to an actor "exporter" when
 * there is one, and answers
 *
 *     SysAskTraces ─▶ SysTraces          SysRecord ─▶ SysTrace …, Done
 *     SysAskTrace  ─▶ SysTrace           SysKeepTrace ─▶ Done
 *
 * Lives on the first lane. */
#ifndef RUNTIME_COLLECTOR_H
#define RUNTIME_COLLECTOR_H

#include <stdatomic.h>

#include "runtime/actor.h"

struct collector_options {
    uint64_t slow_us;    /* traces.h */
    uint32_t period_min; /* us between two drains while much is recorded; 0: only when asked (the
                            simulator) */
    uint32_t period_max; /* and while nothing is */
};

/* What sys reports; any thread. */
struct collector_counts {
    _Atomic uint64_t spans_lost; /* overwritten, or no room for them */
    _Atomic uint64_t exported;
    _Atomic uint64_t export_lost;
};

/* options: a struct collector_options, borrowed. */
extern const struct actor_type collector_type;

#endif
