/* vectron supervise: runs a cluster's processes, and asks the supervisor that does. */
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "adapters/edge/json.h"
#include "cli/address.h"
#include "cli/command.h"
#include "cli/keys.h"
#include "cli/supervise/cluster.h"
#include "cli/supervise/serve.h"
#include "cli/table.h"
#include "runtime/node.h"
#include "schemas/supervisor.pb-c.h"

enum { ASK_MS = 5000, WAIT_MS = 3600 * 1000 };

static const char usual_file[] = "cluster.toml";

static const struct args_flag flags[] = {
    {"file", "FILE", "the cluster's file, which names the supervisor's link; cluster.toml"},
    {"check", NULL, "read FILE, say what is wrong with it, start nothing"},
    {"json", NULL, "status as JSON"},
    {0},
};

/* NULL: said why. */
static struct cluster *load(const char *file) {
    struct cluster *cluster = NULL;
    struct buffer why;
    buffer_init(&why);
    if (cluster_load(file, supervise_program(), &cluster, &why) != STATUS_OK)
        command_fail("%.*s", why.size ? (int)why.size : 13,
                     why.size ? (const char *)why.data : "out of memory");
    buffer_free(&why);
    return cluster;
}

/* --- running --- */

static int run_cluster(const struct args *args, const struct config *config, const char *file) {
    struct cluster *cluster = load(file);
    if (!cluster) return EXIT_USAGE;
    int code = EXIT_OK;
    if (args_on(args, "check"))
        printf("%s: %u processes\n", file, cluster->n);
    else
        code = supervise_serve(config, cluster, file);
    cluster_free(cluster);
    return code;
}

/* --- asking --- */

struct asking {
    const struct config *config;
    const struct args *args;
    char address[ADDRESS_MAX];
};

/* --link, else what the file says. */
static bool find_link(struct asking *asking) {
    const char *link = config_text(asking->config, "VECTRON_LINK");
    const char *file = args_text(asking->args, "file");
    struct cluster *cluster = NULL;
    if (!*link) {
        cluster = load(file ? file : usual_file);
        if (!cluster) return false;
        link = cluster->link;
    }
    address_link(link, false, asking->address);
    cluster_free(cluster);
    return true;
}

static int
ask(struct asking *asking, const ProtobufCMessage *message, uint64_t ms, ProtobufCMessage **out) {
    struct node *node;
    int code = keys_open_tool(asking->config, &node);
    if (code != EXIT_OK) return code;
    char text[512] = "";
    struct node_call call = {.address = asking->address,
                             .name = "supervisor",
                             .message = message,
                             .timeout_ms = ms,
                             .text = text,
                             .text_size = sizeof text};
    enum status s = node_call(node, &call, out);
    if (s != STATUS_OK) {
        code = command_fail("%s: %s %s", asking->address, status_name(s), text);
        if (s == STATUS_LOST_PEER)
            fputs("is the supervisor running? `vectron supervise FILE` starts it; --link or --file "
                  "tells where it is\n",
                  stderr);
    }
    node_close(node);
    return code;
}

static void print_uptime(struct table *table, size_t column, uint64_t ms) {
    uint64_t s = ms / 1000;
    if (s < 60)
        table_cell(table, column, "%.1f s", (double)ms / 1000);
    else if (s < 3600)
        table_cell(table, column, "%" PRIu64 " min", s / 60);
    else
        table_cell(table, column, "%" PRIu64 " h %02" PRIu64 " min", s / 3600, s / 60 % 60);
}

static void print_status(const SupervisorReport *report) {
    static const char *const heads[] = {
        "NAME",         "STATE",     ">PID",       ">UPTIME",  ">MEMORY MB",
        ">READY IN ms", ">RESTARTS", ">IN PERIOD", "LAST END", NULL};
    struct table table;
    printf("%s: %s, %zu processes\n\n", report->file, report->doing, report->n_processes);
    table_init(&table, heads);
    for (size_t i = 0; i < report->n_processes; i++) {
        const SupervisorProcess *process = report->processes[i];
        table_row(&table);
        table_cell(&table, 0, "%s", process->name);
        table_cell(&table, 1, "%s", process->state);
        if (process->pid) table_cell(&table, 2, "%u", process->pid);
        if (process->pid) print_uptime(&table, 3, process->uptime_ms);
        if (process->pid) table_cell(&table, 4, "%.1f", (double)process->rss_bytes / 1048576);
        table_cell(&table, 5, "%" PRIu64, process->ready_ms);
        table_cell(&table, 6, "%u", process->restarts);
        table_cell(&table, 7, "%u of %u", process->spent, process->intensity);
        table_cell(&table, 8, "%s", process->last_exit);
    }
    table_print(&table, stdout);
    table_reset(&table);
}

