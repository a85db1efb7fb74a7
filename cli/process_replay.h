/* process_replay: what an actor that is replayed is opened with: its options, and scratch copies of
 * what it had on its disk, in a folder that goes with them. */
#ifndef CLI_PROCESS_REPLAY_H
#define CLI_PROCESS_REPLAY_H

#include "actors/keeper/keeper.h"
#include "actors/linker/linker.h"
#include "actors/log/log.h"
#include "actors/pd/pd.h"
#include "actors/raft/raft.h"
#include "actors/shard/shard.h"
#include "cli/args.h"
#include "runtime/arena.h"
#include "runtime/sim/replay.h"

enum { SCENE_PATH_SIZE = 4096, SCENE_NEIGHBOURS = 2 };

struct scene {
    char folder[SCENE_PATH_SIZE], index_dir[SCENE_PATH_SIZE]; /* "": there is none */
    struct log_store *log;                                    /* owned, as the next two */
    struct point_store *points;
    struct shelf *shelf;
    struct arena arena; /* of the options */
    struct pd_options pd;
    struct raft_options raft;
    struct shard_options shard;
    struct keeper_options keeper;
    struct log_options log_options;
    struct linker_options linker;
    struct replay_neighbour neighbours[SCENE_NEIGHBOURS];
};

/* An exit code; what is wrong was said. To be closed also then. */
int scene_open(struct scene *scene,
               const struct replay_about *about,
               const struct args *args,
               struct replay_options *out);
void scene_close(struct scene *scene);

#endif
