/* sys_tap: taps as sys answers them.
 *
 *     SysTap ─▶ sys ── SysTap ─▶ reporters ── SysTapped, every TAP_DRAIN_US ─▶ sys ── SysTapped ─▶
 *
 * sys holds the rate and the number over all lanes. A tap ends by number, by time, by a cancel, and
 * with its client's link: the lanes' calls are made on its behalf. */
#include <stdio.h>

#include "runtime/memory.h"
#include "runtime/sys_state.h"
#include "runtime/tap.h"
#include "schemas/runtime.pb-c.h"

enum {
    TAP_DRAIN_US = 100 * 1000,
    TAP_STEPS_US = 10 * 1000,     /* the same of a tap with steps, which skips nothing */
    TAP_PART_BYTES = 1024 * 1024, /* of one answer; a turn always fits */
    TAP_DISK_BYTES = 512 * 1024,  /* of the actor's disk in it */
    TAP_SECONDS_DEFAULT = 60,
    TAP_SECONDS_MAX = 3600,
    TAP_RATE_DEFAULT = 1000,
    TAP_MESSAGES_DEFAULT = 10000,
    TAP_GRACE_US = 1000 * 1000,           /* for the lanes' last words */
    TAP_DISK_GRACE_US = 60 * 1000 * 1000, /* … when the actor's disk is among them */
};

/* --- a lane's side
 * -------------------------------------------------------------------------------- */

struct lookout {
    struct lookout *next; /* owned by the reporter */
    struct tap *tap;
    struct promise promise;
    uint64_t until_us;
    bool whole;
};

static void add_sent(struct turn *turn, const struct tapped *tapped, SysMessage *row) {
    row->sent = SYS_LIST(turn, tapped->n_sent, SysSent);
    for (size_t i = 0; row->sent && i < tapped->n_sent; i++) {
        const struct tale_sent *sent = &tapped->sent[i];
        SysSent *out = turn_new(turn, SysSent, sys_sent);
        out->kind = (char *)tale_kind_name(sent->kind);
        out->message = (char *)sys_type_name(sent->op);
        out->to = sys_name(turn, sent->to);
        out->correlation = sent->correlation;
        out->size = sent->size;
        if (sent->body) out->body = (ProtobufCBinaryData){sent->size, sent->body};
        row->sent[row->n_sent++] = out;
    }
}

static void add_tale(struct turn *turn, const struct tapped *tapped, SysMessage *row) {
    const struct tale_told *told = &tapped->told;
    row->number = tapped->number;
    row->torn = tapped->torn;
    row->asked = (ProtobufCBinaryData){told->n, (uint8_t *)told->asked};
    row->told = told->values;
    row->n_told = told->n;
    add_sent(turn, tapped, row);
}

static SysMessage *
tapped_row(struct turn *turn, const struct tap *tap, const struct tapped *tapped, bool whole) {
    SysMessage *row = turn_new(turn, SysMessage, sys_message);
    const struct envelope *envelope = &tapped->envelope;
    row->at_us = tapped->began_us;
    row->kind = (char *)span_kind_name(tapped->kind);
    row->message = (char *)(envelope->op ? sys_type_name(envelope->op) : "");
    row->from = sys_name(turn, envelope->from);
    row->from_handle = envelope->from;
    row->to = sys_name(turn, tapped->to);
    row->to_handle = tapped->to;
    row->correlation = envelope->correlation;
    row->band = envelope->band;
    row->size = tapped->size;
    row->span = envelope->span;
    row->parent = envelope->parent;
    row->waited_us = tapped->waited_us;
    row->ran_us = tapped->ran_us;
    row->deadline_us = tapped->deadline_us;
    row->outcome = (char *)span_outcome_name(tapped->outcome);
    sys_trace(turn, envelope->trace, &row->trace);
    if (tapped->body && whole)
        row->body = (ProtobufCBinaryData){tapped->size, tapped->body};
    else if (tapped->body)
        sys_body(turn, envelope->op, tapped->body, tapped->size, &row->body);
    if (tap->steps) add_tale(turn, tapped, row);
    return row;
}

