/* view_shards: collections and their shards as the placement driver has them, and how each shard
 * says it is; above, the workers. */
#include <stdio.h>
#include <string.h>

#include "cli/console/console.h"
#include "cli/console/draw.h"
#include "cli/console/units.h"
#include "schemas/pd.pb-c.h"
#include "schemas/shard.pb-c.h"

static const struct column shard_columns[] = {
    {"collection", "COLLECTION", VALUE_NAME, 12, 30, 0},
    {"shard", "SHARD", VALUE_ID, 6, 0, 0},
    {"worker", "WORKER", VALUE_ID, 6, 0, 0},
    {"process", "PROCESS", VALUE_NAME, 11, 18, 1},
    {"role", "ROLE", VALUE_TEXT, 7, 0, 0},
    {"state", "STATE", VALUE_TEXT, 8, 12, 0},
    {"points", "POINTS", VALUE_COUNT, 7, 0, 0},
    {"points_share", "OF COLLECTION", VALUE_BAR, 14, 20, 2},
    {"tail", "TAIL", VALUE_COUNT, 6, 0, 0},
    {"applied", "APPLIED", VALUE_COUNT, 8, 0, 1},
    {"lag", "BEHIND", VALUE_COUNT, 6, 0, 2},
    {"memory_bytes", "MEMORY", VALUE_BYTES, 7, 0, 0},
    {"recall", "RECALL", VALUE_TEXT, 10, 0, 1},
    {"ef", "EF", VALUE_COUNT, 5, 0, 3},
    {"storage", "STORAGE", VALUE_TEXT, 7, 0, 4},
    {"epoch", "EPOCH", VALUE_ID, 5, 0, 3},
    {"range", "HASHES", VALUE_TEXT, 13, 0, 4},
    {"dimension", "DIM", VALUE_COUNT, 5, 0, 3},
    {"distance", "DISTANCE", VALUE_TEXT, 9, 0, 4},
    {"text", "WHY", VALUE_TEXT, 8, 60, 3},
    {0},
};
static const struct column worker_columns[] = {
    {"worker", "WORKER", VALUE_ID, 6, 0, 0},
    {"process", "PROCESS", VALUE_NAME, 12, 20, 0},
    {"state", "STATE", VALUE_TEXT, 9, 0, 0},
    {"shards", "SHARDS", VALUE_COUNT, 6, 0, 0},
    {"leaders", "LEADERS", VALUE_COUNT, 7, 0, 1},
    {"leaving", "LEAVING", VALUE_COUNT, 7, 0, 2},
    {"points", "POINTS", VALUE_COUNT, 8, 0, 0},
    {"beat_us", "BEAT", VALUE_US, 6, 0, 0},
    {"link", "LINK", VALUE_NAME, 22, 40, 1},
    {"waits", "WAITS FOR", VALUE_TEXT, 9, 50, 3},
    {0},
};

static const struct process *
process_at(const struct console *console, const struct process *pd, const char *link) {
    const struct process *process = *link ? model_process(&console->timeline.model, link) : pd;
    return process && process->same ? process->same : process;
}

static const ShardState *
state_of(const struct process *process, uint64_t shard, const struct answer **answer) {
    char name[32];
    snprintf(name, sizeof name, "shard/%llu", (unsigned long long)shard);
    *answer = process ? model_answer(process, QUESTION_SHARD, name) : NULL;
    return *answer && (*answer)->status == STATUS_OK ? (const ShardState *)(*answer)->message
                                                     : NULL;
}

static enum style state_style(const char *state) {
    return strcmp(state, "serving") == 0   ? STYLE_GOOD
           : strcmp(state, "loading") == 0 ? STYLE_WARM
                                           : STYLE_HOT;
}

static void fill_state(struct list *list,
                       struct list_row *row,
                       const struct process *process,
                       uint64_t shard,
                       double all) {
    const struct answer *answer;
    const ShardState *state = state_of(process, shard, &answer);
    if (!state) {
        list_text(list, row, "state", answer ? status_name(answer->status) : "?");
        list_style(list, row, "state", answer ? STYLE_HOT : STYLE_DIM);
        if (answer) list_text(list, row, "text", answer->text);
        return;
    }
    list_text(list, row, "state", state->state);
    list_style(list, row, "state", state_style(state->state));
    list_number(list, row, "points", (double)state->points);
    list_number(list, row, "points_share", all > 0 ? (double)state->points / all : 0);
    list_style(list, row, "points_share", STYLE_COOL);
    list_number(list, row, "tail", (double)state->tail);
    list_number(list, row, "applied", (double)state->applied);
    list_number(list, row, "memory_bytes", (double)state->memory_bytes);
    list_text(list, row, "text", state->text);
    list_text(list, row, "storage", state->storage);
    list_number(list, row, "ef", state->ef);
    if (state->recall > 0)
        list_format(list, row, "recall", "%.3f%s", (double)state->recall,
                    state->recall_live ? " live" : "");
    if (state->recall > 0 && !state->recall_live) list_style(list, row, "recall", STYLE_DIM);
}

