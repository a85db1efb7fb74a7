/* vectron admin: what an administrator does to a cluster and its files. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/admin.h"
#include "cli/suggest.h"
#include "runtime/keyring.h"
#include "runtime/node.h"

static const struct args_flag flags[] = {
    {"json", NULL, "workers, shards, pd, rebalance: the whole answer as JSON"},
    {"stop", NULL, "drain: the worker takes part again"},
    {"no-wait", NULL, "drain: does not wait until it is done"},
    {"timeout", "SECONDS", "drain: waits for so long (600)"},
    {"quiet", NULL, "drain: no progress"},
    {"out", "FILE", "keygen: the key file; NAME.key when it is not given"},
    {0},
};

static int keygen(const struct args *args) {
    const char *name = args->words[1], *path = args_text(args, "out");
    char file[KEYRING_NAME_MAX + 8], key[KEY_TEXT + 1];
    snprintf(file, sizeof file, "%.*s.key", (int)KEYRING_NAME_MAX, name);
    struct buffer why;
    buffer_init(&why);
    enum status s = keyring_make(name, path ? path : file, key, &why);
    if (s == STATUS_OK)
        printf("%s %s\n", name, key);
    else
        command_fail("%.*s", (int)why.size, (const char *)why.data);
    buffer_free(&why);
    return s == STATUS_OK ? EXIT_OK : s == STATUS_INVALID ? EXIT_USAGE : EXIT_FAILED;
}

static bool read_id(const struct args *args, size_t nth, uint64_t *out) {
    const char *text = args->words[nth];
    char *end;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    *out = value;
    if (errno == 0 && *end == '\0' && end != text && *text != '-' && value > 0) return true;
    command_misuse("admin", "\"%s\" is no id: they are whole numbers from 1", text);
    return false;
}

static int workers(struct admin *admin, const struct args *args) {
    PdListWorkers question = PD_LIST_WORKERS__INIT;
    ProtobufCMessage *reply = admin_ask(admin, &question.base);
    if (!reply) return EXIT_FAILED;
    if (args_on(args, "json"))
        command_print_json(reply);
    else
        admin_print_workers((const void *)reply);
    node_reply_free(reply);
    return EXIT_OK;
}

static int shards(struct admin *admin, const struct args *args) {
    struct admin_shards list;
    int code = admin_shards(admin, args->n_words > 1 ? args->words[1] : "", &list);
    if (code == EXIT_OK && args_on(args, "json"))
        command_print_json(&list.all.base);
    else if (code == EXIT_OK)
        admin_print_shards(&list.all);
    admin_shards_close(&list);
    return code;
}

static int move(struct admin *admin, const struct args *args) {
    PdMove question = PD_MOVE__INIT;
    if (!read_id(args, 1, &question.shard) || !read_id(args, 2, &question.from) ||
        !read_id(args, 3, &question.to))
        return EXIT_USAGE;
    ProtobufCMessage *reply = admin_ask(admin, &question.base);
    if (!reply) return EXIT_FAILED;
    node_reply_free(reply);
    printf("shard %" PRIu64 " goes from worker %" PRIu64 " to worker %" PRIu64
           ": vectron admin shards tells how far it is\n",
           question.shard, question.from, question.to);
    return EXIT_OK;
}

static int drain(struct admin *admin, const struct args *args) {
    uint64_t worker;
    return read_id(args, 1, &worker) ? admin_drain(admin, worker, args) : EXIT_USAGE;
}

static int forget(struct admin *admin, const struct args *args) {
    PdRemove question = PD_REMOVE__INIT;
    if (!read_id(args, 1, &question.worker)) return EXIT_USAGE;
    ProtobufCMessage *reply = admin_ask(admin, &question.base);
    if (!reply) return EXIT_FAILED;
    node_reply_free(reply);
    printf("worker %" PRIu64 " is forgotten once it is stopped and keeps nothing\n",
           question.worker);
    return EXIT_OK;
}

/* Shards on the move, for whatever reason. */
static uint32_t on_the_move(struct admin *admin) {
    PdAskLeader question = PD_ASK_LEADER__INIT;
    ProtobufCMessage *reply = admin_ask(admin, &question.base);
    uint32_t n = reply ? ((const PdLeader *)reply)->moving : 0;
    node_reply_free(reply);
    return n;
}

