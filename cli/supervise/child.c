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

enum {
    VARIABLES = 4,
    CPUS_TEXT_MAX = 4096,
    VARIABLE_MAX = CPUS_TEXT_MAX + 128,
    EXIT_NO_COMMAND = 127
};

static const char launch_variable[] = "VECTRON_LAUNCH";
static const char cage_variable[] = "VECTRON_CAGE";

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
static char **environment_of(const struct cluster_process *process,
                             char made[VARIABLES][VARIABLE_MAX],
                             uint32_t n_made) {
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

/* Our own program needs no step between; any other one is started by `vectron launch`. Owned. */
static char **arguments_of(const struct cluster_process *process, const char *program) {
    size_t n = 0, head = strcmp(process->argv[0], program) == 0 ? 0 : 2;
    while (process->argv[n])
        n++;
    char **out = mem_zero(head + n + 1, sizeof *out);
    if (!out) return NULL;
    if (head) out[0] = (char *)program;
    if (head) out[1] = "launch";
    for (size_t i = 0; i < n; i++)
        out[head + i] = (char *)process->argv[i];
    return out;
}

static void write_cpus(const struct cluster_process *process, char *out, size_t size) {
    size_t used = 0;
    out[0] = 0;
    for (unsigned i = 0; process->pinned && i < CPU_SETSIZE && used + 8 < size; i++)
        if (CPU_ISSET(i, &process->cpus))
            used += (size_t)snprintf(out + used, size - used, "%s%u", used ? "," : "", i);
}

static enum status
spawn(struct child *child, char **argv, char **environment, int out, const char *folder) {
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
    if (*folder) posix_spawn_file_actions_addchdir_np(&actions, folder);
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

/* What is told by the environment: where to notify, how often, and what to set at the start. */
static uint32_t make_variables(const struct child *child,
                               const struct child_plan *plan,
                               char made[VARIABLES][VARIABLE_MAX]) {
    const struct cluster_process *process = plan->process;
    uint32_t n = 0;
    char cpus[CPUS_TEXT_MAX], cage[CAGE_FOLDERS * (CAGE_PATH_MAX + 1)];
    struct sockaddr_un ours = {0};
    socklen_t size = sizeof ours;
    getsockname(child->notify, (struct sockaddr *)&ours, &size);
    size -= (socklen_t)offsetof(struct sockaddr_un, sun_path) + 1;
    snprintf(made[n++], VARIABLE_MAX, "NOTIFY_SOCKET=@%.*s", (int)size, ours.sun_path + 1);
    if (process->watchdog_ms)
        snprintf(made[n++], VARIABLE_MAX, "WATCHDOG_USEC=%llu", process->watchdog_ms * 1000ull);
    write_cpus(process, cpus, sizeof cpus);
    snprintf(made[n++], VARIABLE_MAX, "%s=%d %llu %llu %s", launch_variable, (int)getpid(),
             (unsigned long long)process->nofile, (unsigned long long)process->memory, cpus);
    cage_list(plan->cage, cage, sizeof cage);
    if (*cage) snprintf(made[n++], VARIABLE_MAX, "%s=%s", cage_variable, cage);
    return n;
}

enum status child_start(struct child *child, const struct child_plan *plan) {
    const struct cluster_process *process = plan->process;
    char made[VARIABLES][VARIABLE_MAX];
    int ends[2] = {-1, -1};
    uint32_t n_made = make_variables(child, plan, made);
    char **environment = environment_of(process, made, n_made);
    char **argv = arguments_of(process, plan->program);
    enum status s = environment && argv ? STATUS_OK : STATUS_NO_MEMORY;
    if (s == STATUS_OK && pipe2(ends, O_CLOEXEC) != 0) s = STATUS_QUOTA;
    if (s == STATUS_OK) s = spawn(child, argv, environment, ends[1], process->folder);
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

static bool complain(const char *what) {
    fprintf(stderr, "vectron: at the start by its supervisor: %s: %s\n", what, strerror(errno));
    return false;
}

static bool set_limit(int resource, unsigned long long most) {
    struct rlimit limit = {most, most};
    return most == 0 || setrlimit(resource, &limit) == 0;
}

bool child_settle(void) {
    const char *text = getenv(launch_variable);
    int parent = 0, used = 0;
    unsigned long long nofile = 0, memory = 0;
    cpu_set_t cpus;
    if (!text) return true;
    errno = EINVAL;
    if (sscanf(text, "%d %llu %llu %n", &parent, &nofile, &memory, &used) != 3 || used == 0)
        return complain(launch_variable);
    const char *list = text + used;
    if (*list && !cluster_cpus(list, &cpus)) return complain("cpus");
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) return complain("death signal");
    if (getppid() != parent) return false; /* it died already */
    const char *cage = getenv(cage_variable);
    if (cage && !cage_enter(cage)) return complain(cage);
    if (!set_limit(RLIMIT_NOFILE, nofile)) return complain("nofile");
    if (!set_limit(RLIMIT_DATA, memory)) return complain("memory");
    if (*list && sched_setaffinity(0, sizeof cpus, &cpus) != 0) return complain("cpus");
    unsetenv(launch_variable);
    unsetenv(cage_variable);
    return true;
}

int child_launch(char **argv) {
    if (!argv[0]) {
        fputs("vectron launch is the supervisor's own; see `vectron supervise --help`\n", stderr);
        return EXIT_NO_COMMAND;
    }
    signal(SIGPIPE, SIG_DFL); /* main ignores it */
    execvp(argv[0], argv);
    complain(argv[0]);
    return EXIT_NO_COMMAND;
}
