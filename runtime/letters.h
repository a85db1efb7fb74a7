/* letters: the newest messages that reached nobody: refused, expired, for an actor that is gone.
 * Headers of LETTERS_KEPT; bodies as far as there is room for them, so that a person can look at
 * one and send it again. Keeping bodies is limited in time, too: a flood of refusals costs a header
 * each. Any thread. Private to runtime/. */
#ifndef RUNTIME_LETTERS_H
#define RUNTIME_LETTERS_H

#include <pthread.h>

#include "runtime/parcel.h"
#include "runtime/status.h"

struct core;

enum {
    LETTERS_KEPT = 256,
    LETTERS_BODY_MAX = 16 * 1024,     /* a larger body is not kept */
    LETTERS_BODIES_MAX = 1024 * 1024, /* bytes of all */
    LETTERS_BODIES_A_SECOND = 64,
    LETTERS_NAME_MAX = 192,
};

struct letter {
    uint64_t number; /* from 1, in the process's life */
    uint64_t at_ms;  /* unix time */
    struct envelope envelope;
    enum status reason;
    size_t size; /* of the body */
    void *body;  /* owned; NULL: not kept */
    char *to;    /* owned: the receiver's name then, kept with the body; NULL: it had none */
};

struct letters {
    pthread_mutex_t lock; /* of what follows */
    struct letter *ring;  /* owned; made with the first letter */
    uint64_t count;
    size_t bytes;   /* of bodies */
    uint64_t since; /* the second in which bodies are counted */
    uint32_t bodies;
};

void letters_open(struct letters *letters);
void letters_close(struct letters *letters);
/* Keeps a copy. */
void letters_keep(struct core *core, const struct parcel *parcel, enum status reason);
/* Copies the header of the newest letter below this number (0: of all); false: there is none, or it
 * is not kept any more. body and to: copies that the caller frees by mem_free; NULL when they are
 * not there, or there is no memory. */
bool letters_before(struct letters *letters, uint64_t number, struct letter *out);
uint64_t letters_count(struct letters *letters);

#endif
