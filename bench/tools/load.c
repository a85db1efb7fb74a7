/* vectron-load: a gRPC load generator on nghttp2, cheap enough to share two cores with the server.
 *
 *   vectron-load HOST PORT METHOD REQUESTS CONNECTIONS STREAMS SECONDS [REPLIES]
 *
 * REQUESTS holds messages, each behind a little-endian u32 length; they are sent round robin,
 * STREAMS at a time on each of CONNECTIONS. One thread, one epoll. With REPLIES the first reply of
 * each request is written there, in order of requests, in the same form. Prints one JSON line:
 *   {"requests","failed","seconds","qps","p50_us","p99_us","cpu_s"} */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <nghttp2/nghttp2.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "runtime/buffer.h"
#include "runtime/memory.h"

enum { REPLY_MAX = 64 << 20, LATENCIES_MAX = 4 << 20 };

struct message {
    unsigned char *data; /* with the five bytes of gRPC framing */
    size_t size;
    struct buffer reply; /* the first one, with framing */
    bool answered;
};

struct connection;
struct stream {
    struct connection *connection;
    struct message *message;
    size_t sent;
    uint64_t started_us;
    bool ok;          /* grpc-status 0 was seen */
    bool keeps_reply; /* this is the message's first answer */
};

struct connection {
    int fd;
    nghttp2_session *session;
    uint32_t streams;
};

static struct {
    const char *host, *method;
    struct message *messages;
    size_t n_messages, next;
    uint64_t done, failed;
    uint32_t *latencies_us;
    size_t n_latencies;
    uint64_t stop_us;
    bool wants_replies;
    uint32_t open;
} load;

static uint64_t now_us(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

_Noreturn static void die(const char *what) {
    fprintf(stderr, "vectron-load: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void read_messages(const char *path) {
    FILE *file = fopen(path, "rb");
    if (!file) die(path);
    uint32_t size;
    while (fread(&size, sizeof size, 1, file) == 1) {
        load.messages = mem_resize(load.messages, (load.n_messages + 1) * sizeof *load.messages);
        if (!load.messages) die("memory");
        struct message *message = &load.messages[load.n_messages++];
        *message = (struct message){.data = mem_alloc(size + 5u), .size = size + 5u};
        if (!message->data || fread(message->data + 5, 1, size, file) != size) die(path);
        message->data[0] = 0;
        uint32_t network = htonl(size);
        memcpy(message->data + 1, &network, 4);
    }
    fclose(file);
    if (load.n_messages == 0) die("no requests");
}

static void write_replies(const char *path) {
    FILE *file = fopen(path, "wb");
    if (!file) die(path);
    for (size_t i = 0; i < load.n_messages; i++) {
        const struct buffer *reply = &load.messages[i].reply;
        uint32_t size = reply->size > 5 ? (uint32_t)(reply->size - 5) : 0;
        if (fwrite(&size, sizeof size, 1, file) != 1) die(path);
        if (size && fwrite(reply->data + 5, 1, size, file) != size) die(path);
    }
    if (fclose(file) != 0) die(path);
}

static ssize_t on_body(nghttp2_session *session,
                       int32_t id,
                       uint8_t *out,
                       size_t room,
                       uint32_t *flags,
                       nghttp2_data_source *source,
                       void *context) {
    (void)session, (void)id, (void)context;
    struct stream *stream = source->ptr;
    size_t left = stream->message->size - stream->sent;
    size_t n = left < room ? left : room;
    memcpy(out, stream->message->data + stream->sent, n);
    stream->sent += n;
    if (stream->sent == stream->message->size) *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)n;
}

#define HEADER(name, value) \
    { \
        (uint8_t *)(uintptr_t)(name), (uint8_t *)(uintptr_t)(value), strlen(name), strlen(value), \
            NGHTTP2_NV_FLAG_NONE \
    }

static void start_stream(struct connection *connection, struct stream *stream) {
    struct message *message = &load.messages[load.next++ % load.n_messages];
    *stream = (struct stream){.connection = connection, .message = message};
    stream->keeps_reply = load.wants_replies && !message->answered;
    message->answered = true;
    stream->started_us = now_us();
    nghttp2_nv headers[] = {
        HEADER(":method", "POST"),    HEADER(":scheme", "http"),
        HEADER(":path", load.method), HEADER(":authority", load.host),
        HEADER("te", "trailers"),     HEADER("content-type", "application/grpc"),
    };
    nghttp2_data_provider body = {.source.ptr = stream, .read_callback = on_body};
    if (nghttp2_submit_request(connection->session, NULL, headers, sizeof headers / sizeof *headers,
                               &body, stream) < 0)
        die("submit");
    load.open++;
}

static int on_header(nghttp2_session *session,
                     const nghttp2_frame *frame,
                     const uint8_t *name,
                     size_t name_size,
                     const uint8_t *value,
                     size_t value_size,
                     uint8_t flags,
                     void *context) {
    (void)flags, (void)context;
    struct stream *stream = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    if (stream && name_size == 11 && memcmp(name, "grpc-status", 11) == 0)
        stream->ok = value_size == 1 && value[0] == '0';
    return 0;
}

static int on_data(nghttp2_session *session,
                   uint8_t flags,
                   int32_t id,
                   const uint8_t *data,
                   size_t size,
                   void *context) {
    (void)flags, (void)context;
    struct stream *stream = nghttp2_session_get_stream_user_data(session, id);
    if (stream && stream->keeps_reply && stream->message->reply.size + size < REPLY_MAX)
        buffer_append(&stream->message->reply, data, size);
    return 0;
}

static int on_close(nghttp2_session *session, int32_t id, uint32_t error, void *context) {
    (void)context;
    struct stream *stream = nghttp2_session_get_stream_user_data(session, id);
    if (!stream) return 0;
    uint64_t now = now_us();
    load.open--;
    load.done++;
    if (error != 0 || !stream->ok) load.failed++;
    if (load.n_latencies < LATENCIES_MAX)
        load.latencies_us[load.n_latencies++] = (uint32_t)(now - stream->started_us);
    bool more = now < load.stop_us || (load.wants_replies && load.next < load.n_messages);
    if (more) start_stream(stream->connection, stream);
    return 0;
}

static void open_connection(struct connection *connection, int port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    if (inet_pton(AF_INET, load.host, &address.sin_addr) != 1) die(load.host);
    connection->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connection->fd < 0 ||
        connect(connection->fd, (struct sockaddr *)&address, sizeof address) != 0)
        die("connect");
    int one = 1;
    setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    fcntl(connection->fd, F_SETFL, O_NONBLOCK);
    nghttp2_session_callbacks *callbacks;
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
    nghttp2_session_client_new(&connection->session, callbacks, connection);
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_settings_entry window[] = {{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 16 << 20}};
    nghttp2_submit_settings(connection->session, NGHTTP2_FLAG_NONE, window, 1);
    nghttp2_session_set_local_window_size(connection->session, NGHTTP2_FLAG_NONE, 0, 64 << 20);
}

