/* bond: a link between two actors (turn_link): whoever ends first takes the other along, unless it
 * ended normally or the other traps exits. Both hold a record of it, struct watcher with `link`
 * set; it belongs to one life of both. Not to be mixed up with the link between two processes
 * (runtime/link.h). On the actor's lane. Private to runtime/. */
#ifndef RUNTIME_BOND_H
#define RUNTIME_BOND_H

#include "runtime/cell.h"

/* Takes a PARCEL_LINK, PARCEL_UNLINK or PARCEL_EXIT for this actor. */
void bond_take(struct cell *cell, struct parcel *parcel);
/* A turn of the actor that traps exits; it has asked for the parcel (taken) by turn_trap_exits. */
void bond_turn(struct cell *cell, struct parcel *parcel);
/* The process of the other one is lost. */
void bond_lost(struct cell *cell, actor_handle other);

#endif
