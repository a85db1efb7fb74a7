/* sys_call: one question to sys of one process, for the commands that look into a running one. */
#ifndef CLI_SYS_CALL_H
#define CLI_SYS_CALL_H

#include "cli/fleet.h"

struct sys_call {
    const ProtobufCMessage *message;
    uint64_t timeout_ms;
    /* Every message that comes, parts too; inside a turn: borrowed. */
    void (*take)(void *context, const ProtobufCMessage *reply);
    void *context;
    const volatile sig_atomic_t *enough; /* as in fleet_call; then what came is all, and fine */
};
/* Asks the process that --link or --data-dir names. An exit code, having said what went wrong. */
int sys_call(const struct args *args, const struct sys_call *call);

/* A body as text: "ShardSearch shard=1 k=10"; the type's name when it cannot be read. */
void sys_call_body(const char *type, const ProtobufCBinaryData *body, char *out, size_t size);
/* HH:MM:SS of a unix time. */
void sys_call_clock(uint64_t unix_ms, char out[16]);

#endif
