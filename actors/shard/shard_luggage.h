/* shard_luggage: what a shard had on its disk when its life began, for a recording of it: options,
 * log, points, index file. Blocks. */
#ifndef ACTORS_SHARD_SHARD_LUGGAGE_H
#define ACTORS_SHARD_SHARD_LUGGAGE_H

#include "actors/luggage.h"
#include "actors/shard/shard.h"

/* points: the store that has them. */
void shard_luggage_pack(const struct shard_options *options,
                        uint64_t points,
                        struct luggage *luggage);
/* The options that are the shard's own: stores, shelf and folder are whoever's who opens it. False:
 * they do not make sense. */
MUST_USE bool shard_luggage_options(const LuggageShard *from, struct shard_options *out);

#endif
