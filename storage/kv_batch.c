/* kv_batch: operations in one buffer, laid out as RocksDB's write batch (which is also its WAL
 * format, so it stays): the engine takes a batch over by one memcpy instead of one call an
 * operation.
 *
 *     sequence u64 (0, the engine's) · number of operations u32 · operations
 *     operation: tag u8 · length varint32 · key [· length varint32 · value or end of range]
 *
 * All numbers little endian. */
#include "storage/kv_batch.h"

#include <string.h>

#include "runtime/assert.h"
#include "runtime/buffer.h"
#include "runtime/memory.h"
#include "storage/key.h"

#include "runtime/poison.h"

enum { HEADER_SIZE = 12, COUNT_AT = 8, VARINT32_MAX = 5 };
enum { TAG_DELETE = 0x0, TAG_PUT = 0x1, TAG_DELETE_RANGE = 0xf };

/* Memory of a batch that was once large is given back when it is cleared. */
enum { KEPT_BYTES_MAX = 1024 * 1024 };

struct kv_batch {
    struct buffer operations;
    uint32_t n_operations;
};

/* The header is there from the first operation on, so that an empty batch costs no memory. */
static bool begin(struct kv_batch *batch) {
    static const unsigned char header[HEADER_SIZE];
    if (batch->operations.size == 0) buffer_append(&batch->operations, header, sizeof header);
    return !batch->operations.failed;
}

struct kv_batch *kv_batch_new(void) {
    return mem_zero(1, sizeof(struct kv_batch));
}

void kv_batch_free(struct kv_batch *batch) {
    if (!batch) return;
    buffer_free(&batch->operations);
    mem_free(batch);
}

void kv_batch_clear(struct kv_batch *batch) {
    if (batch->operations.capacity > KEPT_BYTES_MAX) buffer_free(&batch->operations);
    buffer_clear(&batch->operations);
    batch->n_operations = 0;
}

static unsigned char *put_varint(unsigned char *at, uint32_t value) {
    while (value >= 0x80) {
        *at++ = (unsigned char)(value | 0x80);
        value >>= 7;
    }
    *at++ = (unsigned char)value;
    return at;
}

static unsigned char *put_raw(unsigned char *at, struct bytes bytes) {
    if (bytes.size) memcpy(at, bytes.data, bytes.size);
    return at + bytes.size;
}

/* The value (or end of a range) is the parts one after the other; no parts: the operation has none.
 */
static void add(struct kv_batch *batch,
                unsigned char tag,
                struct bytes key,
                const struct bytes *parts,
                size_t n_parts) {
    size_t size = 0;
    for (size_t i = 0; i < n_parts; i++)
        size += parts[i].size;
    assert(key.size <= UINT32_MAX && size <= UINT32_MAX);
    if (!begin(batch)) return;
    size_t most = 1 + VARINT32_MAX + key.size + VARINT32_MAX + size;
    unsigned char *start = buffer_reserve(&batch->operations, most);
    if (!start) return;
    unsigned char *at = start;
    *at++ = tag;
    at = put_raw(put_varint(at, (uint32_t)key.size), key);
    if (n_parts) at = put_varint(at, (uint32_t)size);
    for (size_t i = 0; i < n_parts; i++)
        at = put_raw(at, parts[i]);
    batch->operations.size += (size_t)(at - start);
    batch->n_operations++;
}

void kv_batch_put(struct kv_batch *batch, struct bytes key, struct bytes value) {
    add(batch, TAG_PUT, key, &value, 1);
}

void kv_batch_put_joined(struct kv_batch *batch,
                         struct bytes key,
                         const struct bytes *parts,
                         size_t n_parts) {
    assert(n_parts > 0);
    add(batch, TAG_PUT, key, parts, n_parts);
}

void kv_batch_delete(struct kv_batch *batch, struct bytes key) {
    add(batch, TAG_DELETE, key, NULL, 0);
}

void kv_batch_delete_range(struct kv_batch *batch, struct bytes from, struct bytes end) {
    assert(key_compare(from, end) < 0);
    add(batch, TAG_DELETE_RANGE, from, &end, 1);
}

size_t kv_batch_bytes(const struct kv_batch *batch) {
    return batch->operations.size;
}

struct kv_mark kv_batch_mark(const struct kv_batch *batch) {
    return (struct kv_mark){.bytes = batch->operations.size, .operations = batch->n_operations};
}

void kv_batch_cut(struct kv_batch *batch, struct kv_mark from, struct kv_mark to) {
    assert(from.bytes <= to.bytes && to.bytes <= batch->operations.size);
    assert(from.operations <= to.operations && to.operations <= batch->n_operations);
    /* A mark set on an empty batch is before the header, which stays. */
    if (from.bytes == 0 && to.bytes != 0) from.bytes = HEADER_SIZE;
    unsigned char *data = batch->operations.data;
    size_t behind = batch->operations.size - to.bytes;
    if (behind) memmove(data + from.bytes, data + to.bytes, behind);
    batch->operations.size = from.bytes + behind;
    batch->n_operations -= to.operations - from.operations;
    if (behind == 0) batch->operations.failed = false; /* what did not fit was taken back */
}

bool kv_batch_failed(const struct kv_batch *batch) {
    return batch->operations.failed;
}

struct bytes kv_batch_data(const struct kv_batch *batch) {
    unsigned char *data = batch->operations.data;
    if (data) {
        for (int i = 0; i < 4; i++)
            data[COUNT_AT + i] = (unsigned char)(batch->n_operations >> (8 * i));
    }
    return (struct bytes){.data = data, .size = batch->operations.size};
}

static const unsigned char *get_bytes(const unsigned char *at, struct bytes *out) {
    uint32_t size = 0;
    for (int shift = 0;; shift += 7) {
        unsigned char byte = *at++;
        size |= (uint32_t)(byte & 0x7f) << shift;
        if (byte < 0x80) break;
    }
    *out = (struct bytes){.data = at, .size = size};
    return at + size;
}

bool kv_batch_next(const struct kv_batch *batch, size_t *at, struct kv_operation *out) {
    if (*at == 0) *at = HEADER_SIZE;
    if (*at >= batch->operations.size) return false;
    const unsigned char *read = batch->operations.data + *at;
    unsigned char tag = *read++;
    assert(tag == TAG_PUT || tag == TAG_DELETE || tag == TAG_DELETE_RANGE);
    *out = (struct kv_operation){.kind = tag == TAG_PUT      ? KV_PUT
                                         : tag == TAG_DELETE ? KV_DELETE
                                                             : KV_DELETE_RANGE};
    read = get_bytes(read, &out->key);
    if (tag != TAG_DELETE) read = get_bytes(read, &out->value);
    *at = (size_t)(read - batch->operations.data);
    return true;
}
