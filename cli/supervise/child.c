/* child: see the header. */
#include "cli/supervise/child.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/memory.h"

enum { LAUNCH_ARGUMENTS = 7, VARIABLES = 3, EXIT_NO_COMMAND = 127 };

/* --- the notify socket --- */

static void socket_name(uint32_t number, char out[64]) {
    snprintf(out, 64, "@vectron-supervise-%d-%u", (int)getpid(), number);
}

enum status child_open(struct child *child, uint32_t number) {
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    char text[64];
    int on = 1;
    *child = (struct child){0, CHILD_NONE, CHILD_NONE, CHILD_NONE};
    socket_name(number, text);
    memcpy(name.sun_path + 1, text + 1, strlen(text) - 1);
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(text));
    child->notify = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (child->notify < 0) return STATUS_QUOTA;
    setsockopt(child->notify, SOL_SOCKET, SO_PASSCRED, &on, sizeof on);
    if (bind(child->notify, (struct sockaddr *)&name, size) == 0) return STATUS_OK;
    child_close(child);
    return STATUS_IO;
}

bool child_news(const struct child *child, char news[CHILD_NEWS_MAX]) {
    for (;;) {
        union {
            struct cmsghdr header;
            char bytes[CMSG_SPACE(sizeof(struct ucred))];
        } control;
        struct iovec into = {news, CHILD_NEWS_MAX - 1};
        struct msghdr message = {.msg_iov = &into,
                                 .msg_iovlen = 1,
                                 .msg_control = control.bytes,
                                 .msg_controllen = sizeof control.bytes};
        ssize_t size = recvmsg(child->notify, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
        if (size < 0) return false;
        news[size] = 0;
        const struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        if (!header || header->cmsg_type != SCM_CREDENTIALS) continue;
        struct ucred who;
        memcpy(&who, CMSG_DATA(header), sizeof who);
        if (who.uid == getuid()) return true;
    }
}

/* --- starting --- */

/* The environment of ours without what is about us, then the process's own. Owned: the list only;
 * `made` holds the new texts. */
static char **
environment_of(const struct cluster_process *process, char made[VARIABLES][96], uint32_t n_made) {
    size_t ours = 0, theirs = 0, n = 0;
    while (environ[ours])
        ours++;
    while (process->environment[theirs])
        theirs++;
    char **out = mem_zero(ours + theirs + VARIABLES + 1, sizeof *out);
    if (!out) return NULL;
    for (size_t i = 0; i < ours; i++) {
        const char *line = environ[i];
        size_t name = strcspn(line, "=") + 1;
        bool about_us = strncmp(line, "NOTIFY_SOCKET=", name) == 0 ||
                        strncmp(line, "WATCHDOG_USEC=", name) == 0 ||
                        strncmp(line, "WATCHDOG_PID=", name) == 0;
        for (size_t j = 0; j < theirs; j++)
            about_us |= strncmp(line, process->environment[j], name) == 0;
        if (!about_us) out[n++] = environ[i];
    }
    for (size_t j = 0; j < theirs; j++)
        out[n++] = (char *)process->environment[j];
    for (uint32_t j = 0; j < n_made; j++)
        out[n++] = made[j];
    return out;
}

static char **arguments_of(const struct cluster_process *process,
                           const char *program,
                           char numbers[3][32],
                           char *cpus) {
    size_t n = 0;
    while (process->argv[n])
        n++;
    char **out = mem_zero(n + LAUNCH_ARGUMENTS + 1, sizeof *out);
    if (!out) return NULL;
    snprintf(numbers[0], 32, "%d", (int)getpid());
    snprintf(numbers[1], 32, "%llu", (unsigned long long)process->nofile);
    snprintf(numbers[2], 32, "%llu", (unsigned long long)process->memory);
    const char *head[LAUNCH_ARGUMENTS] = {program,    "launch", numbers[0],     numbers[1],
                                          numbers[2], cpus,     process->folder};
    for (size_t i = 0; i < LAUNCH_ARGUMENTS; i++)
        out[i] = (char *)head[i];
    for (size_t i = 0; i < n; i++)
        out[LAUNCH_ARGUMENTS + i] = (char *)process->argv[i];
    return out;
}

static void write_cpus(const struct cluster_process *process, char *out, size_t size) {
    size_t used = 0;
    out[0] = 0;
    for (unsigned i = 0; process->pinned && i < CPU_SETSIZE && used + 8 < size; i++)
        if (CPU_ISSET(i, &process->cpus))
            used += (size_t)snprintf(out + used, size - used, "%s%u", used ? "," : "", i);
}

static enum status spawn(struct child *child, char **argv, char **environment, int out) {
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none, usual;
    sigemptyset(&none);
    sigemptyset(&usual);
    sigaddset(&usual, SIGPIPE); /* we ignore it; the signals that we block are unblocked */
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, out, STDERR_FILENO);
    posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &usual);
    posix_spawnattr_setpgroup(&attributes, 0); /* Ctrl-C is for the supervisor alone */
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
                                              POSIX_SPAWN_SETPGROUP);
    int error = posix_spawn(&child->pid, argv[0], &actions, &attributes, argv, environment);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    if (error) child->pid = 0;
    errno = error;
    return error ? STATUS_QUOTA : STATUS_OK;
}

