/* log_batch: entries are put straight into the kv batch, so they are copied once on the caller's
 * thread; what depends on the stored state (bounds, conflicts) is settled by log_store_write. */
#include "storage/log_batch.h"

#include <string.h>

#include "runtime/assert.h"
#include "runtime/memory.h"
#include "storage/key.h"
#include "storage/kv_batch.h"
#include "storage/kv_engine.h"

#include "runtime/poison.h"

static struct bytes key_of(unsigned char *at, uint64_t store_id, char kind) {
    key_store_u64(at, store_id);
    at[8] = (unsigned char)kind;
    return (struct bytes){.data = at, .size = 9};
}

struct bytes log_key_state(unsigned char *at, uint64_t store_id) {
    return key_of(at, store_id, 'h');
}

struct bytes log_key_record(unsigned char *at, uint64_t store_id) {
    return key_of(at, store_id, 'r');
}

struct bytes log_key_entry(unsigned char *at, uint64_t store_id, uint64_t index) {
    key_of(at, store_id, 'e');
    key_store_u64(at + 9, index);
    return (struct bytes){.data = at, .size = LOG_KEY_MAX};
}

struct bytes log_key_begin(unsigned char *at, uint64_t store_id) {
    key_store_u64(at, store_id);
    return (struct bytes){.data = at, .size = 8};
}

struct bytes log_key_end(unsigned char *at, uint64_t store_id) {
    return key_of(at, store_id, (char)0xff);
}

struct log_batch *log_batch_new(void) {
    struct log_batch *batch = mem_zero(1, sizeof *batch);
    struct kv_batch *writes = kv_batch_new();
    if (!batch || !writes) {
        mem_free(batch);
        kv_batch_free(writes);
        return NULL;
    }
    batch->writes = writes;
    return batch;
}

void log_batch_free(struct log_batch *batch) {
    if (!batch) return;
    kv_batch_free(batch->writes);
    mem_free(batch->operations);
    mem_free(batch);
}

void log_batch_clear(struct log_batch *batch) {
    kv_batch_clear(batch->writes);
    batch->n_operations = 0;
}

void log_batch_sign(struct log_batch *batch, uint64_t writer) {
    batch->writer = writer;
}

static struct log_operation *
add(struct log_batch *batch, enum log_operation_kind kind, uint64_t store_id) {
    if (batch->n_operations == batch->capacity) {
        size_t capacity = batch->capacity ? batch->capacity * 2 : 16;
        struct log_operation *operations =
            mem_resize(batch->operations, capacity * sizeof *operations);
        if (!operations) return NULL;
        batch->operations = operations;
        batch->capacity = capacity;
    }
    struct kv_mark here = kv_batch_mark(batch->writes);
    struct log_operation *operation = &batch->operations[batch->n_operations++];
    *operation =
        (struct log_operation){.kind = kind, .store_id = store_id, .begin = here, .end = here};
    return operation;
}

static enum status no_memory(void) {
    return kv_fail(STATUS_NO_MEMORY, "no memory for a batch of log entries");
}

/* The value is term, type and data in one piece: room for it comes from the batch itself. */
static void put_entry(struct kv_batch *writes, uint64_t store_id, const struct log_entry *entry) {
    unsigned char key[LOG_KEY_MAX], header[LOG_ENTRY_HEADER];
    key_store_u64(header, entry->term);
    header[8] = entry->type;
    kv_batch_put_joined(writes, log_key_entry(key, store_id, entry->index),
                        (const struct bytes[]){{header, sizeof header}, entry->data}, 2);
}

enum status log_batch_append(struct log_batch *batch,
                             uint64_t store_id,
                             const struct log_entry *entries,
                             size_t n_entries) {
    if (n_entries == 0) return kv_fail(STATUS_INVALID, "an append without entries");
    for (size_t i = 0; i < n_entries; i++)
        if (entries[i].index == 0 || entries[i].index != entries[0].index + i)
            return kv_fail(STATUS_INVALID, "log entries to append have a hole");
    if (entries[n_entries - 1].index == UINT64_MAX)
        return kv_fail(STATUS_INVALID, "a log ends below its largest number");

    struct log_operation *operation = add(batch, LOG_APPEND, store_id);
    if (!operation) return no_memory();
    for (size_t i = 0; i < n_entries; i++)
        put_entry(batch->writes, store_id, &entries[i]);
    operation->end = kv_batch_mark(batch->writes);
    if (kv_batch_failed(batch->writes)) {
        kv_batch_cut(batch->writes, operation->begin, operation->end);
        batch->n_operations--;
        return no_memory();
    }
    operation->first = entries[0].index;
    operation->last = entries[n_entries - 1].index;
    return STATUS_OK;
}

enum status
log_batch_vote(struct log_batch *batch, uint64_t store_id, uint64_t term, uint64_t vote) {
    struct log_operation *operation = add(batch, LOG_VOTE, store_id);
    if (!operation) return no_memory();
    operation->term = term;
    operation->vote = vote;
    return STATUS_OK;
}

enum status log_batch_truncate(struct log_batch *batch, uint64_t store_id, uint64_t first) {
    struct log_operation *operation = add(batch, LOG_TRUNCATE, store_id);
    if (!operation) return no_memory();
    operation->first = first;
    return STATUS_OK;
}

enum status log_batch_reset(struct log_batch *batch, uint64_t store_id, uint64_t first) {
    if (first == 0) return kv_fail(STATUS_INVALID, "a log begins at 1 or later");
    struct log_operation *operation = add(batch, LOG_RESET, store_id);
    if (!operation) return no_memory();
    operation->first = first;
    return STATUS_OK;
}

enum status log_batch_record(struct log_batch *batch, uint64_t store_id, struct bytes record) {
    unsigned char key[LOG_KEY_MAX];
    struct log_operation *operation = add(batch, LOG_RECORD, store_id);
    if (!operation) return no_memory();
    kv_batch_put(batch->writes, log_key_record(key, store_id), record);
    operation->end = kv_batch_mark(batch->writes);
    if (!kv_batch_failed(batch->writes)) return STATUS_OK;
    kv_batch_cut(batch->writes, operation->begin, operation->end);
    batch->n_operations--;
    return no_memory();
}

enum status log_batch_drop(struct log_batch *batch, uint64_t store_id) {
    return add(batch, LOG_DROP, store_id) ? STATUS_OK : no_memory();
}

size_t log_batch_bytes(const struct log_batch *batch) {
    return kv_batch_bytes(batch->writes);
}

size_t log_batch_count(const struct log_batch *batch) {
    return batch->n_operations;
}

void log_batch_cut(struct log_batch *batch, size_t n_operations) {
    if (n_operations >= batch->n_operations) return;
    kv_batch_cut(batch->writes, batch->operations[n_operations].begin,
                 kv_batch_mark(batch->writes));
    batch->n_operations = n_operations;
}

enum status log_batch_outcome(const struct log_batch *batch, size_t operation) {
    assert(operation < batch->n_operations);
    return batch->operations[operation].outcome;
}
