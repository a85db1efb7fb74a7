/* rebuff: connections that were not to be: who, why, how often. ZeroMQ says nothing about a wrong
 * key or a missing one (runtime.md 5.11), so the link keeps this list of them, and tells of each,
 * now and then. Bounded: the one that is longest ago makes room. */
#ifndef RUNTIME_REBUFF_H
#define RUNTIME_REBUFF_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/buffer.h"
#include "runtime/endpoint.h"

enum rebuff_cause {
    REBUFF_KEY,       /* the connecting side's key is not allowed by the listening one */
    REBUFF_MECHANISM, /* one side speaks CURVE, the other does not */
    REBUFF_CRYPTO,    /* the connecting side expects another key there */
    REBUFF_BROKEN,    /* the handshake was cut short */
    REBUFF_UNKNOWN,   /* no key of the node in the address is known here */
    REBUFF_OPEN,      /* we do not go beyond this machine without keys */
    REBUFF_CAUSES,
};

enum {
    REBUFFS_MAX = 64,
    REBUFF_TELL_US = 30 * 1000 * 1000, /* one row is told of that often */
    REBUFFS_TOLD_MAX = 16,             /* and all of them together, in that time */
};

struct rebuff {
    bool incoming;
    char address[ENDPOINT_MAX + 1]; /* where we connected to; of whom, as far as it is known */
    char key[KEY_TEXT + 1];         /* the peer's, when it was seen */
    enum rebuff_cause cause;
    bool curve; /* what this side spoke */
    uint64_t count;
    uint64_t last_us;
    uint64_t told_us; /* 0: never */
};

struct rebuffs {
    struct rebuff rows[REBUFFS_MAX];
    unsigned n;
    uint64_t incoming; /* all that ever were */
    uint64_t outgoing;
    uint64_t window_us; /* since when `told` counts */
    unsigned told;
};

/* Counts it with those of the same kind: `what` is incoming, address, key, cause and curve. The row
 * when people should be told of it now; else NULL. */
const struct rebuff *
rebuffs_add(struct rebuffs *rebuffs, const struct rebuff *what, uint64_t now_us);
/* The newest of this direction (and address, unless NULL); NULL: none. */
const struct rebuff *
rebuffs_last(const struct rebuffs *rebuffs, bool incoming, const char *address);

/* How many there were, of the rows that are kept. */
uint64_t rebuffs_count(const struct rebuffs *rebuffs, bool incoming, const char *address);

const char *rebuff_cause_name(enum rebuff_cause cause);
/* What happened and what to do. keyring: who we are; may be NULL. */
void rebuff_words(const struct rebuff *rebuff, const struct keyring *keyring, struct buffer *out);

#endif
