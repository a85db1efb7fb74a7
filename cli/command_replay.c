/* vectron replay: plays a recording to an actor of this program in the simulator, and says whether
 * it does again what it did. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "actors/pd/pd.h"
#include "actors/raft/raft.h"
#include "actors/role.h"
#include "actors/router/router.h"
#include "cli/command.h"
#include "runtime/sim/replay.h"
#include "storage/kv.h"
#include "storage/log_store.h"

enum { SHARDS_MAX = 1024 };

static const struct args_flag flags[] = {
    {"data-dir", "FOLDER", "of pd: a copy of the data folder as it was when the recording began"},
    {"shards", "N", "of pd: its default for collections, as it was there (1)"},
    {"link", "ADDRESS", "of raft and pd: the link of its process, as it was there"},
    {"grpc-addr", "ADDRESS", "of pd: where its process served gRPC"},
    {"turns", NULL, "print each turn as it is played"},
    {0},
};

/* Of a gateway, whose placement driver is in another process: an address that nobody asks. */
static const struct router_options alone = {.pd = ""}, gateway = {.pd = "pd"};

/* What actors that can be replayed are opened with. */
struct cast {
    struct log_store *log; /* owned */
    struct pd_options pd;
    struct raft_options raft;
};

static int open_log(const char *folder, struct cast *cast) {
    char path[4096];
    struct kv *kv = NULL;
    enum status s;
    if (folder) {
        snprintf(path, sizeof path, "%s/log", folder);
        s = kv_rocksdb_open(&(struct kv_options){.path = path, .wal = true}, &kv);
    } else {
        s = kv_memory_open(&(struct kv_options){.path = "log", .wal = true},
                           &(struct kv_faults){.seed = 1}, &kv);
    }
    if (s == STATUS_OK) s = log_store_open(&kv, &cast->log);
    return s == STATUS_OK ? EXIT_OK : command_fail("%s: %s", folder ? folder : "log", kv_error());
}

static void print_line(void *context, const char *line) {
    (void)context;
    puts(line);
}

static int tell(const struct replay_result *result) {
    if (result->same) {
        printf("%s: the same: %" PRIu64 " turns, %" PRIu64 " messages said, %" PRIu64
               " random numbers and times%s%s\n",
               result->name, result->turns, result->said, result->asked,
               result->from_start ? "" : "; without what it knew before",
               result->ended ? "; it ended there" : "");
        return EXIT_OK;
    }
    printf("%s: not the same after %" PRIu64 " turns\n", result->name, result->turns);
    if (*result->difference) puts(result->difference);
    if (result->missing)
        printf("%" PRIu64 " turns are in the recording only in part\n", result->missing);
    if (!result->from_start)
        puts("the recording does not begin with the actor: what it knew before is missing "
             "(vectron record --restart)");
    return EXIT_FAILED;
}

static int play(const struct args *args, const void *bytes, size_t size, struct cast *cast) {
    struct replay_result result;
    struct replay_about about;
    struct replay_options options = {.line = args_on(args, "turns") ? print_line : NULL};
    enum status s = sim_replay_about(bytes, size, &about, result.difference);
    if (s != STATUS_OK)
        return command_fail("%s: %s", args->words[0],
                            s == STATUS_INVALID ? result.difference : status_text(s));
    if (strcmp(about.name, "router") == 0) {
        options.type = &router_type;
        options.options = about.remote ? &gateway : &alone;
    } else if (strcmp(about.name, "pd") == 0) {
        int code = open_log(args_text(args, "data-dir"), cast);
        if (code != EXIT_OK) return code;
        cast->pd.log = cast->log;
        cast->pd.link = args_text(args, "link");
        cast->pd.grpc_address = args_text(args, "grpc-addr");
        options.type = &pd_type;
        options.options = &cast->pd;
    } else if (strcmp(about.name, "raft") == 0) {
        cast->raft.link = args_text(args, "link");
        options.type = &raft_type;
        options.options = &cast->raft;
    } else {
        return command_fail("%s can be recorded, but not replayed: it shares memory or a disk with "
                            "others, which is not in a recording. router, raft and pd can",
                            about.name);
    }
    s = sim_replay(&options, bytes, size, &result);
    if (s != STATUS_OK)
        return command_fail("%s: %s", args->words[0],
                            *result.difference ? result.difference : status_text(s));
    return tell(&result);
}

static int run(const struct args *args) {
    struct cast cast = {
        .pd = {.member = 1, .default_shards = 1, .factor = 1, .factor_max = ROLE_REPLICAS_MAX}};
    struct stat stat;
    struct buffer why;
    int64_t shards = 0;
    if (args->n_words != 1) return command_misuse("replay", "one recording is needed");
    buffer_init(&why);
    enum status s =
        args_number(args, "shards", (struct args_bounds){1, 1, SHARDS_MAX}, &shards, &why);
    int code = s == STATUS_OK ? EXIT_OK : command_misuse("replay", "%s", (char *)why.data);
    buffer_free(&why);
    if (code != EXIT_OK) return code;
    cast.pd.default_shards = (uint32_t)shards;
    int fd = open(args->words[0], O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &stat) != 0)
        return command_fail("%s: %s", args->words[0], strerror(errno));
    size_t size = (size_t)stat.st_size;
    void *bytes = size ? mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0) : MAP_FAILED;
    close(fd);
    if (bytes == MAP_FAILED) return command_fail("%s is no recording", args->words[0]);
    code = play(args, bytes, size, &cast);
    log_store_close(cast.log);
    munmap(bytes, size);
    return code;
}

const struct command command_replay = {
    .name = "replay",
    .arguments = "FILE",
    .summary = "plays a recording to the same actor in the simulator: does it do the same?",
    .help =
        "  vectron record --actor router --restart --seconds 10 -o router.rec\n"
        "  vectron replay router.rec\n\n"
        "Messages, answers, timers, random numbers and times are those of the recording; what the\n"
        "actor says is compared with what it said. Prints the first difference and exits with 1\n"
        "when there is one. The actors router, raft and pd can be replayed; pd alone in its group;\n"
        "it reads its log, so it needs a copy of the data folder from before the recording, and\n"
        "raft and pd tell others their addresses, so these are wanted. Starts no server.\n",
    .flags = flags,
    .run = run,
};
