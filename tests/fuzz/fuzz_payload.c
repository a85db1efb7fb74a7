/* fuzz_payload: stored payload bytes, as another program may have written them. What is taken has
 * to pack to something that reads back the same. */
#include <stdint.h>
#include <string.h>

#include "adapters/edge/payload.h"
#include "runtime/assert.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const ProtobufCMessageDescriptor *const type =
        &vectron__v1__point__payload_entry__descriptor;
    struct arena arena;
    ProtobufCBinaryData bytes = {size, (uint8_t *)data}, packed;
    Vectron__V1__Point__PayloadEntry **entries, **again;
    size_t n, n_again;
    arena_init(&arena, 0);
    enum status s = payload_unpack(&bytes, type, &arena, (ProtobufCMessage ***)&entries, &n);
    if (s == STATUS_OK && payload_pack(entries, n, &arena, &packed) == STATUS_OK) {
        s = payload_unpack(&packed, type, &arena, (ProtobufCMessage ***)&again, &n_again);
        assert(s == STATUS_OK && n == n_again);
        for (size_t i = 0; i < n; i++)
            assert(strcmp(entries[i]->key, again[i]->key) == 0 &&
                   strcmp(entries[i]->value, again[i]->value) == 0);
    }
    arena_free(&arena);
    return 0;
}
