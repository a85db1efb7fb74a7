/* vectron index: index files without a server. */
#include "cli/index/parts.h"

static const struct command *const parts[] = {
    &command_index_build,  &command_index_search, &command_index_tune, &command_index_info,
    &command_index_verify, &command_index_stats,  &command_index_plot, NULL,
};

static int run(const struct args *args) {
    (void)args; /* the parts have run functions of their own */
    return EXIT_USAGE;
}

const struct command command_index = {
    .name = "index",
    .arguments = "COMMAND",
    .summary = "build, search, tune, inspect and draw index files, without a server",
    .parts = parts,
    .run = run,
};
