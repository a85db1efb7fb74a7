/* role: stores and actors of a process. Options of actors live in struct role_storage or in a
 * role's own memory until the storage is closed: actors may be restarted with them. */
#include "actors/role.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "actors/keeper/keeper.h"
#include "actors/linker/linker.h"
#include "actors/log/log.h"
#include "actors/pd/catalog.h"
#include "actors/pd/pd.h"
#include "actors/raft/raft.h"
#include "actors/router/router.h"
#include "actors/searcher/searcher.h"
#include "actors/shelf.h"
#include "runtime/assert.h"
#include "runtime/machine.h"
#include "runtime/memory.h"
#include "runtime/watermark.h"
#include "storage/log_store.h"
#include "storage/point_store.h"

#include "runtime/poison.h"

enum {
    WORDS_SIZE = 512,
    PATH_SIZE = 4096,
    ACTOR_RESTARTS_MAX = 10, /* in RESTARTS_PERIOD_S, before the process gives up */
    RESTARTS_PERIOD_S = 60,
    LOG_WRITE_BYTES = 8 * 1024 * 1024,
    LOG_CACHE_BYTES = 4 * 1024 * 1024,
    BLOB_MIN_BYTES = 1024,
};

static_assert((int)ROLE_SHARDS_MAX == (int)CATALOG_SHARDS_MAX, "one limit");

static _Thread_local char words[WORDS_SIZE];

const char *role_error(void) {
    return words;
}

__attribute__((format(printf, 2, 3))) static enum status
fail(enum status status, const char *format, ...) {
    va_list list;
    va_start(list, format);
    vsnprintf(words, sizeof words, format, list);
    va_end(list);
    return status;
}

/* --- storage
 * -------------------------------------------------------------------------------------------- */

/* A string that lives as long as the storage. */
struct kept {
    struct kept *next;
    char text[];
};

struct role_storage {
    char data_dir[PATH_SIZE];
    char index_dir[PATH_SIZE + 16];
    struct log_store *log;      /* owned */
    struct point_store *points; /* owned; NULL with log_only */
    struct shelf *shelf;        /* owned */
    struct kept *kept;          /* owned */
    struct log_options log_options;
    struct raft_options raft_options;
    struct pd_options pd_options;
    struct keeper_options keeper_options;
    struct linker_options linker_options;
    struct searcher_options searcher_options[SHELF_SEARCHERS_MAX];
    struct searcher_options near_options;
    bool log_started;
    bool raft_started;
};

static const char *keep(struct role_storage *storage, const char *text) {
    size_t size = text ? strlen(text) + 1 : 1;
    struct kept *kept = mem_alloc(sizeof *kept + size);
    if (!kept) return NULL;
    memcpy(kept->text, text ? text : "", size);
    kept->next = storage->kept;
    storage->kept = kept;
    return kept->text;
}

static enum status make_folder(const char *path) {
    char part[PATH_SIZE];
    size_t size = strlen(path);
    if (size == 0 || size >= sizeof part - 32)
        return fail(STATUS_INVALID, "data folder: %zu bytes are no path", size);
    for (size_t i = 1; i <= size; i++) {
        if (path[i] != '/' && path[i] != '\0') continue;
        memcpy(part, path, i);
        part[i] = '\0';
        if (mkdir(part, 0700) != 0 && errno != EEXIST)
            return fail(STATUS_IO, "data folder %s: %s", part, strerror(errno));
    }
    return STATUS_OK;
}

static enum status open_log(struct role_storage *storage) {
    char path[PATH_SIZE + 16];
    snprintf(path, sizeof path, "%s/log", storage->data_dir);
    struct kv *kv;
    enum status s = kv_rocksdb_open(&(struct kv_options){.path = path,
                                                         .wal = true,
                                                         .cache_bytes = LOG_CACHE_BYTES,
                                                         .write_buffer_bytes = LOG_WRITE_BYTES},
                                    &kv);
    if (s == STATUS_OK) s = log_store_open(&kv, &storage->log);
    return s == STATUS_OK ? s : fail(s, "%s", kv_error());
}

