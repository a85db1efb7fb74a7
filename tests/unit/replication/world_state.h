/* world_state: what is behind struct world. world.c moves events and starts and ends replicas,
 * effects.c does what they ask for; nemesis.c is what goes wrong, and the clients. */
#ifndef TESTS_UNIT_REPLICATION_WORLD_STATE_H
#define TESTS_UNIT_REPLICATION_WORLD_STATE_H

#include "runtime/buffer.h"
#include "tests/unit/replication/world.h"

enum {
    EVENTS_MAX = 1 << 16,
    PENDING_MAX = 4096,
    HELD_MAX = 8192,
    SENT_BYTES = 1 << 16,
    ELECTION_MS = 500,
    TRAILING = 8,
    INSTALL_MS = 300, /* a snapshot's transfer */
    CLIENT_MS = 7,
    STEPS_WITHOUT_LEADER_MS = 60000,
};

#define CHECK(world, condition, ...) \
    do { \
        if (!(condition)) broken(world, #condition, __VA_ARGS__); \
    } while (0)

struct cell {
    uint64_t term;
    uint32_t kind;
    uint64_t value; /* of a command */
    void *data;     /* owned: encoded members of a change */
    size_t size;
};

struct log {
    uint64_t first, last; /* indexes there; last = first - 1: none */
    struct cell cells[LOG_MAX];
};

struct snapshot {
    uint64_t index, term, hash, members_index;
    struct buffer members; /* encoded */
};

/* A write on its way to the disk. */
struct pending {
    uint64_t number;
    bool hard;
    uint64_t term, vote, first;
    uint32_t n;
    struct cell *cells; /* owned */
};

struct held {
    uint64_t after;
    void *bytes; /* owned, encoded RaftMessage */
    size_t size;
    uint64_t to;
};

struct replica {
    uint64_t id;
    struct consensus *consensus; /* NULL: down */
    uint32_t life;               /* counts crashes: events of a former life are void */
    uint64_t paused_until;
    /* on disk */
    uint64_t term, vote;
    struct log log;   /* as the host sees it: with what is not durable yet … */
    uint64_t durable; /* … beyond here */
    struct snapshot snapshot;
    uint64_t replaced_from; /* disk still has an older tail from here on: a crash brings it back */
    struct log *disk;       /* owned: what a crash leaves */
    uint64_t disk_term, disk_vote;
    struct snapshot disk_snapshot;
    /* in memory */
    struct pending pending[PENDING_MAX];
    uint32_t first_pending, n_pending;
    uint64_t disk_free_ms;
    struct held held[HELD_MAX];
    uint32_t n_held;
    uint64_t written;
    uint64_t applied, hash;
    struct snapshot installing;
};

enum what { DELIVER, WRITTEN, TICK, INSTALLED, CLIENT, ASK, CRASH, START, CUT, CHANGE, PAUSE };
struct event {
    uint64_t at, order;
    enum what what;
    uint32_t slot, life;
    uint64_t number;
    void *bytes; /* owned */
    size_t size;
};

struct read_sent {
    uint64_t token, floor;
};

struct world {
    uint64_t seed, now, order;
    struct rng rng;
    struct faults faults;
    bool healing;
    struct replica *replicas[REPLICAS_MAX];
    uint32_t n_replicas;
    uint64_t next_id;
    bool cut[REPLICAS_MAX][REPLICAS_MAX];
    struct event *heap;
    uint32_t n_events;
    uint64_t due[REPLICAS_MAX];
    /* the truth */
    struct {
        uint64_t term, value, hash;
        uint32_t kind;
    } committed[LOG_MAX];
    uint64_t n_committed;
    uint64_t leaders[1 << 14]; /* by term */
    uint64_t newest_term;      /* that had a leader */
    uint64_t value;
    uint64_t acknowledged; /* index of the newest command a leader applied */
    struct read_sent reads[1 << 12];
    uint32_t n_reads;
    uint64_t token;
    struct world_counts counts;
};

_Noreturn void broken(struct world *world, const char *condition, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
bool chance(struct world *world, uint32_t of_1000);
void push(struct world *world, struct event event);
/* effects.c */
struct cell *cell_at(struct log *log, uint64_t index);
void cell_set(struct cell *to, const struct cell *from);
void snapshot_copy(struct snapshot *to, const struct snapshot *from);
struct consensus_entry entry_of(const struct cell *cell);
uint32_t slot_of(const struct world *world, uint64_t id);
void arm(struct world *world, uint32_t slot);
void must(struct world *world,
          uint32_t slot,
          enum status s,
          const struct consensus_effects *effects);
void write_to_disk(struct replica *self, const struct pending *pending);
void drop_pending(struct replica *self);
void on_written(struct world *world, uint32_t slot, uint64_t number);
void on_installed(struct world *world, uint32_t slot);
void carry_out(struct world *world, uint32_t slot, const struct consensus_effects *effects);
/* world.c, nemesis.c */
uint32_t add_replica(struct world *world);
void client(struct world *world);
void client_ask(struct world *world, uint32_t slot);
void nemesis_crash(struct world *world);
void nemesis_cut(struct world *world);
void nemesis_pause(struct world *world);
void nemesis_change(struct world *world);

#endif
