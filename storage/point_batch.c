/* point_batch: one log entry's work on points. Writes gather in a kv batch; `touched` knows what
 * the ids of this batch became, so that a lookup sees them before the store does. */
#include <string.h>

#include "runtime/assert.h"
#include "runtime/memory.h"
#include "storage/id_map.h"
#include "storage/kv_batch.h"
#include "storage/kv_engine.h"
#include "storage/point_key.h"
#include "storage/point_value.h"

#include "runtime/poison.h"

struct point_batch {
    struct kv *kv; /* the store's */
    uint64_t store_id;
    struct kv_batch *writes; /* owned */
    struct id_map touched;   /* 0: deleted in this batch */
};

enum status
point_batch_open(struct point_store *store, uint64_t store_id, struct point_batch **out) {
    struct point_batch *batch = mem_zero(1, sizeof *batch);
    struct kv_batch *writes = kv_batch_new();
    if (!batch || !writes) {
        mem_free(batch);
        kv_batch_free(writes);
        return kv_fail(STATUS_NO_MEMORY, "no memory for a batch of points");
    }
    batch->kv = point_store_kv(store);
    batch->store_id = store_id;
    batch->writes = writes;
    *out = batch;
    return STATUS_OK;
}

void point_batch_close(struct point_batch *batch) {
    if (!batch) return;
    kv_batch_free(batch->writes);
    id_map_free(&batch->touched);
    mem_free(batch);
}

static enum status look_up(struct point_batch *batch, struct bytes id, uint64_t *number) {
    if (id.size == 0 || id.size > POINT_NAME_MAX)
        return kv_fail(STATUS_INVALID, "an id has 1 to %d bytes", POINT_NAME_MAX);
    const uint64_t *touched = id_map_get(&batch->touched, id);
    if (touched) {
        *number = *touched;
        return STATUS_OK;
    }
    *number = 0;
    enum status s = point_number_of(batch->kv, batch->store_id, id, KV_ANY, number);
    return s == STATUS_NOT_FOUND ? STATUS_OK : s;
}

/* The end of an operation: it stands whole or not at all. */
static enum status
finish(struct point_batch *batch, struct kv_mark begin, struct bytes id, uint64_t number) {
    if (!kv_batch_failed(batch->writes) && id_map_set(&batch->touched, id, number))
        return STATUS_OK;
    kv_batch_cut(batch->writes, begin, kv_batch_mark(batch->writes));
    return kv_fail(STATUS_NO_MEMORY, "no memory for a batch of points");
}

static void remove_value(struct point_batch *batch, uint64_t number) {
    unsigned char key[POINT_NUMBER_KEY];
    kv_batch_delete(batch->writes, point_key_number(key, batch->store_id, number));
}

enum status point_batch_put(struct point_batch *batch, const struct point *point, uint64_t *old) {
    uint64_t before;
    enum status s = look_up(batch, point->id, &before);
    if (s != STATUS_OK) return s;
    assert(point->number != 0 && point->number != before); /* numbers are never reused */

    unsigned char key[POINT_KEY_MAX], number[8], header[POINT_HEADER];
    struct kv_mark begin = kv_batch_mark(batch->writes);
    if (before) remove_value(batch, before);
    key_store_u64(number, point->number);
    kv_batch_put(batch->writes, point_key_name(key, batch->store_id, 'i', point->id),
                 (struct bytes){.data = number, .size = sizeof number});
    point_header_store(header, point);
    const struct bytes parts[] = {
        {header, sizeof header}, point->id, point->vector, point->payload};
    kv_batch_put_joined(batch->writes, point_key_number(key, batch->store_id, point->number), parts,
                        4);
    s = finish(batch, begin, point->id, point->number);
    if (s == STATUS_OK) *old = before;
    return s;
}

enum status point_batch_delete(struct point_batch *batch, struct bytes id, uint64_t *old) {
    uint64_t before;
    enum status s = look_up(batch, id, &before);
    if (s != STATUS_OK) return s;
    if (before) {
        unsigned char key[POINT_KEY_MAX];
        struct kv_mark begin = kv_batch_mark(batch->writes);
        remove_value(batch, before);
        kv_batch_delete(batch->writes, point_key_name(key, batch->store_id, 'i', id));
        s = finish(batch, begin, id, 0);
        if (s != STATUS_OK) return s;
    }
    *old = before;
    return STATUS_OK;
}

void point_batch_fact(struct point_batch *batch, const char *name, struct bytes value) {
    struct bytes text = {.data = name, .size = strlen(name)};
    assert(text.size > 0 && text.size <= POINT_NAME_MAX);
    unsigned char key[POINT_KEY_MAX];
    kv_batch_put(batch->writes, point_key_name(key, batch->store_id, 'm', text), value);
}

enum status point_batch_write(struct point_batch *batch, uint64_t index, uint64_t term) {
    unsigned char key[POINT_PREFIX], applied[POINT_APPLIED];
    key_store_u64(applied, index);
    key_store_u64(applied + 8, term);
    struct kv_mark begin = kv_batch_mark(batch->writes);
    kv_batch_put(batch->writes, point_key_applied(key, batch->store_id),
                 (struct bytes){.data = applied, .size = sizeof applied});
    enum status s = kv_write(batch->kv, batch->writes, false);
    if (s != STATUS_OK) {
        /* A failed fact stays failed; the applied index alone may be taken back for another try. */
        if (!kv_batch_failed(batch->writes))
            kv_batch_cut(batch->writes, begin, kv_batch_mark(batch->writes));
        return s;
    }
    kv_batch_clear(batch->writes);
    id_map_clear(&batch->touched);
    return STATUS_OK;
}
