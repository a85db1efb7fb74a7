/* ledger: the rules.
 *
 *   order      on a stream numbers only grow, and it ends at whom it was meant for (citizen.c
 * counts) outcomes   a call has exactly one; none was executed after its deadline bounds     no
 * mailbox holds more than it may; its sums are those of its lists ends       a monitor of an actor
 * of its process fires once when that ended, never before; a linked actor ended, too budgets nobody
 * opens more often than its intensity allows rest       when all is calm nobody is between two
 * lives or two lanes */
#include <stdarg.h>
#include <stdio.h>

#include "runtime/cell.h"
#include "tests/sim/town.h"

static unsigned broken;

void ledger_broken(const char *format, ...) {
    va_list args;
    va_start(args, format);
    fprintf(stderr, "broken at %llu us: ", (unsigned long long)sim_now_us(town.sim));
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    broken++;
}

static void each_cell(void (*visit)(struct cell *cell)) {
    for (uint32_t i = 0; i < town.sim->n_nodes; i++) {
        struct core *core = &town.sim->nodes[i].core;
        for (uint32_t j = 0; j < core->n_lanes; j++)
            for (int light = 0; light < 2; light++)
                for (struct cell *cell = core->lanes[j].cells[light]; cell; cell = cell->next)
                    visit(cell);
    }
}

static void look_at_mailbox(struct cell *cell) {
    const struct mailbox *mailbox = &cell->mailbox;
    uint32_t depth = 0;
    size_t bytes = 0;
    for (int i = 0; i < BAND_COUNT; i++) {
        const struct mailbox_band *band = &mailbox->bands[i];
        uint32_t bounded = 0;
        for (const struct parcel *parcel = band->first; parcel; parcel = parcel->next) {
            depth++;
            bytes += parcel->size;
            bounded += !(parcel->envelope.flags & PARCEL_RESERVED);
        }
        if (bounded != band->count) ledger_broken("%s: band %d miscounts", cell->name, i);
        uint32_t max = i == BAND_CONTROL ? MAILBOX_CONTROL_MESSAGES : mailbox->messages_max;
        if (i != BAND_SYSTEM && band->count > max) ledger_broken("%s: too full", cell->name);
    }
    if (depth != mailbox->depth || bytes != mailbox->bytes)
        ledger_broken("%s: a mailbox miscounts", cell->name);
}

void ledger_look_at(uint32_t node, actor_handle handle) {
    uint32_t lane;
    const struct slot *slot = table_find(&town.sim->nodes[node - 1].core.table, handle, &lane);
    if (slot) look_at_mailbox(slot->cell);
}

static void look_at_budget(struct person *person) {
    uint32_t allowed = person->intensity + 1; /* and the first open */
    if (person->restart == RESTART_TEMPORARY) allowed = 1;
    if (allowed >= OPENS_KEPT || person->n_opens <= allowed) return;
    uint64_t last = person->opened_us[(person->n_opens - 1) % OPENS_KEPT];
    uint64_t before = person->opened_us[(person->n_opens - 1 - allowed) % OPENS_KEPT];
    if (last - before >= (uint64_t)person->period_s * SECOND) return;
    ledger_broken("%s opened %u times within %u s", person->name, allowed + 1, person->period_s);
    person->intensity = OPENS_KEPT; /* told once */
}

void ledger_look(void) {
    each_cell(look_at_mailbox);
    for (uint32_t i = 0; i < town.n_people; i++)
        look_at_budget(&town.people[i]);
}

/* --- when all is calm
 * ------------------------------------------------------------------------------------------- */

static void look_at_rest(struct cell *cell) {
    char name[CELL_NAME_MAX];
    bool resting = cell->now == CELL_OPEN || cell->now == CELL_ASLEEP;
    if (!resting || cell->exiting || cell->stop_asked || cell->hold_asked || cell->moved)
        ledger_broken("%s is not at rest: state %d", cell_name(cell, name), cell->now);
    if (cell->mailbox.depth) ledger_broken("%s has unread messages", cell_name(cell, name));
}

static void judge_calls(void) {
    for (uint32_t i = 0; i < town.calls.n; i++) {
        const struct deed *call = &town.calls.rows[i];
        if (call->told > 1 || (call->told == 0 && town_alive(call->life)))
            ledger_broken("call %u of life %u has %u outcomes", i, call->life, call->told);
    }
}

static void judge_monitors(void) {
    for (uint32_t i = 0; i < town.monitors.n; i++) {
        const struct deed *monitor = &town.monitors.rows[i];
        if (monitor->told > 1) ledger_broken("monitor %u fired %u times", i, monitor->told);
        if (!monitor->other || monitor->undone || !town_alive(monitor->life)) continue;
        if (monitor->told != !town_alive(monitor->other))
            ledger_broken("monitor %u of life %u, which %s, fired %u times", i, monitor->other,
                          town_alive(monitor->other) ? "goes on" : "ended", monitor->told);
    }
}

/* Who left normally takes nobody along. */
static void judge_end(uint32_t i, uint32_t ended, uint32_t other) {
    if (town_alive(ended) || town.lives[ended].left) return;
    if (town_alive(other) && !town.lives[other].traps)
        ledger_broken("link %u: life %u ended, life %u goes on", i, ended, other);
}

static void judge_links(void) {
    for (uint32_t i = 0; i < town.links.n; i++) {
        const struct deed *link = &town.links.rows[i];
        if (link->undone || !link->other) continue;
        judge_end(i, link->life, link->other);
        judge_end(i, link->other, link->life);
    }
}

unsigned ledger_close(void) {
    each_cell(look_at_rest);
    judge_calls();
    judge_monitors();
    judge_links();
    if (town.disordered) ledger_broken("%u messages out of order", (unsigned)town.disordered);
    if (town.misdelivered) ledger_broken("%u at the wrong actor", (unsigned)town.misdelivered);
    if (town.expired_served) ledger_broken("%u served late", (unsigned)town.expired_served);
    return broken;
}
