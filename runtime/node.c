/* node: the real driver under a core, and the doors for a process's own threads.
 *
 * Opening builds everything on one thread, then starts the lanes; closing stops the actors, joins
 * the blocking pool (its work may still send), ends the lanes, and then takes everything apart on
 * one thread again. */
#include "runtime/node.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>

#include "runtime/assert.h"
#include "runtime/door.h"
#include "runtime/host.h"
#include "runtime/keyring.h"
#include "runtime/log.h"
#include "runtime/machine.h"
#include "runtime/memory.h"
#include "runtime/relay.h"
#include "runtime/turn_state.h"
#include "runtime/watchdog.h"

enum {
    BLOCKING_DEFAULT = 4,
    LANES_MAX = 128,
    CORES_PER_IO_LANE = 4,
    SOCKETS_MAX = 65000,
    FILES_UNKNOWN = 1024,
    COLLECT_MIN_US = 10 * 1000, /* 4,096 spans each time: some 400,000 a second */
    COLLECT_MAX_US = 250 * 1000,
};

static _Thread_local char error_words[512];

const char *node_error(void) {
    return error_words;
}

void node_zmq_version(unsigned *major, unsigned *minor, unsigned *patch) {
    int numbers[3];
    zmq_version(&numbers[0], &numbers[1], &numbers[2]);
    *major = (unsigned)numbers[0];
    *minor = (unsigned)numbers[1];
    *patch = (unsigned)numbers[2];
}

void node_set_error(const char *words) {
    snprintf(error_words, sizeof error_words, "%s", words);
}

/* --- the driver
 * ------------------------------------------------------------------------------------- */

static struct node *node_of(const struct core *core) {
    return core->host;
}

static uint64_t now_us(const struct core *core) {
    (void)core;
    return clock_kernel_us();
}

