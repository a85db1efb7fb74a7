/* tale: two growing lists a turn. Without memory the tale is torn, never the turn. */
#include "runtime/tale.h"

#include <string.h>

#include "runtime/memory.h"

static bool grow(void **list, size_t *room, size_t n, size_t size, size_t max) {
    if (n < *room) return true;
    if (n >= max) return false;
    size_t more = *room ? *room * 2 : 16;
    void *bigger = mem_resize(*list, more * size);
    if (!bigger) return false;
    *list = bigger;
    *room = more;
    return true;
}

static void note(struct tale *tale, enum tale_asked asked, uint64_t value) {
    struct tale_told *told = &tale->told;
    size_t letters = told->room;
    void *asked_list = told->asked, *values = told->values;
    bool fits = grow(&asked_list, &letters, told->n, 1, TALE_TOLD_MAX);
    told->asked = asked_list;
    fits = fits && grow(&values, &told->room, told->n, sizeof *told->values, TALE_TOLD_MAX);
    told->values = values;
    if (!fits) {
        tale->torn = true;
        return;
    }
    told->asked[told->n] = (char)asked;
    told->values[told->n++] = value;
}

uint64_t tale_ask(struct turn *turn, enum tale_asked asked, uint64_t value) {
    struct tale *tale = turn->lane->tale;
    if (tale->only && turn->cell->kind->type != tale->only) return value;
    if (tale->only && tale->at < tale->script.n && tale->script.asked[tale->at] == (char)asked)
        value = tale->script.values[tale->at++];
    else if (tale->only)
        tale->strayed = true;
    note(tale, asked, value);
    return value;
}

actor_handle tale_meet(struct turn *turn, actor_handle actor) {
    if (tale_ask(turn, TALE_FOUND, actor != 0) == 0) return 0;
    return actor ? actor : turn->lane->tale->nobody;
}

/* NULL: it is not wanted, or there is no room. */
static struct tale_sent *new_sent(struct turn *turn) {
    struct tale *tale = turn->lane->tale;
    if (tale->only && turn->cell->kind->type != tale->only) return NULL;
    void *list = tale->sent;
    bool fits = grow(&list, &tale->sent_room, tale->n_sent, sizeof *tale->sent, TALE_SENT_MAX);
    tale->sent = list;
    if (!fits) tale->torn = true;
    return fits ? &tale->sent[tale->n_sent++] : NULL;
}

static void take_body(struct tale *tale, struct tale_sent *sent, const void *body) {
    if (sent->size == 0 || tale->bytes + sent->size > TALE_BYTES_MAX) return;
    sent->body = mem_copy(body, sent->size);
    if (sent->body) tale->bytes += sent->size;
}

void tale_say(struct turn *turn, const struct parcel *parcel) {
    struct tale_sent *sent = new_sent(turn);
    const struct envelope *envelope = &parcel->envelope;
    if (!sent) return;
    *sent = (struct tale_sent){.kind = envelope->kind,
                               .op = envelope->op,
                               .to = envelope->to,
                               .correlation = envelope->correlation,
                               .size = parcel->size};
    take_body(turn->lane->tale, sent, parcel->body);
}

void tale_begin(
    struct turn *turn, uint8_t kind, uint64_t correlation, actor_handle of, const char *words) {
    struct tale_sent *sent = new_sent(turn);
    if (!sent) return;
    *sent = (struct tale_sent){
        .kind = kind, .to = of, .correlation = correlation, .size = strlen(words)};
    take_body(turn->lane->tale, sent, words);
}

const char *tale_kind_name(uint8_t kind) {
    switch (kind) {
    case PARCEL_CALL:
        return "call";
    case PARCEL_CAST:
        return "cast";
    case PARCEL_PART:
        return "part";
    case PARCEL_LOOKUP:
        return "lookup";
    case PARCEL_MONITOR:
        return "monitor";
    case PARCEL_WORKED:
        return "work";
    case PARCEL_START:
        return "spawn";
    case PARCEL_STOP:
        return "stop";
    case TALE_EXIT:
        return "exit";
    default:
        return "reply";
    }
}

void tale_sent_free(struct tale_sent *sent, size_t n) {
    for (size_t i = 0; i < n; i++)
        mem_free(sent[i].body);
}

void tale_clear(struct tale *tale) {
    tale_sent_free(tale->sent, tale->n_sent);
    buffer_free(&tale->disk);
    tale->told.n = tale->n_sent = tale->bytes = 0;
    tale->torn = tale->kept = false;
    tale->refused = NULL;
}

void tale_free(struct tale *tale) {
    if (!tale) return;
    tale_clear(tale);
    mem_free(tale->told.asked);
    mem_free(tale->told.values);
    mem_free(tale->sent);
    mem_free(tale);
}
