/* vectron letters: messages of a process that reached nobody, and one of them again. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/sys_call.h"
#include "cli/table.h"
#include "schemas/sys.pb-c.h"

enum { ASK_MS = 5000, LETTERS_MAX = 256, BODY_TEXT = 512 };

static const struct args_flag flags[] = {
    {"max", "N", "at most so many (32)"},
    {"before", "N", "only those with smaller numbers: the next page"},
    {"bodies", NULL, "with what may be shown of them (VECTRON_SYS_BODIES)"},
    {"json", NULL, "as JSON"},
    {0},
};

static void print_letters(const SysLetters *letters) {
    static const char *const heads[] = {">NUMBER", "AT",    "MESSAGE", "TO",   "FROM",
                                        "REASON",  ">SIZE", "KEPT",    "BODY", NULL};
    char text[BODY_TEXT];
    struct table table;
    table_init(&table, heads);
    for (size_t i = 0; i < letters->n_letters; i++) {
        const SysDeadLetter *letter = letters->letters[i];
        table_row(&table);
        table_cell(&table, 0, "%" PRIu64, letter->number);
        sys_call_clock(letter->at_ms, text);
        table_cell(&table, 1, "%s", text);
        table_cell(&table, 2, "%s", letter->message);
        table_cell(&table, 3, "%s", letter->to);
        table_cell(&table, 4, "%s", letter->from);
        table_cell(&table, 5, "%s", letter->reason);
        table_cell(&table, 6, "%" PRIu64, letter->size);
        table_cell(&table, 7, "%s", letter->kept ? "yes" : "no");
        if (letter->body.len == 0) continue;
        sys_call_body(letter->message, &letter->body, text, sizeof text);
        table_cell(&table, 8, "%s", text);
    }
    printf("%" PRIu64 " dead letters\n", letters->total);
    if (letters->n_letters) table_print(&table, stdout);
    table_reset(&table);
}

static void take_text(void *context, const ProtobufCMessage *reply) {
    (void)context;
    if (reply->descriptor == &sys_letters__descriptor) print_letters((const SysLetters *)reply);
}

static void take_json(void *context, const ProtobufCMessage *reply) {
    (void)context;
    command_print_json(reply);
}

static int list(const struct args *args) {
    SysAskLetters ask = SYS_ASK_LETTERS__INIT;
    struct buffer why;
    int64_t max = 0, before = 0;
    buffer_init(&why);
    enum status s = args_number(args, "max", (struct args_bounds){32, 1, LETTERS_MAX}, &max, &why);
    if (s == STATUS_OK)
        s = args_number(args, "before", (struct args_bounds){0, 1, INT64_MAX}, &before, &why);
    int code = s == STATUS_OK ? EXIT_OK : command_misuse("letters", "%s", (char *)why.data);
    buffer_free(&why);
    if (code != EXIT_OK) return code;
    ask.max = (uint32_t)max;
    ask.before = (uint64_t)before;
    ask.bodies = args_on(args, "bodies");
    return sys_call(args,
                    &(struct sys_call){&ask.base, ASK_MS,
                                       args_on(args, "json") ? take_json : take_text, NULL, NULL});
}

static void say_sent(void *context, const ProtobufCMessage *reply) {
    (void)reply;
    printf("letter %s was sent again\n", (const char *)context);
}

static int resend(const struct args *args) {
    SysResend ask = SYS_RESEND__INIT;
    const char *text = args->words[1];
    char *end = NULL;
    errno = 0;
    ask.number = strtoull(text, &end, 10);
    if (*text < '0' || *text > '9' || *end || errno || ask.number == 0)
        return command_misuse("letters", "%s is no number of a letter", text);
    return sys_call(args,
                    &(struct sys_call){&ask.base, ASK_MS, say_sent, (void *)(uintptr_t)text, NULL});
}

static int run(const struct args *args) {
    if (args->n_words == 0) return list(args);
    if (strcmp(args->words[0], "resend") != 0)
        return command_misuse("letters", "there is no `letters %s`", args->words[0]);
    if (args->n_words != 2) return command_misuse("letters", "resend takes one number");
    return resend(args);
}

const struct command command_letters = {
    .name = "letters",
    .arguments = "[resend NUMBER]",
    .summary = "messages of a running process that reached nobody; one of them again",
    .help =
        "  vectron letters                        the newest of the process with this data folder\n"
        "  vectron letters --link 127.0.0.1:9191  those of a worker\n"
        "  vectron letters resend 17              to its receiver once more, where the process\n"
        "                                         was started with VECTRON_SYS_ACTIONS=on\n\n"
        "A process keeps 256, and the bodies of some: only those can be sent again. A call whose\n"
        "message is here failed, and its caller was told.\n",
    .flags = flags,
    .role = ROLE_CLIENT,
    .run = run,
};