static size_t weight(const struct tapped *tapped) {
    size_t bytes = tapped->body ? tapped->size : 0;
    for (size_t i = 0; i < tapped->n_sent; i++)
        bytes += tapped->sent[i].body ? tapped->sent[i].size : 0;
    return bytes + tapped->told.n * sizeof *tapped->told.values;
}

/* Turns from `first` on, as many as one answer takes; returns the one after them. */
static uint32_t say_part(struct turn *turn, struct lookout *lookout, uint32_t first) {
    struct tap *tap = lookout->tap;
    size_t bytes = 0;
    SysTapped *part = turn_new(turn, SysTapped, sys_tapped);
    part->matched = tap->matched;
    part->skipped = tap->skipped;
    part->messages = SYS_LIST(turn, tap->n - first, SysMessage);
    while (part->messages && first < tap->n) {
        bytes += weight(&tap->held[first]);
        if (part->n_messages > 0 && bytes > TAP_PART_BYTES) break;
        part->messages[part->n_messages++] =
            tapped_row(turn, tap, &tap->held[first++], lookout->whole);
    }
    turn_resolve_part(turn, &lookout->promise, &part->base);
    return part->messages ? first : tap->n;
}

static void say_turns(struct turn *turn, struct lookout *lookout) {
    uint32_t said = 0;
    do
        said = say_part(turn, lookout, said);
    while (said < lookout->tap->n);
    tap_empty(lookout->tap);
}

/* The next piece of the actor's disk, or why it does not go along. */
static void say_disk(struct turn *turn, struct lookout *lookout) {
    struct tap *tap = lookout->tap;
    SysTapped *part = turn_new(turn, SysTapped, sys_tapped);
    size_t rest = tap->disk.size - tap->disk_at;
    part->matched = tap->matched;
    part->skipped = tap->skipped;
    part->disk_size = tap->disk.size;
    part->disk_refused = tap->refused;
    part->disk.data = tap->disk.data ? tap->disk.data + tap->disk_at : NULL;
    part->disk.len = rest < TAP_DISK_BYTES ? rest : TAP_DISK_BYTES;
    turn_resolve_part(turn, &lookout->promise, &part->base);
    tap->disk_at += part->disk.len;
    tap->refused[0] = '\0';
    if (tap->disk_at < tap->disk.size) return;
    buffer_free(&tap->disk);
    tap->disk_at = 0;
}

static void free_lookout(struct sys_taps *taps, struct lane *lane, struct lookout *lookout) {
    struct lookout **at = &taps->lookouts;
    while (*at != lookout)
        at = &(*at)->next;
    *at = lookout->next;
    tap_off(lane, lookout->tap);
    mem_free(lookout);
}

static void drain_now(void *self, void *context, struct turn *turn) {
    struct lookout *lookout = context;
    bool wanted = turn_wanted(turn, &lookout->promise);
    struct tap *tap = lookout->tap;
    bool over = turn_now_us(turn) >= lookout->until_us;
    if (wanted && (tap->n > 0 || over)) say_turns(turn, lookout);
    if (wanted && (tap->disk.size > 0 || tap->refused[0])) say_disk(turn, lookout);
    if (wanted && (!over || tap->disk.size > 0)) {
        turn_timer(turn, tap->steps ? TAP_STEPS_US : TAP_DRAIN_US, drain_now, lookout);
        return;
    }
    Done done = DONE__INIT;
    turn_resolve(turn, &lookout->promise, &done.base);
    free_lookout(self, turn->lane, lookout);
}

/* The actor of the tap, where it is on this lane. */
static enum status restart_here(const SysTap *ask, struct turn *turn) {
    if (!sys_cell(turn, core_find(turn->core, ask->actor))) return STATUS_OK;
    SysDo restart = SYS_DO__INIT;
    restart.actor = ask->actor;
    restart.action = (char *)(uintptr_t) "restart";
    return sys_lane_do(&restart, turn);
}

