/* guard: see the header. The handler for ZAP is a REP at a fixed inproc name, so there is one in a
 * ZeroMQ context. It is bound before the listener is: libzmq lets everybody in where there is no
 * handler. guard_admits would find such a peer without a user id, and not let it speak. */
#include "runtime/guard.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "runtime/assert.h"
#include "runtime/memory.h"
#include "runtime/zap.h"

enum {
    ZAP_BURST = 64, /* questions answered at once */
    FAILURES = ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL | ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL |
               ZMQ_EVENT_HANDSHAKE_FAILED_AUTH,
};

/* --- life --- */

enum status guard_open(struct guard *guard, struct keyring *keyring) {
    guard->keyring = keyring;
    if (!keyring) return STATUS_OK;
    void *zap = zmq_socket(guard->zmq_context, ZMQ_REP);
    if (!zap) return STATUS_NO_MEMORY;
    int none = 0;
    zmq_setsockopt(zap, ZMQ_LINGER, &none, sizeof none);
    guard->zap_bell = (struct doorbell){.kind = DOORBELL_ZAP, .socket = zap};
    enum status s = zmq_bind(zap, ZAP_ENDPOINT) == 0 ? STATUS_OK : STATUS_EXISTS;
    return s == STATUS_OK ? doorbell_add(guard->bells, &guard->zap_bell) : s;
}

static void close_bell(struct guard *guard, struct doorbell *bell) {
    void *socket = bell->socket;
    doorbell_remove(guard->bells, bell);
    if (socket) zmq_close(socket);
}

void guard_close(struct guard *guard) {
    close_bell(guard, &guard->monitor_bell);
    close_bell(guard, &guard->zap_bell);
    keyring_free(guard->keyring);
    guard->keyring = NULL;
}

enum keyring_change guard_renew(struct guard *guard, struct keyring *fresh) {
    enum keyring_change change =
        guard->keyring ? keyring_adopt(guard->keyring, fresh) : KEYRING_SAME;
    keyring_free(fresh);
    return change;
}

/* --- reporting --- */

static void report(struct guard *guard, const struct rebuff *what, uint64_t now_us) {
    const struct rebuff *row = rebuffs_add(&guard->rebuffs, what, now_us);
    if (!row || !guard->tell) return;
    struct buffer words;
    buffer_init(&words);
    rebuff_words(row, guard->keyring, &words);
    buffer_append(&words, "", 1);
    if (!words.failed) guard->tell(guard->node, (const char *)words.data);
    buffer_free(&words);
}

static void refuse(struct guard *guard,
                   const struct guard_attempt *attempt,
                   enum rebuff_cause cause,
                   bool curve) {
    struct rebuff what = {.cause = cause, .curve = curve};
    snprintf(what.address, sizeof what.address, "%s", attempt->address);
    report(guard, &what, attempt->now_us);
}

/* --- sockets --- */

static void set(void *socket, int option, const void *value, size_t size) {
    int rc = zmq_setsockopt(socket, option, value, size);
    assert(rc == 0); /* keys were judged when they were read */
}

enum status guard_listen(struct guard *guard, void *socket, const char *address) {
    if (!endpoint_is_tcp(address)) return STATUS_OK;
    if (!guard->keyring)
        return endpoint_is_open(address) && !guard->insecure ? STATUS_DENIED : STATUS_OK;
    int on = 1;
    guard->curve = true;
    set(socket, ZMQ_CURVE_SERVER, &on, sizeof on);
    set(socket, ZMQ_CURVE_SECRETKEY, keyring_secret(guard->keyring), KEY_TEXT + 1);
    set(socket, ZMQ_ZAP_DOMAIN, ZAP_DOMAIN, strlen(ZAP_DOMAIN));
    return STATUS_OK;
}

void *guard_monitor(void *zmq_context, void *socket, const char *endpoint, int events) {
    int none = 0; /* for the high water mark: no bound. ZeroMQ's own thread would wait at it. */
    if (zmq_socket_monitor(socket, endpoint, events) != 0) return NULL;
    void *monitor = zmq_socket(zmq_context, ZMQ_PAIR);
    if (!monitor) return NULL;
    set(monitor, ZMQ_LINGER, &none, sizeof none);
    set(monitor, ZMQ_RCVHWM, &none, sizeof none);
    if (zmq_connect(monitor, endpoint) == 0) return monitor;
    zmq_close(monitor);
    return NULL;
}