static int status(struct asking *asking) {
    SupervisorAsk question = SUPERVISOR_ASK__INIT;
    ProtobufCMessage *reply = NULL;
    int code = ask(asking, &question.base, ASK_MS, &reply);
    if (code != EXIT_OK) return code;
    if (args_on(asking->args, "json"))
        command_print_json(reply);
    else
        print_status((void *)reply);
    node_reply_free(reply);
    return EXIT_OK;
}

static int order(struct asking *asking, const ProtobufCMessage *message) {
    ProtobufCMessage *reply = NULL;
    int code = ask(asking, message, WAIT_MS, &reply);
    node_reply_free(reply);
    return code;
}

static int roll(struct asking *asking) {
    SupervisorRoll message = SUPERVISOR_ROLL__INIT;
    if (asking->args->n_words > 1) message.name = (char *)asking->args->words[1];
    return order(asking, &message.base);
}

static int restart(struct asking *asking) {
    if (asking->args->n_words != 2)
        return command_misuse("supervise", "restart wants the NAME of a process or group");
    return roll(asking);
}

static int reload(struct asking *asking) {
    SupervisorReload message = SUPERVISOR_RELOAD__INIT;
    return order(asking, &message.base);
}

static int stop(struct asking *asking) {
    SupervisorStop message = SUPERVISOR_STOP__INIT;
    return order(asking, &message.base);
}

static const struct verb {
    const char *name;
    size_t words; /* at most, with its own */
    int (*run)(struct asking *asking);
} verbs[] = {
    {"status", 1, status}, {"restart", 2, restart}, {"roll", 2, roll},
    {"reload", 1, reload}, {"stop", 1, stop},
};

static const struct verb *verb_of(const char *word) {
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
        if (strcmp(verbs[i].name, word) == 0) return &verbs[i];
    return NULL;
}

static int run_verb(const struct args *args, const struct config *config, const struct verb *verb) {
    struct asking asking = {.config = config, .args = args};
    if (args->n_words > verb->words)
        return command_misuse("supervise", "unknown argument \"%s\"", args->words[verb->words]);
    if (!find_link(&asking)) return EXIT_USAGE;
    return verb->run(&asking);
}

static int run(const struct args *args) {
    const char *file = args_text(args, "file");
    const char *word = args->n_words ? args->words[0] : file ? file : usual_file;
    const struct verb *verb = args->n_words ? verb_of(word) : NULL;
    if (!verb && args->n_words > 1)
        return command_misuse("supervise", "unknown argument \"%s\"", args->words[1]);
    struct config *config = config_load_process(ROLE_CLIENT, args);
    if (!config) return EXIT_USAGE;
    int code = verb ? run_verb(args, config, verb) : run_cluster(args, config, word);
    config_free(config);
    return code;
}

const struct command command_supervise = {
    .name = "supervise",
    .arguments = "[FILE | status | restart NAME | roll [NAME] | reload | stop]",
    .summary = "run a cluster's processes, restart them, roll them",
    .help =
        "  vectron supervise deploy/cluster.toml  starts what the file says; stops all on SIGTERM or Ctrl-C\n"
        "  vectron supervise status               a table of the processes (--json)\n"
        "  vectron supervise restart worker2      stops and starts one, or a group; returns when it is ready\n"
        "  vectron supervise roll                 the same for all, one at a time\n"
        "  vectron supervise reload               SIGHUP to all: certificates and keys are read again\n"
        "  vectron supervise stop                 stops all; returns when they are down\n\n"
        "SIGHUP is reload. A second SIGTERM stops at once.\n",
    .flags = flags,
    .role = ROLE_CLIENT,
    .run = run,
};
