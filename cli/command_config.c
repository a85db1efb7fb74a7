/* vectron config: what is set, and where it came from. */
#include "cli/command.h"
#include "cli/config_print.h"

static const struct args_flag flags[] = {
    {"all", NULL, "also settings without effect"},
    {"json", NULL, "everything as JSON"},
    {"sample", NULL, "an env file of the role with all defaults"},
    {"markdown", NULL, "the page docs/tuning.md (no ROLE)"},
    {0},
};

static int run(const struct args *args) {
    if (args_on(args, "markdown")) {
        config_print_markdown(stdout);
        return EXIT_OK;
    }
    if (args->n_words > 1) return command_misuse("config", "one ROLE");
    const char *name = args->n_words ? args->words[0] : "up";
    const struct role_name *role = role_by_name(name);
    if (!role)
        return command_misuse(
            "config", "unknown role \"%s\": up, pd, worker, gateway, auth, reranker, client", name);
    if (args_on(args, "sample")) {
        config_print_sample(role->role, stdout);
        return EXIT_OK;
    }
    struct config *config = config_load_process(role->role, NULL);
    if (!config) return EXIT_FAILED;
    if (args_on(args, "json"))
        config_print_json(config, stdout);
    else
        config_print_table(config, args_on(args, "all"), stdout);
    config_free(config);
    return EXIT_OK;
}

const struct command command_config = {
    .name = "config",
    .arguments = "[ROLE]",
    .summary = "every setting of a role, its value and where it came from",
    .help = "  vectron config worker\n"
            "  vectron config gateway --sample > apigateway.env\n"
            "  VECTRON_IO_LANES=2 vectron config up --json\n",
    .flags = flags,
    .run = run,
};
