/* process_replay: which actors can be replayed, and what each needs.
 *
 *     router           nothing
 *     raft             the link of its process
 *     pd               the same, and a copy of the data folder from before
 *     shard/n, keeper  what the recording has of their disk (actors/luggage.h)
 *
 * The shard's log and linker are there themselves: what it had written it may read again, and its
 * tail is emptied as it was. */
#include "cli/process_replay.h"

#include <errno.h>
#include <ftw.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "actors/keeper/keeper_luggage.h"
#include "actors/role.h"
#include "actors/router/router.h"
#include "actors/shard/shard_luggage.h"
#include "cli/command.h"

enum { SHARDS_MAX = 1024, OPEN_FOLDERS = 16 };

/* Of a gateway, whose placement driver is in another process: an address that nobody asks. */
static const struct router_options alone = {.pd = ""}, gateway = {.pd = "pd"};

/* --- folders and stores ----------------------------------------------------------------------- */

static int remove_one(const char *path, const struct stat *stat, int kind, struct FTW *walk) {
    (void)stat, (void)kind, (void)walk;
    return remove(path);
}

static int make_folder(struct scene *scene) {
    const char *where = getenv("TMPDIR");
    snprintf(scene->folder, sizeof scene->folder, "%s/vectron-replay-XXXXXX",
             where && *where ? where : "/tmp");
    if (!mkdtemp(scene->folder)) {
        int code = command_fail("%s: %s", scene->folder, strerror(errno));
        scene->folder[0] = '\0';
        return code;
    }
    snprintf(scene->index_dir, sizeof scene->index_dir, "%.4000s/index", scene->folder);
    return mkdir(scene->index_dir, 0700) == 0
               ? EXIT_OK
               : command_fail("%s: %s", scene->index_dir, strerror(errno));
}

static int open_log(struct scene *scene, const char *folder) {
    char path[SCENE_PATH_SIZE];
    struct kv *kv = NULL;
    enum status s;
    if (folder) {
        snprintf(path, sizeof path, "%s/log", folder);
        s = kv_rocksdb_open(&(struct kv_options){.path = path, .wal = true}, &kv);
    } else {
        s = kv_memory_open(&(struct kv_options){.path = "log", .wal = true},
                           &(struct kv_faults){.seed = 1}, &kv);
    }
    if (s == STATUS_OK) s = log_store_open(&kv, &scene->log);
    return s == STATUS_OK ? EXIT_OK : command_fail("%s: %s", folder ? folder : "log", kv_error());
}

static int open_points(struct scene *scene) {
    char path[SCENE_PATH_SIZE];
    struct kv *kv = NULL;
    snprintf(path, sizeof path, "%.4000s/points", scene->folder);
    enum status s = kv_rocksdb_open(&(struct kv_options){.path = path}, &kv);
    if (s == STATUS_OK) s = point_store_open(&kv, &scene->points);
    if (s != STATUS_OK) return command_fail("%s: %s", path, kv_error());
    if (shelf_open(&scene->shelf) != STATUS_OK) return command_fail("no memory for the stores");
    shelf_searchers(scene->shelf, 1);
    return EXIT_OK;
}

/* --- of a disk -------------------------------------------------------------------------------- */

/* The recording's luggage, whole; its first piece. */
static int look(struct scene *scene, const struct replay_about *about, LuggagePiece **first) {
    struct bytes bytes = {about->disk.data, about->disk.size};
    if (*about->refused) return command_fail("%s: %s", about->name, about->refused);
    if (about->disk_size == 0)
        return command_fail("%s cannot be replayed from this recording: what it had on its disk is "
                            "not in it (vectron record --restart)",
                            about->name);
    if (about->disk.size < about->disk_size)
        return command_fail("%s: the recording ended with %zu of %" PRIu64 " bytes of its disk",
                            about->name, about->disk.size, about->disk_size);
    if (luggage_look(bytes, &scene->arena, first) != STATUS_OK)
        return command_fail("%s: what the recording has of its disk is damaged", about->name);
    return EXIT_OK;
}

static int unpack(struct scene *scene, const struct replay_about *about, uint64_t store) {
    char file[SCENE_PATH_SIZE] = "", columns[SCENE_PATH_SIZE] = "";
    int code = make_folder(scene);
    if (code == EXIT_OK) code = open_log(scene, scene->folder);
    if (code == EXIT_OK) code = open_points(scene);
    if (code != EXIT_OK) return code;
    shard_index_path(scene->index_dir, store, file, sizeof file);
    shard_columns_path(scene->index_dir, store, columns, sizeof columns);
    const struct luggage_place place = {scene->log, scene->points, file, columns};
    enum status s = luggage_unpack((struct bytes){about->disk.data, about->disk.size}, &place);
    if (s == STATUS_OK) return EXIT_OK;
    return command_fail("%s: what the recording has of its disk: %s", about->name, status_text(s));
}

