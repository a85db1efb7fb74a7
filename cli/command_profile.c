/* vectron profile: where a running process spends its time, its memory, or holds its lanes. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/sys_call.h"
#include "schemas/sys.pb-c.h"

enum { SECONDS_MAX = 300, HZ_MAX = 1000, GRACE_MS = 15000 };

static const struct args_flag flags[] = {
    {"o", "FILE", "where it is written; pprof's format (needed)"},
    {"cpu", NULL, "where CPU time goes (the default)"},
    {"allocation", NULL, "who asks for memory: a sample every 512 KiB of a thread"},
    {"stalls", NULL, "what holds a lane for more than 25 ms"},
    {"hz", "N", "samples a second of CPU time (99, at most 1000)"},
    {0},
};

struct writing {
    FILE *file;
    size_t bytes;
    uint64_t samples;
    bool failed;
};

static void take(void *context, const ProtobufCMessage *reply) {
    struct writing *writing = context;
    if (reply->descriptor != &sys_profiled__descriptor) return;
    const SysProfiled *part = (const SysProfiled *)reply;
    if (fwrite(part->data.data, 1, part->data.len, writing->file) != part->data.len)
        writing->failed = true;
    writing->bytes += part->data.len;
    writing->samples = part->samples;
}

static int write_profile(const struct args *args, const SysProfile *ask, const char *path) {
    struct writing writing = {.file = fopen(path, "wb")};
    if (!writing.file) return command_fail("%s: %s", path, strerror(errno));
    int code = sys_call(
        args, &(struct sys_call){&ask->base, ask->seconds * 1000 + GRACE_MS, take, &writing, NULL});
    if (fclose(writing.file) != 0 || writing.failed)
        code = command_fail("%s: %s", path, strerror(errno));
    if (code == EXIT_OK)
        printf("%" PRIu64 " samples, %zu bytes in %s; `go tool pprof -http : %s` shows them\n",
               writing.samples, writing.bytes, path, path);
    else
        remove(path);
    return code;
}

static int run(const struct args *args) {
    SysProfile ask = SYS_PROFILE__INIT;
    const char *path = args_text(args, "o");
    int kinds = args_on(args, "cpu") + args_on(args, "allocation") + args_on(args, "stalls");
    char *end = NULL;
    long seconds = args->n_words == 1 ? strtol(args->words[0], &end, 10) : 0;
    struct buffer why;
    int64_t hz = 0;
    if (args->n_words != 1 || *end || seconds < 1 || seconds > SECONDS_MAX)
        return command_misuse("profile", "give the seconds, 1 to %d", SECONDS_MAX);
    if (!path) return command_misuse("profile", "-o FILE says where it is written");
    if (kinds > 1) return command_misuse("profile", "one kind at a time");
    buffer_init(&why);
    enum status s = args_number(args, "hz", (struct args_bounds){0, 1, HZ_MAX}, &hz, &why);
    int code = s == STATUS_OK ? EXIT_OK : command_misuse("profile", "%s", (char *)why.data);
    buffer_free(&why);
    if (code != EXIT_OK) return code;
    ask.kind = args_on(args, "allocation") ? "allocation"
               : args_on(args, "stalls")   ? "stalls"
                                           : "cpu";
    ask.seconds = (uint32_t)seconds;
    ask.hz = (uint32_t)hz;
    return write_profile(args, &ask, path);
}

const struct command command_profile = {
    .name = "profile",
    .arguments = "SECONDS",
    .summary = "where a running process spends its time or memory, for pprof",
    .help =
        "  vectron profile 10 -o cpu.pb.gz               ten seconds of its CPU time\n"
        "  vectron profile 30 --allocation -o heap.pb.gz --link 127.0.0.1:9191\n"
        "  vectron profile 60 --stalls -o stalls.pb.gz   what held its lanes\n\n"
        "A process makes one at a time. The file has the names of functions in it: the program is\n"
        "not needed to read it.\n",
    .flags = flags,
    .role = ROLE_CLIENT,
    .run = run,
};
