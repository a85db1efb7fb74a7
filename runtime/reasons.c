/* reasons: direct-mapped by span id; ids of a lane count up, so neighbours do not collide. */
#include "runtime/reasons.h"

#include <string.h>

#include "runtime/memory.h"
#include "runtime/text.h"

void reasons_open(struct reasons *reasons) {
    pthread_mutex_init(&reasons->lock, NULL);
    reasons->kept = NULL;
}

void reasons_close(struct reasons *reasons) {
    mem_free(reasons->kept);
    pthread_mutex_destroy(&reasons->lock);
}

void reasons_put(struct reasons *reasons, uint64_t span, const char *text) {
    if (!*text || pthread_mutex_trylock(&reasons->lock) != 0) return;
    if (!reasons->kept) reasons->kept = mem_zero(REASONS_KEPT, sizeof *reasons->kept);
    if (reasons->kept) {
        struct reason *reason = &reasons->kept[span % REASONS_KEPT];
        size_t size = text_prefix(text, strnlen(text, REASON_MAX - 1));
        memcpy(reason->text, text, size);
        reason->text[size] = '\0';
        reason->span = span;
    }
    pthread_mutex_unlock(&reasons->lock);
}

bool reasons_get(struct reasons *reasons, uint64_t span, char *text) {
    bool found = false;
    pthread_mutex_lock(&reasons->lock);
    if (reasons->kept && reasons->kept[span % REASONS_KEPT].span == span) {
        memcpy(text, reasons->kept[span % REASONS_KEPT].text, REASON_MAX);
        found = true;
    }
    pthread_mutex_unlock(&reasons->lock);
    return found;
}
