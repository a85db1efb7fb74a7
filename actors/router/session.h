/* session: the token that lets a read elsewhere see what was written here: for each shard the log
 * index that must be applied. Text: "1" then " shard:index" in hexadecimal for each shard, joined
 * by dots: "1.3:1f.4:2". */
#ifndef ACTORS_ROUTER_SESSION_H
#define ACTORS_ROUTER_SESSION_H

#include <stddef.h>
#include <stdint.h>

#include "runtime/buffer.h"
#include "runtime/status.h"

enum { SESSION_SHARDS_MAX = 1024, SESSION_TEXT_MAX = 48 * 1024 };

struct session_pair {
    uint64_t shard;
    uint64_t index;
};

/* Appends one pair; the first call of a text begins it. */
void session_put(struct buffer *text, uint64_t shard, uint64_t index);
/* The index a token asks of a shard; 0 when it does not name it. The token must be valid. */
uint64_t session_index(const char *text, uint64_t shard);
/* INVALID: no token of ours. The empty text is valid. */
MUST_USE enum status session_check(const char *text);

#endif
