/* An HTTP/2 client that sends anything behind a correct preface. */
#include "tests/fuzz/support/edge_target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0";
    edge_target(preface, sizeof preface - 1, data, size);
    return 0;
}
