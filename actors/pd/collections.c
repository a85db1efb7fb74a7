/* collections: creating, deleting, listing, routing; payload indexes that come and go.
 *
 *     create ─▶ logged ─▶ keepers woken ─▶ shards serve ─▶ logged as born ─▶ Done
 *                              └─ not in time ─▶ logged as deleted ─▶ NOT_READY
 *
 * A collection that is not born yet is there for nobody: neither routed nor listed, but its name is
 * taken. So whoever got an OK can use it at once, from any gateway. */
#include <inttypes.h>
#include <string.h>

#include "actors/filters.h"
#include "actors/pd/driver.h"
#include "actors/pd/load.h"
#include "actors/pd/placement.h"
#include "actors/router/hash.h"
#include "index/index.h"
#include "runtime/assert.h"
#include "runtime/memory.h"
#include "schemas/runtime.pb-c.h"

#include "runtime/poison.h"

enum {
    ANSWER_MARGIN_US = 500 * 1000, /* of the client's deadline, kept for the refusal */
    HEAR_US = 2 * 1000 * 1000,     /* after it began to lead: workers come back to it first */
};

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
    struct payload_columns columns;
    if (payload_columns_read(msg->payload_indexes.data, msg->payload_indexes.len, &columns) !=
        STATUS_OK)
        return turn_fail(turn, STATUS_INVALID,
                         "payload indexes, storage, originals or target recall are malformed");
    if (msg->shards > CATALOG_SHARDS_MAX)
        return turn_fail(turn, STATUS_INVALID, "%" PRIu32 " shards are above the limit of %d",
                         msg->shards, CATALOG_SHARDS_MAX);
    uint32_t copies = self->options.factor_max ? self->options.factor_max : 1;
    if (msg->replicas > copies)
        return turn_fail(turn, STATUS_INVALID,
                         "%" PRIu32 " replicas are above the limit of %" PRIu32, msg->replicas,
                         copies);
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

/* Founders of one shard: as many workers as there are, up to the factor. 0: none is there. */
static uint32_t pick_founders(const struct driver *self,
                              uint64_t *load,
                              uint32_t factor,
                              const struct catalog_worker *out[CATALOG_FACTOR_MAX],
                              struct turn *turn) {
    uint32_t n = 0;
    while (n < factor) {
        struct catalog_worker *worker =
            placement_pick(&(struct placement_query){.catalog = &self->catalog,
                                                     .load = load,
                                                     .beside = out,
                                                     .n_beside = n,
                                                     .now_us = turn_now_us(turn)});
        if (!worker) break;
        worker->n_planned++;
        load[worker->nth] += LOAD_REPLICA;
        out[n++] = worker;
    }
    return n;
}

/* Gives a shard an id, and each of its founders one. */
static PdShardRow *found_shard(struct driver *self,
                               const struct catalog_worker *const *founders,
                               uint32_t n,
                               struct turn *turn) {
    PdShardRow *shard = turn_new(turn, PdShardRow, pd_shard_row);
    PdReplicaRow *rows = turn_alloc(turn, n * sizeof *rows);
    PdReplicaRow **list = turn_alloc(turn, n * sizeof *list);
    if (!shard || !rows || !list) return NULL;
    for (uint32_t i = 0; i < n; i++) {
        pd_replica_row__init(&rows[i]);
        rows[i].worker = founders[i]->id;
        rows[i].store_id = self->next_store++;
        rows[i].founder = true;
        rows[i].link = founders[i]->facts->link;
        list[i] = &rows[i];
    }
    shard->shard = self->next_shard++;
    shard->epoch = 1;
    shard->n_replicas = n;
    shard->replicas = list;
    return shard;
}

static enum status
place(struct driver *self, PdCollectionRow *row, uint32_t n_shards, struct turn *turn) {
    const struct catalog *catalog = &self->catalog;
    struct loads *loads = turn_alloc(turn, sizeof *loads);
    row->shards = turn_alloc(turn, n_shards * sizeof *row->shards);
    if (!loads || !row->shards) return turn_fail(turn, STATUS_NO_MEMORY, "placement");
    loads_measure(catalog, turn_now_us(turn), loads);
    for (uint32_t i = 0; i < catalog->n_workers; i++)
        loads->replicas[i] += catalog->workers[i]->n_planned * (uint64_t)LOAD_REPLICA;
    for (uint32_t i = 0; i < n_shards; i++) {
        const struct catalog_worker *founders[CATALOG_FACTOR_MAX];
        uint32_t n = pick_founders(self, loads->replicas, row->factor, founders, turn);
        if (n == 0)
            return turn_fail(turn, STATUS_NOT_READY,
                             "no worker is ready to take the shards of collection '%s': start one "
                             "(vectron worker) and try again",
                             row->name);
        row->shards[i] = found_shard(self, founders, n, turn);
        if (!row->shards[i]) return turn_fail(turn, STATUS_NO_MEMORY, "placement");
    }
    row->n_shards = n_shards;
    return STATUS_OK;
}

