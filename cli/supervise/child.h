/* child: a process that the supervisor runs: starting it, its pipe, its notify socket, its end.
 *
 *     supervisor ── posix_spawn ──▶ vectron ROLE …     or vectron launch ── exec ──▶ any command
 *       pidfd ◀────────── end ────────┘ at the start of main: death signal, cage, limits, cores
 *
 * What posix_spawn cannot set, the new process sets on itself before it has threads or a ZeroMQ
 * context: $VECTRON_LAUNCH tells it what. It asks the kernel for SIGKILL when its parent thread
 * ends (PR_SET_PDEATHSIG, kept over exec), so that nothing is left of a supervisor that was killed.
 */
#ifndef CLI_SUPERVISE_CHILD_H
#define CLI_SUPERVISE_CHILD_H

#include <signal.h>
#include <sys/types.h>

#include "cli/supervise/cage.h"
#include "cli/supervise/cluster.h"

enum { CHILD_LINE_MAX = 8192, CHILD_NEWS_MAX = 1024 };

struct child {
    pid_t pid;  /* 0: none */
    int pidfd;  /* -1: none; readable when it ended */
    int output; /* -1: none; the pipe of its stdout and stderr */
    int notify; /* -1: none; what it tells */
};
enum { CHILD_NONE = -1 };

/* The notify socket, once for all lives of the process. number: unique in this supervisor. */
MUST_USE enum status child_open(struct child *child, uint32_t number);
void child_close(struct child *child);
/* On a thread that lives as long as the child may. program: this binary. IO, QUOTA: errno has it.
 */
struct child_plan {
    const struct cluster_process *process;
    const char *program;
    const struct cage *cage; /* it moves in */
};
MUST_USE enum status child_start(struct child *child, const struct child_plan *plan);
/* Takes the end of it, when there is one: how, in words, and whether it was a good one (exit code
 * 0). False: it still runs. */
struct child_end {
    bool good;
    char words[64];
};
bool child_ended(struct child *child, struct child_end *out);
void child_signal(const struct child *child, int number);
/* Closes pidfd and pipe. */
void child_forget(struct child *child);
/* The next datagram of the notify socket, from our user only; false: none. */
bool child_news(const struct child *child, char news[CHILD_NEWS_MAX]);

/* First in main: what the supervisor that started this process wants of it. False: it failed, and
 * said why, or the supervisor is gone. */
bool child_settle(void);
/* main of `vectron launch`: argv behind the word. Returns only when it failed. */
int child_launch(char **argv);

#endif
