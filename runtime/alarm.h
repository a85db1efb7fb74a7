/* alarm: what a person should look at, until it is over. Known by a name and a subject; raising it
 * again changes the words, not since when. Any thread; a bounded table a core. SysReport shows it,
 * the log has one line when it begins and one when it ends. Private to runtime/; actors use
 * turn_raise.
 */
#ifndef RUNTIME_ALARM_H
#define RUNTIME_ALARM_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct core;

enum {
    ALARMS_MAX = 256,
    ALARM_NAME_MAX = 32,
    ALARM_SUBJECT_MAX = 192,
    ALARM_TEXT_MAX = 512,
    ALARM_SHOWN_MS = 60 * 1000, /* after it ended */
};

struct alarm {
    struct alarm *next; /* owned; newest first */
    char name[ALARM_NAME_MAX];
    char subject[ALARM_SUBJECT_MAX];
    char text[ALARM_TEXT_MAX];
    uint64_t since_ms; /* unix time */
    uint64_t last_ms;  /* when it was raised last */
    uint64_t over_ms;  /* when it ended; 0: it lasts */
    bool told;         /* the log has its words already: no lines of its own */
};

struct alarms {
    pthread_mutex_t lock; /* of what follows */
    struct alarm *first;  /* owned list */
    _Atomic uint32_t n;   /* read without the lock: 0 costs a clear nothing */
    uint64_t lost;        /* that found no room */
};

void alarms_open(struct alarms *alarms);
void alarms_close(struct alarms *alarms);

/* name: what is wrong ("link_refused"); subject: with whom (an actor, a link, a lane; "": the
 * process). Words say the numbers and what to do. All are copied, and cut at their bounds. */
void alarm_raise(struct core *core, const char *name, const char *subject, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* The same, for who has just written those words to the log: there is no second line of them. */
void alarm_raise_told(struct core *core,
                      const char *name,
                      const char *subject,
                      const char *format,
                      ...) __attribute__((format(printf, 4, 5)));
/* It is over; nothing when it was not raised. */
void alarm_clear(struct core *core, const char *name, const char *subject);
/* Ends those of this name that were not raised again for so long: events, which nobody clears. */
void alarm_calm(struct core *core, const char *name, uint64_t ms);
/* All of a subject that is gone. */
void alarm_forget(struct core *core, const char *subject);
/* Copies those that last, newest first, then those that ended in the last ALARM_SHOWN_MS. Returns
 * how many, at most max. */
size_t alarms_copy(struct core *core, struct alarm *out, size_t max);

#endif
