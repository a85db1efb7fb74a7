/* kv: hands each call to the engine behind the store, and keeps the words of the last error. */
#include "storage/kv.h"

#include <stdarg.h>
#include <stdio.h>

#include "runtime/assert.h"
#include "storage/kv_batch.h"
#include "storage/kv_engine.h"

#include "runtime/poison.h"

enum { WORDS_MAX = 1024 };

static _Thread_local char words[WORDS_MAX];

const char *kv_error(void) {
    return words;
}

enum status kv_fail(enum status status, const char *format, ...) {
    va_list args;
    va_start(args, format);
    vsnprintf(words, sizeof words, format, args);
    va_end(args);
    return status;
}

void kv_close(struct kv *kv) {
    if (kv) kv->engine->close(kv);
}

enum status kv_write(struct kv *kv, const struct kv_batch *batch, bool sync) {
    assert(!sync || kv->wal); /* without a WAL there is nothing to sync: kv_flush */
    if (kv_batch_failed(batch)) return kv_fail(STATUS_NO_MEMORY, "no memory for a write batch");
    if (kv_batch_mark(batch).operations == 0) return STATUS_OK;
    return kv->engine->write(kv, batch, sync);
}

enum status kv_get(struct kv *kv, struct bytes key, enum kv_tier tier, struct kv_value *out) {
    return kv->engine->get(kv, key, tier, out);
}

void kv_value_free(struct kv_value *value) {
    if (value->release) value->release(value->handle);
    *value = (struct kv_value){0};
}

enum status
kv_cursor_open(struct kv *kv, struct bytes begin, struct bytes end, struct kv_cursor **out) {
    return kv->engine->cursor_open(kv, begin, end, out);
}

bool kv_cursor_next(struct kv_cursor *cursor, struct bytes *key, struct bytes *value) {
    return cursor->engine->cursor_next(cursor, key, value);
}

enum status kv_cursor_status(const struct kv_cursor *cursor) {
    return cursor->engine->cursor_status(cursor);
}

void kv_cursor_close(struct kv_cursor *cursor) {
    if (cursor) cursor->engine->cursor_close(cursor);
}

enum status kv_bulk_open(struct kv *kv, struct kv_bulk **out) {
    assert(!kv->wal);
    return kv->engine->bulk_open(kv, out);
}

enum status kv_bulk_put(struct kv_bulk *bulk, struct bytes key, struct bytes value) {
    return bulk->engine->bulk_put(bulk, key, value);
}

enum status kv_bulk_end(struct kv_bulk *bulk) {
    return bulk->engine->bulk_end(bulk);
}

void kv_bulk_close(struct kv_bulk *bulk) {
    if (bulk) bulk->engine->bulk_close(bulk);
}

enum status kv_flush(struct kv *kv) {
    return kv->engine->flush(kv);
}

enum status kv_drop_range(struct kv *kv, struct bytes begin, struct bytes end) {
    return kv->engine->drop_range(kv, begin, end);
}

struct kv_stats kv_stats(struct kv *kv) {
    return kv->engine->stats(kv);
}
