/* alarm: a list under a lock; a process in order has none, so a clear of nothing reads one atomic.
 */
#include "runtime/alarm.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "runtime/core.h"
#include "runtime/memory.h"
#include "runtime/text.h"

void alarms_open(struct alarms *alarms) {
    *alarms = (struct alarms){0};
    pthread_mutex_init(&alarms->lock, NULL);
}

void alarms_close(struct alarms *alarms) {
    while (alarms->first) {
        struct alarm *alarm = alarms->first;
        alarms->first = alarm->next;
        mem_free(alarm);
    }
    pthread_mutex_destroy(&alarms->lock);
}

/* Copies what fits, whole characters only. */
static void put(char *to, size_t room, const char *text) {
    size_t size = strlen(text);
    if (size >= room) size = text_cut(text, room - 1);
    memcpy(to, text, size);
    to[size] = '\0';
    for (size_t i = 0; !text_valid(to, size) && i < size; i++)
        if ((unsigned char)to[i] >= 0x80) to[i] = '?';
}

/* The link that points at the alarm, or at NULL where the list ends. */
static struct alarm **find(struct alarms *alarms, const char *name, const char *subject) {
    char cut_name[ALARM_NAME_MAX], cut_subject[ALARM_SUBJECT_MAX];
    put(cut_name, sizeof cut_name, name);
    put(cut_subject, sizeof cut_subject, subject);
    struct alarm **at = &alarms->first;
    while (*at && (strcmp((*at)->name, cut_name) != 0 || strcmp((*at)->subject, cut_subject) != 0))
        at = &(*at)->next;
    return at;
}

static void take_out(struct alarms *alarms, struct alarm **at) {
    struct alarm *alarm = *at;
    *at = alarm->next;
    atomic_fetch_sub_explicit(&alarms->n, 1, memory_order_relaxed);
    mem_free(alarm);
}

/* Those that ended long ago; with need, also the one that ended first. */
static void tidy(struct alarms *alarms, uint64_t now_ms, bool need) {
    struct alarm **oldest = NULL;
    for (struct alarm **at = &alarms->first; *at;) {
        struct alarm *alarm = *at;
        if (alarm->over_ms && now_ms - alarm->over_ms > ALARM_SHOWN_MS) {
            take_out(alarms, at);
            return; /* one a call is enough: each call adds one at most */
        }
        if (alarm->over_ms && (!oldest || alarm->over_ms < (*oldest)->over_ms)) oldest = at;
        at = &alarm->next;
    }
    if (need && oldest) take_out(alarms, oldest);
}

static struct alarm *add(struct alarms *alarms, const char *name, const char *subject) {
    uint32_t n = atomic_load_explicit(&alarms->n, memory_order_relaxed);
    struct alarm *alarm = n < ALARMS_MAX ? mem_zero(1, sizeof *alarm) : NULL;
    if (!alarm) {
        alarms->lost++;
        return NULL;
    }
    put(alarm->name, sizeof alarm->name, name);
    put(alarm->subject, sizeof alarm->subject, subject);
    alarm->next = alarms->first;
    alarms->first = alarm;
    atomic_fetch_add_explicit(&alarms->n, 1, memory_order_relaxed);
    return alarm;
}

static void tell(struct core *core, const char *verb, const struct alarm *alarm) {
    char line[ALARM_NAME_MAX + ALARM_SUBJECT_MAX + ALARM_TEXT_MAX + 32];
    snprintf(line, sizeof line, "alarm %s%s%s %s: %s", alarm->name, *alarm->subject ? " " : "",
             alarm->subject, verb, alarm->text);
    core->driver->notice(core, line);
}

static void
begin(struct core *core, const char *name, const char *subject, const char *text, bool told) {
    struct alarms *alarms = &core->alarms;
    uint64_t now = core->driver->wall_ms(core);
    struct alarm begun = {.next = NULL};
    pthread_mutex_lock(&alarms->lock);
    tidy(alarms, now, atomic_load_explicit(&alarms->n, memory_order_relaxed) >= ALARMS_MAX);
    struct alarm **at = find(alarms, name, subject);
    struct alarm *alarm = *at ? *at : add(alarms, name, subject);
    bool new = alarm && (alarm->since_ms == 0 || alarm->over_ms);
    if (alarm) put(alarm->text, sizeof alarm->text, text);
    if (alarm) alarm->last_ms = now;
    if (alarm) alarm->told = told;
    if (new) {
        alarm->since_ms = now;
        alarm->over_ms = 0;
        begun = *alarm;
    }
    pthread_mutex_unlock(&alarms->lock);
    if (new && !told) tell(core, "began", &begun);
}

void alarm_raise(
    struct core *core, const char *name, const char *subject, const char *format, ...) {
    char text[ALARM_TEXT_MAX * 2];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    begin(core, name, subject, text, false);
}

void alarm_raise_told(
    struct core *core, const char *name, const char *subject, const char *format, ...) {
    char text[ALARM_TEXT_MAX * 2];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    begin(core, name, subject, text, true);
}

void alarm_clear(struct core *core, const char *name, const char *subject) {
    struct alarms *alarms = &core->alarms;
    if (atomic_load_explicit(&alarms->n, memory_order_relaxed) == 0) return;
    struct alarm ended = {.next = NULL};
    pthread_mutex_lock(&alarms->lock);
    struct alarm *alarm = *find(alarms, name, subject);
    bool lasts = alarm && !alarm->over_ms;
    if (lasts) {
        alarm->over_ms = core->driver->wall_ms(core);
        ended = *alarm;
    }
    pthread_mutex_unlock(&alarms->lock);
    if (lasts && !ended.told) tell(core, "is over", &ended);
}

void alarm_calm(struct core *core, const char *name, uint64_t ms) {
    struct alarms *alarms = &core->alarms;
    if (atomic_load_explicit(&alarms->n, memory_order_relaxed) == 0) return;
    uint64_t now = core->driver->wall_ms(core);
    pthread_mutex_lock(&alarms->lock);
    for (struct alarm *alarm = alarms->first; alarm; alarm = alarm->next)
        if (!alarm->over_ms && strcmp(alarm->name, name) == 0 && now - alarm->last_ms > ms)
            alarm->over_ms = now;
    pthread_mutex_unlock(&alarms->lock);
}

void alarm_forget(struct core *core, const char *subject) {
    struct alarms *alarms = &core->alarms;
    if (atomic_load_explicit(&alarms->n, memory_order_relaxed) == 0) return;
    uint64_t now = core->driver->wall_ms(core);
    pthread_mutex_lock(&alarms->lock);
    for (struct alarm *alarm = alarms->first; alarm; alarm = alarm->next)
        if (!alarm->over_ms && strcmp(alarm->subject, subject) == 0) alarm->over_ms = now;
    pthread_mutex_unlock(&alarms->lock);
}

size_t alarms_copy(struct core *core, struct alarm *out, size_t max) {
    struct alarms *alarms = &core->alarms;
    size_t n = 0;
    uint64_t now = core->driver->wall_ms(core);
    pthread_mutex_lock(&alarms->lock);
    for (int over = 0; over < 2; over++)
        for (struct alarm *alarm = alarms->first; alarm && n < max; alarm = alarm->next) {
            if ((alarm->over_ms != 0) != over) continue;
            if (over && now - alarm->over_ms > ALARM_SHOWN_MS) continue;
            out[n++] = *alarm;
        }
    pthread_mutex_unlock(&alarms->lock);
    return n;
}