enum status sys_lane_tap(struct sys_taps *taps, const SysTap *ask, struct turn *turn) {
    struct tap *tap = NULL;
    struct lookout *lookout = mem_zero(1, sizeof *lookout);
    enum status s = lookout ? tap_on(turn->lane, ask, &tap) : STATUS_NO_MEMORY;
    if (s != STATUS_OK) {
        mem_free(lookout);
        return turn_fail(turn, s, "no tap on lane %u", turn->lane->index + 1);
    }
    lookout->tap = tap;
    lookout->until_us = turn_now_us(turn) + ask->seconds * UINT64_C(1000000);
    lookout->whole = ask->whole;
    lookout->next = taps->lookouts;
    taps->lookouts = lookout;
    s = ask->restart ? restart_here(ask, turn) : STATUS_OK;
    if (s != STATUS_OK) {
        free_lookout(taps, turn->lane, lookout);
        return s;
    }
    lookout->promise = turn_defer(turn);
    turn_timer(turn, TAP_DRAIN_US, drain_now, lookout);
    return STATUS_OK;
}

void sys_lane_taps_close(struct sys_taps *taps) {
    while (taps->lookouts)
        free_lookout(taps, taps->lane, taps->lookouts);
}

/* --- the process's side
 * --------------------------------------------------------------------------- */

struct tapping {
    struct tapping *next; /* owned by sys */
    struct promise promise;
    uint64_t max, sent;
    uint64_t skipped; /* here, beyond those of the lanes */
    uint32_t per_second, in_second;
    uint64_t second;
    bool ending; /* the lanes were told */
    bool restarts;
    enum status failed; /* of a lane that did not restart the actor */
    char words[160];
    uint32_t open;
    uint32_t n;
    struct tap_lane {
        struct tapping *tapping;
        uint64_t call, matched, skipped;
    } lanes[];
};

static void free_tapping(struct sys_tappings *taps, struct tapping *tapping) {
    struct tapping **at = &taps->first;
    while (*at != tapping)
        at = &(*at)->next;
    *at = tapping->next;
    taps->n--;
    mem_free(tapping);
}

static void end_tapping(struct turn *turn, struct tapping *tapping) {
    if (tapping->ending) return;
    tapping->ending = true;
    for (uint32_t i = 0; i < tapping->n; i++)
        turn_cancel(turn, tapping->lanes[i].call);
}

static bool may_send(struct tapping *tapping, uint64_t at_us) {
    if (at_us / 1000000 != tapping->second) {
        tapping->second = at_us / 1000000;
        tapping->in_second = 0;
    }
    return tapping->sent < tapping->max && tapping->in_second < tapping->per_second;
}

/* The part as the client gets it: within rate and number, with names that only this lane knows. */
static void pass_on(struct turn *turn, struct tapping *tapping, SysTapped *part) {
    size_t kept = 0;
    for (size_t i = 0; i < part->n_messages; i++) {
        SysMessage *row = part->messages[i];
        if (!may_send(tapping, row->at_us)) {
            tapping->skipped++;
            continue;
        }
        tapping->sent++;
        tapping->in_second++;
        sys_name_peer(turn, &row->from, row->from_handle);
        part->messages[kept++] = row;
    }
    part->n_messages = kept;
    part->matched = 0;
    part->skipped = tapping->skipped;
    for (uint32_t i = 0; i < tapping->n; i++) {
        part->matched += tapping->lanes[i].matched;
        part->skipped += tapping->lanes[i].skipped;
    }
    turn_resolve_part(turn, &tapping->promise, &part->base);
}

