/* kv_engine: what an engine provides behind kv.h. Private to storage/. */
#ifndef STORAGE_KV_ENGINE_H
#define STORAGE_KV_ENGINE_H

#include "storage/kv.h"

struct kv_engine {
    void (*close)(struct kv *kv);
    enum status (*write)(struct kv *kv, const struct kv_batch *batch, bool sync);
    enum status (*get)(struct kv *kv, struct bytes key, enum kv_tier tier, struct kv_value *out);
    enum status (*cursor_open)(struct kv *kv,
                               struct bytes begin,
                               struct bytes end,
                               struct kv_cursor **out);
    bool (*cursor_next)(struct kv_cursor *cursor, struct bytes *key, struct bytes *value);
    enum status (*cursor_status)(const struct kv_cursor *cursor);
    void (*cursor_close)(struct kv_cursor *cursor);
    enum status (*bulk_open)(struct kv *kv, struct kv_bulk **out); /* NULL with .wal, and so on */
    enum status (*bulk_put)(struct kv_bulk *bulk, struct bytes key, struct bytes value);
    enum status (*bulk_end)(struct kv_bulk *bulk);
    void (*bulk_close)(struct kv_bulk *bulk);
    enum status (*flush)(struct kv *kv);
    enum status (*drop_range)(struct kv *kv, struct bytes begin, struct bytes end);
    struct kv_stats (*stats)(struct kv *kv);
};

/* First member of every engine's own struct. */
struct kv {
    const struct kv_engine *engine;
    bool wal;
};
struct kv_cursor {
    const struct kv_engine *engine;
};
struct kv_bulk {
    const struct kv_engine *engine;
};

/* Sets the words of kv_error on this thread and returns `status`. */
MUST_USE enum status kv_fail(enum status status, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
