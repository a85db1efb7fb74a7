/* otlp: a span's times are nanoseconds, its ids big-endian bytes; what is ours goes into attributes
 * vectron.*. */
#include "cli/otlp.h"

#include <string.h>

#include "cli/span_set.h"

enum {
    ATTRIBUTES_MAX = 8,
    SPAN_ID_BYTES = 8,
    KIND_INTERNAL = 1,
    KIND_SERVER = 2,
    KIND_CONSUMER = 5
};
enum { STATUS_CODE_ERROR = 2, FLAGS_PARENT_KNOWN = 0x100, FLAGS_PARENT_REMOTE = 0x200 };

void otlp_init(struct otlp_batch *batch) {
    arena_init(&batch->arena, 0);
    batch->n = 0;
}

void otlp_reset(struct otlp_batch *batch) {
    arena_reset(&batch->arena);
    batch->n = 0;
}

void otlp_free(struct otlp_batch *batch) {
    arena_free(&batch->arena);
}

static char *copy_text(struct arena *arena, const char *text) {
    size_t size = strlen(text) + 1;
    char *copy = arena_alloc(arena, size);
    return copy ? memcpy(copy, text, size) : NULL;
}

static bool put_id(struct arena *arena, ProtobufCBinaryData *out, uint64_t id) {
    if (id == 0) return true;
    out->data = arena_alloc(arena, SPAN_ID_BYTES);
    if (!out->data) return false;
    out->len = SPAN_ID_BYTES;
    for (int i = 0; i < SPAN_ID_BYTES; i++)
        out->data[i] = (uint8_t)(id >> (56 - 8 * i));
    return true;
}

/* An attribute with room for its value; NULL: no memory. */
static OtlpValue *
new_attribute(struct arena *arena, OtlpAttribute **attributes, size_t *n, const char *key) {
    OtlpAttribute *attribute = arena_alloc(arena, sizeof *attribute);
    OtlpValue *value = arena_alloc(arena, sizeof *value);
    if (!attribute || !value) return NULL;
    otlp_attribute__init(attribute);
    otlp_value__init(value);
    attribute->key = (char *)key;
    attribute->value = value;
    attributes[(*n)++] = attribute;
    return value;
}

static bool put_text(
    struct arena *arena, OtlpAttribute **attributes, size_t *n, const char *key, const char *text) {
    OtlpValue *value = new_attribute(arena, attributes, n, key);
    if (!value) return false;
    value->value_case = OTLP_VALUE__VALUE_STRING_VALUE;
    value->string_value = copy_text(arena, text);
    return value->string_value != NULL;
}

static bool put_number(
    struct arena *arena, OtlpAttribute **attributes, size_t *n, const char *key, uint64_t number) {
    OtlpValue *value = new_attribute(arena, attributes, n, key);
    if (!value) return false;
    value->value_case = OTLP_VALUE__VALUE_INT_VALUE;
    value->int_value = (int64_t)number;
    return true;
}

static bool put_attributes(struct arena *arena, OtlpSpan *span, const SysSpan *from) {
    span->attributes = arena_alloc(arena, ATTRIBUTES_MAX * sizeof(OtlpAttribute *));
    if (!span->attributes) return false;
    size_t *n = &span->n_attributes;
    return put_text(arena, span->attributes, n, "vectron.node", from->node) &&
           put_text(arena, span->attributes, n, "vectron.actor", from->actor) &&
           put_text(arena, span->attributes, n, "vectron.kind", from->kind) &&
           put_text(arena, span->attributes, n, "vectron.outcome", from->outcome) &&
           put_number(arena, span->attributes, n, "vectron.waited_us", from->waited_us) &&
           put_number(arena, span->attributes, n, "vectron.ran_us", from->ran_us) &&
           put_number(arena, span->attributes, n, "vectron.lane", from->lane);
}

