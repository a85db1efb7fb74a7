/* vectron actor: one actor of a running process: how it is, and what a person may do to it. */
#include <inttypes.h>
#include <string.h>

#include "cli/command.h"
#include "cli/sys_call.h"
#include "schemas/sys.pb-c.h"

enum { ASK_MS = 10000, LANES_MAX = 1024 };

static const struct args_flag flags[] = {
    {"restart", NULL, "end this life; its supervisor begins the next one"},
    {"passivate", NULL, "put its state away until the next message (light actors that can)"},
    {"migrate", NULL, "take it to another lane, or to that of --lane"},
    {"lane", "N", "of --migrate: a lane of its kind, as `vectron stats` numbers them"},
    {"pause", NULL, "in tests: it handles nothing and its timers stand still"},
    {"step", NULL, "in tests: a paused one handles one message"},
    {"resume", NULL, "in tests: go on"},
    {"json", NULL, "print what is known about it as JSON"},
    {0},
};
static const char *const actions[] = {"restart", "passivate", "migrate", "pause", "step", "resume"};

static void say_done(void *context, const ProtobufCMessage *reply) {
    (void)reply;
    const SysDo *ask = context;
    printf("%s: %s\n", ask->actor, ask->action);
}

static void print_view(void *context, const ProtobufCMessage *reply) {
    (void)context;
    if (reply->descriptor != &sys_actor_view__descriptor) return;
    const SysActorView *view = (const SysActorView *)reply;
    const SysActor *actor = view->actor;
    printf("%s: %s, %s, lane %u\n", actor->name, actor->kind, *actor->doing ? actor->doing : "open",
           actor->lane);
    printf("  received %" PRIu64 ", sent %" PRIu64 ", failed %" PRIu64 ", expired %" PRIu64
           ", refused %" PRIu64 "\n",
           actor->received, actor->sent, actor->failed, actor->expired, actor->dropped);
    printf("  waiting %u, restarts %u (%u of %u in %u s)\n", actor->depth, actor->restarts,
           actor->restarts_recent, actor->restarts_allowed, actor->restart_period_s);
    for (size_t i = 0; i < view->n_waits && i < 10; i++)
        printf("  %s %s %s since %" PRIu64 " us\n", view->waits[i]->kind, view->waits[i]->peer,
               view->waits[i]->message, view->waits[i]->since_us);
}

static void print_json(void *context, const ProtobufCMessage *reply) {
    (void)context;
    command_print_json(reply);
}

static int act(const struct args *args, const char *action) {
    SysDo ask = SYS_DO__INIT;
    struct buffer why;
    int64_t lane = 0;
    buffer_init(&why);
    enum status s = args_number(args, "lane", (struct args_bounds){0, 0, LANES_MAX}, &lane, &why);
    int code = s == STATUS_OK ? EXIT_OK : command_misuse("actor", "%s", (char *)why.data);
    buffer_free(&why);
    if (code != EXIT_OK) return code;
    ask.actor = (char *)(uintptr_t)args->words[0];
    ask.action = (char *)(uintptr_t)action;
    ask.lane = (uint32_t)lane;
    return sys_call(args, &(struct sys_call){&ask.base, ASK_MS, say_done, &ask, NULL});
}

static int show(const struct args *args) {
    SysAskActor ask = SYS_ASK_ACTOR__INIT;
    ask.name = (char *)(uintptr_t)args->words[0];
    return sys_call(args, &(struct sys_call){&ask.base, ASK_MS,
                                             args_on(args, "json") ? print_json : print_view, NULL,
                                             NULL});
}

static int run(const struct args *args) {
    const char *action = NULL;
    if (args->n_words != 1) return command_misuse("actor", "one NAME is needed");
    for (size_t i = 0; i < sizeof actions / sizeof *actions; i++) {
        if (!args_on(args, actions[i])) continue;
        if (action) return command_misuse("actor", "one action at a time");
        action = actions[i];
    }
    if (args_text(args, "lane") && (!action || strcmp(action, "migrate") != 0))
        return command_misuse("actor", "--lane goes with --migrate");
    return action ? act(args, action) : show(args);
}

const struct command command_actor = {
    .name = "actor",
    .arguments = "NAME",
    .summary = "one actor of a running process: how it is; restart, passivate, move it",
    .help =
        "  vectron actor router                       how it is\n"
        "  vectron actor router --restart\n"
        "  vectron actor searcher/0 --migrate --lane 3\n\n"
        "Actions need a process that was started with VECTRON_SYS_ACTIONS=on, those for tests with\n"
        "VECTRON_SYS_ACTIONS=test. `vectron console actor NAME` shows more, live.\n",
    .flags = flags,
    .role = ROLE_CLIENT,
    .run = run,
};
