/* timeline: the model at one moment of the history: now, or, when paused or read from a file, any
 * other. Going forward feeds what came since; going back makes the model anew from the newest
 * answers before that moment. One thread. */
#ifndef CONSOLE_TIMELINE_H
#define CONSOLE_TIMELINE_H

#include "cli/console/history.h"
#include "cli/console/model.h"

struct timeline {
    struct history history;
    struct model model;
    bool paused;
    uint64_t at_ms; /* the moment shown, when paused */
    size_t fed;     /* events of the history that are in the model */
};

void timeline_init(struct timeline *timeline, size_t bytes_max);
void timeline_free(struct timeline *timeline);
/* Takes the event; the model sees it at once unless paused. */
void timeline_add(struct timeline *timeline, struct event *event);
/* Stops at the newest moment. */
void timeline_pause(struct timeline *timeline);
/* Back to what comes in. */
void timeline_resume(struct timeline *timeline);
/* To another moment, cut to what there is; pauses. */
void timeline_seek(struct timeline *timeline, uint64_t at_ms);
/* Times of the first and last event; 0 when there is none. */
uint64_t timeline_first_ms(const struct timeline *timeline);
uint64_t timeline_last_ms(const struct timeline *timeline);

#endif
