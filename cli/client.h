/* client: gRPC calls to a Vectron server over libcurl: HTTP/2 with prior knowledge, or TLS.
 * Messages are the public ones, typed by protobuf-c. Many calls may be in flight on one client; one
 * thread at a time. */
#ifndef CLI_CLIENT_H
#define CLI_CLIENT_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stdint.h>

#include "cli/config.h"
#include "runtime/status.h"

struct client;

struct client_options {
    const char *address; /* "host:port", "http://…" or "https://host:port" */
    const char *token;   /* NULL or "": none */
    const char *ca_file; /* NULL or "": the system's */
    uint64_t timeout_ms; /* of one call */
};
/* NO_MEMORY. Nothing is connected yet. */
MUST_USE enum status client_open(const struct client_options *options, struct client **out);
/* From the settings of the client role. */
MUST_USE enum status client_open_config(const struct config *config, struct client **out);
/* "name: value", with every call from now on; borrowed. */
void client_say(struct client *client, const char *header);
/* Calls in flight are dropped, their callbacks not run. NULL is fine. */
void client_close(struct client *client);

/* How a call ended. */
struct client_result {
    int code;                /* gRPC's, 0 = OK */
    const char *text;        /* "" when OK; borrowed for the callback, or until the next call */
    ProtobufCMessage *reply; /* NULL unless OK; client_reply_free */
    uint32_t retry_after_ms; /* 0: not told */
    bool unreached;          /* there was no connection to the server */
};
typedef void (*client_done)(void *context, struct client_result *result);

struct client_call {
    const char *method; /* "Search", of vectron.v1.VectronService */
    const ProtobufCMessage *request;
    const ProtobufCMessageDescriptor *reply;
};
/* One call, waited for. STATUS_OK also when the server refused: look at result->code. NO_MEMORY. */
MUST_USE enum status
client_run(struct client *client, const struct client_call *call, struct client_result *out);
/* Starts a call; done runs inside a later client_wait. The request is encoded at once. */
MUST_USE enum status client_start(struct client *client,
                                  const struct client_call *call,
                                  client_done done,
                                  void *context);
/* Moves calls on, waiting at most timeout_ms for something to happen. Returns how many are in
 * flight. */
size_t client_wait(struct client *client, unsigned timeout_ms);
void client_reply_free(ProtobufCMessage *reply);
const char *client_address(const struct client *client);
/* "NOT_FOUND" … */
const char *client_code_name(int code);
/* Repeating the call later may help: UNAVAILABLE, RESOURCE_EXHAUSTED, ABORTED. */
bool client_code_passes(int code);

#endif
