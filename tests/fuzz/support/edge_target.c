/* edge_target: the edge answers into a void that reads at the speed the input chooses. */
#include "tests/fuzz/support/edge_target.h"

#include <string.h>

#include "adapters/edge/body.h"
#include "adapters/edge/budget.h"
#include "adapters/edge/conn.h"
#include "adapters/edge/hub.h"
#include "runtime/assert.h"
#include "runtime/memory.h"
#include "tests/unit/edge/echo.h"

enum { WAITING_MAX = 4096, CHOICES = 3, BUDGET = 8 << 20 };

struct target {
    struct hub hub;
    struct conn *conn; /* NULL: closed by the edge */
};

struct waiting {
    struct edge_call *call;
    void (*run)(struct edge_call *call, struct turn *turn);
};
static struct waiting waiting[WAITING_MAX];
static size_t n_waiting;

static void wait_listed(struct edge_call *call,
                        uint32_t ms,
                        void (*run)(struct edge_call *call, struct turn *turn),
                        struct turn *turn) {
    (void)ms;
    if (n_waiting == WAITING_MAX)
        edge_fail(call, STATUS_BUSY, NULL, turn);
    else
        waiting[n_waiting++] = (struct waiting){call, run};
}

static void release(void) {
    struct waiting now[64];
    size_t n = n_waiting < 64 ? n_waiting : 64;
    n_waiting -= n;
    memcpy(now, waiting + n_waiting, n * sizeof *now);
    for (size_t i = 0; i < n; i++)
        now[i].run(now[i].call, NULL);
}

static uint64_t now_us(struct hub *hub, struct turn *turn) {
    (void)turn;
    return hub->now_us;
}
static void wake(struct hub *hub, struct turn *turn) {
    (void)hub, (void)turn;
}
static void flush(struct hub *hub, struct conn *conn, struct turn *turn) {
    struct target *target = hub->actor;
    size_t size = 1;
    while (size && !conn_finished(conn)) {
        conn_output(conn, &size, turn);
        conn_wrote(conn, size);
    }
    if (!conn_finished(conn)) return;
    conn_free(conn, turn);
    target->conn = NULL;
}
static void drained(struct hub *hub, struct turn *turn) {
    (void)hub, (void)turn;
}
static const struct hub_hooks hooks = {
    .now_us = now_us, .wake = wake, .flush = flush, .drained = drained};

static void pump(struct target *target) {
    while (target->hub.dirty)
        hub_flush(&target->hub, NULL);
    if (target->conn) flush(&target->hub, target->conn, NULL);
}

static void feed(struct target *target, const void *data, size_t size) {
    if (!target->conn) return;
    if (conn_wants_input(target->conn)) conn_input(target->conn, data, size, NULL);
    pump(target);
}

void edge_target(const char *preface, size_t preface_size, const uint8_t *data, size_t size) {
    static struct edge_options options = {.limits = {.budget_bytes = BUDGET}};
    struct target target = {0};
    if (size < CHOICES) return;
    uint64_t alive = mem_counted().alive;
    size_t step = data[0] ? data[0] : size;
    options.services = echo_services;
    options.routes = echo_routes;
    echo_wait = wait_listed;
    struct hub_options hub = {&options, &hooks, &target};
    enum status status = hub_open(&target.hub, &hub);
    assert(status == STATUS_OK);
    target.hub.now_us = 1000000;
    status = conn_new(&target.hub, false, &target.conn);
    assert(status == STATUS_OK);
    if (preface_size) feed(&target, preface, preface_size);
    for (size_t at = CHOICES, i = 0; at < size && target.conn; at += step, i++) {
        feed(&target, data + at, size - at < step ? size - at : step);
        target.hub.now_us += data[1] * (uint64_t)1000;
        if (data[1]) hub_tick(&target.hub, NULL);
        if (data[2] && i % data[2] == 0) release();
        pump(&target);
    }
    if (target.conn && data[2] & 1) hub_drain(&target.hub, 100, NULL);
    pump(&target);
    if (target.conn) conn_free(target.conn, NULL);
    while (n_waiting)
        release();
    assert(target.hub.n_calls == 0);
    hub_close(&target.hub);
    body_pool_drain();
    assert(budget_used() == 0 && mem_counted().alive == alive);
}
