/* listener: SO_REUSEPORT lets any process of the same user join an address unnoticed. So the first
 * socket of this process binds without it, which fails when the address is taken, and turns it on
 * afterwards; only the others of this process bind with it. The table below knows who is first. */
#include "adapters/edge/listener.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "runtime/assert.h"

enum { BACKLOG = 1024, SHARED_MAX = 64, HOST_MAX = 96 };

static pthread_mutex_t shared_lock = PTHREAD_MUTEX_INITIALIZER;
static struct shared {
    char address[LISTENER_ADDRESS_MAX]; /* as bound; "" = free */
    uint32_t users;
} shared[SHARED_MAX];

/* With the lock. NULL: not there (or, for "", no room). */
static struct shared *find(const char *address) {
    for (size_t i = 0; i < SHARED_MAX; i++)
        if (strcmp(shared[i].address, address) == 0) return &shared[i];
    return NULL;
}

/* "host:port", "[v6]:port", ":port". */
static bool split(const char *address, char host[HOST_MAX], const char **port) {
    const char *colon = strrchr(address, ':');
    if (!colon) return false;
    size_t size = (size_t)(colon - address);
    if (size >= 2 && address[0] == '[' && address[size - 1] == ']') address++, size -= 2;
    if (size >= HOST_MAX) return false;
    memcpy(host, address, size);
    host[size] = 0;
    *port = colon + 1;
    return true;
}

static void name_of(int fd, char out[LISTENER_ADDRESS_MAX]) {
    struct sockaddr_storage name;
    socklen_t size = sizeof name;
    char host[HOST_MAX] = "", port[16] = "";
    if (getsockname(fd, (struct sockaddr *)&name, &size) == 0)
        getnameinfo((struct sockaddr *)&name, size, host, sizeof host, port, sizeof port,
                    NI_NUMERICHOST | NI_NUMERICSERV);
    snprintf(out, LISTENER_ADDRESS_MAX, name.ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host,
             port);
}

static void turn_on(int fd, int option) {
    int one = 1;
    setsockopt(fd, SOL_SOCKET, option, &one, sizeof one);
}

/* With the lock. -1: errno. */
static int bind_and_listen(const struct addrinfo *info, struct listener *listener) {
    int fd = socket(info->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return -1;
    bool first = !find(listener->options->address);
    turn_on(fd, SO_REUSEADDR);
    if (!first) turn_on(fd, SO_REUSEPORT);
    if (bind(fd, info->ai_addr, info->ai_addrlen) != 0) goto fail;
    if (first) turn_on(fd, SO_REUSEPORT);
    if (listen(fd, BACKLOG) != 0) goto fail;
    return fd;

fail:;
    int reason = errno;
    close(fd);
    errno = reason;
    return -1;
}

/* With the lock. Addresses with port 0 are different ones each time. */
static void join(const struct listener *listener, const char *port) {
    const char *address = listener->options->address;
    struct shared *entry = find(address);
    if (strcmp(port, "0") == 0) return;
    if (!entry && (entry = find("")))
        snprintf(entry->address, sizeof entry->address, "%s", address);
    if (entry) entry->users++;
}

static void leave(const struct listener *listener) {
    pthread_mutex_lock(&shared_lock);
    struct shared *entry = find(listener->options->address);
    if (entry && --entry->users == 0) entry->address[0] = 0;
    pthread_mutex_unlock(&shared_lock);
}

static enum status listen_on(struct listener *listener, char *text, size_t size) {
    const char *address = listener->options->address, *port = NULL;
    char host[HOST_MAX];
    struct addrinfo hints = {
        .ai_family = AF_UNSPEC,
        .ai_socktype = SOCK_STREAM,
        .ai_flags = AI_PASSIVE | AI_NUMERICSERV,
    };
    struct addrinfo *info = NULL;
    if (strlen(address) >= LISTENER_ADDRESS_MAX || !split(address, host, &port)) {
        snprintf(text, size, "address %.100s is not host:port", address);
        return STATUS_INVALID;
    }
    int result = getaddrinfo(host[0] ? host : NULL, port, &hints, &info);
    if (result != 0) {
        snprintf(text, size, "address %s: %s", address, gai_strerror(result));
        return STATUS_INVALID;
    }
    pthread_mutex_lock(&shared_lock);
    listener->fd = bind_and_listen(info, listener);
    int reason = errno;
    if (listener->fd >= 0) join(listener, port);
    pthread_mutex_unlock(&shared_lock);
    freeaddrinfo(info);
    if (listener->fd < 0) {
        snprintf(text, size, "cannot listen on %s: %s", address, strerror(reason));
        return STATUS_IO;
    }
    name_of(listener->fd, listener->address);
    return STATUS_OK;
}

enum status listener_open(struct listener *listener,
                          const struct edge_listener_options *options,
                          char *text,
                          size_t size) {
    *listener = (struct listener){.fd = -1, .options = options};
    enum status status = STATUS_OK;
    if (options->certificate)
        status = tls_open(options->certificate, options->key, text, size, &listener->tls);
    if (status == STATUS_OK) status = listen_on(listener, text, size);
    if (status != STATUS_OK) listener_close(listener);
    return status;
}

void listener_stop(struct listener *listener) {
    if (listener->fd < 0) return;
    close(listener->fd);
    listener->fd = -1;
    leave(listener);
}

void listener_close(struct listener *listener) {
    listener_stop(listener);
    tls_close(listener->tls);
    listener->tls = NULL;
}

int listener_accept(const struct listener *listener) {
    int one = 1;
    int fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return fd;
}
