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

double zactor_rtt(const struct load *load) {
    uint64_t none = 0;
    uint64_t *ns = mem_zero(load->messages, sizeof *ns);
    assert(ns);
    zactor_t *actor = zactor_new(sink, &none);
    measure_pin(0);
    for (uint64_t i = 0; i < load->messages; i++) {
        uint64_t began = measure_now_ns();
        send_message(actor);
        zmsg_t *message = zmsg_recv(actor);
        zmsg_destroy(&message);
        ns[i] = measure_now_ns() - began;
    }
    measure_pin(-1);
    zactor_destroy(&actor);
    double p50 = measure_p50_us(ns, load->messages);
    mem_free(ns);
    return p50;
}
#else
double zactor_pipe(const struct load *load) {
    (void)load;
    return 0;
}

double zactor_rtt(const struct load *load) {
    (void)load;
    return 0;
}
#endif
