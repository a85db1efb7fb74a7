/* history: what the clients of a simulated cluster asked for and were told, key by key, and the
 * judge of it.
 *
 * Every key is a register. A put writes a value that nobody else ever writes, a delete writes
 * ABSENT; gets and searches read it. An operation that failed may have happened at any time since,
 * or never. */
#ifndef TESTS_SIM_CLUSTER_HISTORY_H
#define TESTS_SIM_CLUSTER_HISTORY_H

#include <stdbool.h>
#include <stdint.h>

enum {
    ABSENT = 0,
    DEEDS_MAX = 480, /* of one key: the judge's set of them is a few words */
    DEEDS_RETIRE = 300,
    UNSURE_RETIRE = 4, /* deletes of unknown fate: each doubles what the judge must think of */
    KEYS_MAX = 400,
};
#define NEVER UINT64_MAX

/* As in schemas/public. */
enum level { LEVEL_DEFAULT, LEVEL_LINEARIZABLE, LEVEL_SESSION, LEVEL_BOUNDED, LEVEL_EVENTUAL };

enum act { ACT_PUT, ACT_DELETE, ACT_READ };

struct deed {
    enum act act;
    uint32_t client;
    uint32_t value;     /* written, or read; ABSENT: no such point */
    enum level level;   /* of a read; never LEVEL_DEFAULT */
    uint64_t invoke_us; /* asked */
    uint64_t return_us; /* answered; NEVER: nobody knows whether it happened */
    /* Of a read: it must see what its client was told within this time … */
    uint64_t session_from_us;
    uint64_t session_to_us;
    uint64_t staleness_us; /* … and what anybody was told so long before it, with LEVEL_BOUNDED */
};

struct key {
    uint32_t n;
    uint32_t n_unsure; /* deletes */
    bool plain;        /* a value is written more than once */
    struct deed deeds[DEEDS_MAX];
};

struct history {
    uint32_t n_keys;
    uint32_t next_value;
    uint64_t n_deeds;
    struct key keys[KEYS_MAX];
};

/* NULL: the key has enough, use another. */
struct deed *history_add(struct history *history, uint32_t key, const struct deed *deed);
/* Whether clients should leave the key alone from now on. */
bool history_full(const struct history *history, uint32_t key);

enum verdict { VERDICT_HOLDS, VERDICT_BROKEN, VERDICT_UNKNOWN };
/* Is there one order of all writes and linearizable reads of the key that explains them? UNKNOWN:
 * too many orders to look at. */
enum verdict judge_order(const struct key *key);
/* The other reads: what was never written, what was overwritten before the level allows. NULL: all
 * fine, else words, valid until the next call. */
const char *judge_levels(const struct key *key);

/* One line a deed, in the order of asking. */
void history_print(const struct key *key, uint32_t number);

#endif
