/* grpc_text: the small encodings of gRPC over HTTP/2: percent-encoded messages, timeouts, binary
 * metadata. */
#ifndef EDGE_GRPC_TEXT_H
#define EDGE_GRPC_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/arena.h"

/* grpc-message: every byte outside 0x20..0x7e and '%' as %XX. NULL: no memory. */
char *grpc_text_message(struct arena *arena, const char *text);
/* grpc-timeout: 1 to 8 digits and a unit H M S m u n. False when it is not; microseconds, rounded
 * up. */
bool grpc_text_timeout(const char *text, uint64_t *out_us);
/* *-bin metadata: base64 without padding. NULL: no memory. */
char *grpc_text_binary(struct arena *arena, const void *data, size_t size);

#endif
