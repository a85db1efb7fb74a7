/* zap: version, request id, domain, address, identity, mechanism, credentials in; version, request
 * id, code, text, user id, metadata out. */
#include "runtime/zap.h"

#include <string.h>
#include <zmq.h>

enum { VERSION, REQUEST_ID, DOMAIN, ADDRESS, IDENTITY, MECHANISM, CREDENTIALS };

static bool is(const struct zap_frame *frame, const char *text) {
    return frame->size == strlen(text) && memcmp(frame->data, text, frame->size) == 0;
}

static const char *judge(const struct zap_frame *frames, size_t n) {
    if (n != ZAP_FRAMES) return "not seven frames";
    if (!is(&frames[VERSION], "1.0")) return "not version 1.0";
    if (frames[REQUEST_ID].size > ZAP_ID_MAX) return "a request id above 255 bytes";
    if (!is(&frames[DOMAIN], ZAP_DOMAIN)) return "another domain";
    if (!is(&frames[MECHANISM], "CURVE")) return "another mechanism than CURVE";
    if (frames[CREDENTIALS].size != KEY_BYTES) return "a key that is not 32 bytes";
    return NULL;
}

enum status
zap_read(const struct zap_frame *frames, size_t n, struct zap_request *out, const char **why) {
    const char *wrong = judge(frames, n);
    if (wrong) {
        if (why) *why = wrong;
        return STATUS_INVALID;
    }
    struct zap_request request = {.id = frames[REQUEST_ID]};
    const struct zap_frame *address = &frames[ADDRESS];
    size_t size = address->size < ZAP_ADDRESS_MAX ? address->size : ZAP_ADDRESS_MAX;
    for (size_t i = 0; i < size; i++) {
        char c = ((const char *)address->data)[i];
        request.address[i] = c > ' ' && c < 0x7f ? c : '?';
    }
    zmq_z85_encode(request.key, frames[CREDENTIALS].data, KEY_BYTES);
    *out = request;
    return STATUS_OK;
}

void zap_answer(const struct zap_frame *id,
                const char *key,
                struct zap_frame out[ZAP_ANSWER_FRAMES]) {
    static const char refused[] = "this key is not allowed";
    out[0] = (struct zap_frame){"1.0", 3};
    out[1] = *id;
    out[2] = (struct zap_frame){key ? "200" : "400", 3};
    out[3] = key ? (struct zap_frame){"OK", 2} : (struct zap_frame){refused, sizeof refused - 1};
    out[4] = (struct zap_frame){key ? key : "", key ? KEY_TEXT : 0};
    out[5] = (struct zap_frame){"", 0};
}