/* Sends what the session has; blocking by poll on a full socket is fine for a load generator. */
static void flush(struct connection *connection) {
    const uint8_t *data;
    ssize_t n;
    while ((n = nghttp2_session_mem_send(connection->session, &data)) > 0) {
        for (ssize_t sent = 0; sent < n;) {
            ssize_t wrote = send(connection->fd, data + sent, (size_t)(n - sent), MSG_NOSIGNAL);
            if (wrote >= 0)
                sent += wrote;
            else if (errno != EAGAIN && errno != EINTR)
                die("send");
        }
    }
}

static void receive(struct connection *connection) {
    static unsigned char chunk[256 << 10];
    ssize_t n;
    while ((n = recv(connection->fd, chunk, sizeof chunk, 0)) > 0) {
        if (nghttp2_session_mem_recv(connection->session, chunk, (size_t)n) < 0) die("frames");
        if ((size_t)n < sizeof chunk) break;
    }
    if (n == 0) {
        errno = ECONNRESET;
        die("the server closed the connection");
    }
    if (n < 0 && errno != EAGAIN && errno != EINTR) die("recv");
}

static int by_value(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static void report(double seconds) {
    qsort(load.latencies_us, load.n_latencies, sizeof *load.latencies_us, by_value);
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    double cpu = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                 (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
    printf("{\"requests\":%" PRIu64 ",\"failed\":%" PRIu64 ",\"seconds\":%.3f,\"qps\":%.1f,"
           "\"p50_us\":%" PRIu32 ",\"p99_us\":%" PRIu32 ",\"cpu_s\":%.3f}\n",
           load.done, load.failed, seconds, (double)load.done / seconds,
           load.latencies_us[load.n_latencies / 2], load.latencies_us[load.n_latencies * 99 / 100],
           cpu);
}

int main(int argc, char **argv) {
    if (argc < 8) {
        fprintf(stderr, "usage: vectron-load HOST PORT METHOD REQUESTS CONNECTIONS STREAMS "
                        "SECONDS [REPLIES]\n");
        return 2;
    }
    load.host = argv[1];
    load.method = argv[3];
    read_messages(argv[4]);
    int n_connections = atoi(argv[5]), n_streams = atoi(argv[6]);
    load.wants_replies = argc > 8;
    load.latencies_us = mem_alloc(LATENCIES_MAX * sizeof *load.latencies_us);
    struct connection *connections = mem_zero((size_t)n_connections, sizeof *connections);
    struct stream *streams = mem_zero((size_t)(n_connections * n_streams), sizeof *streams);
    int epoll = epoll_create1(0);
    if (!load.latencies_us || !connections || !streams || epoll < 0) die("start");

    uint64_t started = now_us();
    load.stop_us = started + (uint64_t)(atof(argv[7]) * 1e6);
    for (int c = 0; c < n_connections; c++) {
        open_connection(&connections[c], atoi(argv[2]));
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = &connections[c]};
        epoll_ctl(epoll, EPOLL_CTL_ADD, connections[c].fd, &event);
        for (int s = 0; s < n_streams; s++)
            start_stream(&connections[c], &streams[c * n_streams + s]);
        flush(&connections[c]);
    }
    while (load.open > 0) {
        struct epoll_event events[64];
        int n = epoll_wait(epoll, events, 64, 60000);
        if (n == 0) {
            errno = ETIMEDOUT;
            die("the server stopped answering");
        }
        for (int i = 0; i < n; i++) {
            receive(events[i].data.ptr);
            flush(events[i].data.ptr);
        }
    }
    report((double)(now_us() - started) / 1e6);
    if (load.wants_replies) write_replies(argv[8]);
    return load.failed ? 1 : 0;
}