/* Who leads anew has not heard of all workers yet: it would put everything on the first few. */
static bool is_deaf(const struct driver *self, uint32_t factor, const struct turn *turn) {
    uint64_t now = turn_now_us(turn);
    uint32_t known = 0, heard = 0;
    for (uint32_t i = 0; i < self->catalog.n_workers; i++) {
        const struct catalog_worker *worker = self->catalog.workers[i];
        if (worker->state != WORKER_READY || worker->facts->search_only) continue;
        known++;
        heard += catalog_heard(worker, now);
    }
    return now - self->since_us < HEAR_US && heard < factor && heard < known;
}

static void on_late(void *actor, void *context, struct turn *turn);

/* NULL: no memory. */
static struct creation *creation_new(struct driver *self, const char *name, uint64_t token) {
    struct creation *creation = mem_zero(1, sizeof *creation);
    if (!creation) return NULL;
    memcpy(creation->name, name, strlen(name) + 1);
    creation->token = token;
    creation->next = self->creations;
    self->creations = creation;
    return creation;
}

/* The current request waits for it, as long as its deadline lets it. */
static void creation_wait(struct creation *creation, struct turn *turn) {
    creation->promise = turn_defer(turn);
    creation->owed = true;
    uint64_t patience = (uint64_t)PD_CREATE_MS * 1000;
    uint64_t now = turn_now_us(turn);
    uint64_t deadline = creation->promise.deadline_us;
    if (deadline != NO_DEADLINE && deadline < now + patience + ANSWER_MARGIN_US)
        patience = deadline > now + 2 * ANSWER_MARGIN_US ? deadline - now - ANSWER_MARGIN_US
                                                         : ANSWER_MARGIN_US;
    if (creation->timer) turn_timer_cancel(turn, creation->timer);
    creation->timer = turn_timer(turn, patience, on_late, creation);
}

static void
creation_refuse(struct creation *creation, enum status s, const char *text, struct turn *turn) {
    if (creation->owed) turn_reject(turn, &creation->promise, s, "%s", text);
    creation->owed = false;
}

/* Off the list; its promise was settled. */
static void creation_end(struct driver *self, struct creation *creation, struct turn *turn) {
    *creation_find(self, creation->name) = creation->next;
    turn_timer_cancel(turn, creation->timer);
    mem_free(creation);
}

/* A client asks once more for what it began: its answer was lost, another member led, or a question
 * was long on its way. What was made and deleted since is not made again. */
static bool is_again(struct driver *self, const PdCreateCollection *msg, struct turn *turn) {
    const struct catalog_collection *collection = catalog_find(&self->catalog, msg->name);
    struct creation *creation = *creation_find(self, msg->name);
    if (msg->token == 0) return false;
    bool there = collection && collection->born && collection->token == msg->token;
    if (there || catalog_ended(&self->catalog, msg->token)) {
        Done done = DONE__INIT;
        turn_reply(turn, &done.base);
        return true;
    }
    if (!creation || creation->token != msg->token) return false;
    /* Who waited for it does not any more. */
    creation_refuse(creation, STATUS_CANCELLED, "the collection was asked for once more", turn);
    creation_wait(creation, turn);
    return true;
}

enum status driver_create(struct driver *self, const PdCreateCollection *msg, struct turn *turn) {
    enum index_metric metric;
    if (is_again(self, msg, turn)) return STATUS_OK;
    enum status s = judge_create(self, msg, &metric, turn);
    if (s != STATUS_OK) return s;
    PdCommand command = PD_COMMAND__INIT;
    PdCollectionRow row = PD_COLLECTION_ROW__INIT;
    row.name = msg->name;
    row.dimension = msg->dimension;
    row.distance = (char *)(uintptr_t)index_metric_name(metric);
    row.payload_indexes = msg->payload_indexes;
    row.created_ms = turn_wall_ms(turn);
    row.token = msg->token;
    row.factor = msg->replicas ? msg->replicas : self->options.factor ? self->options.factor : 1;
    if (is_deaf(self, row.factor, turn))
        return turn_fail(turn, STATUS_NOT_READY,
                         "the placement driver has just begun to lead, and waits for its workers");
    s = place(self, &row, msg->shards ? msg->shards : self->options.default_shards, turn);
    struct creation *creation = s == STATUS_OK ? creation_new(self, msg->name, msg->token) : NULL;
    if (!creation) {
        unplan(self);
        return s == STATUS_OK ? turn_fail(turn, STATUS_NO_MEMORY, "creation") : s;
    }
    creation_wait(creation, turn);
    command.command_case = PD_COMMAND__COMMAND_COLLECTION;
    command.collection = &row;
    s = driver_propose(self, &command, NULL, turn);
    if (s != STATUS_OK) {
        creation_refuse(creation, s, turn_words(turn), turn);
        creation_end(self, creation, turn);
        unplan(self);
    }
    return STATUS_OK;
}

