/* ours: nodes and actors of the cases on the runtime. */
#ifndef BENCH_RUNTIME_OURS_H
#define BENCH_RUNTIME_OURS_H

#include "bench/runtime/measure.h"
#include "runtime/node.h"

enum { OURS_LANES = 2 };

struct ours {
    const char *link; /* NULL: none */
    bool spin;
    int32_t ring; /* 0: spans are recorded; -1: not */
};
struct node *ours_open(const struct ours *ours);
/* Under the root; options: see actor_type.open. */
actor_handle ours_spawn(struct node *node,
                        const struct actor_type *type,
                        const char *name,
                        const void *options,
                        int lane);
/* Answers each LogEntry with itself. options: &the core of its lane, or NULL. */
extern const struct actor_type ours_echo_type;
/* Takes LogEntry by turn_tell and gives credit back; in stream.c. options: NULL in a server. */
extern const struct actor_type ours_sink_type;

#endif
