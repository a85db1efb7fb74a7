/* reasons: the words of failures, by the span that failed: a record of 64 bytes has no room for
 * them. Failures are rare, so one small table a node is enough; a newer one takes the place of an
 * older one. Any thread. Private to runtime/. */
#ifndef RUNTIME_REASONS_H
#define RUNTIME_REASONS_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

enum { REASONS_KEPT = 1024, REASON_MAX = 160 };

struct reasons {
    pthread_mutex_t lock;
    struct reason {
        uint64_t span;
        char text[REASON_MAX];
    } * kept; /* owned; NULL: none was needed yet */
};

void reasons_open(struct reasons *reasons);
void reasons_close(struct reasons *reasons);
/* Copies the words, cut at a character. Never waits: while another thread is here they are left
 * out. */
void reasons_put(struct reasons *reasons, uint64_t span, const char *text);
/* Into text of REASON_MAX bytes; false: not known (any more). */
bool reasons_get(struct reasons *reasons, uint64_t span, char *text);

#endif