static enum status open_points(struct role_storage *storage,
                               const struct role_storage_options *options) {
    char path[PATH_SIZE + 16];
    snprintf(path, sizeof path, "%s/points", storage->data_dir);
    struct kv *kv;
    enum status s =
        kv_rocksdb_open(&(struct kv_options){.path = path,
                                             .blob_min_bytes = BLOB_MIN_BYTES,
                                             .cache_bytes = options->cache_bytes,
                                             .write_buffer_bytes = options->write_bytes},
                        &kv);
    if (s == STATUS_OK) s = point_store_open(&kv, &storage->points);
    if (s != STATUS_OK) return fail(s, "%s", kv_error());
    return make_folder(storage->index_dir);
}

enum status role_storage_open(const struct role_storage_options *options,
                              struct role_storage **out) {
    enum status s = make_folder(options->data_dir ? options->data_dir : "");
    if (s != STATUS_OK) return s;
    struct role_storage *storage = mem_zero(1, sizeof *storage);
    if (!storage) return fail(STATUS_NO_MEMORY, "no memory for the stores");
    snprintf(storage->data_dir, sizeof storage->data_dir, "%s", options->data_dir);
    snprintf(storage->index_dir, sizeof storage->index_dir, "%s/index", storage->data_dir);
    s = open_log(storage);
    if (s == STATUS_OK && !options->log_only) s = open_points(storage, options);
    if (s == STATUS_OK && shelf_open(&storage->shelf) != STATUS_OK)
        s = fail(STATUS_NO_MEMORY, "no memory for the stores");
    if (s == STATUS_OK) shelf_set_snapshot_rate(storage->shelf, options->snapshot_bytes);
    if (s != STATUS_OK) {
        role_storage_close(storage);
        return s;
    }
    *out = storage;
    return STATUS_OK;
}

bool role_storage_ready(const struct role_storage *storage) {
    return shelf_filled(storage->shelf);
}

void role_storage_close(struct role_storage *storage) {
    if (!storage) return;
    shelf_close(storage->shelf);
    point_store_close(storage->points); /* makes everything durable that was written */
    log_store_close(storage->log);
    while (storage->kept) {
        struct kept *kept = storage->kept;
        storage->kept = kept->next;
        mem_free(kept);
    }
    mem_free(storage);
}

/* --- actors
 * --------------------------------------------------------------------------------------------- */

struct start {
    const struct actor_type *type;
    const char *name;
    const void *options;
    int lane; /* 0 = any of its kind */
};

static enum status start(struct node *node, const struct start *what) {
    actor_handle actor;
    enum status s = node_spawn(node,
                               &(struct spawn){.type = what->type,
                                               .name = what->name,
                                               .options = what->options,
                                               .restart = RESTART_PERMANENT,
                                               .intensity = ACTOR_RESTARTS_MAX,
                                               .period_s = RESTARTS_PERIOD_S,
                                               .lane = what->lane},
                               &actor);
    if (s == STATUS_OK) return s;
    return fail(s, "%s did not start: %s", what->name,
                node_error()[0] ? node_error() : status_text(s));
}

static uint64_t log_cache_bytes(void *context) {
    return log_store_stats(context).cache_bytes;
}

static uint64_t log_memtable_bytes(void *context) {
    return log_store_stats(context).memtable_bytes;
}

static enum status start_log(struct node *node, struct role_storage *storage) {
    if (storage->log_started) return STATUS_OK;
    storage->log_options = (struct log_options){.store = storage->log};
    enum status s = start(
        node, &(struct start){.type = &log_type, .name = "log", .options = &storage->log_options});
    storage->log_started = s == STATUS_OK;
    if (s != STATUS_OK) return s;
    node_gauge(node, &(struct gauge){"log cache", log_cache_bytes, storage->log});
    node_gauge(node, &(struct gauge){"log memtables", log_memtable_bytes, storage->log});
    return s;
}

static enum status start_raft(struct node *node, struct role_storage *storage, const char *link) {
    if (storage->raft_started) return STATUS_OK;
    storage->raft_options.link = keep(storage, link);
    if (!storage->raft_options.link) return fail(STATUS_NO_MEMORY, "no memory for raft");
    enum status s = start(
        node,
        &(struct start){.type = &raft_type, .name = "raft", .options = &storage->raft_options});
    storage->raft_started = s == STATUS_OK;
    return s;
}

