#include "tests/unit/actors/world.h"

#include <stdio.h>
#include <string.h>

#include "runtime/assert.h"
#include "runtime/sim/world.h"

enum { RESTARTS_MAX = 1000 };

static void disks_open(struct place *place) {
    enum status s = kv_memory_open(&(struct kv_options){.path = "log", .wal = true},
                                   &(struct kv_faults){.seed = 1}, &place->log_disk);
    assert(s == STATUS_OK);
    s = kv_memory_open(&(struct kv_options){.path = "points"}, &(struct kv_faults){.seed = 1},
                       &place->points_disk);
    assert(s == STATUS_OK);
}

static void stores_open(struct place *place) {
    struct kv *kv = kv_memory_share(place->log_disk);
    enum status s = log_store_open(&kv, &place->log);
    assert(s == STATUS_OK);
    kv = kv_memory_share(place->points_disk);
    s = point_store_open(&kv, &place->points);
    assert(s == STATUS_OK);
    s = shelf_open(&place->shelf);
    assert(s == STATUS_OK);
    shelf_searchers(place->shelf, WORLD_SEARCHERS);
}

static void stores_close(struct place *place) {
    shelf_close(place->shelf);
    point_store_close(place->points);
    log_store_close(place->log);
}

static void spawn(struct world *world,
                  uint32_t node,
                  const char *name,
                  const struct actor_type *type,
                  const void *options) {
    actor_handle actor = sim_spawn_as(world->sim, node,
                                      &(struct spawn){.type = type,
                                                      .name = name,
                                                      .options = options,
                                                      .restart = RESTART_PERMANENT,
                                                      .intensity = RESTARTS_MAX,
                                                      .period_s = 3600});
    assert(actor != 0);
}

static void log_start(struct world *world, struct place *place) {
    place->log_options = (struct log_options){.store = place->log};
    spawn(world, place->node, "log", &log_type, &place->log_options);
}

static const char *index_dir(const struct world *world, struct place *place) {
    if (!world->index_dir || !world->own_dirs) return world->index_dir;
    int n =
        snprintf(place->index_dir, sizeof place->index_dir, "%s/%u", world->index_dir, place->node);
    assert(n > 0 && (size_t)n < sizeof place->index_dir);
    return place->index_dir;
}

static void worker_actors_start(struct world *world, struct place *place) {
    place->raft_options.link = world->together ? "" : place->link;
    spawn(world, place->node, "raft", &raft_type, &place->raft_options);
    for (uint32_t i = 0; i < WORLD_SEARCHERS; i++) {
        char name[32];
        place->searcher_options[i] =
            (struct searcher_options){.n = i, .shelf = place->shelf, .points = place->points};
        snprintf(name, sizeof name, "searcher/%u", i);
        spawn(world, place->node, name, &searcher_type, &place->searcher_options[i]);
        place->linker_options =
            (struct linker_options){.shelf = place->shelf, .index_dir = index_dir(world, place)};
        snprintf(name, sizeof name, "linker/%u", i);
        spawn(world, place->node, name, &linker_type, &place->linker_options);
    }
    spawn(world, place->node, "searcher/io-1", &searcher_near_type, &place->searcher_options[0]);
    place->keeper_options = (struct keeper_options){.log = place->log,
                                                    .points = place->points,
                                                    .shelf = place->shelf,
                                                    .index_dir = index_dir(world, place),
                                                    .pd = world->together ? "" : world->pd_links,
                                                    .link = world->together ? "" : place->link,
                                                    .grpc_address = "",
                                                    .region = "",
                                                    .zone = "",
                                                    .rack = "",
                                                    .search_only = place->search_only,
                                                    .tail_max = world->tail_max,
                                                    .flush_ms = world->flush_ms,
                                                    .save_changes = world->save_changes};
    spawn(world, place->node, "keeper", &keeper_type, &place->keeper_options);
}

static const char *const names[] = {"keeper",   "searcher/0", "searcher/1", "searcher/io-1",
                                    "linker/0", "linker/1",   "raft",       "pd",
                                    "router",   "log"};
enum { NAMES = sizeof names / sizeof *names, WORKER_NAMES = 7 };

static bool is_there(const struct world *world, uint32_t node, const char *name) {
    return registry_find(&world->sim->nodes[node - 1].core.registry, name) != 0;
}

static void worker_actors_stop(struct world *world, struct place *place) {
    for (size_t i = 0; i < WORKER_NAMES; i++)
        if (is_there(world, place->node, names[i])) sim_stop_on(world->sim, place->node, names[i]);
}

