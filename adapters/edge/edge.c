/* edge: the actor around the hub: sockets, the clock, one timer, messages.
 *
 *   descriptor ready ──┐                                         ┌─ dirty connections are written
 *   timer due ─────────┼─▶ enter: now_us ─▶ hub, sockets ─▶ leave
 *   a service answers ─┘ (wake: soon)                            └─ the timer is set anew
 *
 * Draining: listeners close, the hub ends its calls and connections, sockets linger, then EdgeDrain
 * is answered and the actor exits. */
#include "adapters/edge/edge.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <time.h>

#include "adapters/edge/budget.h"
#include "adapters/edge/exchange.h"
#include "adapters/edge/job.h"
#include "adapters/edge/listener.h"
#include "adapters/edge/parser.h"
#include "adapters/edge/socket.h"
#include "runtime/handle.h"
#include "runtime/memory.h"
#include "schemas/edge.pb-c.h"

enum {
    ACCEPTS_MAX = 64,             /* a turn */
    ACCEPT_PAUSE_US = 100 * 1000, /* after the process ran out of descriptors */
    EDGE_TEXT_MAX = 256,
    PARSER_NAME_MAX = 48,
};

struct edge {
    struct hub hub;
    struct socket_owner owner;
    const struct edge_options *options; /* borrowed */
    struct listener *listeners;         /* owned; n_listeners of the options */
    bool accepting;
    bool inside;       /* between enter and leave */
    bool awake;        /* a turn of on_wake is under way */
    uint64_t timer;    /* of the runtime */
    uint64_t timer_us; /* when it fires; UINT64_MAX: not set */
    time_t dated;      /* the second that hub.date tells */
    char parser[PARSER_NAME_MAX];
    bool drained;
    bool owes_drained; /* to the promise */
    struct promise drain;
};

#define EDGE_ACCEPTS(X) \
    X(struct edge, EdgeDrain, edge_drain, on_drain) \
    X(struct edge, EdgeReload, edge_reload, on_reload) \
    X(struct edge, EdgeAskStats, edge_ask_stats, on_ask_stats)
ACTOR_HANDLERS(edge_handlers, EDGE_ACCEPTS);

/* --- turns -------------------------------------------------------------------------------- */
static void on_timer(void *self, void *context, struct turn *turn);
static void on_accept(void *self, void *context, uint32_t events, struct turn *turn);

/* HTTP wants the time of day in each answer; it is spelled once a second. */
static void tell_date(struct edge *self, struct turn *turn) {
    time_t seconds = (time_t)(turn_wall_ms(turn) / 1000);
    struct tm parts;
    if (seconds == self->dated) return;
    self->dated = seconds;
    /* Without a locale set (and the process sets none) the names are English, as they must be. */
    strftime(self->hub.date, sizeof self->hub.date, "%a, %d %b %Y %H:%M:%S GMT",
             gmtime_r(&seconds, &parts));
}

static void enter(struct edge *self, struct turn *turn) {
    self->inside = true;
    self->hub.now_us = turn_now_us(turn);
    tell_date(self, turn);
}

static void set_timer(struct edge *self, struct turn *turn) {
    uint64_t due = timeouts_next(&self->hub.timeouts);
    /* One that fires too early costs a turn; moving it with every call would cost more. */
    if (due >= self->timer_us) return;
    if (self->timer_us != NO_DEADLINE) turn_timer_cancel(turn, self->timer);
    uint64_t now = self->hub.now_us;
    self->timer_us = due;
    self->timer = turn_timer(turn, due > now ? due - now : 0, on_timer, NULL);
}

static void finish_drain(struct edge *self, struct turn *turn) {
    EdgeDrained answer = EDGE_DRAINED__INIT;
    if (!self->drained || self->owner.n_sockets) return;
    answer.calls_cut = self->hub.calls_cut;
    if (self->owes_drained) turn_resolve(turn, &self->drain, &answer.base);
    self->owes_drained = false;
    turn_exit(turn, STATUS_OK, "drained");
}

