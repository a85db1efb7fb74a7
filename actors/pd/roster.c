/* roster: the workers of a catalog, in the order in which they came. */
#include <string.h>

#include "actors/pd/catalog_parts.h"
#include "runtime/memory.h"

#include "runtime/poison.h"

static void facts_free(PdRegister *facts) {
    if (!facts) return;
    mem_free(facts->grpc_address);
    mem_free(facts->link);
    mem_free(facts->region);
    mem_free(facts->zone);
    mem_free(facts->rack);
    for (size_t i = 0; i < facts->n_collections; i++)
        mem_free(facts->collections[i]);
    mem_free(facts->collections);
    mem_free(facts);
}

static void worker_free(struct catalog_worker *worker) {
    if (!worker) return;
    facts_free(worker->facts);
    mem_free(worker);
}

void roster_free(struct catalog *catalog) {
    for (uint32_t i = 0; i < catalog->n_workers; i++)
        worker_free(catalog->workers[i]);
    mem_free(catalog->workers);
}

struct catalog_worker *catalog_worker(const struct catalog *catalog, uint64_t id) {
    for (uint32_t i = 0; i < catalog->n_workers; i++)
        if (catalog->workers[i]->id == id) return catalog->workers[i];
    return NULL;
}

struct catalog_worker *
catalog_worker_at(const struct catalog *catalog, const char *grpc_address, const char *link) {
    for (uint32_t i = 0; i < catalog->n_workers; i++) {
        const PdRegister *facts = catalog->workers[i]->facts;
        if (strcmp(facts->grpc_address, grpc_address) == 0 && strcmp(facts->link, link) == 0)
            return catalog->workers[i];
    }
    return NULL;
}

static bool names_copy(PdRegister *facts, const PdRegister *from) {
    if (from->n_collections == 0) return true;
    facts->collections = mem_zero(from->n_collections, sizeof *facts->collections);
    if (!facts->collections) return false;
    facts->n_collections = from->n_collections;
    bool whole = true;
    for (size_t i = 0; i < from->n_collections; i++) {
        facts->collections[i] = mem_string(from->collections[i]);
        whole = whole && facts->collections[i];
    }
    return whole;
}

/* NULL: no memory. */
static PdRegister *facts_copy(const PdRegister *from) {
    PdRegister *facts = mem_alloc(sizeof *facts);
    if (!facts) return NULL;
    pd_register__init(facts);
    facts->grpc_address = mem_string(from->grpc_address);
    facts->link = mem_string(from->link);
    facts->region = mem_string(from->region);
    facts->zone = mem_string(from->zone);
    facts->rack = mem_string(from->rack);
    facts->cpu_cores = from->cpu_cores;
    facts->memory_bytes = from->memory_bytes;
    facts->disk_bytes = from->disk_bytes;
    facts->search_only = from->search_only;
    bool whole = names_copy(facts, from) && facts->grpc_address && facts->link && facts->region &&
                 facts->zone && facts->rack;
    if (whole) return facts;
    facts_free(facts);
    return NULL;
}

static enum status add(struct catalog *catalog, struct catalog_worker *worker) {
    struct catalog_worker **workers =
        mem_resize(catalog->workers, (catalog->n_workers + 1) * sizeof(struct catalog_worker *));
    if (!workers) return STATUS_NO_MEMORY;
    worker->nth = catalog->n_workers;
    workers[catalog->n_workers++] = worker;
    catalog->workers = workers;
    if (worker->id >= catalog->next_worker) catalog->next_worker = worker->id + 1;
    return STATUS_OK;
}

enum status roster_put(struct catalog *catalog, const PdWorkerRow *row) {
    if (row->worker == 0 || !row->facts || row->state >= WORKER_STATES) return STATUS_CORRUPT;
    PdRegister *facts = facts_copy(row->facts);
    if (!facts) return STATUS_NO_MEMORY;
    catalog->epoch++;
    struct catalog_worker *worker = catalog_worker(catalog, row->worker);
    if (worker) {
        facts_free(worker->facts);
        worker->facts = facts;
        worker->registered_ms = row->registered_ms;
        if (row->anew) replicas_anew(catalog, worker);
        return STATUS_OK;
    }
    worker = mem_zero(1, sizeof *worker);
    if (!worker) {
        facts_free(facts);
        return STATUS_NO_MEMORY;
    }
    worker->id = row->worker;
    worker->registered_ms = row->registered_ms;
    worker->facts = facts;
    worker->state = (enum catalog_worker_state)row->state;
    worker->state_ms = row->state_ms ? row->state_ms : row->registered_ms;
    enum status s = add(catalog, worker);
    if (s != STATUS_OK) worker_free(worker);
    return s;
}

enum status roster_state(struct catalog *catalog, const PdWorkerState *row) {
    if (row->state >= WORKER_STATES) return STATUS_CORRUPT;
    struct catalog_worker *worker = catalog_worker(catalog, row->worker);
    if (!worker) return STATUS_OK; /* removed between the proposal and its turn */
    worker->state = (enum catalog_worker_state)row->state;
    worker->state_ms = row->wall_ms;
    return STATUS_OK;
}

void roster_remove(struct catalog *catalog, uint64_t id) {
    uint32_t at = 0;
    while (at < catalog->n_workers && catalog->workers[at]->id != id)
        at++;
    if (at == catalog->n_workers || catalog->workers[at]->n_shards > 0) return;
    worker_free(catalog->workers[at]);
    catalog->n_workers--;
    memmove(catalog->workers + at, catalog->workers + at + 1,
            (catalog->n_workers - at) * sizeof(struct catalog_worker *));
    for (uint32_t i = at; i < catalog->n_workers; i++)
        catalog->workers[i]->nth = i;
    catalog->epoch++;
}
