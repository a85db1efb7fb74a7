/* serve: the main thread waits for signals and for the actor's word that all is over. */
#include "cli/supervise/serve.h"

#include <curl/curl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/address.h"
#include "cli/command.h"
#include "cli/keys.h"
#include "cli/paths.h"
#include "cli/second_signal.h"
#include "cli/supervise/supervisor.h"
#include "runtime/log.h"
#include "runtime/node.h"
#include "schemas/supervisor.pb-c.h"

enum { POLL_MS = 50, RUNNING = -1, ASK_MS = 5000, STOP_MS = 3600 * 1000 };

struct serving {
    const struct config *config;
    struct node *node;
    _Atomic int code;    /* RUNNING, then the exit code */
    atomic_bool reloads; /* the keys are to be read again */
};

static void reload(void *context) {
    struct serving *serving = context;
    atomic_store(&serving->reloads, true);
}

static void over(void *context, int code) {
    struct serving *serving = context;
    atomic_store(&serving->code, code);
}

const char *supervise_program(void) {
    static char path[PATH_MAX];
    ssize_t size = readlink("/proc/self/exe", path, sizeof path - 1);
    path[size > 0 ? size : 0] = 0;
    return path;
}

/* What fails shows when the link is bound. */
static void make_socket_folder(const char *address) {
    char folder[ADDRESS_MAX];
    if (strncmp(address, "ipc://", 6) != 0) return;
    snprintf(folder, sizeof folder, "%s", address + 6);
    char *slash = strrchr(folder, '/');
    if (!slash || slash == folder) return;
    *slash = 0;
    paths_make(folder);
}

static int open_node(const struct config *config, const char *link, struct node **out) {
    struct keyring *keyring;
    char address[ADDRESS_MAX];
    int code = keys_load(config, &keyring);
    if (code != EXIT_OK) return code;
    address_link(link, false, address);
    make_socket_folder(address);
    struct node_options options = {
        .name = "supervisor",
        .io_lanes = 1,
        .compute_lanes = 1,
        .blocking = 4,
        .link = *address ? address : NULL,
        .keyring = keyring,
        .insecure = config_on(config, "VECTRON_INSECURE"),
    };
    if (node_open(&options, out) == STATUS_OK) return EXIT_OK;
    return command_fail("%s", node_error());
}

static void tell(struct serving *serving, const ProtobufCMessage *message, uint64_t ms) {
    char text[256] = "";
    struct node_call call = {.name = "supervisor",
                             .message = message,
                             .timeout_ms = ms,
                             .text = text,
                             .text_size = sizeof text};
    ProtobufCMessage *reply = NULL;
    enum status s = node_call(serving->node, &call, &reply);
    if (s == STATUS_OK)
        node_reply_free(reply);
    else if (atomic_load(&serving->code) == RUNNING)
        log_error("supervisor: %s %s", status_name(s), text);
}

static int serve(struct serving *serving, const sigset_t *signals) {
    const struct timespec poll = {.tv_nsec = POLL_MS * 1000000};
    SupervisorStop stop = SUPERVISOR_STOP__INIT;
    SupervisorReload again = SUPERVISOR_RELOAD__INIT;
    while (atomic_load(&serving->code) == RUNNING) {
        int number = sigtimedwait(signals, NULL, &poll);
        if (number == SIGHUP) tell(serving, &again.base, ASK_MS);
        if (atomic_exchange(&serving->reloads, false)) keys_reload(serving->config, serving->node);
        if (number != SIGTERM && number != SIGINT) continue;
        second_signal_take(signals);
        tell(serving, &stop.base, STOP_MS);
        while (atomic_load(&serving->code) == RUNNING)
            nanosleep(&poll, NULL);
    }
    return atomic_load(&serving->code);
}

int supervise_serve(const struct config *config, const struct cluster *cluster, const char *file) {
    struct serving serving = {.config = config, .code = RUNNING};
    struct supervisor_options options = {
        .cluster = cluster,
        .file = file,
        .program = supervise_program(),
        .over = over,
        .reload = reload,
        .context = &serving,
    };
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    curl_global_init(CURL_GLOBAL_DEFAULT); /* before there are threads */
    int code = open_node(config, cluster->link, &serving.node);
    if (code != EXIT_OK) return code;
    struct spawn spawn = {.type = &supervisor_type,
                          .name = "supervisor",
                          .options = &options,
                          .restart = RESTART_TEMPORARY};
    actor_handle handle;
    if (node_spawn(serving.node, &spawn, &handle) == STATUS_OK)
        code = serve(&serving, &signals);
    else
        code = command_fail("%s", node_error());
    node_close(serving.node);
    curl_global_cleanup();
    return code;
}
