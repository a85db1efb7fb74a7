/* zap: the questions ZeroMQ asks about who may connect (ZeroMQ RFC 27), and the answers. Pure
 * functions on frames; the socket is guard's. */
#ifndef RUNTIME_ZAP_H
#define RUNTIME_ZAP_H

#include <stddef.h>

#include "runtime/keyring.h"
#include "runtime/status.h"

enum { ZAP_FRAMES = 7, ZAP_ANSWER_FRAMES = 6, ZAP_ID_MAX = 255, ZAP_ADDRESS_MAX = 63 };
#define ZAP_ENDPOINT "inproc://zeromq.zap.01"
#define ZAP_DOMAIN   "vectron"

struct zap_frame {
    const void *data;
    size_t size;
};

struct zap_request {
    struct zap_frame id;               /* borrowed: goes back as it is */
    char address[ZAP_ADDRESS_MAX + 1]; /* of the peer; what is not printable is '?' */
    char key[KEY_TEXT + 1];            /* its public key */
};
/* INVALID: not version 1.0 with CURVE's frames; why (may be NULL) says what is wrong. */
MUST_USE enum status
zap_read(const struct zap_frame *frames, size_t n, struct zap_request *out, const char **why);

/* The answer to the request of this id: with the key as user id, or refused when it is NULL. Frames
 * borrow from the arguments and from static text. */
void zap_answer(const struct zap_frame *id,
                const char *key,
                struct zap_frame out[ZAP_ANSWER_FRAMES]);

#endif
