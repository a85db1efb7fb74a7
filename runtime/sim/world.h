/* world: what is behind struct sim. Private to runtime/sim. */
#ifndef RUNTIME_SIM_WORLD_H
#define RUNTIME_SIM_WORLD_H

#include <inttypes.h>

#include "runtime/buffer.h"
#include "runtime/core.h"
#include "runtime/sim/sim.h"

/* A connection as one end sees it; its peer number is its place + 1. */
struct sim_peer {
    uint32_t node;         /* number of the other end */
    uint16_t number_there; /* this end's peer number at the other one */
    bool alive;
};

struct sim_node {
    struct core core;
    struct sim *sim;
    uint32_t number;  /* from 1 */
    char address[24]; /* "sim://n" */
    bool stopped;
    bool failed;
    bool off;               /* its process is gone */
    uint32_t twin_ppm;      /* of its requests arrive twice */
    uint64_t stall_us;      /* that blocking work takes longer */
    uint32_t n_working;     /* pieces of blocking work under way */
    int64_t skew_ms;        /* of its wall clock */
    int32_t drift_ppm;      /* its clocks run so much faster, since … */
    uint64_t drift_from_us; /* … this moment, when they said … */
    uint64_t drift_said_us; /* … this */
    struct sim_peer *peers; /* owned */
    uint32_t n_peers;
    struct sim_trunk *trunks; /* owned; n_lanes of each lane and of the outside */
    uint32_t n_waiting;       /* trunks that hold something */
    /* What the scheduler remembers of it (runtime/sim/sim.c). */
    bool touched;      /* something happened here since: not true any more, but for fired_us */
    uint32_t choices;  /* ready actors, trunks that hold something */
    uint64_t timer_us; /* its next timer, by its own clock; UINT64_MAX: there is none */
    uint64_t next_us;  /* the moment of that */
    uint64_t fired_us; /* timers were looked at then: what its lanes take for the time, … */
    uint64_t told_us;  /* … and have been told so at this moment */
};

struct sim_job {
    struct sim_job *next; /* owned */
    struct sim_node *node;
    struct parcel *parcel; /* owned, PARCEL_WORKED */
};

struct sim {
    struct sim_options options;
    struct rng rng;
    uint64_t now_us;
    bool spent;             /* time passed within a turn: timers may be due */
    struct sim_node *nodes; /* owned */
    uint32_t n_nodes;
    uint32_t n_touched;
    uint32_t choices; /* of all nodes that are not touched */
    uint32_t next_node;
    struct timers events; /* of the network; owned struct event */
    struct sim_job *jobs; /* owned list */
    struct sim_job *last_job;
    uint32_t n_jobs;
    bool *cut;         /* owned, n_nodes × n_nodes */
    uint64_t *last_at; /* owned, n_nodes × n_nodes: links keep the order of messages */
    uint64_t *slow_us; /* owned, n_nodes × n_nodes: longer than the delay */
    struct buffer trace;
    char words[1024];
    ProtobufCMessage *reply; /* in reply_arena */
    struct arena reply_arena;
    struct buffer reply_body;
    int64_t parcels_before;
};

/* What the node's clock says now. */
uint64_t sim_node_us(const struct sim_node *node);

/* Something is about to happen at this node: before anything that may wake an actor there, set a
 * timer, or ask a lane for the time. A turn reaches its own node only; what goes to others are
 * events of the network. */
void sim_touch(struct sim_node *node);

/* Runs what is ready at this instant; no timer fires. */
void sim_settle(struct sim *sim);

/* The ways between lanes. */
void trunks_make(struct sim_node *node);
void trunks_free(struct sim_node *node);
/* from NULL: from outside. */
void trunks_put(struct sim_node *node, struct lane *from, struct lane *to, struct parcel *parcel);
/* Delivers the head of the nth trunk that holds something. */
void trunks_move(struct sim_node *node, uint32_t nth);

/* Whether this send is to meet a full way. */
bool sim_full(struct sim *sim, const struct parcel *parcel);

/* Runs blocking work and sends its outcome home. */
void sim_work(struct sim_node *node, struct parcel *parcel);

void network_open(struct sim *sim);
void network_close(struct sim *sim);
/* Runs the events that are due. */
void network_fire(struct sim *sim);
/* Blocking work that takes its time. */
void network_work(struct sim *sim, struct sim_node *node, struct parcel *parcel, uint64_t us);
/* The driver's remote and lookup. */
void network_send(struct core *core, struct lane *from, struct parcel *parcel);
/* What was parked for a credit goes. */
void network_go(struct core *core, struct parcel *parcel);
void network_lookup(struct core *core, struct lane *from, struct parcel *parcel);

#endif
