/* second_signal: see the header. */
#include "cli/second_signal.h"

#include <unistd.h>

#include "cli/command.h"

static void stop_hard(int number) {
    (void)number;
    static const char words[] = "stopped at once\n";
    ssize_t ignored = write(STDERR_FILENO, words, sizeof words - 1);
    (void)ignored;
    _exit(EXIT_FAILED);
}

void second_signal_take(const sigset_t *signals) {
    struct sigaction action = {.sa_handler = stop_hard};
    signal(SIGHUP, SIG_IGN);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    pthread_sigmask(SIG_UNBLOCK, signals, NULL);
}