static void
wake_workers(struct driver *self, const struct catalog_collection *collection, struct turn *turn) {
    bool woken[CATALOG_WORKERS_MAX] = {false};
    for (uint32_t i = 0; i < collection->n_shards; i++)
        for (uint32_t j = 0; j < collection->shards[i].n_replicas; j++) {
            const struct catalog_worker *worker = collection->shards[i].replicas[j].worker;
            if (!woken[worker->nth]) worker_wake(self, worker->id, turn);
            woken[worker->nth] = true;
        }
}

static void propose_name(struct driver *self,
                         PdCommand__CommandCase what,
                         const char *name,
                         uint64_t token,
                         const struct promise *promise,
                         struct turn *turn) {
    PdCommand command = PD_COMMAND__INIT;
    command.command_case = what;
    command.token = token;
    command.collection_born = (char *)(uintptr_t)name; /* a union: both cases are a name */
    enum status s = driver_propose(self, &command, promise, turn);
    if (s != STATUS_OK && promise) turn_reject(turn, promise, s, "%s", turn_words(turn));
}

static bool shard_serves(const struct catalog_shard *shard, const struct turn *turn) {
    return catalog_leader(shard, turn_now_us(turn)) != NULL;
}

static bool founders_serve(const struct catalog_shard *shard, const struct turn *turn) {
    for (uint32_t i = 0; i < shard->n_replicas; i++)
        if (!catalog_serves(&shard->replicas[i], turn_now_us(turn))) return false;
    return shard_serves(shard, turn);
}

static void bear(struct driver *self, struct catalog_collection *collection, struct turn *turn) {
    collection->birth_proposed = true;
    propose_name(self, PD_COMMAND__COMMAND_COLLECTION_BORN, collection->name, 0, NULL, turn);
}

void collection_heard(struct driver *self,
                      struct catalog_collection *collection,
                      struct turn *turn) {
    if (collection->born || collection->birth_proposed) return;
    for (uint32_t i = 0; i < collection->n_shards; i++)
        if (!founders_serve(&collection->shards[i], turn)) return;
    bear(self, collection, turn);
}

/* Time is up. With a leader for each shard the collection is there, and whoever is late is made
 * anew; without, the name is free again. */
static void on_late(void *actor, void *context, struct turn *turn) {
    struct driver *self = actor;
    struct creation *creation = context;
    struct catalog_collection *collection = catalog_find(&self->catalog, creation->name);
    uint32_t missing = 0;
    const char *where = "";
    for (uint32_t i = 0; collection && i < collection->n_shards; i++) {
        const struct catalog_shard *shard = &collection->shards[i];
        if (shard_serves(shard, turn)) continue;
        if (missing++ == 0) where = worker_words(shard->replicas[0].worker, turn);
    }
    if (collection && (missing == 0 || collection->birth_proposed)) {
        if (!collection->birth_proposed) bear(self, collection, turn);
        creation->timer = turn_timer(turn, ANSWER_MARGIN_US, on_late, creation);
        return;
    }
    const char *words =
        turn_printf(turn,
                    "collection '%s' was not created: %u of its shards did not open "
                    "in time (first on %s)",
                    creation->name, (unsigned)missing, where);
    creation_refuse(creation, STATUS_NOT_READY, words ? words : "not created", turn);
    propose_name(self, PD_COMMAND__COMMAND_COLLECTION_DELETED, creation->name, 0, NULL, turn);
    creation_end(self, creation, turn);
}

static void created(struct driver *self, const PdCollectionRow *row, struct turn *turn) {
    struct creation *creation = *creation_find(self, row->name);
    const struct catalog_collection *collection = catalog_find(&self->catalog, row->name);
    if (creation && collection->token == creation->token) {
        creation->logged = true;
    } else if (creation && row->token == creation->token) { /* another one came first */
        creation_refuse(creation, STATUS_EXISTS, "the collection already exists", turn);
        creation_end(self, creation, turn);
    }
    for (size_t i = 0; i < row->n_shards; i++)
        for (size_t j = 0; j < row->shards[i]->n_replicas; j++) {
            struct catalog_worker *worker =
                catalog_worker(&self->catalog, row->shards[i]->replicas[j]->worker);
            if (worker && worker->n_planned > 0) worker->n_planned--;
        }
    wake_workers(self, collection, turn);
}

