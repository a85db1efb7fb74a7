/* tap: the cheapest question first. */
#include "runtime/tap.h"

#include <stdio.h>
#include <string.h>

#include "runtime/codec.h"
#include "runtime/memory.h"

/* --- filters
 * -------------------------------------------------------------------------------------- */

static uint32_t op_of(const char *name) {
    const ProtobufCMessageDescriptor *type;
    for (size_t i = 0; (type = codec_nth(i)); i++)
        if (strcmp(type->name, name) == 0) return codec_op(type);
    return 0;
}

static bool copy(char out[TAP_PATTERN_MAX], const char *text) {
    size_t size = strlen(text);
    if (size >= TAP_PATTERN_MAX) return false;
    memcpy(out, text, size + 1);
    return true;
}

enum status tap_filter_read(const SysTap *wanted, struct tap_filter *out, const char **why) {
    struct tap_filter filter = {.op = 0};
    *why = "the name of an actor has at most 191 bytes";
    if (!copy(filter.actor, wanted->actor) || !copy(filter.from, wanted->from) ||
        !copy(filter.kind, wanted->kind))
        return STATUS_INVALID;
    if (*wanted->message) filter.op = op_of(wanted->message);
    *why = "there is no message of that type";
    if (*wanted->message && !filter.op) return STATUS_INVALID;
    *why = "a tap with steps is of one actor, by its whole name, with whole bodies";
    size_t named = strlen(wanted->actor);
    if (wanted->restart && !wanted->steps) return STATUS_INVALID;
    if (wanted->steps && (!wanted->whole || named == 0 || wanted->actor[named - 1] == '*'))
        return STATUS_INVALID;
    *why = "a trace id has 16 bytes";
    if (wanted->trace.len != 0 && wanted->trace.len != sizeof filter.trace) return STATUS_INVALID;
    if (wanted->trace.len) memcpy(filter.trace, wanted->trace.data, sizeof filter.trace);
    *out = filter;
    return STATUS_OK;
}

static bool name_matches(const char *pattern, const char *name) {
    size_t size = strlen(pattern);
    if (size > 0 && pattern[size - 1] == '*') return strncmp(pattern, name, size - 1) == 0;
    return strcmp(pattern, name) == 0;
}

static bool sender_matches(const struct turn *turn, const char *pattern) {
    char name[CORE_NAME_MAX];
    return core_name(turn->core, turn->parcel->envelope.from, name) && name_matches(pattern, name);
}

static bool matches(const struct tap_filter *filter, const struct turn *turn) {
    char name[CELL_NAME_MAX];
    const struct cell *cell = turn->cell;
    if (filter->op && filter->op != turn->op) return false;
    if ((filter->trace[0] | filter->trace[1]) &&
        (filter->trace[0] != turn->trace[0] || filter->trace[1] != turn->trace[1]))
        return false;
    if (*filter->kind && strcmp(filter->kind, cell->kind->type->kind) != 0) return false;
    if (*filter->actor && !name_matches(filter->actor, cell_name(cell, name))) return false;
    return !*filter->from || sender_matches(turn, filter->from);
}

/* --- looking on
 * ----------------------------------------------------------------------------------- */

static bool within_rate(struct tap *tap, uint64_t now_us) {
    if (now_us / 1000000 != tap->second) {
        tap->second = now_us / 1000000;
        tap->in_second = 0;
    }
    return tap->in_second++ < tap->per_second;
}

static void take_body(struct tap *tap, struct tapped *tapped, const struct parcel *parcel) {
    size_t one = tap->steps ? TAP_STEPS_BODY : TAP_BODY_MAX;
    size_t all = tap->steps ? TAP_STEPS_BYTES : TAP_BYTES;
    if (!tap->bodies || parcel->size == 0 || parcel->size > one) return;
    if (tap->bytes + parcel->size > all) return;
    tapped->body = mem_copy(parcel->body, parcel->size);
    if (tapped->body) tap->bytes += parcel->size;
}

/* The tale of the turn goes to the first tap that wants it; a second one gets a torn one. */
static void take_tale(struct tap *tap, struct tapped *tapped, struct tale *tale) {
    tapped->torn = !tale || tale->torn || tap->bytes + tale->bytes > TAP_STEPS_BYTES;
    if (tapped->torn) return;
    tapped->told = tale->told;
    tapped->sent = tale->sent;
    tapped->n_sent = tale->n_sent;
    tap->bytes += tale->bytes;
    tale->told = (struct tale_told){.n = 0};
    tale->sent = NULL;
    tale->n_sent = tale->sent_room = 0;
    tale->torn = true;
}

static void take_disk(struct tap *tap, struct tale *tale) {
    if (!tale || !tale->kept || tap->kept) return;
    tap->kept = true;
    tap->disk = tale->disk;
    snprintf(tap->refused, sizeof tap->refused, "%s", tale->refused ? tale->refused : "");
    buffer_init(&tale->disk);
}

