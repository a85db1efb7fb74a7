/* timeline: seeking. Of each question to each process only the newest answers matter, so a step
 * back decodes few of them however long the history is. */
#include "cli/console/timeline.h"

#include <string.h>

#include "runtime/memory.h"

enum { SEEN_SLOTS = 8192 };

void timeline_init(struct timeline *timeline, size_t bytes_max) {
    *timeline = (struct timeline){0};
    history_init(&timeline->history, bytes_max);
    model_init(&timeline->model);
}

void timeline_free(struct timeline *timeline) {
    model_free(&timeline->model);
    history_free(&timeline->history);
}

uint64_t timeline_first_ms(const struct timeline *timeline) {
    return timeline->history.n ? history_at(&timeline->history, 0)->at_ms : 0;
}

uint64_t timeline_last_ms(const struct timeline *timeline) {
    size_t n = timeline->history.n;
    return n ? history_at(&timeline->history, n - 1)->at_ms : 0;
}

void timeline_add(struct timeline *timeline, struct event *event) {
    if (!timeline->paused) model_take(&timeline->model, event);
    uint64_t forgotten = timeline->history.forgotten;
    history_add(&timeline->history, event);
    size_t gone = (size_t)(timeline->history.forgotten - forgotten);
    timeline->fed = timeline->fed > gone ? timeline->fed - gone : 0;
    if (!timeline->paused) timeline->fed = timeline->history.n;
}

/* Answers before the newest that still matter: rates and little pictures come from several. */
static unsigned depth_of(enum question question) {
    switch (question) {
    case QUESTION_REPORT:
        return 120;
    case QUESTION_ACTORS:
        return 4;
    case QUESTION_TAP:
        return 100;
    default:
        return 1;
    }
}

static uint32_t hash_of(const struct event *event) {
    uint32_t hash = 2166136261u ^ event->question;
    for (const char *at = event->address; *at; at++)
        hash = (hash ^ (unsigned char)*at) * 16777619u;
    for (const char *at = event->key; *at; at++)
        hash = (hash ^ (unsigned char)*at) * 16777619u;
    return hash;
}

/* Makes the model of the first n events. Two questions in one slot count as one: then an answer is
 * fed that is not needed, or an old one is not there. Such is seldom, and never wrong. */
static void rebuild(struct timeline *timeline, size_t n) {
    const struct history *history = &timeline->history;
    unsigned char *needed = mem_zero(n + 1, 1);
    uint32_t(*seen)[2] = mem_zero(SEEN_SLOTS, sizeof *seen);
    model_reset(&timeline->model);
    for (size_t i = n; needed && seen && i > 0; i--) {
        const struct event *event = history_at(history, i - 1);
        uint32_t hash = hash_of(event), *slot = seen[hash % SEEN_SLOTS];
        if (slot[0] != hash) {
            slot[0] = hash;
            slot[1] = 0;
        }
        needed[i - 1] = slot[1]++ < depth_of(event->question);
    }
    for (size_t i = 0; needed && seen && i < n; i++)
        if (needed[i]) model_take(&timeline->model, history_at(history, i));
    mem_free(needed);
    mem_free(seen);
    timeline->fed = n;
}

void timeline_seek(struct timeline *timeline, uint64_t at_ms) {
    uint64_t first = timeline_first_ms(timeline), last = timeline_last_ms(timeline);
    if (at_ms < first) at_ms = first;
    if (at_ms > last) at_ms = last;
    size_t n = history_until(&timeline->history, at_ms);
    timeline->paused = true;
    timeline->at_ms = at_ms;
    if (n < timeline->fed) rebuild(timeline, n);
    for (; timeline->fed < n; timeline->fed++)
        model_take(&timeline->model, history_at(&timeline->history, timeline->fed));
}

void timeline_pause(struct timeline *timeline) {
    timeline->paused = true;
    timeline->at_ms = timeline_last_ms(timeline);
}

void timeline_resume(struct timeline *timeline) {
    timeline_seek(timeline, timeline_last_ms(timeline));
    timeline->paused = false;
}