static int rebalance(struct admin *admin, const struct args *args) {
    PdRebalance question = PD_REBALANCE__INIT;
    ProtobufCMessage *reply = admin_ask(admin, &question.base);
    if (!reply) return EXIT_FAILED;
    const PdRebalancing *answer = (const void *)reply;
    bool nothing = answer->replicas + answer->leaders == 0;
    uint32_t moving = nothing ? on_the_move(admin) : 0;
    if (args_on(args, "json"))
        command_print_json(reply);
    else if (moving > 0)
        printf("%" PRIu32 " shards are on the move already, what is uneven then comes after them: "
               "vectron admin workers tells how far it is\n",
               moving);
    else if (nothing)
        puts("nothing is to be evened out now");
    else
        printf("begun with %" PRIu32 " replicas and %" PRIu32 " leaders: vectron admin workers "
               "tells how far it is\n",
               answer->replicas, answer->leaders);
    node_reply_free(reply);
    return EXIT_OK;
}

static const struct order {
    const char *name;
    const char *arguments;
    size_t least, most; /* words behind the name */
    int (*run)(struct admin *admin, const struct args *args);
} orders[] = {
    {"workers", "", 0, 0, workers},
    {"shards", "[COLLECTION]", 0, 1, shards},
    {"pd", "[add ID LINK | remove ID | lead ID]", 0, 3, admin_pd},
    {"move", "SHARD FROM TO", 3, 3, move},
    {"drain", "WORKER", 1, 1, drain},
    {"remove", "WORKER", 1, 1, forget},
    {"rebalance", "", 0, 0, rebalance},
    {"keygen", "NAME", 1, 1, NULL},
};
enum { ORDERS = sizeof orders / sizeof *orders };

static int unknown(const char *name) {
    for (size_t i = 0; i < ORDERS; i++) {
        size_t distance = suggest_distance(name, orders[i].name);
        if (suggest_near(name, orders[i].name, distance))
            return command_misuse("admin", "unknown \"%s\", did you mean %s?", name,
                                  orders[i].name);
    }
    return command_misuse("admin", "unknown \"%s\"", name);
}

static int carry_out(const struct order *order, const struct args *args) {
    struct admin admin;
    if (args->n_words - 1 < order->least || args->n_words - 1 > order->most)
        return command_misuse("admin", "it is: admin %s%s%s", order->name,
                              *order->arguments ? " " : "", order->arguments);
    if (!order->run) return keygen(args);
    int code = admin_open(args, &admin);
    if (code == EXIT_OK) code = order->run(&admin, args);
    admin_close(&admin);
    return code;
}

static int run(const struct args *args) {
    if (args->n_words == 0)
        return command_misuse("admin", "admin what? workers, shards, pd, move, drain, remove, "
                                       "rebalance or keygen");
    for (size_t i = 0; i < ORDERS; i++)
        if (strcmp(args->words[0], orders[i].name) == 0) return carry_out(&orders[i], args);
    return unknown(args->words[0]);
}

const struct command command_admin = {
    .name = "admin",
    .arguments = "workers | shards | pd | move | drain | remove | rebalance | keygen",
    .summary = "see and change who keeps what in a cluster; make keys",
    .help =
        "  workers              each worker: its state, replicas, leaders, and what a drain waits for\n"
        "  shards [COLLECTION]  each replica: its role, worker, state, and how far it is behind\n"
        "  pd                   the placement drivers, which of them leads, and what is to be repaired\n"
        "  pd add ID LINK       one more, started with --node-id ID and an empty folder; waits until it votes\n"
        "  pd remove ID         one less: of those that are gone for good first\n"
        "  pd lead ID           leadership goes to that one\n"
        "  move SHARD FROM TO   a replica goes from one worker to another\n"
        "  drain WORKER         all it keeps goes to others; waits until then, and shows how far it is\n"
        "  remove WORKER        forgets a worker that is stopped and drained, or dead for good\n"
        "  rebalance            evens out replicas and leaders now\n"
        "  keygen NAME          writes NAME's key pair for links to a file that only you can read, and\n"
        "                       prints the line that other nodes put into their VECTRON_ALLOWED_KEYS\n\n"
        "They ask the placement driver at --pd-addrs (several: comma separated) or --link; without it the\n"
        "`vectron up` of --data-dir, if there is one, else 127.0.0.1:7001. Exit codes: 0 done, 1 refused or not done\n"
        "in time, 2 wrong command line.\n\n"
        "  vectron admin drain 2 --timeout 3600\n"
        "  vectron admin shards docs --json\n"
        "  vectron admin keygen worker1 --out worker1.key >> allowed.keys\n",
    .flags = flags,
    .role = ROLE_CLIENT,
    .run = run,
};
