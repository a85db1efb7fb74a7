/* replica: the state of a shard actor, shared by the files that make it up: shard.c (conversation),
 * load.c (from the stores to SERVING), offer.c and intake.c (snapshots), peers.c (its Raft group),
 * apply.c (committed entries to points and index), reads.c (levels of consistency), fetch.c (one
 * point), columns.c (payload indexes that come and go), upkeep.c (flush, cut, save). Nobody else
 * includes it. */
#ifndef ACTORS_SHARD_REPLICA_H
#define ACTORS_SHARD_REPLICA_H

#include "actors/raft/seat.h"
#include "actors/shard/shard.h"
#include "actors/shard/window.h"
#include "runtime/turn.h"
#include "schemas/pd.pb-c.h"
#include "schemas/raft.pb-c.h"
#include "schemas/shard.pb-c.h"

enum replica_state { REPLICA_LOADING, REPLICA_SERVING, REPLICA_DISK_FULL, REPLICA_QUARANTINED };

enum { REPLICA_WHY_SIZE = 256, REPLICA_MEMBERS_TOLD = 16 };

struct replica_member {
    uint64_t id;
    uint64_t match;
    bool voter;
};

struct apply;
struct fill;
struct load;
struct read;
struct offer;
struct intake;

struct replica {
    struct shard_options options;
    enum replica_state state;
    char why[REPLICA_WHY_SIZE]; /* words, when not serving */
    struct holding *holding;    /* owned hold; NULL while an older one is in use */
    struct seat *seat;          /* owned; NULL until it is loaded */
    struct window window;       /* as of the last entry that was applied */
    struct proposals durable;   /* committed, not handed to apply yet */
    bool applying;              /* entries are being applied */
    struct apply *apply;        /* owned; they, while in the lane and not with the blocking job */
    struct load *load;          /* owned, while in the lane */
    uint64_t applied;           /* applied to points and index */
    uint32_t tail_limit;        /* points the index wants in its tail at most */
    uint32_t tail_extra;        /* room beyond the limit that loading needed; not for writers */
    uint32_t tail_loaded;       /* points that loading left there, as far as not linked yet */
    uint32_t reserved;          /* points of logged writes that the tail still has to take */
    uint64_t log_bytes;         /* applied since the last flush */
    uint64_t dirty_index;       /* entries from here on may not be flushed */
    uint64_t dirty_us;          /* since when there are any; 0: there are none */
    uint64_t changes;           /* points added or removed since the index was saved */
    uint64_t changed_us;        /* the last of them */
    uint64_t saved_us;
    bool upkeep_armed;
    bool probing; /* of a full disk */
    bool probe_armed;
    bool hand_armed; /* leadership is to be given away */
    bool flushing;
    bool saving;
    bool stopping;               /* exits when the index is saved */
    bool retire_armed;           /* a timer looks whether replaced points may leave the index */
    uint64_t bulk_us;            /* a write of a bulk ingest was applied last; 0: none was */
    bool filling;                /* payloads are read for new columns */
    struct fill *fill;           /* owned; what was read, while in the lane */
    uint64_t filled;             /* points read for them so far */
    bool fill_again;             /* once more: another began meanwhile */
    bool settle_armed;           /* a timer begins the declared ones that could not begin yet */
    bool columns_unsaved;        /* the file beside the index file lacks some, or has too many */
    bool columns_saving;         /* … that the save under way brings there */
    bool room_armed;             /* a timer looks for room in the tail */
    bool tell_armed;             /* a timer looks whether followers moved */
    uint64_t told, told_matches; /* digests of what the keeper heard last */
    struct replica_member members[REPLICA_MEMBERS_TOLD]; /* of the group, as committed last */
    uint32_t n_members;
    struct offer *offer;   /* owned, as the next: snapshots on their way from here … */
    struct intake *intake; /* … and to here */
    bool offer_armed;      /* a timer looks whether the offer is wanted */
    struct read *reads;    /* owned: that wait */
    uint32_t n_reads;
    uint64_t read_token;
    uint64_t fresh_us; /* it had all that was acknowledged by then; 0: never */
    uint64_t led_term; /* it leads in, or led last; 0: never */
    uint64_t
        inherited; /* last entry of that reign's first moment: acknowledged by others, perhaps */
    bool reads_armed;
};

/* shard.c */
void replica_move(struct replica *self, enum replica_state state, struct turn *turn);
/* Moves to QUARANTINED, or to DISK_FULL when that is what `status` says, with the words. */
void replica_fail(struct replica *self,
                  enum status status,
                  const char *what,
                  const char *text,
                  struct turn *turn);
const char *replica_state_name(enum replica_state state);
/* The seat's gate: no room in the tail for this one yet. */
bool replica_gate(void *owner, const struct proposal *next, struct turn *turn);
/* The linker of this shard, 0 = there is none. */
actor_handle replica_linker(struct replica *self, struct turn *turn);
/* Asks it to look at the tail. */
void replica_link(struct replica *self, struct turn *turn);

/* load.c: starts loading; ends in replica_serve or replica_fail. */
void load_start(struct replica *self, struct turn *turn);
void load_free(struct load *load);
struct load_result {
    struct seat_facts *facts; /* what is in it may be taken */
    uint64_t applied;         /* to points and index */
    uint32_t tail_limit;      /* points the index wants in its tail at most */
    uint32_t tail_extra;      /* room beyond that, for loading */
};
/* shard.c: loading is done. */
void replica_serve(struct replica *self, const struct load_result *result, struct turn *turn);