static const struct envelope nothing = {.deadline_us = NO_DEADLINE};

static void look(struct tap *tap, const struct turn *turn, uint64_t began_us, uint64_t ran_us) {
    const struct parcel *parcel = turn->parcel;
    if (!matches(&tap->filter, turn)) return;
    if (tap->steps) take_disk(tap, turn->lane->tale);
    if (tap->matched++ % tap->one_in != 0) return;
    if (tap->n == TAP_HELD || !within_rate(tap, began_us)) {
        tap->skipped++;
        return;
    }
    struct tapped *tapped = &tap->held[tap->n++];
    const struct envelope *envelope = parcel ? &parcel->envelope : &nothing;
    uint64_t deadline = envelope->deadline_us;
    *tapped = (struct tapped){
        .envelope = *envelope,
        .to = turn->cell->handle,
        .kind = (uint8_t)span_turn_kind(turn),
        .number = tap->matched,
        .began_us = began_us,
        .ran_us = ran_us,
        .waited_us = parcel && began_us > parcel->queued_us ? began_us - parcel->queued_us : 0,
        .deadline_us = deadline != NO_DEADLINE && deadline > began_us ? deadline - began_us : 0,
        .size = parcel && envelope->op ? parcel->size : 0,
        .outcome = turn->outcome,
    };
    if (parcel && envelope->op) take_body(tap, tapped, parcel);
    if (tap->steps) take_tale(tap, tapped, turn->lane->tale);
}

uint64_t tap_disk_max(const struct turn *turn) {
    for (const struct tap *tap = turn->lane->taps; tap; tap = tap->next)
        if (tap->steps && !tap->kept && matches(&tap->filter, turn)) return tap->disk_max;
    return 0;
}

void tap_look(const struct turn *turn, uint64_t began_us, uint64_t ran_us) {
    const struct actor_type *type = turn->cell->kind->type;
    bool message = turn->parcel && turn->parcel->envelope.kind <= PARCEL_DOWN;
    bool own = type->quiet || strcmp(type->kind, "sys") == 0 ||
               turn->op == lane_op(turn->lane, &sys_tapped__descriptor);
    for (struct tap *tap = turn->lane->taps; tap && !own; tap = tap->next)
        if (message || tap->steps) look(tap, turn, began_us, ran_us);
    struct tale *tale = turn->lane->tale;
    if (!tale) return;
    tale_clear(tale);
    if (tale->holds && type == tale->only && turn->cell->now == CELL_OPEN)
        turn->cell->now = CELL_PAUSED;
}

/* --- on and off
 * ----------------------------------------------------------------------------------- */

enum status tap_on(struct lane *lane, const SysTap *wanted, struct tap **out) {
    const char *why;
    uint32_t n = 0;
    for (const struct tap *tap = lane->taps; tap; tap = tap->next)
        n++;
    if (n >= TAPS_MAX) return STATUS_QUOTA;
    struct tap *tap = mem_zero(1, sizeof *tap);
    if (!tap) return STATUS_NO_MEMORY;
    enum status s = tap_filter_read(wanted, &tap->filter, &why);
    if (s != STATUS_OK) {
        mem_free(tap);
        return s;
    }
    tap->one_in = wanted->one_in ? wanted->one_in : 1;
    tap->per_second = wanted->per_second;
    tap->bodies = wanted->bodies;
    tap->steps = wanted->steps;
    tap->disk_max = (wanted->disk_mb ? wanted->disk_mb : TAP_DISK_MB) * UINT64_C(1024) * 1024;
    if (tap->steps && !lane->tale) lane->tale = mem_zero(1, sizeof *lane->tale);
    if (tap->steps && !lane->tale) {
        mem_free(tap);
        return STATUS_NO_MEMORY;
    }
    tap->next = lane->taps;
    lane->taps = tap;
    *out = tap;
    return STATUS_OK;
}

void tap_empty(struct tap *tap) {
    for (uint32_t i = 0; i < tap->n; i++) {
        struct tapped *held = &tap->held[i];
        mem_free(held->body);
        mem_free(held->told.asked);
        mem_free(held->told.values);
        tale_sent_free(held->sent, held->n_sent);
        mem_free(held->sent);
    }
    tap->n = 0;
    tap->bytes = 0;
}

void tap_off(struct lane *lane, struct tap *tap) {
    struct tap **at = &lane->taps;
    while (*at != tap)
        at = &(*at)->next;
    *at = tap->next;
    tap_empty(tap);
    buffer_free(&tap->disk);
    mem_free(tap);
    for (tap = lane->taps; tap && !tap->steps;)
        tap = tap->next;
    if (tap) return;
    tale_free(lane->tale);
    lane->tale = NULL;
}
