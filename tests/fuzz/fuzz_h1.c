/* An HTTP/1.1 client that sends anything. */
#include "tests/fuzz/support/edge_target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    edge_target("", 0, data, size);
    return 0;
}
