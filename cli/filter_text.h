/* filter_text: a filter as people write it, price < 10 and color in ("red", "blue"), as the message
 * that says it (docs/filters.md has the language). */
#ifndef CLI_FILTER_TEXT_H
#define CLI_FILTER_TEXT_H

#include <stddef.h>

#include "runtime/arena.h"
#include "runtime/buffer.h"
#include "runtime/status.h"
#include "schemas/filter.pb-c.h"

enum {
    FILTER_TEXT_LEVELS = 7,       /* of brackets and not */
    FILTER_TEXT_TERMS = 256,      /* joined by one and, one or, or in one list */
    FILTER_TEXT_MAX = 256 * 1024, /* bytes */
};

/* The message lies in the arena. INVALID: why says what was expected and shows where; NO_MEMORY. */
MUST_USE enum status filter_text_read(const char *text,
                                      struct arena *arena,
                                      Vectron__V1__Filter **out,
                                      struct buffer *why);

#endif
