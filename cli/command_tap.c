/* vectron tap: messages of a running process as they are handled. */
#include <inttypes.h>
#include <string.h>

#include "cli/command.h"
#include "cli/sys_call.h"
#include "schemas/sys.pb-c.h"

enum { TAP_SECONDS_MAX = 3600, GRACE_MS = 5000, BODY_TEXT = 1024, TRACE_BYTES = 16 };

static const struct args_flag flags[] = {
    {"actor", "NAME", "only what this actor handles; a trailing * matches any end"},
    {"kind", "KIND", "only what actors of this kind handle: shard, router …"},
    {"message", "TYPE", "only messages of this type: ShardSearch …"},
    {"from", "NAME", "only messages of this actor; a trailing * matches any end"},
    {"trace", "ID", "only messages of this trace, 32 hexadecimal digits"},
    {"sample", "N", "only every nth (1)"},
    {"rate", "N", "at most so many a second (1000); the rest is counted"},
    {"max", "N", "end after so many (10000)"},
    {"seconds", "N", "end after so many seconds (60, at most 3600)"},
    {"bodies", NULL, "with what may be shown of their bodies (VECTRON_SYS_BODIES)"},
    {"json", NULL, "one line of JSON for each part that comes"},
    {0},
};

struct counts {
    uint64_t seen, matched, skipped;
};

static void print_message(const SysMessage *row) {
    char text[BODY_TEXT];
    sys_call_body(row->message, &row->body, text, sizeof text);
    printf("%11.3f %-5s %s -> %s %s, waited %" PRIu64 " us, ran %" PRIu64 " us, %s\n",
           (double)row->at_us / 1000, row->kind, *row->from ? row->from : "-", row->to, text,
           row->waited_us, row->ran_us, row->outcome);
}

static void take(void *context, const ProtobufCMessage *reply) {
    struct counts *counts = context;
    if (reply->descriptor != &sys_tapped__descriptor) return;
    const SysTapped *part = (const SysTapped *)reply;
    for (size_t i = 0; i < part->n_messages; i++)
        print_message(part->messages[i]);
    counts->seen += part->n_messages;
    counts->matched = part->matched;
    counts->skipped = part->skipped;
    fflush(stdout);
}

static void take_json(void *context, const ProtobufCMessage *reply) {
    (void)context;
    if (reply->descriptor == &sys_tapped__descriptor) command_print_json(reply);
    fflush(stdout);
}

static bool read_trace(const char *text, uint8_t trace[TRACE_BYTES]) {
    if (strlen(text) != TRACE_BYTES * 2 ||
        strspn(text, "0123456789abcdefABCDEF") != TRACE_BYTES * 2)
        return false;
    for (size_t i = 0; i < TRACE_BYTES; i++)
        if (sscanf(text + i * 2, "%2hhx", &trace[i]) != 1) return false;
    return true;
}

static const char *text_of(const struct args *args, const char *name) {
    const char *text = args_text(args, name);
    return text ? text : "";
}

static enum status read_numbers(const struct args *args, SysTap *tap, struct buffer *why) {
    int64_t sample = 1, rate = 0, max = 0, seconds = 0;
    enum status s =
        args_number(args, "sample", (struct args_bounds){1, 1, UINT32_MAX}, &sample, why);
    if (s == STATUS_OK)
        s = args_number(args, "rate", (struct args_bounds){1000, 1, 1000000}, &rate, why);
    if (s == STATUS_OK)
        s = args_number(args, "max", (struct args_bounds){10000, 1, INT64_MAX}, &max, why);
    if (s == STATUS_OK)
        s = args_number(args, "seconds", (struct args_bounds){60, 1, TAP_SECONDS_MAX}, &seconds,
                        why);
    tap->one_in = (uint32_t)sample;
    tap->per_second = (uint32_t)rate;
    tap->max = (uint64_t)max;
    tap->seconds = (uint32_t)seconds;
    return s;
}

static int run(const struct args *args) {
    SysTap tap = SYS_TAP__INIT;
    uint8_t trace[TRACE_BYTES];
    struct counts counts = {0};
    struct buffer why;
    if (args->n_words) return command_misuse("tap", "too many arguments");
    tap.actor = (char *)text_of(args, "actor");
    tap.kind = (char *)text_of(args, "kind");
    tap.message = (char *)text_of(args, "message");
    tap.from = (char *)text_of(args, "from");
    tap.bodies = args_on(args, "bodies");
    if (args_text(args, "trace")) {
        if (!read_trace(args_text(args, "trace"), trace))
            return command_misuse("tap", "--trace takes 32 hexadecimal digits");
        tap.trace = (ProtobufCBinaryData){sizeof trace, trace};
    }
    buffer_init(&why);
    enum status s = read_numbers(args, &tap, &why);
    int code = s == STATUS_OK ? EXIT_OK : command_misuse("tap", "%s", (char *)why.data);
    buffer_free(&why);
    if (code != EXIT_OK) return code;
    bool json = args_on(args, "json");
    code = sys_call(args, &(struct sys_call){&tap.base, tap.seconds * UINT64_C(1000) + GRACE_MS,
                                             json ? take_json : take, &counts, NULL});
    if (code == EXIT_OK && !json)
        printf("%" PRIu64 " messages of %" PRIu64 " that matched, %" PRIu64 " skipped by rate\n",
               counts.seen, counts.matched, counts.skipped);
    return code;
}

const struct command command_tap = {
    .name = "tap",
    .arguments = "",
    .summary = "messages of a running process as its actors handle them",
    .help =
        "  vectron tap --actor router --seconds 5     what the router handles for five seconds\n"
        "  vectron tap --kind shard --message ShardSearch --max 10\n"
        "  vectron tap --trace 4bf92f3577b34da6a3ce929d0e0e4736\n\n"
        "Every line: milliseconds on the process's clock, what it was, from whom to whom, and what\n"
        "became of it. A tap ends by itself, and with this command.\n",
    .flags = flags,
    .role = ROLE_CLIENT,
    .run = run,
};
