/* vectron-floor: the least a server could do: the index behind a socket and nothing between.
 *
 *   vectron-floor REPLY_BYTES [BASE QUERIES DIMENSION METRIC K EF]
 *
 * A thread a core, connections dealt to them in turn, an epoll each: a request is read, searched
 * for where it was read and answered with one write. It speaks as much HTTP/2 as vectron-load needs
 * to hear: frames are counted, not understood, and the answer was written at the start: headers, a
 * message of REPLY_BYTES, trailers. Queries are those of the file, round robin. Without an index it
 * answers at once: what the kernel alone costs. So what a service adds above it is the service's,
 * and what it adds to the index in process is the machine's. With VECTRON_SPIN=1 a thread looks up
 * to 50 us for the next request before it sleeps, as the lanes of a server do. Prints "listening
 * PORT". */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "baseline.h"
#include "runtime/memory.h"

enum {
    PREFACE = 24,
    FRAME_HEADER = 9,
    STREAM_AT = 5, /* in a frame's header */
    FRAME_DATA = 0,
    FRAME_HEADERS = 1,
    FRAME_SETTINGS = 4,
    FLAG_END_STREAM = 1, /* of SETTINGS: acknowledged */
    FLAG_END_HEADERS = 4,
    INPUT_MAX = 128 << 10,
    OUTPUT_MAX = 256 << 10,
    ANSWER_FRAMES = 3,
    EVENTS_MAX = 64,
    LANES_MAX = 64,
    SPIN_NS = 50 * 1000,
};

struct conn {
    int fd;
    bool greeted;
    size_t n;
    unsigned char input[INPUT_MAX];
};

static struct {
    unsigned char bytes[INPUT_MAX];
    size_t size;
    size_t streams[ANSWER_FRAMES]; /* where stream ids go */
} answer;

static struct {
    struct baseline baseline;
    bool searches;
    bool spins;
} floor_;

static struct lane {
    int epoll;
    struct index_reader *reader;
    size_t next;
    unsigned char output[OUTPUT_MAX];
} lanes[LANES_MAX];

static void die(const char *what) {
    perror(what);
    exit(1);
}

/* --- the answer
 * ------------------------------------------------------------------------------------ */

static void put(const void *data, size_t size) {
    memcpy(answer.bytes + answer.size, data, size);
    answer.size += size;
}

static void put_frame(int nth, int type, int flags, size_t size) {
    unsigned char header[FRAME_HEADER] = {(unsigned char)(size >> 16), (unsigned char)(size >> 8),
                                          (unsigned char)size, (unsigned char)type,
                                          (unsigned char)flags};
    answer.streams[nth] = answer.size + STREAM_AT;
    put(header, sizeof header);
}

static void write_answer(uint32_t size) {
    /* HPACK: :status 200; content-type; grpc-status, none to be remembered */
    static const char headers[] = "\x88\x0f\x10\x10"
                                  "application/grpc";
    static const char trailers[] = "\x00\x0bgrpc-status\x01"
                                   "0";
    uint32_t network = htonl(size);
    put_frame(0, FRAME_HEADERS, FLAG_END_HEADERS, sizeof headers - 1);
    put(headers, sizeof headers - 1);
    put_frame(1, FRAME_DATA, 0, size + 5);
    put("", 1);
    put(&network, sizeof network);
    memset(answer.bytes + answer.size, 0, size);
    answer.size += size;
    put_frame(2, FRAME_HEADERS, FLAG_END_STREAM | FLAG_END_HEADERS, sizeof trailers - 1);
    put(trailers, sizeof trailers - 1);
}

/* --- a connection
 * ---------------------------------------------------------------------------------- */

static size_t take_request(struct lane *lane, const unsigned char *stream, unsigned char *out) {
    uint64_t numbers[INDEX_K_MAX];
    if (floor_.searches)
        baseline_search(&floor_.baseline, lane->reader, lane->next++ % floor_.baseline.n_queries,
                        numbers);
    memcpy(out, answer.bytes, answer.size);
    for (int i = 0; i < ANSWER_FRAMES; i++)
        memcpy(out + answer.streams[i], stream, 4);
    return answer.size;
}

static size_t take_frame(struct lane *lane, const unsigned char *frame, unsigned char *out) {
    static const unsigned char acknowledged[] = {0, 0, 0, FRAME_SETTINGS, 1, 0, 0, 0, 0};
    int type = frame[3], flags = frame[4];
    if (type == FRAME_DATA && flags & FLAG_END_STREAM)
        return take_request(lane, frame + STREAM_AT, out);
    if (type != FRAME_SETTINGS || flags & FLAG_END_STREAM) return 0;
    memcpy(out, acknowledged, sizeof acknowledged);
    return sizeof acknowledged;
}

