/* admin_print: what the placement driver told, for people. */
#include <inttypes.h>
#include <string.h>

#include "cli/admin.h"
#include "cli/table.h"

#include <time.h>

static const char *or_dash(const char *text) {
    return *text ? text : "-";
}

static uint64_t now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* "eu/a/7", as far as it is told. */
static void place_text(const PdWorker *worker, struct table *table, size_t column) {
    const char *labels[] = {worker->region, worker->zone, worker->rack};
    char text[256] = "";
    size_t n = 0;
    for (size_t i = 0; i < 3 && n < sizeof text; i++)
        if (*labels[i])
            n += (size_t)snprintf(text + n, sizeof text - n, "%s%s", n ? "/" : "", labels[i]);
    table_cell(table, column, "%s", or_dash(text));
}

void admin_print_workers(const PdWorkers *workers) {
    static const char *const heads[] = {">WORKER", "STATE",  ">REPLICAS", ">LEADERS", ">LEAVING",
                                        ">POINTS", ">REQ/s", ">LOAD %",   ">BEAT s",  "PLACE",
                                        "ROLE",    "LINK",   "WAITS FOR", NULL};
    struct table table;
    table_init(&table, heads);
    for (size_t i = 0; i < workers->n_workers; i++) {
        const PdWorker *worker = workers->workers[i];
        uint64_t now = now_ms();
        table_row(&table);
        table_cell(&table, 0, "%" PRIu64, worker->worker);
        table_cell(&table, 1, "%s", worker->state);
        table_cell(&table, 2, "%" PRIu32, worker->shards);
        table_cell(&table, 3, "%" PRIu32, worker->leaders);
        table_cell(&table, 4, "%" PRIu32, worker->leaving);
        table_cell(&table, 5, "%" PRIu64, worker->points);
        table_cell(&table, 6, "%" PRIu64, worker->requests_per_s);
        table_cell(&table, 7, "%" PRIu32, worker->load_percent);
        if (worker->last_beat_ms)
            table_cell(&table, 8, "%.1f",
                       now > worker->last_beat_ms ? (double)(now - worker->last_beat_ms) / 1000
                                                  : 0);
        place_text(worker, &table, 9);
        table_cell(&table, 10, "%s", worker->search_only ? "search only" : "all");
        table_cell(&table, 11, "%s", *worker->link ? worker->link : "this process");
        table_cell(&table, 12, "%s", worker->waits);
    }
    table_print(&table, stdout);
    table_reset(&table);
    if (workers->n_workers == 0) puts("no worker has registered");
}

void admin_print_shards(const PdShards *shards) {
    static const char *const heads[] = {"COLLECTION", ">SHARD",  "STATE",      ">REPLICA",
                                        ">WORKER",    "ROLE",    "IS",         ">POINTS",
                                        ">APPLIED",   ">BEHIND", "LAST ERROR", NULL};
    struct table table;
    table_init(&table, heads);
    for (size_t i = 0; i < shards->n_shards; i++) {
        const PdShardState *shard = shards->shards[i];
        for (size_t j = 0; j < shard->n_replicas; j++) {
            const PdReplicaState *replica = shard->replicas[j];
            table_row(&table);
            table_cell(&table, 0, "%s", shard->collection);
            table_cell(&table, 1, "%" PRIu64, shard->shard);
            table_cell(&table, 2, "%s", shard->state);
            table_cell(&table, 3, "%" PRIu64, replica->store_id);
            table_cell(&table, 4, "%" PRIu64, replica->worker);
            table_cell(&table, 5, "%s%s", replica->role, replica->leaving ? ", leaving" : "");
            table_cell(&table, 6, "%s", or_dash(replica->state));
            table_cell(&table, 7, "%" PRIu64, replica->points);
            table_cell(&table, 8, "%" PRIu64, replica->applied);
            table_cell(&table, 9, "%" PRIu64, replica->lag);
            if (j == 0) table_cell(&table, 10, "%s", shard->last_error);
        }
    }
    table_print(&table, stdout);
    table_reset(&table);
    if (shards->n_shards == 0) puts("no shards");
}

void admin_print_leader(const PdLeader *leader) {
    printf("placement driver  %s\n", *leader->link ? leader->link : "in this process");
    if (*leader->grpc_address) printf("gRPC              %s\n", leader->grpc_address);
    printf("cluster           %016" PRIx64 "\n", leader->cluster);
    printf("log               %" PRIu64 ", term %" PRIu64 ", assignments %" PRIu64 "\n",
           leader->commit, leader->term, leader->epoch);
    printf("workers           %" PRIu32 ", %" PRIu32 " ready\n", leader->workers,
           leader->workers_ready);
    printf("collections       %" PRIu32 "\n", leader->collections);
    printf("shards            %" PRIu32 ", copies of each %" PRIu32 "\n", leader->shards,
           leader->factor);
    printf("copies            %" PRIu32 ", %" PRIu32 " not serving\n", leader->copies,
           leader->silent);
    printf("to be repaired    %" PRIu32 " short, %" PRIu32 " leaderless, %" PRIu32 " moving\n",
           leader->short_of, leader->leaderless, leader->moving);
    printf("to be evened out  %" PRIu32 " copies, %" PRIu32 " leaders\n", leader->moves,
           leader->transfers);
    printf("in order          %s\n", leader->in_order ? "yes" : "no");
}

void admin_print_members(const PdLeader *leader) {
    static const char *const heads[] = {">MEMBER", "ROLE", ">LOG", ">BEHIND", "IS", "LINK", NULL};
    struct table table;
    bool known = leader->leader == leader->member; /* what the others have the leader alone knows */
    if (leader->n_members < 2) return;
    putchar('\n');
    table_init(&table, heads);
    for (size_t i = 0; i < leader->n_members; i++) {
        const PdMember *member = leader->members[i];
        table_row(&table);
        table_cell(&table, 0, "%" PRIu64, member->id);
        table_cell(&table, 1, "%s", member->role);
        if (known) {
            table_cell(&table, 2, "%" PRIu64, member->match);
            table_cell(&table, 3, "%" PRIu64,
                       leader->commit > member->match ? leader->commit - member->match : 0);
        }
        table_cell(&table, 4, "%s", !known ? "-" : member->away ? "away" : "here");
        table_cell(&table, 5, "%s", or_dash(member->link));
    }
    table_print(&table, stdout);
    table_reset(&table);
}
