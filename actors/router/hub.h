/* hub: the state of the router actor, shared by the files that make it up. Nobody else includes it.
 *
 *     router.c    what it accepts; requests that wait for a route
 *     routes.c    collection → shards, from the PD
 *     target.c    one shard elsewhere, or the PD, and the processes that keep it
 *     choice.c    which of them is asked
 *     ask.c       questions: tried again, hedged
 *     level.c     how fresh a read must be
 *     tally.c     who stands by a leader
 *     writes.c    upsert, delete; chunks.c: their way
 *     queries.c   search                gets.c      one point
 *     admin.c     collections           batches.c   many searches at once
 *     census.c    what collections are */
#ifndef ACTORS_ROUTER_HUB_H
#define ACTORS_ROUTER_HUB_H

#include "actors/router/merge.h"
#include "actors/router/router.h"
#include "actors/router/tally.h"
#include "index/index.h"
#include "runtime/arena.h"
#include "runtime/buffer.h"
#include "runtime/turn.h"
#include "schemas/pd.pb-c.h"
#include "schemas/router.pb-c.h"
#include "schemas/shard.pb-c.h"

struct hub;
struct ask;
struct chunk;
struct fetch;
struct lot;

/* --- targets
 * -------------------------------------------------------------------------------------------- */

enum {
    TARGET_NAME_SIZE = 64,
    TARGET_LINK_SIZE = 288,
    TARGET_BUCKETS = 1024,
    TARGET_SEATS_MAX = 32
};

/* What is measured of answers; gets and searches differ too much to be thrown together. */
enum pace_kind { PACE_GET, PACE_SEARCH, PACE_KINDS };

struct pace {
    uint64_t mean_us; /* moving average; 0 = nothing yet */
    uint64_t at_us;   /* of the last answer */
};

/* A process that keeps a replica, as this router sees it. Belongs to its target; outlives the route
 * that named it while questions to it are under way. */
struct seat {
    struct seat *next; /* of the target */
    struct target *target;
    uint64_t worker;
    char link[TARGET_LINK_SIZE];
    bool learner;        /* no vote: serves bounded and eventual reads only */
    bool search_only;    /* of a worker that does nothing else */
    bool ready;          /* as the PD was told */
    bool gone;           /* the route no longer names it */
    actor_handle handle; /* 0 = not looked up */
    bool looking;
    uint32_t users;      /* legs, and the lookup */
    uint32_t in_flight;  /* calls */
    struct leg *waiting; /* for the handle, newest first */
    uint64_t shunned_us; /* until then others are asked first: it failed */
    uint64_t silent_us;  /* until then it is not asked where it stands: it did not say in time */
    struct pace paces[PACE_KINDS];
};

/* One actor that is asked, wherever it is: a shard, or the PD. Lives as long as a route or a user
 * needs it. */
struct target {
    struct target *next; /* of its bucket */
    uint64_t shard;      /* 0 = the PD */
    char name[TARGET_NAME_SIZE];
    char *collection;   /* owned; "" for the PD */
    uint64_t epoch;     /* of the shard, as routed */
    struct seat *seats; /* owned */
    struct seat *lead;  /* who answered as the leader, or is said to be it; NULL: unknown */
    uint32_t users;     /* routes, questions, lots and chunks */
    uint32_t n_routes;  /* that name it; without one its collection is gone */
    uint64_t tail_us[PACE_KINDS]; /* 95 of 100 answers came sooner; 0 = unknown */
    uint32_t n_answers[PACE_KINDS];
    /* Writes, strictly in order: one chunk is under way, the others wait. */
    struct chunk *chunk; /* owned; NULL: nothing is under way */
    struct lot *first;
    struct lot *last;
    size_t lot_bytes;
    uint64_t sequence;        /* of the newest chunk */
    uint64_t acked;           /* highest log index acknowledged to us: a session read sees it */
    enum status refusal;      /* why a write found nobody to take it; OK: one was answered since */
    uint64_t late_timer;      /* for the writes whose time is up next; 0: none */
    uint64_t late_us;         /* when that fires */
    struct tally *next_tally; /* yet to begin; NULL: none */
    uint32_t n_tallies;       /* under way */
};

/* The target of a shard, made when needed. NULL: no memory. */
struct target *target_get(struct hub *self, uint64_t shard);
void target_hold(struct target *target);
/* Frees it when nobody is left. */
void target_drop(struct hub *self, struct target *target);
/* At the end of the actor. */
void target_free(struct target *target);

/* A replica as a route names it. */
struct seat_facts {
    uint64_t worker;
    const char *link;
    bool learner, search_only, ready;
    bool leads; /* it is said to */
};
/* These are the seats from now on; what is known of those that stay is kept. NO_MEMORY: as many as
 * there was memory for. */
