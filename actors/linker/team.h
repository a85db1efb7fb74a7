/* team: the linkers of a process at one index: a bulk build (index/bulk.h) whose tasks are taken by
 * whoever has time. The index's own linker leads: it opens and closes the build and asks for the
 * next tasks; others join, take what is there, and leave when nothing is left.
 *
 *     leader   team_open ─▶ team_next ─▶ team_take … team_done ─▶ team_next … 0 ─▶ team_close
 *     helper                team_join ─▶ team_take … team_done ─▶ team_leave
 *
 * A leader that ends in the midst (its actor is restarted, its shard closes) leaves the build
 * behind, and helpers in their tasks: a batch cannot be taken back. Until its next life has opened
 * the team again, which goes on where the last one was, the index has no linker.
 *
 * It lies in the holding, so that no pointer travels in a message. The build is freed by whoever
 * leaves last after its end, or with the team. Thread-safe; nothing here waits. */
#ifndef ACTORS_LINKER_TEAM_H
#define ACTORS_LINKER_TEAM_H

#include <pthread.h>

#include "index/bulk.h"

struct team {
    pthread_mutex_t lock;
    struct index_bulk *bulk; /* owned; NULL: there is none */
    uint32_t next, n_tasks, n_done;
    uint32_t n_members; /* the leader is one */
    bool closing;
    bool orphaned; /* the leader left in the midst */
};

void team_init(struct team *team);
void team_reset(struct team *team); /* nobody is in it, nor will be: frees a build left behind */

/* The leader begins a build, or goes on with the one left behind, with a worker of its own. BUSY:
 * helpers have not left the one before. NO_MEMORY. */
MUST_USE enum status
team_open(struct team *team, struct index *index, struct index_bulk_worker **out);
/* The tasks that are there are done, and there are *n more; 0: the build is at its end. NO_MEMORY:
 * try again later. Only when team_idle. */
MUST_USE enum status team_next(struct team *team, uint32_t *n);
/* Every task was done. */
bool team_idle(struct team *team);
/* Batches end: the next team_next that would begin one gives none. */
void team_rest(struct team *team);
/* The build is at its end. */
void team_close(struct team *team, struct index_bulk_worker *worker);
/* The leader leaves in the midst. */
void team_abandon(struct team *team, struct index_bulk_worker *worker);
/* True: a leader did, and no call of the linker may be made but team_open. */
bool team_is_orphaned(struct team *team);

/* NULL: nothing is to be done, or there is no memory. */
struct index_bulk_worker *team_join(struct team *team);
void team_leave(struct team *team, struct index_bulk_worker *worker);

/* One task more for the caller; false: none is left. */
bool team_take(struct team *team, uint32_t *task);
/* … which is done. True: it was the last of them. */
bool team_done(struct team *team);

#endif