/* A process ends. Its machine tells the others, or is gone with it: then they hear of it by its
 * silence only. */
static void process_kill(struct world *world, uint32_t node, bool told) {
    sim_off(world->sim, node);
    for (uint32_t other = 1; told && other <= world->sim->n_nodes; other++)
        if (other != node) sim_snap(world->sim, node, other);
    for (size_t i = 0; i < NAMES; i++)
        if (is_there(world, node, names[i])) sim_stop_on(world->sim, node, names[i]);
    bool over;
    do {
        sim_run(world->sim, 1000);
        over = sim_working(world->sim, node) == 0;
        for (size_t i = 0; i < NAMES; i++)
            over = over && !is_there(world, node, names[i]);
    } while (!over);
}

static void place_kill(struct world *world, struct place *place, bool told) {
    assert(place->up);
    process_kill(world, place->node, told);
    stores_close(place);
    place->up = false;
}

void world_worker_start(struct world *world, uint32_t n) {
    struct place *place = &world->workers[n];
    assert(!place->up);
    sim_on(world->sim, place->node);
    stores_open(place);
    log_start(world, place);
    worker_actors_start(world, place);
    place->up = true;
}

void world_worker_stop(struct world *world, uint32_t n) {
    struct place *place = &world->workers[n];
    assert(place->up);
    worker_actors_stop(world, place);
    sim_stop_on(world->sim, place->node, "log");
    do { /* stores outlive the work that is under way on them */
        sim_run(world->sim, 1000);
    } while (sim_working(world->sim, place->node) > 0);
    stores_close(place);
    place->up = false;
}

static void worker_end(struct world *world, struct place *place, bool told) {
    kv_memory_cut(place->log_disk);
    kv_memory_cut(place->points_disk);
    place_kill(world, place, told);
}

void world_worker_crash(struct world *world, uint32_t n) {
    worker_end(world, &world->workers[n], false);
}

/* What was written to the log is with the operating system; memtables are lost. */
void world_worker_kill(struct world *world, uint32_t n) {
    struct place *place = &world->workers[n];
    enum status s = kv_flush(place->log_disk);
    assert(s == STATUS_OK);
    worker_end(world, place, true);
}

void world_worker_wipe(struct world *world, uint32_t n) {
    struct place *place = &world->workers[n];
    assert(!place->up);
    kv_close(place->log_disk);
    kv_close(place->points_disk);
    disks_open(place);
}

void world_pd_crash(struct world *world, uint32_t n) {
    assert(world->n_gateways > 0);
    kv_memory_cut(world->pds[n].log_disk);
    place_kill(world, &world->pds[n], false);
}

void world_pd_wipe(struct world *world, uint32_t n) {
    struct place *place = &world->pds[n];
    assert(!place->up);
    kv_close(place->log_disk);
    kv_close(place->points_disk);
    disks_open(place);
}

void world_gateway_kill(struct world *world, uint32_t n) {
    struct gateway *gateway = &world->gateways[n];
    assert(gateway->up);
    process_kill(world, gateway->node, true);
    gateway->up = false;
}

void world_gateway_start(struct world *world, uint32_t n) {
    struct gateway *gateway = &world->gateways[n];
    assert(!gateway->up);
    sim_on(world->sim, gateway->node);
    spawn(world, gateway->node, "router", &router_type, &gateway->options);
    gateway->up = true;
}

uint32_t world_others(const struct world *world) {
    return world->n_workers + world->n_gateways + world->n_pds + 1;
}

void world_pd_start(struct world *world, uint32_t n) {
    struct place *place = &world->pds[n];
    if (world->n_gateways > 0) sim_on(world->sim, place->node);
    stores_open(place);
    log_start(world, place);
    place->pd_options = world->pd_options;
    place->pd_options.log = place->log;
    place->pd_options.member = place->member;
    place->pd_options.founders = world->pd_founders;
    place->pd_options.link = world->together ? "" : place->link;
    if (!world->together) { /* else the worker's is there */
        place->raft_options.link = place->link;
        spawn(world, place->node, "raft", &raft_type, &place->raft_options);
    }
    spawn(world, place->node, "pd", &pd_type, &place->pd_options);
    place->up = true;
}

