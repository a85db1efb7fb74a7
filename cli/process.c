/* process: everything a server process does besides its actors. Signals are blocked in every thread
 * and taken by the main thread, which has nothing else to do: nothing runs inside a signal handler
 * but the second stop. */
#include "cli/process.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "actors/role.h"
#include "cli/address.h"
#include "cli/exporter.h"
#include "cli/keys.h"
#include "cli/notify.h"
#include "cli/paths.h"
#include "cli/process_edge.h"
#include "cli/process_profile.h"
#include "cli/second_signal.h"
#include "runtime/flight.h"
#include "runtime/log.h"
#include "runtime/memory.h"
#include "runtime/node.h"
#include "runtime/watermark.h"
#include "schemas/sys.pb-c.h"

enum { POLL_MS = 200, BLOCKING_DEFAULT = 4, SOCKET_PATH_MAX = 100 /* sun_path has 108 bytes */ };

struct process {
    unsigned role;
    const char *name;
    struct config *config;
    const char *data_dir;
    bool insecure;
    int lock; /* -1: not held */
    struct node *node;
    struct role_storage *storage;
    struct exporter_settings *exporter; /* NULL: no receiver of spans */
    struct process_edge *edge;
    struct process_profile *profile; /* NULL: none is asked for */
    char link[ADDRESS_MAX];          /* as asked for; "": none */
    char pd[ADDRESS_MAX];            /* "": this process */
    char members[ADDRESS_MAX];       /* of the group of placement drivers; "": this one alone */
};

/* --- folder
 * --------------------------------------------------------------------------------------- */

static int open_folder(struct process *process) {
    char path[PATH_MAX];
    process->data_dir = config_text(process->config, "VECTRON_DATA_DIR");
    if (!paths_make(process->data_dir))
        return command_fail("cannot make the data folder %s: %s", process->data_dir,
                            strerror(errno));
    snprintf(path, sizeof path, "%s/lock", process->data_dir);
    process->lock = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
    if (process->lock < 0) return command_fail("%s: %s", path, strerror(errno));
    if (flock(process->lock, LOCK_EX | LOCK_NB) == 0) {
        /* For people, who want to signal it; nothing here depends on it. */
        if (ftruncate(process->lock, 0) == 0) dprintf(process->lock, "%d\n", (int)getpid());
        return EXIT_OK;
    }
    return command_fail("another process uses the data folder %s; --data-dir names another one",
                        process->data_dir);
}

/* --- node and roles
 * --------------------------------------------------------------------------------- */

static void find_addresses(struct process *process) {
    const struct config *config = process->config;
    const char *link = config_text(config, "VECTRON_LINK");
    address_link(link, process->insecure, process->link);
    size_t room = SOCKET_PATH_MAX - strlen("/link.ipc");
    /* Whole, where it fits: peers tell it to tools that were started in another folder. */
    char whole[PATH_MAX];
    const char *folder = realpath(process->data_dir, whole);
    if (!folder || strlen(folder) > room) folder = process->data_dir;
    if (!*link && strlen(folder) <= room)
        snprintf(process->link, sizeof process->link, "ipc://%s/link.ipc", folder);
    else if (!*link)
        log_error(
            "the path %s is too long for a socket: no link for `vectron stats`; VECTRON_LINK names one",
            process->data_dir);
    if (process->role == ROLE_PD)
        address_members(config_text(config, "VECTRON_INITIAL_MEMBERS"), process->members);
    if (process->role == ROLE_WORKER) address_links(config_text(config, "PD_ADDRS"), process->pd);
    if (process->role == ROLE_GATEWAY)
        address_links(config_text(config, "PLACEMENT_DRIVER"), process->pd);
    if (strstr(process->pd, ":6001"))
        fputs("vectron: warning: port 6001 is by custom the placement driver's gRPC port; its link "
              "(--raft-addr) is wanted here, by default port 7001\n",
              stderr);
}

/* The heap and its limit: nothing has been allocated that counts. */
static void set_memory(const struct process *process) {
    mem_settle();
    if (process->role == ROLE_PD) return; /* metadata only: it takes in neither points nor bodies */
    watermark_set((uint64_t)config_number(process->config, "VECTRON_MEMORY_LIMIT"));
}

