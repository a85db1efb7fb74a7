/* lint: each check says what it sees now; raising and ending are in one place. */
#include "runtime/lint.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "runtime/cell.h"
#include "runtime/span.h"

enum { GROWING, SLOW, EXPIRED, STORM, BUDGET, CHECKS };

static const char *const names[CHECKS] = {
    [GROWING] = "mailbox_growing", [SLOW] = "slow_handler",     [EXPIRED] = "expired",
    [STORM] = "retry_storm",       [BUDGET] = "restart_budget",
};

static void raise_it(struct cell *cell, int check, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static void raise_it(struct cell *cell, int check, const char *format, ...) {
    char name[CELL_NAME_MAX], text[ALARM_TEXT_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    cell->stats->lint.raised |= (uint8_t)(1u << check);
    alarm_raise(cell->core, names[check], cell_name(cell, name), "%s", text);
}

static void end_it(struct cell *cell, int check) {
    char name[CELL_NAME_MAX];
    struct lint *lint = &cell->stats->lint;
    if (!(lint->raised & 1u << check)) return;
    lint->raised &= (uint8_t) ~(1u << check);
    alarm_clear(cell->core, names[check], cell_name(cell, name));
}

/* --- checks
 * --------------------------------------------------------------------------------------- */

/* More waits than at the last look, ten times in a row; or the first has waited for ten seconds.
 * Over when half of it is gone. */
static void check_mailbox(struct cell *cell, struct lint *lint) {
    const struct mailbox *mailbox = &cell->mailbox;
    uint64_t now = cell->lane->now_us, oldest = mailbox_oldest_us(mailbox);
    uint64_t waits = oldest && now > oldest ? now - oldest : 0;
    if (mailbox->depth >= LINT_DEPTH_MIN && mailbox->depth > lint->depth) {
        if (lint->grew < LINT_LOOKS) lint->grew++;
    } else if (mailbox->depth <= lint->depth / 2 || mailbox->depth < LINT_DEPTH_MIN) {
        lint->grew = 0;
    }
    lint->depth = mailbox->depth;
    if (lint->grew >= LINT_LOOKS || waits > LINT_OLDEST_US)
        raise_it(cell, GROWING, "%" PRIu32 " messages wait, the first for %" PRIu64 " ms",
                 mailbox->depth, waits / 1000);
    else if (lint->grew == 0)
        end_it(cell, GROWING);
}

static void check_handlers(struct cell *cell, struct lint *lint) {
    if (lint->slow) {
        const char *type = span_op_name(lint->slow_op);
        raise_it(cell, SLOW,
                 "%" PRIu32 " turn%s above %d ms in the last second, %s %" PRIu64 " ms in %s",
                 lint->slow, lint->slow == 1 ? "" : "s", LANE_SLOW_US / 1000,
                 lint->slow == 1 ? "of" : "one of", lint->slow_us / 1000,
                 type ? type : "a turn without a message");
        lint->calm = 0;
    } else if (lint->calm < LINT_CALM && ++lint->calm == LINT_CALM) {
        end_it(cell, SLOW);
    }
    lint->slow = 0;
    lint->slow_us = 0;
}

/* Shares, over a window of LINT_WINDOW looks. */
static void check_shares(struct cell *cell, struct lint *lint) {
    const struct actor_stats *stats = cell->stats;
    if (++lint->looks < LINT_WINDOW) return;
    uint64_t received = stats->received - lint->received;
    uint64_t expired = stats->expired - lint->expired;
    uint64_t dropped = stats->dropped - lint->dropped;
    if (received >= LINT_RECEIVED_MIN && expired * 100 > received)
        raise_it(cell, EXPIRED,
                 "%" PRIu64 " of %" PRIu64 " messages were too late in the last %d s: callers wait "
                 "less than the work takes",
                 expired, received, LINT_WINDOW);
    else
        end_it(cell, EXPIRED);
    if (dropped >= LINT_REFUSED_MIN && dropped > received)
        raise_it(cell, STORM,
                 "%" PRIu64 " messages were refused and %" PRIu64 " handled in the last %d s: "
                 "callers try again too soon",
                 dropped, received, LINT_WINDOW);
    else
        end_it(cell, STORM);
    lint->looks = 0;
    lint->received = stats->received;
    lint->expired = stats->expired;
    lint->dropped = stats->dropped;
}

static void check_budget(struct cell *cell) {
    const struct budget *budget = &cell->supervision.budget;
    uint32_t spent = budget->n_times ? budget_spent(budget, cell->lane->now_us) : 0;
    if (spent > 0 && spent * 4 >= budget->intensity * 3)
        raise_it(cell, BUDGET,
                 "%" PRIu32 " of %" PRIu32 " restarts within %" PRIu64 " s are spent: with one too "
                 "many its supervisor fails",
                 spent, budget->intensity, budget->period_us / 1000000);
    else
        end_it(cell, BUDGET);
}

void lint_lane(struct lane *lane) {
    uint32_t n = 0;
    for (struct cell *cell = lane->cells[0]; cell && n < LINT_ACTORS_MAX; cell = cell->next, n++) {
        struct lint *lint = &cell->stats->lint;
        check_mailbox(cell, lint);
        check_handlers(cell, lint);
        check_shares(cell, lint);
        check_budget(cell);
    }
}
