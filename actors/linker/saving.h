/* saving: one save of an index and its payload indexes, for the linker: its start and its writing
 * are pieces of work on the blocking pool. It outlives the linker that began it, so what it is at
 * is told by the holding (shelf.h): the linker's next life waits as this one does. */
#ifndef ACTORS_LINKER_SAVING_H
#define ACTORS_LINKER_SAVING_H

#include "actors/shelf.h"
#include "runtime/turn.h"

struct saving;

/* It has started, or has ended: the linker, `actor`, may have work again on this index. In a turn
 * of its own. */
typedef void (*saving_moved_fn)(void *actor, struct holding *holding, struct turn *turn);

struct saving_options {
    struct holding *holding; /* gets a hold more */
    const char *folder;      /* of index files */
    uint64_t applied;
    saving_moved_fn moved;
};

/* For the current request, which is answered at its end. NULL: no memory. */
struct saving *saving_new(const struct saving_options *options, struct turn *turn);
/* Takes it. No other save of the index runs, and no step of its linker until it has started. */
void saving_start(struct saving *saving, struct turn *turn);
/* Of one that was not started. NULL is fine. */
void saving_free(struct saving *saving);

/* The index has no linker now. Any thread. */
bool saving_starts(struct holding *holding);
/* … or is written: no other save may start, nor a team. */
bool saving_runs(struct holding *holding);

#endif
