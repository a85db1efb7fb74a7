/* watchdog: a thread that looks at the lanes and reports a turn that does not end;
 * one that holds its lane for node_options.stall_limit_ms ends the process. A turn that did end
 * late is reported by its lane. Private to runtime/. */
#ifndef RUNTIME_WATCHDOG_H
#define RUNTIME_WATCHDOG_H

#include "runtime/status.h"

struct node;

enum { WATCHDOG_LIMIT_DEFAULT_MS = 60 * 1000 };

MUST_USE enum status watchdog_start(struct node *node);
/* Fine when it did not start. */
void watchdog_stop(struct node *node);

#endif
