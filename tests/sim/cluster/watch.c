/* watch: Raft's promises, held against what the seats of all replicas say and do, at the calls that
 * the linker hands to us (--wrap): a seat that is asked for its state after each change, and the
 * entries that a machine takes.
 *
 *     seat_state ─▶ leads? ─▶ (group, term) has no other leader          election safety
 *     seat_take ─▶ each entry ─▶ (group, index) has no other entry       state machine safety */
#include <stdio.h>
#include <stdlib.h>

#include "actors/raft/state.h"
#include "runtime/assert.h"
#include "runtime/rng.h"
#include "tests/sim/cluster/trial.h"

struct reign {
    uint64_t term, id;
    bool acts; /* it has applied something */
};

/* An entry that was applied somewhere; term 0: none yet. */
struct applied {
    uint64_t term, digest;
};

struct group {
    uint64_t id;
    struct reign *reigns; /* owned */
    size_t n_reigns;
    struct applied *entries; /* owned, by index */
    size_t room;
};

static struct group *groups; /* owned */
static size_t n_groups;

void watch_begin(void) {
    for (size_t i = 0; i < n_groups; i++) {
        free(groups[i].reigns);
        free(groups[i].entries);
    }
    free(groups);
    groups = NULL;
    n_groups = 0;
}

static void *grown(void *array, size_t n, size_t size) {
    void *larger = realloc(array, n * size);
    assert(larger);
    return larger;
}

static struct group *group_of(const struct seat *seat) {
    for (size_t i = 0; i < n_groups; i++)
        if (groups[i].id == seat->options.group) return &groups[i];
    groups = grown(groups, n_groups + 1, sizeof *groups);
    groups[n_groups] = (struct group){.id = seat->options.group};
    return &groups[n_groups++];
}

static void tell_nemesis(const struct seat *seat) {
    unsigned node = 0;
    if (sscanf(seat->options.address, "sim://%u", &node) == 1)
        nemesis_crowned(node, seat->options.group);
}

static void look_at_leader(const struct seat *seat, uint64_t term) {
    struct group *group = group_of(seat);
    for (size_t i = group->n_reigns; i > 0; i--) {
        const struct reign *reign = &group->reigns[i - 1];
        if (reign->term != term) continue;
        if (reign->id != seat->options.id)
            trial_broken("group %llu: replicas %llu and %llu both lead in term %llu",
                         (unsigned long long)group->id, (unsigned long long)reign->id,
                         (unsigned long long)seat->options.id, (unsigned long long)term);
        return;
    }
    group->reigns = grown(group->reigns, group->n_reigns + 1, sizeof *group->reigns);
    group->reigns[group->n_reigns++] = (struct reign){.term = term, .id = seat->options.id};
    tell_nemesis(seat);
}

static uint64_t digest_of(const struct proposal *entry) {
    const unsigned char *at = entry->data.data;
    uint64_t sum = rng_mix(entry->type + 256 * entry->data.size);
    for (size_t i = 0; i < entry->data.size; i++)
        sum = rng_mix(sum ^ at[i]);
    return sum;
}

static void look_at_entry(const struct seat *seat, const struct proposal *entry) {
    struct group *group = group_of(seat);
    const struct applied now = {entry->term, digest_of(entry)};
    if (entry->index >= group->room) {
        size_t room = 2 * (size_t)entry->index + 64;
        group->entries = grown(group->entries, room, sizeof *group->entries);
        for (size_t i = group->room; i < room; i++)
            group->entries[i] = (struct applied){0};
        group->room = room;
    }
    struct applied *known = &group->entries[entry->index];
    if (known->term == 0) *known = now;
    if (known->term != now.term || known->digest != now.digest)
        trial_broken("group %llu: replica %llu applies another entry %llu (term %llu) than was "
                     "applied elsewhere (term %llu)",
                     (unsigned long long)group->id, (unsigned long long)seat->options.id,
                     (unsigned long long)entry->index, (unsigned long long)now.term,
                     (unsigned long long)known->term);
}

/* What a new leader applies first was written under others: the worst moment to lose it. */
static void look_at_first(const struct seat *seat) {
    struct consensus_state state;
    struct group *group = group_of(seat);
    if (!seat->consensus || seat->role != CONSENSUS_LEADER) return;
    consensus_state(seat->consensus, &state);
    for (size_t i = group->n_reigns; i > 0; i--) {
        struct reign *reign = &group->reigns[i - 1];
        if (reign->term != state.term || reign->id != seat->options.id) continue;
        if (!reign->acts) tell_nemesis(seat);
        reign->acts = true;
        return;
    }
}

/* --- the calls --- */

__typeof__(seat_state) __real_seat_state, __wrap_seat_state;
bool __wrap_seat_state(const struct seat *seat, struct consensus_state *out) {
    bool open = __real_seat_state(seat, out);
    if (open && out->role == CONSENSUS_LEADER) look_at_leader(seat, out->term);
    return open;
}

__typeof__(seat_take) __real_seat_take, __wrap_seat_take;
void __wrap_seat_take(
    struct seat *seat, uint32_t n, size_t bytes, struct proposals *out, struct turn *turn) {
    const struct proposal *last = out->last;
    __real_seat_take(seat, n, bytes, out, turn);
    for (const struct proposal *p = last ? last->next : out->first; p; p = p->next)
        look_at_entry(seat, p);
    if (out->last != last) look_at_first(seat);
}
