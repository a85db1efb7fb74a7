/* worker: one loop.
 *
 *     sockets and descriptors ─▶ timers ─▶ ready actors, a batch each ─▶ flush trunks and link ─▶ …
 *
 * ZeroMQ's descriptors are doorbells: they ring when a command comes to a socket that was found
 * empty. So the loop sleeps only after every socket said EAGAIN since its last use; while actors
 * are ready it asks for events only now and then, because asking costs a system call. */
#include "runtime/worker.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "runtime/assert.h"
#include "runtime/batch.h"
#include "runtime/door.h"
#include "runtime/flight.h"
#include "runtime/host.h"
#include "runtime/relay.h"
#include "runtime/spin.h"

enum {
    EVENTS_MAX = 64,
    TAKE_MAX = 512,        /* parcels and lists of them taken from the trunk in one loop */
    BUSY_US = 20,          /* while actors are ready, sockets are asked every so often */
    BUSY_COMPUTE_US = 200, /* … of a compute lane, which has few: its work comes by the trunk */
    FLUSH_US = 100,        /* what was written waits no longer for other actors' turns */
    SPIN_ASK_US = 10,      /* a lane that spins asks for other events every so often */
    RETRY_NS = 200 * 1000, /* sleep while a trunk is full */
    SLEEP_MAX_US = 1000 * 1000 * 1000,
    COMPUTE_NICE = 5,
};

/* --- open and close
 * --------------------------------------------------------------------------------- */

enum status worker_open(struct worker *worker, struct node *node, struct lane *lane) {
    *worker = (struct worker){.node = node, .lane = lane};
    lane->driver = worker;
    worker->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (worker->epoll < 0) return STATUS_QUOTA;
    worker->pool = parcel_pool_new();
    if (!worker->pool) return STATUS_NO_MEMORY;
    enum status s = trunk_open(&worker->trunk, &node->trunks);
    if (s != STATUS_OK) return s;
    int bell = trunks_bell(&node->trunks, lane->index);
    return worker_watch(worker, bell, EPOLLIN | EPOLLET, WORKER_TRUNK, 0, false);
}

void worker_close(struct worker *worker) {
    if (worker->epoll > 0) close(worker->epoll);
    worker->epoll = 0;
    parcel_pool_free(worker->pool);
    worker->pool = NULL;
}

enum status worker_watch(struct worker *worker,
                         int fd,
                         uint32_t events,
                         enum worker_source source,
                         uint32_t number,
                         bool again) {
    struct epoll_event event = {.events = events, .data.u64 = (uint64_t)source << 32 | number};
    if (epoll_ctl(worker->epoll, again ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &event) == 0)
        return STATUS_OK;
    return errno == ENOSPC || errno == ENOMEM ? STATUS_QUOTA : STATUS_INVALID;
}

void worker_unwatch(struct worker *worker, int fd) {
    epoll_ctl(worker->epoll, EPOLL_CTL_DEL, fd, NULL);
}

/* --- input
 * ----------------------------------------------------------------------------------------- */

static void deliver(struct worker *worker, struct parcel *parcel) {
    if (parcel->envelope.kind == PARCEL_LOOKUP)
        relay_lookup(worker->node->relay, parcel);
    else if (handle_peer(parcel->envelope.to))
        relay_send(worker->node->relay, parcel);
    else
        lane_deliver(worker->lane, parcel);
}

static uint32_t deliver_batch(struct worker *worker, struct parcel *batch) {
    struct parcel *parcel;
    uint32_t n = 0;
    for (size_t at = 0; (parcel = batch_next(batch, &at)); n++)
        deliver(worker, parcel);
    parcel_free(batch);
    return n;
}

/* Takes batches until there are none, or `most` parcels came. True when something came. */
static bool take_batches(struct worker *worker, uint32_t most) {
    struct parcel *batch = NULL;
    uint32_t n = 0;
    while (n < most && trunks_take(&worker->node->trunks, worker->lane->index, &batch)) {
        if (batch)
            n += deliver_batch(worker, batch);
        else
            worker->ending = true;
        n++;
    }
    if (n > 0) worker->busy = true;
    return n > 0;
}

