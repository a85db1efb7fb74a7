/* vectron record: each turn of an actor, whole, into a file that `vectron replay` plays again. */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>

#include "cli/command.h"
#include "cli/sys_call.h"
#include "runtime/codec.h"
#include "runtime/sim/replay.h"
#include "schemas/sys.pb-c.h"

enum {
    SECONDS_MAX = 3600,
    RATE = 100000,
    MESSAGES = 1000000,
    GRACE_MS = 60 * 1000, /* for the actor's disk, which may be longer on its way than the turns */
    DISK_MB = 64,
    DISK_MB_MAX = 1024,
    WORDS_MAX = 256,
};

static const struct args_flag flags[] = {
    {"actor", "NAME", "whose messages (needed)"},
    {"o", "FILE", "where they are written (needed)"},
    {"seconds", "N", "for so long (10, at most 3600), or until Ctrl-C"},
    {"restart", NULL, "restart the actor first, so that its life is recorded from its beginning"},
    {"disk-mb", "N", "with --restart: what it then has on its disk goes along, up to so much (64)"},
    {0},
};

struct recording {
    FILE *file;
    uint64_t turns, torn, skipped, disk;
    char refused[WORDS_MAX]; /* why the actor's disk is not in it */
    bool failed;
};

static void take(void *context, const ProtobufCMessage *reply) {
    struct recording *recording = context;
    struct buffer body;
    if (reply->descriptor != &sys_tapped__descriptor) return;
    buffer_init(&body);
    bool fine = codec_encode(reply, &body) == STATUS_OK;
    const unsigned char length[4] = {(unsigned char)body.size, (unsigned char)(body.size >> 8),
                                     (unsigned char)(body.size >> 16),
                                     (unsigned char)(body.size >> 24)};
    fine = fine && fwrite(length, 1, sizeof length, recording->file) == sizeof length;
    fine = fine && fwrite(body.data, 1, body.size, recording->file) == body.size;
    fine = fine && fflush(recording->file) == 0;
    if (!fine) recording->failed = true;
    buffer_free(&body);
    const SysTapped *part = (const SysTapped *)reply;
    recording->turns += part->n_messages;
    recording->disk += part->disk.len;
    if (*part->disk_refused)
        snprintf(recording->refused, sizeof recording->refused, "%s", part->disk_refused);
    for (size_t i = 0; i < part->n_messages; i++) {
        const SysMessage *turn = part->messages[i];
        recording->torn += turn->torn || turn->body.len < turn->size;
    }
    recording->skipped = ((const SysTapped *)reply)->skipped;
}

static volatile sig_atomic_t enough;

static void stop(int signal) {
    (void)signal;
    enough = 1;
}

static int record(const struct args *args, const SysTap *tap, const char *path) {
    struct recording recording = {.file = fopen(path, "wb")};
    if (!recording.file) return command_fail("%s: %s", path, strerror(errno));
    fputs(REPLAY_MAGIC, recording.file);
    const struct sigaction action = {.sa_handler = stop};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    int code = sys_call(args, &(struct sys_call){&tap->base, tap->seconds * 1000 + GRACE_MS, take,
                                                 &recording, &enough});
    if (fclose(recording.file) != 0 || recording.failed)
        code = command_fail("%s: %s", path, strerror(errno));
    if (code == EXIT_OK && *recording.refused)
        code = command_fail("%s cannot be replayed from its beginning: %s", tap->actor,
                            recording.refused);
    if (code == EXIT_OK && recording.disk)
        printf("%" PRIu64 " turns and %" PRIu64 " KB of its disk in %s, %" PRIu64
               " came too fast or were too large\n",
               recording.turns, (recording.disk + 1023) / 1024, path,
               recording.skipped + recording.torn);
    else if (code == EXIT_OK)
        printf("%" PRIu64 " turns in %s, %" PRIu64 " came too fast or were too large\n",
               recording.turns, path, recording.skipped + recording.torn);
    else
        remove(path);
    return code;
}

static int run(const struct args *args) {
    SysTap tap = SYS_TAP__INIT;
    const char *actor = args_text(args, "actor"), *path = args_text(args, "o");
    struct buffer why;
    int64_t seconds = 0, disk = 0;
    if (args->n_words) return command_misuse("record", "too many arguments");
    if (!actor || !path) return command_misuse("record", "--actor NAME and -o FILE are needed");
    buffer_init(&why);
    enum status s =
        args_number(args, "seconds", (struct args_bounds){10, 1, SECONDS_MAX}, &seconds, &why);
    if (s == STATUS_OK)
        s = args_number(args, "disk-mb", (struct args_bounds){DISK_MB, 1, DISK_MB_MAX}, &disk,
                        &why);
    int code = s == STATUS_OK ? EXIT_OK : command_misuse("record", "%s", (char *)why.data);
    buffer_free(&why);
    if (code != EXIT_OK) return code;
    tap.actor = (char *)(uintptr_t)actor;
    tap.seconds = (uint32_t)seconds;
    tap.per_second = RATE;
    tap.max = MESSAGES;
    tap.whole = tap.steps = true;
    tap.restart = args_on(args, "restart");
    tap.disk_mb = (uint32_t)disk;
    return record(args, &tap, path);
}

const struct command command_record = {
    .name = "record",
    .arguments = "",
    .summary = "each turn of an actor in a running process, to be replayed",
    .help =
        "  vectron record --actor shard/1 --restart --seconds 10 -o shard.rec\n"
        "  vectron replay shard.rec\n\n"
        "The file has everything in it: ids, payloads, vectors. The process must have been started\n"
        "with VECTRON_SYS_BODIES=whole, for --restart also with VECTRON_SYS_ACTIONS=on. Without\n"
        "--restart a replay lacks what the actor knew before.\n",
    .flags = flags,
    .role = ROLE_CLIENT,
    .run = run,
};
