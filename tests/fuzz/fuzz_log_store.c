/* fuzz_log_store: what lies on the disk of a log store, and what its writers may ask for.
 *
 * The input is a run of orders, each of a kind, a replica and 8 bytes, some with bytes behind them:
 * first pairs that somebody else wrote, then operations of batches. Whatever is refused, what is
 * taken must be a log that can be opened and read again. */
#include <stdint.h>
#include <string.h>

#include "actors/raft/seat.h"
#include "runtime/assert.h"
#include "storage/key.h"
#include "storage/log_store.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { REPLICAS = 3, BYTES_MAX = 64, KINDS = 10, ENTRIES_MAX = 3 };

struct input {
    const uint8_t *at;
    size_t left;
};

struct order {
    uint8_t kind;
    uint64_t store;
    uint64_t number;
    struct bytes bytes;
};

static bool next(struct input *input, struct order *out) {
    if (input->left < 11) return false;
    const uint8_t *at = input->at;
    size_t size = at[10] % BYTES_MAX;
    if (size > input->left - 11) size = input->left - 11;
    *out = (struct order){.kind = at[0] % KINDS,
                          .store = at[1] % REPLICAS,
                          .number = key_load_u64(at + 2),
                          .bytes = {at + 11, size}};
    input->at += 11 + size;
    input->left -= 11 + size;
    return true;
}

/* A state, a record, an entry, or a key that is none of them. */
static void put_pair(struct kv_batch *pairs, const struct order *order) {
    unsigned char key[8 + 1 + 8 + 1];
    static const char kinds[] = {'h', 'r', 'e', 'e'};
    static const size_t sizes[] = {9, 9, 17, 0};
    size_t size = sizes[order->kind & 3] ? sizes[order->kind & 3] : order->number % sizeof key;
    key_store_u64(key, order->store);
    key[8] = (unsigned char)kinds[order->kind & 3];
    key_store_u64(key + 9, order->number);
    key[17] = 0;
    kv_batch_put(pairs, (struct bytes){key, size}, order->bytes);
}

static void add_operation(struct log_batch *batch, const struct order *order) {
    struct log_entry entries[ENTRIES_MAX];
    size_t n = order->bytes.size % (ENTRIES_MAX + 1);
    for (size_t i = 0; i < n; i++)
        entries[i] = (struct log_entry){
            .index = order->number + i, .term = i, .type = (uint8_t)i, .data = order->bytes};
    enum status s = STATUS_OK;
    switch (order->kind) {
    case 4:
        s = log_batch_append(batch, order->store, entries, n);
        break;
    case 5:
        s = log_batch_vote(batch, order->store, order->number, order->bytes.size);
        break;
    case 6:
        s = log_batch_truncate(batch, order->store, order->number);
        break;
    case 7:
        s = log_batch_reset(batch, order->store, order->number);
        break;
    case 8:
        s = log_batch_record(batch, order->store, order->bytes);
        break;
    default:
        s = log_batch_drop(batch, order->store);
        break;
    }
    assert(s == STATUS_OK || s == STATUS_INVALID);
}

static enum status count(void *context, const struct log_entry *entry) {
    uint64_t *expected = context;
    assert(entry->index == (*expected)++);
    return STATUS_OK;
}

/* It is a log, or known to be broken. whole: it must be one. */
static void look(struct log_store *store, uint64_t id, bool whole) {
    struct log_state state;
    struct seat_facts facts;
    enum status s = log_store_state(store, id, &state);
    assert(s == STATUS_OK || (s == STATUS_CORRUPT && !whole));
    if (s == STATUS_OK) {
        uint64_t next = state.first;
        assert(state.first > 0 && state.last + 1 >= state.first);
        s = log_store_read(store, id, state.first, state.last, count, &next);
        assert(s == STATUS_OK || (s == STATUS_CORRUPT && !whole));
        assert(s != STATUS_OK || next == state.last + 1);
    }
    s = seat_facts_read(&facts, store, id, id);
    assert(s == STATUS_OK || s == STATUS_CORRUPT || s == STATUS_NO_MEMORY);
    seat_facts_free(&facts);
}

static void write_batch(struct log_store *store, struct log_batch *batch) {
    enum status s = log_store_write(store, batch);
    assert(s == STATUS_OK);
    log_batch_clear(batch);
}

/* A pair that somebody else wrote: kinds 0 to 3, at the front. */
static struct kv *open_disk(struct input *input, bool *foreign) {
    struct kv *kv = NULL;
    enum status s = kv_memory_open(&(struct kv_options){.path = "x", .wal = true},
                                   &(struct kv_faults){.seed = 1}, &kv);
    assert(s == STATUS_OK);
    struct kv_batch *pairs = kv_batch_new();
    struct order order;
    struct input ahead = *input;
    assert(pairs);
    while (next(&ahead, &order) && order.kind < 4) {
        put_pair(pairs, &order);
        *input = ahead;
        *foreign = true;
    }
    s = kv_write(kv, pairs, true);
    assert(s == STATUS_OK);
    kv_batch_free(pairs);
    return kv;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct input input = {data, size};
    bool foreign = false;
    struct kv *kv = open_disk(&input, &foreign), *again = kv_memory_share(kv);
    struct log_store *store = NULL;
    enum status s = log_store_open(&kv, &store);
    assert(s == STATUS_OK || (s == STATUS_CORRUPT && foreign));
    struct log_batch *batch = log_batch_new();
    assert(batch && again);
    struct order order;
    while (s == STATUS_OK && next(&input, &order)) {
        if (order.kind < 4)
            write_batch(store, batch);
        else
            add_operation(batch, &order);
    }
    if (s == STATUS_OK) write_batch(store, batch);
    for (uint64_t id = 0; s == STATUS_OK && id < REPLICAS; id++)
        look(store, id, !foreign);
    if (s == STATUS_OK) log_store_close(store);
    if (s == STATUS_OK) {
        s = log_store_open(&again, &store);
        assert(s == STATUS_OK || foreign);
        if (s == STATUS_OK) log_store_close(store);
    } else {
        kv_close(again);
    }
    log_batch_free(batch);
    return 0;
}
