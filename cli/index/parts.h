/* parts: the commands of `vectron index`. */
#ifndef CLI_INDEX_PARTS_H
#define CLI_INDEX_PARTS_H

#include "cli/command.h"

extern const struct command command_index_build, command_index_search, command_index_tune,
    command_index_info, command_index_verify, command_index_stats, command_index_plot;

#endif
