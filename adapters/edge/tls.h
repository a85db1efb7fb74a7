/* tls: a certificate with its key, and connections made with it. TLS 1.2 and 1.3; ALPN prefers h2 (gRPC's C core
 * refuses a server without it). The only file that knows OpenSSL. */
#ifndef EDGE_TLS_H
#define EDGE_TLS_H

#include <stddef.h>

#include "adapters/edge/conn.h"

struct tls;      /* a certificate: counted by its connections, so it can be replaced at any time */
struct tls_link; /* one connection's */

/* INVALID with words in text: files that cannot be read, a key of another certificate. */
MUST_USE enum status tls_open(const char *certificate, const char *key, char *text, size_t size,
                              struct tls **out);
void tls_close(struct tls *tls); /* NULL is fine */

/* A server's side on a connected, non-blocking socket. NULL: no memory. */
struct tls_link *tls_link_new(struct tls *tls, int fd);
void tls_link_free(struct tls_link *link); /* NULL is fine */

enum tls_result {
    TLS_OK,
    TLS_AGAIN_READ,  /* when the socket can be read */
    TLS_AGAIN_WRITE, /* when it can be written */
    TLS_CLOSED,      /* by the peer, or broken */
};
enum tls_result tls_handshake(struct tls_link *link);
/* What ALPN chose; CONN_UNKNOWN: the client offered nothing. */
enum conn_protocol tls_protocol(const struct tls_link *link);
enum tls_result tls_read(struct tls_link *link, void *data, size_t size, size_t *out);
enum tls_result tls_write(struct tls_link *link, const void *data, size_t size, size_t *out);
/* Bytes that were read from the socket but not yet from the link: no descriptor tells of them. */
bool tls_pending(const struct tls_link *link);
/* Says goodbye; does not wait for the peer's. */
void tls_bye(struct tls_link *link);

#endif