MUST_USE enum status
target_seat(struct target *target, const struct seat_facts *facts, size_t n_facts, uint64_t now_us);
/* Gives up a hold; a seat that is gone goes with the last one. */
void seat_drop(struct hub *self, struct seat *seat);

/* --- choice: which seat is asked
 * ------------------------------------------------------------------- */

enum way {
    WAY_LEADER, /* the leader, as far as it is known */
    WAY_VOTER,  /* any replica that has a vote */
    WAY_ANY,    /* learners first, search-only ones before them */
};
struct wish {
    enum way way;
    enum pace_kind kind;
    const struct seat *other_than; /* it failed, or is asked already; NULL: nobody */
    uint64_t now_us;
    uint64_t dice;
};
/* Never NULL: a target has a seat. May be `other_than` when nobody else could answer. */
struct seat *seat_choose(const struct target *target, const struct wish *wish);
/* An answer came after so long. */
void seat_measure(struct seat *seat, enum pace_kind kind, uint64_t us, uint64_t now_us);
/* It failed: what is known of it and of the leader changes. */
void seat_failed(struct seat *seat, enum status status, const char *words, uint64_t now_us);

/* --- questions
 * ------------------------------------------------------------------------------------------ */

enum { ASK_LEGS_MAX = 2 };

/* One message to a target until its final answer: a seat chosen, looked up, called; tried again, at
 * another one, on outcomes that may pass, inside patience and deadline; a read that takes longer
 * than most is asked of a second seat, too. Embedded in a request. */
struct ask {
    struct target *target;
    const ProtobufCMessage *message; /* the request's, valid until done */
    uint64_t *epoch;                 /* in the message, set anew at each try; NULL: it has none */
    const struct promise *behalf; /* of the request it is asked for, while that is owed: ends with
                                     it when its caller cancels; NULL: it does not */
    uint64_t deadline_us;
    uint64_t patience_us; /* no try begins later than this (absolute) */
    uint64_t try_us;      /* an answer that takes longer counts as lost; 0 = the deadline only */
    enum way way;
    enum pace_kind kind;
    bool read; /* it may be asked of two seats at once, and is measured */
    uint32_t attempts;
    bool unsure;                    /* an answer was lost: what was asked may have been done */
    struct leg *legs[ASK_LEGS_MAX]; /* under way */
    const struct seat *failed;      /* the last one that did; only compared */
    bool answering;                 /* a part came: no second seat any more */
    bool told;                      /* the next try goes where the last one was told to */
    bool looking;                   /* the timer is of a seat that is being looked for */
    uint64_t timer; /* pause before the next try, or until a second seat is asked; 0 = none */
    /* Parts (outcome->more), then exactly one final outcome. The ask may be freed in the final one.
     */
    void (*done)(struct hub *self,
                 struct ask *ask,
                 const struct outcome *outcome,
                 struct turn *turn);
    void *context;
};

/* One call of a question: goes on without it when the question was answered otherwise. */
struct leg {
    struct leg *next;  /* free, or waiting for the handle */
    struct ask *ask;   /* NULL: nobody waits for it any more */
    struct seat *seat; /* held */
    uint64_t call;     /* 0 = not under way yet */
    uint64_t began_us;
};

void ask_start(struct hub *self, struct ask *ask, struct turn *turn);
/* Gives up: done will not be called. */
void ask_stop(struct hub *self, struct ask *ask, struct turn *turn);
/* At the end of the actor. */
void legs_free(struct hub *self);
/* Its handle is wanted and not being looked up. */
void seat_look(struct seat *seat, uint64_t deadline_us, struct turn *turn);
/* True for outcomes that may be different soon. */
bool may_pass(enum status status);

/* --- levels
 * --------------------------------------------------------------------------------------------- */

/* The level of a search: its own, else its collection's, else the deployment's. */
uint32_t level_of_search(const struct hub *self, const char *collection, uint32_t asked);
uint32_t level_of_get(uint32_t asked);
/* Who may answer a read of this level; `get`: a point, else a search. */
enum way level_way(uint32_t level, bool get);
/* Log index of the shard that the read must see. */
uint64_t level_index(uint32_t level, const char *session, const struct target *target);
/* Age that a replica may have, in ms; 0: the level has no bound. */
uint32_t level_staleness_ms(uint32_t level, uint32_t asked);

/* --- routes
 * --------------------------------------------------------------------------------------------- */

struct route_shard {
    uint64_t range_end;    /* inclusive; ranges ascend without a gap */
    struct target *target; /* held */
    bool ready;
};

struct route {
    struct route *next; /* of its bucket */
    char *name;         /* owned */
    char *distance;     /* owned */
    uint32_t dimension;
    uint64_t fetched_us;
    uint64_t used_us;
    uint32_t n_shards;
    struct route_shard shards[];
};