void world_pd_stop(struct world *world, uint32_t n) {
    struct place *place = &world->pds[n];
    assert(place->up);
    sim_stop_on(world->sim, place->node, "pd");
    if (world->together)
        worker_actors_stop(world, place);
    else
        sim_stop_on(world->sim, place->node, "raft");
    sim_stop_on(world->sim, place->node, "log");
    do { /* stores outlive the work that is under way on them */
        sim_run(world->sim, 1000);
    } while (sim_working(world->sim, place->node) > 0);
    stores_close(place);
    place->up = false;
}

int world_pd_leader(struct world *world) {
    for (uint32_t i = 0; i < world->n_pds; i++) {
        const ProtobufCMessage *reply;
        if (!world->pds[i].up) continue;
        enum status s = sim_call_on(world->sim, world->pds[i].node, "pd",
                                    MESSAGE(PdAskLeader, pd_ask_leader), SECOND, &reply);
        if (s != STATUS_OK) continue;
        const PdLeader *leader = (const PdLeader *)reply;
        if (leader->leader == leader->member) return (int)i;
    }
    return -1;
}

static void pds_open(struct world *world, const struct world_options *options) {
    char *links = world->pd_links, *founders = world->pd_founders;
    world->n_pds = options->pds ? options->pds : 1;
    for (uint32_t i = 0; i < world->n_pds; i++) {
        struct place *place = &world->pds[i];
        place->node = i == 0 ? 1 : world->n_workers + options->gateways + 1 + i;
        snprintf(place->link, sizeof place->link, "sim://%u", place->node);
        links += sprintf(links, "%s%s", i ? "," : "", place->link);
        if (world->n_pds > 1)
            founders += sprintf(founders, "%s%u:%s", i ? "," : "", i + 1, place->link);
        place->member = i + 1;
        disks_open(place);
    }
    for (uint32_t i = 0; i < world->n_pds; i++)
        world_pd_start(world, i);
}

void world_open(struct world *world, const struct world_options *options) {
    memset(world, 0, sizeof *world);
    world->together = options->workers == 0;
    world->n_workers = options->workers + options->searchers + options->later;
    assert(world->n_workers <= WORLD_WORKERS_MAX);
    world->tail_max = options->tail_max;
    world->flush_ms = options->flush_ms;
    world->index_dir = options->index_dir;
    world->own_dirs = options->own_dirs;
    world->save_changes = options->save_changes;
    world->sim = sim_open(
        &(struct sim_options){.seed = options->seed ? options->seed : 1,
                              .nodes = world->n_workers + options->gateways + options->others +
                                       (options->pds ? options->pds : 1),
                              .delay_us_min = 20,
                              .delay_us_max = options->delay_us_max ? options->delay_us_max : 200,
                              .block_us = options->block_us,
                              .drop_ppm = options->drop_ppm,
                              .full_ppm = options->full_ppm,
                              .lanes = options->lanes,
                              .reorder = options->reorder,
                              .quiet = options->quiet,
                              .trace_time = options->trace_time,
                              .actions = options->actions,
                              .bodies = SYS_BODIES_WHOLE,
                              .shuffle = true});
    world->pd_options.default_shards = options->shards ? options->shards : 1;
    world->pd_options.factor = world->pd_options.factor_max = options->factor;
    world->pd_options.grace_ms = options->grace_ms;
    world->n_gateways = options->gateways;
    pds_open(world, options);
    if (world->together) worker_actors_start(world, &world->pds[0]);
    for (uint32_t i = 0; i < world->n_workers; i++) {
        struct place *worker = &world->workers[i];
        uint32_t first_later = options->workers + options->searchers;
        worker->node = i + 2;
        worker->search_only = i >= options->workers && i < first_later;
        snprintf(worker->link, sizeof worker->link, "sim://%u", i + 2);
        disks_open(worker);
        if (i < first_later) world_worker_start(world, i);
    }
    world->router_options.pd = "";
    if (options->gateways == 0) spawn(world, 1, "router", &router_type, &world->router_options);
    for (uint32_t i = 0; i < options->gateways; i++) {
        struct gateway *gateway = &world->gateways[i];
        gateway->node = world->n_workers + i + 2;
        gateway->options.pd = world->pd_links;
        snprintf(gateway->link, sizeof gateway->link, "sim://%u", gateway->node);
        world_gateway_start(world, i);
    }
}

