/* sys_call: a fleet of one process. */
#include "cli/sys_call.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cli/command.h"
#include "runtime/codec.h"
#include "schemas/messages.h"

static void take_one(void *context, const char *process, const ProtobufCMessage *reply) {
    (void)process;
    const struct sys_call *call = context;
    call->take(call->context, reply);
}

int sys_call(const struct args *args, const struct sys_call *call) {
    struct fleet fleet;
    int code = fleet_open_one(&fleet, args);
    if (code == EXIT_OK) {
        enum status s = fleet_ask(&fleet, &(struct fleet_call){.message = call->message,
                                                               .timeout_ms = call->timeout_ms,
                                                               .take = take_one,
                                                               .context = (void *)(uintptr_t)call,
                                                               .actor = "sys",
                                                               .enough = call->enough});
        if (s == STATUS_CANCELLED && call->enough && *call->enough) s = STATUS_OK;
        const char *address = fleet.processes[0].address;
        if (s != STATUS_OK) code = command_fail("%s: %s %s", address, status_name(s), fleet.words);
        if (s == STATUS_LOST_PEER)
            fputs("is the process running? --link names its link address, --data-dir its folder\n",
                  stderr);
    }
    fleet_close(&fleet);
    return code;
}

static const ProtobufCMessageDescriptor *type_of(const char *name) {
    for (size_t i = 0; schema_messages[i]; i++)
        if (strcmp(schema_messages[i]->name, name) == 0) return schema_messages[i];
    return NULL;
}

void sys_call_body(const char *name, const ProtobufCBinaryData *body, char *out, size_t size) {
    const ProtobufCMessageDescriptor *type = type_of(name);
    ProtobufCMessage *message = NULL;
    struct arena arena;
    arena_init(&arena, 0);
    if (type && body->len &&
        codec_decode(type, body->data, body->len, &arena, &message, NULL) == STATUS_OK)
        codec_print(message, out, size);
    else
        snprintf(out, size, "%s", name);
    arena_free(&arena);
}

void sys_call_clock(uint64_t unix_ms, char out[16]) {
    time_t seconds = (time_t)(unix_ms / 1000);
    struct tm local;
    strftime(out, 16, "%H:%M:%S", localtime_r(&seconds, &local));
}
