/* sys_do: actions on one actor, on its lane, where the process was started with them. The actor's
 * own turns do not run inside sys's: an action leaves a mark and makes the actor ready. */
#include <string.h>

#include "runtime/move.h"
#include "runtime/passive.h"
#include "runtime/sys_state.h"

static bool watches(const struct cell *cell) {
    const struct wait *wait = cell->waits;
    while (wait && wait->kind != WAIT_WATCH)
        wait = wait->next;
    return wait;
}

/* --- actions
 * -------------------------------------------------------------------------------------- */

static enum status do_restart(struct cell *cell, const SysDo *ask, struct turn *turn) {
    const struct supervision *own = &cell->supervision;
    (void)ask;
    if (own->restart == RESTART_TEMPORARY)
        return turn_fail(turn, STATUS_UNIMPLEMENTED, "it would not be started again");
    if (budget_spent(&own->budget, turn->lane->now_us) >= own->budget.intensity)
        return turn_fail(turn, STATUS_QUOTA,
                         "its restarts within %u s are spent: one more would stop its supervisor",
                         (unsigned)(own->budget.period_us / 1000000));
    cell_exit(cell, STATUS_CANCELLED, "restarted by a person");
    return STATUS_OK;
}

static enum status do_passivate(struct cell *cell, const SysDo *ask, struct turn *turn) {
    (void)ask;
    if (!cell->passive)
        return turn_fail(turn, STATUS_UNIMPLEMENTED, "actors of this kind are never put away");
    for (struct wait *wait = cell->waits; wait; wait = wait->next) {
        if (wait->kind != WAIT_IDLE) continue;
        uint64_t now = turn->lane->now_us, idle = cell->kind->type->idle_us;
        cell->passive->used_us = now > idle ? now - idle : 0;
        timers_remove(&turn->lane->timers, &wait->timer);
        timers_add(&turn->lane->timers, &wait->timer, now);
        return STATUS_OK;
    }
    return cell->now == CELL_ASLEEP ? STATUS_OK : turn_fail(turn, STATUS_BUSY, "it has work to do");
}

static enum status do_migrate(struct cell *cell, const SysDo *ask, struct turn *turn) {
    const struct core *core = turn->core;
    bool io = cell->lane->kind == LANE_IO;
    uint32_t first = io ? 0 : core->n_io, n = io ? core->n_io : core->n_lanes - core->n_io;
    if (watches(cell))
        return turn_fail(turn, STATUS_UNIMPLEMENTED, "it watches descriptors, which stay");
    if (ask->lane && (ask->lane <= first || ask->lane > first + n))
        return turn_fail(turn, STATUS_INVALID, "lane %u is no %s lane: those are %u to %u",
                         ask->lane, io ? "io" : "compute", first + 1, first + n);
    cell->move_to = ask->lane ? (int)(ask->lane - first) : MOVE_ANYWHERE;
    lane_ready(cell->lane, cell);
    return STATUS_OK;
}

static enum status do_pause(struct cell *cell, const SysDo *ask, struct turn *turn) {
    (void)ask;
    if (watches(cell))
        return turn_fail(turn, STATUS_UNIMPLEMENTED, "it watches descriptors, which do not wait");
    if (cell->now != CELL_OPEN && cell->now != CELL_PAUSED)
        return turn_fail(turn, STATUS_NOT_READY, "it is not open");
    cell->now = CELL_PAUSED;
    return STATUS_OK;
}

static enum status do_step(struct cell *cell, const SysDo *ask, struct turn *turn) {
    (void)ask;
    if (cell->now != CELL_PAUSED) return turn_fail(turn, STATUS_NOT_READY, "it is not paused");
    if (cell->steps < UINT8_MAX) cell->steps++;
    lane_ready(cell->lane, cell);
    return STATUS_OK;
}

static enum status do_resume(struct cell *cell, const SysDo *ask, struct turn *turn) {
    (void)ask;
    if (cell->now != CELL_PAUSED) return turn_fail(turn, STATUS_NOT_READY, "it is not paused");
    cell->now = CELL_OPEN;
    cell->steps = 0;
    lane_ready(cell->lane, cell);
    return STATUS_OK;
}

static const struct action {
    const char *name;
    enum sys_actions needs;
    enum status (*run)(struct cell *cell, const SysDo *ask, struct turn *turn);
} actions[] = {
    {"restart", SYS_ACTIONS_ON, do_restart}, {"passivate", SYS_ACTIONS_ON, do_passivate},
    {"migrate", SYS_ACTIONS_ON, do_migrate}, {"pause", SYS_ACTIONS_TEST, do_pause},
    {"step", SYS_ACTIONS_TEST, do_step},     {"resume", SYS_ACTIONS_TEST, do_resume},
};

static const struct action *find(const char *name) {
    for (size_t i = 0; i < sizeof actions / sizeof *actions; i++)
        if (strcmp(actions[i].name, name) == 0) return &actions[i];
    return NULL;
}

/* --- who may, and where
 * --------------------------------------------------------------------------- */

enum status sys_do(const SysDo *ask, struct turn *turn) {
    uint32_t lane = 0;
    const struct action *action = find(ask->action);
    if (!turn->core->actions) return sys_no_actions(turn);
    if (!action)
        return turn_fail(turn, STATUS_INVALID,
                         "an action is restart, passivate, migrate, pause, step or resume");
    if (action->needs > turn->core->actions)
        return turn_fail(turn, STATUS_DENIED, "%s is for tests: VECTRON_SYS_ACTIONS=test allows it",
                         action->name);
    if (!table_find(&turn->core->table, core_find(turn->core, ask->actor), &lane))
        return turn_fail(turn, STATUS_NOT_FOUND, "no actor %s in this process", ask->actor);
    turn_forward(turn, turn_find(turn, sys_reporter_name(turn, lane)));
    return STATUS_OK;
}

enum status sys_lane_do(const SysDo *ask, struct turn *turn) {
    struct cell *cell = sys_cell(turn, core_find(turn->core, ask->actor));
    const struct action *action = find(ask->action);
    if (!cell || !action || action->needs > turn->core->actions)
        return turn_fail(turn, STATUS_NOT_FOUND, "the actor is gone, or moves at the moment");
    if (cell->kind->type->quiet || strcmp(cell->kind->type->kind, "sys") == 0)
        return turn_fail(turn, STATUS_DENIED, "%s belongs to the runtime", ask->actor);
    return action->run(cell, ask, turn);
}
