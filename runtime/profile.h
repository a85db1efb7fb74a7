/* profile: where a running process spends its time (cpu), asks for memory (allocation), or holds a
 * lane for too long (stalls). One at a time in a process. Stacks are walked by frame pointers,
 * which all of our code keeps; what a library without them hides is left out. Any thread. */
#ifndef RUNTIME_PROFILE_H
#define RUNTIME_PROFILE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/buffer.h"
#include "runtime/status.h"

enum profile_kind { PROFILE_CPU, PROFILE_ALLOCATION, PROFILE_STALLS, PROFILE_KINDS };

enum {
    PROFILE_SECONDS_MAX = 300,
    PROFILE_HZ_DEFAULT = 99,
    PROFILE_HZ_MAX = 1000,
    PROFILE_FRAMES = 48,
    PROFILE_SAMPLES_MAX = 1 << 15,
    PROFILE_ALLOCATED = 512 * 1024, /* bytes between two samples of allocations, a thread */
};

struct profile;

/* "cpu", "allocation", "stalls". False: no such kind. */
bool profile_kind_read(const char *text, enum profile_kind *out);
/* BUSY: another one runs; NO_MEMORY; UNIMPLEMENTED: not on this machine. hz: of cpu, 0 = default.
 */
MUST_USE enum status profile_start(enum profile_kind kind, uint32_t hz, struct profile **out);
/* Threads that were made since it began are sampled from now on (cpu). Once a second. */
void profile_follow(struct profile *profile);
/* No sample is taken any more. */
void profile_stop(struct profile *profile);
/* Samples taken so far. */
uint32_t profile_count(const struct profile *profile);
/* Appends the stopped profile: gzip'd pprof. Reads the program's symbols: tens of milliseconds, and
 * files. NO_MEMORY. */
MUST_USE enum status profile_write(struct profile *profile, struct buffer *out);
/* Stops it, too. NULL is fine. */
void profile_free(struct profile *profile);

/* --- for those who see things happen --- */
/* The hook of runtime/memory.h: this thread asked for so many bytes. */
void profile_allocated(size_t bytes);
/* A lane's thread holds its lane for this long: its stack is taken, if anybody wants it. */
void profile_stalled(pthread_t thread);

#endif
