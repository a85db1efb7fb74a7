/* live: a console with its data: a node whose source actor asks, the queue between that actor and
 * the thread that draws, recording, and what it all costs. One thread, but for what it says. */
#ifndef CONSOLE_LIVE_H
#define CONSOLE_LIVE_H

#include "cli/console/console.h"

struct keyring;

struct live_options {
    const char *const *addresses; /* borrowed for the life */
    size_t n_addresses;
    uint32_t refresh_ms;
    size_t history_bytes;
    const char *record; /* file; NULL: none */
    const char *replay; /* file; NULL: live */
    enum view_name view;
    const char *about; /* the actor or trace of that view; NULL: none */
    bool color, mouse, ascii;
    struct keyring *keyring; /* of the node; taken */
};

struct live;
/* Says on standard error what is wrong. */
MUST_USE enum status live_open(const struct live_options *options, struct live **out);
void live_close(struct live *live); /* NULL is fine */
struct console *live_console(struct live *live);

/* In the terminal until the person quits. INVALID: there is none. */
MUST_USE enum status live_run(struct live *live);
/* Until two answers of every process are there, at most `ms`. LOST_PEER: nobody answered. */
MUST_USE enum status live_gather(struct live *live, uint64_t ms);

#endif
