/* vectron replay: plays a recording to an actor of this program in the simulator, and says whether
 * it does again what it did. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/process_replay.h"
#include "runtime/sim/replay.h"

static const struct args_flag flags[] = {
    {"data-dir", "FOLDER", "of pd: a copy of the data folder as it was when the recording began"},
    {"shards", "N", "of pd: its default for collections, as it was there (1)"},
    {"link", "ADDRESS", "of raft and pd: the link of its process, as it was there"},
    {"grpc-addr", "ADDRESS", "of pd: where its process served gRPC"},
    {"turns", NULL, "print each turn as it is played"},
    {0},
};

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

static int play(const struct args *args, const void *bytes, size_t size) {
    struct replay_result result = {.turns = 0};
    struct replay_about about;
    struct replay_options options = {.line = args_on(args, "turns") ? print_line : NULL};
    struct scene scene;
    enum status s = sim_replay_about(bytes, size, &about, result.difference);
    int code = s == STATUS_OK ? scene_open(&scene, &about, args, &options) : EXIT_FAILED;
    if (code == EXIT_OK) s = sim_replay(&options, bytes, size, &result);
    if (s != STATUS_OK)
        code = command_fail("%s: %s", args->words[0],
                            *result.difference ? result.difference : status_text(s));
    if (code == EXIT_OK) code = tell(&result);
    if (s == STATUS_OK || options.type) scene_close(&scene);
    buffer_free(&about.disk);
    return code;
}

static int run(const struct args *args) {
    struct stat stat;
    if (args->n_words != 1) return command_misuse("replay", "one recording is needed");
    int fd = open(args->words[0], O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &stat) != 0)
        return command_fail("%s: %s", args->words[0], strerror(errno));
    size_t size = (size_t)stat.st_size;
    void *bytes = size ? mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0) : MAP_FAILED;
    close(fd);
    if (bytes == MAP_FAILED) return command_fail("%s is no recording", args->words[0]);
    int code = play(args, bytes, size);
    munmap(bytes, size);
    return code;
}

const struct command command_replay = {
    .name = "replay",
    .arguments = "FILE",
    .summary = "plays a recording to the same actor in the simulator: does it do the same?",
    .help =
        "  vectron record --actor shard/1 --restart --seconds 10 -o shard.rec\n"
        "  vectron replay shard.rec\n\n"
        "Messages, answers, timers, random numbers and times are those of the recording; what the\n"
        "actor says is compared with what it said. Prints the first difference and exits with 1\n"
        "when there is one. Starts no server, touches no data: shard/n and keeper work on a scratch\n"
        "copy, in TMPDIR, of what they had on their disk, which the recording carries. router needs\n"
        "nothing. raft and pd tell others their addresses, so these are wanted; pd, alone in its\n"
        "group, also needs a copy of the data folder from before the recording.\n",
    .flags = flags,
    .run = run,
};
