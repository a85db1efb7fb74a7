/* fleet: the processes that a tool asks: those whose links it was told, and those that they are
 * linked with. One thread. */
#ifndef CLI_FLEET_H
#define CLI_FLEET_H

#include <signal.h>

#include "cli/address.h"
#include "cli/args.h"
#include "cli/config.h"
#include "runtime/turn.h"

enum { FLEET_MAX = 64 };

struct fleet_process {
    char address[ADDRESS_MAX];
    char name[96]; /* the node's; with the port of its link when several have it */
};

struct fleet {
    struct node *node; /* owned: the tool's own */
    struct config *config;
    struct fleet_process processes[FLEET_MAX];
    size_t n;
    char words[256]; /* of the last fleet_ask's first failure */
};

/* Every --link (several may be given, or a list with commas; none: the process of the data folder)
 * and the processes known to those. Returns an exit code, having said what is wrong: none of them
 * answers. fleet_close is fine then. */
int fleet_open(struct fleet *fleet, const struct args *args);
void fleet_close(struct fleet *fleet);
/* The same for one process alone, the first --link. */
int fleet_open_one(struct fleet *fleet, const struct args *args);
/* Calls an actor of every process, all at once, and gives each message that comes, parts too, to
 * take, inside a turn. Returns the first failure when no process answered, else OK. timeout_ms
 * counts for each. */
struct fleet_call {
    const ProtobufCMessage *message;
    uint64_t timeout_ms;
    void (*take)(void *context, const char *process, const ProtobufCMessage *reply);
    void *context;
    const char *actor; /* NULL: "traces" */
    /* Set by a signal's handler: no more is wanted, what came is all; CANCELLED. NULL: never. */
    const volatile sig_atomic_t *enough;
};
enum status fleet_ask(struct fleet *fleet, const struct fleet_call *call);

#endif