static void leave(struct edge *self, struct turn *turn) {
    while (self->hub.dirty)
        hub_flush(&self->hub, turn);
    self->inside = false;
    set_timer(self, turn);
    finish_drain(self, turn);
}

static void on_timer(void *actor, void *context, struct turn *turn) {
    struct edge *self = actor;
    (void)context;
    self->timer_us = NO_DEADLINE;
    enter(self, turn);
    hub_tick(&self->hub, turn);
    leave(self, turn);
}

static void on_wake(void *actor, void *context, struct turn *turn) {
    struct edge *self = actor;
    (void)context;
    self->awake = false;
    enter(self, turn);
    socket_read_again(&self->owner, turn);
    leave(self, turn);
}

static void wake_soon(struct edge *self, struct turn *turn) {
    if (self->awake) return;
    self->awake = true;
    turn_later(turn, on_wake, NULL);
}

/* --- what the hub asks for ---------------------------------------------------------------- */
static struct edge *edge_of(struct hub *hub) {
    return hub->actor;
}

static uint64_t hub_now_us(struct hub *hub, struct turn *turn) {
    (void)hub;
    return turn_now_us(turn);
}

static void hub_wake(struct hub *hub, struct turn *turn) {
    struct edge *self = edge_of(hub);
    if (!self->inside) wake_soon(self, turn); /* inside: leave flushes */
}

static void hub_flush_one(struct hub *hub, struct conn *conn, struct turn *turn) {
    (void)hub;
    socket_flush(conn->shell, turn);
}

static bool hub_ready(struct hub *hub, struct turn *turn) {
    const struct edge_options *options = hub->options;
    if (options->router && turn_find(turn, options->router) == 0) return false;
    return !options->ready || options->ready(options->ready_context);
}

static void hub_drained(struct hub *hub, struct turn *turn) {
    edge_of(hub)->drained = true;
    (void)turn; /* leave looks */
}

static void
on_parsed(void *actor, void *context, const struct outcome *outcome, struct turn *turn) {
    struct edge *self = actor;
    enter(self, turn);
    call_job_done(context, outcome->status, outcome->text, turn);
    leave(self, turn);
}

static void
hub_parse(struct hub *hub, struct edge_call *call, struct edge_job *job, struct turn *turn) {
    EdgeParse parse = EDGE_PARSE__INIT;
    parse.ticket = turn_random(turn);
    if (!job_post(job, parse.ticket)) parse.ticket = 0; /* no job has it: NOT_FOUND comes back */
    uint64_t deadline = edge_call_deadline_us(call);
    if (deadline == NO_DEADLINE) deadline = hub->now_us + EDGE_DEADLINE_DEFAULT_MS * (uint64_t)1000;
    turn_call(turn, &(struct call){
                        .to = turn_find(turn, edge_of(hub)->parser),
                        .message = &parse.base,
                        .done = on_parsed,
                        .context = call,
                        .deadline_us = deadline,
                    });
}

static const struct hub_hooks hooks = {
    .now_us = hub_now_us,
    .wake = hub_wake,
    .flush = hub_flush_one,
    .ready = hub_ready,
    .parse = hub_parse,
    .drained = hub_drained,
};

/* --- sockets ------------------------------------------------------------------------------ */
static void on_socket(void *actor, void *context, uint32_t events, struct turn *turn) {
    enter(actor, turn);
    socket_ready(context, events, turn);
    leave(actor, turn);
}

static void sockets_wake(struct socket_owner *owner, struct turn *turn) {
    wake_soon(owner->hub->actor, turn);
}

static enum status watch_listeners(struct edge *self, bool on, struct turn *turn) {
    enum status status = STATUS_OK;
    self->accepting = on;
    for (size_t i = 0; i < self->options->n_listeners && status == STATUS_OK; i++) {
        struct listener *listener = &self->listeners[i];
        if (listener->fd < 0) continue;
        if (on)
            status = turn_watch(turn, listener->fd, EPOLLIN, on_accept, listener);
        else
            turn_unwatch(turn, listener->fd);
    }
    return status;
}

