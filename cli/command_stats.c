/* vectron stats: asks the sys actor of a process over its link, then its shards. */
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "adapters/edge/json.h"
#include "cli/address.h"
#include "cli/command.h"
#include "cli/keys.h"
#include "cli/table.h"
#include "runtime/node.h"
#include "schemas/shard.pb-c.h"
#include "schemas/sys.pb-c.h"

enum { ANSWER_MS = 5000, SHARD_ANSWER_MS = 1000, SHARDS_MAX = 64 /* asked */ };

static const struct args_flag flags[] = {
    {"all", NULL, "also actors that never received anything"},
    {"json", NULL, "the whole report as JSON"},
    {0},
};

/* Upper bound of the bucket that holds the share of all values. */
static uint64_t percentile(const SysHistogram *histogram, double share) {
    uint64_t all = 0, seen = 0;
    for (size_t i = 0; histogram && i < histogram->n_counts; i++)
        all += histogram->counts[i];
    for (size_t i = 0; all && i < histogram->n_counts; i++) {
        seen += histogram->counts[i];
        if ((double)seen >= share * (double)all) return (uint64_t)2 << i;
    }
    return 0;
}

static void print_actors(const SysReport *report, bool all) {
    static const char *const heads[] = {"ACTOR",      ">LANE",        ">RECEIVED",   ">SENT",
                                        ">FAILED",    ">DROPPED",     ">DEPTH",      ">MAX",
                                        ">OLDEST ms", ">WAIT p99 us", ">RUN p99 us", ">BUSY ms",
                                        ">RESTARTS",  "DOING",        NULL};
    struct table table;
    table_init(&table, heads);
    for (size_t i = 0; i < report->n_actors; i++) {
        const SysActor *actor = report->actors[i];
        if (!all && actor->received == 0 && actor->sent == 0) continue;
        table_row(&table);
        table_cell(&table, 0, "%s", *actor->name ? actor->name : actor->kind);
        table_cell(&table, 1, "%u", actor->lane);
        table_cell(&table, 2, "%" PRIu64, actor->received);
        table_cell(&table, 3, "%" PRIu64, actor->sent);
        table_cell(&table, 4, "%" PRIu64, actor->failed);
        table_cell(&table, 5, "%" PRIu64, actor->dropped + actor->expired);
        table_cell(&table, 6, "%u", actor->depth);
        table_cell(&table, 7, "%u", actor->depth_max);
        table_cell(&table, 8, "%" PRIu64, actor->oldest_us / 1000);
        table_cell(&table, 9, "%" PRIu64, percentile(actor->mailbox, 0.99));
        table_cell(&table, 10, "%" PRIu64, percentile(actor->handler, 0.99));
        table_cell(&table, 11, "%" PRIu64, actor->busy_us / 1000);
        table_cell(&table, 12, "%u", actor->restarts);
        if (*actor->doing || !*actor->operation)
            table_cell(&table, 13, "%s", actor->doing);
        else
            table_cell(&table, 13, "%s for %" PRIu64 " ms", actor->operation,
                       actor->operation_us / 1000);
    }
    table_print(&table, stdout);
    table_reset(&table);
}

static void print_lanes(const SysReport *report) {
    static const char *const heads[] = {">LANE",  "KIND",        ">TURNS", ">BUSY ms",
                                        ">WAKES", ">LONGEST us", ">READY", ">ACTORS",
                                        ">FULL",  "DOING",       NULL};
    struct table table;
    table_init(&table, heads);
    for (size_t i = 0; i < report->n_lanes; i++) {
        const SysLane *lane = report->lanes[i];
        table_row(&table);
        table_cell(&table, 0, "%u", lane->lane);
        table_cell(&table, 1, "%s", lane->kind);
        table_cell(&table, 2, "%" PRIu64, lane->turns);
        table_cell(&table, 3, "%" PRIu64, lane->busy_us / 1000);
        table_cell(&table, 4, "%" PRIu64, lane->wakes);
        table_cell(&table, 5, "%" PRIu64, lane->stall_max_us);
        table_cell(&table, 6, "%u", lane->ready);
        table_cell(&table, 7, "%u", lane->actors);
        table_cell(&table, 8, "%" PRIu64, lane->trunk_full);
        if (lane->silent)
            table_cell(&table, 9, "no answer; in %s for %" PRIu64 " ms",
                       *lane->doing ? lane->doing : "nothing", lane->doing_us / 1000);
    }
    table_print(&table, stdout);
    table_reset(&table);
}

