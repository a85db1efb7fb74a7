/* saving: two pieces of work, one after the other.
 *
 *     start ─▶ STARTS: index_save_start ─▶ RUNS: index_save_step …, index_columns_save ─▶ SAVED
 *
 * The holding moves on by the work itself, not by the turns that hear of it: those do not come when
 * the actor has stopped, and then the runtime lets go of the saving, after its work. */
#include "actors/linker/saving.h"

#include <inttypes.h>
#include <unistd.h>

#include "actors/shard/shard.h"
#include "runtime/memory.h"
#include "schemas/runtime.pb-c.h"

#include "runtime/poison.h"

enum {
    PATH_SIZE = 4096,
    STEP_BYTES = 4 * 1024 * 1024, /* between two looks whether the shard closed */
};

struct saving {
    struct holding *holding; /* owned hold */
    struct promise promise;
    saving_moved_fn moved;
    struct index_save *save; /* owned */
    uint64_t applied;
    char path[PATH_SIZE];
    char columns_path[PATH_SIZE];
};

struct saving *saving_new(const struct saving_options *options, struct turn *turn) {
    struct saving *saving = mem_zero(1, sizeof *saving);
    if (!saving) return NULL;
    saving->holding = holding_again(options->holding);
    saving->promise = turn_defer(turn);
    saving->moved = options->moved;
    saving->applied = options->applied;
    uint64_t store_id = shard_store_of(options->holding->store_id); /* that is of its points */
    shard_index_path(options->folder, store_id, saving->path, PATH_SIZE);
    shard_columns_path(options->folder, store_id, saving->columns_path, PATH_SIZE);
    return saving;
}

void saving_free(struct saving *saving) {
    if (!saving) return;
    holding_drop(saving->holding);
    mem_free(saving);
}

static void move(struct saving *saving, enum holding_save to) {
    atomic_store_explicit(&saving->holding->save, to, memory_order_release);
}

static enum holding_save stage(struct holding *holding) {
    return (enum holding_save)atomic_load_explicit(&holding->save, memory_order_acquire);
}

bool saving_starts(struct holding *holding) {
    return stage(holding) == HOLDING_SAVE_STARTS;
}

bool saving_runs(struct holding *holding) {
    return stage(holding) != HOLDING_SAVED;
}

/* --- on the blocking pool
 * --------------------------------------------------------------------------------------------- */

static void end(struct saving *saving) {
    index_save_end(saving->save);
    saving->save = NULL;
    move(saving, HOLDING_SAVED);
}

/* Instead of what follows a piece of work: the actor has stopped. */
static void abandon(void *context) {
    struct saving *saving = context;
    end(saving);
    saving_free(saving);
}

static enum status start_work(void *context) {
    struct saving *saving = context;
    enum status s =
        index_save_start(saving->holding->index, saving->path, saving->applied, &saving->save);
    move(saving, HOLDING_SAVE_RUNS);
    return s;
}

/* Payload indexes, behind the index: their file is right whatever the age of either is. */
static enum status write_columns(const struct saving *saving) {
    const struct holding *holding = saving->holding;
    if (index_stats(holding->view).columns > 0)
        return index_columns_save(holding->view, saving->columns_path, &holding->closed);
    (void)unlink(saving->columns_path); /* mostly it is not there */
    return STATUS_OK;
}

static enum status write_work(void *context) {
    struct saving *saving = context;
    enum status s = STATUS_OK;
    bool done = false;
    while (s == STATUS_OK && !done) {
        if (atomic_load_explicit(&saving->holding->closed, memory_order_acquire))
            s = STATUS_CANCELLED;
        else
            s = index_save_step(saving->save, STEP_BYTES, &done);
    }
    index_save_end(saving->save);
    saving->save = NULL;
    return s == STATUS_OK ? write_columns(saving) : s;
}

/* --- turns
 * ------------------------------------------------------------------------------------------- */

static void
on_written(void *actor, void *context, const struct outcome *outcome, struct turn *turn) {
    struct saving *saving = context;
    end(saving);
    if (outcome->status == STATUS_OK) {
        Done done = DONE__INIT;
        turn_resolve(turn, &saving->promise, &done.base);
    } else {
        turn_reject(turn, &saving->promise, outcome->status, "index of shard %" PRIu64,
                    saving->holding->shard);
    }
    saving->moved(actor, saving->holding, turn);
    saving_free(saving);
}

static void
on_started(void *actor, void *context, const struct outcome *outcome, struct turn *turn) {
    struct saving *saving = context;
    if (outcome->status != STATUS_OK) {
        on_written(actor, context, outcome, turn);
        return;
    }
    saving->moved(actor, saving->holding, turn);
    turn_block(turn,
               &(struct block){
                   .work = write_work, .done = on_written, .abandon = abandon, .context = saving});
}

void saving_start(struct saving *saving, struct turn *turn) {
    move(saving, HOLDING_SAVE_STARTS);
    turn_block(turn,
               &(struct block){
                   .work = start_work, .done = on_started, .abandon = abandon, .context = saving});
}
