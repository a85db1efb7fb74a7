/* span_set: replies live for a turn only, so everything is copied into one arena. */
#include "cli/span_set.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/memory.h"

void span_set_init(struct span_set *set) {
    memset(set, 0, sizeof *set);
    arena_init(&set->arena, 0);
}

void span_set_free(struct span_set *set) {
    arena_free(&set->arena);
    mem_free(set->spans);
    memset(set, 0, sizeof *set);
}

static char *copy_text(struct span_set *set, const char *text) {
    size_t size = strlen(text) + 1;
    char *copy = arena_alloc(&set->arena, size);
    if (!copy) return "";
    memcpy(copy, text, size);
    return copy;
}

static SysSpan *copy_span(struct span_set *set, const char *node, const SysSpan *from) {
    SysSpan *span = arena_alloc(&set->arena, sizeof *span);
    if (!span) return NULL;
    *span = *from;
    span->node = copy_text(set, node);
    span->actor = copy_text(set, from->actor);
    span->message = copy_text(set, from->message);
    span->kind = copy_text(set, from->kind);
    span->outcome = copy_text(set, from->outcome);
    span->text = copy_text(set, from->text);
    span->trace.data = arena_alloc(&set->arena, from->trace.len + 1);
    if (!span->trace.data) return NULL;
    if (from->trace.len) memcpy(span->trace.data, from->trace.data, from->trace.len);
    return span;
}

void span_set_add(struct span_set *set, const char *node, const SysTrace *part) {
    if (set->n + part->n_spans > set->room) {
        size_t room = (set->n + part->n_spans) * 2;
        SysSpan **spans = mem_resize(set->spans, room * sizeof *spans);
        if (!spans) {
            set->failed = true;
            return;
        }
        set->spans = spans;
        set->room = room;
    }
    for (size_t i = 0; i < part->n_spans; i++) {
        SysSpan *span = copy_span(set, node, part->spans[i]);
        if (span)
            set->spans[set->n++] = span;
        else
            set->failed = true;
    }
}

static int by_start(const void *a, const void *b) {
    const SysSpan *x = *(SysSpan *const *)a, *y = *(SysSpan *const *)b;
    if (x->start_us != y->start_us) return x->start_us < y->start_us ? -1 : 1;
    if (x->span == y->parent) return -1;
    if (y->span == x->parent) return 1;
    uint64_t x_end = span_end_us(x), y_end = span_end_us(y);
    return (x_end < y_end) - (x_end > y_end);
}

/* The same turn of the same lane among the last ones of its microsecond. A span id tells its
 * process, since no two make the same. */
static bool seen(const struct span_set *set, size_t n, const SysSpan *span) {
    for (size_t i = n; i-- > 0 && set->spans[i]->start_us == span->start_us;) {
        const SysSpan *other = set->spans[i];
        if (other->span == span->span && other->lane == span->lane &&
            other->ran_us == span->ran_us && other->waited_us == span->waited_us &&
            strcmp(other->kind, span->kind) == 0 && strcmp(other->actor, span->actor) == 0)
            return true;
    }
    return false;
}

void span_set_sort(struct span_set *set) {
    size_t kept = 0;
    if (set->n) qsort(set->spans, set->n, sizeof *set->spans, by_start);
    for (size_t i = 0; i < set->n; i++)
        if (!seen(set, kept, set->spans[i])) set->spans[kept++] = set->spans[i];
    set->n = kept;
}

const SysSpan *span_set_parent(const struct span_set *set, const SysSpan *span) {
    for (size_t i = 0; span->parent && i < set->n; i++)
        if (set->spans[i]->span == span->parent && set->spans[i] != span) return set->spans[i];
    return NULL;
}

uint64_t span_end_us(const SysSpan *span) {
    return span->start_us + span->took_us;
}

bool span_failed(const SysSpan *span) {
    return strcmp(span->outcome, "OK") != 0 && strcmp(span->outcome, "FORWARDED") != 0 &&
           strcmp(span->outcome, "DEFERRED") != 0;
}

void trace_text(const ProtobufCBinaryData *trace, char text[TRACE_TEXT_MAX]) {
    text[0] = '\0';
    for (size_t i = 0; i < trace->len && i < 16; i++)
        snprintf(text + 2 * i, 3, "%02x", trace->data[i]);
}

bool trace_read(const char *text, uint8_t out[16]) {
    if (strlen(text) != TRACE_TEXT_MAX - 1 || strspn(text, "0123456789abcdefABCDEF") != 32)
        return false;
    for (size_t i = 0; i < 16; i++) {
        char two[3] = {text[2 * i], text[2 * i + 1], 0};
        out[i] = (uint8_t)strtoul(two, NULL, 16);
    }
    return true;
}
