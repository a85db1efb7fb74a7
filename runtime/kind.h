/* kind: an actor type as the runtime keeps it: its handlers by op. */
#ifndef RUNTIME_KIND_H
#define RUNTIME_KIND_H

#include <pthread.h>

#include "runtime/actor.h"

struct accept {
    uint32_t op;
    const struct handler *handler;
};

struct kind {
    struct kind *next; /* owned */
    const struct actor_type *type;
    uint32_t number;           /* of this kind in its core, from 0 */
    const struct handler *any; /* of raw__descriptor: what no other accepts; NULL: nothing */
    uint32_t n_accepts;
    struct accept accepts[];
};

struct kinds {
    pthread_mutex_t lock;
    struct kind *first;
    uint32_t count;
};

void kinds_open(struct kinds *kinds);
void kinds_close(struct kinds *kinds);
/* The type's kind, made when it is new; NULL: no memory. Any thread; lives as long as kinds. */
const struct kind *kinds_get(struct kinds *kinds, const struct actor_type *type);
/* The handler of a message; NULL: the kind does not accept it. */
const struct handler *kind_handler(const struct kind *kind, uint32_t op);

#endif
