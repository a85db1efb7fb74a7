/* event: one answer of one process. Everything the console knows came as one, so that what was live
 * can be looked at again: history.h keeps them, model.h makes of them what views show. Any thread.
 */
#ifndef CONSOLE_EVENT_H
#define CONSOLE_EVENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/buffer.h"
#include "runtime/status.h"

/* Numbers stand in recordings: add at the end. */
enum question {
    QUESTION_NONE,
    QUESTION_REPORT, /* SysAsk without actors; key "" */
    QUESTION_ACTORS, /* SysAsk with actors */
    QUESTION_ACTOR,  /* SysAskActor; key: the actor's name */
    QUESTION_WAITS,
    QUESTION_LETTERS,
    QUESTION_TAP, /* SysTap; key: the actor's name; parts */
    QUESTION_TRACES,
    QUESTION_TRACE,   /* key: trace id, 32 hex digits */
    QUESTION_WORKERS, /* PdListWorkers, of the process with the placement driver */
    QUESTION_COLLECTIONS,
    QUESTION_ROUTE, /* PdRoute; key: the collection */
    QUESTION_SHARD, /* ShardAsk; key: shard/ID */
    QUESTION_DO,    /* an action; key: what was asked, in words */
    QUESTION_COUNT,
};

enum { EVENT_ADDRESS_MAX = 128, EVENT_KEY_MAX = 256, EVENT_TEXT_MAX = 256 };

struct event {
    uint64_t at_ms; /* unix time */
    enum question question;
    char address[EVENT_ADDRESS_MAX];
    char key[EVENT_KEY_MAX];
    enum status status;
    bool more; /* of a tap: parts follow */
    char text[EVENT_TEXT_MAX];
    uint64_t took_us;
    size_t size;
    unsigned char *body; /* msgpack of the reply; owned by whoever holds the event */
};

/* A copy on the heap, body behind it in the same piece: free with mem_free. NULL: no memory. */
struct event *event_copy(const struct event *event);
size_t event_bytes(const struct event *event);
/* As it stands in a recording, appended. buffer.failed tells of missing memory. */
void event_write(const struct event *event, struct buffer *out);
/* The next one of a recording. *used: bytes taken; 0 with OK: more bytes are needed. INVALID: this
 * is none. NO_MEMORY. The caller owns *out (mem_free). */
MUST_USE enum status event_read(const void *data, size_t size, size_t *used, struct event **out);

extern const char event_magic[8];

#endif
