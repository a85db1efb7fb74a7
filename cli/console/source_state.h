/* source_state: what the files of the source share. Private to source*.c. */
#ifndef CONSOLE_SOURCE_STATE_H
#define CONSOLE_SOURCE_STATE_H

#include "cli/console/source.h"
#include "runtime/turn.h"

struct source;

/* Actors of a process that are asked, by these names. */
enum service_kind { SERVICE_SYS, SERVICE_TRACES, SERVICE_PD, SERVICE_COUNT };
struct target;
struct service {
    struct target *target;
    enum service_kind kind;
    actor_handle handle; /* 0: to be looked up */
    bool looking;
    uint64_t retry_us; /* when to look up again */
};

/* A process that is asked. */
struct target {
    char address[EVENT_ADDRESS_MAX];
    struct service services[SERVICE_COUNT];
    bool same;                         /* another address of a process that is asked already */
    uint64_t incarnation;              /* 0: not told */
    uint64_t asked_us[QUESTION_COUNT]; /* 0: never */
    bool under_way[QUESTION_COUNT];
};

struct shard_target {
    char address[EVENT_ADDRESS_MAX];
    uint64_t shard;
    actor_handle handle;
    bool under_way;
};

/* One question under way: the context of its outcome. */
struct asked {
    struct asked *next, **link;
    size_t target;
    struct shard_target *shard; /* of QUESTION_SHARD */
    enum question question;
    uint64_t begun_us;
    char key[EVENT_KEY_MAX];
};

struct source {
    const struct source_options *options;
    struct target *targets[SOURCE_TARGETS_MAX]; /* owned */
    size_t n_targets;
    struct shard_target *shards[SOURCE_SHARDS_MAX]; /* owned */
    size_t n_shards, next_shard;
    struct asked *asked; /* owned, all under way */
    uint64_t tap_call;   /* 0: none */
    uint64_t timer;
    bool watching;
};

/* A question under way of the target; NULL: no memory. Freed by source_done or with the actor. */
struct asked *
source_asked(struct source *self, size_t target, enum question question, const char *key);
void source_free_asked(struct asked *asked);
/* Makes an event of the outcome and hands it on. */
void source_tell(struct source *self,
                 const struct asked *asked,
                 const struct outcome *outcome,
                 struct turn *turn);
/* Finds the actor, when it is time to. */
void source_look_up(struct service *service, struct turn *turn);
struct target *source_target(struct source *self, const char *address);
size_t source_target_index(const struct source *self, const char *address);

/* source_shards.c: workers, collections, their routes and shards, by way of the placement driver.
 */
void source_ask_shards(struct source *self, struct turn *turn);

#endif
