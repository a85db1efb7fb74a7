/* tls: OpenSSL keeps errors in a queue of the thread: it is emptied before each call, so that an old error is not
 * taken for a new one. */
#include "adapters/edge/tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>

#include "runtime/memory.h"

static enum status fail(const char *what, const char *path, char *text, size_t size) {
    char reason[128];
    ERR_error_string_n(ERR_peek_last_error(), reason, sizeof reason);
    snprintf(text, size, "%s %s: %s", what, path, reason);
    ERR_clear_error();
    return STATUS_INVALID;
}

static int choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_size,
                           const unsigned char *offered, unsigned offered_size, void *context) {
    static const unsigned char ours[] = "\x02h2\x08http/1.1";
    (void)ssl, (void)context;
    int result = SSL_select_next_proto((unsigned char **)out, out_size, ours, sizeof ours - 1,
                                       offered, offered_size);
    return result == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

static void set_up(SSL_CTX *context) {
    static const unsigned char id[] = "vectron";
    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                     SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                  SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_alpn_select_cb(context, choose_protocol, NULL);
    SSL_CTX_set_session_id_context(context, id, sizeof id - 1);
}

/* An SSL_CTX counts its users itself: it is what a struct tls is. */
static SSL_CTX *context_of(struct tls *tls) {
    return (SSL_CTX *)tls;
}
static SSL *ssl_of(const struct tls_link *link) {
    return (SSL *)link;
}

enum status tls_open(const char *certificate, const char *key, char *text, size_t size,
                     struct tls **out) {
    ERR_clear_error();
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    enum status status = STATUS_OK;
    if (!context) return STATUS_NO_MEMORY;
    set_up(context);
    if (SSL_CTX_use_certificate_chain_file(context, certificate) != 1)
        status = fail("certificate", certificate, text, size);
    else if (!key || SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1)
        status = fail("key", key ? key : "(none)", text, size);
    else if (SSL_CTX_check_private_key(context) != 1) status = fail("key", key, text, size);
    if (status != STATUS_OK) SSL_CTX_free(context);
    else *out = (struct tls *)context;
    return status;
}

void tls_close(struct tls *tls) {
    SSL_CTX_free(context_of(tls));
}

struct tls_link *tls_link_new(struct tls *tls, int fd) {
    ERR_clear_error();
    SSL *ssl = SSL_new(context_of(tls));
    if (!ssl) return NULL;
    if (SSL_set_fd(ssl, fd) != 1) {
        SSL_free(ssl);
        return NULL;
    }
    SSL_set_accept_state(ssl);
    return (struct tls_link *)ssl;
}

void tls_link_free(struct tls_link *link) {
    SSL_free(ssl_of(link));
}

static enum tls_result result_of(const struct tls_link *link, int returned) {
    switch (SSL_get_error(ssl_of(link), returned)) {
    case SSL_ERROR_NONE: return TLS_OK;
    case SSL_ERROR_WANT_READ: return TLS_AGAIN_READ;
    case SSL_ERROR_WANT_WRITE: return TLS_AGAIN_WRITE;
    default: ERR_clear_error(); return TLS_CLOSED;
    }
}

enum tls_result tls_handshake(struct tls_link *link) {
    ERR_clear_error();
    return result_of(link, SSL_do_handshake(ssl_of(link)));
}

enum conn_protocol tls_protocol(const struct tls_link *link) {
    const unsigned char *name = NULL;
    unsigned size = 0;
    SSL_get0_alpn_selected(ssl_of(link), &name, &size);
    if (size == 0) return CONN_UNKNOWN;
    return size == 2 ? CONN_H2 : CONN_H1;
}

enum tls_result tls_read(struct tls_link *link, void *data, size_t size, size_t *out) {
    ERR_clear_error();
    *out = 0;
    return result_of(link, SSL_read_ex(ssl_of(link), data, size, out));
}

enum tls_result tls_write(struct tls_link *link, const void *data, size_t size, size_t *out) {
    ERR_clear_error();
    *out = 0;
    return result_of(link, SSL_write_ex(ssl_of(link), data, size, out));
}

bool tls_pending(const struct tls_link *link) {
    return SSL_has_pending(ssl_of(link)) != 0;
}

void tls_bye(struct tls_link *link) {
    ERR_clear_error();
    SSL_shutdown(ssl_of(link));
    ERR_clear_error();
}
