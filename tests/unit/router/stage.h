/* stage: a router among replicas that play a part: each answers as it is told, as late as it is
 * told. Node 1 has the router and a placement driver that routes collection "docs" to one shard;
 * nodes 2 to 4 have a voter each, node 5 a learner of a search-only worker. */
#ifndef TESTS_UNIT_ROUTER_STAGE_H
#define TESTS_UNIT_ROUTER_STAGE_H

#include "actors/router/router.h"
#include "runtime/sim/sim.h"
#include "schemas/router.pb-c.h"
#include "schemas/shard.pb-c.h"

enum {
    MS = 1000,
    SECOND = 1000 * MS,
    VOTERS = 3,
    REPLICAS = 4,
    LEARNER = 3,
    SEQUENCES_MAX = 4096,
};

/* What a replica does: the test changes it as it likes. */
struct part {
    enum status status; /* of its answers; OK: it answers */
    char words[64];     /* of a refusal */
    uint32_t refusals;  /* so often it is BUSY first */
    uint64_t delay_us;
    uint64_t epoch;                  /* other ones are stale; 0: any will do */
    uint32_t searches, gets, writes; /* asked for */
    uint32_t cancelled;              /* of those that were delayed */
    uint32_t level;                  /* of the last read, as the next two */
    uint64_t session_index;
    uint32_t max_staleness_ms;
    uint64_t sequences[SEQUENCES_MAX]; /* of writes, as they came */
};

struct stage {
    struct sim *sim;
    struct part parts[REPLICAS];
    uint64_t epoch;  /* that the placement driver routes with */
    uint64_t leader; /* it names, by node; 0: it knows of none */
    uint32_t routes; /* asked for */
    uint64_t index;  /* of the last write */
};
extern struct stage stage;

/* options->pd is filled in. */
void stage_open(uint64_t seed, const struct router_options *options);
void stage_close(void);
const char *stage_link(uint32_t replica);
/* The words with which others refuse when that one leads. */
void stage_leads(uint32_t replica);

enum status stage_put(const char *id);
enum status stage_get(uint32_t consistency);
enum status stage_search(uint32_t consistency);
/* n searches at once, one a millisecond; how many were answered with a hit each, once. */
uint32_t stage_searches(uint32_t n);
uint32_t stage_asked(void); /* searches that reached any replica */

#endif