static void print_links(const SysReport *report) {
    static const char *const heads[] = {"PEER",     "ADDRESS",   "STATE",   "SECURITY",
                                        ">SENT",    ">RECEIVED", ">RTT us", ">QUEUED",
                                        ">REFUSED", ">BAD",      NULL};
    struct table table;
    table_init(&table, heads);
    for (size_t i = 0; i < report->n_links; i++) {
        const SysLink *link = report->links[i];
        table_row(&table);
        table_cell(&table, 0, "%s", link->name);
        table_cell(&table, 1, "%s", link->address);
        table_cell(&table, 2, "%s", link->connected ? "connected" : "lost");
        table_cell(&table, 3, "%s%s%s", link->security, *link->key_of ? " " : "", link->key_of);
        table_cell(&table, 4, "%" PRIu64, link->sent);
        table_cell(&table, 5, "%" PRIu64, link->received);
        table_cell(&table, 6, "%" PRIu64, link->rtt_us);
        table_cell(&table, 7, "%" PRIu64, link->queued_bytes);
        table_cell(&table, 8, "%" PRIu64, link->refused);
        table_cell(&table, 9, "%" PRIu64, link->bad_frames);
    }
    table_print(&table, stdout);
    table_reset(&table);
}

static void print_refusals(const SysSecurity *security) {
    static const char *const heads[] = {"REFUSED", "ADDRESS", "WHY", ">TIMES", "LAST", "KEY", NULL};
    struct table table;
    table_init(&table, heads);
    for (size_t i = 0; i < security->n_refusals; i++) {
        const SysRefusal *refusal = security->refusals[i];
        char when[32];
        time_t seconds = (time_t)(refusal->last_ms / 1000);
        strftime(when, sizeof when, "%H:%M:%S", localtime(&seconds));
        table_row(&table);
        table_cell(&table, 0, "%s", refusal->incoming ? "from" : "to");
        table_cell(&table, 1, "%s", refusal->address);
        table_cell(&table, 2, "%s", refusal->why);
        table_cell(&table, 3, "%" PRIu64, refusal->count);
        table_cell(&table, 4, "%s", when);
        table_cell(&table, 5, "%s", refusal->key);
    }
    table_print(&table, stdout);
    table_reset(&table);
}

static void clock_text(uint64_t unix_ms, char out[16]) {
    time_t seconds = (time_t)(unix_ms / 1000);
    struct tm local;
    strftime(out, 16, "%H:%M:%S", localtime_r(&seconds, &local));
}

static void print_memory(const SysReport *report) {
    if (report->n_memory == 0) return;
    fputs("of it", stdout);
    for (size_t i = 0; i < report->n_memory; i++)
        printf("%s %s %.1f MB", i ? "," : "", report->memory[i]->component,
               (double)report->memory[i]->bytes / 1048576);
    putchar('\n');
}

static void print_alarms(const SysReport *report) {
    char when[16];
    for (size_t i = 0; i < report->n_alarms; i++) {
        const SysAlarm *alarm = report->alarms[i];
        clock_text(alarm->since_ms, when);
        printf("%s %s%s%s since %s: %s\n", alarm->over ? "over: " : "ALARM", alarm->name,
               *alarm->subject ? " " : "", alarm->subject, when, alarm->text);
    }
}

static void print_report(const SysReport *report, bool all) {
    printf("%s, version %s, up %.1f s, memory %.1f MB, %u threads\n", report->node, report->version,
           (double)report->uptime_ms / 1000, (double)report->rss_bytes / 1048576, report->threads);
    if (report->memory_limit)
        printf("%.1f MB in use of the limit of %.1f MB (VECTRON_MEMORY_LIMIT)\n",
               (double)report->memory_used / 1048576, (double)report->memory_limit / 1048576);
    print_memory(report);
    print_alarms(report);
    putchar('\n');
    print_actors(report, all);
    putchar('\n');
    print_lanes(report);
    if (report->n_links) putchar('\n');
    if (report->n_links) print_links(report);
    if (report->security && report->security->n_refusals) {
        putchar('\n');
        print_refusals(report->security);
    }
    if (report->dead_letters)
        printf("\n%" PRIu64 " dead letters, the newest:\n", report->dead_letters);
    for (size_t i = 0; i < report->n_letters; i++) {
        const SysDeadLetter *letter = report->letters[i];
        char when[16];
        clock_text(letter->at_ms, when);
        printf("  %s %s to %s from %s: %s\n", when, letter->message, letter->to, letter->from,
               letter->reason);
    }
}

