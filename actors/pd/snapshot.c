/* snapshot: the catalog as a run of entries, workers first, since collections name them; a part is
 * cut when it has grown to PART_BYTES. */
#include "actors/pd/catalog.h"
#include "runtime/arena.h"
#include "runtime/codec.h"

#include "runtime/poison.h"

enum { PART_BYTES = 256 * 1024, PART_ROWS = 1024 };

struct writer {
    catalog_emit emit;
    void *context;
    struct arena arena; /* rows of the part */
    PdSnapshot part;
    PdWorkerRow *workers[PART_ROWS];
    PdCollectionRow *collections[PART_ROWS];
    size_t bytes;
};

static enum status flush_part(struct writer *writer, bool last) {
    PdCommand command = PD_COMMAND__INIT;
    command.command_case = PD_COMMAND__COMMAND_SNAPSHOT;
    command.snapshot = &writer->part;
    writer->part.last = last;
    writer->part.workers = writer->workers;
    writer->part.collections = writer->collections;
    struct buffer entry;
    buffer_init(&entry);
    enum status s = codec_encode(&command.base, &entry);
    if (s == STATUS_OK) s = writer->emit(writer->context, &entry);
    buffer_free(&entry);
    pd_snapshot__init(&writer->part);
    arena_reset(&writer->arena);
    writer->bytes = 0;
    return s;
}

static enum status room(struct writer *writer) {
    bool full = writer->bytes >= PART_BYTES || writer->part.n_workers == PART_ROWS ||
                writer->part.n_collections == PART_ROWS;
    return full ? flush_part(writer, false) : STATUS_OK;
}

static enum status put_worker(struct writer *writer, const struct catalog_worker *worker) {
    enum status s = room(writer);
    if (s != STATUS_OK) return s;
    PdWorkerRow *row = arena_alloc(&writer->arena, sizeof *row);
    if (!row) return STATUS_NO_MEMORY;
    pd_worker_row__init(row);
    row->worker = worker->id;
    row->facts = worker->facts;
    row->registered_ms = worker->registered_ms;
    row->state = worker->state;
    row->state_ms = worker->state_ms;
    writer->workers[writer->part.n_workers++] = row;
    writer->bytes += codec_size(&row->base);
    return STATUS_OK;
}

static PdShardRow *shard_row(struct writer *writer, const struct catalog_shard *shard) {
    size_t n = shard->n_replicas;
    PdShardRow *row = arena_alloc(&writer->arena, sizeof *row);
    PdReplicaRow *replicas = arena_alloc(&writer->arena, n * sizeof *replicas);
    PdReplicaRow **list = arena_alloc(&writer->arena, n * sizeof *list);
    if (!row || !replicas || !list) return NULL;
    pd_shard_row__init(row);
    for (size_t i = 0; i < n; i++) {
        const struct catalog_replica *replica = &shard->replicas[i];
        pd_replica_row__init(&replicas[i]);
        replicas[i].worker = replica->worker->id;
        replicas[i].store_id = replica->store_id;
        replicas[i].role = replica->learner;
        replicas[i].founder = replica->founder;
        replicas[i].leaving = replica->leaving;
        replicas[i].started = replica->started;
        if (replica->link) replicas[i].link = replica->link;
        list[i] = &replicas[i];
    }
    row->shard = shard->id;
    row->epoch = shard->epoch;
    row->n_replicas = n;
    row->replicas = list;
    return row;
}

static enum status put_collection(struct writer *writer,
                                  const struct catalog_collection *collection) {
    enum status s = room(writer);
    if (s != STATUS_OK) return s;
    PdCollectionRow *row = arena_alloc(&writer->arena, sizeof *row);
    PdShardRow **shards = arena_alloc(&writer->arena, collection->n_shards * sizeof *shards);
    if (!row || !shards) return STATUS_NO_MEMORY;
    pd_collection_row__init(row);
    for (uint32_t i = 0; i < collection->n_shards; i++) {
        shards[i] = shard_row(writer, &collection->shards[i]);
        if (!shards[i]) return STATUS_NO_MEMORY;
    }
    row->name = collection->name;
    row->dimension = collection->dimension;
    row->distance = collection->distance;
    row->payload_indexes.data = collection->payload_indexes;
    row->payload_indexes.len = collection->payload_indexes_size;
    row->created_ms = collection->created_ms;
    row->token = collection->token;
    row->born = collection->born;
    row->factor = collection->factor;
    row->n_shards = collection->n_shards;
    row->shards = shards;
    writer->collections[writer->part.n_collections++] = row;
    writer->bytes += codec_size(&row->base);
    return STATUS_OK;
}

static enum status put_peers(struct writer *writer, const struct catalog *catalog) {
    size_t n = catalog->n_peers;
    PdPeerRow *rows = arena_alloc(&writer->arena, (n + 1) * sizeof *rows);
    writer->part.peers = arena_alloc(&writer->arena, (n + 1) * sizeof *writer->part.peers);
    if (!rows || !writer->part.peers) return STATUS_NO_MEMORY;
    for (size_t i = 0; i < n; i++) {
        const struct catalog_peer *peer = &catalog->peers[i];
        pd_peer_row__init(&rows[i]);
        rows[i].member = peer->id;
        rows[i].started = peer->started;
        rows[i].grpc_address = peer->grpc_address;
        rows[i].link = peer->link;
        writer->part.peers[i] = &rows[i];
    }
    writer->part.n_peers = n;
    return STATUS_OK;
}

enum status catalog_snapshot(const struct catalog *catalog, catalog_emit emit, void *context) {
    struct writer writer = {.emit = emit, .context = context};
    arena_init(&writer.arena, 0);
    pd_snapshot__init(&writer.part);
    PdCounters counters = PD_COUNTERS__INIT;
    counters.cluster = catalog->cluster;
    counters.born_ms = catalog->born_ms;
    counters.epoch = catalog->epoch;
    counters.next_worker = catalog->next_worker;
    counters.next_shard = catalog->next_shard;
    counters.next_store = catalog->next_store;
    counters.n_ended = catalog->n_ended;
    counters.ended = (uint64_t *)(uintptr_t)catalog->ended;
    writer.part.first = true;
    writer.part.counters = &counters;
    enum status s = put_peers(&writer, catalog);
    for (uint32_t i = 0; s == STATUS_OK && i < catalog->n_workers; i++)
        s = put_worker(&writer, catalog->workers[i]);
    for (uint32_t i = 0; s == STATUS_OK && i < catalog->n_collections; i++)
        s = put_collection(&writer, catalog->collections[i]);
    if (s == STATUS_OK) s = flush_part(&writer, true);
    arena_free(&writer.arena);
    return s;
}
