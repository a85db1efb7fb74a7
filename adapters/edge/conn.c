/* conn: what both protocols share: telling them apart, output, time, the end.
 *
 *   UNKNOWN ──"PRI", ALPN h2──▶ H2      broken: nothing is read any more, what is queued goes out
 *      └────────── else ──────▶ H1      over: nothing more goes out either */
#include "adapters/edge/conn.h"

#include <string.h>

#include "adapters/edge/h1_session.h"
#include "adapters/edge/h2_session.h"
#include "runtime/memory.h"

enum { OUTPUT_KEPT = 16 * 1024 }; /* bytes of buffer an idle connection may keep for a while */

static void on_timeout(struct timeout *timeout, struct turn *turn);

enum status conn_new(struct hub *hub, bool secure, struct conn **out) {
    struct conn *conn = mem_zero(1, sizeof *conn);
    if (!conn || !timeouts_reserve(&hub->timeouts, hub->n_calls + hub->n_conns + 2)) {
        mem_free(conn);
        return STATUS_NO_MEMORY;
    }
    conn->hub = hub;
    conn->handshaken = !secure;
    conn->opened_us = conn->input_us = conn->progress_us = hub->now_us;
    conn->timeout.run = on_timeout;
    conn->next = hub->conns;
    if (hub->conns) hub->conns->prev = conn;
    hub->conns = conn;
    hub->n_conns++;
    hub->stats.connections++;
    uint32_t ms = secure ? hub->limits.handshake_ms : hub->limits.header_ms;
    conn_due(conn, hub->now_us + ms * (uint64_t)1000);
    *out = conn;
    return STATUS_OK;
}

static void leave_dirty(struct conn *conn) {
    struct conn **at = &conn->hub->dirty;
    while (*at && *at != conn)
        at = &(*at)->dirty_next;
    if (*at) *at = conn->dirty_next;
}

void conn_free(struct conn *conn, struct turn *turn) {
    struct hub *hub = conn->hub;
    conn->over = true;
    h1_session_free(conn->h1, turn);
    h2_session_free(conn->h2, turn);
    if (conn->dirty) leave_dirty(conn);
    timeouts_clear(&hub->timeouts, &conn->timeout);
    if (conn->next) conn->next->prev = conn->prev;
    if (conn->prev)
        conn->prev->next = conn->next;
    else
        hub->conns = conn->next;
    hub->n_conns--;
    buffer_free(&conn->out);
    mem_free(conn);
    hub_check_drained(hub, turn);
}

void conn_touch(struct conn *conn, struct turn *turn) {
    struct hub *hub = conn->hub;
    if (conn->dirty) return;
    conn->dirty = true;
    conn->dirty_next = hub->dirty;
    hub->dirty = conn;
    if (hub->woken) return;
    hub->woken = true;
    hub->hooks->wake(hub, turn);
}

void conn_abused(struct conn *conn) {
    if (!conn->broken) conn->hub->stats.abuse++;
    conn->broken = true;
}

/* --- input -------------------------------------------------------------------------------- */
static void choose(struct conn *conn, enum conn_protocol protocol) {
    enum status status =
        protocol == CONN_H2 ? h2_session_new(conn, &conn->h2) : h1_session_new(conn, &conn->h1);
    if (status == STATUS_OK)
        conn->protocol = protocol;
    else
        conn->over = true;
}

void conn_handshaken(struct conn *conn, enum conn_protocol protocol) {
    struct hub *hub = conn->hub;
    conn->handshaken = true;
    conn->opened_us = hub->now_us;
    if (protocol != CONN_UNKNOWN) choose(conn, protocol);
    conn_due(conn, hub->now_us + hub->limits.header_ms * (uint64_t)1000);
}

static void feed(struct conn *conn, const void *data, size_t size, struct turn *turn) {
    if (conn->broken || conn->over || size == 0) return;
    if (conn->protocol == CONN_H2)
        h2_session_input(conn->h2, data, size, turn);
    else
        h1_session_input(conn->h1, data, size, turn);
}

/* No HTTP/1.1 method begins with PRI; the first three bytes decide. */
static void sniff(struct conn *conn, const unsigned char *data, size_t size, struct turn *turn) {
    static const unsigned char preface[sizeof conn->first] = {'P', 'R', 'I'};
    size_t n = sizeof conn->first - conn->n_first;
    if (n > size) n = size;
    memcpy(conn->first + conn->n_first, data, n);
    conn->n_first += n;
    bool alike = memcmp(conn->first, preface, conn->n_first) == 0;
    if (alike && conn->n_first < sizeof preface) return;
    choose(conn, alike ? CONN_H2 : CONN_H1);
    if (conn->protocol == CONN_UNKNOWN) return;
    feed(conn, conn->first, conn->n_first, turn);
    feed(conn, data + n, size - n, turn);
}