/* --- shards: points, and the recall that searches get ----------------------------------------- */

static void print_shard(struct table *table, const ShardState *state) {
    table_row(table);
    table_cell(table, 0, "%" PRIu64, state->shard);
    table_cell(table, 1, "%s", state->state);
    table_cell(table, 2, "%" PRIu64, state->points);
    table_cell(table, 3, "%" PRIu64, state->tail);
    table_cell(table, 4, "%.1f MB", (double)state->memory_bytes / 1048576);
    table_cell(table, 5, "%s", state->storage);
    table_cell(table, 6, "%u", state->ef);
    if (state->recall > 0)
        table_cell(table, 7, "%.3f%s", (double)state->recall, state->recall_live ? " live" : "");
    else
        table_cell(table, 7, "-");
}

/* One that does not answer is left out. */
static void
ask_shard(struct node *node, const char *address, const char *name, struct table *table) {
    ShardAsk question = SHARD_ASK__INIT;
    ProtobufCMessage *reply;
    struct node_call call = {
        .address = address, .name = name, .message = &question.base, .timeout_ms = SHARD_ANSWER_MS};
    if (node_call(node, &call, &reply) != STATUS_OK) return;
    if (reply->descriptor == &shard_state__descriptor) print_shard(table, (ShardState *)reply);
    node_reply_free(reply);
}

static void print_shards(struct node *node, const char *address, const SysReport *report) {
    static const char *const heads[] = {">SHARD",  "STATE", ">POINTS", ">WAITING", ">MEMORY",
                                        "STORAGE", ">EF",   ">RECALL", NULL};
    struct table table;
    size_t n = 0;
    table_init(&table, heads);
    for (size_t i = 0; i < report->n_actors; i++) {
        if (strcmp(report->actors[i]->kind, "shard") != 0) continue;
        if (n++ < SHARDS_MAX) ask_shard(node, address, report->actors[i]->name, &table);
    }
    if (table.n_rows > 0) {
        putchar('\n');
        table_print(&table, stdout);
    }
    if (n > SHARDS_MAX) printf("and %zu shards more\n", n - SHARDS_MAX);
    table_reset(&table);
}

static int ask(const struct config *config, const char *address, const struct args *args) {
    struct node *node;
    int code = keys_open_tool(config, &node);
    if (code != EXIT_OK) return code;
    SysAsk question = SYS_ASK__INIT;
    question.actors = true;
    char text[256] = "";
    struct node_call call = {.address = address,
                             .name = "sys",
                             .message = &question.base,
                             .timeout_ms = ANSWER_MS,
                             .text = text,
                             .text_size = sizeof text};
    ProtobufCMessage *reply;
    enum status status = node_call(node, &call, &reply);
    if (status != STATUS_OK) {
        code = command_fail("%s: %s %s", address, status_name(status), text);
        if (status != STATUS_DENIED) /* of that the log has told */
            fputs("is the process running? --link names its link address, --data-dir its folder\n",
                  stderr);
    } else {
        if (args_on(args, "json")) {
            command_print_json(reply);
        } else {
            print_report((void *)reply, args_on(args, "all"));
            print_shards(node, address, (void *)reply);
        }
        node_reply_free(reply);
    }
    node_close(node);
    return code;
}

static int run(const struct args *args) {
    if (args->n_words) return command_misuse("stats", "too many arguments");
    struct config *config = config_load_process(ROLE_CLIENT, args);
    if (!config) return EXIT_USAGE;
    char address[ADDRESS_MAX];
    address_link(config_text(config, "VECTRON_LINK"), false, address);
    if (!*address)
        snprintf(address, sizeof address, "ipc://%s/link.ipc",
                 config_text(config, "VECTRON_DATA_DIR"));
    int code = ask(config, address, args);
    config_free(config);
    return code;
}

const struct command command_stats = {
    .name = "stats",
    .arguments = "",
    .summary = "actors, lanes, links and shards of a running process",
    .help = "  vectron stats                          the process with this data folder\n"
            "  vectron stats --link 127.0.0.1:9191    a worker\n"
            "  vectron stats --link NAME@HOST:PORT    one with keys, known by this name\n",
    .flags = flags,
    .role = ROLE_CLIENT,
    .run = run,
};
