/* collections: creating, deleting, listing, routing.
 *
 *     create ─▶ logged ─▶ keepers woken ─▶ shards serve ─▶ logged as born ─▶ Done
 *                              └─ not in time ─▶ logged as deleted ─▶ NOT_READY
 *
 * A collection that is not born yet is there for nobody: neither routed nor listed, but its name is
 * taken. So whoever got an OK can use it at once, from any gateway. */
#include <inttypes.h>
#include <string.h>

#include "actors/pd/driver.h"
#include "index/index.h"
#include "runtime/assert.h"
#include "runtime/memory.h"
#include "schemas/runtime.pb-c.h"

#include "runtime/poison.h"

enum { ANSWER_MARGIN_US = 500 * 1000 }; /* of the client's deadline, kept for the refusal */

/* --- creating
 * ------------------------------------------------------------------------------------------- */

static struct creation **creation_find(struct driver *self, const char *name) {
    struct creation **link = &self->creations;
    while (*link && strcmp((*link)->name, name) != 0)
        link = &(*link)->next;
    return link;
}

static bool name_fits(const char *name) {
    size_t n = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-");
    return n > 0 && n <= CATALOG_NAME_MAX && name[n] == '\0' && !strchr("._-", name[0]);
}

static enum status judge_create(struct driver *self,
                                const PdCreateCollection *msg,
                                enum index_metric *metric,
                                struct turn *turn) {
    if (!name_fits(msg->name))
        return turn_fail(turn, STATUS_INVALID,
                         "collection name must be 1 to %d letters, digits, '.', '_' or '-', "
                         "beginning with a letter or digit",
                         CATALOG_NAME_MAX);
    if (msg->dimension == 0 || msg->dimension > INDEX_DIMENSION_MAX)
        return turn_fail(turn, STATUS_INVALID, "dimension %" PRIu32 " is not 1 to %d",
                         msg->dimension, INDEX_DIMENSION_MAX);
    if (index_metric_parse(msg->distance, metric) != STATUS_OK)
        return turn_fail(turn, STATUS_INVALID, "distance '%s' is not one of cosine, euclidean, dot",
                         msg->distance);
    if (msg->shards > CATALOG_SHARDS_MAX)
        return turn_fail(turn, STATUS_INVALID, "%" PRIu32 " shards are above the limit of %d",
                         msg->shards, CATALOG_SHARDS_MAX);
    if (msg->replicas > 1)
        return turn_fail(turn, STATUS_INVALID,
                         "%" PRIu32 " replicas: one copy of a shard is kept, replication is not "
                         "there yet",
                         msg->replicas);
    if (catalog_find(&self->catalog, msg->name) || *creation_find(self, msg->name))
        return turn_fail(turn, STATUS_EXISTS, "collection '%s' already exists", msg->name);
    if (self->catalog.n_collections >= CATALOG_COLLECTIONS_MAX)
        return turn_fail(turn, STATUS_QUOTA, "%d collections are the limit",
                         CATALOG_COLLECTIONS_MAX);
    return STATUS_OK;
}

static void unplan(struct driver *self) {
    for (uint32_t i = 0; i < self->catalog.n_workers; i++)
        self->catalog.workers[i]->n_planned = 0;
}