void guard_address(const struct guard *guard, const char *bound, char out[ENDPOINT_MAX + 1]) {
    size_t scheme = strlen("tcp://");
    if (guard->curve)
        snprintf(out, ENDPOINT_MAX + 1, "tcp://%s@%s", keyring_name(guard->keyring),
                 bound + scheme);
    else
        snprintf(out, ENDPOINT_MAX + 1, "%s", bound);
}

enum status guard_watch(struct guard *guard, void *socket) {
    char name[64]; /* one that nobody else has in this context */
    uint64_t session;
    if (getrandom(&session, sizeof session, 0) != sizeof session) return STATUS_IO;
    snprintf(name, sizeof name, "inproc://link-listener-%" PRIx64, session);
    void *monitor = guard_monitor(guard->zmq_context, socket, name, FAILURES);
    if (!monitor) return STATUS_NO_MEMORY;
    guard->monitor_bell = (struct doorbell){.kind = DOORBELL_LISTENER, .socket = monitor};
    return doorbell_add(guard->bells, &guard->monitor_bell);
}

enum status
guard_connect(struct guard *guard, const struct guard_attempt *attempt, char key[KEY_TEXT + 1]) {
    char name[KEYRING_NAME_MAX + 1];
    if (!endpoint_name(attempt->address, name)) return STATUS_INVALID;
    if (!name[0]) {
        key[0] = 0;
        bool fine = !endpoint_is_open(attempt->address) || guard->insecure;
        if (!fine) refuse(guard, attempt, REBUFF_OPEN, false);
        return fine ? STATUS_OK : STATUS_DENIED;
    }
    const struct keyring *keyring = guard->keyring;
    const char *whose = keyring && key[0] ? keyring_who(keyring, key) : NULL;
    if (!whose || strcmp(whose, name) != 0) {
        const char *there = keyring ? keyring_key(keyring, name, attempt->nth) : NULL;
        snprintf(key, KEY_TEXT + 1, "%s", there ? there : "");
    }
    if (!key[0]) {
        refuse(guard, attempt, REBUFF_UNKNOWN, true);
        return STATUS_DENIED;
    }
    set(attempt->socket, ZMQ_CURVE_SERVERKEY, key, KEY_TEXT + 1);
    set(attempt->socket, ZMQ_CURVE_PUBLICKEY, keyring_public(keyring), KEY_TEXT + 1);
    set(attempt->socket, ZMQ_CURVE_SECRETKEY, keyring_secret(keyring), KEY_TEXT + 1);
    return STATUS_OK;
}

/* --- who may come in --- */

bool guard_allows(const struct guard *guard, const char *key) {
    return !key[0] || (guard->keyring && keyring_who(guard->keyring, key));
}

bool guard_same_node(const struct guard *guard, const char *key, const char *other) {
    if (strcmp(key, other) == 0) return true;
    const char *a = guard->keyring ? keyring_who(guard->keyring, key) : NULL;
    const char *b = a ? keyring_who(guard->keyring, other) : NULL;
    return b && strcmp(a, b) == 0;
}

bool guard_admits(const struct guard *guard, zmq_msg_t *message, char key[KEY_TEXT + 1]) {
    key[0] = 0;
    if (!guard->curve) return true;
    const char *user = zmq_msg_gets(message, "User-Id");
    if (!user || strlen(user) != KEY_TEXT) return false;
    memcpy(key, user, KEY_TEXT + 1);
    return guard_allows(guard, key);
}

/* All frames of a question, at most ZAP_FRAMES kept; false: there is none. */
static bool receive(void *socket, zmq_msg_t messages[ZAP_FRAMES], size_t *n) {
    *n = 0;
    for (bool more = true; more; ++*n) {
        zmq_msg_t rest;
        zmq_msg_t *part = *n < ZAP_FRAMES ? &messages[*n] : &rest;
        zmq_msg_init(part);
        if (zmq_msg_recv(part, socket, ZMQ_DONTWAIT) < 0) {
            zmq_msg_close(part);
            return false;
        }
        more = zmq_msg_more(part);
        if (part == &rest) zmq_msg_close(part);
    }
    return true;
}

