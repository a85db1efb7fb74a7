/* roster: rows of a process's actors. A row finds its earlier self by handle, so an actor that was
 * restarted begins anew. */
#include <math.h>
#include <string.h>

#include "cli/console/model.h"

enum { WINDOW_US = 10 * 1000 * 1000, GROWTH_LEAST = 8 };

double window_percentile(const struct window *window, double share) {
    double all = 0, seen = 0;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
        all += (double)window->counts[i];
    if (all < 0.5) return 0; /* what is left of values long ago */
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        double count = (double)window->counts[i];
        if (count > 0 && seen + count >= share * all) {
            double low = i ? (double)(UINT64_C(1) << i) : 0, high = (double)(UINT64_C(2) << i);
            return low + (high - low) * (share * all - seen) / count;
        }
        seen += count;
    }
    return 0;
}

/* Handles to rows, open addressing; twice the rows, so never full. */
struct index {
    const struct actor_row **slots;
    size_t mask;
};

static size_t slot_of(const struct index *index, uint64_t handle) {
    return (size_t)(handle * UINT64_C(0x9e3779b97f4a7c15) >> 32) & index->mask;
}

static bool index_build(struct index *index, struct arena *arena, const struct process *process) {
    size_t capacity = 16;
    while (capacity < process->n_actors * 2)
        capacity *= 2;
    index->slots = arena_zero(arena, capacity * sizeof *index->slots);
    index->mask = capacity - 1;
    if (!index->slots) return false;
    for (size_t i = 0; i < process->n_actors; i++) {
        size_t at = slot_of(index, process->actors[i].actor->handle);
        while (index->slots[at])
            at = (at + 1) & index->mask;
        index->slots[at] = &process->actors[i];
    }
    return true;
}

static const struct actor_row *index_find(const struct index *index, uint64_t handle) {
    for (size_t at = slot_of(index, handle); index->slots[at]; at = (at + 1) & index->mask)
        if (index->slots[at]->actor->handle == handle) return index->slots[at];
    return NULL;
}

static double per_second(uint64_t now, uint64_t before, double us) {
    return now > before && us > 0 ? (double)(now - before) * 1e6 / us : 0;
}

static uint64_t count_at(const SysHistogram *histogram, size_t i) {
    return histogram && i < histogram->n_counts ? histogram->counts[i] : 0;
}

static void fill_window(struct window *out,
                        const SysHistogram *histogram,
                        const struct window *before,
                        const SysHistogram *old,
                        double keep) {
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        uint64_t now = count_at(histogram, i), then = before ? count_at(old, i) : 0;
        double fresh = now > then ? (double)(now - then) : 0;
        out->counts[i] = (float)(fresh + (before ? keep * (double)before->counts[i] : 0));
    }
}

static void rate(struct actor_row *row, const struct actor_row *old, double us) {
    const SysActor *now = row->actor, *then = old->actor;
    row->rated = true;
    row->received = per_second(now->received, then->received, us);
    row->sent = per_second(now->sent, then->sent, us);
    row->refused = per_second(now->dropped + now->expired, then->dropped + then->expired, us);
    row->failed = per_second(now->failed, then->failed, us);
    row->busy = per_second(now->busy_us, then->busy_us, us) / 1e6;
    uint64_t expired = now->expired > then->expired ? now->expired - then->expired : 0;
    uint64_t received = now->received > then->received ? now->received - then->received : 0;
    if (expired)
        row->expired_share = (double)expired / (double)(received > expired ? received : expired);
}

/* Growing: never shallower than one answer ago. */
static void watch_growth(struct actor_row *row, const struct actor_row *old, uint64_t at_ms) {
    if (row->actor->depth < GROWTH_LEAST || !old || row->actor->depth < old->actor->depth) return;
    bool grew = row->actor->depth > old->actor->depth;
    row->growing_ms = old->growing_ms ? old->growing_ms : grew ? at_ms : 0;
    row->grown_from = old->growing_ms ? old->grown_from : old->actor->depth;
}

static void fill(struct actor_row *row, const struct actor_row *old, double us, uint64_t at_ms) {
    double keep = us > 0 ? exp(-us / WINDOW_US) : 1;
    const SysActor *now = row->actor, *then = old ? old->actor : NULL;
    fill_window(&row->mailbox, now->mailbox, old ? &old->mailbox : NULL,
                then ? then->mailbox : NULL, keep);
    fill_window(&row->handler, now->handler, old ? &old->handler : NULL,
                then ? then->handler : NULL, keep);
    row->mailbox_p50 = window_percentile(&row->mailbox, 0.5);
    row->mailbox_p99 = window_percentile(&row->mailbox, 0.99);
    row->handler_p50 = window_percentile(&row->handler, 0.5);
    row->handler_p99 = window_percentile(&row->handler, 0.99);
    if (old && us > 0) rate(row, old, us);
    watch_growth(row, old, at_ms);
}

void roster_build(struct process *process, struct answer *answer) {
    const SysReport *report = (const SysReport *)answer->message;
    struct actor_row *rows = arena_zero(&answer->arena, report->n_actors * sizeof *rows);
    const SysReport *last = process->roster ? (const SysReport *)process->roster->message : NULL;
    double us = 0;
    if (last && report->uptime_ms > last->uptime_ms)
        us = (double)(report->uptime_ms - last->uptime_ms) * 1000;
    struct index index;
    bool known = us > 0 && index_build(&index, &answer->arena, process);
    for (size_t i = 0; rows && i < report->n_actors; i++) {
        rows[i].process = process;
        rows[i].actor = report->actors[i];
        fill(&rows[i], known ? index_find(&index, rows[i].actor->handle) : NULL, us, answer->at_ms);
    }
    answer_drop(process->roster);
    process->roster = answer_hold(answer);
    process->actors = rows;
    process->n_actors = rows ? report->n_actors : 0;
}
