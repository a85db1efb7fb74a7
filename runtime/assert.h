/* assert: for broken invariants only, always on; prints where and what, then aborts so that the
 * supervisor restarts the process from durable state. Never judges bytes from outside.
 * assert_hot is for distance kernels and vanishes unless VECTRON_HOT_ASSERTS is defined. */
#ifndef RUNTIME_ASSERT_H
#define RUNTIME_ASSERT_H

#include <protobuf-c/protobuf-c.h> /* first: it includes <assert.h>, which replaces our assert */

/* Prints the expression, the place and (when a turn runs on this thread) actor and message; aborts.
 */
_Noreturn void assert_failed(const char *expression, const char *file, int line);

struct lane;
/* The lane this thread runs from now on (NULL: none), for the words above. */
void assert_lane(const struct lane *lane);
/* That lane. Safe in a signal handler. */
const struct lane *assert_lane_here(void);

#undef assert
#define assert(condition) \
    do { \
        if (__builtin_expect(!(condition), 0)) assert_failed(#condition, __FILE__, __LINE__); \
    } while (0)

#ifdef VECTRON_HOT_ASSERTS
#define assert_hot(condition) assert(condition)
#else
#define assert_hot(condition) \
    do { \
    } while (0)
#endif

#ifndef static_assert
#define static_assert _Static_assert
#endif

#endif
