/* log_batch: what log_store needs of a batch besides log_store.h. Private to storage/. */
#ifndef STORAGE_LOG_BATCH_H
#define STORAGE_LOG_BATCH_H

#include "storage/log_store.h"

enum log_operation_kind { LOG_APPEND, LOG_VOTE, LOG_TRUNCATE, LOG_RESET, LOG_RECORD, LOG_DROP };

struct log_operation {
    enum log_operation_kind kind;
    enum status outcome;
    uint64_t store_id;
    uint64_t first; /* append: index of the first entry; truncate, reset: first index kept */
    uint64_t last;  /* append: index of the last entry */
    uint64_t term;  /* vote */
    uint64_t vote;
    struct kv_mark begin, end; /* its entries in the batch's writes */
};

struct log_batch {
    struct kv_batch *writes;          /* owned */
    struct log_operation *operations; /* owned */
    size_t n_operations;
    size_t capacity;
    uint64_t writer; /* 0: nobody who could be succeeded */
};

enum { LOG_KEY_MAX = 8 + 1 + 8 };

/* Keys of a replica's log, written to `at` (LOG_KEY_MAX bytes). */
struct bytes log_key_state(unsigned char *at, uint64_t store_id);
struct bytes log_key_record(unsigned char *at, uint64_t store_id);
struct bytes log_key_entry(unsigned char *at, uint64_t store_id, uint64_t index);
/* Ends of the range of all keys of a replica. */
struct bytes log_key_begin(unsigned char *at, uint64_t store_id);
struct bytes log_key_end(unsigned char *at, uint64_t store_id);

enum { LOG_ENTRY_HEADER = 8 + 1 }; /* term, type; then the data */

#endif
