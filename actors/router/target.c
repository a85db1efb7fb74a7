/* target: shards elsewhere and the processes that keep them.
 *
 *     target "shard/7" ── seat (worker 2, leads)
 *                     ├── seat (worker 3)
 *                     └── seat (worker 9, search only)
 *
 * A target that moved to other seats keeps its queue and its sequence: it is the same shard. A seat
 * that left the route stays until the questions to it have ended. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "actors/router/hub.h"
#include "runtime/assert.h"
#include "runtime/memory.h"
#include "runtime/rng.h"

#include "runtime/poison.h"

struct target *target_get(struct hub *self, uint64_t shard) {
    struct target **bucket = &self->targets[rng_mix(shard) % TARGET_BUCKETS];
    for (struct target *target = *bucket; target; target = target->next)
        if (target->shard == shard) return target;
    struct target *target = mem_zero(1, sizeof *target);
    char *collection = mem_string("");
    if (!target || !collection) {
        mem_free(target);
        mem_free(collection);
        return NULL;
    }
    target->shard = shard;
    target->collection = collection;
    if (shard == 0)
        snprintf(target->name, sizeof target->name, "pd");
    else
        snprintf(target->name, sizeof target->name, "shard/%" PRIu64, shard);
    target->next = *bucket;
    *bucket = target;
    return target;
}

void target_hold(struct target *target) {
    target->users++;
}

void target_free(struct target *target) {
    while (target->seats) {
        struct seat *seat = target->seats;
        target->seats = seat->next;
        mem_free(seat);
    }
    mem_free(target->collection);
    mem_free(target);
}

/* Legs that nobody waits for still hold their seats. */
static bool has_users(const struct target *target) {
    for (const struct seat *seat = target->seats; seat; seat = seat->next)
        if (seat->users > 0) return true;
    return false;
}

static void free_unused(struct hub *self, struct target *target) {
    if (target->users > 0 || has_users(target)) return;
    assert(!target->chunk && !target->first);
    struct target **link = &self->targets[rng_mix(target->shard) % TARGET_BUCKETS];
    while (*link != target)
        link = &(*link)->next;
    *link = target->next;
    target_free(target);
}

void target_drop(struct hub *self, struct target *target) {
    assert(target->users > 0);
    target->users--;
    free_unused(self, target);
}

/* --- seats
 * ---------------------------------------------------------------------------------------------- */

static void sweep(struct target *target) {
    for (struct seat **link = &target->seats; *link;) {
        struct seat *seat = *link;
        if (!seat->gone || seat->users > 0) {
            link = &seat->next;
            continue;
        }
        *link = seat->next;
        mem_free(seat);
    }
}

void seat_drop(struct hub *self, struct seat *seat) {
    assert(seat->users > 0);
    struct target *target = seat->target;
    seat->users--;
    if (seat->gone) sweep(target);
    free_unused(self, target);
}

static struct seat *find(struct target *target, const struct seat_facts *facts) {
    for (struct seat *seat = target->seats; seat; seat = seat->next)
        if (strcmp(seat->link, facts->link) == 0) return seat;
    struct seat *seat = mem_zero(1, sizeof *seat);
    if (!seat) return NULL;
    seat->target = target;
    snprintf(seat->link, sizeof seat->link, "%s", facts->link);
    struct seat **end = &target->seats;
    while (*end)
        end = &(*end)->next;
    *end = seat;
    return seat;
}

enum status target_seat(struct target *target,
                        const struct seat_facts *facts,
                        size_t n_facts,
                        uint64_t now_us) {
    enum status s = STATUS_OK;
    struct seat *leads = NULL;
    for (struct seat *seat = target->seats; seat; seat = seat->next)
        seat->gone = true;
    for (size_t i = 0; i < n_facts && i < TARGET_SEATS_MAX; i++) {
        struct seat *seat = find(target, &facts[i]);
        if (!seat) {
            s = STATUS_NO_MEMORY;
            continue;
        }
        seat->gone = false;
        seat->worker = facts[i].worker;
        seat->learner = facts[i].learner;
        seat->search_only = facts[i].search_only;
        seat->ready = facts[i].ready;
        if (facts[i].leads) leads = seat;
    }
    /* Who answered as the leader knows better than the PD, which hears of a lost one late. */
    if (leads && leads->shunned_us > now_us) leads = NULL;
    if (!target->lead || target->lead->gone) target->lead = leads;
    sweep(target);
    return s;
}
