/* process: the other processes of the cases: servers and crowds. They are started by exec, before
 * which nothing of ZeroMQ exists in them: a context does not survive fork (runtime.md 5.9). */
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/runtime/measure.h"
#include "runtime/assert.h"

extern char **environ;

static const char *self;

void measure_self(const char *program) {
    self = program;
}

/* Reads the line with the address that the server prints when it is ready. */
static void read_address(int fd, char *address, size_t size) {
    size_t n = 0;
    while (n + 1 < size && read(fd, address + n, 1) == 1 && address[n] != '\n')
        n++;
    address[n] = '\0';
    assert(n > 0);
}

void measure_start(struct server *server, const char *peer, const char *transport) {
    int in[2], out[2];
    char wanted[128];
    assert(pipe(in) == 0 && pipe(out) == 0);
    if (strcmp(transport, "tcp") == 0)
        snprintf(wanted, sizeof wanted, "tcp://127.0.0.1:*");
    else
        snprintf(wanted, sizeof wanted, "ipc:///tmp/vectron-bench-%d-%s/link", getpid(), peer);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, in[0], STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
    posix_spawn_file_actions_addclose(&actions, in[1]);
    char *argv[] = {(char *)self, "--serve", (char *)peer, wanted, NULL};
    int rc = posix_spawn(&server->pid, self, &actions, NULL, argv, environ);
    assert(rc == 0);
    posix_spawn_file_actions_destroy(&actions);
    close(in[0]);
    close(out[1]);
    server->in = in[1];
    read_address(out[0], server->address, sizeof server->address);
    close(out[0]);
}

void measure_end(struct server *server) {
    close(server->in);
    waitpid(server->pid, NULL, 0);
}

int measure_serve(const char *peer, const char *address) {
    if (strcmp(peer, "ours") == 0)
        ours_serve(address);
    else if (strcmp(peer, "zmq-sink") == 0)
        zmq_serve_sink(address);
    else
        zmq_serve(address);
    return 0;
}

/* --- crowds
 * --------------------------------------------------------------------------------------- */

void measure_crowd(const char *kind, uint32_t actors, struct crowd *out) {
    char command[512];
    snprintf(command, sizeof command, "%s --crowd %s %u", self, kind, actors);
    FILE *child = popen(command, "r");
    assert(child);
    int n = fscanf(child, "%lf %lf %lf %lf %lf", &out->bytes, &out->files, &out->us, &out->seconds,
                   &out->limit);
    assert(n == 5);
    pclose(child);
}

int measure_crowd_main(const char *kind, uint32_t actors) {
    struct crowd crowd = {0};
    if (strcmp(kind, "zactor") == 0)
        zactor_crowd(actors, &crowd);
    else
        ours_crowd(kind, actors, &crowd);
    printf("%g %g %g %g %g\n", crowd.bytes, crowd.files, crowd.us, crowd.seconds, crowd.limit);
    return 0;
}
