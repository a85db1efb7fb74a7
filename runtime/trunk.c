/* trunk: ZeroMQ's sharp edges obeyed (runtime.md 5): its descriptor is a doorbell, so a receiver
 * stops only on EAGAIN; a sender that met a full pipe asks for ZMQ_EVENTS, else it goes on seeing
 * it full for a while. */
#include "runtime/trunk.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <zmq.h>

#include "runtime/assert.h"
#include "runtime/batch.h"
#include "runtime/memory.h"

enum { ENDPOINT_SIZE = 64 };

/* libzmq is not built with ThreadSanitizer, which therefore does not see that what a sender wrote
 * happened before its receiver reads it. */
#ifdef __SANITIZE_THREAD__
#include <sanitizer/tsan_interface.h>
static void tell_sanitizer_sent(struct parcel *batch) {
    if (batch) __tsan_release(batch);
}
static void tell_sanitizer_received(struct parcel *batch) {
    if (batch) __tsan_acquire(batch);
}
#else
static void tell_sanitizer_sent(struct parcel *batch) {
    (void)batch;
}
static void tell_sanitizer_received(struct parcel *batch) {
    (void)batch;
}
#endif

/* Several nodes may share one context, and a closed one's sockets take a moment to vanish. */
static void endpoint_of(const struct trunks *trunks, uint32_t lane, char text[ENDPOINT_SIZE]) {
    snprintf(text, ENDPOINT_SIZE, "inproc://vectron-%" PRIu64 "-lane-%u", trunks->number, lane);
}

static void *open_socket(void *context, int type) {
    void *socket = zmq_socket(context, type);
    if (!socket) return NULL;
    int batches = TRUNK_BATCHES / 2; /* of inproc: the sum of both ends */
    int linger = 0;
    zmq_setsockopt(socket, ZMQ_SNDHWM, &batches, sizeof batches);
    zmq_setsockopt(socket, ZMQ_RCVHWM, &batches, sizeof batches);
    zmq_setsockopt(socket, ZMQ_LINGER, &linger, sizeof linger);
    return socket;
}

/* --- receiving
 * ------------------------------------------------------------------------------------- */

enum status trunks_open(struct trunks *trunks, void *context, uint32_t n) {
    static _Atomic uint64_t last;
    *trunks = (struct trunks){.context = context, .number = ++last};
    trunks->in = mem_zero(n, sizeof(void *));
    if (!trunks->in) return STATUS_NO_MEMORY;
    for (; trunks->n < n; trunks->n++) {
        char endpoint[ENDPOINT_SIZE];
        endpoint_of(trunks, trunks->n, endpoint);
        void *socket = open_socket(context, ZMQ_PULL);
        if (!socket) return STATUS_QUOTA;
        trunks->in[trunks->n] = socket;
        int rc = zmq_bind(socket, endpoint);
        assert(rc == 0);
    }
    return STATUS_OK;
}

bool trunks_take(struct trunks *trunks, uint32_t lane, struct parcel **batch) {
    int size = zmq_recv(trunks->in[lane], batch, sizeof *batch, ZMQ_DONTWAIT);
    if (size < 0) {
        assert(errno == EAGAIN || errno == EINTR || errno == ETERM);
        return false;
    }
    assert(size == sizeof *batch);
    tell_sanitizer_received(*batch);
    return true;
}

int trunks_fd(const struct trunks *trunks, uint32_t lane) {
    int fd = -1;
    size_t size = sizeof fd;
    int rc = zmq_getsockopt(trunks->in[lane], ZMQ_FD, &fd, &size);
    assert(rc == 0);
    return fd;
}

static void
refuse_batches(struct parcel *batch, void (*refuse)(void *, struct parcel *), void *node) {
    while (batch) {
        struct parcel *next = batch->next;
        struct parcel *parcel;
        size_t at = 0;
        while ((parcel = batch_next(batch, &at)))
            refuse(node, parcel);
        parcel_free(batch);
        batch = next;
    }
}

void trunks_close(struct trunks *trunks, void (*refuse)(void *, struct parcel *), void *node) {
    for (uint32_t i = 0; i < trunks->n; i++) {
        struct parcel *batch = NULL;
        while (trunks_take(trunks, i, &batch))
            refuse_batches(batch, refuse, node);
        zmq_close(trunks->in[i]);
    }
    mem_free(trunks->in);
    *trunks = (struct trunks){0};
}

/* --- sending
 * --------------------------------------------------------------------------------------- */

enum status trunk_open(struct trunk *trunk, const struct trunks *trunks) {
    *trunk = (struct trunk){0};
    trunk->boxes = mem_zero(trunks->n, sizeof(struct outbox));
    if (!trunk->boxes) return STATUS_NO_MEMORY;
    for (; trunk->n < trunks->n; trunk->n++) {
        char endpoint[ENDPOINT_SIZE];
        endpoint_of(trunks, trunk->n, endpoint);
        void *socket = open_socket(trunks->context, ZMQ_PUSH);
        if (!socket) return STATUS_QUOTA;
        trunk->boxes[trunk->n].push = socket;
        int rc = zmq_connect(socket, endpoint);
        assert(rc == 0);
    }
    return STATUS_OK;
}

void trunk_close(struct trunk *trunk, void (*refuse)(void *, struct parcel *), void *node) {
    for (uint32_t i = 0; i < trunk->n; i++) {
        refuse_batches(trunk->boxes[i].first, refuse, node);
        zmq_close(trunk->boxes[i].push);
    }
    mem_free(trunk->boxes);
    *trunk = (struct trunk){0};
}

static struct parcel *add_batch(struct outbox *box) {
    struct parcel *batch = batch_new();
    assert(batch);
    if (box->last)
        box->last->next = batch;
    else
        box->first = batch;
    box->last = batch;
    return batch;
}

bool trunk_put(struct trunk *trunk, uint32_t lane, struct parcel *parcel) {
    struct outbox *box = &trunk->boxes[lane];
    uint8_t kind = parcel->envelope.kind;
    bool refusable = kind == PARCEL_CAST || kind == PARCEL_CALL;
    if (box->count >= TRUNK_WAITING && refusable) return false;
    if (!box->last || !batch_put(box->last, parcel)) {
        bool put = batch_put(add_batch(box), parcel);
        assert(put);
    }
    box->count++;
    trunk->waiting++;
    return true;
}

/* Sends one pointer; false: the pipe is full. */
static bool send_pointer(void *push, struct parcel *batch) {
    tell_sanitizer_sent(batch);
    for (int i = 0; i < 2; i++) {
        if (zmq_send(push, &batch, sizeof batch, ZMQ_DONTWAIT) >= 0) return true;
        assert(errno == EAGAIN || errno == EINTR || errno == ETERM);
        int events = 0;
        size_t size = sizeof events;
        zmq_getsockopt(push, ZMQ_EVENTS, &events, &size);
    }
    return false;
}

bool trunk_flush(struct trunk *trunk) {
    if (trunk->waiting == 0) return true;
    bool all = true;
    for (uint32_t i = 0; i < trunk->n; i++) {
        struct outbox *box = &trunk->boxes[i];
        if (!box->first) continue;
        if (!send_pointer(box->push, box->first)) {
            all = false;
            continue;
        }
        trunk->waiting -= box->count;
        box->first = box->last = NULL;
        box->count = 0;
    }
    return all;
}

void trunk_end(struct trunk *trunk, uint32_t lane) {
    struct parcel *none = NULL;
    int rc = zmq_send(trunk->boxes[lane].push, &none, sizeof none, 0);
    assert(rc == (int)sizeof none);
}
