/* group: the children of one supervisor that share a restart strategy and a budget (turn_supervise,
 * OTP's one_for_one, one_for_all, rest_for_one). A child of a group does not restart by itself: it
 * ends its life, keeps its name and slot, takes in messages for its next one, and is *held* until
 * the supervisor lets it open again.
 *
 *     child fails ─▶ FELL ─▶ the set is marked ─▶ HOLD, the last spawned first, one at a time
 *                  ─▶ a pause (backoff) ─▶ RESUME, the first spawned first, each after the one
 *                     before it opened
 *
 * On the supervisor's lane. Private to runtime/. */
#ifndef RUNTIME_GROUP_H
#define RUNTIME_GROUP_H

#include "runtime/cell.h"

struct group {
    enum strategy strategy;
    struct budget budget;
    uint64_t resume_us; /* not before */
    bool pausing;       /* a WAIT_GROUP is there */
};

/* Makes the cell a supervisor with this policy; replaces an older one. NO_MEMORY. */
MUST_USE enum status group_open(struct cell *cell, const struct policy *policy);
/* Fine without one. */
void group_close(struct cell *cell);
/* What a child of the group says. GROUP_FELL: it failed, and is held; reason and words of that. */
enum group_news { GROUP_FELL, GROUP_HELD, GROUP_RESUMED };
struct group_event {
    enum group_news news;
    actor_handle child; /* as it was spawned */
    enum status reason;
    const char *words;
};
void group_tell(struct cell *cell, const struct group_event *event);
/* The next step of a restart, if one is under way; fine without a group. */
void group_step(struct cell *cell);

#endif
