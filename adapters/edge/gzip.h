/* gzip: messages packed by the client, and answers packed for it. Unpacking is resumable and
 * bounded by the exact size of what comes out, so that a bomb costs no more than its limit. */
#ifndef EDGE_GZIP_H
#define EDGE_GZIP_H

#include <stdbool.h>

#include "adapters/edge/body.h"

enum { GZIP_STEP = 256 * 1024 }; /* bytes made by one gunzip_step: under 1 ms */

struct gunzip; /* opaque: zlib's state */

/* Input is borrowed until gunzip_free. */
MUST_USE enum status gunzip_new(const void *data, size_t size, size_t limit, struct gunzip **out);
/* One step. OK with *done: the whole message is in out. INVALID: not gzip, cut off, or bytes behind
 * it. TOO_LARGE: more than limit comes out. QUOTA, NO_MEMORY. */
MUST_USE enum status gunzip_step(struct gunzip *gunzip, struct body *out, bool *done);
void gunzip_free(struct gunzip *gunzip); /* NULL is fine */
/* All steps at once. */
MUST_USE enum status gzip_unpack(const void *data, size_t size, size_t limit, struct body *out);
/* Appends the packed form. */
MUST_USE enum status gzip_pack(const void *data, size_t size, struct body *out);

#endif