/* What the lanes did last is written into the data folder should the process crash. */
static int arm_recorder(const struct process *process) {
    if (flight_arm(process->node, process->data_dir) != STATUS_OK)
        log_error("%s: no flight recorder: the folder cannot be used", process->data_dir);
    return EXIT_OK;
}

static enum sys_bodies bodies_allowed(const struct config *config) {
    const char *text = config_text(config, "VECTRON_SYS_BODIES");
    if (strcasecmp(text, "whole") == 0) return SYS_BODIES_WHOLE;
    return strcasecmp(text, "redacted") == 0 ? SYS_BODIES_REDACTED : SYS_BODIES_OFF;
}

static enum sys_actions actions_allowed(const struct config *config) {
    const char *text = config_text(config, "VECTRON_SYS_ACTIONS");
    if (strcasecmp(text, "test") == 0) return SYS_ACTIONS_TEST;
    return strcasecmp(text, "on") == 0 ? SYS_ACTIONS_ON : SYS_ACTIONS_OFF;
}

static int open_node(struct process *process) {
    const struct config *config = process->config;
    struct keyring *keyring;
    int code = keys_load(config, &keyring);
    if (code != EXIT_OK) return code;
    int64_t ring = config_number(config, "VECTRON_TRACE_RING");
    struct node_options options = {
        .name = process->name,
        .role = process->name,
        .bodies = bodies_allowed(config),
        .actions = actions_allowed(config),
        .io_lanes = (uint32_t)config_number(config, "VECTRON_IO_LANES"),
        .compute_lanes = (uint32_t)config_number(config, "VECTRON_COMPUTE_LANES"),
        .blocking = (uint32_t)config_number(config, "VECTRON_BLOCKING_THREADS"),
        .link = *process->link ? process->link : NULL,
        .spin = config_on(config, "VECTRON_SPIN"),
        .stall_limit_ms = (uint32_t)config_number(config, "VECTRON_STALL_LIMIT"),
        .ring = ring > 0 ? (int32_t)ring : -1,
        .sample_ratio = config_real(config, "VECTRON_TRACE_SAMPLE"),
        .slow_us = (uint64_t)config_number(config, "VECTRON_TRACE_SLOW_MS") * 1000,
        .keyring = keyring,
        .insecure = process->insecure,
    };
    if (process->exporter) /* a post waits longer than the disk */
        options.blocking = 1 + (options.blocking ? options.blocking : BLOCKING_DEFAULT);
    if (node_open(&options, &process->node) == STATUS_OK) return arm_recorder(process);
    return command_fail("%s", node_error());
}

static int open_storage(struct process *process) {
    const struct config *config = process->config;
    struct role_storage_options options = {
        .data_dir = process->data_dir,
        .log_only = process->role == ROLE_PD,
    };
    if (process->role != ROLE_PD) {
        options.cache_bytes = (uint64_t)config_number(config, "VECTRON_CACHE_MB");
        options.write_bytes = (uint64_t)config_number(config, "VECTRON_WRITE_BUFFER_MB");
        options.snapshot_bytes = (uint64_t)config_number(config, "VECTRON_SNAPSHOT_RATE");
    }
    if (role_storage_open(&options, &process->storage) == STATUS_OK) return EXIT_OK;
    return command_fail("%s", role_error());
}

static enum status start_worker(struct process *process) {
    const struct config *config = process->config;
    struct role_worker_options options = {
        .storage = process->storage,
        .pd = process->pd,
        .link = process->role == ROLE_WORKER ? node_link(process->node) : "",
        .region = config_text(config, "VECTRON_REGION"),
        .zone = config_text(config, "VECTRON_ZONE"),
        .rack = config_text(config, "VECTRON_RACK"),
        .searchers = (uint32_t)config_number(config, "VECTRON_SEARCHERS"),
        .grpc_address = process_edge_address(process->edge),
        .search_only = process->role == ROLE_WORKER && config_on(config, "VECTRON_SEARCH_ONLY"),
        .collections = process->role == ROLE_WORKER
                           ? config_text(config, "VECTRON_SEARCH_ONLY_COLLECTIONS")
                           : "",
    };
    return role_worker_start(process->node, &options);
}

static const struct process_edge_kind *edge_kind(const struct process *process) {
    if (process->role == ROLE_UP) return &process_edge_up;
    if (process->role == ROLE_PD) return &process_edge_pd;
    return process->role == ROLE_WORKER ? &process_edge_worker : &process_edge_gateway;
}