static enum status judge_founders(const char *founders, uint64_t member) {
    struct buffer members;
    const char *why = "";
    bool among;
    buffer_init(&members);
    enum status s = pd_founders(founders, member, &members, &among, &why);
    buffer_free(&members);
    return s == STATUS_OK ? s
                          : fail(s, "members of the placement driver \"%s\": %s", founders, why);
}

enum status role_pd_start(struct node *node, const struct role_pd_options *options) {
    struct role_storage *storage = options->storage;
    uint32_t shards = options->default_shards ? options->default_shards : ROLE_SHARDS_CLUSTER;
    if (shards > ROLE_SHARDS_MAX)
        return fail(STATUS_INVALID, "default shards %u is above %d", (unsigned)shards,
                    ROLE_SHARDS_MAX);
    enum status s = judge_founders(options->founders ? options->founders : "", options->member);
    if (s == STATUS_OK) s = start_log(node, storage);
    if (s == STATUS_OK) s = start_raft(node, storage, options->link);
    if (s != STATUS_OK) return s;
    uint32_t replicas = options->default_replicas ? options->default_replicas : ROLE_REPLICAS;
    storage->pd_options =
        (struct pd_options){.member = options->member,
                            .founders = keep(storage, options->founders),
                            .log = storage->log,
                            .default_shards = shards,
                            .factor = replicas < ROLE_REPLICAS_MAX ? replicas : ROLE_REPLICAS_MAX,
                            .factor_max = ROLE_REPLICAS_MAX,
                            .grace_ms = options->grace_ms,
                            .still = options->still,
                            .link = keep(storage, options->link),
                            .grpc_address = keep(storage, options->grpc_address)};
    if (!storage->pd_options.founders || !storage->pd_options.link ||
        !storage->pd_options.grpc_address)
        return fail(STATUS_NO_MEMORY, "no memory for the placement driver");
    return start(node,
                 &(struct start){.type = &pd_type, .name = "pd", .options = &storage->pd_options});
}

/* --- worker
 * --------------------------------------------------------------------------------------------- */

static uint64_t disk(const char *path) {
    struct statvfs fs;
    return statvfs(path, &fs) == 0 ? (uint64_t)fs.f_blocks * fs.f_frsize : 0;
}

static enum status start_searchers(struct node *node, struct role_storage *storage, uint32_t n) {
    storage->linker_options =
        (struct linker_options){.shelf = storage->shelf, .index_dir = storage->index_dir};
    shelf_searchers(storage->shelf, n);
    enum status s = STATUS_OK;
    for (uint32_t i = 0; s == STATUS_OK && i < n; i++) {
        char name[64];
        storage->searcher_options[i] =
            (struct searcher_options){.n = i, .shelf = storage->shelf, .points = storage->points};
        snprintf(name, sizeof name, "searcher/%u", (unsigned)i);
        s = start(node, &(struct start){.type = &searcher_type,
                                        .name = name,
                                        .options = &storage->searcher_options[i],
                                        .lane = (int)i + 1});
        if (s != STATUS_OK) break;
        snprintf(name, sizeof name, "linker/%u", (unsigned)i);
        s = start(node, &(struct start){.type = &linker_type,
                                        .name = name,
                                        .options = &storage->linker_options,
                                        .lane = (int)i + 1});
    }
    return s;
}

static enum status start_near_searchers(struct node *node, struct role_storage *storage) {
    storage->near_options =
        (struct searcher_options){.shelf = storage->shelf, .points = storage->points};
    enum status s = STATUS_OK;
    for (uint32_t i = 1; s == STATUS_OK && i <= node_io_lanes(node); i++) {
        char name[64];
        snprintf(name, sizeof name, "searcher/io-%u", (unsigned)i);
        s = start(node, &(struct start){.type = &searcher_near_type,
                                        .name = name,
                                        .options = &storage->near_options,
                                        .lane = (int)i});
    }
    return s;
}

