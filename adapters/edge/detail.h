/* detail: status details of a failed gRPC call (grpc-status-details-bin): an encoded
 * google.rpc.Status with one google.rpc.ErrorInfo, written by hand since that is all of it we use.
 */
#ifndef EDGE_DETAIL_H
#define EDGE_DETAIL_H

#include "runtime/buffer.h"
#include "runtime/status.h"

struct detail_pair {
    const char *key;
    const char *value;
};
struct detail {
    enum status status;
    const char *message;             /* the same words as grpc-message */
    const char *reason;              /* ErrorInfo.reason: "UPSERT_INCOMPLETE" */
    const struct detail_pair *pairs; /* ErrorInfo.metadata */
    size_t n_pairs;
};

/* Appends the encoded Status; buffer.failed tells of missing memory. */
void detail_write(const struct detail *detail, struct buffer *out);

#endif