static uint64_t wall_ms(const struct core *core) {
    (void)core;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static uint64_t wall_us(const struct core *core) {
    (void)core;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

bool node_post_outside(struct node *node, struct lane *to, struct parcel *parcel) {
    pthread_mutex_lock(&node->outside_lock);
    bool put = trunk_put(&node->outside, to->index, parcel);
    while (put && !trunk_flush(&node->outside)) /* the lane is behind; this thread can wait */
        nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
    pthread_mutex_unlock(&node->outside_lock);
    return put;
}

static bool post(struct core *core, struct lane *from, struct lane *to, struct parcel *parcel) {
    if (!from) return node_post_outside(node_of(core), to, parcel);
    struct worker *worker = from->driver;
    return trunk_put(&worker->trunk, to->index, parcel);
}

static void remote(struct core *core, struct lane *from, struct parcel *parcel) {
    struct lane *first = &core->lanes[0];
    if (from == first)
        relay_send(node_of(core)->relay, parcel);
    else if (!post(core, from, first, parcel))
        core_refuse(core, from, parcel, STATUS_BUSY, "the link's lane is overloaded");
}

static void lookup(struct core *core, struct lane *from, struct parcel *parcel) {
    struct lane *first = &core->lanes[0];
    if (from == first) {
        relay_lookup(node_of(core)->relay, parcel);
        return;
    }
    bool posted = post(core, from, first, parcel);
    assert(posted); /* only casts and calls are refused */
}

static bool block(struct core *core, struct parcel *parcel) {
    return blocking_put(&node_of(core)->blocking, parcel);
}

static enum status watch(struct lane *lane, struct wait *wait, uint32_t events, bool again) {
    return worker_watch(lane->driver, wait->fd, events, WORKER_WATCH, (uint32_t)wait->fd, again);
}

static void unwatch(struct lane *lane, struct wait *wait) {
    worker_unwatch(lane->driver, wait->fd);
}

static enum status bind_mailbox(struct cell *cell, const char **words) {
    return cell->kind->type->light ? STATUS_OK : door_open(cell, words);
}

static void stopped(struct core *core) {
    sem_post(&node_of(core)->stopped);
}

static void failed(struct core *core) {
    struct node *node = node_of(core);
    atomic_store(&node->failed, true);
    sem_post(&node->stop_asked);
}

static void notice(struct core *core, const char *line) {
    (void)core;
    log_info("%s", line);
}

static void trace(struct core *core, const char *line) {
    (void)core;
    log_trace("%s", line);
}

static bool peer(struct core *core, size_t nth, struct link_peer *out) {
    return relay_peer(node_of(core)->relay, nth, out);
}

static void security(struct core *core, struct link_security *out) {
    relay_security(node_of(core)->relay, out);
}

static const struct rebuff *rebuff(struct core *core, size_t nth) {
    return relay_rebuff(node_of(core)->relay, nth);
}

static const char *own_link(const struct core *core) {
    return node_link(core->host);
}

static const struct driver real_driver = {
    .now_us = now_us,
    .lane_clocks = true,
    .wall_ms = wall_ms,
    .wall_us = wall_us,
    .post = post,
    .remote = remote,
    .block = block,
    .lookup = lookup,
    .watch = watch,
    .unwatch = unwatch,
    .bind = bind_mailbox,
    .unbind = door_close,
    .endpoint = door_endpoint,
    .notice = notice,
    .trace = trace,
    .stopped = stopped,
    .failed = failed,
    .peer = peer,
    .security = security,
    .rebuff = rebuff,
    .link = own_link,
};

/* --- open
 * ------------------------------------------------------------------------------------------- */

static enum status explain(enum status status, const char *what) {
    snprintf(error_words, sizeof error_words, "%s: %s", what, status_text(status));
    return status;
}

/* As many descriptors as this process may have: each component actor takes one. A guest takes what
 * it finds. */
static void raise_limits(struct node *node) {
    struct rlimit files = {.rlim_cur = FILES_UNKNOWN};
    bool known = getrlimit(RLIMIT_NOFILE, &files) == 0;
    if (known && !node->guest && files.rlim_cur < files.rlim_max) {
        files.rlim_cur = files.rlim_max;
        if (setrlimit(RLIMIT_NOFILE, &files) != 0) getrlimit(RLIMIT_NOFILE, &files);
    }
    node->files_max = files.rlim_cur < INT_MAX ? (int)files.rlim_cur : INT_MAX;
    if (!node->guest) zmq_ctx_set(node->context, ZMQ_MAX_SOCKETS, SOCKETS_MAX);
}

static uint64_t system_seed(void) {
    uint64_t seed = 0;
    if (getrandom(&seed, sizeof seed, 0) != sizeof seed)
        seed = clock_kernel_us() ^ (uint64_t)getpid();
    return seed;
}

static uint32_t ring_records(int32_t wanted) {
    return wanted < 0 ? 0 : wanted == 0 ? RING_DEFAULT : (uint32_t)wanted;
}

static enum status open_core(struct node *node, const struct node_options *options) {
    uint32_t n = machine_cores();
    uint32_t io = options->io_lanes;
    if (io == 0) io = n < CORES_PER_IO_LANE ? 1 : n / CORES_PER_IO_LANE;
    uint32_t compute = options->compute_lanes ? options->compute_lanes : n;
    if (io + compute > LANES_MAX) return explain(STATUS_INVALID, "too many lanes");
    enum status s =
        core_open(&node->core, &(struct core_options){
                                   .name = options->name,
                                   .role = options->role,
                                   .bodies = options->bodies,
                                   .actions = options->actions,
                                   .linting = !options->unwatched,
                                   .seed = options->seed ? options->seed : system_seed(),
                                   .io_lanes = io,
                                   .compute_lanes = compute,
                                   .driver = &real_driver,
                                   .tracing = log_on(LOG_TRACE),
                                   .ring_records = ring_records(options->ring),
                                   .sample_ratio = options->sample_ratio,
                                   .collecting = {.slow_us = options->slow_us,
                                                  .period_min = COLLECT_MIN_US,
                                                  .period_max = COLLECT_MAX_US},
                                   .host = node,
                               });
    return s == STATUS_OK ? s : explain(s, "actor table");
}

static enum status open_workers(struct node *node) {
    uint32_t n = node->core.n_lanes;
    enum status s = trunks_open(&node->trunks, n);
    if (s == STATUS_OK) s = trunk_open(&node->outside, &node->trunks);
    if (s != STATUS_OK) return explain(s, "the ways between lanes");
    node->workers = mem_zero(n, sizeof *node->workers);
    if (!node->workers) return explain(STATUS_NO_MEMORY, "lanes");
    for (uint32_t i = 0; i < n; i++) {
        s = worker_open(&node->workers[i], node, &node->core.lanes[i]);
        if (s != STATUS_OK) return explain(s, "lanes");
    }
    return STATUS_OK;
}

/* The first lane, where the root lives, starts last: until then nothing has run. */
static enum status start_threads(struct node *node) {
    enum status s = node->unwatched ? STATUS_OK : watchdog_start(node);
    if (s != STATUS_OK) return explain(s, "watchdog");
    for (; node->n_started < node->core.n_lanes; node->n_started++) {
        s = worker_start(&node->workers[node->core.n_lanes - 1 - node->n_started]);
        if (s != STATUS_OK) return explain(s, "threads of lanes");
    }
    return STATUS_OK;
}

static void explain_link(enum status status, const struct node_options *options) {
    explain(status, options->link ? options->link : "link");
    if (status != STATUS_DENIED) return;
    snprintf(error_words, sizeof error_words,
             "%s is open to the network, and has no keys: `vectron admin keygen` makes them for "
             "VECTRON_KEY_FILE and VECTRON_ALLOWED_KEYS; or VECTRON_INSECURE=1",
             options->link);
}

enum status node_open(const struct node_options *options, struct node **out) {
    struct keyring *keyring = options->keyring; /* owned until the relay has it */
    struct node *node = mem_zero(1, sizeof *node);
    if (!node) {
        keyring_free(keyring);
        return explain(STATUS_NO_MEMORY, "node");
    }
    enum status s = STATUS_NO_MEMORY;
    error_words[0] = '\0';
    sem_init(&node->stop_asked, 0, 0);
    sem_init(&node->stopped, 0, 0);
    pthread_mutex_init(&node->outside_lock, NULL);
    node->spin = options->spin;
    node->unwatched = options->unwatched;
    node->cores = machine_cores();
    node->stall_limit_ms =
        options->stall_limit_ms ? options->stall_limit_ms : WATCHDOG_LIMIT_DEFAULT_MS;
    node->guest = options->zmq_context != NULL;
    node->context = node->guest ? options->zmq_context : zmq_ctx_new();
    if (!node->context) goto fail;
    raise_limits(node);
    s = open_core(node, options);
    if (s == STATUS_OK) s = open_workers(node);
    if (s == STATUS_OK) {
        s = relay_open(node, options, &node->relay);
        keyring = NULL; /* taken */
        if (s != STATUS_OK) explain_link(s, options);
    }
    if (s != STATUS_OK) goto fail;
    s = blocking_open(&node->blocking, node,
                      options->blocking ? options->blocking : BLOCKING_DEFAULT);
    if (s == STATUS_OK) s = start_threads(node);
    if (s != STATUS_OK) goto fail;
    *out = node;
    return STATUS_OK;
fail:
    keyring_free(keyring);
    node_close(node);
    return s;
}

/* --- close
 * ------------------------------------------------------------------------------------------ */

static void refuse_left(void *context, struct parcel *parcel) {
    struct node *node = context;
    core_refuse(&node->core, NULL, parcel, STATUS_LOST_PEER, NULL);
}

/* No lane runs yet: the root, the only actor there is, stops on this thread. */
static void stop_unstarted(struct node *node) {
    struct lane *first = &node->core.lanes[0];
    core_stop(&node->core, first);
    lane_run(first, 0);
}

static void end_threads(struct node *node) {
    watchdog_stop(node);
    blocking_close(&node->blocking);
    for (uint32_t i = node->core.n_lanes - node->n_started; i < node->core.n_lanes; i++) {
        trunk_end(&node->outside, i);
        pthread_join(node->workers[i].thread, NULL);
    }
}

/* Everything that was on its way comes to an end here, while core and context still stand. */
static void take_apart(struct node *node) {
    relay_close(node->relay);
    for (uint32_t i = 0; node->workers && i < node->core.n_lanes; i++)
        trunk_close(&node->workers[i].trunk, refuse_left, node);
    trunk_close(&node->outside, refuse_left, node);
    trunks_close(&node->trunks, refuse_left, node);
    for (uint32_t i = 0; node->workers && i < node->core.n_lanes; i++)
        worker_close(&node->workers[i]);
    mem_free(node->workers);
}

void node_close(struct node *node) {
    if (!node) return;
    if (node->core.root_handle) {
        if (node->n_started == node->core.n_lanes) {
            core_stop(&node->core, NULL);
            while (sem_wait(&node->stopped) != 0) {
            }
        } else {
            stop_unstarted(node);
        }
        end_threads(node);
    }
    take_apart(node);
    core_close(&node->core);
    if (node->context && !node->guest) zmq_ctx_term(node->context);
    pthread_mutex_destroy(&node->outside_lock);
    sem_destroy(&node->stop_asked);
    sem_destroy(&node->stopped);
    mem_free(node);
}

/* --- waiting
 * ---------------------------------------------------------------------------------------- */

void node_stop(struct node *node) {
    sem_post(&node->stop_asked);
}

void node_wait(struct node *node) {
    while (sem_wait(&node->stop_asked) != 0) {
    }
}

bool node_failed(const struct node *node) {
    return atomic_load(&node->failed);
}

const char *node_link(const struct node *node) {
    return relay_address(node->relay);
}

uint32_t node_io_lanes(const struct node *node) {
    return node->core.n_io;
}

void *node_zmq_context(struct node *node) {
    return node->context;
}

void node_gauge(struct node *node, const struct gauge *gauge) {
    gauges_add(&node->core.gauges, gauge);
}
