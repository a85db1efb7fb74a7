/* linker: a ring of indexes with work, one step of one of them a turn.
 *
 *     LinkerWork ─▶ [job] ─▶ index_link_step … idle ─▶ off the ring
 *     LinkerSave ─▶ [job, starting] ─▶ index_save_start on the blocking pool
 *                ─▶ [job, writing]  ─▶ index_save_step there, linking goes on ─▶ Done
 *
 * A job holds the index's holding: the shard may close at any time, the index stays until the job
 * let go. The holding's `linking` says that a job is on the ring; it is cleared before the last
 * look at the index, so that a point appended meanwhile is either seen by that look or brings a new
 * LinkerWork. */
#include "actors/linker/linker.h"

#include <inttypes.h>

#include "actors/shard/shard.h"
#include "runtime/assert.h"
#include "runtime/memory.h"
#include "runtime/turn.h"
#include "schemas/runtime.pb-c.h"
#include "schemas/shard.pb-c.h"

#include "runtime/poison.h"

enum {
    STEP_COST = 1 << 19, /* of a step, in floats compared: some 0.3 ms */
    DISTANCE_COST = 128, /* of reaching a vector, in floats compared */
    PATH_SIZE = 4096,
    SAVE_STEP_BYTES = 4 * 1024 * 1024, /* between two looks whether the shard closed */
};

struct job {
    struct job *next;
    struct holding *holding; /* owned hold */
    bool resting;            /* no steps: a save starts, or one is written and there is no work */
    bool saving;
    bool starting; /* the linker may not step */
};

struct linker {
    struct linker_options options;
    struct job *first;
    struct job *last;
    bool ticking;
};

#define LINKER_ACCEPTS(X) \
    X(struct linker, LinkerWork, linker_work, on_work) \
    X(struct linker, LinkerSave, linker_save, on_save)
ACTOR_HANDLERS(linker_handlers, LINKER_ACCEPTS);

static struct job *find(const struct linker *self, uint64_t shard) {
    struct job *job = self->first;
    while (job && job->holding->shard != shard)
        job = job->next;
    return job;
}

static void push(struct linker *self, struct job *job) {
    job->next = NULL;
    if (self->last)
        self->last->next = job;
    else
        self->first = job;
    self->last = job;
}

static struct job *pop(struct linker *self) {
    struct job *job = self->first;
    if (!job) return NULL;
    self->first = job->next;
    if (!self->first) self->last = NULL;
    return job;
}

static void job_free(struct job *job) {
    atomic_store_explicit(&job->holding->linking, false, memory_order_release);
    holding_drop(job->holding);
    mem_free(job);
}

/* The job of a shard, made when there is none. NULL: the shard is gone, or no memory. */
static struct job *get(struct linker *self, uint64_t shard) {
    struct job *job = find(self, shard);
    if (job && !atomic_load_explicit(&job->holding->closed, memory_order_acquire)) return job;
    if (job) return NULL; /* the old index is still worked on: the shard asks again */
    struct holding *holding = shelf_take(self->options.shelf, shard);
    job = holding ? mem_zero(1, sizeof *job) : NULL;
    if (!job) {
        holding_drop(holding);
        return NULL;
    }
    job->holding = holding;
    atomic_store_explicit(&holding->linking, true, memory_order_release);
    push(self, job);
    return job;
}

static size_t budget_of(const struct holding *holding) {
    size_t distances = STEP_COST / (DISTANCE_COST + holding->dimension);
    return distances > 0 ? distances : 1;
}

/* One step; true while there is more to do. A failure (no memory) ends the job: the points stay in
 * the tail, where they are found, and the shard asks again. */
static bool step(struct job *job) {
    struct holding *holding = job->holding;
    if (job->resting) return true;
    if (atomic_load_explicit(&holding->closed, memory_order_acquire)) return false;
    bool idle = false;
    if (index_link_step(holding->index, budget_of(holding), &idle) != STATUS_OK) return false;
    if (!idle) return true;
    atomic_store_explicit(&holding->linking, false, memory_order_seq_cst);
    if (index_link_step(holding->index, budget_of(holding), &idle) != STATUS_OK || idle)
        return false;
    atomic_store_explicit(&holding->linking, true, memory_order_release);
    return true;
}

static void tick(void *actor, void *context, struct turn *turn) {
    struct linker *self = actor;
    (void)context;
    self->ticking = false;
    struct job *job = pop(self);
    if (!job) return;
    if (step(job)) {
        push(self, job);
    } else if (job->saving) {
        job->resting = true; /* until its end, or until there is work */
        push(self, job);
    } else {
        job_free(job);
    }
    /* A ring of resting jobs only would spin: their ends wake it. */
    for (job = self->first; job && job->resting; job = job->next)
        continue;
    if (!job) return;
    self->ticking = true;
    turn_later(turn, tick, NULL);
}