struct route *routes_find(const struct hub *self, const char *name);
void routes_remove(struct hub *self, const char *name);
struct target *route_target(const struct route *route, const char *id);
/* Asks the PD for it, unless that is under way. NULL: no memory. */
struct fetch *route_fetch(struct hub *self, const char *name, struct turn *turn);
/* At the end of the actor: targets are freed apart. */
void routes_free(struct hub *self);

/* --- requests that wait for a route
 * --------------------------------------------------------------------- */

/* Begins a request. The message is borrowed for this turn, the promise is the request's from now
 * on. False: the route seems old, fetch it anew and come again (never when `fresh`). */
typedef bool (*start_fn)(struct hub *self,
                         const void *message,
                         const struct promise *promise,
                         struct route *route,
                         bool fresh,
                         struct turn *turn);

struct parked {
    struct parked *next;
    struct promise promise;
    const ProtobufCMessageDescriptor *type;
    struct buffer body; /* owned */
    start_fn start;
};

/* A question to the PD about one collection, and who waits for it. */
struct fetch {
    struct fetch *next;
    struct ask ask;
    PdRoute message;
    char *name;            /* owned */
    struct parked *parked; /* owned, newest first */
};

/* router.c: the route arrived (NULL: it did not, with the reason). */
void hub_unpark(struct hub *self,
                struct fetch *fetch,
                struct route *route,
                const struct outcome *outcome,
                struct turn *turn);

/* --- the actor
 * ------------------------------------------------------------------------------------------ */

enum { ROUTE_BUCKETS = 256 };

struct request;
struct hub {
    struct router_options options;
    uint64_t incarnation; /* random, of this router's life */
    struct target *targets[TARGET_BUCKETS];
    struct target *pd; /* held */
    struct leg *free_legs;
    struct leg_slab *slabs; /* owned */
    uint32_t hedges;        /* that may be sent now, in hundredths */
    struct route *routes[ROUTE_BUCKETS];
    uint32_t n_routes;
    struct fetch *fetches;    /* owned */
    struct tally *tallies;    /* owned */
    struct request *requests; /* owned: all under way */
    uint32_t n_requests;
    size_t bytes; /* kept for them */
};

/* What every request under way has in common; the first member of each. */
struct request {
    struct request *next;
    struct request **link; /* what points to this */
    struct promise promise;
    struct arena arena; /* everything that lives as long as the request */
    size_t bytes;
    void (*release)(struct request *request); /* of what is not in the arena; NULL: nothing */
};

/* A zeroed request of `size` bytes. NULL: no memory, or too many under way (the promise is
 * rejected). */
void *request_new(struct hub *self, size_t size, const struct promise *promise, struct turn *turn);
/* After its promise was settled. */
void request_end(struct hub *self, struct request *request);
/* Counts memory kept for the request. False: too much is kept already. */
bool request_keep(struct hub *self, struct request *request, size_t bytes);

/* Starts when the route is there, else waits for it. */
MUST_USE enum status hub_begin(struct hub *self,
                               const char *collection,
                               bool fetch,
                               const ProtobufCMessage *message,
                               start_fn start,
                               struct turn *turn);

/* writes.c */
bool start_upsert(struct hub *self,
                  const void *message,
                  const struct promise *promise,
                  struct route *route,
                  bool fresh,
                  struct turn *turn);
bool start_delete(struct hub *self,
                  const void *message,
                  const struct promise *promise,
                  struct route *route,
                  bool fresh,
                  struct turn *turn);
void chunk_free(struct chunk *chunk);
/* queries.c */
bool start_search(struct hub *self,
                  const void *message,
                  const struct promise *promise,
                  struct route *route,
                  bool fresh,
                  struct turn *turn);
/* batches.c */
bool start_searches(struct hub *self,
                    const void *message,
                    const struct promise *promise,
                    struct route *route,
                    bool fresh,
                    struct turn *turn);
/* gets.c */
bool start_get(struct hub *self,
               const void *message,
               const struct promise *promise,
               struct route *route,
               bool fresh,
               struct turn *turn);
/* census.c */
bool start_describe(struct hub *self,
                    const void *message,
                    const struct promise *promise,
                    struct route *route,
                    bool fresh,
                    struct turn *turn);
MUST_USE enum status
admin_create(struct hub *self, const RouterCreateCollection *msg, struct turn *turn);
MUST_USE enum status
admin_delete(struct hub *self, const RouterDeleteCollection *msg, struct turn *turn);
MUST_USE enum status
admin_change_column(struct hub *self, const RouterChangeColumn *msg, struct turn *turn);
MUST_USE enum status
admin_list(struct hub *self, const RouterListCollections *msg, struct turn *turn);

#endif