/* Gives every shard an id, a store and a worker. */
static enum status
place(struct driver *self, PdCollectionRow *row, uint32_t n_shards, struct turn *turn) {
    struct placed {
        PdShardRow shard;
        PdReplicaRow replica;
        PdReplicaRow *replicas[1];
    } *placed = turn_alloc(turn, n_shards * sizeof *placed);
    row->shards = turn_alloc(turn, n_shards * sizeof *row->shards);
    if (!placed || !row->shards) return turn_fail(turn, STATUS_NO_MEMORY, "placement");
    for (uint32_t i = 0; i < n_shards; i++) {
        struct catalog_worker *worker = placement_pick(&self->catalog, turn);
        if (!worker)
            return turn_fail(turn, STATUS_NOT_READY,
                             "no worker is ready to take the shards of collection '%s': start one "
                             "(vectron worker) and try again",
                             row->name);
        worker->n_planned++;
        pd_shard_row__init(&placed[i].shard);
        pd_replica_row__init(&placed[i].replica);
        placed[i].replica.worker = worker->id;
        placed[i].replica.store_id = self->next_store + i;
        placed[i].replicas[0] = &placed[i].replica;
        placed[i].shard.shard = self->next_shard + i;
        placed[i].shard.epoch = 1;
        placed[i].shard.n_replicas = 1;
        placed[i].shard.replicas = placed[i].replicas;
        row->shards[i] = &placed[i].shard;
    }
    row->n_shards = n_shards;
    self->next_store += n_shards;
    self->next_shard += n_shards;
    return STATUS_OK;
}

static void on_late(void *actor, void *context, struct turn *turn);

static enum status creation_new(struct driver *self, const char *name, struct turn *turn) {
    struct creation *creation = mem_zero(1, sizeof *creation);
    if (!creation) return turn_fail(turn, STATUS_NO_MEMORY, "creation");
    memcpy(creation->name, name, strlen(name) + 1);
    creation->promise = turn_defer(turn);
    uint64_t patience = (uint64_t)PD_CREATE_MS * 1000;
    uint64_t now = turn_now_us(turn);
    uint64_t deadline = creation->promise.deadline_us;
    if (deadline != NO_DEADLINE && deadline < now + patience + ANSWER_MARGIN_US)
        patience = deadline > now + 2 * ANSWER_MARGIN_US ? deadline - now - ANSWER_MARGIN_US
                                                         : ANSWER_MARGIN_US;
    creation->timer = turn_timer(turn, patience, on_late, creation);
    creation->next = self->creations;
    self->creations = creation;
    return STATUS_OK;
}

/* Off the list; its promise was settled. */
static void creation_end(struct driver *self, struct creation *creation, struct turn *turn) {
    *creation_find(self, creation->name) = creation->next;
    turn_timer_cancel(turn, creation->timer);
    mem_free(creation);
}

enum status driver_create(struct driver *self, const PdCreateCollection *msg, struct turn *turn) {
    enum index_metric metric;
    enum status s = judge_create(self, msg, &metric, turn);
    if (s != STATUS_OK) return s;
    PdCommand command = PD_COMMAND__INIT;
    PdCollectionRow row = PD_COLLECTION_ROW__INIT;
    row.name = msg->name;
    row.dimension = msg->dimension;
    row.distance = (char *)(uintptr_t)index_metric_name(metric);
    row.created_ms = turn_wall_ms(turn);
    s = place(self, &row, msg->shards ? msg->shards : self->options.default_shards, turn);
    if (s == STATUS_OK) s = creation_new(self, msg->name, turn);
    if (s != STATUS_OK) {
        unplan(self);
        return s;
    }
    command.command_case = PD_COMMAND__COMMAND_COLLECTION;
    command.collection = &row;
    s = driver_propose(self, &command, NULL, turn);
    if (s != STATUS_OK) {
        struct creation *creation = self->creations;
        turn_reject(turn, &creation->promise, s, "%s", turn_words(turn));
        creation_end(self, creation, turn);
        unplan(self);
    }
    return STATUS_OK;
}

static void
wake_workers(struct driver *self, const struct catalog_collection *collection, struct turn *turn) {
    uint64_t last = 0;
    for (uint32_t i = 0; i < collection->n_shards; i++) {
        uint64_t worker = collection->shards[i].worker;
        if (worker != last) worker_wake(self, worker, turn);
        last = worker;
    }
}

static void propose_name(struct driver *self,
                         PdCommand__CommandCase what,
                         const char *name,
                         const struct promise *promise,
                         struct turn *turn) {
    PdCommand command = PD_COMMAND__INIT;
    command.command_case = what;
    command.collection_born = (char *)(uintptr_t)name; /* a union: both cases are a name */
    enum status s = driver_propose(self, &command, promise, turn);
    if (s != STATUS_OK && promise) turn_reject(turn, promise, s, "%s", turn_words(turn));
}

