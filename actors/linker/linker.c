/* linker: a ring of indexes with work, one step of one of them a turn.
 *
 *     LinkerWork ─▶ [job] ─▶ index_link_step … idle ─▶ off the ring
 *                         ─▶ tasks of a team (team.h), when many points wait … none ─▶ as above
 *     LinkerHelp ─▶ [help] ─▶ tasks of another linker's team … none ─▶ gone
 *     LinkerSave ─▶ a saving (saving.h), behind a team's batch ─▶ Done
 *
 * A life that ends, as at a restart, leaves behind what cannot be taken back: a team's batch, a
 * save. The next one sees both at the holding. It takes the team over, and steps once a save has
 * started.
 *
 * A job holds the index's holding: the shard may close at any time, the index stays until the job
 * let go. Others help with a bulk ingest whatever else goes on, else while nobody searches: a
 * search should find a lane that is free. The holding's `linking` says that a job is on the ring;
 * it is cleared before the last look at the index, so that a point appended meanwhile is either
 * seen by that look or brings a new LinkerWork. */
#include "actors/linker/linker.h"

#include <inttypes.h>
#include <stdio.h>

#include "actors/linker/saving.h"
#include "runtime/memory.h"
#include "runtime/turn.h"
#include "schemas/shard.pb-c.h"

#include "runtime/poison.h"

enum {
    STEP_COST = 1 << 19,   /* of a step, in floats compared: some 0.3 ms */
    DISTANCE_COST = 128,   /* of reaching a vector, in floats compared */
    BULK_TAIL_MIN = 512,   /* points that are worth a team */
    BULK_TAIL_LEAST = 128, /* … and another batch of it */
    BULK_GRAPH_MIN = 1024, /* linked: below it batches are small */
    NAP_US = 100,          /* between two looks at what others are at */
    CALM_US = 100 * 1000,  /* without a search: other lanes are idle */
};

struct job {
    struct job *next;
    struct holding *holding;          /* owned hold */
    bool bulk;                        /* other linkers help though there are searches */
    bool leading;                     /* a team */
    bool napping;                     /* others are in its last tasks, or a save starts */
    struct index_bulk_worker *worker; /* owned; while it leads */
    struct saving *save_next;         /* owned; waits for the end of the team's batch */
};

/* Tasks of another linker's team. */
struct help {
    struct help *next;
    struct holding *holding;          /* owned hold */
    struct index_bulk_worker *worker; /* owned */
    uint32_t searches;                /* there were when it began … */
    bool bulk;                        /* … and it stays though there are more */
};

struct linker {
    struct linker_options options;
    struct job *first;
    struct job *last;
    struct help *helps;   /* owned */
    uint32_t searches;    /* there were at the last look … */
    uint64_t searched_us; /* … and when their number had changed */
    bool ticking;
    bool nap_armed;
};

#define LINKER_ACCEPTS(X) \
    X(struct linker, LinkerWork, linker_work, on_work) \
    X(struct linker, LinkerHelp, linker_help, on_help) \
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
    if (job->leading) team_abandon(&job->holding->team, job->worker);
    saving_free(job->save_next);
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

/* --- a team
 * ------------------------------------------------------------------------------------------- */

/* Others may help with it now. */
static bool has_others(struct linker *self, const struct job *job, struct turn *turn) {
    uint32_t searches = shelf_searches(self->options.shelf);
    uint64_t now_us = turn_now_us(turn);
    if (searches != self->searches) {
        self->searches = searches;
        self->searched_us = now_us;
    }
    bool calm = now_us - self->searched_us >= CALM_US;
    return (job->bulk || calm) && shelf_linkers(self->options.shelf) > 1;
}

static void call_others(struct linker *self, const struct job *job, struct turn *turn) {
    uint64_t shard = job->holding->shard;
    uint32_t own = shelf_linker(self->options.shelf, shard);
    LinkerHelp help = LINKER_HELP__INIT;
    help.shard = shard;
    help.bulk = job->bulk;
    for (uint32_t i = 0; i < shelf_linkers(self->options.shelf); i++) {
        char name[32];
        snprintf(name, sizeof name, "linker/%" PRIu32, i);
        actor_handle other = i == own ? 0 : turn_find(turn, name);
        if (other) turn_tell(turn, other, &help.base);
    }
}

static void end_team(struct job *job, struct turn *turn) {
    struct saving *saving = job->save_next;
    team_close(&job->holding->team, job->worker);
    job->worker = NULL;
    job->leading = false;
    job->save_next = NULL;
    if (saving) saving_start(saving, turn);
}

static void wake(struct linker *self, struct turn *turn);

static void nap_over(void *actor, void *context, struct turn *turn) {
    struct linker *self = actor;
    (void)context;
    self->nap_armed = false;
    for (struct job *job = self->first; job; job = job->next)
        job->napping = false;
    wake(self, turn);
}

/* Not turn after turn: where cores are short, those who are in the tasks need this one. */
static void nap(struct linker *self, struct job *job, struct turn *turn) {
    job->napping = true;
    if (self->nap_armed) return;
    self->nap_armed = true;
    turn_timer(turn, NAP_US, nap_over, NULL);
}

/* One task, or what lies between them. */
static void lead(struct linker *self, struct job *job, struct turn *turn) {
    struct team *team = &job->holding->team;
    uint32_t task, n = 0;
    if (team_take(team, &task)) {
        index_bulk_run(job->worker, task);
        (void)team_done(team);
        return;
    }
    if (!team_idle(team)) {
        nap(self, job, turn);
        return;
    }
    bool rest = job->save_next || index_stats(job->holding->view).tail < BULK_TAIL_LEAST;
    if (rest || !has_others(self, job, turn)) team_rest(team);
    if (team_next(team, &n) != STATUS_OK) return; /* again in the next turn */
    if (n > 0)
        call_others(self, job, turn);
    else
        end_team(job, turn);
}

