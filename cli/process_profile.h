/* process_profile: profiles that a server process makes of itself at its start, as the PPROF_*
 * settings of the original ask: CPU, stalls (its block profile), allocations (its heap profile),
 * one after the other, each into its file. */
#ifndef CLI_PROCESS_PROFILE_H
#define CLI_PROCESS_PROFILE_H

#include "cli/config.h"

struct process_profile;
/* Starts a thread when a path is set; NULL: none is, or there is no thread, which is logged. */
struct process_profile *process_profile_start(const struct config *config);
/* Writes what it has so far. NULL is fine. */
void process_profile_stop(struct process_profile *profile);

#endif
