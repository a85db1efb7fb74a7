/* second_signal: the first SIGTERM or SIGINT asks a server to stop in order; the second one says
 * that the person, or the supervisor, does not want to wait. Nothing acknowledged is lost, and the
 * kernel kills the children of a supervisor that is gone. */
#ifndef CLI_SECOND_SIGNAL_H
#define CLI_SECOND_SIGNAL_H

#include <signal.h>

/* From now on SIGTERM and SIGINT end the process at once with EXIT_FAILED; SIGHUP is ignored.
 * signals: what was blocked until here, unblocked for the calling thread. */
void second_signal_take(const sigset_t *signals);

#endif
