/* serve: `vectron supervise FILE`: the node around the supervisor, and its signals. */
#ifndef CLI_SUPERVISE_SERVE_H
#define CLI_SUPERVISE_SERVE_H

struct cluster;
struct config;

/* Until all processes are down; the exit code. file: the cluster's, for people. */
int supervise_serve(const struct config *config, const struct cluster *cluster, const char *file);
/* This binary; "" when it cannot be told. */
const char *supervise_program(void);

#endif
