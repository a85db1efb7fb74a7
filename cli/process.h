/* process: a server process: `vectron up | pd | worker | gateway`. Reads its settings, opens the
 * data folder, a node and stores, starts its roles, says where it is reachable, serves until a
 * signal, drains, stops.
 *
 *   first SIGTERM or SIGINT: drain, then stop; second: stop at once; SIGHUP: read certificates
 * again
 *
 * Exit codes: 0 stopped as asked, 1 it failed and said why, 2 wrong command line. */
#ifndef CLI_PROCESS_H
#define CLI_PROCESS_H

#include "cli/command.h"

extern const struct command process_up, process_pd, process_worker, process_gateway;

#endif
