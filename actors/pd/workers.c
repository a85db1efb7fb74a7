/* workers: who is there, and what each of them shall run. */
#include <inttypes.h>
#include <string.h>

#include "actors/pd/catalog_parts.h"
#include "actors/pd/driver.h"
#include "actors/pd/load.h"
#include "actors/pd/placement.h"
#include "runtime/assert.h"
#include "runtime/codec.h"
#include "schemas/runtime.pb-c.h"

#include "runtime/poison.h"

enum {
    ADDRESS_MAX = 256, /* bytes of an address or label */
    NAMES_MAX = 64,    /* collections that a worker keeps learners of */
    REGISTER_RETRY_MS = 20,
    LISTED_MAX = 16384, /* names of collections, with all workers: the list is one message */
};

static_assert(LISTED_MAX * (CATALOG_NAME_MAX + 8) + CATALOG_WORKERS_MAX * (5 * ADDRESS_MAX + 512) <
                  CODEC_MESSAGE_MAX,
              "the list of workers is one message");
static_assert(CATALOG_PATIENCE_US == PD_BEAT_MS * UINT64_C(1000) * PD_BEATS_MISSED_MAX,
              "who missed so many beats is suspected");

const char *worker_state(const struct catalog_worker *worker, uint64_t now_us) {
    bool heard = catalog_heard(worker, now_us);
    switch (worker->state) {
    case WORKER_DEAD:
        return "dead";
    case WORKER_REMOVING:
        return "removing";
    case WORKER_DRAINING:
        return worker->n_shards == 0 ? "drained" : "draining";
    default:
        if (!heard) return "suspected";
        return worker->beat_ms == 0 ? "joining" : "ready";
    }
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

static bool same_names(const PdRegister *a, const PdRegister *b) {
    if (a->n_collections != b->n_collections) return false;
    for (size_t i = 0; i < a->n_collections; i++)
        if (strcmp(a->collections[i], b->collections[i]) != 0) return false;
    return true;
}

static bool same_facts(const PdRegister *a, const PdRegister *b) {
    return strcmp(a->grpc_address, b->grpc_address) == 0 && strcmp(a->link, b->link) == 0 &&
           strcmp(a->region, b->region) == 0 && strcmp(a->zone, b->zone) == 0 &&
           strcmp(a->rack, b->rack) == 0 && a->cpu_cores == b->cpu_cores &&
           a->memory_bytes == b->memory_bytes && a->disk_bytes == b->disk_bytes &&
           a->search_only == b->search_only && same_names(a, b);
}

static enum status
judge_register(const struct driver *self, const PdRegister *msg, struct turn *turn) {
    const char *const texts[] = {msg->grpc_address, msg->link, msg->region, msg->zone, msg->rack};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (strlen(texts[i]) > ADDRESS_MAX)
            return turn_fail(turn, STATUS_INVALID, "an address or label is above %d bytes",
                             ADDRESS_MAX);
    if (msg->n_collections > NAMES_MAX)
        return turn_fail(turn, STATUS_INVALID, "%zu collections are above the limit of %d",
                         msg->n_collections, NAMES_MAX);
    for (size_t i = 0; i < msg->n_collections; i++)
        if (strlen(msg->collections[i]) > CATALOG_NAME_MAX)
            return turn_fail(turn, STATUS_INVALID, "the name of a collection is above %d bytes",
                             CATALOG_NAME_MAX);
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

static void hear(struct catalog_worker *worker, bool foreign, struct turn *turn) {
    actor_handle keeper = foreign ? 0 : turn_sender(turn);
    if (keeper != worker->keeper) worker->number = 0;
    worker->keeper = keeper;
    worker->heard_us = turn_now_us(turn);
}

/* A worker that names its id is that worker. One that does not is known by its addresses. */
static struct catalog_worker *known(const struct driver *self, const PdRegister *msg) {
    if (msg->worker != 0) return catalog_worker(&self->catalog, msg->worker);
    return catalog_worker_at(&self->catalog, msg->grpc_address, msg->link);
}

/* One that does not know its id any more has lost its disk. What it was founding may have voted
 * there: the log says so, since whoever leads next has not heard its beats. */
static bool
came_anew(const struct driver *self, const struct catalog_worker *worker, const PdRegister *msg) {
    return msg->worker == 0 && !msg->foreign && replicas_found_on(&self->catalog, worker);
}

enum status driver_register(struct driver *self, const PdRegister *msg, struct turn *turn) {
    enum status s = judge_register(self, msg, turn);
    if (s != STATUS_OK) return s;
    struct catalog_worker *worker = known(self, msg);
    if (worker) hear(worker, msg->foreign, turn);
    bool anew = worker && came_anew(self, worker, msg);
    if (worker && !anew && same_facts(worker->facts, msg)) {
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
    facts.foreign = false;
    row.worker = worker ? worker->id : self->next_worker++;
    row.facts = &facts;
    row.anew = anew;
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
    for (size_t i = 0; i < msg->n_shards; i++)
        catalog_hear(&self->catalog, worker, msg->shards[i], turn_now_us(turn));
    for (size_t i = 0; i < msg->n_shards; i++) {
        struct catalog_shard *shard = catalog_shard(&self->catalog, msg->shards[i]->shard);
        if (shard && !shard->collection->born) collection_heard(self, shard->collection, turn);
    }
}

/* The founding configuration, while it matters: the same bytes for every founder. */
static enum status
founders(const struct catalog_shard *shard, PdAssignment *row, struct turn *turn) {
    if (shard->collection->born) return STATUS_OK;
    RaftMember *members = turn_alloc(turn, shard->n_replicas * sizeof *members);
    row->founders = turn_alloc(turn, shard->n_replicas * sizeof *row->founders);
    if (!members || !row->founders) return STATUS_NO_MEMORY;
    for (uint32_t i = 0; i < shard->n_replicas; i++) {
        const struct catalog_replica *replica = &shard->replicas[i];
        if (!replica->founder) continue;
        RaftMember *member = &members[row->n_founders];
        raft_member__init(member);
        member->id = replica->store_id;
        member->address = replica->link ? replica->link : replica->worker->facts->link;
        member->voter = true;
        row->founders[row->n_founders++] = member;
    }
    return STATUS_OK;
}

/* What a worker of the original is told (contract 6.6). */
static enum status
tell_all(const struct catalog_shard *shard, PdAssignment *row, struct turn *turn) {
    RaftMember *members = turn_alloc(turn, shard->n_replicas * sizeof *members);
    row->replicas = turn_alloc(turn, shard->n_replicas * sizeof *row->replicas);
    if (!members || !row->replicas) return STATUS_NO_MEMORY;
    for (uint32_t i = 0; i < shard->n_replicas; i++) {
        raft_member__init(&members[i]);
        members[i].id = shard->replicas[i].worker->id;
        members[i].address = shard->replicas[i].worker->facts->link;
        members[i].voter = !shard->replicas[i].learner;
        row->replicas[row->n_replicas++] = &members[i];
    }
    const struct catalog_replica *leader = catalog_leader(shard, turn_now_us(turn));
    row->leader = leader ? leader->worker->id : 0;
    catalog_range(shard->nth, shard->collection->n_shards, &row->range_start, &row->range_end);
    return STATUS_OK;
}

static enum status assign(const struct catalog_shard *shard,
                          const struct catalog_replica *replica,
                          PdAssignment *row,
                          struct turn *turn) {
    const struct catalog_collection *collection = shard->collection;
    pd_assignment__init(row);
    row->shard = shard->id;
    row->collection = collection->name;
    row->dimension = collection->dimension;
    row->distance = collection->distance;
    row->payload_indexes.data = collection->payload_indexes;
    row->payload_indexes.len = collection->payload_indexes_size;
    row->epoch = shard->epoch;
    row->store_id = replica->store_id;
    row->founder = replica->founder;
    bool voted = replica->started || (replica->founded && shard->n_replicas > 1);
    row->born = replica->founder ? collection->born || voted : replica->started;
    return founders(shard, row, turn);
}

static enum status assignments(const struct driver *self,
                               const struct catalog_worker *worker,
                               bool foreign,
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
            const struct catalog_replica *replica = catalog_replica_on(shard, worker);
            if (!replica) continue;
            assert(out->n_assignments < worker->n_shards);
            PdAssignment *row = &rows[out->n_assignments];
            enum status s = assign(shard, replica, row, turn);
            if (s == STATUS_OK && foreign) s = tell_all(shard, row, turn);
            if (s != STATUS_OK) return s;
            out->assignments[out->n_assignments++] = row;
        }
    }
    return STATUS_OK;
}

/* A beat that was long on its way would take back what was said since: a voter whose leader did not
 * know it yet would be dropped. What an earlier life of the keeper sent is not heard, either. */
static enum status
judge_beat(const struct catalog_worker *worker, const PdBeat *msg, struct turn *turn) {
    if (!worker)
        return turn_fail(turn, STATUS_NOT_FOUND, "worker %" PRIu64 " is not registered",
                         msg->worker);
    if (msg->number == 0 || worker->keeper == 0) return STATUS_OK;
    if (worker->keeper != turn_sender(turn))
        return turn_fail(turn, STATUS_NOT_FOUND,
                         "worker %" PRIu64 " is registered by another keeper", msg->worker);
    if (msg->number <= worker->number)
        return turn_fail(turn, STATUS_EXPIRED, "beat %" PRIu64 " came behind beat %" PRIu64,
                         msg->number, worker->number);
    return STATUS_OK;
}

enum status driver_beat(struct driver *self, const PdBeat *msg, struct turn *turn) {
    struct catalog_worker *worker = catalog_worker(&self->catalog, msg->worker);
    enum status s = judge_beat(worker, msg, turn);
    if (s != STATUS_OK) return s;
    hear(worker, msg->foreign, turn);
    worker->number = msg->number;
    worker->beat_ms = turn_wall_ms(turn);
    hear_shards(self, worker, msg, turn);
    steward_soon(self, turn);
    PdAssignments answer = PD_ASSIGNMENTS__INIT;
    answer.epoch = self->catalog.epoch;
    answer.same = msg->epoch == self->catalog.epoch;
    if (!answer.same) {
        s = assignments(self, worker, msg->foreign, &answer, turn);
        if (s != STATUS_OK) return s;
    }
    turn_reply(turn, &answer.base);
    return STATUS_OK;
}

/* --- listing
 * -------------------------------------------------------------------------------------------- */

/* What its replicas sum up to, and the names of their collections. */
static enum status sum_up(const struct driver *self,
                          const struct catalog_worker *worker,
                          PdWorker *out,
                          struct turn *turn) {
    uint64_t now = turn_now_us(turn);
    out->collections = turn_alloc(turn, (self->catalog.n_collections + 1) * sizeof(char *));
    if (!out->collections) return STATUS_NO_MEMORY;
    for (uint32_t c = 0; c < self->catalog.n_collections; c++) {
        const struct catalog_collection *collection = self->catalog.collections[c];
        bool any = false;
        for (uint32_t i = 0; i < collection->n_shards; i++) {
            const struct catalog_shard *shard = &collection->shards[i];
            const struct catalog_replica *replica = catalog_replica_on(shard, worker);
            if (!replica) continue;
            any = true;
            out->points += replica->points;
            out->requests_per_s += replica->pace.requests_s;
            out->bytes_per_s += replica->pace.bytes_s;
            out->leaders += catalog_leader(shard, now) == replica;
            out->learners += replica->learner;
            out->leaving += replica->leaving;
            if (worker->state == WORKER_DRAINING && shard->words[0] && !out->waits[0])
                out->waits = turn_printf(turn, "shard %" PRIu64 ": %s", shard->id, shard->words);
        }
        if (any && out->n_collections < LISTED_MAX / self->catalog.n_workers)
            out->collections[out->n_collections++] = collection->name;
    }
    return out->waits ? STATUS_OK : STATUS_NO_MEMORY;
}

/* It leads a shard that is no group. */
static bool
is_fixed(const struct driver *self, const struct catalog_worker *worker, const struct turn *turn) {
    for (uint32_t c = 0; c < self->catalog.n_collections; c++)
        for (uint32_t i = 0; i < self->catalog.collections[c]->n_shards; i++) {
            const struct catalog_shard *shard = &self->catalog.collections[c]->shards[i];
            const struct catalog_replica *leader = catalog_leader(shard, turn_now_us(turn));
            if (leader && leader->worker == worker && shard->term == 0) return true;
        }
    return false;
}

/* The most voters that a shard of this worker shall have. */
static uint32_t most_wanted(const struct driver *self, const struct catalog_worker *worker) {
    uint32_t most = 0;
    for (uint32_t c = 0; c < self->catalog.n_collections; c++) {
        const struct catalog_collection *collection = self->catalog.collections[c];
        uint32_t wanted = reconcile_wanted(&self->catalog, collection);
        for (uint32_t i = 0; wanted > most && i < collection->n_shards; i++)
            if (catalog_replica_on(&collection->shards[i], worker)) most = wanted;
    }
    return most;
}

/* Where nobody can take over, a drain does not end: that is to be seen. */
static void say_why_it_waits(const struct driver *self,
                             const struct catalog_worker *worker,
                             PdWorker *out,
                             struct turn *turn) {
    uint32_t others = 0;
    for (uint32_t i = 0; i < self->catalog.n_workers; i++) {
        const struct catalog_worker *other = self->catalog.workers[i];
        others += other != worker && other->state == WORKER_READY && !other->facts->search_only &&
                  catalog_heard(other, turn_now_us(turn));
    }
    if (worker->state != WORKER_DRAINING || worker->n_shards == 0 || out->waits[0]) return;
    if (is_fixed(self, worker, turn))
        out->waits = (char *)(uintptr_t) "its shards are not replicated: their data cannot move";
    uint32_t wanted = most_wanted(self, worker);
    char *few = turn_printf(turn,
                            "%" PRIu32 " other workers are ready, its shards want %" PRIu32
                            " copies: start one, or remove a dead one",
                            others, wanted);
    if (few && others < wanted) out->waits = few;
    if (others == 0) out->waits = (char *)(uintptr_t) "no other worker is ready";
    if (!catalog_heard(worker, turn_now_us(turn)))
        out->waits = (char *)(uintptr_t) "it is not heard of";
}

static enum status list_worker(const struct driver *self,
                               const struct catalog_worker *worker,
                               PdWorker *out,
                               struct turn *turn) {
    const PdRegister *facts = worker->facts;
    pd_worker__init(out);
    out->worker = worker->id;
    out->grpc_address = facts->grpc_address;
    out->link = facts->link;
    out->state = (char *)(uintptr_t)worker_state(worker, turn_now_us(turn));
    out->last_beat_ms = worker->beat_ms;
    out->shards = worker->n_shards;
    out->region = facts->region;
    out->zone = facts->zone;
    out->rack = facts->rack;
    out->search_only = facts->search_only;
    out->cpu_cores = facts->cpu_cores;
    out->memory_bytes = facts->memory_bytes;
    out->disk_bytes = facts->disk_bytes;
    out->registered_ms = worker->registered_ms;
    enum status s = sum_up(self, worker, out, turn);
    if (s == STATUS_OK) say_why_it_waits(self, worker, out, turn);
    return s;
}

/* The share of each for its capacity, of the mean one of those that take replicas. */
static enum status tell_loads(const struct driver *self, PdWorker *rows, struct turn *turn) {
    const struct catalog *catalog = &self->catalog;
    struct loads *loads = turn_alloc(turn, sizeof *loads);
    double load = 0, capacity = 0;
    if (!loads) return STATUS_NO_MEMORY;
    loads_measure(catalog, turn_now_us(turn), loads);
    for (uint32_t i = 0; i < catalog->n_workers; i++) {
        if (!placement_eligible(catalog->workers[i], turn_now_us(turn))) continue;
        load += (double)loads->replicas[i];
        capacity += placement_capacity(catalog->workers[i]);
    }
    for (uint32_t i = 0; load > 0 && i < catalog->n_workers; i++) {
        double share = (double)loads->replicas[i] / placement_capacity(catalog->workers[i]);
        rows[i].load_percent = (uint32_t)(share * capacity / load * 100 + 0.5);
    }
    return STATUS_OK;
}

enum status driver_workers(struct driver *self, const PdListWorkers *msg, struct turn *turn) {
    (void)msg;
    uint32_t n = self->catalog.n_workers;
    PdWorkers answer = PD_WORKERS__INIT;
    PdWorker *rows = turn_alloc(turn, (n + 1) * sizeof *rows);
    answer.workers = turn_alloc(turn, (n + 1) * sizeof *answer.workers);
    if (!rows || !answer.workers) return STATUS_NO_MEMORY;
    for (uint32_t i = 0; i < n; i++) {
        enum status s = list_worker(self, self->catalog.workers[i], &rows[i], turn);
        if (s != STATUS_OK) return s;
        answer.workers[i] = &rows[i];
    }
    answer.n_workers = n;
    if (tell_loads(self, rows, turn) != STATUS_OK) return STATUS_NO_MEMORY;
    turn_reply(turn, &answer.base);
    return STATUS_OK;
}
