/* sys_letters: dead letters as rows, and one of them sent again. On the first lane. */
#include <string.h>

#include "runtime/memory.h"
#include "runtime/redact.h"
#include "runtime/sys_state.h"

void sys_body(
    struct turn *turn, uint32_t op, const void *body, size_t size, ProtobufCBinaryData *out) {
    struct buffer shown;
    buffer_init(&shown);
    if (redact(op, body, size, &turn->lane->arena, &shown) == STATUS_OK && shown.size > 0)
        out->data = turn_alloc(turn, shown.size);
    if (out->data) {
        memcpy(out->data, shown.data, shown.size);
        out->len = shown.size;
    }
    buffer_free(&shown);
}

static SysDeadLetter *letter_row(struct turn *turn, const struct letter *letter, bool bodies) {
    SysDeadLetter *row = turn_new(turn, SysDeadLetter, sys_dead_letter);
    const struct envelope *envelope = &letter->envelope;
    const char *type = sys_type_name(envelope->op);
    row->number = letter->number;
    row->at_ms = letter->at_ms;
    row->to = letter->to     ? turn_printf(turn, "%s", letter->to)
              : envelope->to ? sys_name(turn, envelope->to)
                             : "nobody";
    row->from = envelope->from ? sys_name(turn, envelope->from) : "nobody";
    row->message = *type ? (char *)type : "unknown";
    row->reason = (char *)status_name(letter->reason);
    row->size = letter->size;
    row->kept = letter->body != NULL;
    sys_trace(turn, envelope->trace, &row->trace);
    if (bodies && letter->body)
        sys_body(turn, envelope->op, letter->body, letter->size, &row->body);
    return row;
}

size_t
sys_letter_rows(struct turn *turn, uint64_t before, size_t max, bool bodies, SysDeadLetter ***out) {
    struct letter letter;
    size_t n = 0;
    *out = SYS_LIST(turn, max, SysDeadLetter);
    for (; *out && n < max && letters_before(&turn->core->letters, before, &letter); n++) {
        (*out)[n] = letter_row(turn, &letter, bodies);
        before = letter.number;
        mem_free(letter.body);
        mem_free(letter.to);
        if (before == 1) return n + 1;
    }
    return n;
}

enum status sys_ask_letters(const SysAskLetters *ask, struct turn *turn) {
    if (ask->bodies && !turn->core->bodies) return sys_no_bodies(turn);
    SysLetters *letters = turn_new(turn, SysLetters, sys_letters);
    size_t max = ask->max == 0 ? SYS_LETTERS_DEFAULT : ask->max;
    if (max > LETTERS_KEPT) max = LETTERS_KEPT;
    letters->total = letters_count(&turn->core->letters);
    letters->n_letters = sys_letter_rows(turn, ask->before, max, ask->bodies, &letters->letters);
    turn_reply(turn, &letters->base);
    return STATUS_OK;
}

/* --- again
 * ---------------------------------------------------------------------------------------- */

/* Who has the letter's name now. Without a name, only the very actor it was for. */
static actor_handle receiver(struct turn *turn, const struct letter *letter) {
    uint32_t lane = 0;
    if (letter->to) return core_find(turn->core, letter->to);
    bool there = table_find(&turn->core->table, letter->envelope.to, &lane) != NULL;
    return there ? letter->envelope.to : 0;
}

static enum status send_again(struct turn *turn, const struct letter *letter, actor_handle to) {
    struct parcel *parcel = parcel_new(letter->size);
    if (!parcel) return turn_fail(turn, STATUS_NO_MEMORY, "no memory for the letter");
    memcpy(parcel->body, letter->body, letter->size);
    struct envelope *envelope = &parcel->envelope;
    envelope->kind = PARCEL_CAST; /* whoever called had its outcome already */
    envelope->band = letter->envelope.band;
    envelope->op = letter->envelope.op;
    envelope->from = turn_self(turn);
    envelope->to = to;
    envelope->trace[0] = letter->envelope.trace[0];
    envelope->trace[1] = letter->envelope.trace[1];
    envelope->parent = letter->envelope.span;
    envelope->span = span_new(turn->lane);
    envelope->flags = letter->envelope.flags & PARCEL_TRACED;
    core_send(turn->core, turn->lane, parcel);
    return STATUS_OK;
}

enum status sys_resend(const SysResend *ask, struct turn *turn) {
    struct letter letter;
    unsigned long long number = ask->number;
    if (!turn->core->actions) return sys_no_actions(turn);
    if (number == 0 || !letters_before(&turn->core->letters, ask->number + 1, &letter))
        return turn_fail(turn, STATUS_NOT_FOUND, "letter %llu is not kept any more", number);
    enum status s = STATUS_OK;
    actor_handle to = receiver(turn, &letter);
    if (letter.number != ask->number)
        s = turn_fail(turn, STATUS_NOT_FOUND, "there is no letter %llu yet", number);
    else if (!letter.body)
        s = turn_fail(turn, STATUS_NOT_FOUND, "the body of letter %llu was not kept", number);
    else if (!to)
        s = turn_fail(turn, STATUS_NOT_FOUND, "the receiver of letter %llu is gone", number);
    else
        s = send_again(turn, &letter, to);
    mem_free(letter.body);
    mem_free(letter.to);
    return s;
}