static void take_input(struct lane *lane, struct conn *conn) {
    size_t at = conn->greeted ? 0 : PREFACE, out = 0;
    if (conn->n < at) return;
    conn->greeted = true;
    while (conn->n - at >= FRAME_HEADER && out + answer.size < OUTPUT_MAX) {
        const unsigned char *frame = conn->input + at;
        size_t size = (size_t)frame[0] << 16 | (size_t)frame[1] << 8 | frame[2];
        if (conn->n - at < FRAME_HEADER + size) break;
        out += take_frame(lane, frame, lane->output + out);
        at += FRAME_HEADER + size;
    }
    conn->n -= at;
    memmove(conn->input, conn->input + at, conn->n);
    if (out > 0 && send(conn->fd, lane->output, out, MSG_NOSIGNAL) != (ssize_t)out) die("send");
}

static int64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int next_events(const struct lane *lane, struct epoll_event *events) {
    int n = 0;
    for (int64_t until = floor_.spins ? now_ns() + SPIN_NS : 0; n == 0 && now_ns() < until;)
        n = epoll_wait(lane->epoll, events, EVENTS_MAX, 0);
    return n ? n : epoll_wait(lane->epoll, events, EVENTS_MAX, -1);
}

static void *serve(void *context) {
    struct lane *lane = context;
    if (floor_.searches) lane->reader = baseline_reader();
    for (;;) {
        struct epoll_event events[EVENTS_MAX];
        int n = next_events(lane, events);
        for (int i = 0; i < n; i++) {
            struct conn *conn = events[i].data.ptr;
            ssize_t got = recv(conn->fd, conn->input + conn->n, sizeof conn->input - conn->n, 0);
            if (got > 0) {
                conn->n += (size_t)got;
                take_input(lane, conn);
            } else if (got == 0 || errno != EAGAIN) {
                close(conn->fd);
                mem_free(conn);
            }
        }
    }
    return NULL;
}

/* --- start
 * ----------------------------------------------------------------------------------------- */

static void add_conn(int fd, struct lane *lane) {
    /* our settings, none; and a window for the connection that lasts */
    static const unsigned char hello[] = {0, 0, 0, FRAME_SETTINGS, 0, 0, 0, 0, 0, 0, 0, 4, 8, 0, 0,
                                          0, 0, 0, 0x7f,           0, 0, 0};
    int one = 1;
    struct conn *conn = mem_zero(1, sizeof *conn);
    if (!conn) die("memory");
    conn->fd = fd;
    fcntl(fd, F_SETFL, O_NONBLOCK);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (send(fd, hello, sizeof hello, MSG_NOSIGNAL) != sizeof hello) die("send");
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = conn};
    if (epoll_ctl(lane->epoll, EPOLL_CTL_ADD, fd, &event) != 0) die("epoll");
}

static int listen_somewhere(void) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, size) != 0 || listen(fd, SOMAXCONN) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &size) != 0)
        die("listen");
    printf("listening %d\n", ntohs(address.sin_port));
    fflush(stdout);
    return fd;
}

int main(int argc, char **argv) {
    if (argc != 2 && argc != 8) {
        fprintf(stderr, "usage: vectron-floor REPLY_BYTES [BASE QUERIES DIMENSION METRIC K EF]\n");
        return 2;
    }
    write_answer((uint32_t)atoi(argv[1]));
    floor_.searches = argc > 2;
    const char *spin = getenv("VECTRON_SPIN");
    floor_.spins = spin && strcmp(spin, "1") == 0;
    if (floor_.searches) baseline_open(&floor_.baseline, argv + 2);
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    size_t n = cores < 1 ? 1 : cores > LANES_MAX ? LANES_MAX : (size_t)cores;
    for (size_t i = 0; i < n; i++) {
        pthread_t thread;
        lanes[i].epoll = epoll_create1(0);
        if (lanes[i].epoll < 0 || pthread_create(&thread, NULL, serve, &lanes[i]) != 0)
            die("start");
    }
    int listener = listen_somewhere();
    for (size_t i = 0;; i++) {
        int fd = accept(listener, NULL, NULL);
        if (fd < 0) die("accept");
        add_conn(fd, &lanes[i % n]);
    }
}