static int start_roles(struct process *process) {
    enum status status = STATUS_OK;
    int code = process_edge_new(process->config, edge_kind(process), &process->edge);
    if (code != EXIT_OK) return code;
    if (process->role & (ROLE_UP | ROLE_PD)) {
        struct role_pd_options options = {
            .storage = process->storage,
            .member = process->role == ROLE_PD
                          ? (uint64_t)config_number(process->config, "VECTRON_NODE_ID")
                          : 1,
            .founders = process->members,
            .default_shards = (uint32_t)config_number(process->config, "VECTRON_DEFAULT_SHARDS"),
            .default_replicas =
                (uint32_t)config_number(process->config, "VECTRON_REPLICATION_FACTOR"),
            .grace_ms = (uint32_t)config_number(process->config, "VECTRON_WORKER_GRACE"),
            .still = !config_on(process->config, "VECTRON_BALANCE"),
            .link = process->role == ROLE_PD ? node_link(process->node) : "",
            .grpc_address = process_edge_address(process->edge),
        };
        status = role_pd_start(process->node, &options);
    }
    if (status == STATUS_OK && (process->role & (ROLE_UP | ROLE_WORKER)))
        status = start_worker(process);
    if (status == STATUS_OK && (process->role & (ROLE_UP | ROLE_GATEWAY))) {
        const struct config *config = process->config;
        struct role_gateway_options options = {
            .pd = process->pd,
            .searches_linearizable = config_on(config, "SEARCH_LINEARIZABLE"),
            .levels = config_text(config, "SEARCH_CONSISTENCY_OVERRIDES"),
            .hedge_percent = (uint32_t)config_number(config, "VECTRON_HEDGE_PERCENT"),
        };
        status = role_gateway_start(process->node, &options);
    }
    if (status != STATUS_OK) return command_fail("%s", role_error());
    /* A placement driver has no shards to wait for. */
    const struct role_storage *waits = process->role == ROLE_PD ? NULL : process->storage;
    return process->edge ? process_edge_start(process->edge, process->node, waits) : EXIT_OK;
}

/* Who of several processes of one role it is: its link, which no other has on this machine. */
static int read_exporter(struct process *process) {
    char host[128] = "", instance[ADDRESS_MAX + sizeof host];
    gethostname(host, sizeof host - 1);
    snprintf(instance, sizeof instance, "%s %s", host,
             *process->link ? process->link : process->data_dir);
    return exporter_read(process->config, instance, &process->exporter);
}

static int start(struct process *process) {
    int code = open_folder(process);
    if (code != EXIT_OK) return code;
    find_addresses(process);
    set_memory(process);
    code = read_exporter(process);
    if (code == EXIT_OK) code = open_node(process);
    if (code == EXIT_OK && process->role != ROLE_GATEWAY) code = open_storage(process);
    if (code == EXIT_OK) code = exporter_start(process->node, process->exporter);
    if (code == EXIT_OK) code = start_roles(process);
    return code;
}

static void stop(struct process *process) {
    flight_disarm();
    node_close(process->node);
    exporter_free(process->exporter);
    process_edge_free(process->edge);
    role_storage_close(process->storage);
    if (process->lock >= 0) close(process->lock);
}

/* --- serving
 * ----------------------------------------------------------------------------------------- */

static void print_banner(const struct process *process) {
    fprintf(stderr, "vectron %s %s, data in %s\n", VECTRON_VERSION, process->name,
            process->data_dir);
    if (process->edge) process_edge_print(process->edge, process->node);
    const char *link = node_link(process->node);
    if (*link && !*config_text(process->config, "VECTRON_LINK"))
        fprintf(stderr, "  link  ipc://%s/link.ipc\n", process->data_dir); /* short */
    else if (*link)
        fprintf(stderr, "  link  %s\n", link);
    if (*process->pd) fprintf(stderr, "  pd    %s\n", process->pd);
    fputs("ready\n", stderr);
    notify_tell("READY=1\nSTATUS=ready");
}

