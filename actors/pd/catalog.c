/* catalog: arrays of owned rows. Workers are few and found by walking or bisecting; a collection
 * owns its shards in one array, whose ids are consecutive, as they were given together.
 *
 * Invariants: n_shards of a worker counts its replicas in all collections; ids are below their
 * counters; epoch grows with every change that a worker can see. */
#include "actors/pd/catalog.h"

#include <string.h>

#include "actors/filters.h"
#include "actors/pd/catalog_parts.h"
#include "runtime/arena.h"
#include "runtime/assert.h"
#include "runtime/codec.h"
#include "runtime/memory.h"

#include "runtime/poison.h"

static_assert(CATALOG_WORKER_SHARDS_MAX * (CATALOG_NAME_MAX + 80) < CODEC_MESSAGE_MAX,
              "assignments of a worker are one message");
static_assert(CATALOG_COLLECTIONS_MAX * (CATALOG_NAME_MAX + 8) < CODEC_MESSAGE_MAX,
              "the list of collections is one message");

void catalog_init(struct catalog *catalog) {
    *catalog = (struct catalog){
        .epoch = 1, .next_worker = 1, .next_shard = 1, .next_store = CATALOG_STORE_FIRST};
}

static void collection_free(struct catalog_collection *collection) {
    if (!collection) return;
    mem_free(collection->name);
    mem_free(collection->distance);
    for (uint32_t i = 0; collection->shards && i < collection->n_shards; i++)
        replicas_free(&collection->shards[i]);
    mem_free(collection->payload_indexes);
    mem_free(collection->shards);
    mem_free(collection);
}

void catalog_reset(struct catalog *catalog) {
    for (uint32_t i = 0; i < catalog->n_collections; i++)
        collection_free(catalog->collections[i]);
    roster_free(catalog);
    peers_free(catalog);
    mem_free(catalog->collections);
    mem_free(catalog->by_shard);
    if (catalog->building) catalog_reset(catalog->building);
    mem_free(catalog->building);
    catalog_init(catalog);
}

static void shard_forget(struct catalog_shard *shard) {
    shard->leader = shard->term = shard->stranger = shard->retry_us = 0;
    shard->n_voters = shard->busy = 0;
    shard->words[0] = '\0';
    for (uint32_t i = 0; i < shard->n_replicas; i++) {
        struct catalog_replica *replica = &shard->replicas[i];
        replica->beat = replica->applied = replica->points = replica->lag = replica->lost_us = 0;
        replica->state[0] = '\0';
        replica->member = MEMBER_NONE;
        replica->pace = (struct catalog_pace){0};
    }
}

void catalog_forget(struct catalog *catalog) {
    for (uint32_t i = 0; i < catalog->n_workers; i++) {
        struct catalog_worker *worker = catalog->workers[i];
        worker->n_planned = 0;
        worker->keeper = 0;
        worker->heard_us = worker->beat_ms = worker->beats = worker->number = 0;
        worker->changing = false;
    }
    for (uint32_t c = 0; c < catalog->n_collections; c++) {
        struct catalog_collection *collection = catalog->collections[c];
        collection->birth_proposed = false;
        for (uint32_t i = 0; i < collection->n_shards; i++)
            shard_forget(&collection->shards[i]);
    }
}

/* --- finding
 * -------------------------------------------------------------------------------------------- */

