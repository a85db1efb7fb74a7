/* linker: background work on indexes (schemas/internal/shard.proto: LinkerWork, LinkerSave), on a
 * compute lane. It is the linker party of every index it works on (index/index.h): linking, repair
 * and saving of one index never overlap, since a shard always uses the same linker. Named
 * "linker/<n>". */
#ifndef ACTORS_LINKER_LINKER_H
#define ACTORS_LINKER_LINKER_H

#include "actors/shelf.h"
#include "runtime/actor.h"

struct linker_options {
    struct shelf *shelf;   /* borrowed */
    const char *index_dir; /* folder of index files, borrowed; NULL: nothing is saved */
};

extern const struct actor_type linker_type;

#endif