enum status
child_start(struct child *child, const struct cluster_process *process, const char *program) {
    char numbers[3][32], cpus[CPU_SETSIZE], made[VARIABLES][96], name[64];
    uint32_t n_made = 0;
    int ends[2] = {-1, -1};
    struct sockaddr_un ours;
    socklen_t size = sizeof ours;
    if (getsockname(child->notify, (struct sockaddr *)&ours, &size) != 0) return STATUS_IO;
    size -= (socklen_t)offsetof(struct sockaddr_un, sun_path) + 1;
    snprintf(name, sizeof name, "@%.*s", (int)size, ours.sun_path + 1);
    snprintf(made[n_made++], sizeof made[0], "NOTIFY_SOCKET=%s", name);
    if (process->watchdog_ms)
        snprintf(made[n_made++], sizeof made[0], "WATCHDOG_USEC=%llu",
                 process->watchdog_ms * 1000ull);
    write_cpus(process, cpus, sizeof cpus);
    char **environment = environment_of(process, made, n_made);
    char **argv = arguments_of(process, program, numbers, cpus);
    enum status s = environment && argv ? STATUS_OK : STATUS_NO_MEMORY;
    if (s == STATUS_OK && pipe2(ends, O_CLOEXEC) != 0) s = STATUS_QUOTA;
    if (s == STATUS_OK) s = spawn(child, argv, environment, ends[1]);
    int error = errno;
    if (ends[1] >= 0) close(ends[1]);
    mem_free(environment);
    mem_free(argv);
    child->output = ends[0];
    if (s == STATUS_OK) {
        fcntl(child->output, F_SETFL, O_NONBLOCK);
        child->pidfd = (int)syscall(SYS_pidfd_open, child->pid, 0);
        error = errno;
        if (child->pidfd >= 0) return STATUS_OK;
        kill(child->pid, SIGKILL);
        waitpid(child->pid, NULL, 0);
        s = STATUS_QUOTA;
    }
    child->pid = 0;
    child_forget(child);
    errno = error;
    return s;
}

/* --- its end --- */

bool child_ended(struct child *child, struct child_end *out) {
    int how;
    if (child->pid == 0 || waitpid(child->pid, &how, WNOHANG) != child->pid) return false;
    child->pid = 0;
    out->good = WIFEXITED(how) && WEXITSTATUS(how) == 0;
    if (WIFSIGNALED(how))
        snprintf(out->words, sizeof out->words, "killed by SIG%s", sigabbrev_np(WTERMSIG(how)));
    else
        snprintf(out->words, sizeof out->words, "exit code %d", WEXITSTATUS(how));
    return true;
}

void child_signal(const struct child *child, int number) {
    if (child->pidfd >= 0) syscall(SYS_pidfd_send_signal, child->pidfd, number, NULL, 0);
}

void child_forget(struct child *child) {
    if (child->pidfd >= 0) close(child->pidfd);
    if (child->output >= 0) close(child->output);
    child->pidfd = child->output = CHILD_NONE;
}

void child_close(struct child *child) {
    child_forget(child);
    if (child->notify >= 0) close(child->notify);
    child->notify = CHILD_NONE;
}

/* --- launch --- */

static int complain(const char *what) {
    fprintf(stderr, "vectron launch: %s: %s\n", what, strerror(errno));
    return EXIT_NO_COMMAND;
}

static bool set_limit(int resource, const char *text) {
    rlim_t most = (rlim_t)strtoull(text, NULL, 10);
    struct rlimit limit = {most, most};
    return most == 0 || setrlimit(resource, &limit) == 0;
}

int child_launch(int argc, char **argv) {
    if (argc < 6) {
        fputs("vectron launch is the supervisor's own; see `vectron supervise --help`\n", stderr);
        return EXIT_NO_COMMAND;
    }
    cpu_set_t cpus;
    signal(SIGPIPE, SIG_DFL); /* main ignores it */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) return complain("death signal");
    if (getppid() != (pid_t)strtol(argv[0], NULL, 10)) return EXIT_NO_COMMAND; /* it died already */
    if (!set_limit(RLIMIT_NOFILE, argv[1])) return complain("nofile");
    if (!set_limit(RLIMIT_DATA, argv[2])) return complain("memory");
    if (*argv[3] &&
        (!cluster_cpus(argv[3], &cpus) || sched_setaffinity(0, sizeof cpus, &cpus) != 0))
        return complain("cpus");
    if (*argv[4] && chdir(argv[4]) != 0) return complain(argv[4]);
    execvp(argv[5], argv + 5);
    return complain(argv[5]);
}
