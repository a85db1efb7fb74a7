/* fuzz_zap: frames as a ZAP handler may get them, cut out of the bytes at the lengths that the
 * bytes say; and the same bytes as the two key files. */
#include <stdint.h>
#include <string.h>

#include "runtime/assert.h"
#include "runtime/memory.h"
#include "runtime/zap.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void question(const uint8_t *data, size_t size) {
    struct zap_frame frames[ZAP_FRAMES + 2] = {{0}}, answer[ZAP_ANSWER_FRAMES];
    size_t n = 0;
    for (size_t at = 0; at < size && n < ZAP_FRAMES + 2; n++) {
        size_t length = data[at++];
        if (length > size - at) length = size - at;
        frames[n] = (struct zap_frame){data + at, length};
        at += length;
    }
    struct zap_request request;
    const char *why = NULL;
    if (zap_read(frames, n, &request, &why) != STATUS_OK) {
        assert(why);
        return;
    }
    assert(n == ZAP_FRAMES && strlen(request.key) == KEY_TEXT);
    assert(strlen(request.address) <= ZAP_ADDRESS_MAX);
    zap_answer(&request.id, request.key, answer);
}

static char *text_of(const uint8_t *data, size_t size) {
    char *text = mem_alloc(size + 1);
    assert(text);
    memcpy(text, data, size);
    text[size] = 0;
    return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    question(data, size);
    size_t cut = size ? data[0] * size / 256 : 0;
    char *own = text_of(data, cut), *allowed = text_of(data + cut, size - cut);
    struct keyring *keyring = NULL;
    struct buffer why;
    buffer_init(&why);
    if (keyring_read(own, allowed, &keyring, &why) == STATUS_OK) keyring_free(keyring);
    buffer_free(&why);
    mem_free(own);
    mem_free(allowed);
    return 0;
}
