/* watermark: how near this process is to the end of its memory. Above the mark nothing is taken in
 * that stays: shards refuse points, edges refuse large bodies. What only passes through, and
 * removing, goes on: the room above the mark is for that.
 *
 * Two things are measured, and the one with the least room counts: what the process uses of its
 * limit, and what its control group uses of the group's, where others may be the ones that grow.
 * Until watermark_set there is no mark, so tests and simulations are deterministic. Any thread. */
#ifndef RUNTIME_WATERMARK_H
#define RUNTIME_WATERMARK_H

#include <stddef.h>
#include <stdint.h>

enum {
    WATERMARK_PERCENT = 85,      /* of the memory of the machine, or of the control group */
    WATERMARK_MOST_PERCENT = 95, /* … where a setting asks for more */
    WATERMARK_SAMPLE_US = 50 * 1000,
    WATERMARK_TRIM_US = 5 * 1000 * 1000,
};

struct watermark {
    uint64_t limit; /* bytes; 0: there is none */
    uint64_t used;  /* in RAM, and promised to bodies that are still arriving */
};
/* Once, before others ask. 0 = WATERMARK_PERCENT of what there is. */
void watermark_set(uint64_t limit);
/* Measured when the last time is WATERMARK_SAMPLE_US ago; then it costs some 50 us. */
struct watermark watermark_now(void);
/* Bytes until the mark; SIZE_MAX without one. */
uint64_t watermark_room(const struct watermark *mark);
/* Memory that is allocated, but will be used only as bytes arrive. Given back (a negative number)
 * as they do. */
void watermark_promise(int64_t bytes);

/* Gives the heap's free pages back to the kernel, when the mark is near and that was not tried for
 * WATERMARK_TRIM_US. May take a while: not in a lane. */
void watermark_trim(void);

/* Test hook: these numbers are told, without what was promised, from now on. A zeroed mark ends it.
 */
void watermark_pretend(const struct watermark *mark);

#endif