/* Whoever started us may want a sign of life: the actor sys gives it, which asks every lane. */
static void give_sign(const struct process *process, uint64_t *due_us) {
    uint64_t every_us = notify_watchdog_us();
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    uint64_t now_us = (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
    if (every_us == 0 || now_us < *due_us) return;
    SysAsk question = SYS_ASK__INIT;
    ProtobufCMessage *reply = NULL;
    struct node_call call = {
        .name = "sys", .message = &question.base, .timeout_ms = every_us / 2000 + 1};
    if (node_call(process->node, &call, &reply) != STATUS_OK) return;
    node_reply_free(reply);
    notify_tell("WATCHDOG=1");
    *due_us = now_us + every_us / 2;
}

static int serve(struct process *process, const sigset_t *signals) {
    struct timespec poll = {.tv_nsec = POLL_MS * 1000000};
    uint64_t sign_us = 0;
    for (;;) {
        int number = sigtimedwait(signals, NULL, &poll);
        give_sign(process, &sign_us);
        if (node_failed(process->node)) {
            return command_fail(
                "an actor failed again and again (see above): the process ends, so that what started it can start it anew");
        }
        if (number == SIGHUP) {
            keys_reload(process->config, process->node);
            if (process->edge) process_edge_reload(process->edge, process->node);
        }
        if (number != SIGTERM && number != SIGINT) continue;
        fprintf(stderr, "%s: stopping\n", number == SIGTERM ? "SIGTERM" : "SIGINT");
        notify_tell("STOPPING=1\nSTATUS=draining");
        second_signal_take(signals);
        if (process->edge)
            process_edge_drain(process->edge, process->node,
                               (uint32_t)config_number(process->config, "VECTRON_DRAIN_MS"));
        return EXIT_OK;
    }
}

static void set_log(const struct config *config) {
    const char *text = config_text(config, "VECTRON_LOG_LEVEL");
    enum log_level level = strcasecmp(text, "error") == 0   ? LOG_ERROR
                           : strcasecmp(text, "trace") == 0 ? LOG_TRACE
                                                            : LOG_INFO;
    log_set(level, config_on(config, "VECTRON_LOG_JSON"));
}

static int run_process(unsigned role, const struct args *args) {
    const char *name = role_by_bit(role)->name;
    if (args->n_words) return command_misuse(name, "unknown argument \"%s\"", args->words[0]);
    struct process process = {.role = role, .name = name, .lock = -1};
    process.config = config_load_process(role, args);
    if (!process.config) return EXIT_USAGE;
    set_log(process.config);
    process.insecure = config_on(process.config, "VECTRON_INSECURE");

    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    process.profile = process_profile_start(process.config);
    int code = start(&process);
    if (code == EXIT_OK) {
        print_banner(&process);
        code = serve(&process, &signals);
    }
    stop(&process);
    process_profile_stop(process.profile);
    if (code == EXIT_OK) fputs("stopped\n", stderr);
    config_free(process.config);
    return code;
}

static int run_up(const struct args *args) {
    return run_process(ROLE_UP, args);
}

static int run_pd(const struct args *args) {
    return run_process(ROLE_PD, args);
}

static int run_worker(const struct args *args) {
    return run_process(ROLE_WORKER, args);
}

static int run_gateway(const struct args *args) {
    return run_process(ROLE_GATEWAY, args);
}

#define SIGNALS \
    "Stops on SIGTERM or Ctrl-C after the calls under way, at once on the second. SIGHUP reads\n" \
    "certificates and keys again. `vectron config ROLE` shows all settings.\n"

const struct command process_up = {
    .name = "up",
    .arguments = "",
    .summary = "everything in one process: gRPC on 127.0.0.1:8081, HTTP on 127.0.0.1:8080",
    .help = SIGNALS,
    .role = ROLE_UP,
    .run = run_up,
};
const struct command process_pd = {
    .name = "pd",
    .arguments = "",
    .summary = "the placement driver of a cluster: metadata and placement",
    .help = SIGNALS,
    .role = ROLE_PD,
    .run = run_pd,
};
const struct command process_worker = {
    .name = "worker",
    .arguments = "",
    .summary = "a worker of a cluster: keeps shards and searches them",
    .help = SIGNALS,
    .role = ROLE_WORKER,
    .run = run_worker,
};
const struct command process_gateway = {
    .name = "gateway",
    .arguments = "",
    .summary = "the way into a cluster: gRPC and HTTP from outside, routing to the shards",
    .help = SIGNALS,
    .role = ROLE_GATEWAY,
    .run = run_gateway,
};
