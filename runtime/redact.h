/* redact: what of a message's body may be shown to people. Numbers, flags and the shape are shown;
 * text, bytes and vectors only where the schema says so, by @shown behind the field in
 * schemas/internal/NAME.proto. So what nobody thought of stays hidden. */
#ifndef RUNTIME_REDACT_H
#define RUNTIME_REDACT_H

#include <stddef.h>
#include <stdint.h>

#include "runtime/arena.h"
#include "runtime/buffer.h"
#include "runtime/status.h"

/* Appends the body, msgpack as it came, without what is not shown. INVALID: it is no such message;
 * NO_MEMORY. The arena is for the time of the call. */
MUST_USE enum status
redact(uint32_t op, const void *body, size_t size, struct arena *arena, struct buffer *out);

#endif
