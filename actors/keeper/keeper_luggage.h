/* keeper_luggage: what a keeper was opened with, and its ledger, for a recording of it. Blocks. */
#ifndef ACTORS_KEEPER_KEEPER_LUGGAGE_H
#define ACTORS_KEEPER_KEEPER_LUGGAGE_H

#include "actors/keeper/keeper.h"
#include "actors/luggage.h"

void keeper_luggage_pack(const struct keeper_options *options, struct luggage *luggage);
/* The options that are the keeper's own, borrowed from the message. */
void keeper_luggage_options(const LuggageKeeper *from, struct keeper_options *out);

#endif