static bool full(const struct edge *self) {
    return self->owner.n_sockets >= self->hub.limits.connections;
}

static void accept_again(void *actor, void *context, struct turn *turn) {
    struct edge *self = actor;
    (void)context;
    if (self->accepting || self->hub.phase != HUB_SERVING || full(self)) return;
    if (watch_listeners(self, true, turn) == STATUS_OK) return;
    self->accepting = false;
    turn_timer(turn, ACCEPT_PAUSE_US, accept_again, NULL);
}

static void sockets_gone(struct socket_owner *owner, struct turn *turn) {
    accept_again(owner->hub->actor, NULL, turn);
}

static void
accept_some(struct edge *self, struct listener *listener, unsigned n, struct turn *turn) {
    for (unsigned i = 0; i < n && !full(self); i++) {
        int fd = listener_accept(listener);
        if (fd >= 0) {
            if (socket_open(&self->owner, fd, listener->tls, turn) != STATUS_OK)
                self->hub.stats.connections_refused++;
            continue;
        }
        if (errno == EAGAIN) return;
        if (errno != EMFILE && errno != ENFILE && errno != ENOBUFS && errno != ENOMEM) continue;
        watch_listeners(self, false, turn);
        turn_timer(turn, ACCEPT_PAUSE_US, accept_again, NULL);
        return;
    }
    /* The others wait in the kernel until a connection ends. */
    if (full(self)) watch_listeners(self, false, turn);
}

static void on_accept(void *actor, void *context, uint32_t events, struct turn *turn) {
    (void)events;
    enter(actor, turn);
    accept_some(actor, context, ACCEPTS_MAX, turn);
    leave(actor, turn);
}

/* --- messages ----------------------------------------------------------------------------- */
static enum status on_drain(struct edge *self, const EdgeDrain *message, struct turn *turn) {
    if (self->owes_drained) return turn_fail(turn, STATUS_BUSY, "the edge is draining already");
    self->drain = turn_defer(turn);
    self->owes_drained = true;
    enter(self, turn);
    watch_listeners(self, false, turn);
    for (size_t i = 0; i < self->options->n_listeners; i++) {
        /* Who has connected already is served: closing would reset what waits in the backlog. */
        accept_some(self, &self->listeners[i], self->hub.limits.connections, turn);
        listener_stop(&self->listeners[i]);
    }
    hub_drain(&self->hub, message->hard_ms ? message->hard_ms : EDGE_DRAIN_MS, turn);
    leave(self, turn);
    return STATUS_OK;
}

/* All or none: an edge must not serve an old certificate beside a new one because the third file is
 * broken. */
static enum status on_reload(struct edge *self, const EdgeReload *message, struct turn *turn) {
    char text[EDGE_TEXT_MAX] = "";
    enum status status = STATUS_OK;
    size_t n = self->options->n_listeners;
    struct tls **fresh = turn_alloc(turn, (n + 1) * sizeof *fresh);
    (void)message;
    if (!fresh) return turn_fail(turn, STATUS_NO_MEMORY, "no memory to reload certificates");
    for (size_t i = 0; i < n && status == STATUS_OK; i++) {
        const struct edge_listener_options *options = &self->options->listeners[i];
        if (options->certificate)
            status = tls_open(options->certificate, options->key, text, sizeof text, &fresh[i]);
    }
    for (size_t i = 0; i < n; i++) {
        struct tls *old = status == STATUS_OK ? self->listeners[i].tls : fresh[i];
        if (status == STATUS_OK) self->listeners[i].tls = fresh[i];
        tls_close(old);
    }
    if (status != STATUS_OK) return turn_fail(turn, status, "%s; the old one stays", text);
    return STATUS_OK;
}

