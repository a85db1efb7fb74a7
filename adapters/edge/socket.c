/* socket: events are hints only; what read and write say counts.
 *
 *   HANDSHAKE ──▶ OPEN ──finished──▶ LINGERING ──client closed, or CONN_LINGER_MS──▶ gone
 *
 * Lingering: our side is shut, the client's bytes are read and thrown away. Closing at once would
 * answer them with a reset, which may overtake our last words on the way to the client. */
#include "adapters/edge/socket.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "runtime/memory.h"

enum { READS_MAX = 8, WRITES_MAX = 16 }; /* a turn: the others wait */

enum socket_state { SOCKET_HANDSHAKE, SOCKET_OPEN, SOCKET_LINGERING };

struct socket {
    struct socket_owner *owner;
    struct socket *next, *prev; /* of owner->sockets */
    struct socket *again_next;
    bool again;
    enum socket_state state;
    int fd;                /* owned */
    struct tls_link *link; /* owned; NULL: plain text */
    struct conn *conn;     /* owned until LINGERING */
    uint32_t events;       /* watched */
    bool write_blocked;
    bool handshake_writes; /* TLS wants to write before it can read */
    bool half_closed;      /* the client has shut its side: seen, and not to be told again */
    struct timeout linger;
};

enum io { IO_OK, IO_AGAIN, IO_CLOSED };

/* --- bytes -------------------------------------------------------------------------------- */
static enum io io_of(struct socket *socket, enum tls_result result) {
    socket->handshake_writes = result == TLS_AGAIN_WRITE;
    if (result == TLS_OK) return IO_OK;
    return result == TLS_CLOSED ? IO_CLOSED : IO_AGAIN;
}

static enum io read_some(struct socket *socket, size_t *out) {
    unsigned char *input = socket->owner->input;
    if (socket->link) return io_of(socket, tls_read(socket->link, input, SOCKET_INPUT, out));
    ssize_t n = recv(socket->fd, input, SOCKET_INPUT, 0);
    *out = n > 0 ? (size_t)n : 0;
    if (n > 0) return IO_OK;
    return n < 0 && (errno == EAGAIN || errno == EINTR) ? IO_AGAIN : IO_CLOSED;
}

static enum io write_some(struct socket *socket, const void *data, size_t size, size_t *out) {
    if (socket->link) return io_of(socket, tls_write(socket->link, data, size, out));
    ssize_t n = send(socket->fd, data, size, MSG_NOSIGNAL);
    *out = n > 0 ? (size_t)n : 0;
    if (n > 0) return IO_OK;
    return n < 0 && (errno == EAGAIN || errno == EINTR) ? IO_AGAIN : IO_CLOSED;
}

/* --- life --------------------------------------------------------------------------------- */
static void leave_again(struct socket *socket) {
    struct socket **at = &socket->owner->again;
    while (*at && *at != socket)
        at = &(*at)->again_next;
    if (*at) *at = socket->again_next;
}

/* turn NULL: the edge stops. */
static void destroy(struct socket *socket, struct turn *turn) {
    struct socket_owner *owner = socket->owner;
    if (socket->conn) conn_free(socket->conn, turn);
    timeouts_clear(&owner->hub->timeouts, &socket->linger);
    if (socket->again) leave_again(socket);
    if (turn) turn_unwatch(turn, socket->fd);
    tls_link_free(socket->link);
    close(socket->fd);
    if (socket->next) socket->next->prev = socket->prev;
    if (socket->prev)
        socket->prev->next = socket->next;
    else
        owner->sockets = socket->next;
    owner->n_sockets--;
    mem_free(socket);
    if (turn) owner->gone(owner, turn);
}

static void on_linger(struct timeout *timeout, struct turn *turn) {
    destroy((struct socket *)((char *)timeout - offsetof(struct socket, linger)), turn);
}

static bool watch(struct socket *socket, uint32_t events, struct turn *turn) {
    if (events == socket->events) return true;
    socket->events = events;
    return turn_watch(turn, socket->fd, events, socket->owner->ready, socket) == STATUS_OK;
}

static uint32_t wanted_events(const struct socket *socket) {
    uint32_t events = socket->half_closed ? 0 : EPOLLRDHUP;
    if (socket->write_blocked || socket->handshake_writes) events |= EPOLLOUT;
    if (socket->state != SOCKET_OPEN || conn_wants_input(socket->conn)) events |= EPOLLIN;
    return events;
}

enum status socket_open(struct socket_owner *owner, int fd, struct tls *tls, struct turn *turn) {
    struct socket *socket = mem_zero(1, sizeof *socket);
    if (!socket) {
        close(fd);
        return STATUS_NO_MEMORY;
    }
    socket->owner = owner;
    socket->fd = fd;
    socket->linger.run = on_linger;
    socket->state = tls ? SOCKET_HANDSHAKE : SOCKET_OPEN;
    socket->next = owner->sockets;
    if (owner->sockets) owner->sockets->prev = socket;
    owner->sockets = socket;
    owner->n_sockets++;
    enum status status = conn_new(owner->hub, tls != NULL, &socket->conn);
    if (status == STATUS_OK) {
        socket->conn->shell = socket;
        if (tls) socket->link = tls_link_new(tls, fd);
        bool ready = (!tls || socket->link) && watch(socket, EPOLLIN | EPOLLRDHUP, turn);
        if (!ready) status = STATUS_NO_MEMORY;
    }
    if (status != STATUS_OK) destroy(socket, turn);
    return status;
}

void socket_close_all(struct socket_owner *owner) {
    while (owner->sockets)
        destroy(owner->sockets, NULL);
}