static void judge(struct guard *guard, zmq_msg_t *messages, size_t n, uint64_t now_us) {
    struct zap_frame frames[ZAP_FRAMES], answer[ZAP_ANSWER_FRAMES];
    for (size_t i = 0; i < n && i < ZAP_FRAMES; i++)
        frames[i] = (struct zap_frame){zmq_msg_data(&messages[i]), zmq_msg_size(&messages[i])};
    struct zap_request request;
    bool sound = zap_read(frames, n, &request, NULL) == STATUS_OK;
    bool allowed = sound && keyring_who(guard->keyring, request.key);
    if (sound && !allowed) {
        struct rebuff what = {.incoming = true, .cause = REBUFF_KEY, .curve = true};
        memcpy(what.address, request.address, sizeof request.address);
        memcpy(what.key, request.key, sizeof what.key);
        report(guard, &what, now_us);
    }
    zap_answer(n > 1 ? &frames[1] : &(struct zap_frame){"", 0}, allowed ? request.key : NULL,
               answer);
    for (size_t i = 0; i < ZAP_ANSWER_FRAMES; i++) {
        int more = i + 1 < ZAP_ANSWER_FRAMES ? ZMQ_SNDMORE : 0;
        zmq_send(guard->zap_bell.socket, answer[i].data, answer[i].size, more | ZMQ_DONTWAIT);
    }
}

bool guard_zap(struct guard *guard, uint64_t now_us) {
    zmq_msg_t messages[ZAP_FRAMES];
    size_t n;
    for (int i = 0; i < ZAP_BURST; i++) {
        bool asked = receive(guard->zap_bell.socket, messages, &n);
        if (asked) judge(guard, messages, n, now_us);
        for (size_t j = 0; j < n && j < ZAP_FRAMES; j++)
            zmq_msg_close(&messages[j]);
        if (!asked) return true;
    }
    return false;
}

/* --- monitors --- */

bool guard_event(void *monitor, struct guard_event *out) {
    zmq_msg_t part;
    zmq_msg_init(&part);
    bool there = zmq_msg_recv(&part, monitor, ZMQ_DONTWAIT) >= 0;
    if (there) {
        /* Number and value, not aligned; then, in a second frame, an address. */
        const char *data = zmq_msg_data(&part);
        assert(zmq_msg_size(&part) == 6);
        memcpy(&out->event, data, 2);
        memcpy(&out->value, data + 2, 4);
        while (zmq_msg_more(&part) && zmq_msg_recv(&part, monitor, ZMQ_DONTWAIT) >= 0) {
        }
    }
    zmq_msg_close(&part);
    return there;
}

/* False: it is no failed handshake. */
static bool cause_of(const struct guard_event *event, enum rebuff_cause *out) {
    switch (event->event) {
    case ZMQ_EVENT_HANDSHAKE_FAILED_AUTH:
        *out = REBUFF_KEY;
        return true;
    case ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL:
        *out = REBUFF_BROKEN;
        return true;
    case ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL:
        *out = event->value == ZMQ_PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH ? REBUFF_MECHANISM
               : event->value == ZMQ_PROTOCOL_ERROR_ZMTP_CRYPTOGRAPHIC    ? REBUFF_CRYPTO
                                                                          : REBUFF_BROKEN;
        return true;
    default:
        return false;
    }
}

void guard_look(struct guard *guard, uint64_t now_us) {
    struct guard_event event;
    while (guard_event(guard->monitor_bell.socket, &event)) {
        struct rebuff what = {.incoming = true, .curve = guard->curve};
        /* A key that is not allowed was reported when ZAP asked, with the peer's address. */
        if (cause_of(&event, &what.cause) && what.cause != REBUFF_KEY) report(guard, &what, now_us);
    }
}

bool guard_failed(struct guard *guard,
                  const struct guard_event *event,
                  const struct guard_attempt *attempt,
                  const char *key) {
    enum rebuff_cause cause;
    if (!cause_of(event, &cause)) return false;
    refuse(guard, attempt, cause, key[0]);
    return cause != REBUFF_BROKEN || key[0];
}
