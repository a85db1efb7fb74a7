/* passive: one timer an actor, set anew only when it rings, so a message costs a store. Idle is:
 * no turn for idle_us, and nothing that would have to be kept going: no open call, timer, monitor
 * or promise, no child, no trap, nothing in the mailbox. */
#include "runtime/passive.h"

#include "runtime/memory.h"
#include "runtime/trace.h"
#include "runtime/turn_state.h"

bool passive_type(const struct actor_type *type) {
    return type->light && type->idle_us > 0;
}

static void look_at(struct cell *cell, uint64_t at_us) {
    struct lane *lane = cell->lane;
    struct wait *wait = wait_new(&lane->waits, cell, WAIT_IDLE);
    timers_add(&lane->timers, &wait->timer, at_us);
}

void passive_watch(struct cell *cell) {
    if (!cell->passive) return;
    cell->passive->used_us = cell->lane->now_us;
    look_at(cell, cell->lane->now_us + cell->kind->type->idle_us);
}

static bool idle(const struct cell *cell) {
    return cell->now == CELL_OPEN && !cell->exiting && !cell->stop_asked && !cell->hold_asked &&
           !cell->waits && !cell->children && !cell->trap.exited && cell->mailbox.depth == 0;
}

/* False: it does not want to, or what it wrote is too much to keep. */
static bool write_down(struct cell *cell) {
    struct passive *passive = cell->passive;
    enum status (*passivate)(void *, struct buffer *, struct turn *) = cell->kind->type->passivate;
    if (!passivate) return true;
    struct turn turn;
    turn_begin(&turn, cell, NULL);
    enum status s = passivate(cell->state, &passive->kept, &turn);
    turn_end(&turn);
    bool kept = !passive->kept.failed && passive->kept.size <= PASSIVE_BYTES_MAX;
    return s == STATUS_OK && kept && idle(cell);
}

void passive_look(struct cell *cell) {
    const struct actor_type *type = cell->kind->type;
    struct passive *passive = cell->passive;
    uint64_t now = cell->lane->now_us;
    if (cell->now != CELL_OPEN || cell_leaves(cell)) return;
    if (now - passive->used_us < type->idle_us) {
        look_at(cell, passive->used_us + type->idle_us);
        return;
    }
    if (!idle(cell) || !write_down(cell)) {
        buffer_free(&passive->kept);
        buffer_init(&passive->kept);
        if (cell->now == CELL_OPEN) look_at(cell, now + type->idle_us);
        return;
    }
    if (type->close) type->close(cell->state);
    mem_free(cell->state);
    cell->state = NULL;
    cell->now = CELL_ASLEEP;
    if (trace_on(cell)) trace_words(cell, '*', "sleeps");
}

enum status passive_wake(struct cell *cell, struct turn *turn) {
    const struct actor_type *type = cell->kind->type;
    struct buffer *kept = &cell->passive->kept;
    enum status s = STATUS_OK;
    if (trace_on(cell)) trace_words(cell, '*', "wakes");
    if (type->hydrate)
        s = type->hydrate(cell->state, cell->options, kept, turn);
    else if (type->open)
        s = type->open(cell->state, cell->options, turn);
    passive_forget(cell);
    return s;
}

void passive_forget(struct cell *cell) {
    if (!cell->passive) return;
    buffer_free(&cell->passive->kept);
    buffer_init(&cell->passive->kept);
}