static bool shard_serves(const struct driver *self, const struct catalog_shard *shard) {
    const struct catalog_worker *worker = catalog_worker(&self->catalog, shard->worker);
    return worker && shard->serving && shard->beat == worker->beats && worker->beats > 0;
}

void collection_heard(struct driver *self,
                      struct catalog_collection *collection,
                      struct turn *turn) {
    if (collection->born || collection->birth_proposed) return;
    for (uint32_t i = 0; i < collection->n_shards; i++)
        if (!shard_serves(self, &collection->shards[i])) return;
    collection->birth_proposed = true;
    propose_name(self, PD_COMMAND__COMMAND_COLLECTION_BORN, collection->name, NULL, turn);
}

/* The shards did not open in time: the name is free again. */
static void on_late(void *actor, void *context, struct turn *turn) {
    struct driver *self = actor;
    struct creation *creation = context;
    const struct catalog_collection *collection = catalog_find(&self->catalog, creation->name);
    uint32_t missing = 0;
    const char *where = "";
    for (uint32_t i = 0; collection && i < collection->n_shards; i++) {
        const struct catalog_shard *shard = &collection->shards[i];
        if (shard_serves(self, shard)) continue;
        if (missing++ == 0)
            where = worker_words(catalog_worker(&self->catalog, shard->worker), turn);
    }
    turn_reject(turn, &creation->promise, STATUS_NOT_READY,
                "collection '%s' was not created: %u of its shards did not open in time (first "
                "on %s)",
                creation->name, (unsigned)missing, where);
    propose_name(self, PD_COMMAND__COMMAND_COLLECTION_DELETED, creation->name, NULL, turn);
    creation_end(self, creation, turn);
}

static void created(struct driver *self, const PdCollectionRow *row, struct turn *turn) {
    struct creation *creation = *creation_find(self, row->name);
    if (creation) creation->logged = true;
    for (size_t i = 0; i < row->n_shards; i++) {
        struct catalog_worker *worker =
            catalog_worker(&self->catalog, row->shards[i]->replicas[0]->worker);
        if (worker && worker->n_planned > 0) worker->n_planned--;
    }
    wake_workers(self, catalog_find(&self->catalog, row->name), turn);
}

static void born(struct driver *self, const char *name, struct turn *turn) {
    struct creation *creation = *creation_find(self, name);
    if (!creation) return;
    Done done = DONE__INIT;
    turn_resolve(turn, &creation->promise, &done.base);
    creation_end(self, creation, turn);
}

/* --- deleting
 * ------------------------------------------------------------------------------------------- */

enum status driver_delete(struct driver *self, const PdDeleteCollection *msg, struct turn *turn) {
    if (!catalog_find(&self->catalog, msg->name))
        return turn_fail(turn, STATUS_NOT_FOUND, "collection '%s' not found", msg->name);
    struct promise promise = turn_defer(turn);
    propose_name(self, PD_COMMAND__COMMAND_COLLECTION_DELETED, msg->name, &promise, turn);
    return STATUS_OK;
}

static void
deleted(struct driver *self, const char *name, const struct promise *promise, struct turn *turn) {
    struct creation *creation = *creation_find(self, name);
    if (creation && creation->logged) {
        turn_reject(turn, &creation->promise, STATUS_NOT_FOUND,
                    "collection '%s' was deleted while it was created", name);
        creation_end(self, creation, turn);
    }
    Done done = DONE__INIT;
    if (promise) turn_resolve(turn, promise, &done.base);
    /* Whose shards they were is forgotten by now; a wake more costs a beat. */
    for (uint32_t i = 0; i < self->catalog.n_workers; i++)
        worker_wake(self, self->catalog.workers[i]->id, turn);
}

