/* payload_text: payload indexes as people give them: price:number,color,at:datetime. */
#ifndef CLI_PAYLOAD_TEXT_H
#define CLI_PAYLOAD_TEXT_H

#include <stddef.h>

#include "runtime/arena.h"
#include "runtime/buffer.h"
#include "runtime/status.h"
#include "schemas/filter.pb-c.h"

struct payload_text {
    Vectron__V1__PayloadIndex **indexes; /* in the arena */
    size_t n;
};
/* A key without a type is a keyword. NULL is none. INVALID: why says what is wrong. NO_MEMORY. */
MUST_USE enum status payload_text_read(const char *text,
                                       struct arena *arena,
                                       struct payload_text *out,
                                       struct buffer *why);
#define PAYLOAD_TEXT_HELP \
    "payload keys that filters will ask about, each with its type: price:number,color (types: " \
    "keyword, integer, number, bool, datetime)"

#endif