/* The term this replica leads in, and the other voters, for a reader that counts them. */
struct read_count {
    uint64_t term;
    uint64_t others[REPLICA_MEMBERS_TOLD];
    uint32_t n_others;
};

/* shard.c: everything handed to apply.c is applied. */
void replica_applied(struct replica *self, struct turn *turn);

/* apply.c: takes what is durable as far as nothing is being applied. */
void apply_start(struct replica *self, struct turn *turn);
void apply_free(struct apply *apply);

struct apply_entry {
    uint64_t index;
    uint64_t term;
    uint8_t type;      /* enum entry_type */
    struct bytes data; /* an encoded ShardWrite with ENTRY_DATA */
    bool repeated;     /* out: the window knew it, nothing was done */
    const void *write; /* out: the decoded ShardWrite, in the arena */
    uint64_t *removed; /* out: number each operation replaced or removed, 0 = none */
};
struct arena;
/* Applies one entry to the points, in one batch with the applied index and the window. Blocks.
 * CORRUPT for bytes that are no write. */
MUST_USE enum status apply_points(struct apply_entry *entry,
                                  struct window *window,
                                  struct point_batch *batch,
                                  struct arena *arena);

/* fetch.c: answers ShardPoint or NOT_FOUND. count: for a reader that counts; NULL: for others. */
void replica_get(struct replica *self,
                 const char *id,
                 const struct read_count *count,
                 const struct promise *promise,
                 struct turn *turn);

/* peers.c: loaded, it takes its seat; ends in SERVING or replica_fail. */
void peers_join(struct replica *self, struct seat_facts *facts, struct turn *turn);
/* Tells the keeper state, term, leader and members, when they are others. */
void peers_tell(struct replica *self, struct turn *turn);
/* The disk is full: another voter is to lead, if there is one. */
void peers_hand_over(struct replica *self, struct turn *turn);
/* What the full disk refused is tried again. */
void peers_probe_later(struct replica *self, struct turn *turn);
/* STALE_EPOCH, with words: whoever asks has a route of before the members changed. */
MUST_USE enum status peers_epoch(const struct replica *self, uint64_t epoch, struct turn *turn);
enum status peers_receive(struct replica *self, const RaftReceive *msg, struct turn *turn);
enum status peers_change(struct replica *self, const ShardChange *msg, struct turn *turn);

/* offer.c, intake.c: snapshots, for the seat's machine; and the leader's answer. */
void transfer_offer(void *owner, uint64_t to, struct turn *turn);
void transfer_take(void *owner,
                   const struct seat_snapshot *snapshot,
                   const char *link,
                   struct turn *turn);
void transfer_done(void *owner, struct turn *turn);
enum status transfer_fetch(struct replica *self, const ShardFetch *msg, struct turn *turn);
/* How much of a snapshot is here; -1: none is coming. */
int transfer_percent(const struct replica *self);
void transfer_free(struct replica *self);
void offer_close(struct replica *self);

/* reads.c */
struct read_request {
    const ProtobufCMessage *message; /* ShardGet, ShardSearch(es); NULL: a follower's question */
    bool search;
    uint32_t level;
    uint64_t session;
    uint32_t max_staleness_ms;
};
/* *now: to be served in this turn; else it is kept, or refused. */
MUST_USE enum status
reads_admit(struct replica *self, const struct read_request *request, bool *now, struct turn *turn);
/* A linearizable get may be served in this turn to a reader that counts the voters itself. */
bool reads_unasked(const struct replica *self, struct read_count *count);
/* Serves what may be served now. */
void reads_look(struct replica *self, struct turn *turn);
void reads_on_index(void *owner, uint64_t token, enum status s, uint64_t index, struct turn *turn);
enum status reads_question(struct replica *self, const ShardReadIndex *msg, struct turn *turn);
void reads_free(struct replica *self);

enum { COLUMNS_DEMAND_MAX = 64 };
/* columns.c: begins the payload indexes that a filter needs and that are not there. The search may
 * be forwarded: it waits for them. INVALID: no sound filter; QUOTA: too many indexes, as words say.
 */
MUST_USE enum status
columns_demand(struct replica *self, FilterNode *const *nodes, size_t n_nodes, struct turn *turn);
/* Reads the payloads of all points for the columns that are not complete. */
void columns_fill(struct replica *self, struct turn *turn);
void columns_free(struct replica *self);
/* The keeper says which are declared. */
enum status columns_told(struct replica *self, const ShardColumns *msg, struct turn *turn);
/* The index has what is declared now: begins what it lacks, drops what `before` declared. */
void columns_settle(struct replica *self, const struct payload_columns *before, struct turn *turn);
/* What there is of them. False: no memory. */
bool columns_tell(const struct replica *self, ShardState *state, struct turn *turn);

/* upkeep.c: an index file was opened that is verified in the background. */
void upkeep_watch(struct replica *self, struct turn *turn);
/* Something was applied. */
void upkeep_arm(struct replica *self, struct turn *turn);
/* Payload indexes came or went: their file is to be written. */
void upkeep_arm_save(struct replica *self, struct turn *turn);
/* The actor is to stop: saves an index that changed much, so that the next start need not link so
 * much again, then exits. False: there is nothing to wait for. */
bool upkeep_stop(struct replica *self, struct turn *turn);

#endif
