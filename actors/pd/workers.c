/* workers: who is there, and what each of them shall run. */
#include <inttypes.h>
#include <string.h>

#include "actors/pd/driver.h"
#include "runtime/assert.h"
#include "schemas/runtime.pb-c.h"

#include "runtime/poison.h"

enum {
    ADDRESS_MAX = 256, /* bytes of an address or label */
    REGISTER_RETRY_MS = 20,
};

bool worker_alive(const struct catalog_worker *worker, const struct turn *turn) {
    const uint64_t patience_us = (uint64_t)PD_BEAT_MS * PD_BEATS_MISSED_MAX * 1000;
    return worker->heard_us != 0 && turn_now_us(turn) - worker->heard_us <= patience_us;
}

void worker_wake(const struct driver *self, uint64_t worker, struct turn *turn) {
    const struct catalog_worker *row = catalog_worker(&self->catalog, worker);
    if (!row || row->keeper == 0) return;
    KeeperWake wake = KEEPER_WAKE__INIT;
    turn_tell(turn, row->keeper, &wake.base);
}

const char *worker_words(const struct catalog_worker *worker, struct turn *turn) {
    const char *at = worker->facts->grpc_address;
    if (!at[0]) at = worker->facts->link[0] ? worker->facts->link : "this process";
    char *words = turn_printf(turn, "worker %" PRIu64 " (%s)", worker->id, at);
    return words ? words : "a worker";
}

/* --- registering
 * ---------------------------------------------------------------------------------------- */

static bool same_facts(const PdRegister *a, const PdRegister *b) {
    return strcmp(a->grpc_address, b->grpc_address) == 0 && strcmp(a->link, b->link) == 0 &&
           strcmp(a->region, b->region) == 0 && strcmp(a->zone, b->zone) == 0 &&
           strcmp(a->rack, b->rack) == 0 && a->cpu_cores == b->cpu_cores &&
           a->memory_bytes == b->memory_bytes && a->search_only == b->search_only;
}

static enum status
judge_register(const struct driver *self, const PdRegister *msg, struct turn *turn) {
    const char *const texts[] = {msg->grpc_address, msg->link, msg->region, msg->zone, msg->rack};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (strlen(texts[i]) > ADDRESS_MAX)
            return turn_fail(turn, STATUS_INVALID, "an address or label is above %d bytes",
                             ADDRESS_MAX);
    if (msg->cluster != 0 && msg->cluster != self->catalog.cluster)
        return turn_fail(turn, STATUS_DENIED,
                         "this worker's data belongs to another cluster (%016" PRIx64
                         ", this one is %016" PRIx64 "): give it an empty data folder, or the "
                         "placement driver its old one",
                         msg->cluster, self->catalog.cluster);
    return STATUS_OK;
}

static void registered(const struct driver *self, uint64_t worker, PdRegistered *out) {
    pd_registered__init(out);
    out->worker = worker;
    out->cluster = self->catalog.cluster;
}

static void hear(struct catalog_worker *worker, struct turn *turn) {
    worker->keeper = turn_sender(turn);
    worker->heard_us = turn_now_us(turn);
}

/* A worker that names its id is that worker. One that does not is known by its addresses. */
static struct catalog_worker *known(const struct driver *self, const PdRegister *msg) {
    if (msg->worker != 0) return catalog_worker(&self->catalog, msg->worker);
    return catalog_worker_at(&self->catalog, msg->grpc_address, msg->link);
}

enum status driver_register(struct driver *self, const PdRegister *msg, struct turn *turn) {
    enum status s = judge_register(self, msg, turn);
    if (s != STATUS_OK) return s;
    struct catalog_worker *worker = known(self, msg);
    if (worker) hear(worker, turn);
    if (worker && same_facts(worker->facts, msg)) {
        PdRegistered answer;
        registered(self, worker->id, &answer);
        turn_reply(turn, &answer.base);
        return STATUS_OK;
    }
    if (!worker && self->catalog.n_workers >= CATALOG_WORKERS_MAX)
        return turn_fail(turn, STATUS_QUOTA, "%d workers are the limit", CATALOG_WORKERS_MAX);
    if (self->registering) { /* one at a time: a repeated request cannot become two workers */
        turn_retry_after(turn, REGISTER_RETRY_MS);
        return turn_fail(turn, STATUS_BUSY, "another worker is registering");
    }
    PdCommand command = PD_COMMAND__INIT;
    PdWorkerRow row = PD_WORKER_ROW__INIT;
    PdRegister facts = *msg;
    facts.worker = 0;
    facts.cluster = 0;
    row.worker = worker ? worker->id : self->next_worker++;
    row.facts = &facts;
    row.registered_ms = turn_wall_ms(turn);
    command.command_case = PD_COMMAND__COMMAND_WORKER;
    command.worker = &row;
    struct promise promise = turn_defer(turn);
    s = driver_propose(self, &command, &promise, turn);
    if (s != STATUS_OK) {
        turn_reject(turn, &promise, s, "%s", turn_words(turn));
        return STATUS_OK;
    }
    self->registering = true;
    return STATUS_OK;
}

