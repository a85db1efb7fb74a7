/* orders: what the screen wants to know, told to the actor that asks. The only thing both threads
 * touch besides the queue of events; everything under the lock. */
#ifndef CONSOLE_ORDERS_H
#define CONSOLE_ORDERS_H

#include <pthread.h>

#include "cli/console/event.h"

enum { ORDERS_ONCE_MAX = 16, ACTION_MAX = 16 };

/* Asked once, by a person. */
enum once_kind { ONCE_TAP, ONCE_UNTAP, ONCE_DO, ONCE_RESEND };
struct once {
    enum once_kind kind;
    char address[EVENT_ADDRESS_MAX];
    char actor[EVENT_KEY_MAX];
    char action[ACTION_MAX]; /* of ONCE_DO: SysDo's */
    uint64_t number;         /* of ONCE_RESEND: the letter's; of migrate: the lane */
    bool bodies;             /* of ONCE_TAP */
};

/* Asked again and again. */
struct wanted {
    uint32_t questions; /* bit 1 << question, of every process but QUESTION_ACTOR's */
    char actor_address[EVENT_ADDRESS_MAX];
    char actor[EVENT_KEY_MAX];
    char trace[33];            /* hex */
    bool slowest, failed_only; /* of QUESTION_TRACES */
    bool bodies;
    uint32_t every_ms;
};

struct orders {
    pthread_mutex_t lock;
    struct wanted wanted;
    struct once once[ORDERS_ONCE_MAX];
    size_t n_once;
    int wake_fd; /* eventfd: there is something new here; -1: nobody watches */
};

MUST_USE enum status orders_init(struct orders *orders);
void orders_free(struct orders *orders);
/* Screen's side: what is wanted from now on; changed, it is asked at once. */
void orders_want(struct orders *orders, const struct wanted *wanted);
/* False: too many wait. */
bool orders_once(struct orders *orders, const struct once *once);
/* Actor's side: a copy; takes the oldest single one. */
struct wanted orders_wanted(struct orders *orders);
bool orders_take(struct orders *orders, struct once *out);

#endif
