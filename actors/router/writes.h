/* writes: what writes.c (requests) and chunks.c (what of them is under way) share. */
#ifndef ACTORS_ROUTER_WRITES_H
#define ACTORS_ROUTER_WRITES_H

#include "actors/router/hub.h"

struct write {
    struct request base; /* first */
    char *collection;
    struct lot *lots;
    uint32_t n_lots;
    uint32_t n_open; /* of which it is not said yet what became of them */
    uint32_t n_kept; /* that are in a queue or a chunk */
    uint64_t due_us; /* then it is said */
    uint32_t n_operations;
    bool deletes; /* answered RouterDeleted */
    bool bulk;    /* of a bulk ingest */
};

/* The operations of one request on one shard, or as many as fit one chunk. In the request's arena.
 */
struct lot {
    struct lot *next; /* of the target's queue, or of the chunk */
    struct write *write;
    struct target *target; /* held until the lot is done */
    uint64_t shard;
    ShardOperation **operations;
    uint32_t n_operations;
    size_t bytes;
    bool alone; /* it shared a chunk that was refused: the blame must find its owner */
    bool said;  /* what became of it, as the next two */
    enum status status;
    const char *words; /* of a failure; in the arena */
};

struct chunk {
    struct ask ask;
    struct target *target; /* held */
    ShardWrite message;
    ShardOperation *operations[ROUTER_CHUNK_POINTS];
    struct lot *lots;
};

/* Its lots are whole: into their queues. Answers when all are done, or its time is up. */
void lots_enqueue(struct hub *self, struct write *write, struct turn *turn);
/* writes.c: all lots are said. */
void write_answer(struct hub *self, struct write *write, struct turn *turn);

#endif
