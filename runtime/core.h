/* core: a node without threads: actor table, names, lanes, dead letters, and what a message may
 * meet on its way. A driver underneath gives it time, threads and transport: the real one
 * (runtime/node.c) or the simulator (runtime/sim). Private to runtime/. */
#ifndef RUNTIME_CORE_H
#define RUNTIME_CORE_H

#include <pthread.h>
#include <stdatomic.h>

#include "runtime/alarm.h"
#include "runtime/collector.h"
#include "runtime/credit.h"
#include "runtime/gauge.h"
#include "runtime/kind.h"
#include "runtime/lane.h"
#include "runtime/letters.h"
#include "runtime/parcel.h"
#include "runtime/permit.h"
#include "runtime/reasons.h"
#include "runtime/registry.h"
#include "runtime/table.h"

struct core;
struct link_security;
struct rebuff;
struct wait;

/* What the core needs from below. Called on the lane given, unless said otherwise. */
struct driver {
    uint64_t (*now_us)(const struct core *core); /* any thread */
    bool lane_clocks; /* a lane may read the time by a struct clock of its own */
    uint64_t (*wall_ms)(const struct core *core);
    uint64_t (*wall_us)(const struct core *core); /* any thread */
    /* Takes the parcel for another lane. from: the calling lane, or NULL on any other thread.
     * False: too much is on its way there already and the parcel (of the data band) stays the
     * caller's. */
    bool (*post)(struct core *core, struct lane *from, struct lane *to, struct parcel *parcel);
    /* Takes a parcel whose receiver is in another process; refuses by core_refuse. from as above.
     */
    void (*remote)(struct core *core, struct lane *from, struct parcel *parcel);
    /* Takes a PARCEL_WORKED: runs its work, sends it to envelope.to. False: too much is waiting. */
    bool (*block)(struct core *core, struct parcel *parcel);
    /* Takes a PARCEL_LOOKUP; answers with a PARCEL_FOUND to envelope.from. */
    void (*lookup)(struct core *core, struct lane *from, struct parcel *parcel);
    enum status (*watch)(struct lane *lane, struct wait *wait, uint32_t events, bool again);
    void (*unwatch)(struct lane *lane, struct wait *wait);
    /* The actor's own ZeroMQ mailbox; words of a failure are static. */
    enum status (*bind)(struct cell *cell, const char **words);
    void (*unbind)(struct cell *cell);
    /* Endpoint of the mailbox, "" when it has none. */
    const char *(*endpoint)(const struct cell *cell);
    /* One line of the trace, without a line end; only while core.tracing. */
    void (*trace)(struct core *core, const char *line);
    /* A line about an actor's life, always. */
    void (*notice)(struct core *core, const char *line);
    /* The root actor is gone: nothing runs any more. Any lane. */
    void (*stopped)(struct core *core);
    /* A top-level actor failed for good. */
    void (*failed)(struct core *core);
    /* The nth peer of the link, for sys; false beyond the last. On the first lane. */
    bool (*peer)(struct core *core, size_t nth, struct link_peer *out);
    /* The same of what the link refused (link.h). NULL: there is no such thing here. */
    void (*security)(struct core *core, struct link_security *out);
    const struct rebuff *(*rebuff)(struct core *core, size_t nth);
    /* Where peers reach this process, "": nobody does. Any thread. */
    const char *(*link)(const struct core *core);
};

struct core {
    const struct driver *driver;
    void *host; /* the driver's own */
    char name[64];
    char role[16];
    bool tracing;
    enum sys_bodies bodies;
    enum sys_actions actions;
    bool linting; /* sys looks for what is wrong once a second */
    uint64_t seed;
    uint64_t incarnation; /* random, of the process's life */
    uint64_t started_us;
    uint32_t ring_records;               /* a lane */
    struct collector_options collecting; /* period_min 0: there is no collector */
    uint64_t sample_below;               /* a new trace is sampled when its hash is below */
    struct collector_counts collected;
    struct reasons reasons;
    struct lane *lanes; /* owned; I/O lanes first */
    uint32_t n_lanes;
    uint32_t n_io;
    _Atomic uint32_t next_lane[2]; /* round robin a kind */
    struct table table;
    struct credits credits; /* of the link's lane */
    struct registry registry;
    struct kinds kinds;
    struct cell *root; /* borrowed; on the first lane */
    actor_handle root_handle;
    struct alarms alarms;
    struct gauges gauges;
    struct letters letters;
};

struct core_options {
    const char *name;
    const char *role; /* NULL: none */
    uint64_t seed;
    uint32_t io_lanes; /* >= 1 */
    uint32_t compute_lanes;
    bool tracing;
    uint32_t ring_records; /* a lane; 0: none */
    struct collector_options collecting;
    double sample_ratio; /* of new traces */
    enum sys_bodies bodies;
    enum sys_actions actions;
    bool linting;
    const struct driver *driver;
    void *host;
};
/* Makes the lanes and the root, sys and lane actors: ready, nothing ran yet. */
MUST_USE enum status core_open(struct core *core, const struct core_options *options);
/* After `stopped`. Fine on a core that never opened. */
void core_close(struct core *core);

/* Takes the parcel to its receiver, or to core_refuse. from: the calling lane; NULL on other
 * threads. */
void core_send(struct core *core, struct lane *from, struct parcel *parcel);
/* Takes an undeliverable parcel: a call is answered Failed{reason, words}, a monitor or link fires,
 * a message becomes a dead letter. words may be NULL. */
void core_refuse(struct core *core,
                 struct lane *from,
                 struct parcel *parcel,
                 enum status reason,
                 const char *words);
struct refusal {
    enum status reason;
    const char *words;       /* may be NULL */
    uint32_t retry_after_ms; /* with BUSY; 0 = unknown */
};
void core_refuse_as(struct core *core,
                    struct lane *from,
                    struct parcel *parcel,
                    const struct refusal *refusal);
/* The link lost this peer number: open calls to it end, its monitors fire. */
void core_lost(struct core *core, struct lane *from, uint16_t peer);
/* Runs `run` in a turn of the root actor: how the world outside gets in. Any thread. */
void core_order(struct core *core, struct lane *from, turn_fn run, void *context);
/* The root stops its children, last first, then itself; `stopped` follows. Any thread. */
void core_stop(struct core *core, struct lane *from);
/* Name of the actor in this slot, or kind/slot of one without, or of the last one that was there;
 * text has CELL_NAME_MAX bytes. Any thread. */
void core_actor_name(struct core *core, uint32_t slot, char *text);
/* An actor of this process by what sys calls it: its name, or kind/slot when it has none. 0: none.
 * Any thread. */
actor_handle core_find(struct core *core, const char *name);
enum { CORE_NAME_MAX = 192 };
/* The name of a local actor that is there now, in any incarnation; false: nobody is. Any thread. */
bool core_name(struct core *core, actor_handle handle, char out[CORE_NAME_MAX]);

#endif