void collection_applied(struct driver *self,
                        const PdCommand *command,
                        const struct promise *promise,
                        struct turn *turn) {
    switch (command->command_case) {
    case PD_COMMAND__COMMAND_COLLECTION:
        created(self, command->collection, turn);
        break;
    case PD_COMMAND__COMMAND_COLLECTION_BORN:
        born(self, command->collection_born, turn);
        break;
    case PD_COMMAND__COMMAND_COLLECTION_DELETED:
        deleted(self, command->collection_deleted, promise, turn);
        break;
    default:
        break;
    }
}

void collections_refused(struct driver *self,
                         enum status status,
                         const char *text,
                         struct turn *turn) {
    struct creation *next;
    for (struct creation *creation = self->creations; creation; creation = next) {
        next = creation->next;
        if (creation->logged) continue;
        turn_reject(turn, &creation->promise, status, "%s", text);
        creation_end(self, creation, turn);
    }
    for (uint32_t i = 0; i < self->catalog.n_collections; i++)
        self->catalog.collections[i]->birth_proposed = false;
    unplan(self);
}

void collections_free(struct driver *self) {
    while (self->creations) {
        struct creation *creation = self->creations;
        self->creations = creation->next;
        mem_free(creation);
    }
}

/* --- listing and routing
 * -------------------------------------------------------------------------------- */

enum status driver_list(struct driver *self, const PdListCollections *msg, struct turn *turn) {
    (void)msg;
    PdCollections answer = PD_COLLECTIONS__INIT;
    answer.names = turn_alloc(turn, (self->catalog.n_collections + 1) * sizeof *answer.names);
    if (!answer.names) return STATUS_NO_MEMORY;
    for (uint32_t i = 0; i < self->catalog.n_collections; i++)
        if (self->catalog.collections[i]->born)
            answer.names[answer.n_names++] = self->catalog.collections[i]->name;
    turn_reply(turn, &answer.base);
    return STATUS_OK;
}

struct routed {
    PdShard shard;
    PdReplica replica;
    PdReplica *replicas[1];
};

static void route_shard(const struct driver *self,
                        const struct catalog_shard *shard,
                        struct routed *out,
                        struct turn *turn) {
    const struct catalog_worker *worker = catalog_worker(&self->catalog, shard->worker);
    pd_shard__init(&out->shard);
    pd_replica__init(&out->replica);
    out->replica.worker = worker->id;
    out->replica.link = worker->facts->link;
    out->replicas[0] = &out->replica;
    out->shard.shard = shard->id;
    catalog_range(shard->nth, shard->collection->n_shards, &out->shard.range_start,
                  &out->shard.range_end);
    out->shard.epoch = shard->epoch;
    out->shard.leader = worker->id; /* the only replica leads */
    out->shard.ready = shard_serves(self, shard) && worker_alive(worker, turn);
    out->shard.n_replicas = 1;
    out->shard.replicas = out->replicas;
}

enum status driver_route(struct driver *self, const PdRoute *msg, struct turn *turn) {
    const struct catalog_collection *collection = catalog_find(&self->catalog, msg->collection);
    if (!collection || !collection->born)
        return turn_fail(turn, STATUS_NOT_FOUND, "collection '%s' not found", msg->collection);
    PdRouting answer = PD_ROUTING__INIT;
    struct routed *routed = turn_alloc(turn, collection->n_shards * sizeof *routed);
    answer.shards = turn_alloc(turn, collection->n_shards * sizeof *answer.shards);
    if (!routed || !answer.shards) return STATUS_NO_MEMORY;
    for (uint32_t i = 0; i < collection->n_shards; i++) {
        route_shard(self, &collection->shards[i], &routed[i], turn);
        answer.shards[i] = &routed[i].shard;
    }
    answer.n_shards = collection->n_shards;
    answer.collection = collection->name;
    answer.dimension = collection->dimension;
    answer.distance = collection->distance;
    answer.epoch = self->catalog.epoch;
    turn_reply(turn, &answer.base);
    return STATUS_OK;
}