static bool batches_wait(const struct worker *worker) {
    return trunks_wait(&worker->node->trunks, worker->lane->index);
}

static void on_event(struct worker *worker, const struct epoll_event *event) {
    uint32_t number = (uint32_t)event->data.u64;
    switch ((enum worker_source)(event->data.u64 >> 32)) {
    case WORKER_TRUNK: /* trunks_take knows */
        break;
    case WORKER_RELAY:
        relay_wake(worker->node->relay);
        break;
    case WORKER_WATCH:
        lane_event(worker->lane, (int)number, event->events);
        break;
    case WORKER_DOOR:
        door_event(worker, number);
        break;
    }
}

/* Not shorter than asked for, and no longer than epoll takes. */
static int whole_ms(uint64_t ns) {
    uint64_t ms = ns / 1000000 + (ns % 1000000 != 0);
    return ms < INT_MAX ? (int)ms : INT_MAX;
}

/* Waits up to timeout_ns (0: not at all; UINT64_MAX: for ever) and acts on what came; true when
 * something did. */
static bool wait_events(struct worker *worker, uint64_t timeout_ns) {
    struct epoll_event events[EVENTS_MAX];
    struct timespec timeout = {.tv_sec = (time_t)(timeout_ns / 1000000000),
                               .tv_nsec = (long)(timeout_ns % 1000000000)};
    /* Setting a timer costs microseconds in a virtual machine. */
    bool for_ever = timeout_ns == UINT64_MAX;
    int n = epoll_pwait2(worker->epoll, events, EVENTS_MAX, for_ever ? NULL : &timeout, NULL);
    if (n < 0 && errno == ENOSYS) /* valgrind; kernels before 5.11 */
        n = epoll_wait(worker->epoll, events, EVENTS_MAX, for_ever ? -1 : whole_ms(timeout_ns));
    if (n > 0) lane_read_clock(worker->lane);
    worker->asked_us = worker->lane->now_us;
    for (int i = 0; i < n; i++)
        on_event(worker, &events[i]);
    return n > 0;
}

/* --- sleeping
 * -------------------------------------------------------------------------------------- */

/* Until an event, the bell of the trunk, or for ns. */
static void sleep_for(struct worker *worker, uint64_t ns) {
    struct trunks *trunks = &worker->node->trunks;
    uint32_t lane = worker->lane->index;
    if (!trunks_sleep(trunks, lane)) return;
    atomic_fetch_sub(&worker->node->awake, 1);
    wait_events(worker, ns);
    atomic_fetch_add(&worker->node->awake, 1);
    worker->lane->wakes++;
    trunks_woke(trunks, lane);
}

static uint64_t next_due_us(const struct worker *worker) {
    uint64_t due = lane_next_us(worker->lane);
    if (worker->lane->index == 0) {
        uint64_t relay = relay_due_us(worker->node->relay);
        if (relay < due) due = relay;
    }
    return due;
}

/* Something else this lane has to look after comes up, or would. */
static bool must_stop_spinning(const struct worker *worker) {
    const struct node *node = worker->node;
    return worker->doors || next_due_us(worker) <= worker->lane->now_us ||
           atomic_load_explicit(&node->awake, memory_order_relaxed) > node->cores;
}

/* Messages came just now, or an answer is due: the next one may come in microseconds, and looking
 * for it is cheaper than a wake-up. True when something came. */
static bool spin(struct worker *worker) {
    struct lane *lane = worker->lane;
    bool busy = worker->busy || lane->waits.calls > 0;
    worker->busy = false;
    if (!worker->node->spin || !busy) return false;
    lane_read_clock(lane);
    if (must_stop_spinning(worker) || !spin_begin(&worker->spin, lane->now_us)) return false;
    lane->spins++;
    do {
        bool ask = lane->now_us - worker->asked_us >= SPIN_ASK_US;
        if (take_batches(worker, 1) || (ask && wait_events(worker, 0))) {
            spin_hit(&worker->spin);
            return true;
        }
        lane_read_clock(lane);
    } while (!must_stop_spinning(worker) && spin_again(&worker->spin, lane->now_us));
    return false;
}

