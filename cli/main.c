/* vectron: finds the command, reads its flags, runs it. */
#include <signal.h>
#include <string.h>

#include "cli/command.h"
#include "cli/process.h"
#include "cli/suggest.h"
#include "cli/supervise/child.h"

static const struct command *const servers[] = {
    &process_up, &process_pd, &process_worker, &process_gateway, NULL,
};
/* clang-format off */
static const struct command *const tools[] = {
    &command_demo,
    &command_search,
    &command_collections,
    &command_import,
    &command_get,
    &command_stats,
    &command_console,
    &command_trace,
    &command_flight,
    &command_actor,
    &command_tap,
    &command_profile,
    &command_record,
    &command_replay,
    &command_letters,
    &command_config,
    &command_admin,
    &command_supervise,
    &command_version,
    NULL,
};
/* clang-format on */

static void list(FILE *out, const struct command *const *commands) {
    for (; *commands; commands++)
        fprintf(out, "  %-12s %s\n", (*commands)->name, (*commands)->summary);
}

static void help(FILE *out) {
    fputs("vectron: a distributed vector database\n\nServers:\n", out);
    list(out, servers);
    fputs("\nCommands:\n", out);
    list(out, tools);
    fputs(
        "\nvectron COMMAND --help tells more. To begin: `vectron up`, and in another terminal `vectron demo`.\n",
        out);
}

static void command_help(FILE *out, const struct command *command) {
    fprintf(out, "usage: vectron %s%s%s [flags]\n\n%s.\n", command->name,
            *command->arguments ? " " : "", command->arguments, command->summary);
    if (command->help) fprintf(out, "\n%s", command->help);
    args_help(out, command->flags, command->role);
}

static const struct command *find(const char *name) {
    for (size_t i = 0; servers[i]; i++)
        if (strcmp(servers[i]->name, name) == 0) return servers[i];
    for (size_t i = 0; tools[i]; i++)
        if (strcmp(tools[i]->name, name) == 0) return tools[i];
    return NULL;
}

static void
nearer(const char *name, const struct command *const *commands, const char **best, size_t *least) {
    for (; *commands; commands++) {
        size_t distance = suggest_distance(name, (*commands)->name);
        if (distance >= *least || !suggest_near(name, (*commands)->name, distance)) continue;
        *least = distance;
        *best = (*commands)->name;
    }
}

static int unknown(const char *name) {
    const char *best = NULL;
    size_t least = SIZE_MAX;
    nearer(name, servers, &best, &least);
    nearer(name, tools, &best, &least);
    fprintf(stderr, "vectron: unknown command \"%s\"", name);
    if (best) fprintf(stderr, "; did you mean %s?", best);
    fputs("\nsee: vectron help\n", stderr);
    return EXIT_USAGE;
}

static int run(const struct command *command, char *const *argv) {
    struct args args;
    struct buffer why;
    buffer_init(&why);
    enum status status = args_parse(&args, command->flags, command->role, argv, &why);
    if (status != STATUS_OK) {
        fprintf(stderr, "vectron %s: %s\n\n", command->name, (char *)why.data);
        command_help(stderr, command);
    }
    buffer_free(&why);
    if (status != STATUS_OK) return EXIT_USAGE;
    if (args.help) {
        command_help(stdout, command);
        return EXIT_OK;
    }
    return command->run(&args);
}

int main(int argc, char **argv) {
    if (!child_settle()) return EXIT_FAILED;
    signal(SIGPIPE, SIG_IGN); /* a reader that goes away is an error of write, not our end */
    const char *name = argc > 1 ? argv[1] : "help";
    bool asked =
        strcmp(name, "help") == 0 || strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0;
    const struct command *topic = asked && argc > 2 ? find(argv[2]) : NULL;
    if (topic)
        command_help(stdout, topic);
    else if (asked && argc > 2)
        return unknown(argv[2]);
    else if (asked)
        help(stdout);
    if (asked) return EXIT_OK;
    if (strcmp(name, "launch") == 0) return child_launch(argv + 2);
    if (strcmp(name, "--version") == 0) name = "version";
    const struct command *command = find(name);
    return command ? run(command, argv + 2) : unknown(name);
}