/* Points of a collection: what a bar is a share of. */
static double
points_of(const struct console *console, const struct process *pd, const PdRouting *routing) {
    double all = 0;
    for (size_t i = 0; i < routing->n_shards; i++) {
        const PdShard *shard = routing->shards[i];
        const PdReplica *replica = shard->n_replicas ? shard->replicas[0] : NULL;
        for (size_t j = 1; j < shard->n_replicas; j++) /* copies are not counted twice */
            if (shard->replicas[j]->worker == shard->leader) replica = shard->replicas[j];
        const struct answer *answer;
        const ShardState *state =
            replica ? state_of(process_at(console, pd, replica->link), shard->shard, &answer)
                    : NULL;
        if (state) all += (double)state->points;
    }
    return all;
}

static void
fill_role(struct list *list, struct list_row *row, const PdShard *shard, const PdReplica *replica) {
    bool leads = replica->worker == shard->leader;
    list_text(list, row, "role", leads ? "leader" : replica->learner ? "learner" : "voter");
    list_style(list, row, "role", leads ? STYLE_GOOD : STYLE_DIM);
    if (shard->leader == 0) list_style(list, row, "role", STYLE_HOT);
    list_number(list, row, "lag", (double)replica->lag);
}

static void fill_shard(struct console *console,
                       struct list *list,
                       const struct process *pd,
                       const PdRouting *routing,
                       const PdShard *shard,
                       double all) {
    for (size_t i = 0; i < shard->n_replicas; i++) {
        const PdReplica *replica = shard->replicas[i];
        const struct process *process = process_at(console, pd, replica->link);
        struct list_row *row = list_add(list, shard->shard * 4096 + replica->worker, NULL);
        list_text(list, row, "collection", routing->collection);
        list_id(list, row, "shard", shard->shard);
        list_id(list, row, "worker", replica->worker);
        list_text(list, row, "process", process ? process->label : replica->link);
        fill_role(list, row, shard, replica);
        list_id(list, row, "epoch", shard->epoch);
        list_format(list, row, "range", "%04x…%04x…", (unsigned)(shard->range_start >> 48),
                    (unsigned)(shard->range_end >> 48));
        list_number(list, row, "dimension", routing->dimension);
        list_text(list, row, "distance", routing->distance);
        list_style(list, row, "range", STYLE_DIM);
        fill_state(list, row, process, shard->shard, all);
    }
}

static void fill_shards(struct console *console, struct list *list, const struct process *pd) {
    const PdCollections *names = model_message(pd, QUESTION_COLLECTIONS, NULL);
    for (size_t i = 0; names && i < names->n_names; i++) {
        const PdRouting *routing = model_message(pd, QUESTION_ROUTE, names->names[i]);
        double all = routing ? points_of(console, pd, routing) : 0;
        for (size_t j = 0; routing && j < routing->n_shards; j++)
            fill_shard(console, list, pd, routing, routing->shards[j], all);
    }
}

static void fill_workers(struct console *console, struct list *list, const struct process *pd) {
    const PdWorkers *workers = model_message(pd, QUESTION_WORKERS, NULL);
    for (size_t i = 0; workers && i < workers->n_workers; i++) {
        const PdWorker *worker = workers->workers[i];
        const struct process *process = process_at(console, pd, worker->link);
        struct list_row *row = list_add(list, worker->worker, worker);
        uint64_t now = console_now_ms(console);
        list_id(list, row, "worker", worker->worker);
        list_text(list, row, "process", process ? process->label : "?");
        list_text(list, row, "state", worker->state);
        list_style(list, row, "state",
                   strcmp(worker->state, "ready") == 0 ? STYLE_GOOD : STYLE_WARM);
        list_number(list, row, "shards", worker->shards);
        list_number(list, row, "leaders", worker->leaders);
        list_number(list, row, "leaving", worker->leaving);
        list_text(list, row, "waits", worker->waits);
        list_number(list, row, "points", (double)worker->points);
        list_number(list, row, "beat_us",
                    now > worker->last_beat_ms ? (double)(now - worker->last_beat_ms) * 1000 : 0);
        list_text(list, row, "link", *worker->link ? worker->link : "this process");
    }
}

static void fill(struct console *console, unsigned which, struct list *list) {
    const struct process *pd;
    for (size_t i = 0; (pd = console_process(console, i)); i++) {
        if (which == 0) fill_shards(console, list, pd);
        if (which == 1) fill_workers(console, list, pd);
    }
}

static void draw(struct console *console, struct screen *screen, struct area area) {
    struct list workers;
    list_init(&workers, "workers", worker_columns);
    fill(console, 1, &workers);
    struct list_state still = {.still = true, .sort = SIZE_MAX};
    int rows = (int)workers.n_rows + 2;
    if (workers.n_rows && rows <= area.height / 2) {
        list_draw(&workers, screen, (struct area){area.row, area.column, rows - 1, area.width},
                  &still);
        area.row += rows;
        area.height -= rows;
    }
    console_table(console, screen, area);
    if (console->list.n_rows == 0)
        screen_put(screen, area.row + 1, area.column + 1, STYLE_DIM,
                   workers.n_rows
                       ? "no collections"
                       : "no placement driver answered: is one of the processes a pd, or up?");
    list_free(&workers);
}

const struct view view_shards = {
    .name = "shards",
    .questions = 1u << QUESTION_SHARD,
    .hints = "/ search  s sort",
    .list_names = {"shards", "workers"},
    .columns = {shard_columns, worker_columns},
    .fill = fill,
    .draw = draw,
    .sort = SIZE_MAX,
};