static void sleep_until_due(struct worker *worker) {
    bool sent = trunk_flush(&worker->trunk);
    worker->lane->trunk_full += !sent;
    if (sent && spin(worker)) return;
    parcel_pool_settle(worker->pool);
    uint64_t now = lane_read_clock(worker->lane);
    uint64_t due = next_due_us(worker);
    uint64_t us = due <= now ? 0 : due - now < SLEEP_MAX_US ? due - now : SLEEP_MAX_US;
    uint64_t ns = due == UINT64_MAX ? UINT64_MAX : us * 1000;
    if (!sent && ns > RETRY_NS) ns = RETRY_NS;
    if (worker->doors || ns == 0)
        wait_events(worker, 0);
    else
        sleep_for(worker, ns);
}

/* --- the loop
 * -------------------------------------------------------------------------------------- */

static void flush(struct worker *worker) {
    bool sent = worker->trunk.waiting > 0;
    worker->lane->trunk_full += !trunk_flush(&worker->trunk);
    if (worker->lane->index == 0) sent = relay_flush(worker->node->relay) || sent;
    if (sent) worker->lane->fresh = false;
    worker->flushed_us = worker->lane->now_us;
}

/* A batch for each actor that is ready now. */
static void run_ready(struct worker *worker) {
    struct lane *lane = worker->lane;
    for (uint32_t n = lane->n_ready; n > 0 && lane->n_ready > 0; n--) {
        lane_run(lane, 0);
        if (lane->now_us - worker->flushed_us > FLUSH_US) flush(worker);
    }
    flush(worker);
}

static void take_input(struct worker *worker) {
    struct lane *lane = worker->lane;
    bool idle = lane->n_ready == 0 && !batches_wait(worker) && lane_next_us(lane) > lane->now_us;
    uint64_t patience_us = lane->kind == LANE_IO ? BUSY_US : BUSY_COMPUTE_US;
    bool ask = lane->now_us - worker->asked_us >= patience_us;
    lane->fresh = lane->fresh && !idle && !ask && lane->n_ready > 0;
    if (idle)
        sleep_until_due(worker);
    else if (!ask && lane->n_ready > 0)
        return;
    else if (ask)
        wait_events(worker, 0);
    /* After a wake-up the first message is served before more are taken. */
    if (lane->n_ready == 0 || !idle) take_batches(worker, idle ? 1 : TAKE_MAX);
    door_drain_pending(worker);
}

static void *run(void *context) {
    struct worker *worker = context;
    struct lane *lane = worker->lane;
    char name[16];
    snprintf(name, sizeof name, "%s-%u", lane->kind == LANE_IO ? "io" : "compute", lane->index + 1);
    pthread_setname_np(pthread_self(), name);
    if (lane->kind == LANE_COMPUTE)
        setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), COMPUTE_NICE);
    runqueue_open(&lane->queue);
    parcel_pool_enter(worker->pool);
    arena_stash_enter(&worker->stash);
    assert_lane(lane);
    flight_take_stack();
    atomic_fetch_add(&worker->node->awake, 1);
    while (!worker->ending) {
        take_input(worker);
        if (lane_next_us(lane) <= lane->now_us) lane_fire(lane);
        if (lane->index == 0) relay_tick(worker->node->relay, lane->now_us);
        run_ready(worker);
    }
    atomic_fetch_sub(&worker->node->awake, 1);
    parcel_pool_settle(worker->pool);
    flight_give_stack();
    assert_lane(NULL);
    arena_stash_enter(NULL);
    arena_stash_close(&worker->stash);
    parcel_pool_enter(NULL);
    return NULL;
}

enum status worker_start(struct worker *worker) {
    return pthread_create(&worker->thread, NULL, run, worker) == 0 ? STATUS_OK : STATUS_QUOTA;
}
