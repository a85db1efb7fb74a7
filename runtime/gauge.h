/* gauge: bytes that a component of the process holds, asked when somebody wants to know
 * (SysReport.memory). Any thread may ask and add. */
#ifndef RUNTIME_GAUGE_H
#define RUNTIME_GAUGE_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

enum { GAUGES_MAX = 32 };

struct gauge {
    const char *component;            /* static: "index" */
    uint64_t (*bytes)(void *context); /* any thread; some microseconds */
    void *context;                    /* borrowed: outlives the node */
};

struct gauges {
    pthread_mutex_t lock; /* of what follows */
    struct gauge rows[GAUGES_MAX];
    size_t n;
};

void gauges_open(struct gauges *gauges);
void gauges_close(struct gauges *gauges);
/* Beyond GAUGES_MAX it is left out. */
void gauges_add(struct gauges *gauges, const struct gauge *gauge);
/* Copies them; how many. */
size_t gauges_copy(struct gauges *gauges, struct gauge out[GAUGES_MAX]);

#endif
