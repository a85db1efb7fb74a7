/* tap: messages of one lane as they are handled, for somebody who looks on. A lane without taps
 * pays one branch a turn. A tap holds what it saw until it is drained, within TAP_HELD and
 * TAP_BYTES; what is beyond its rate or that is counted and skipped. Messages about looking on are
 * not looked at: sys and the quiet actors. On the lane. Private to runtime/. */
#ifndef RUNTIME_TAP_H
#define RUNTIME_TAP_H

#include "runtime/span.h"
#include "runtime/tale.h"
#include "runtime/turn_state.h"
#include "schemas/sys.pb-c.h"

enum {
    TAP_HELD = 512,                    /* messages of one tap between two drains */
    TAP_BYTES = 512 * 1024,            /* of their bodies */
    TAP_BODY_MAX = 64 * 1024,          /* a larger body is not taken */
    TAP_STEPS_BODY = 1536 * 1024,      /* the same of a tap with steps … */
    TAP_STEPS_BYTES = 8 * 1024 * 1024, /* … and of all it holds, with what was said */
    TAP_DISK_MB = 64,                  /* of an actor's disk, unless it is told otherwise */
    TAP_DISK_MB_MAX = 1024,
    TAPS_MAX = 16, /* a lane, and a process */
    TAP_PATTERN_MAX = 192,
};

/* What it lets through; everything that is set must match. */
struct tap_filter {
    char actor[TAP_PATTERN_MAX]; /* name, or its start with a trailing *; "": any */
    char kind[TAP_PATTERN_MAX];
    char from[TAP_PATTERN_MAX]; /* as actor */
    uint32_t op;                /* 0: any */
    uint64_t trace[2];          /* 0: any */
};
/* INVALID: why says which field. */
MUST_USE enum status
tap_filter_read(const SysTap *wanted, struct tap_filter *out, const char **why);

struct tapped {
    struct envelope envelope;
    actor_handle to; /* who handled it */
    uint8_t kind;    /* enum span_kind */
    uint64_t number; /* in the order of turns */
    uint64_t began_us, ran_us, waited_us, deadline_us;
    size_t size;
    void *body; /* owned; NULL: not taken */
    uint8_t outcome;
    /* With steps: */
    struct tale_told told;  /* owned */
    struct tale_sent *sent; /* owned */
    size_t n_sent;
    bool torn;
};

struct tap {
    struct tap *next; /* owned by the lane's reporter */
    struct tap_filter filter;
    uint32_t one_in;
    uint32_t per_second;
    bool bodies;
    bool steps; /* turns without a message too, and their tales */
    uint64_t matched;
    uint64_t skipped;
    uint64_t second; /* the one that is counted */
    uint32_t in_second;
    size_t bytes;
    uint64_t disk_max;  /* bytes; with steps */
    struct buffer disk; /* owned: of turn_keep; given away from disk_at on */
    size_t disk_at;
    char refused[256];
    bool kept; /* turn_keep was called */
    uint32_t n;
    struct tapped held[TAP_HELD];
};

/* NO_MEMORY; QUOTA: TAPS_MAX are on. */
MUST_USE enum status tap_on(struct lane *lane, const SysTap *wanted, struct tap **out);
void tap_off(struct lane *lane, struct tap *tap);
/* Forgets what is held. */
void tap_empty(struct tap *tap);
/* So much of its disk may the actor of the turn give to a tap with steps; 0: there is none. */
uint64_t tap_disk_max(const struct turn *turn);
/* A turn is over. Only while lane->taps. */
void tap_look(const struct turn *turn, uint64_t began_us, uint64_t ran_us);

#endif