void conn_input(struct conn *conn, const void *data, size_t size, struct turn *turn) {
    conn->hub->stats.bytes_in += size;
    conn->input_us = conn->hub->now_us;
    if (conn->broken || conn->over)
        return; /* read only so that no reset overtakes our last words */
    if (conn->protocol == CONN_UNKNOWN)
        sniff(conn, data, size, turn);
    else
        feed(conn, data, size, turn);
}

bool conn_wants_input(const struct conn *conn) {
    if (conn->over) return false;
    return conn->broken || conn->protocol != CONN_H1 || h1_session_wants_input(conn->h1);
}

/* --- output ------------------------------------------------------------------------------- */
const void *conn_output(struct conn *conn, size_t *size, struct turn *turn) {
    struct buffer *out = &conn->out;
    *size = 0;
    if (conn->over) return NULL;
    if (conn->sent == out->size) {
        conn->sent = 0;
        buffer_clear(out);
        conn->progress_us = conn->hub->now_us;
        if (conn->protocol == CONN_H2)
            h2_session_fill(conn->h2, out, turn);
        else if (conn->protocol == CONN_H1)
            h1_session_fill(conn->h1, out, turn);
        if (out->failed) conn->over = true;
        if (out->size == 0 && out->capacity > OUTPUT_KEPT) buffer_free(out);
        if (out->size)
            conn_due(conn, conn->progress_us + conn->hub->limits.write_ms * (uint64_t)1000);
    }
    if (conn->over) return NULL;
    *size = out->size - conn->sent;
    return *size ? out->data + conn->sent : NULL;
}

void conn_wrote(struct conn *conn, size_t size) {
    conn->sent += size;
    conn->progress_us = conn->hub->now_us;
    conn->hub->stats.bytes_out += size;
}

bool conn_finished(const struct conn *conn) {
    if (conn->over) return true;
    if (conn->sent < conn->out.size) return false;
    if (conn->protocol == CONN_H2) return h2_session_finished(conn->h2);
    if (conn->protocol == CONN_H1) return h1_session_finished(conn->h1);
    return conn->broken;
}

/* --- time --------------------------------------------------------------------------------- */
void conn_due(struct conn *conn, uint64_t due_us) {
    if (conn->timeout.position && conn->timeout.due_us <= due_us) return;
    timeouts_set(&conn->hub->timeouts, &conn->timeout, due_us);
}

/* The time by which this connection must have done something. */
static uint64_t first_words_due(const struct conn *conn) {
    const struct edge_limits *limits = &conn->hub->limits;
    if (!conn->handshaken) return conn->opened_us + limits->handshake_ms * (uint64_t)1000;
    if (conn->protocol != CONN_UNKNOWN) return NO_DEADLINE;
    return conn->opened_us + limits->header_ms * (uint64_t)1000;
}

static uint64_t write_due(const struct conn *conn) {
    if (conn->sent == conn->out.size) return NO_DEADLINE;
    return conn->progress_us + conn->hub->limits.write_ms * (uint64_t)1000;
}

static uint64_t session_due(const struct conn *conn) {
    if (conn->protocol == CONN_H2) return h2_session_due(conn->h2);
    if (conn->protocol == CONN_H1) return h1_session_due(conn->h1);
    return NO_DEADLINE;
}

static void on_timeout(struct timeout *timeout, struct turn *turn) {
    struct conn *conn = (struct conn *)((char *)timeout - offsetof(struct conn, timeout));
    uint64_t now = conn->hub->now_us;
    if (first_words_due(conn) <= now) {
        conn->hub->stats.connections_refused++;
        conn->over = true;
    }
    if (write_due(conn) <= now) conn->over = true;
    if (conn->protocol == CONN_H2 && session_due(conn) <= now) h2_session_late(conn->h2, turn);
    if (conn->protocol == CONN_H1 && session_due(conn) <= now) h1_session_late(conn->h1, turn);
    if (conn->sent == conn->out.size) buffer_free(&conn->out), conn->sent = 0;
    uint64_t due = first_words_due(conn);
    if (write_due(conn) < due) due = write_due(conn);
    if (session_due(conn) < due) due = session_due(conn);
    if (due != NO_DEADLINE && due > now) conn_due(conn, due);
    conn_touch(conn, turn);
}

/* --- drain -------------------------------------------------------------------------------- */
void conn_notice(struct conn *conn) {
    if (conn->protocol == CONN_H2) h2_session_notice(conn->h2);
}

void conn_drain(struct conn *conn) {
    if (conn->protocol == CONN_H2)
        h2_session_drain(conn->h2);
    else if (conn->protocol == CONN_H1)
        h1_session_drain(conn->h1);
    else
        conn->over = true; /* has said nothing yet */
}
