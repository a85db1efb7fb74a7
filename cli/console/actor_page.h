/* actor_page: drawing of view_actor.c, and what of its tables the page needs. Private to both. */
#ifndef CONSOLE_ACTOR_PAGE_H
#define CONSOLE_ACTOR_PAGE_H

#include "cli/console/console.h"

enum { ACTOR_LOG_MAX = 64 };

/* The process of the actor that is shown; NULL: not known (yet). */
const struct process *actor_process(const struct console *console);
/* The newest answer about it; NULL: none. */
const SysActorView *actor_view_told(const struct console *console);
const struct actor_row *actor_roster_row(const struct console *console);
/* What the process tells of it now, else what the last roster had. */
const SysActor *actor_told(const struct console *console);
/* The last tap was of this actor. */
bool actor_tapped(const struct console *console);
/* The view's tables: 0 the actor, 1 queued, 2 messages, 3 waits, 4 senders. */
void actor_fill(struct console *console, unsigned which, struct list *list);
/* For console_page. */
int actor_draw_page(struct console *console, struct screen *screen);

#endif
