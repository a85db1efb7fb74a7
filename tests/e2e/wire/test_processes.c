/* Links between real processes: what a caller sees when the other one works, dies, hangs, and comes
 * back. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "runtime/node.h"
#include "schemas/router.pb-c.h"

extern char **environ;

struct process {
    pid_t pid;
    int input; /* it serves until this closes */
    char address[128];
};

static struct node *node;
static struct process server;
static char folder[64], ipc[128];

static void start(const char *address) {
    int in[2], out[2];
    cr_assert(pipe(in) == 0 && pipe(out) == 0);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, in[0], STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
    posix_spawn_file_actions_addclose(&actions, in[1]);
    posix_spawn_file_actions_addclose(&actions, out[0]);
    char *arguments[] = {(char *)WIRE_NODE, (char *)address, NULL};
    cr_assert_eq(posix_spawn(&server.pid, WIRE_NODE, &actions, NULL, arguments, environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    close(in[0]);
    close(out[1]);
    server.input = in[1];
    FILE *output = fdopen(out[0], "r");
    cr_assert_not_null(fgets(server.address, sizeof server.address, output), "it did not start");
    server.address[strcspn(server.address, "\n")] = 0;
    fclose(output);
}

static void stop(int signal) {
    if (!server.pid) return;
    if (signal) kill(server.pid, signal);
    close(server.input);
    int status;
    waitpid(server.pid, &status, 0);
    if (!signal) cr_expect_eq(status, 0, "it did not end well");
    server.pid = 0;
}

static void set_up(void) {
    snprintf(folder, sizeof folder, "/tmp/vectron-test-wire-%d", (int)getpid());
    snprintf(ipc, sizeof ipc, "ipc://%s/node.sock", folder);
    struct node_options options = {.name = "asker", .compute_lanes = 1};
    cr_assert_eq(node_open(&options, &node), STATUS_OK, "%s", node_error());
}

static void tear_down(void) {
    node_close(node);
    stop(0);
    unlink(ipc + strlen("ipc://"));
    rmdir(folder);
}

TestSuite(processes, .init = set_up, .fini = tear_down, .timeout = 60);

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* The number of floats that came back. */
static enum status get(const char *name, uint32_t floats, uint64_t timeout_ms, size_t *out) {
    RouterGet message = ROUTER_GET__INIT;
    message.id = (char *)"some id";
    message.consistency = floats;
    struct node_call call = {.address = server.address,
                             .name = name,
                             .message = &message.base,
                             .timeout_ms = timeout_ms};
    ProtobufCMessage *reply = NULL;
    enum status s = node_call(node, &call, &reply);
    if (s != STATUS_OK) return s;
    cr_assert_eq(reply->descriptor, &router_point__descriptor);
    const RouterPoint *point = (const RouterPoint *)reply;
    cr_expect_str_eq(point->id, "some id");
    *out = point->n_vector;
    node_reply_free(reply);
    return STATUS_OK;
}

static void expect_answers(void) {
    for (uint32_t i = 0; i < 50; i++) {
        size_t floats = 0;
        enum status s = get("echo", i * i * 100, 5000, &floats);
        cr_assert_eq(s, STATUS_OK, "%s", status_name(s));
        cr_expect_eq(floats, i * i * 100);
    }
}

Test(processes, answer_over_tcp) {
    start("tcp://127.0.0.1:*");
    expect_answers();
    size_t floats;
    cr_expect_eq(get("nobody", 1, 5000, &floats), STATUS_NOT_FOUND);
}

Test(processes, answer_over_ipc) {
    start(ipc);
    expect_answers();
}

static enum status call_for_ever(double *seconds) {
    RouterDelete message = ROUTER_DELETE__INIT;
    struct node_call call = {
        .address = server.address, .name = "echo", .message = &message.base, .timeout_ms = 30000};
    ProtobufCMessage *reply = NULL;
    double begun = now();
    enum status s = node_call(node, &call, &reply);
    *seconds = now() - begun;
    if (s == STATUS_OK) node_reply_free(reply);
    return s;
}

static void *signal_soon(void *signal) {
    usleep(300000);
    kill(server.pid, *(int *)signal);
    return NULL;
}

static enum status call_and_signal(int signal, double *seconds) {
    pthread_t thread;
    pthread_create(&thread, NULL, signal_soon, &signal);
    enum status s = call_for_ever(seconds);
    pthread_join(thread, NULL);
    return s;
}

Test(processes, are_missed_at_once_when_killed) {
    start(ipc);
    double seconds;
    cr_expect_eq(call_and_signal(SIGKILL, &seconds), STATUS_LOST_PEER);
    cr_expect_lt(seconds, 1.5, "%.1f s", seconds);
    stop(SIGKILL);
    start(ipc); /* over the dead one's socket file */
    expect_answers();
}

Test(processes, are_given_up_when_they_hang_and_met_again) {
    start("tcp://127.0.0.1:*");
    double seconds;
    cr_expect_eq(call_and_signal(SIGSTOP, &seconds), STATUS_LOST_PEER);
    cr_expect(seconds > 2 && seconds < 6, "%.1f s", seconds);
    kill(server.pid, SIGCONT);
    expect_answers();
}

Test(processes, that_never_were_are_lost) {
    snprintf(server.address, sizeof server.address, "tcp://127.0.0.1:1");
    size_t floats;
    double begun = now();
    cr_expect_eq(get("echo", 1, 10000, &floats), STATUS_LOST_PEER);
    cr_expect_lt(now() - begun, 4.0, "long before the call's own deadline");
}