static bool is_worth_a_team(struct linker *self, const struct job *job, struct turn *turn) {
    const struct holding *holding = job->holding;
    struct index_stats stats = index_stats(holding->view);
    return stats.tail >= BULK_TAIL_MIN && stats.points >= stats.tail + BULK_GRAPH_MIN &&
           has_others(self, job, turn) && !saving_runs(job->holding) &&
           index_bulk_pays(holding->index);
}

static bool open_team(struct job *job) {
    job->leading = team_open(&job->holding->team, job->holding->index, &job->worker) == STATUS_OK;
    return job->leading;
}

/* True while there is more to do. */
static bool help_step(const struct linker *self, struct help *help) {
    struct team *team = &help->holding->team;
    uint32_t task;
    if (!help->bulk && shelf_searches(self->options.shelf) != help->searches) return false;
    if (!team_take(team, &task)) return false;
    index_bulk_run(help->worker, task);
    (void)team_done(team);
    return true;
}

static void help_free(struct help *help) {
    team_leave(&help->holding->team, help->worker);
    holding_drop(help->holding);
    mem_free(help);
}

/* A task of each team that it helps. */
static void help_all(struct linker *self) {
    for (struct help **link = &self->helps; *link;) {
        struct help *help = *link;
        if (help_step(self, help)) {
            link = &help->next;
            continue;
        }
        *link = help->next;
        help_free(help);
    }
}

static enum status on_help(struct linker *self, const LinkerHelp *msg, struct turn *turn) {
    for (struct help *help = self->helps; help; help = help->next)
        if (help->holding->shard == msg->shard) return STATUS_OK;
    if (!msg->bulk && self->first) return STATUS_OK; /* it has work of its own */
    struct holding *holding = shelf_take(self->options.shelf, msg->shard);
    struct help *help = holding ? mem_zero(1, sizeof *help) : NULL;
    struct index_bulk_worker *worker = help ? team_join(&holding->team) : NULL;
    if (!worker) { /* it is done already */
        holding_drop(holding);
        mem_free(help);
        return STATUS_OK;
    }
    *help = (struct help){.next = self->helps,
                          .holding = holding,
                          .worker = worker,
                          .searches = shelf_searches(self->options.shelf),
                          .bulk = msg->bulk};
    self->helps = help;
    wake(self, turn);
    return STATUS_OK;
}

/* --- work
 * --------------------------------------------------------------------------------------------- */

/* One step; true while there is more to do. A failure (no memory) ends the job: the points stay in
 * the tail, where they are found, and the shard asks again. */
static bool step(struct linker *self, struct job *job, struct turn *turn) {
    struct holding *holding = job->holding;
    if (job->napping) return true;
    if (atomic_load_explicit(&holding->closed, memory_order_acquire)) return false;
    bool orphaned = team_is_orphaned(&holding->team);
    if (saving_starts(holding) || (orphaned && !open_team(job))) {
        nap(self, job, turn);
        return true;
    }
    if (job->leading || (is_worth_a_team(self, job, turn) && open_team(job))) {
        lead(self, job, turn);
        return true;
    }
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
    help_all(self);
    struct job *job = pop(self);
    if (!job) {
        if (self->helps) wake(self, turn);
        return;
    }
    if (step(self, job, turn))
        push(self, job);
    else
        job_free(job);
    /* A ring of jobs that nap would spin: the end of the nap wakes it. */
    for (job = self->first; job && job->napping; job = job->next)
        continue;
    if (job || self->helps) wake(self, turn);
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
    job->bulk = msg->bulk;
    wake(self, turn);
    return STATUS_OK;
}

/* --- saving
 * ------------------------------------------------------------------------------------------- */

/* What waited for it goes on: slots that are to be freed, codes, a team. */
static void on_moved(void *actor, struct holding *holding, struct turn *turn) {
    struct linker *self = actor;
    (void)get(self, holding->shard);
    wake(self, turn);
}

static enum status on_save(struct linker *self, const LinkerSave *msg, struct turn *turn) {
    struct job *job = self->options.index_dir ? get(self, msg->shard) : NULL;
    if (!job) return turn_fail(turn, STATUS_NOT_FOUND, "shard %" PRIu64 " is closed", msg->shard);
    wake(self, turn);
    if (job->save_next || saving_runs(job->holding))
        return turn_fail(turn, STATUS_BUSY, "index of shard %" PRIu64 " is being saved",
                         msg->shard);
    struct saving *saving = saving_new(&(struct saving_options){.holding = job->holding,
                                                                .folder = self->options.index_dir,
                                                                .applied = msg->applied,
                                                                .moved = on_moved},
                                       turn);
    if (!saving) return turn_fail(turn, STATUS_NO_MEMORY, "index of shard %" PRIu64, msg->shard);
    if (job->leading || team_is_orphaned(&job->holding->team))
        job->save_next = saving; /* behind the batch */
    else
        saving_start(saving, turn);
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
    while (self->helps) {
        struct help *help = self->helps;
        self->helps = help->next;
        help_free(help);
    }
}

const struct actor_type linker_type = {
    .kind = "linker",
    .size = sizeof(struct linker),
    .handlers = linker_handlers,
    .open = linker_open,
    .close = linker_close,
    .lane = LANE_COMPUTE,
};
