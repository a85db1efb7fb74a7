/* tally: a round of questions to the voters of a shard, for linearizable gets that began before it:
 * does one of them know a later term than the leader that answered? Part of the router. */
#ifndef ACTORS_ROUTER_TALLY_H
#define ACTORS_ROUTER_TALLY_H

#include <stdbool.h>

#include "runtime/status.h"
#include "schemas/shard.pb-c.h"

struct hub;
struct target;
struct turn;
struct tally;
struct tally_waiter {
    struct tally_waiter *next;
    bool waiting;
    void (*told)(struct hub *self, void *context, struct turn *turn);
    void *context;
};
/* The voters are asked from now on, for a counting get that begins in this turn. NULL: too few of
 * them are known, the leader is to ask. */
struct tally *tally_join(struct hub *self, struct target *target, struct turn *turn);
void tally_drop(struct hub *self, struct tally *tally);
/* May the leader's answer be believed? FALLS: it never will by this tally. */
enum tally_verdict { TALLY_STANDS, TALLY_OPEN, TALLY_FALLS };
/* What a replica said: the newest term it knew. */
struct tally_stand {
    uint64_t replica, term;
};
/* complete: nobody else will say anything. */
MUST_USE enum tally_verdict tally_count(const ShardPoint *point,
                                        const struct tally_stand *stands,
                                        uint32_t n_stands,
                                        bool complete);
MUST_USE enum tally_verdict tally_judge(const struct tally *tally, const ShardPoint *point);
/* Told once, when it may have another verdict. */
void tally_wait(struct tally *tally, struct tally_waiter *waiter);
/* At the end of the actor, after its requests. */
void tallies_free(struct hub *self);

#endif
