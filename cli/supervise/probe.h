/* probe: does a URL answer 200? Waits, so for the blocking pool. */
#ifndef CLI_SUPERVISE_PROBE_H
#define CLI_SUPERVISE_PROBE_H

#include <stdbool.h>

bool probe_answers(const char *url);

#endif