void world_close(struct world *world) {
    if (world->n_gateways == 0) sim_stop(world->sim, "router");
    for (uint32_t i = 0; i < world->n_gateways; i++)
        if (world->gateways[i].up) world_gateway_kill(world, i);
    for (uint32_t i = 0; i < world->n_workers; i++)
        if (world->workers[i].up) world_worker_stop(world, i);
    for (uint32_t i = 0; i < world->n_pds; i++)
        if (world->pds[i].up) world_pd_stop(world, i);
    sim_close(&world->sim);
    for (uint32_t i = 0; i < world->n_workers; i++) {
        kv_close(world->workers[i].log_disk);
        kv_close(world->workers[i].points_disk);
    }
    for (uint32_t i = 0; i < world->n_pds; i++) {
        kv_close(world->pds[i].log_disk);
        kv_close(world->pds[i].points_disk);
    }
}

/* --- a client
 * ------------------------------------------------------------------------------------------- */

static enum status
call(struct world *world, const ProtobufCMessage *message, const ProtobufCMessage **reply) {
    return sim_call(world->sim, "router", message, 60 * SECOND, reply);
}

const char *world_words(const struct world *world) {
    return sim_words(world->sim);
}

enum status
world_create(struct world *world, const char *name, uint32_t dimension, uint32_t shards) {
    const ProtobufCMessage *reply;
    return call(world,
                MESSAGE(RouterCreateCollection, router_create_collection, .name = (char *)name,
                        .dimension = dimension, .distance = "euclidean", .shards = shards),
                &reply);
}

enum status world_put(struct world *world,
                      const char *collection,
                      const char *id,
                      float x,
                      float y,
                      const char *payload) {
    const ProtobufCMessage *reply;
    float vector[] = {x, y};
    RouterPoint point = ROUTER_POINT__INIT;
    point.id = (char *)id;
    point.n_vector = 2;
    point.vector = vector;
    point.payload.len = strlen(payload);
    point.payload.data = (uint8_t *)payload;
    RouterPoint *points[] = {&point};
    return call(world,
                MESSAGE(RouterUpsert, router_upsert, .collection = (char *)collection,
                        .n_points = 1, .points = points),
                &reply);
}

void world_put_line(struct world *world, const char *collection, int n) {
    enum { PAGE = 1000 };
    static RouterPoint points[PAGE], *rows[PAGE];
    static float vectors[PAGE][2];
    static char ids[PAGE][16];
    for (int start = 0; start < n; start += PAGE) {
        for (int i = 0; i < PAGE; i++) {
            router_point__init(&points[i]);
            snprintf(ids[i], sizeof ids[i], "p%d", start + i);
            vectors[i][0] = (float)(start + i);
            points[i].id = ids[i];
            points[i].n_vector = 2;
            points[i].vector = vectors[i];
            rows[i] = &points[i];
        }
        const ProtobufCMessage *reply;
        enum status s =
            sim_call(world->sim, "router",
                     MESSAGE(RouterUpsert, router_upsert, .collection = (char *)collection,
                             .n_points = PAGE, .points = rows),
                     60 * SECOND, &reply);
        assert(s == STATUS_OK);
        sim_trace_clear(world->sim);
    }
}

enum status world_delete(struct world *world, const char *collection, const char *id) {
    const ProtobufCMessage *reply;
    return call(
        world,
        MESSAGE(RouterDelete, router_delete, .collection = (char *)collection, .id = (char *)id),
        &reply);
}

enum status
world_get(struct world *world, const char *collection, const char *id, float *x, float *y) {
    const ProtobufCMessage *reply;
    enum status s = call(
        world, MESSAGE(RouterGet, router_get, .collection = (char *)collection, .id = (char *)id),
        &reply);
    if (s != STATUS_OK) return s;
    const RouterPoint *point = (const RouterPoint *)reply;
    assert(point->base.descriptor == &router_point__descriptor);
    assert(point->n_vector == 2);
    memcpy(x, (const char *)(const void *)point->vector, sizeof *x);
    memcpy(y, (const char *)(const void *)point->vector + sizeof *x, sizeof *y);
    return STATUS_OK;
}

const RouterHits *
world_search(struct world *world, const char *collection, float x, float y, uint32_t k) {
    const ProtobufCMessage *reply;
    float vector[] = {x, y};
    enum status s = call(world,
                         MESSAGE(RouterSearch, router_search, .collection = (char *)collection,
                                 .n_vector = 2, .vector = vector, .top_k = k,
                                 .include_payload = true, .include_vectors = true),
                         &reply);
    if (s != STATUS_OK) return NULL;
    assert(reply->descriptor == &router_hits__descriptor);
    return (const RouterHits *)reply;
}
