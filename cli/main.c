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
    &command_index,
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
    fprintf(out, "usage: vectron %s%s%s%s%s [flags]\n\n%s.\n", command->of ? command->of : "",
            command->of ? " " : "", command->name, *command->arguments ? " " : "",
            command->arguments, command->summary);
    if (command->parts) {
        fputs("\nCommands:\n", out);
        list(out, command->parts);
        fprintf(out, "\nvectron %s COMMAND --help tells more.\n", command->name);
    }
    if (command->help) fprintf(out, "\n%s", command->help);
    args_help(out, command->flags, command->role, command->way);
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
        char name[64];
        snprintf(name, sizeof name, "%s%s%s", command->of ? command->of : "",
                 command->of ? " " : "", command->name);
        command_misuse(name, "%s: %s", name, (char *)why.data);
    }
    buffer_free(&why);
    if (status != STATUS_OK) return EXIT_USAGE;
    if (args.help) {
        command_help(stdout, command);
        return EXIT_OK;
    }
    return command->run(&args);
}

/* The part of a command that this word names; NULL: there is none, and that was said. */
static const struct command *part_of(const struct command *command, const char *name) {
    const char *best = NULL;
    size_t least = SIZE_MAX;
    for (const struct command *const *part = command->parts; *part; part++)
        if (strcmp((*part)->name, name) == 0) return *part;
    nearer(name, command->parts, &best, &least);
    fprintf(stderr, "vectron: unknown command \"%s %s\"", command->name, name);
    if (best) fprintf(stderr, "; did you mean %s?", best);
    fprintf(stderr, "\nsee: vectron %s --help\n", command->name);
    return NULL;
}

static bool is_help(const char *word) {
    return strcmp(word, "help") == 0 || strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
}

/* argv begins behind the command's name. */
static int run_named(const struct command *command, char *const *argv) {
    if (!command->parts) return run(command, argv);
    if (!*argv || is_help(*argv)) {
        command_help(*argv ? stdout : stderr, command);
        return *argv ? EXIT_OK : EXIT_USAGE;
    }
    command = part_of(command, *argv);
    return command ? run(command, argv + 1) : EXIT_USAGE;
}

/* `vectron help`, `vectron help COMMAND`, `vectron help COMMAND PART` */
static int run_help(char *const *topics) {
    if (!*topics) {
        help(stdout);
        return EXIT_OK;
    }
    const struct command *topic = find(*topics);
    if (!topic) return unknown(*topics);
    if (topic->parts && topics[1]) topic = part_of(topic, topics[1]);
    if (!topic) return EXIT_USAGE;
    command_help(stdout, topic);
    return EXIT_OK;
}

int main(int argc, char **argv) {
    if (!child_settle()) return EXIT_FAILED;
    signal(SIGPIPE, SIG_IGN); /* a reader that goes away is an error of write, not our end */
    const char *name = argc > 1 ? argv[1] : "help";
    if (is_help(name)) return run_help(argc > 1 ? argv + 2 : argv + 1);
    if (strcmp(name, "launch") == 0) return child_launch(argv + 2);
    if (strcmp(name, "--version") == 0) name = "version";
    const struct command *command = find(name);
    return command ? run_named(command, argv + 2) : unknown(name);
}