void worker_applied(struct driver *self,
                    const PdCommand *command,
                    const struct promise *promise,
                    struct turn *turn) {
    self->registering = false;
    PdRegistered answer;
    registered(self, command->worker->worker, &answer);
    if (promise) turn_resolve(turn, promise, &answer.base);
}

/* --- beating
 * -------------------------------------------------------------------------------------------- */

static void hear_shards(struct driver *self,
                        struct catalog_worker *worker,
                        const PdBeat *msg,
                        struct turn *turn) {
    worker->beats++;
    for (size_t i = 0; i < msg->n_shards; i++) {
        const PdBeatShard *said = msg->shards[i];
        struct catalog_shard *shard = catalog_shard(&self->catalog, said->shard);
        if (!shard || shard->worker != worker->id) continue;
        shard->serving = said->is_leader;
        shard->beat = worker->beats;
        shard->applied = said->applied;
        shard->points = said->points;
    }
    for (size_t i = 0; i < msg->n_shards; i++) {
        struct catalog_shard *shard = catalog_shard(&self->catalog, msg->shards[i]->shard);
        if (shard && !shard->collection->born) collection_heard(self, shard->collection, turn);
    }
}

static enum status assignments(const struct driver *self,
                               const struct catalog_worker *worker,
                               PdAssignments *out,
                               struct turn *turn) {
    size_t room = (size_t)worker->n_shards + 1;
    out->assignments = turn_alloc(turn, room * sizeof *out->assignments);
    PdAssignment *rows = turn_alloc(turn, room * sizeof *rows);
    if (!out->assignments || !rows) return STATUS_NO_MEMORY;
    for (uint32_t c = 0; c < self->catalog.n_collections; c++) {
        const struct catalog_collection *collection = self->catalog.collections[c];
        for (uint32_t i = 0; i < collection->n_shards; i++) {
            const struct catalog_shard *shard = &collection->shards[i];
            if (shard->worker != worker->id) continue;
            assert(out->n_assignments < worker->n_shards);
            PdAssignment *row = &rows[out->n_assignments];
            pd_assignment__init(row);
            row->shard = shard->id;
            row->collection = collection->name;
            row->dimension = collection->dimension;
            row->distance = collection->distance;
            row->epoch = shard->epoch;
            row->store_id = shard->store_id;
            row->born = collection->born;
            out->assignments[out->n_assignments++] = row;
        }
    }
    return STATUS_OK;
}

enum status driver_beat(struct driver *self, const PdBeat *msg, struct turn *turn) {
    struct catalog_worker *worker = catalog_worker(&self->catalog, msg->worker);
    if (!worker)
        return turn_fail(turn, STATUS_NOT_FOUND, "worker %" PRIu64 " is not registered",
                         msg->worker);
    hear(worker, turn);
    worker->beat_ms = turn_wall_ms(turn);
    hear_shards(self, worker, msg, turn);
    PdAssignments answer = PD_ASSIGNMENTS__INIT;
    answer.epoch = self->catalog.epoch;
    answer.same = msg->epoch == self->catalog.epoch;
    if (!answer.same) {
        enum status s = assignments(self, worker, &answer, turn);
        if (s != STATUS_OK) return s;
    }
    turn_reply(turn, &answer.base);
    return STATUS_OK;
}

/* --- listing
 * -------------------------------------------------------------------------------------------- */

static uint64_t points_of(const struct driver *self, uint64_t worker) {
    uint64_t points = 0;
    for (uint32_t c = 0; c < self->catalog.n_collections; c++) {
        const struct catalog_collection *collection = self->catalog.collections[c];
        for (uint32_t i = 0; i < collection->n_shards; i++)
            if (collection->shards[i].worker == worker) points += collection->shards[i].points;
    }
    return points;
}

enum status driver_workers(struct driver *self, const PdListWorkers *msg, struct turn *turn) {
    (void)msg;
    uint32_t n = self->catalog.n_workers;
    PdWorkers answer = PD_WORKERS__INIT;
    PdWorker *rows = turn_alloc(turn, (n + 1) * sizeof *rows);
    answer.workers = turn_alloc(turn, (n + 1) * sizeof *answer.workers);
    if (!rows || !answer.workers) return STATUS_NO_MEMORY;
    for (uint32_t i = 0; i < n; i++) {
        const struct catalog_worker *worker = self->catalog.workers[i];
        const char *state = worker->beat_ms == 0 ? "joining" : "ready";
        if (!worker_alive(worker, turn)) state = "suspected";
        pd_worker__init(&rows[i]);
        rows[i].worker = worker->id;
        rows[i].grpc_address = worker->facts->grpc_address;
        rows[i].link = worker->facts->link;
        rows[i].state = (char *)(uintptr_t)state;
        rows[i].last_beat_ms = worker->beat_ms;
        rows[i].shards = worker->n_shards;
        rows[i].points = points_of(self, worker->id);
        answer.workers[i] = &rows[i];
    }
    answer.n_workers = n;
    turn_reply(turn, &answer.base);
    return STATUS_OK;
}
