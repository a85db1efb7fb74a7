/* gauge: a list under a lock; nothing is called while it is held. */
#include "runtime/gauge.h"

#include <string.h>

void gauges_open(struct gauges *gauges) {
    gauges->n = 0;
    pthread_mutex_init(&gauges->lock, NULL);
}

void gauges_close(struct gauges *gauges) {
    pthread_mutex_destroy(&gauges->lock);
}

void gauges_add(struct gauges *gauges, const struct gauge *gauge) {
    pthread_mutex_lock(&gauges->lock);
    if (gauges->n < GAUGES_MAX) gauges->rows[gauges->n++] = *gauge;
    pthread_mutex_unlock(&gauges->lock);
}

size_t gauges_copy(struct gauges *gauges, struct gauge out[GAUGES_MAX]) {
    pthread_mutex_lock(&gauges->lock);
    size_t n = gauges->n;
    memcpy(out, gauges->rows, n * sizeof *out);
    pthread_mutex_unlock(&gauges->lock);
    return n;
}
