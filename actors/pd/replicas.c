/* replicas: the rows of one shard, and what their workers say of them. Rows are logged; a group's
 * members are what its leader says: the two are brought together step by step (reconcile.h). */
#include <stdio.h>
#include <string.h>

#include "actors/pd/catalog_parts.h"
#include "actors/pd/load.h"
#include "runtime/memory.h"

#include "runtime/poison.h"

enum { ROW_VOTER, ROW_LEARNER, ROW_ROLES };

struct catalog_replica *catalog_replica(const struct catalog_shard *shard, uint64_t store_id) {
    for (uint32_t i = 0; i < shard->n_replicas; i++)
        if (shard->replicas[i].store_id == store_id) return &shard->replicas[i];
    return NULL;
}

struct catalog_replica *catalog_replica_on(const struct catalog_shard *shard,
                                           const struct catalog_worker *worker) {
    for (uint32_t i = 0; i < shard->n_replicas; i++)
        if (shard->replicas[i].worker == worker) return &shard->replicas[i];
    return NULL;
}

/* --- as logged --- */

static enum status replica_put(struct catalog *catalog,
                               struct catalog_shard *shard,
                               struct catalog_worker *worker,
                               const PdReplicaRow *row) {
    size_t n = shard->n_replicas;
    struct catalog_replica *replicas = mem_resize(shard->replicas, (n + 1) * sizeof *replicas);
    if (!replicas) return STATUS_NO_MEMORY;
    shard->replicas = replicas;
    size_t at = n;
    while (at > 0 && replicas[at - 1].store_id > row->store_id)
        at--;
    char *link = row->link[0] ? mem_string(row->link) : NULL;
    if (row->link[0] && !link) return STATUS_NO_MEMORY;
    memmove(replicas + at + 1, replicas + at, (n - at) * sizeof *replicas);
    replicas[at] = (struct catalog_replica){.store_id = row->store_id,
                                            .worker = worker,
                                            .learner = row->role == ROW_LEARNER,
                                            .founder = row->founder,
                                            .leaving = row->leaving,
                                            .started = row->started,
                                            .link = link};
    shard->n_replicas++;
    worker->n_shards++;
    if (row->store_id >= catalog->next_store) catalog->next_store = row->store_id + 1;
    return STATUS_OK;
}

enum status
replicas_take(struct catalog *catalog, struct catalog_shard *shard, const PdShardRow *row) {
    if (row->n_replicas == 0 || row->n_replicas > CATALOG_REPLICAS_MAX) return STATUS_CORRUPT;
    for (size_t i = 0; i < row->n_replicas; i++) {
        const PdReplicaRow *replica = row->replicas[i];
        struct catalog_worker *worker = catalog_worker(catalog, replica->worker);
        if (!worker || replica->role >= ROW_ROLES || catalog_replica_on(shard, worker) ||
            catalog_replica(shard, replica->store_id))
            return STATUS_CORRUPT;
        enum status s = replica_put(catalog, shard, worker, replica);
        if (s != STATUS_OK) return s;
    }
    /* Logs from before there were groups: the one replica is where its group begins. */
    if (shard->n_replicas == 1 && !shard->replicas[0].started) shard->replicas[0].founder = true;
    return STATUS_OK;
}

static void replica_drop(struct catalog *catalog,
                         struct catalog_shard *shard,
                         struct catalog_replica *replica) {
    size_t at = (size_t)(replica - shard->replicas);
    mem_free(replica->link);
    replica->worker->n_shards--;
    shard->n_replicas--;
    memmove(replica, replica + 1, (shard->n_replicas - at) * sizeof *replica);
    shard->epoch++;
    catalog->epoch++;
}

static enum status
replica_add(struct catalog *catalog, struct catalog_shard *shard, const PdReplicaRow *row) {
    struct catalog_worker *worker = catalog_worker(catalog, row->worker);
    if (!worker || catalog_replica_on(shard, worker) || shard->n_replicas == CATALOG_REPLICAS_MAX)
        return STATUS_OK;
    enum status s = replica_put(catalog, shard, worker, row);
    if (s != STATUS_OK) return s;
    shard->epoch++;
    catalog->epoch++;
    return STATUS_OK;
}

enum status replicas_change(struct catalog *catalog, const PdReplicaChange *change) {
    const PdReplicaRow *row = change->replica;
    if (!row || row->store_id < CATALOG_STORE_FIRST || row->role >= ROW_ROLES)
        return STATUS_CORRUPT;
    struct catalog_shard *shard = catalog_shard(catalog, change->shard);
    if (!shard) return STATUS_OK; /* deleted between the proposal and its turn */
    struct catalog_replica *replica = catalog_replica(shard, row->store_id);
    if (change->dropped) {
        if (replica) replica_drop(catalog, shard, replica);
        return STATUS_OK;
    }
    if (!replica) return replica_add(catalog, shard, row);
    replica->learner = row->role == ROW_LEARNER;
    replica->leaving = row->leaving;
    replica->started = row->started;
    catalog->epoch++; /* its keeper is to know */
    return STATUS_OK;
}

