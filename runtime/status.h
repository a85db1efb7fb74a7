/* status: the one list of outcomes. Every fallible function returns one; the edge derives gRPC and
 * HTTP codes from it, logs and tests its name. Words for people are added once, by the actor
 * (turn_fail). docs/errors.md is the public table. */
#ifndef RUNTIME_STATUS_H
#define RUNTIME_STATUS_H

#ifdef __cplusplus
extern "C" {
#endif

/* name, text, gRPC code, HTTP code */
#define STATUS_LIST(X) \
    X(STATUS_OK, "ok", 0, 200) \
    X(STATUS_INVALID, "request is malformed", 3, 400) \
    X(STATUS_NOT_FOUND, "not found", 5, 404) \
    X(STATUS_EXISTS, "already exists", 6, 409) \
    X(STATUS_STALE_EPOCH, "routing is out of date", 9, 400) \
    X(STATUS_BUSY, "overloaded, try again", 8, 429) \
    X(STATUS_NO_MEMORY, "out of memory", 8, 429) \
    X(STATUS_QUOTA, "quota exceeded", 8, 429) \
    X(STATUS_NOT_READY, "not ready yet", 14, 503) \
    X(STATUS_NOT_LEADER, "this node is not the leader", 14, 503) \
    X(STATUS_LOST_PEER, "peer is unreachable", 14, 503) \
    X(STATUS_DISK_FULL, "disk is full", 9, 507) \
    X(STATUS_QUARANTINED, "replica is quarantined", 14, 503) \
    X(STATUS_EXPIRED, "deadline exceeded", 4, 504) \
    X(STATUS_CANCELLED, "cancelled by the caller", 1, 499) \
    X(STATUS_TOO_LARGE, "message is too large", 8, 413) \
    X(STATUS_CORRUPT, "data is corrupt", 15, 500) \
    X(STATUS_DENIED, "permission denied", 7, 403) \
    X(STATUS_UNAUTHENTICATED, "not authenticated", 16, 401) \
    X(STATUS_UNIMPLEMENTED, "not implemented", 12, 501) \
    X(STATUS_IO, "input/output error", 13, 500) \
    X(STATUS_INTERNAL, "internal error", 13, 500)

enum status {
#define STATUS_NAME(name, text, grpc, http) name,
    STATUS_LIST(STATUS_NAME)
#undef STATUS_NAME
        STATUS_COUNT
};

/* Any fallible function carries this: the compiler refuses to forget an outcome. */
#define MUST_USE __attribute__((warn_unused_result))

/* "STATUS_BUSY" → "BUSY"; a number outside the list → "UNKNOWN". Static memory. */
const char *status_name(enum status status);
/* The list's sentence, static memory. */
const char *status_text(enum status status);
/* gRPC status code (0..16) and HTTP status code at the edge. */
int status_grpc(enum status status);
int status_http(enum status status);

#ifdef __cplusplus
}
#endif

#endif
