/* guard: memory mapped from a file that somebody cuts short. A read behind the new end would be a
 * SIGBUS; of guarded ranges the page becomes zeros instead, and a flag says that it was lost.
 * Faults elsewhere go to whoever had the signal before. Any thread. */
#ifndef INDEX_GUARD_H
#define INDEX_GUARD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

/* False: there are GUARD_RANGES already, map nothing. `lost` lives until guard_drop. */
enum { GUARD_RANGES = 4096 };
bool guard_hold(void *from, size_t bytes, atomic_bool *lost);
void guard_drop(void *from);

#endif
