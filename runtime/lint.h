/* lint: once a second, what is wrong with the actors of a lane, raised as alarms that end by
 * themselves: mailbox_growing, slow_handler, expired, retry_storm, restart_budget. Component actors
 * only: light ones share their counters. On the lane. Private to runtime/. */
#ifndef RUNTIME_LINT_H
#define RUNTIME_LINT_H

#include <stdint.h>

struct lane;

enum {
    LINT_EVERY_US = 1000 * 1000,
    LINT_LOOKS = 10,     /* so many looks in a row make a mailbox that grows */
    LINT_WINDOW = 10,    /* looks that shares are taken over */
    LINT_CALM = 10,      /* looks without a slow handler end its alarm */
    LINT_DEPTH_MIN = 16, /* fewer waiting messages never are too many */
    LINT_OLDEST_US = 10 * 1000 * 1000,
    LINT_RECEIVED_MIN = 100, /* before a share of them means anything */
    LINT_REFUSED_MIN = 1000, /* in a window: callers that try again and again */
    LINT_ACTORS_MAX = 4096,  /* of a lane that are looked at */
};

/* What is remembered of an actor between two looks; part of its counters. */
struct lint {
    uint32_t depth; /* at the last look */
    uint8_t grew;   /* looks in a row */
    uint8_t calm;
    uint8_t looks;                       /* in this window */
    uint8_t raised;                      /* bits of lint.c */
    uint64_t received, expired, dropped; /* when the window began */
    uint32_t slow;    /* turns longer than LANE_SLOW_US since the last look … */
    uint32_t slow_op; /* … the longest one's message */
    uint64_t slow_us;
};

/* Looks at the lane's actors. */
void lint_lane(struct lane *lane);

#endif
