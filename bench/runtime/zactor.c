/* zactor: CZMQ's actor, a thread with a pipe; messages of two frames as zmsg. Without CZMQ there
 * are no rows. */
#include "bench/runtime/measure.h"

#ifdef HAVE_CZMQ
#include <czmq.h>

#include "runtime/assert.h"
#include "runtime/memory.h"

static const char filling[2 * BODY];

static void send_message(void *pipe) {
    zmsg_t *message = zmsg_new();
    zmsg_addmem(message, filling, BODY);
    zmsg_addmem(message, filling, BODY);
    zmsg_send(&message, pipe);
}

/* Receives until $TERM; a message of two frames counts. A count of 0 makes it echo. */
static void sink(zsock_t *pipe, void *context) {
    uint64_t left = *(const uint64_t *)context;
    bool echo = left == 0;
    measure_pin(1);
    zsock_signal(pipe, 0);
    for (;;) {
        zmsg_t *message = zmsg_recv(pipe);
        if (!message || zmsg_size(message) < 2) {
            zmsg_destroy(&message);
            return;
        }
        zmsg_destroy(&message);
        if (echo)
            send_message(pipe);
        else if (--left == 0)
            zsock_signal(pipe, 0);
    }
}

double zactor_pipe(const struct load *load) {
    uint64_t messages = load->messages;
    zactor_t *actor = zactor_new(sink, &messages);
    measure_pin(0);
    uint64_t began = measure_now_ns();
    for (uint64_t i = 0; i < messages; i++)
        send_message(actor);
    zsock_wait(actor);
    uint64_t ns = measure_now_ns() - began;
    measure_pin(-1);
    zactor_destroy(&actor);
    return (double)messages * 1e9 / (double)ns;
}

/* The usual shape of an actor that others reach, too: a mailbox beside the pipe. */
static void polling_sink(zsock_t *pipe, void *context) {
    uint64_t left = *(const uint64_t *)context;
    zsock_t *mailbox = zsock_new_pull("@inproc://mailbox");
    zpoller_t *poller = zpoller_new(pipe, mailbox, NULL);
    measure_pin(1);
    zsock_signal(pipe, 0);
    for (;;) {
        void *from = zpoller_wait(poller, -1);
        if (from != mailbox) break;
        zmsg_t *message = zmsg_recv(mailbox);
        zmsg_destroy(&message);
        if (--left == 0) zsock_signal(pipe, 0);
    }
    zpoller_destroy(&poller);
    zsock_destroy(&mailbox);
}

double zactor_poller(const struct load *load) {
    uint64_t messages = load->messages / 8; /* it is slow */
    zactor_t *actor = zactor_new(polling_sink, &messages);
    zsock_t *push = zsock_new_push(">inproc://mailbox");
    measure_pin(0);
    uint64_t began = measure_now_ns();
    for (uint64_t i = 0; i < messages; i++)
        send_message(push);
    zsock_wait(actor);
    uint64_t ns = measure_now_ns() - began;
    measure_pin(-1);
    zsock_destroy(&push);
    zactor_destroy(&actor);
    return (double)messages * 1e9 / (double)ns;
}

/* One round trip to load.actors of them. */
static void ask_all(zactor_t **actors, uint32_t n) {
    for (uint32_t i = 0; i < n; i++)
        send_message(actors[i]);
    for (uint32_t i = 0; i < n; i++) {
        zmsg_t *message = zmsg_recv(actors[i]);
        zmsg_destroy(&message);
    }
}

double zactor_rtt(const struct load *load) {
    uint64_t none = 0;
    uint32_t n = load->actors ? load->actors : 1;
    uint64_t *ns = mem_zero(load->messages, sizeof *ns);
    zactor_t **actors = mem_zero(n, sizeof *actors);
    assert(ns && actors);
    for (uint32_t i = 0; i < n; i++)
        actors[i] = zactor_new(sink, &none);
    measure_pin(0);
    for (uint64_t i = 0; i < load->messages; i++) {
        uint64_t began = measure_now_ns();
        ask_all(actors, n);
        ns[i] = measure_now_ns() - began;
    }
    measure_pin(-1);
    for (uint32_t i = 0; i < n; i++)
        zactor_destroy(&actors[i]);
    double us = measure_us(ns, load->messages, load->percentile);
    mem_free(ns);
    mem_free(actors);
    return us;
}

/* --- idle ones
 * ------------------------------------------------------------------------------------ */

static void idle(zsock_t *pipe, void *context) {
    (void)context;
    zsock_signal(pipe, 0);
    char *word = zstr_recv(pipe);
    zstr_free(&word);
}

void zactor_crowd(uint32_t n, struct crowd *out) {
    zactor_t **actors = mem_zero(n, sizeof *actors);
    assert(actors);
    zsys_set_max_sockets(0);
    zactor_t *first = zactor_new(idle, NULL); /* what all share is there */
    double bytes = measure_rss_bytes(), files = measure_files();
    uint64_t began = measure_now_ns();
    for (uint32_t i = 0; i < n; i++)
        actors[i] = zactor_new(idle, NULL);
    out->us = (double)(measure_now_ns() - began) / 1000 / n;
    out->bytes = (measure_rss_bytes() - bytes) / n;
    out->files = (measure_files() - files) / n;
    for (uint32_t i = 0; i < n; i++)
        zactor_destroy(&actors[i]);
    zactor_destroy(&first);
    mem_free(actors);
}

static struct crowd of(const struct load *load) {
    struct crowd crowd = {0};
    measure_crowd("zactor", load->actors < 1000 ? load->actors : 1000, &crowd);
    return crowd;
}

double zactor_bytes(const struct load *load) {
    return of(load).bytes;
}

double zactor_files(const struct load *load) {
    return of(load).files;
}

double zactor_spawn(const struct load *load) {
    return of(load).us;
}
#else
#define NONE(name) \
    double name(const struct load *load) { \
        (void)load; \
        return 0; \
    }
NONE(zactor_pipe)
NONE(zactor_poller)
NONE(zactor_rtt)
NONE(zactor_bytes)
NONE(zactor_files)
NONE(zactor_spawn)

void zactor_crowd(uint32_t n, struct crowd *out) {
    (void)n, (void)out;
}
#endif