void replicas_born(struct catalog_shard *shard) {
    for (uint32_t i = 0; i < shard->n_replicas; i++) {
        mem_free(shard->replicas[i].link);
        shard->replicas[i].link = NULL;
    }
}

void replicas_free(struct catalog_shard *shard) {
    replicas_born(shard);
    mem_free(shard->replicas);
}

/* --- as heard --- */

bool catalog_heard(const struct catalog_worker *worker, uint64_t now_us) {
    return worker->heard_us != 0 && now_us - worker->heard_us <= CATALOG_PATIENCE_US;
}

static bool told_last(const struct catalog_replica *replica, uint64_t now_us) {
    return replica->beat != 0 && replica->beat == replica->worker->beats &&
           catalog_heard(replica->worker, now_us);
}

bool catalog_serves(const struct catalog_replica *replica, uint64_t now_us) {
    bool said = !strcmp(replica->state, "serving") || !strcmp(replica->state, "disk_full");
    return said && told_last(replica, now_us);
}

struct catalog_replica *catalog_leader(const struct catalog_shard *shard, uint64_t now_us) {
    struct catalog_replica *leader = catalog_replica(shard, shard->leader);
    return leader && catalog_serves(leader, now_us) ? leader : NULL;
}

static void
hear_members(struct catalog_shard *shard, struct catalog_replica *leader, const PdBeatShard *said) {
    shard->n_voters = 0;
    shard->stranger = 0;
    for (uint32_t i = 0; i < shard->n_replicas; i++)
        shard->replicas[i].member = MEMBER_NONE;
    for (size_t i = 0; i < said->n_members; i++) {
        const PdBeatMember *member = said->members[i];
        struct catalog_replica *replica = catalog_replica(shard, member->id);
        if (member->voter) shard->n_voters++;
        if (replica) {
            replica->member = member->voter ? MEMBER_VOTER : MEMBER_LEARNER;
        } else {
            shard->stranger = member->id;
            shard->stranger_votes = member->voter;
        }
    }
    if (said->n_members > 0) return;
    leader->member = MEMBER_VOTER; /* alone */
    shard->n_voters = 1;
}

struct catalog_shard *catalog_hear(struct catalog *catalog,
                                   const struct catalog_worker *worker,
                                   const PdBeatShard *said,
                                   uint64_t now_us) {
    struct catalog_shard *shard = catalog_shard(catalog, said->shard);
    struct catalog_replica *replica = shard ? catalog_replica_on(shard, worker) : NULL;
    if (!replica || (said->store_id != 0 && said->store_id != replica->store_id)) return NULL;
    replica->beat = worker->beats;
    snprintf(replica->state, sizeof replica->state, "%s", said->state);
    replica->applied = said->applied;
    replica->points = said->points;
    replica->lag = said->lag;
    load_hear(replica, said, now_us);
    replica->founded = replica->founded || said->term > 0;
    if (strcmp(said->state, "quarantined") != 0)
        replica->lost_us = 0;
    else if (replica->lost_us == 0)
        replica->lost_us = now_us;
    /* Alone, it is no group; one that is to join a group knows nobody either, and leads nobody. */
    bool knows = said->n_members > 0 || (said->term == 0 && shard->n_replicas == 1);
    if (said->is_leader && knows && said->term >= shard->term) {
        if (shard->leader != replica->store_id) shard->retry_us = 0; /* it may take the next step */
        shard->term = said->term;
        shard->leader = replica->store_id;
        hear_members(shard, replica, said);
    } else if (!said->is_leader && shard->leader == replica->store_id) {
        shard->leader = 0;
    }
    return shard;
}

/* --- founders --------------------------------------------------------------------------------- */

/* The founder of an unborn shard on this worker that nobody knows to have been there; NULL: none.
 */
static struct catalog_replica *founding_on(const struct catalog_shard *shard,
                                           const struct catalog_worker *worker) {
    struct catalog_replica *replica = catalog_replica_on(shard, worker);
    return replica && replica->founder && !replica->started ? replica : NULL;
}

bool replicas_found_on(const struct catalog *catalog, const struct catalog_worker *worker) {
    for (uint32_t c = 0; c < catalog->n_collections; c++) {
        const struct catalog_collection *collection = catalog->collections[c];
        for (uint32_t i = 0; !collection->born && i < collection->n_shards; i++)
            if (founding_on(&collection->shards[i], worker)) return true;
    }
    return false;
}

void replicas_anew(struct catalog *catalog, const struct catalog_worker *worker) {
    for (uint32_t c = 0; c < catalog->n_collections; c++) {
        struct catalog_collection *collection = catalog->collections[c];
        for (uint32_t i = 0; !collection->born && i < collection->n_shards; i++) {
            struct catalog_replica *replica = founding_on(&collection->shards[i], worker);
            if (replica) replica->started = true;
        }
    }
}
