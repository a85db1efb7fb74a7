/* fault_shim: preloaded (LD_PRELOAD) into a process under test, makes ZeroMQ meaner than it is by
 * chance:
 *
 *   FAULT_EAGAIN_PPM=n   so many of a million sends that may not wait fail with EAGAIN
 *   FAULT_SITE=k         only those of the kth place in the program that sends (from 0); how many
 *                        there are is printed at the end
 *   FAULT_HWM=n          every socket has this high-water mark
 *
 * Only first frames fail: once ZeroMQ took one it takes the rest of the message. */
#include <dlfcn.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

enum { SITES_MAX = 64, PPM = 1000000 };

static _Atomic(void *) sites[SITES_MAX];
static atomic_uint forced;

static long setting(const char *name, long fallback) {
    const char *text = getenv(name);
    return text && *text ? strtol(text, NULL, 10) : fallback;
}

static void *real(const char *name) {
    return dlsym(RTLD_NEXT, name);
}

/* The number of a place that sends. */
static long site_of(void *caller) {
    for (long i = 0; i < SITES_MAX; i++) {
        void *known = atomic_load(&sites[i]);
        if (known == caller) return i;
        if (!known && atomic_compare_exchange_strong(&sites[i], &known, caller)) return i;
        if (known == caller) return i;
    }
    return -1;
}

static bool fails(void *caller, int flags, bool inside) {
    static _Thread_local unsigned long state = 88172645463325252UL;
    long site = site_of(caller), ppm = setting("FAULT_EAGAIN_PPM", 0);
    long wanted = setting("FAULT_SITE", -1);
    if (inside || !(flags & ZMQ_DONTWAIT) || (wanted >= 0 && site != wanted)) return false;
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    if ((long)(state % PPM) >= ppm) return false;
    atomic_fetch_add(&forced, 1);
    errno = EAGAIN;
    return true;
}

/* Whether this thread is within a message of several frames. */
static _Thread_local bool inside;

int zmq_send(void *socket, const void *bytes, size_t size, int flags) {
    static int (*send)(void *, const void *, size_t, int);
    if (!send) *(void **)&send = real("zmq_send");
    if (fails(__builtin_return_address(0), flags, inside)) return -1;
    int rc = send(socket, bytes, size, flags);
    if (rc >= 0) inside = flags & ZMQ_SNDMORE;
    return rc;
}

int zmq_msg_send(zmq_msg_t *message, void *socket, int flags) {
    static int (*send)(zmq_msg_t *, void *, int);
    if (!send) *(void **)&send = real("zmq_msg_send");
    if (fails(__builtin_return_address(0), flags, inside)) return -1;
    int rc = send(message, socket, flags);
    if (rc >= 0) inside = flags & ZMQ_SNDMORE;
    return rc;
}

int zmq_setsockopt(void *socket, int option, const void *value, size_t size) {
    static int (*set)(void *, int, const void *, size_t);
    if (!set) *(void **)&set = real("zmq_setsockopt");
    int hwm = (int)setting("FAULT_HWM", 0);
    bool mark = option == ZMQ_SNDHWM || option == ZMQ_RCVHWM;
    return mark && hwm > 0 ? set(socket, option, &hwm, sizeof hwm)
                           : set(socket, option, value, size);
}

__attribute__((destructor)) static void tell(void) {
    long n = 0;
    while (n < SITES_MAX && atomic_load(&sites[n]))
        n++;
    fprintf(stderr, "fault_shim: %ld sites, %u forced\n", n, atomic_load(&forced));
}
