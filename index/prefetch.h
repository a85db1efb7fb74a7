/* prefetch: asks for the lines of something before they are needed. Inlined always: gcc takes a
 * function that does no more than this for one without effect, and drops the call. */
#ifndef INDEX_PREFETCH_H
#define INDEX_PREFETCH_H

#include <stddef.h>

enum { PREFETCH_LINE = 64 };

__attribute__((always_inline)) static inline void prefetch_bytes(const void *from, size_t bytes) {
    for (size_t at = 0; at < bytes; at += PREFETCH_LINE)
        __builtin_prefetch((const char *)from + at);
}

#endif
