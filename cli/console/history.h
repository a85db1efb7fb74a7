/* history: the events of the last minutes, oldest first, bounded in bytes: the oldest go. And their
 * file. One thread. */
#ifndef CONSOLE_HISTORY_H
#define CONSOLE_HISTORY_H

#include <stdio.h>

#include "cli/console/event.h"

struct history {
    struct event **events; /* owned ring */
    size_t capacity, first, n;
    size_t bytes, bytes_max;
    uint64_t forgotten; /* events */
};

void history_init(struct history *history, size_t bytes_max);
void history_free(struct history *history);
/* Takes the event. */
void history_add(struct history *history, struct event *event);
/* The nth, from the oldest. */
const struct event *history_at(const struct history *history, size_t nth);
/* How many came at or before that time. */
size_t history_until(const struct history *history, uint64_t at_ms);

/* All of it into a new file (EXISTS: never over another one). IO: errno tells. */
MUST_USE enum status history_save(const struct history *history, const char *path);
/* A file that grows: opened with its magic, then events. NULL: errno tells. */
FILE *history_open_file(const char *path);
MUST_USE enum status history_append(FILE *file, const struct event *event);
/* Adds what the file holds. IO: errno tells; INVALID: it is no recording; a torn end is left out
 * and is OK. *read: events. */
MUST_USE enum status history_load(struct history *history, const char *path, size_t *read);

#endif
