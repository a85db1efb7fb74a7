/* fuzz_worker_vector: metadata and values as clients of the worker's service send them. What is
 * taken reads back the same. */
#include <stdint.h>
#include <string.h>

#include "adapters/edge/service_worker.h"
#include "runtime/assert.h"

/* A value that is taken is written as it was. */
static void value(const uint8_t *data, size_t size, struct arena *arena) {
    struct check check;
    Vectron__Worker__V1__Vector vector = VECTRON__WORKER__V1__VECTOR__INIT;
    ProtobufCBinaryData bytes = {size, (uint8_t *)data}, again;
    if (worker_value_read(&bytes, arena, &vector, &check) != STATUS_OK) return;
    enum status s = worker_value_write(&vector, arena, &again);
    assert(s == STATUS_OK);
    assert(again.len == size && memcmp(again.data, data, size) == 0);
}

/* Metadata that is taken comes back as metadata that gives the same payload. */
static void metadata(const uint8_t *data, size_t size, struct arena *arena) {
    struct check check;
    Vectron__Worker__V1__Vector vector = VECTRON__WORKER__V1__VECTOR__INIT;
    ShardOperation operation, again;
    vector.id = (char *)"a";
    vector.metadata = (ProtobufCBinaryData){size, (uint8_t *)data};
    if (worker_operation(&vector, arena, &operation, &check) != STATUS_OK) return;
    enum status s = worker_metadata(&operation.payload, arena, &vector.metadata);
    assert(s == STATUS_OK);
    s = worker_operation(&vector, arena, &again, &check);
    assert(s == STATUS_OK || s == STATUS_INVALID); /* escapes may be longer than what they say */
    if (s == STATUS_OK)
        assert(again.payload.len == operation.payload.len &&
               (again.payload.len == 0 ||
                memcmp(again.payload.data, operation.payload.data, again.payload.len) == 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct arena arena;
    arena_init(&arena, 0);
    value(data, size, &arena);
    metadata(data, size, &arena);
    worker_key_id(&(ProtobufCBinaryData){size, (uint8_t *)data}, &arena);
    arena_free(&arena);
    return 0;
}