static void born(struct driver *self, const char *name, struct turn *turn) {
    struct creation *creation = *creation_find(self, name);
    if (!creation) return;
    Done done = DONE__INIT;
    if (creation->owed) turn_resolve(turn, &creation->promise, &done.base);
    creation_end(self, creation, turn);
}

/* --- deleting
 * ------------------------------------------------------------------------------------------- */

enum status driver_delete(struct driver *self, const PdDeleteCollection *msg, struct turn *turn) {
    if (catalog_ended(&self->catalog, msg->token)) {
        Done done = DONE__INIT;
        turn_reply(turn, &done.base);
        return STATUS_OK;
    }
    if (!catalog_find(&self->catalog, msg->name))
        return turn_fail(turn, STATUS_NOT_FOUND, "collection '%s' not found", msg->name);
    struct promise promise = turn_defer(turn);
    propose_name(self, PD_COMMAND__COMMAND_COLLECTION_DELETED, msg->name, msg->token, &promise,
                 turn);
    return STATUS_OK;
}

static void
deleted(struct driver *self, const char *name, const struct promise *promise, struct turn *turn) {
    struct creation *creation = *creation_find(self, name);
    if (creation && creation->logged) {
        const char *words =
            turn_printf(turn, "collection '%s' was deleted while it was created", name);
        creation_refuse(creation, STATUS_NOT_FOUND, words ? words : "deleted", turn);
        creation_end(self, creation, turn);
    }
    Done done = DONE__INIT;
    if (promise) turn_resolve(turn, promise, &done.base);
    /* Whose shards they were is forgotten by now; a wake more costs a beat. */
    for (uint32_t i = 0; i < self->catalog.n_workers; i++)
        worker_wake(self, self->catalog.workers[i]->id, turn);
}

/* --- payload indexes
 * ----------------------------------------------------------------------------------------- */

static enum status
judge_column(const struct driver *self, const PdChangeColumn *msg, struct turn *turn) {
    const struct catalog_collection *collection = catalog_find(&self->catalog, msg->name);
    struct payload_columns columns;
    if (!collection || !collection->born)
        return turn_fail(turn, STATUS_NOT_FOUND, "collection '%s' not found", msg->name);
    if (!msg->column) return turn_fail(turn, STATUS_INVALID, "a payload index needs a key");
    const struct filter_text key = {msg->column->key, (uint32_t)strlen(msg->column->key)};
    enum filter_type type = (enum filter_type)msg->column->type;
    enum status s = payload_columns_read(collection->payload_indexes,
                                         collection->payload_indexes_size, &columns);
    if (s == STATUS_OK)
        s = msg->drop ? payload_columns_drop(&columns, &key, type)
                      : payload_columns_add(&columns, &key, type);
    switch (s) {
    case STATUS_OK:
        return s;
    case STATUS_EXISTS:
        return turn_fail(turn, s, "collection '%s' has a payload index on \"%s\" as %s already",
                         msg->name, key.data, filter_type_name(type));
    case STATUS_NOT_FOUND:
        return turn_fail(turn, s, "collection '%s' has no payload index on \"%s\" as %s", msg->name,
                         key.data, filter_type_name(type));
    case STATUS_QUOTA:
        return turn_fail(turn, s,
                         "collection '%s' has %d payload indexes, the limit: drop one that is not "
                         "needed",
                         msg->name, PAYLOAD_COLUMNS_MAX);
    default:
        return turn_fail(turn, s, "a payload index needs a key of 1 to %d bytes and a type",
                         PAYLOAD_KEY_MAX);
    }
}

enum status
driver_change_column(struct driver *self, const PdChangeColumn *msg, struct turn *turn) {
    enum status s = judge_column(self, msg, turn);
    if (s != STATUS_OK) return s;
    PdCommand command = PD_COMMAND__INIT;
    struct promise promise = turn_defer(turn);
    command.command_case = PD_COMMAND__COMMAND_COLUMN;
    command.column = (PdChangeColumn *)(uintptr_t)msg;
    s = driver_propose(self, &command, &promise, turn);
    if (s != STATUS_OK) turn_reject(turn, &promise, s, "%s", turn_words(turn));
    return STATUS_OK;
}

