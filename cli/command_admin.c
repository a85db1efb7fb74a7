/* vectron admin: what an administrator does to a cluster's files. */
#include <string.h>

#include "cli/command.h"
#include "runtime/keyring.h"

static const struct args_flag flags[] = {
    {"out", "FILE", "keygen: the key file; NAME.key when it is not given"},
    {0},
};

static int keygen(const struct args *args) {
    if (args->n_words != 2) return command_misuse("admin", "keygen wants the NAME of one node");
    const char *name = args->words[1], *path = args_text(args, "out");
    char file[KEYRING_NAME_MAX + 8], key[KEY_TEXT + 1];
    snprintf(file, sizeof file, "%.*s.key", (int)KEYRING_NAME_MAX, name);
    struct buffer why;
    buffer_init(&why);
    enum status s = keyring_make(name, path ? path : file, key, &why);
    if (s == STATUS_OK)
        printf("%s %s\n", name, key);
    else
        command_fail("%.*s", (int)why.size, (const char *)why.data);
    buffer_free(&why);
    return s == STATUS_OK ? EXIT_OK : s == STATUS_INVALID ? EXIT_USAGE : EXIT_FAILED;
}

static int run(const struct args *args) {
    if (args->n_words == 0) return command_misuse("admin", "admin what? keygen NAME");
    if (strcmp(args->words[0], "keygen") == 0) return keygen(args);
    return command_misuse("admin", "unknown argument \"%s\": keygen", args->words[0]);
}

const struct command command_admin = {
    .name = "admin",
    .arguments = "keygen NAME",
    .summary = "make the keys of a node's links",
    .help =
        "Writes NAME's key pair to a file that only you can read, and prints the line that the\n"
        "other nodes put into their VECTRON_ALLOWED_KEYS:\n\n"
        "  vectron admin keygen worker1 --out worker1.key >> allowed.keys\n",
    .flags = flags,
    .run = run,
};