/* --- output ------------------------------------------------------------------------------- */
static void linger(struct socket *socket, struct turn *turn) {
    struct hub *hub = socket->owner->hub;
    bool abrupt = socket->conn->over || socket->state == SOCKET_HANDSHAKE;
    if (abrupt || !timeouts_reserve(&hub->timeouts, hub->timeouts.n + 1)) {
        destroy(socket, turn);
        return;
    }
    if (socket->link) tls_bye(socket->link);
    shutdown(socket->fd, SHUT_WR);
    socket->state = SOCKET_LINGERING;
    socket->write_blocked = socket->handshake_writes = false;
    timeouts_set(&hub->timeouts, &socket->linger, hub->now_us + CONN_LINGER_MS * (uint64_t)1000);
    struct conn *conn = socket->conn;
    socket->conn = NULL;
    conn_free(conn, turn);
    if (!watch(socket, wanted_events(socket), turn)) destroy(socket, turn);
}

/* No descriptor tells of bytes that TLS has read ahead. */
static void read_later(struct socket *socket, struct turn *turn) {
    struct socket_owner *owner = socket->owner;
    if (!socket->link || socket->again || !conn_wants_input(socket->conn)) return;
    if (!tls_pending(socket->link)) return;
    bool first = !owner->again;
    socket->again = true;
    socket->again_next = owner->again;
    owner->again = socket;
    if (first) owner->wake(owner, turn);
}

void socket_flush(struct socket *socket, struct turn *turn) {
    if (socket->state == SOCKET_LINGERING) return;
    struct conn *conn = socket->conn;
    enum io io = IO_OK;
    unsigned writes = 0;
    for (; writes < WRITES_MAX && io == IO_OK && socket->state == SOCKET_OPEN; writes++) {
        size_t size = 0, n = 0;
        const void *data = conn_output(conn, &size, turn);
        if (size == 0) break;
        io = write_some(socket, data, size, &n);
        if (n) conn_wrote(conn, n);
    }
    if (io == IO_CLOSED) {
        destroy(socket, turn);
    } else if (conn_finished(conn)) {
        linger(socket, turn);
    } else {
        /* At the bound there may be more to say: the event that lets us go on comes at once. */
        socket->write_blocked = io == IO_AGAIN || writes == WRITES_MAX;
        if (!watch(socket, wanted_events(socket), turn))
            destroy(socket, turn);
        else if (socket->state == SOCKET_OPEN)
            read_later(socket, turn);
    }
}

/* --- input -------------------------------------------------------------------------------- */
/* False: the socket is gone. */
static bool shake_hands(struct socket *socket, struct turn *turn) {
    enum io io = io_of(socket, tls_handshake(socket->link));
    if (io == IO_CLOSED) {
        socket->owner->hub->stats.connections_refused++;
        destroy(socket, turn);
        return false;
    }
    if (io == IO_OK) {
        socket->state = SOCKET_OPEN;
        conn_handshaken(socket->conn, tls_protocol(socket->link));
    }
    return true;
}

static void throw_away(struct socket *socket, struct turn *turn) {
    enum io io = IO_OK;
    for (unsigned i = 0; i < READS_MAX && io == IO_OK; i++) {
        ssize_t got = recv(socket->fd, socket->owner->input, SOCKET_INPUT, 0);
        io = got > 0 ? IO_OK : got < 0 && errno == EAGAIN ? IO_AGAIN : IO_CLOSED;
    }
    if (io == IO_CLOSED) destroy(socket, turn);
}

/* While a request is answered nothing is read, but its client may leave. True: it has. */
static bool client_left(struct socket *socket, uint32_t events) {
    char byte;
    if (events & (EPOLLHUP | EPOLLERR)) return true;
    if (!(events & EPOLLRDHUP)) return false;
    ssize_t n = recv(socket->fd, &byte, 1, MSG_PEEK);
    if (n < 0) return errno != EAGAIN && errno != EINTR;
    /* Bytes before the end: TLS's goodbye, or pipelined requests, which are still answered. Until
     * they are read epoll would tell of the end for ever. */
    if (n > 0 && !socket->link) socket->half_closed = true;
    return !socket->half_closed;
}

static enum io read_all(struct socket *socket, struct turn *turn) {
    enum io io = IO_OK;
    for (unsigned i = 0; i < READS_MAX && io == IO_OK && conn_wants_input(socket->conn); i++) {
        size_t n = 0;
        io = read_some(socket, &n);
        if (n) conn_input(socket->conn, socket->owner->input, n, turn);
        if (n < SOCKET_INPUT && !socket->link) break; /* the socket was empty */
    }
    return io;
}

void socket_ready(struct socket *socket, uint32_t events, struct turn *turn) {
    enum io io = IO_OK;
    if (socket->state == SOCKET_LINGERING) {
        throw_away(socket, turn);
        return;
    }
    if (socket->state == SOCKET_HANDSHAKE && !shake_hands(socket, turn)) return;
    if (socket->state == SOCKET_OPEN) {
        if (conn_wants_input(socket->conn))
            io = read_all(socket, turn);
        else if (client_left(socket, events))
            io = IO_CLOSED;
    }
    if (io == IO_CLOSED)
        destroy(socket, turn);
    else
        socket_flush(socket, turn);
}

void socket_read_again(struct socket_owner *owner, struct turn *turn) {
    struct socket *list = owner->again;
    owner->again = NULL;
    while (list) {
        struct socket *socket = list;
        list = socket->again_next;
        socket->again = false;
        socket_ready(socket, 0, turn); /* frees no other socket of the list */
    }
}
