/* move: an actor goes to another lane, with its state, its mailbox and all it waits for, under the
 * next incarnation (turn_move). What is addressed to the old one goes on being delivered, in order,
 * by the way of the lane it left, for MOVE_FORWARD_US after the last such message. Private to
 * runtime/. */
#ifndef RUNTIME_MOVE_H
#define RUNTIME_MOVE_H

#include "runtime/cell.h"
#include "runtime/turn.h"

enum {
    MOVE_WAITING_MAX = MAILBOX_MESSAGES, /* requests kept while the actor is between two lanes */
    MOVE_ANYWHERE = -1,                  /* cell.move_to: the next lane */
};
/* No call is open longer, so no answer comes later. */
#define MOVE_FORWARD_US CALL_MAX_US

/* cell->move_to is set, and no turn runs: leaves for that lane. False: it stays, move_to is 0. */
bool move_leave(struct cell *cell);
/* The lane it left for takes it. */
void move_arrive(struct lane *lane, struct parcel *parcel);
/* The turn in which the actor learns of it. */
void move_turn(struct cell *cell);
/* A forwarder's time may be over. */
void move_look(struct cell *cell);
/* Frees what is left of actors that moved on: the lane ends. */
void move_forget_all(struct lane *lane);

#endif
