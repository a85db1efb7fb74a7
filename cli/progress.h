/* progress: how far a long command is, on stderr: a bar that is redrawn on a terminal, a line every
 * few seconds elsewhere. */
#ifndef CLI_PROGRESS_H
#define CLI_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
    const char *what; /* "vectors" */
    bool terminal;
    bool quiet;
    bool drawn;
    uint64_t started_ms;
    uint64_t shown_ms;
    uint64_t base; /* done before this run: not part of the rate */
};

void progress_start(struct progress *progress, const char *what, bool quiet);
/* done of the whole; share 0..1, negative: unknown. Cheap to call often. */
void progress_show(struct progress *progress, uint64_t done, double share);
/* Ends the bar's line. Returns the seconds since the start. */
double progress_stop(struct progress *progress);

#endif
