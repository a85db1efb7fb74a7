/* team: a lock for a moment around each task; a task is some half a millisecond of searches, so
 * nobody notices. */
#include "actors/linker/team.h"

#include "runtime/assert.h"

#include "runtime/poison.h"

enum { BATCH_POINTS = 1024 /* so that what lies between the tasks takes about a millisecond */ };

void team_init(struct team *team) {
    *team = (struct team){.bulk = NULL};
    pthread_mutex_init(&team->lock, NULL);
}

void team_reset(struct team *team) {
    assert(team->n_members == 0 && (!team->bulk || team->orphaned));
    index_bulk_close(team->bulk);
    team->bulk = NULL;
    pthread_mutex_destroy(&team->lock);
}

/* With the lock held. */
static void leave(struct team *team) {
    assert(team->n_members > 0);
    if (--team->n_members > 0 || !team->closing) return;
    index_bulk_close(team->bulk);
    team->bulk = NULL;
    team->closing = false;
}

/* With the lock held. */
static enum status begin(struct team *team, struct index *index, struct index_bulk_worker **out) {
    struct index_bulk *bulk;
    enum status s = index_bulk_open(index, &bulk);
    if (s != STATUS_OK) return s;
    s = index_bulk_worker_open(bulk, out);
    if (s != STATUS_OK) {
        index_bulk_close(bulk);
        return s;
    }
    team->bulk = bulk;
    team->next = team->n_tasks = team->n_done = 0;
    return STATUS_OK;
}

enum status team_open(struct team *team, struct index *index, struct index_bulk_worker **out) {
    enum status s = STATUS_BUSY;
    pthread_mutex_lock(&team->lock);
    if (!team->bulk)
        s = begin(team, index, out);
    else if (team->orphaned)
        s = index_bulk_worker_open(team->bulk, out);
    if (s == STATUS_OK) {
        index_bulk_bound(team->bulk, BATCH_POINTS);
        team->n_members++;
        team->orphaned = false;
    }
    pthread_mutex_unlock(&team->lock);
    return s;
}

enum status team_next(struct team *team, uint32_t *n) {
    assert(team_idle(team));
    enum status s = index_bulk_next(team->bulk, n); /* no task is there, so nobody else is in it */
    if (s != STATUS_OK) return s;
    pthread_mutex_lock(&team->lock);
    team->next = team->n_done = 0;
    team->n_tasks = *n;
    pthread_mutex_unlock(&team->lock);
    return s;
}

bool team_idle(struct team *team) {
    pthread_mutex_lock(&team->lock);
    bool idle = team->n_done == team->n_tasks;
    pthread_mutex_unlock(&team->lock);
    return idle;
}

void team_rest(struct team *team) {
    index_bulk_bound(team->bulk, 0);
}

void team_close(struct team *team, struct index_bulk_worker *worker) {
    index_bulk_worker_close(worker);
    pthread_mutex_lock(&team->lock);
    assert(team->n_done == team->n_tasks);
    team->closing = true;
    leave(team);
    pthread_mutex_unlock(&team->lock);
}

void team_abandon(struct team *team, struct index_bulk_worker *worker) {
    index_bulk_worker_close(worker);
    pthread_mutex_lock(&team->lock);
    team->orphaned = true;
    leave(team);
    pthread_mutex_unlock(&team->lock);
}

bool team_is_orphaned(struct team *team) {
    pthread_mutex_lock(&team->lock);
    bool is = team->orphaned;
    pthread_mutex_unlock(&team->lock);
    return is;
}

struct index_bulk_worker *team_join(struct team *team) {
    struct index_bulk_worker *worker = NULL;
    pthread_mutex_lock(&team->lock);
    if (team->bulk && !team->closing && team->next < team->n_tasks &&
        index_bulk_worker_open(team->bulk, &worker) == STATUS_OK)
        team->n_members++;
    pthread_mutex_unlock(&team->lock);
    return worker;
}

void team_leave(struct team *team, struct index_bulk_worker *worker) {
    index_bulk_worker_close(worker);
    pthread_mutex_lock(&team->lock);
    leave(team);
    pthread_mutex_unlock(&team->lock);
}

bool team_take(struct team *team, uint32_t *task) {
    pthread_mutex_lock(&team->lock);
    bool is = team->next < team->n_tasks;
    if (is) *task = team->next++;
    pthread_mutex_unlock(&team->lock);
    return is;
}

bool team_done(struct team *team) {
    pthread_mutex_lock(&team->lock);
    bool last = ++team->n_done == team->n_tasks;
    pthread_mutex_unlock(&team->lock);
    return last;
}