static void add_neighbour(struct scene *scene,
                          struct replay_options *out,
                          const struct replay_neighbour *neighbour) {
    scene->neighbours[out->n_neighbours++] = *neighbour;
    out->neighbours = scene->neighbours;
}

static void add_log(struct scene *scene, struct replay_options *out) {
    scene->log_options = (struct log_options){.store = scene->log};
    add_neighbour(scene, out, &(struct replay_neighbour){"log", &log_type, &scene->log_options});
}

/* --- each ------------------------------------------------------------------------------------- */

static int
open_shard(struct scene *scene, const struct replay_about *about, struct replay_options *out) {
    LuggagePiece *first = NULL;
    int code = look(scene, about, &first);
    if (code != EXIT_OK) return code;
    if (!first->shard || !shard_luggage_options(first->shard, &scene->shard))
        return command_fail("%s: what the recording has of its options is damaged", about->name);
    code = unpack(scene, about, first->shard->store_id);
    if (code != EXIT_OK) return code;
    scene->shard.log = scene->log;
    scene->shard.points = scene->points;
    scene->shard.shelf = scene->shelf;
    if (first->shard->files) scene->shard.index_dir = scene->index_dir;
    add_log(scene, out);
    scene->linker =
        (struct linker_options){.shelf = scene->shelf, .index_dir = scene->shard.index_dir};
    add_neighbour(scene, out, &(struct replay_neighbour){"linker/0", &linker_type, &scene->linker});
    out->type = &shard_type;
    out->options = &scene->shard;
    return EXIT_OK;
}

static int
open_keeper(struct scene *scene, const struct replay_about *about, struct replay_options *out) {
    LuggagePiece *first = NULL;
    int code = look(scene, about, &first);
    if (code != EXIT_OK) return code;
    if (!first->keeper)
        return command_fail("%s: what the recording has of its options is damaged", about->name);
    code = unpack(scene, about, KEEPER_STORE_ID);
    if (code != EXIT_OK) return code;
    keeper_luggage_options(first->keeper, &scene->keeper);
    scene->keeper.log = scene->log;
    scene->keeper.points = scene->points;
    scene->keeper.shelf = scene->shelf;
    if (first->keeper->files) scene->keeper.index_dir = scene->index_dir;
    add_log(scene, out);
    out->type = &keeper_type;
    out->options = &scene->keeper;
    return EXIT_OK;
}

static int open_pd(struct scene *scene, const struct args *args, struct replay_options *out) {
    struct buffer why;
    int64_t shards = 0;
    buffer_init(&why);
    enum status s =
        args_number(args, "shards", (struct args_bounds){1, 1, SHARDS_MAX}, &shards, &why);
    int code = s == STATUS_OK ? EXIT_OK : command_misuse("replay", "%s", (char *)why.data);
    buffer_free(&why);
    if (code == EXIT_OK) code = open_log(scene, args_text(args, "data-dir"));
    scene->pd = (struct pd_options){.member = 1,
                                    .default_shards = (uint32_t)shards,
                                    .factor = 1,
                                    .factor_max = ROLE_REPLICAS_MAX,
                                    .log = scene->log,
                                    .link = args_text(args, "link"),
                                    .grpc_address = args_text(args, "grpc-addr")};
    out->type = &pd_type;
    out->options = &scene->pd;
    return code;
}

int scene_open(struct scene *scene,
               const struct replay_about *about,
               const struct args *args,
               struct replay_options *out) {
    *scene = (struct scene){.folder = ""};
    arena_init(&scene->arena, 0);
    if (strncmp(about->name, "shard/", 6) == 0) return open_shard(scene, about, out);
    if (strcmp(about->name, "keeper") == 0) return open_keeper(scene, about, out);
    if (strcmp(about->name, "pd") == 0) return open_pd(scene, args, out);
    if (strcmp(about->name, "raft") == 0) {
        scene->raft.link = args_text(args, "link");
        out->type = &raft_type;
        out->options = &scene->raft;
        return EXIT_OK;
    }
    if (strcmp(about->name, "router") == 0) {
        out->type = &router_type;
        out->options = about->remote ? &gateway : &alone;
        return EXIT_OK;
    }
    return command_fail("%s can be recorded, but not replayed: it shares memory or descriptors "
                        "with others, which are not in a recording. shard/n, keeper, router, raft "
                        "and pd can",
                        about->name);
}

void scene_close(struct scene *scene) {
    shelf_close(scene->shelf);
    point_store_close(scene->points);
    log_store_close(scene->log);
    arena_free(&scene->arena);
    if (*scene->folder) (void)nftw(scene->folder, remove_one, OPEN_FOLDERS, FTW_DEPTH | FTW_PHYS);
}