static enum status start_keeper(struct node *node, const struct role_worker_options *options) {
    struct role_storage *storage = options->storage;
    struct keeper_options *keeper = &storage->keeper_options;
    *keeper = (struct keeper_options){
        .log = storage->log,
        .points = storage->points,
        .shelf = storage->shelf,
        .index_dir = storage->index_dir,
        .memory = watermark_now,
        .pd = keep(storage, options->pd),
        .link = keep(storage, options->link),
        .grpc_address = keep(storage, options->grpc_address),
        .region = keep(storage, options->region),
        .zone = keep(storage, options->zone),
        .rack = keep(storage, options->rack),
        .cpu_cores = options->cpu_cores ? options->cpu_cores : machine_cores(),
        .memory_bytes = options->memory_bytes ? options->memory_bytes : machine_memory(),
        .disk_bytes = options->disk_bytes ? options->disk_bytes : disk(storage->data_dir),
        .search_only = options->search_only,
        .collections = keep(storage, options->collections)};
    if (!keeper->collections || !keeper->pd || !keeper->link || !keeper->grpc_address ||
        !keeper->region || !keeper->zone || !keeper->rack)
        return fail(STATUS_NO_MEMORY, "no memory for the keeper");
    return start(node, &(struct start){.type = &keeper_type, .name = "keeper", .options = keeper});
}

/* --- what sys shows of the stores --- */

static uint64_t point_cache_bytes(void *context) {
    return point_store_stats(context).cache_bytes;
}

static uint64_t point_memtable_bytes(void *context) {
    return point_store_stats(context).memtable_bytes;
}

static uint64_t index_bytes(void *context) {
    return shelf_bytes(context);
}

static void show_memory(struct node *node, struct role_storage *storage) {
    node_gauge(node, &(struct gauge){"point cache", point_cache_bytes, storage->points});
    node_gauge(node, &(struct gauge){"point memtables", point_memtable_bytes, storage->points});
    node_gauge(node, &(struct gauge){"indexes", index_bytes, storage->shelf});
}

enum status role_worker_start(struct node *node, const struct role_worker_options *options) {
    struct role_storage *storage = options->storage;
    uint32_t n = options->searchers ? options->searchers : machine_cores();
    if (!storage->points)
        return fail(STATUS_INVALID, "a worker needs a store of points (log_only is set)");
    if (n > SHELF_SEARCHERS_MAX)
        return fail(STATUS_INVALID, "%u searchers are above the limit of %d", (unsigned)n,
                    SHELF_SEARCHERS_MAX);
    enum status s = start_log(node, storage);
    show_memory(node, storage);
    if (s == STATUS_OK) s = start_raft(node, storage, options->link);
    if (s == STATUS_OK) s = start_searchers(node, storage, n);
    if (s == STATUS_OK) s = start_near_searchers(node, storage);
    return s == STATUS_OK ? start_keeper(node, options) : s;
}

/* --- gateway
 * -------------------------------------------------------------------------------------------- */

/* The gateway has no storage: its options stay for the life of the process. */
static struct router_options gateway_options;
static char gateway_pd[WORDS_SIZE];
static char *gateway_levels;

enum status role_gateway_start(struct node *node, const struct role_gateway_options *options) {
    int n = snprintf(gateway_pd, sizeof gateway_pd, "%s", options->pd ? options->pd : "");
    if (n >= (int)sizeof gateway_pd)
        return fail(STATUS_INVALID, "the addresses of the placement driver are above %zu bytes",
                    sizeof gateway_pd - 1);
    const char *wrong = "", *levels = options->levels ? options->levels : "";
    if (router_levels_check(levels, &wrong) != STATUS_OK)
        return fail(STATUS_INVALID,
                    "SEARCH_CONSISTENCY_OVERRIDES: \"%s\" is not a list of collection=level "
                    "(linearizable, session, bounded, eventual)",
                    wrong);
    mem_free(gateway_levels);
    gateway_levels = mem_string(levels);
    if (!gateway_levels) return fail(STATUS_NO_MEMORY, "no memory for the router");
    gateway_options =
        (struct router_options){.pd = gateway_pd,
                                .searches_linearizable = options->searches_linearizable,
                                .levels = gateway_levels,
                                .hedge_percent = options->hedge_percent};
    return start(
        node, &(struct start){.type = &router_type, .name = "router", .options = &gateway_options});
}