static void wake(struct linker *self, struct turn *turn) {
    if (self->ticking) return;
    self->ticking = true;
    turn_later(turn, tick, NULL);
}

static enum status on_work(struct linker *self, const LinkerWork *msg, struct turn *turn) {
    struct job *job = get(self, msg->shard);
    if (!job) return STATUS_OK;
    atomic_store_explicit(&job->holding->linking, true, memory_order_release);
    if (!job->starting) job->resting = false;
    wake(self, turn);
    return STATUS_OK;
}

/* --- saving
 * ------------------------------------------------------------------------------------------- */

struct saving {
    struct holding *holding; /* owned hold */
    struct promise promise;
    struct index_save *save; /* owned */
    uint64_t applied;
    char path[PATH_SIZE];
};

static void saving_free(void *context) {
    struct saving *saving = context;
    index_save_end(saving->save);
    holding_drop(saving->holding);
    mem_free(saving);
}

static enum status start_work(void *context) {
    struct saving *saving = context;
    return index_save_start(saving->holding->index, saving->path, saving->applied, &saving->save);
}

static enum status write_work(void *context) {
    struct saving *saving = context;
    enum status s = STATUS_OK;
    bool done = false;
    while (s == STATUS_OK && !done) {
        if (atomic_load_explicit(&saving->holding->closed, memory_order_acquire))
            s = STATUS_CANCELLED;
        else
            s = index_save_step(saving->save, SAVE_STEP_BYTES, &done);
    }
    index_save_end(saving->save);
    saving->save = NULL;
    return s;
}

static struct job *job_of(struct linker *self, const struct saving *saving) {
    struct job *job = find(self, saving->holding->shard);
    assert(job && job->saving);
    return job;
}

static void on_saved(void *actor, void *context, const struct outcome *outcome, struct turn *turn) {
    struct linker *self = actor;
    struct saving *saving = context;
    struct job *job = job_of(self, saving);
    job->saving = job->starting = job->resting = false;
    if (outcome->status == STATUS_OK) {
        Done done = DONE__INIT;
        turn_resolve(turn, &saving->promise, &done.base);
    } else {
        turn_reject(turn, &saving->promise, outcome->status, "index of shard %" PRIu64,
                    saving->holding->shard);
    }
    saving_free(saving);
    wake(self, turn);
}

static void
on_started(void *actor, void *context, const struct outcome *outcome, struct turn *turn) {
    struct linker *self = actor;
    struct saving *saving = context;
    if (outcome->status != STATUS_OK) {
        on_saved(actor, context, outcome, turn);
        return;
    }
    struct job *job = job_of(self, saving);
    job->starting = job->resting = false;
    turn_block(
        turn, &(struct block){
                  .work = write_work, .done = on_saved, .abandon = saving_free, .context = saving});
    wake(self, turn);
}

static enum status on_save(struct linker *self, const LinkerSave *msg, struct turn *turn) {
    struct job *job = self->options.index_dir ? get(self, msg->shard) : NULL;
    if (!job) return turn_fail(turn, STATUS_NOT_FOUND, "shard %" PRIu64 " is closed", msg->shard);
    if (job->saving)
        return turn_fail(turn, STATUS_BUSY, "index of shard %" PRIu64 " is being saved",
                         msg->shard);
    struct saving *saving = mem_zero(1, sizeof *saving);
    if (!saving) return turn_fail(turn, STATUS_NO_MEMORY, "index of shard %" PRIu64, msg->shard);
    *saving = (struct saving){.holding = holding_again(job->holding),
                              .promise = turn_defer(turn),
                              .applied = msg->applied};
    shard_index_path(self->options.index_dir, job->holding->store_id, saving->path, PATH_SIZE);
    job->saving = job->starting = job->resting = true;
    turn_block(turn, &(struct block){.work = start_work,
                                     .done = on_started,
                                     .abandon = saving_free,
                                     .context = saving});
    return STATUS_OK;
}

/* --- opening and closing
 * ------------------------------------------------------------------------------- */

static enum status linker_open(void *actor, const void *options, struct turn *turn) {
    struct linker *self = actor;
    (void)turn;
    self->options = *(const struct linker_options *)options;
    return STATUS_OK;
}

static void linker_close(void *actor) {
    struct linker *self = actor;
    struct job *job;
    while ((job = pop(self)))
        job_free(job);
}

const struct actor_type linker_type = {
    .kind = "linker",
    .size = sizeof(struct linker),
    .handlers = linker_handlers,
    .open = linker_open,
    .close = linker_close,
    .lane = LANE_COMPUTE,
};
