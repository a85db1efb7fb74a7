/* The runtime built alone knows its own messages only: the tests' are added, as a program adds its. */
#include "runtime/assert.h"
#include "runtime/codec.h"
#include "schemas/log.pb-c.h"

__attribute__((constructor)) static void add_messages(void) {
    const ProtobufCMessageDescriptor *const types[] = {
        &log_entry__descriptor,
        &log_append__descriptor,
        &log_drop__descriptor,
    };
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        enum status s = codec_add(types[i]);
        assert(s == STATUS_OK);
    }
}