static bool put_status(struct arena *arena, OtlpSpan *span, const SysSpan *from) {
    if (!span_failed(from)) return true; /* unset, as the specification asks of us */
    span->status = arena_alloc(arena, sizeof *span->status);
    if (!span->status) return false;
    otlp_status__init(span->status);
    span->status->code = STATUS_CODE_ERROR;
    span->status->message = copy_text(arena, *from->text ? from->text : from->outcome);
    return span->status->message != NULL;
}

static OtlpSpan *convert(struct arena *arena, const SysSpan *from) {
    OtlpSpan *span = arena_alloc(arena, sizeof *span);
    if (!span) return NULL;
    otlp_span__init(span);
    bool edge = strcmp(from->kind, "edge") == 0, cast = strcmp(from->kind, "cast") == 0;
    span->kind = edge ? KIND_SERVER : cast ? KIND_CONSUMER : KIND_INTERNAL;
    span->name = copy_text(arena, from->message);
    span->start_time_unix_nano = from->start_us * 1000;
    span->end_time_unix_nano = span_end_us(from) * 1000;
    span->flags = FLAGS_PARENT_KNOWN | (edge && from->parent ? FLAGS_PARENT_REMOTE : 0);
    span->trace_id.data = arena_alloc(arena, from->trace.len + 1);
    if (!span->name || !span->trace_id.data) return NULL;
    if (from->trace.len) memcpy(span->trace_id.data, from->trace.data, from->trace.len);
    span->trace_id.len = from->trace.len;
    bool ok = put_id(arena, &span->span_id, from->span) &&
              put_id(arena, &span->parent_span_id, from->parent) &&
              put_attributes(arena, span, from) && put_status(arena, span, from);
    return ok ? span : NULL;
}

bool otlp_add(struct otlp_batch *batch, const SysTrace *trace) {
    if (batch->n + trace->n_spans > OTLP_SPANS_MAX) return false;
    for (size_t i = 0; i < trace->n_spans; i++) {
        OtlpSpan *span = convert(&batch->arena, trace->spans[i]);
        if (!span) return false;
        batch->spans[batch->n + i] = span;
    }
    batch->n += trace->n_spans;
    return true;
}

void otlp_write(const struct otlp_batch *batch,
                const struct otlp_resource *resource,
                struct buffer *out) {
    OtlpExport request = OTLP_EXPORT__INIT;
    OtlpResourceSpans spans = OTLP_RESOURCE_SPANS__INIT, *all = &spans;
    OtlpResource about = OTLP_RESOURCE__INIT;
    OtlpScopeSpans scoped = OTLP_SCOPE_SPANS__INIT, *scopes = &scoped;
    OtlpScope scope = OTLP_SCOPE__INIT;
    const char *texts[][2] = {{"service.name", resource->service},
                              {"service.instance.id", resource->instance},
                              {"service.version", resource->version}};
    OtlpAttribute attributes[3], *listed[3];
    OtlpValue values[3];
    for (size_t i = 0; i < 3; i++) {
        otlp_attribute__init(&attributes[i]);
        otlp_value__init(&values[i]);
        values[i].value_case = OTLP_VALUE__VALUE_STRING_VALUE;
        values[i].string_value = (char *)texts[i][1];
        attributes[i].key = (char *)texts[i][0];
        attributes[i].value = &values[i];
        listed[i] = &attributes[i];
    }
    about.attributes = listed;
    about.n_attributes = 3;
    scope.name = "vectron";
    scope.version = (char *)resource->version;
    scoped.scope = &scope;
    scoped.spans = (OtlpSpan **)batch->spans;
    scoped.n_spans = batch->n;
    spans.resource = &about;
    spans.scope_spans = &scopes;
    spans.n_scope_spans = 1;
    request.resource_spans = &all;
    request.n_resource_spans = 1;
    size_t size = otlp_export__get_packed_size(&request);
    unsigned char *at = buffer_reserve(out, size);
    if (at) out->size += otlp_export__pack(&request, at);
}