/* Position of the name, or where it would stand. */
static uint32_t position(const struct catalog *catalog, const char *name, bool *found) {
    uint32_t low = 0;
    uint32_t high = catalog->n_collections;
    *found = false;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int order = strcmp(catalog->collections[middle]->name, name);
        if (order == 0) *found = true;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct catalog_collection *catalog_find(const struct catalog *catalog, const char *name) {
    bool found;
    uint32_t at = position(catalog, name, &found);
    return found ? catalog->collections[at] : NULL;
}

bool catalog_ended(const struct catalog *catalog, uint64_t token) {
    for (uint32_t i = catalog->n_ended; token != 0 && i-- > 0;)
        if (catalog->ended[i] == token) return true;
    return false;
}

/* Position in by_shard of the first collection whose shards begin above id. */
static uint32_t shard_position(const struct catalog *catalog, uint64_t id) {
    uint32_t low = 0;
    uint32_t high = catalog->n_collections;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (catalog->by_shard[middle]->shards[0].id <= id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct catalog_shard *catalog_shard(const struct catalog *catalog, uint64_t id) {
    uint32_t at = shard_position(catalog, id);
    if (at == 0) return NULL;
    struct catalog_collection *collection = catalog->by_shard[at - 1];
    uint64_t nth = id - collection->shards[0].id;
    return nth < collection->n_shards ? &collection->shards[nth] : NULL;
}

void catalog_range(uint32_t nth, uint32_t n_shards, uint64_t *start, uint64_t *end) {
    assert(n_shards > 0);
    assert(nth < n_shards);
    uint64_t width =
        n_shards == 1 ? 0 : UINT64_MAX / n_shards + (UINT64_MAX % n_shards + 1 == n_shards);
    *start = nth * width;
    *end = nth + 1 == n_shards ? UINT64_MAX : (nth + 1) * width - 1;
}

/* --- applying
 * ------------------------------------------------------------------------------------------- */

/* The shards of a row, checked against the state. */
static enum status collection_shards(struct catalog *catalog,
                                     const PdCollectionRow *row,
                                     struct catalog_collection *collection) {
    enum status s = STATUS_OK;
    for (size_t i = 0; s == STATUS_OK && i < row->n_shards; i++) {
        const PdShardRow *from = row->shards[i];
        if (from->shard != row->shards[0]->shard + i) return STATUS_CORRUPT;
        collection->shards[i] = (struct catalog_shard){
            .id = from->shard, .epoch = from->epoch, .collection = collection, .nth = (uint32_t)i};
        s = replicas_take(catalog, &collection->shards[i], from);
    }
    return s;
}

/* Its replicas are not kept any more. */
static void collection_leave(struct catalog_collection *collection) {
    for (uint32_t i = 0; i < collection->n_shards; i++)
        for (uint32_t j = 0; j < collection->shards[i].n_replicas; j++)
            collection->shards[i].replicas[j].worker->n_shards--;
}

static enum status collection_new(struct catalog *catalog,
                                  const PdCollectionRow *row,
                                  struct catalog_collection **out) {
    if (row->n_shards == 0 || row->n_shards > CATALOG_SHARDS_MAX ||
        row->factor > CATALOG_FACTOR_MAX)
        return STATUS_CORRUPT;
    struct catalog_collection *collection = mem_zero(1, sizeof *collection);
    if (!collection) return STATUS_NO_MEMORY;
    collection->name = mem_string(row->name);
    collection->distance = mem_string(row->distance);
    collection->dimension = row->dimension;
    collection->factor = row->factor ? row->factor : 1; /* 0: from before there were groups */
    collection->payload_indexes = mem_copy(row->payload_indexes.data, row->payload_indexes.len);
    collection->payload_indexes_size = row->payload_indexes.len;
    collection->created_ms = row->created_ms;
    collection->token = row->token;
    collection->born = row->born;
    collection->n_shards = (uint32_t)row->n_shards;
    collection->shards = mem_zero(row->n_shards, sizeof *collection->shards);
    enum status s = STATUS_NO_MEMORY;
    if (collection->name && collection->distance && collection->payload_indexes &&
        collection->shards)
        s = collection_shards(catalog, row, collection);
    if (s != STATUS_OK) {
        if (collection->shards) collection_leave(collection);
        collection_free(collection);
        return s;
    }
    *out = collection;
    return STATUS_OK;
}

/* Room for one more row in both arrays. */
static enum status collections_grow(struct catalog *catalog) {
    size_t size = (catalog->n_collections + 1) * sizeof(struct catalog_collection *);
    struct catalog_collection **rows = mem_resize(catalog->collections, size);
    if (!rows) return STATUS_NO_MEMORY;
    catalog->collections = rows;
    rows = mem_resize(catalog->by_shard, size);
    if (!rows) return STATUS_NO_MEMORY;
    catalog->by_shard = rows;
    return STATUS_OK;
}

static void
insert(struct catalog_collection **rows, uint32_t n, uint32_t at, struct catalog_collection *row) {
    memmove(rows + at + 1, rows + at, (n - at) * sizeof(struct catalog_collection *));
    rows[at] = row;
}

static void take_out(struct catalog_collection **rows, uint32_t n, uint32_t at) {
    memmove(rows + at, rows + at + 1, (n - at - 1) * sizeof(struct catalog_collection *));
}

static enum status apply_collection(struct catalog *catalog, const PdCollectionRow *row) {
    bool found;
    uint32_t at = position(catalog, row->name, &found);
    if (found) return STATUS_CORRUPT;
    enum status s = collections_grow(catalog);
    if (s != STATUS_OK) return s;
    struct catalog_collection *collection;
    s = collection_new(catalog, row, &collection);
    if (s != STATUS_OK) return s;
    uint32_t n = catalog->n_collections;
    insert(catalog->by_shard, n, shard_position(catalog, collection->shards[0].id), collection);
    insert(catalog->collections, n, at, collection);
    catalog->n_collections++;
    catalog->epoch++;
    uint64_t last = collection->shards[collection->n_shards - 1].id;
    if (last >= catalog->next_shard) catalog->next_shard = last + 1;
    return STATUS_OK;
}

/* Of two rows of one name the first counts: who proposed it was told that the log refuses it, and
 * asked again, but it was in the log and came all the same. */
static enum status apply_created(struct catalog *catalog, const PdCollectionRow *row) {
    return catalog_find(catalog, row->name) ? STATUS_OK : apply_collection(catalog, row);
}

static enum status apply_born(struct catalog *catalog, const char *name) {
    struct catalog_collection *collection = catalog_find(catalog, name);
    /* It may have been deleted between the proposal and its turn. */
    if (!collection) return STATUS_OK;
    collection->born = true;
    for (uint32_t i = 0; i < collection->n_shards; i++)
        replicas_born(&collection->shards[i]);
    catalog->epoch++;
    return STATUS_OK;
}

static void ends(struct catalog *catalog, uint64_t token) {
    if (token == 0) return;
    if (catalog->n_ended == CATALOG_ENDED_MAX)
        memmove(catalog->ended, catalog->ended + 1, --catalog->n_ended * sizeof *catalog->ended);
    catalog->ended[catalog->n_ended++] = token;
}

/* Whoever asks for its creation once more shall not make another, nor delete another. A creation
 * that ended before it was there may be tried again. */
static enum status apply_deleted(struct catalog *catalog, const char *name, uint64_t token) {
    bool found;
    uint32_t at = position(catalog, name, &found);
    if (!found) return STATUS_OK; /* deleted twice at the same time */
    struct catalog_collection *collection = catalog->collections[at];
    if (collection->born) ends(catalog, collection->token);
    ends(catalog, token);
    collection_leave(collection);
    take_out(catalog->by_shard, catalog->n_collections,
             shard_position(catalog, collection->shards[0].id) - 1);
    take_out(catalog->collections, catalog->n_collections, at);
    catalog->n_collections--;
    catalog->epoch++;
    collection_free(collection);
    return STATUS_OK;
}

/* Two changes at a time may want the same: the later one finds it done. */
static enum status apply_column(struct catalog *catalog, const PdChangeColumn *change) {
    struct catalog_collection *collection = catalog_find(catalog, change->name);
    if (!collection || !change->column) return STATUS_OK; /* deleted meanwhile */
    const struct filter_text key = {change->column->key, (uint32_t)strlen(change->column->key)};
    enum filter_type type = (enum filter_type)change->column->type;
    struct payload_columns columns;
    struct buffer bytes;
    enum status s = payload_columns_read(collection->payload_indexes,
                                         collection->payload_indexes_size, &columns);
    if (s != STATUS_OK) return s;
    s = change->drop ? payload_columns_drop(&columns, &key, type)
                     : payload_columns_add(&columns, &key, type);
    if (s != STATUS_OK) return STATUS_OK;
    buffer_init(&bytes);
    s = payload_columns_write(&columns, &bytes);
    void *copy = s == STATUS_OK ? mem_copy(bytes.data, bytes.size) : NULL;
    if (copy) {
        mem_free(collection->payload_indexes);
        collection->payload_indexes = copy;
        collection->payload_indexes_size = bytes.size;
        catalog->epoch++;
    }
    buffer_free(&bytes);
    return copy ? STATUS_OK : STATUS_NO_MEMORY;
}

static enum status snapshot_rows(struct catalog *catalog, const PdSnapshot *part) {
    enum status s = STATUS_OK;
    for (size_t i = 0; s == STATUS_OK && i < part->n_peers; i++)
        s = peers_put(catalog, part->peers[i]);
    for (size_t i = 0; s == STATUS_OK && i < part->n_workers; i++)
        s = roster_put(catalog, part->workers[i]);
    for (size_t i = 0; s == STATUS_OK && i < part->n_collections; i++)
        s = apply_collection(catalog, part->collections[i]);
    return s;
}

static enum status apply_snapshot(struct catalog *catalog, const PdSnapshot *part) {
    if (part->first) {
        if (!part->counters || part->counters->n_ended > CATALOG_ENDED_MAX) return STATUS_CORRUPT;
        if (catalog->building)
            catalog_reset(catalog->building);
        else
            catalog->building = mem_alloc(sizeof *catalog->building);
        if (!catalog->building) return STATUS_NO_MEMORY;
        catalog_init(catalog->building);
        catalog->building->cluster = part->counters->cluster;
        catalog->building->born_ms = part->counters->born_ms;
        catalog->building->next_worker = part->counters->next_worker;
        catalog->building->next_shard = part->counters->next_shard;
        catalog->building->next_store = part->counters->next_store;
        catalog->building->final_epoch = part->counters->epoch;
        catalog->building->n_ended = (uint32_t)part->counters->n_ended;
        for (size_t i = 0; i < part->counters->n_ended; i++)
            catalog->building->ended[i] = part->counters->ended[i];
    }
    if (!catalog->building) return STATUS_CORRUPT;
    enum status s = snapshot_rows(catalog->building, part);
    if (s != STATUS_OK || !part->last) return s;
    struct catalog whole = *catalog->building;
    whole.epoch = whole.final_epoch;
    mem_free(catalog->building);
    catalog->building = NULL;
    catalog_reset(catalog);
    *catalog = whole;
    return STATUS_OK;
}

enum status catalog_apply(struct catalog *catalog, const PdCommand *command) {
    switch (command->command_case) {
    case PD_COMMAND__COMMAND_BIRTH:
        if (catalog->cluster != 0 || command->birth->cluster == 0) return STATUS_CORRUPT;
        catalog->cluster = command->birth->cluster;
        catalog->born_ms = command->birth->wall_ms;
        return STATUS_OK;
    case PD_COMMAND__COMMAND_WORKER:
        return roster_put(catalog, command->worker);
    case PD_COMMAND__COMMAND_WORKER_STATE:
        return roster_state(catalog, command->worker_state);
    case PD_COMMAND__COMMAND_WORKER_REMOVED:
        roster_remove(catalog, command->worker_removed);
        return STATUS_OK;
    case PD_COMMAND__COMMAND_PEER:
        return peers_put(catalog, command->peer);
    case PD_COMMAND__COMMAND_REPLICA:
        return replicas_change(catalog, command->replica);
    case PD_COMMAND__COMMAND_COLLECTION:
        return apply_created(catalog, command->collection);
    case PD_COMMAND__COMMAND_COLLECTION_BORN:
        return apply_born(catalog, command->collection_born);
    case PD_COMMAND__COMMAND_COLLECTION_DELETED:
        return apply_deleted(catalog, command->collection_deleted, command->token);
    case PD_COMMAND__COMMAND_COLUMN:
        return apply_column(catalog, command->column);
    case PD_COMMAND__COMMAND_SNAPSHOT:
        return apply_snapshot(catalog, command->snapshot);
    default:
        return STATUS_CORRUPT;
    }
}
