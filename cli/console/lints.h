/* lints: what a person should look at: the alarms every process tells, and what only shows when all
 * are seen together or when the console compares answers. One thread. */
#ifndef CONSOLE_LINTS_H
#define CONSOLE_LINTS_H

#include "cli/console/model.h"

enum { LINTS_MAX = 512, LINT_TEXT_MAX = 256 };

struct lint {
    const struct process *process; /* NULL: of the whole */
    const char *name;              /* "slow_handler"; static or the report's */
    const char *subject;           /* actor, lane, link; borrowed or "" */
    char text[LINT_TEXT_MAX];
    uint64_t since_ms; /* 0: not known */
    bool over;
    bool own; /* the console's, not the process's */
};

/* Fills at most LINTS_MAX; returns how many. A lint a process tells itself is not told twice. */
size_t lints_find(const struct model *model, struct lint *out);
/* Those that are not over. */
size_t lints_count(const struct model *model);

#endif
