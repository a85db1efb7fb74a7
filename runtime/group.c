/* group: a restart is a state of the children, not a script: `wanted` is to be held and opened
 * again, `held` is, `asked` has been told to and did not answer yet. Each answer takes one step
 * towards the state where nothing is wanted, so failures that come meanwhile only mark more. */
#include "runtime/group.h"

#include <stdio.h>

#include "runtime/memory.h"
#include "runtime/trace.h"

enum { WORDS_MAX = 512 };

enum status group_open(struct cell *cell, const struct policy *policy) {
    if (!cell->group) cell->group = mem_zero(1, sizeof *cell->group);
    if (!cell->group) return STATUS_NO_MEMORY;
    cell->group->strategy = policy->strategy;
    budget_free(&cell->group->budget);
    budget_init(&cell->group->budget, policy->intensity, policy->period_s);
    return STATUS_OK;
}

void group_close(struct cell *cell) {
    if (!cell->group) return;
    budget_free(&cell->group->budget);
    mem_free(cell->group);
    cell->group = NULL;
}

/* Whom this one's failure concerns. The list has the last spawned first. */
static void mark(struct cell *cell, struct child *fallen) {
    enum strategy strategy = cell->group->strategy;
    bool concerned = strategy != ONE_FOR_ONE;
    for (struct child *child = cell->children; child; child = child->next) {
        if (child->grouped && (concerned || child == fallen)) child->wanted = true;
        if (child == fallen && strategy == REST_FOR_ONE) concerned = false;
    }
}

static void ask(struct cell *cell, struct child *child, enum parcel_kind kind) {
    child->asked = true;
    core_send(cell->core, cell->lane, cell_order(kind, child->at, cell));
}

/* The last spawned that is to be held and is not; NULL: all are. */
static struct child *next_to_hold(struct cell *cell) {
    struct child *child = cell->children;
    while (child && (child->told || !child->wanted || child->held))
        child = child->next;
    return child;
}

/* The first spawned that is to open again; NULL: none is left. */
static struct child *next_to_resume(struct cell *cell) {
    struct child *found = NULL;
    for (struct child *child = cell->children; child; child = child->next)
        if (child->wanted && !child->told) found = child;
    return found;
}

static bool waits_for_answer(const struct cell *cell) {
    const struct child *child = cell->children;
    while (child && (child->told || !child->asked))
        child = child->next;
    return child;
}

void group_step(struct cell *cell) {
    struct group *group = cell->group;
    if (!group || cell->exiting || cell->now != CELL_OPEN || waits_for_answer(cell)) return;
    struct child *child = next_to_hold(cell);
    if (child) {
        ask(cell, child, PARCEL_HOLD);
        return;
    }
    child = next_to_resume(cell);
    if (!child || group->pausing) return;
    struct lane *lane = cell->lane;
    if (group->resume_us > lane->now_us) {
        struct wait *wait = wait_new(&lane->waits, cell, WAIT_GROUP);
        timers_add(&lane->timers, &wait->timer, group->resume_us);
        group->pausing = true;
        return;
    }
    child->wanted = false; /* from here on a failure wants it anew */
    ask(cell, child, PARCEL_RESUME);
}

/* False: that was one too many; the supervisor ends. */
static bool spend(struct cell *cell, const struct group_event *event) {
    struct group *group = cell->group;
    uint64_t now = cell->lane->now_us, pause = 0;
    if (!budget_spend(&group->budget, now, &cell->lane->rng, &pause)) {
        char words[WORDS_MAX];
        snprintf(words, sizeof words, "its children failed too often: %s%s%s",
                 status_name(event->reason), *event->words ? " " : "", event->words);
        cell_exit(cell, event->reason == STATUS_OK ? STATUS_INTERNAL : event->reason, words);
        return false;
    }
    if (group->resume_us < now + pause) group->resume_us = now + pause;
    return true;
}

void group_tell(struct cell *cell, const struct group_event *event) {
    struct child *child = cell->children;
    while (child && child->handle != event->child)
        child = child->next;
    if (!child || !cell->group) return;
    child->asked = false;
    child->held = event->news != GROUP_RESUMED;
    if (cell->now != CELL_OPEN || cell->exiting) return;
    if (event->news == GROUP_FELL) {
        mark(cell, child);
        if (!spend(cell, event)) return;
    }
    group_step(cell);
}
