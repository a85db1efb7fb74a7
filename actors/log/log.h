/* log: the one actor that writes the Raft logs of all replicas of a process. Accepts LogAppend and
 * LogDrop (schemas/internal/log.proto) and answers Done once they are durable.
 *
 * Failures: BUSY (too much is waiting; with a retry hint), INVALID (the entries do not fit the
 * log), DISK_FULL, IO, NO_MEMORY. After any of them nothing of that request was acknowledged, and
 * after INVALID, BUSY and NO_MEMORY nothing of its entries is stored; after IO entries may be found
 * again at a restart. A request that cuts and appends cuts first; all of
 * one request are one batch. */
#ifndef ACTORS_LOG_LOG_H
#define ACTORS_LOG_LOG_H

#include "runtime/actor.h"
#include "storage/log_store.h"

enum {
    LOG_WAITING_BYTES = 16 * 1024 * 1024, /* default bound of what waits for the write under way */
    LOG_WAITING_REQUESTS = 4096,          /* same, in requests */
};

struct log_options {
    struct log_store *store; /* borrowed; outlives the node's blocking pool */
    size_t waiting_bytes;    /* 0 = LOG_WAITING_BYTES */
    size_t waiting_requests; /* 0 = LOG_WAITING_REQUESTS */
};

extern const struct actor_type log_type; /* open takes struct log_options */

#endif
