/* puppet: an actor that does what the test says: LogDrop goes to the act function it was spawned
 * with. */
#ifndef TESTS_UNIT_RUNTIME_PUPPET_H
#define TESTS_UNIT_RUNTIME_PUPPET_H

#include "runtime/sim/sim.h"
#include "schemas/log.pb-c.h"
#include "schemas/runtime.pb-c.h"

struct puppet;

struct strings {
    enum status (*act)(struct puppet *self, uint64_t what, struct turn *turn);
    enum status (*open)(struct puppet *self, struct turn *turn); /* may be NULL */
    void (*close)(struct puppet *self);                          /* may be NULL */
    void (*stop)(struct puppet *self, struct turn *turn);        /* of puppet_stopping_type */
};

enum { PUPPET_OWES_MAX = 16 };

struct puppet {
    const struct strings *strings;
    struct promise owed[PUPPET_OWES_MAX];
    size_t n_owed;
    actor_handle other;
    uint64_t call;
    uint64_t count;
};

extern const struct actor_type puppet_type;          /* on an I/O lane */
extern const struct actor_type puppet_small_type;    /* a mailbox of two messages or 1,000 bytes */
extern const struct actor_type puppet_light_type;    /* no ZeroMQ mailbox */
extern const struct actor_type puppet_stopping_type; /* with strings.stop */
extern const struct actor_type puppet_linkable_type; /* for actors of other processes too */

#define DO(what) MESSAGE(LogDrop, log_drop, .store = (what))

/* Notes how a call, monitor or lookup ended: "call: STATUS words". */
void puppet_note_outcome(void *self,
                         void *context,
                         const struct outcome *outcome,
                         struct turn *turn);
/* Calls `to` with DO(what) and a deadline from now; the outcome becomes a note. */
uint64_t puppet_ask(struct turn *turn, actor_handle to, uint64_t what, uint64_t timeout_us);
/* A child on these strings. */
actor_handle puppet_child(struct turn *turn,
                          const char *name,
                          const struct strings *strings,
                          enum restart restart,
                          uint32_t intensity);

#endif