static void on_tapped(void *self, void *context, const struct outcome *outcome, struct turn *turn) {
    struct tap_lane *lane = context;
    struct tapping *tapping = lane->tapping;
    SysTapped *part = (SysTapped *)outcome_as(outcome, SysTapped, sys_tapped);
    if (part) {
        lane->matched = part->matched;
        lane->skipped = part->skipped;
        if (!tapping->ending) pass_on(turn, tapping, part);
        if (tapping->sent >= tapping->max) end_tapping(turn, tapping);
    }
    if (tapping->restarts && outcome->status != STATUS_OK && !tapping->ending) {
        tapping->failed = outcome->status;
        snprintf(tapping->words, sizeof tapping->words, "%s", outcome->text);
        end_tapping(turn, tapping);
    }
    if (outcome->more || --tapping->open > 0) return;
    Done done = DONE__INIT;
    if (tapping->failed)
        turn_reject(turn, &tapping->promise, tapping->failed, "%s", tapping->words);
    else
        turn_resolve(turn, &tapping->promise, &done.base);
    free_tapping(sys_tappings(self), tapping);
}

static void set_defaults(SysTap *tap) {
    if (tap->seconds == 0) tap->seconds = TAP_SECONDS_DEFAULT;
    if (tap->seconds > TAP_SECONDS_MAX) tap->seconds = TAP_SECONDS_MAX;
    if (tap->per_second == 0) tap->per_second = TAP_RATE_DEFAULT;
    if (tap->max == 0) tap->max = TAP_MESSAGES_DEFAULT;
}

static enum status judge(const SysTap *ask, struct turn *turn) {
    struct tap_filter filter;
    const char *why = "";
    if (ask->bodies && !turn->core->bodies) return sys_no_bodies(turn);
    if (ask->whole && turn->core->bodies != SYS_BODIES_WHOLE)
        return turn_fail(turn, STATUS_DENIED,
                         "whole bodies are not given here: VECTRON_SYS_BODIES=whole allows it");
    if (ask->restart && !turn->core->actions) return sys_no_actions(turn);
    if (ask->disk_mb > TAP_DISK_MB_MAX)
        return turn_fail(turn, STATUS_INVALID, "disk_mb is %u, above %d", ask->disk_mb,
                         TAP_DISK_MB_MAX);
    if (ask->restart && !core_find(turn->core, ask->actor))
        return turn_fail(turn, STATUS_NOT_FOUND, "no actor %s in this process", ask->actor);
    enum status s = tap_filter_read(ask, &filter, &why);
    return s == STATUS_OK ? s : turn_fail(turn, s, "%s", why);
}

enum status sys_tap(struct sys *self, const SysTap *ask, struct turn *turn) {
    struct sys_tappings *taps = sys_tappings(self);
    uint32_t n = turn->core->n_lanes;
    uint64_t grace = ask->restart ? TAP_DISK_GRACE_US : TAP_GRACE_US;
    enum status s = judge(ask, turn);
    if (s != STATUS_OK) return s;
    if (taps->n >= TAPS_MAX)
        return turn_fail(turn, STATUS_QUOTA, "%d taps are on already", TAPS_MAX);
    struct tapping *tapping = mem_zero(1, sizeof *tapping + n * sizeof *tapping->lanes);
    if (!tapping) return turn_fail(turn, STATUS_NO_MEMORY, "no memory for a tap");
    SysTap wanted = *ask;
    set_defaults(&wanted);
    if (wanted.whole) wanted.bodies = true;
    tapping->max = wanted.max;
    tapping->per_second = wanted.per_second;
    tapping->restarts = wanted.restart;
    tapping->n = tapping->open = n;
    tapping->next = taps->first;
    taps->first = tapping;
    taps->n++;
    tapping->promise = turn_defer(turn);
    for (uint32_t i = 0; i < n; i++) {
        struct tap_lane *lane = &tapping->lanes[i];
        lane->tapping = tapping;
        lane->call = turn_call(
            turn, &(struct call){
                      .to = turn_find(turn, sys_reporter_name(turn, i)),
                      .message = &wanted.base,
                      .done = on_tapped,
                      .context = lane,
                      .deadline_us = turn_now_us(turn) + wanted.seconds * UINT64_C(1000000) + grace,
                      .control = true,
                      .behalf = &tapping->promise,
                  });
    }
    return STATUS_OK;
}

void sys_taps_close(struct sys_tappings *taps) {
    while (taps->first)
        free_tapping(taps, taps->first);
}
