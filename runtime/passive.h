/* passive: light actors that put their state away when they are idle (actor_type.idle_us), and take
 * it up with the next message. The cell stays: handle, name, counters, monitors, links; what goes
 * is the state and what it owned, but for what passivate wrote down. On the actor's lane. Private
 * to runtime/. */
#ifndef RUNTIME_PASSIVE_H
#define RUNTIME_PASSIVE_H

#include "runtime/buffer.h"
#include "runtime/cell.h"

struct passive {
    uint64_t used_us;   /* end of its last batch of turns */
    struct buffer kept; /* what passivate wrote, while asleep */
};

/* Whether actors of this type can be put away. */
bool passive_type(const struct actor_type *type);
/* The actor opened: it is looked at when it may have been idle. */
void passive_watch(struct cell *cell);
/* That moment: puts the state away, or looks again later. The cell stays valid. */
void passive_look(struct cell *cell);
/* Fills cell->state again, in the turn given. */
MUST_USE enum status passive_wake(struct cell *cell, struct turn *turn);
/* Forgets what was kept: the life is over. NULL state is fine. */
void passive_forget(struct cell *cell);

#endif
