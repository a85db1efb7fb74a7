/* otlp: spans as OTLP wants them (protobuf, schemas/foreign/otlp.proto), gathered to a batch. */
#ifndef CLI_OTLP_H
#define CLI_OTLP_H

#include <stdbool.h>
#include <stddef.h>

#include "runtime/arena.h"
#include "runtime/buffer.h"
#include "schemas/otlp.pb-c.h"
#include "schemas/sys.pb-c.h"

enum { OTLP_SPANS_MAX = 2048 };

struct otlp_resource {
    const char *service;  /* service.name */
    const char *instance; /* service.instance.id */
    const char *version;
};

struct otlp_batch {
    struct arena arena;
    OtlpSpan *spans[OTLP_SPANS_MAX];
    size_t n;
};

void otlp_init(struct otlp_batch *batch);
/* Empty again. */
void otlp_reset(struct otlp_batch *batch);
void otlp_free(struct otlp_batch *batch);
/* Copies; false: no room or no memory, and nothing was added. */
bool otlp_add(struct otlp_batch *batch, const SysTrace *trace);
/* The request's body; buffer.failed tells of missing memory. */
void otlp_write(const struct otlp_batch *batch,
                const struct otlp_resource *resource,
                struct buffer *out);

#endif