static void column_changed(struct driver *self,
                           const PdChangeColumn *change,
                           const struct promise *promise,
                           struct turn *turn) {
    const struct catalog_collection *collection = catalog_find(&self->catalog, change->name);
    Done done = DONE__INIT;
    if (collection) wake_workers(self, collection, turn);
    if (promise && collection)
        turn_resolve(turn, promise, &done.base);
    else if (promise)
        turn_reject(turn, promise, STATUS_NOT_FOUND, "collection '%s' was deleted meanwhile",
                    change->name);
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
    case PD_COMMAND__COMMAND_COLUMN:
        column_changed(self, command->column, promise, turn);
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
        creation_refuse(creation, status, text, turn);
        creation_end(self, creation, turn);
    }
    for (uint32_t i = 0; i < self->catalog.n_collections; i++)
        self->catalog.collections[i]->birth_proposed = false;
    unplan(self);
}

void collections_leave(struct driver *self, const char *text, struct turn *turn) {
    while (self->creations) {
        creation_refuse(self->creations, STATUS_NOT_LEADER, text, turn);
        creation_end(self, self->creations, turn);
    }
}

void collections_lead(struct driver *self, struct turn *turn) {
    for (uint32_t i = 0; i < self->catalog.n_collections; i++) {
        const struct catalog_collection *collection = self->catalog.collections[i];
        if (collection->born || *creation_find(self, collection->name)) continue;
        struct creation *creation = creation_new(self, collection->name, collection->token);
        if (!creation) return; /* its founders are heard of, or its name stays taken */
        creation->logged = true;
        creation->timer = turn_timer(turn, (uint64_t)PD_CREATE_MS * 1000, on_late, creation);
    }
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

static void
route_replica(const struct catalog_replica *replica, PdReplica *out, const struct turn *turn) {
    const struct catalog_worker *worker = replica->worker;
    pd_replica__init(out);
    out->worker = worker->id;
    out->link = worker->facts->link;
    out->grpc_address = worker->facts->grpc_address;
    out->store_id = replica->store_id;
    out->learner = replica->learner;
    out->search_only = worker->facts->search_only;
    out->ready = catalog_serves(replica, turn_now_us(turn));
    out->lag = replica->lag;
}

static PdShard *route_shard(const struct catalog_shard *shard, struct turn *turn) {
    const struct catalog_replica *leader = catalog_leader(shard, turn_now_us(turn));
    PdShard *out = turn_new(turn, PdShard, pd_shard);
    PdReplica *rows = turn_alloc(turn, shard->n_replicas * sizeof *rows);
    PdReplica **list = turn_alloc(turn, shard->n_replicas * sizeof *list);
    if (!out || !rows || !list) return NULL;
    for (uint32_t i = 0; i < shard->n_replicas; i++) {
        route_replica(&shard->replicas[i], &rows[i], turn);
        list[i] = &rows[i];
    }
    out->shard = shard->id;
    catalog_range(shard->nth, shard->collection->n_shards, &out->range_start, &out->range_end);
    out->epoch = shard->epoch;
    out->ready = leader != NULL;
    /* The only replica leads as soon as it is there. */
    if (leader || shard->n_replicas == 1)
        out->leader = leader ? leader->worker->id : shard->replicas[0].worker->id;
    out->n_replicas = shard->n_replicas;
    out->replicas = list;
    return out;
}

static bool has_id(const struct catalog_shard *shard, const char *id) {
    uint64_t start, end, hash = hash_id(id, strlen(id));
    catalog_range(shard->nth, shard->collection->n_shards, &start, &end);
    return start <= hash && hash <= end;
}

enum status driver_route(struct driver *self, const PdRoute *msg, struct turn *turn) {
    const struct catalog_collection *collection = catalog_find(&self->catalog, msg->collection);
    if (!collection || !collection->born)
        return turn_fail(turn, STATUS_NOT_FOUND, "collection '%s' not found", msg->collection);
    PdRouting answer = PD_ROUTING__INIT;
    answer.shards = turn_alloc(turn, collection->n_shards * sizeof *answer.shards);
    if (!answer.shards) return STATUS_NO_MEMORY;
    for (uint32_t i = 0; i < collection->n_shards; i++) {
        if (msg->id[0] && !has_id(&collection->shards[i], msg->id)) continue;
        PdShard *row = route_shard(&collection->shards[i], turn);
        if (!row) return STATUS_NO_MEMORY;
        answer.shards[answer.n_shards++] = row;
    }
    answer.collection = collection->name;
    answer.dimension = collection->dimension;
    answer.distance = collection->distance;
    answer.epoch = self->catalog.epoch;
    turn_reply(turn, &answer.base);
    return STATUS_OK;
}