static enum status on_ask_stats(struct edge *self, const EdgeAskStats *message, struct turn *turn) {
    const struct hub_stats *stats = &self->hub.stats;
    EdgeStats answer = EDGE_STATS__INIT;
    size_t n = self->options->n_listeners;
    (void)message;
    answer.addresses = turn_alloc(turn, (n + 1) * sizeof *answer.addresses);
    if (!answer.addresses) return turn_fail(turn, STATUS_NO_MEMORY, "no memory for statistics");
    for (size_t i = 0; i < n; i++)
        answer.addresses[answer.n_addresses++] = self->listeners[i].address;
    answer.connections = stats->connections;
    answer.connections_now = self->owner.n_sockets;
    answer.connections_refused = stats->connections_refused;
    answer.calls = stats->calls;
    answer.calls_now = self->hub.n_calls;
    answer.calls_failed = stats->calls_failed;
    answer.calls_cancelled = stats->calls_cancelled;
    answer.calls_expired = stats->calls_expired;
    answer.calls_refused = stats->calls_refused;
    answer.abuse = stats->abuse;
    answer.bytes_in = stats->bytes_in;
    answer.bytes_out = stats->bytes_out;
    answer.budget_bytes = budget_size();
    answer.budget_used = budget_used();
    answer.draining = self->hub.phase != HUB_SERVING;
    turn_reply(turn, &answer.base);
    return STATUS_OK;
}

/* --- life --------------------------------------------------------------------------------- */
static enum status spawn_parser(struct edge *self, struct turn *turn) {
    actor_handle parser = 0;
    /* By the edge's slot; in a later life the parser of the one before may not have ended yet. */
    uint32_t slot = handle_slot(turn_self(turn)), life = handle_incarnation(turn_self(turn));
    int size = snprintf(self->parser, sizeof self->parser, "parser/%u", slot);
    if (life > 1) snprintf(self->parser + size, sizeof self->parser - (size_t)size, ".%u", life);
    return turn_spawn(turn,
                      &(struct spawn){.type = &parser_type, .name = self->parser, .intensity = 10},
                      &parser);
}

static enum status open_listeners(struct edge *self, struct turn *turn) {
    char text[EDGE_TEXT_MAX] = "";
    size_t n = self->options->n_listeners;
    self->listeners = mem_zero(n + 1, sizeof *self->listeners);
    if (!self->listeners) return turn_fail(turn, STATUS_NO_MEMORY, "no memory for listeners");
    for (size_t i = 0; i < n; i++)
        self->listeners[i].fd = -1;
    for (size_t i = 0; i < n; i++) {
        enum status status =
            listener_open(&self->listeners[i], &self->options->listeners[i], text, sizeof text);
        if (status != STATUS_OK) return turn_fail(turn, status, "%s", text);
    }
    return watch_listeners(self, true, turn);
}

static enum status edge_open(void *actor, const void *options, struct turn *turn) {
    struct edge *self = actor;
    self->options = options;
    self->timer_us = NO_DEADLINE;
    signal(SIGPIPE, SIG_IGN); /* OpenSSL writes without MSG_NOSIGNAL */
    struct hub_options hub = {self->options, &hooks, self};
    enum status status = hub_open(&self->hub, &hub);
    if (status != STATUS_OK) return turn_fail(turn, status, "services and routes do not fit");
    self->owner = (struct socket_owner){
        .hub = &self->hub,
        .input = mem_alloc(SOCKET_INPUT),
        .ready = on_socket,
        .wake = sockets_wake,
        .gone = sockets_gone,
    };
    if (!self->owner.input) return turn_fail(turn, STATUS_NO_MEMORY, "no memory for input");
    status = spawn_parser(self, turn);
    if (status != STATUS_OK) return turn_fail(turn, status, "cannot start the parser");
    return open_listeners(self, turn);
}

static void edge_close(void *actor) {
    struct edge *self = actor;
    if (self->hub.options) hub_abandon(&self->hub);
    socket_close_all(&self->owner);
    hub_close(&self->hub);
    for (size_t i = 0; self->listeners && i < self->options->n_listeners; i++)
        listener_close(&self->listeners[i]);
    mem_free(self->listeners);
    mem_free(self->owner.input);
}

const struct actor_type edge_type = {
    .kind = "edge",
    .size = sizeof(struct edge),
    .handlers = edge_handlers,
    .open = edge_open,
    .close = edge_close,
    .lane = LANE_IO,
};
