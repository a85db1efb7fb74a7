/* race_keys: two nodes linked with keys; threads call across while others renew the allowed keys
 * and read what sys tells of them, and strangers knock. Seconds as the argument. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <zmq.h>

#include "runtime/assert.h"
#include "runtime/keyring.h"
#include "runtime/log.h"
#include "runtime/node.h"
#include "schemas/sys.pb-c.h"

#ifdef __SANITIZE_THREAD__
/* libzmq and its cipher synchronise in code that the sanitizer does not see. */
const char *__tsan_default_suppressions(void);
const char *__tsan_default_suppressions(void) {
    return "called_from_lib:libzmq.so\nrace:libzmq.so\ncalled_from_lib:libsodium.so\nrace:libsodium.so\n";
}
#endif

enum { CALLERS = 3 };

struct keys {
    char public[KEY_TEXT + 1], secret[KEY_TEXT + 1];
};

static struct keys near_keys, far_keys, other_keys;
static struct node *near, *far;
static atomic_bool over;
static _Atomic unsigned answered, refused, renewed;

static struct keyring *keyring_of(const char *name, const struct keys *keys, const char *allowed) {
    char own[256], list[256];
    struct keyring *keyring = NULL;
    struct buffer why;
    buffer_init(&why);
    snprintf(own, sizeof own, "name %s\npublic %s\nsecret %s\n", name, keys->public, keys->secret);
    snprintf(list, sizeof list, "%s", allowed);
    enum status s = keyring_read(own, list, &keyring, &why);
    assert(s == STATUS_OK);
    buffer_free(&why);
    return keyring;
}

static struct keyring *far_ring(bool near_allowed) {
    char allowed[128];
    const struct keys *keys = near_allowed ? &near_keys : &other_keys;
    snprintf(allowed, sizeof allowed, "near %s\n", keys->public);
    return keyring_of("far", &far_keys, allowed);
}

static struct node *open_node(const char *name, const char *link, struct keyring *keyring) {
    struct node *node = NULL;
    struct node_options options = {
        .name = name, .link = link, .io_lanes = 2, .compute_lanes = 1, .keyring = keyring};
    enum status s = node_open(&options, &node);
    assert(s == STATUS_OK);
    return node;
}

static void *call_on(void *context) {
    (void)context;
    while (!atomic_load(&over)) {
        SysAsk question = SYS_ASK__INIT;
        ProtobufCMessage *reply = NULL;
        struct node_call call = {
            .address = node_link(far), .name = "sys", .message = &question.base, .timeout_ms = 500};
        enum status s = node_call(near, &call, &reply);
        atomic_fetch_add(s == STATUS_OK ? &answered : &refused, 1);
        node_reply_free(reply);
    }
    return NULL;
}

static void *renew_on(void *context) {
    (void)context;
    for (unsigned i = 0; !atomic_load(&over); i++) {
        node_renew_keys(far, far_ring(i % 4 != 3));
        atomic_fetch_add(&renewed, 1);
        nanosleep(&(struct timespec){.tv_nsec = 100 * 1000000}, NULL);
    }
    return NULL;
}

int main(int argc, char **argv) {
    int seconds = argc > 1 ? atoi(argv[1]) : 2;
    pthread_t threads[CALLERS + 1];
    log_set(LOG_ERROR, false);
    int rc = zmq_curve_keypair(near_keys.public, near_keys.secret) |
             zmq_curve_keypair(far_keys.public, far_keys.secret) |
             zmq_curve_keypair(other_keys.public, other_keys.secret);
    assert(rc == 0);
    char allowed[128];
    snprintf(allowed, sizeof allowed, "far %s\n", far_keys.public);
    far = open_node("far", "tcp://127.0.0.1:*", far_ring(true));
    near = open_node("near", NULL, keyring_of("near", &near_keys, allowed));
    for (int i = 0; i < CALLERS; i++)
        pthread_create(&threads[i], NULL, call_on, NULL);
    pthread_create(&threads[CALLERS], NULL, renew_on, NULL);
    nanosleep(&(struct timespec){.tv_sec = seconds}, NULL);
    atomic_store(&over, true);
    for (int i = 0; i <= CALLERS; i++)
        pthread_join(threads[i], NULL);
    node_close(near);
    node_close(far);
    printf("%u calls answered, %u refused, keys renewed %u times\n", atomic_load(&answered),
           atomic_load(&refused), atomic_load(&renewed));
    assert(atomic_load(&answered) > 0 && atomic_load(&refused) > 0);
    return 0;
}
