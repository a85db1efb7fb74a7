/* endpoint: what ZeroMQ leaves to us about addresses: the rights of an ipc socket, and whose it is.
 */
#include "runtime/endpoint.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <zmq.h>

static const char IPC[] = "ipc://", TCP[] = "tcp://";

static bool starts(const char *text, const char *with) {
    return strncmp(text, with, strlen(with)) == 0;
}

static bool well_formed(const char *address) {
    return strnlen(address, ENDPOINT_MAX + 1) <= ENDPOINT_MAX &&
           (starts(address, IPC) || starts(address, TCP));
}

/* Of a tcp address: behind the scheme and the name. */
static const char *host_of(const char *address) {
    const char *host = address + sizeof TCP - 1, *at = strchr(host, '@');
    return at ? at + 1 : host;
}

bool endpoint_name(const char *address, char name[KEYRING_NAME_MAX + 1]) {
    name[0] = 0;
    if (!starts(address, TCP)) return true;
    const char *from = address + sizeof TCP - 1, *host = host_of(address);
    if (host == from) return true;
    size_t size = (size_t)(host - from) - 1;
    if (!keyring_name_fits(from, size)) return false;
    memcpy(name, from, size);
    name[size] = 0;
    return true;
}

bool endpoint_is_tcp(const char *address) {
    return starts(address, TCP);
}

bool endpoint_is_open(const char *address) {
    if (!starts(address, TCP)) return false;
    const char *host = host_of(address);
    bool local = starts(host, "127.") || starts(host, "localhost:") || starts(host, "[::1]:");
    return !local && strchr(host, ':'); /* without a port it is malformed */
}

/* The socket's path; NULL for tcp, for a wildcard, and for Linux's abstract names, which have no
 * file. */
static const char *file_of(const char *address) {
    if (!starts(address, IPC)) return NULL;
    const char *path = address + sizeof IPC - 1;
    return *path == '*' || *path == '@' ? NULL : path;
}

/* Somebody answers there: a socket file alone may be a dead process's. */
static bool is_served(const char *path) {
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof name.sun_path) return false;
    memcpy(name.sun_path, path, strlen(path));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return false;
    bool served = connect(fd, (const struct sockaddr *)&name, sizeof name) == 0;
    close(fd);
    return served;
}

static enum status make_folder(const char *path) {
    char folder[ENDPOINT_MAX + 1];
    const char *slash = strrchr(path, '/');
    if (!slash || slash == path) return STATUS_OK;
    snprintf(folder, sizeof folder, "%.*s", (int)(slash - path), path);
    return mkdir(folder, 0700) == 0 || errno == EEXIST ? STATUS_OK : STATUS_IO;
}

static enum status status_of(int error) {
    switch (error) {
    case EADDRINUSE:
        return STATUS_EXISTS;
    case ENOMEM:
        return STATUS_NO_MEMORY;
    case EINVAL:
    case ENODEV: /* a host name that is no address of ours */
    case EPROTONOSUPPORT:
    case ENAMETOOLONG:
        return STATUS_INVALID;
    default:
        return STATUS_IO;
    }
}

/* The socket listens only after the chmod could matter: connecting needs the right to write, which
 * the usual umask gives to nobody else. */
enum status endpoint_bind(void *socket, const char *address, char *bound, size_t size) {
    if (!well_formed(address)) return STATUS_INVALID;
    const char *path = file_of(address);
    if (path) {
        if (is_served(path)) return STATUS_EXISTS;
        enum status s = make_folder(path);
        if (s != STATUS_OK) return s;
    }
    int ipv6 = strchr(address, '[') != NULL;
    zmq_setsockopt(socket, ZMQ_IPV6, &ipv6, sizeof ipv6);
    if (zmq_bind(socket, address) != 0) return status_of(zmq_errno());
    if (path && chmod(path, 0600) != 0) return STATUS_IO;
    return zmq_getsockopt(socket, ZMQ_LAST_ENDPOINT, bound, &size) == 0 ? STATUS_OK : STATUS_IO;
}

enum status endpoint_connect(void *socket, const char *address) {
    if (!well_formed(address)) return STATUS_INVALID;
    int ipv6 = strchr(address, '[') != NULL;
    zmq_setsockopt(socket, ZMQ_IPV6, &ipv6, sizeof ipv6);
    char plain[ENDPOINT_MAX + 1];
    if (starts(address, TCP))
        snprintf(plain, sizeof plain, "%s%s", TCP, host_of(address));
    else
        snprintf(plain, sizeof plain, "%s", address);
    return zmq_connect(socket, plain) == 0 ? STATUS_OK : status_of(zmq_errno());
}
