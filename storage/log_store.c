/* log_store: logs of many replicas in one kv. The state of every replica (term, vote, bounds) is
 * kept in memory and written, with whatever changed it, in the same batch:
 *
 *     operations ─ judged one by one against the state ─▶ new states ─▶ clean-up + 'h' values ─▶
 * one synced write
 *
 * An operation that does not fit its log is cut out of the batch. The puts of the others stand in
 * the batch already; what they made obsolete is deleted behind them: for each touched replica
 * everything outside the final bounds. Two locks: `writing` orders writers and is held over the
 * sync; `lock` guards the table, briefly. */
#include "storage/log_store.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "runtime/assert.h"
#include "runtime/memory.h"
#include "storage/key.h"
#include "storage/kv_engine.h"
#include "storage/log_batch.h"

#include "runtime/poison.h"

enum { STATE_SIZE = 4 * 8 };

/* A replica's state; in a write also how far its log reached meanwhile. */
struct replica {
    uint64_t store_id;
    struct log_state state;
    uint64_t low;  /* lowest index that may be stored */
    uint64_t high; /* highest */
    bool exists;
    bool changed; /* in this write */
};
/* Ascending by store id. */
struct replicas {
    struct replica *items; /* owned */
    size_t n_items;
    size_t capacity;
};

struct log_store {
    struct kv *kv;               /* owned */
    atomic_uint_fast64_t writer; /* the newest */
    pthread_mutex_t writing;
    pthread_mutex_t lock;
    struct replicas replicas; /* under lock; changed by the holder of writing only */
};

static const struct log_state unborn = {.first = 1};

/* --- the table ------------------------------------------------------------------------------- */

static size_t replicas_find(const struct replicas *replicas, uint64_t store_id) {
    size_t low = 0, high = replicas->n_items;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (replicas->items[middle].store_id < store_id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct replica *replicas_get(const struct replicas *replicas, uint64_t store_id) {
    size_t at = replicas_find(replicas, store_id);
    if (at == replicas->n_items || replicas->items[at].store_id != store_id) return NULL;
    return &replicas->items[at];
}

static bool replicas_reserve(struct replicas *replicas, size_t more) {
    size_t capacity = replicas->capacity ? replicas->capacity : 16;
    while (capacity - replicas->n_items < more)
        capacity *= 2;
    if (capacity == replicas->capacity) return true;
    struct replica *items = mem_resize(replicas->items, capacity * sizeof *items);
    if (!items) return false;
    replicas->items = items;
    replicas->capacity = capacity;
    return true;
}

/* There is room. Replaces the replica of the same id. */
static struct replica *replicas_put(struct replicas *replicas, const struct replica *replica) {
    size_t at = replicas_find(replicas, replica->store_id);
    struct replica *place = replicas->items + at;
    if (at == replicas->n_items || place->store_id != replica->store_id) {
        memmove(place + 1, place, (replicas->n_items - at) * sizeof *place);
        replicas->n_items++;
    }
    *place = *replica;
    return place;
}

static void replicas_remove(struct replicas *replicas, uint64_t store_id) {
    struct replica *place = replicas_get(replicas, store_id);
    if (!place) return;
    size_t at = (size_t)(place - replicas->items);
    memmove(place, place + 1, (replicas->n_items - at - 1) * sizeof *place);
    replicas->n_items--;
}

/* --- open ------------------------------------------------------------------------------------ */

static enum status corrupt(uint64_t store_id, const char *what) {
    return kv_fail(STATUS_CORRUPT, "log %" PRIu64 ": %s", store_id, what);
}

static enum status load_state(struct log_store *store, uint64_t store_id) {
    unsigned char key[LOG_KEY_MAX];
    struct kv_value value;
    enum status s = kv_get(store->kv, log_key_state(key, store_id), KV_ANY, &value);
    if (s == STATUS_NOT_FOUND) return corrupt(store_id, "entries without a state");
    if (s != STATUS_OK) return s;
    struct replica replica = {.store_id = store_id, .exists = true};
    const unsigned char *at = value.data;
    bool fits = value.size == STATE_SIZE;
    if (fits)
        replica.state = (struct log_state){.term = key_load_u64(at),
                                           .vote = key_load_u64(at + 8),
                                           .first = key_load_u64(at + 16),
                                           .last = key_load_u64(at + 24)};
    kv_value_free(&value);
    if (!fits || replica.state.first == 0 || replica.state.last + 1 < replica.state.first)
        return corrupt(store_id, "malformed state");
    if (!replicas_reserve(&store->replicas, 1))
        return kv_fail(STATUS_NO_MEMORY, "no memory for the table of logs");
    replicas_put(&store->replicas, &replica);
    return STATUS_OK;
}

/* *found: the lowest store id >= from that has anything stored. NOT_FOUND. */
static enum status next_id(struct kv *kv, uint64_t from, uint64_t *found) {
    unsigned char begin[LOG_KEY_MAX];
    struct kv_cursor *cursor;
    enum status s = kv_cursor_open(kv, log_key_begin(begin, from), (struct bytes){0}, &cursor);
    if (s != STATUS_OK) return s;
    struct bytes key, value;
    if (!kv_cursor_next(cursor, &key, &value)) {
        s = kv_cursor_status(cursor);
        if (s == STATUS_OK) s = STATUS_NOT_FOUND;
    } else if (key.size < 9) {
        s = kv_fail(STATUS_CORRUPT, "log store: malformed key");
    } else {
        *found = key_load_u64(key.data);
    }
    kv_cursor_close(cursor);
    return s;
}

static enum status load(struct log_store *store) {
    uint64_t id = 0;
    for (uint64_t from = 0;; from = id + 1) {
        enum status s = next_id(store->kv, from, &id);
        if (s == STATUS_NOT_FOUND) return STATUS_OK;
        if (s == STATUS_OK) s = load_state(store, id);
        if (s != STATUS_OK || id == UINT64_MAX) return s;
    }
}

enum status log_store_open(struct kv **kv, struct log_store **out) {
    struct log_store *store = mem_zero(1, sizeof *store);
    if (!store) {
        kv_close(*kv);
        *kv = NULL;
        return kv_fail(STATUS_NO_MEMORY, "no memory for a log store");
    }
    store->kv = *kv;
    *kv = NULL;
    assert(store->kv->wal);
    pthread_mutex_init(&store->writing, NULL);
    pthread_mutex_init(&store->lock, NULL);
    enum status s = load(store);
    if (s != STATUS_OK) {
        log_store_close(store);
        return s;
    }
    *out = store;
    return STATUS_OK;
}

void log_store_close(struct log_store *store) {
    if (!store) return;
    kv_close(store->kv);
    mem_free(store->replicas.items);
    pthread_mutex_destroy(&store->writing);
    pthread_mutex_destroy(&store->lock);
    mem_free(store);
}

struct kv_stats log_store_stats(struct log_store *store) {
    return kv_stats(store->kv);
}

/* --- writing --------------------------------------------------------------------------------- */

/* The batch's own copy of a replica, made at its first operation. There is room. */
static struct replica *touch(struct log_store *store, struct replicas *touched, uint64_t store_id) {
    struct replica *replica = replicas_get(touched, store_id);
    if (replica) return replica;
    const struct replica *stored = replicas_get(&store->replicas, store_id);
    struct replica copy =
        stored ? *stored : (struct replica){.store_id = store_id, .state = unborn};
    copy.changed = false;
    copy.low = copy.state.first;
    copy.high = copy.state.last;
    return replicas_put(touched, &copy);
}

static enum status judge(struct replica *replica, const struct log_operation *operation) {
    struct log_state *state = &replica->state;
    switch (operation->kind) {
    case LOG_APPEND:
        if (operation->first < state->first || operation->first > state->last + 1)
            return STATUS_INVALID;
        state->last = operation->last;
        break;
    case LOG_VOTE:
        if (operation->term < state->term) return STATUS_INVALID;
        state->term = operation->term;
        state->vote = operation->vote;
        break;
    case LOG_TRUNCATE:
        if (operation->first <= state->first) break;
        state->first = operation->first;
        if (state->last + 1 < state->first) state->last = state->first - 1;
        break;
    case LOG_RESET:
        state->first = operation->first;
        state->last = operation->first - 1;
        break;
    case LOG_RECORD:
        break;
    case LOG_DROP:
        *state = unborn;
        break;
    }
    replica->exists = operation->kind != LOG_DROP;
    replica->changed = true;
    if (state->first < replica->low) replica->low = state->first;
    if (state->last > replica->high) replica->high = state->last;
    return STATUS_OK;
}

static void
delete_entries(struct kv_batch *writes, uint64_t store_id, uint64_t from, uint64_t end) {
    if (from >= end) return;
    unsigned char first[LOG_KEY_MAX], behind[LOG_KEY_MAX];
    if (end - from == 1) {
        kv_batch_delete(writes, log_key_entry(first, store_id, from));
        return;
    }
    kv_batch_delete_range(writes, log_key_entry(first, store_id, from),
                          log_key_entry(behind, store_id, end));
}

/* Deletes what lies outside the final bounds and writes the state. */
static void settle(struct kv_batch *writes, const struct replica *replica) {
    unsigned char key[LOG_KEY_MAX], behind[LOG_KEY_MAX], value[STATE_SIZE];
    if (!replica->exists) {
        kv_batch_delete_range(writes, log_key_begin(key, replica->store_id),
                              log_key_end(behind, replica->store_id));
        return;
    }
    const struct log_state *state = &replica->state;
    delete_entries(writes, replica->store_id, replica->low, state->first);
    delete_entries(writes, replica->store_id, state->last + 1, replica->high + 1);
    key_store_u64(value, state->term);
    key_store_u64(value + 8, state->vote);
    key_store_u64(value + 16, state->first);
    key_store_u64(value + 24, state->last);
    kv_batch_put(writes, log_key_state(key, replica->store_id),
                 (struct bytes){.data = value, .size = sizeof value});
}

/* Judges every operation, cuts out what is refused, adds what settles the rest. */
static void prepare(struct log_store *store, struct log_batch *batch, struct replicas *touched) {
    for (size_t i = 0; i < batch->n_operations; i++) {
        struct log_operation *operation = &batch->operations[i];
        operation->outcome = judge(touch(store, touched, operation->store_id), operation);
    }
    for (size_t i = batch->n_operations; i-- > 0;) {
        struct log_operation *operation = &batch->operations[i];
        if (operation->outcome != STATUS_OK)
            kv_batch_cut(batch->writes, operation->begin, operation->end);
    }
    for (size_t i = 0; i < touched->n_items; i++)
        if (touched->items[i].changed) settle(batch->writes, &touched->items[i]);
}

static void commit(struct log_store *store, const struct replicas *touched) {
    pthread_mutex_lock(&store->lock);
    for (size_t i = 0; i < touched->n_items; i++) {
        const struct replica *replica = &touched->items[i];
        if (!replica->changed) continue;
        if (replica->exists)
            replicas_put(&store->replicas, replica);
        else
            replicas_remove(&store->replicas, replica->store_id);
    }
    pthread_mutex_unlock(&store->lock);
}

static enum status write_ordered(struct log_store *store, struct log_batch *batch) {
    struct replicas touched = {0};
    pthread_mutex_lock(&store->lock);
    bool room = replicas_reserve(&store->replicas, batch->n_operations);
    pthread_mutex_unlock(&store->lock);
    if (!room || !replicas_reserve(&touched, batch->n_operations))
        return kv_fail(STATUS_NO_MEMORY, "no memory for the table of logs");
    prepare(store, batch, &touched);
    enum status s = kv_write(store->kv, batch->writes, true);
    if (s == STATUS_OK) commit(store, &touched);
    mem_free(touched.items);
    return s;
}

uint64_t log_store_writer(struct log_store *store) {
    return atomic_fetch_add(&store->writer, 1) + 1;
}

enum status log_store_write(struct log_store *store, struct log_batch *batch) {
    if (batch->n_operations == 0) return STATUS_OK;
    pthread_mutex_lock(&store->writing);
    /* Under the lock: one that passes is done before any of its successor's. */
    bool late = batch->writer != 0 && batch->writer != atomic_load(&store->writer);
    enum status s = late ? kv_fail(STATUS_CANCELLED, "another writer has taken the log over")
                         : write_ordered(store, batch);
    pthread_mutex_unlock(&store->writing);
    if (s == STATUS_OK) return s;
    for (size_t i = 0; i < batch->n_operations; i++)
        batch->operations[i].outcome = s;
    return s;
}

/* --- reading --------------------------------------------------------------------------------- */

static struct log_state state_of(struct log_store *store, uint64_t store_id) {
    pthread_mutex_lock(&store->lock);
    const struct replica *replica = replicas_get(&store->replicas, store_id);
    struct log_state state = replica ? replica->state : unborn;
    pthread_mutex_unlock(&store->lock);
    return state;
}

static enum status check_entry(struct log_store *store, uint64_t store_id, uint64_t index) {
    unsigned char key[LOG_KEY_MAX];
    struct kv_value value;
    enum status s = kv_get(store->kv, log_key_entry(key, store_id, index), KV_ANY, &value);
    if (s == STATUS_NOT_FOUND) return corrupt(store_id, "an end of the log is missing");
    if (s == STATUS_OK) kv_value_free(&value);
    return s;
}

static enum status check_ends(struct log_store *store, uint64_t store_id, struct log_state *state) {
    *state = state_of(store, store_id);
    if (state->last < state->first) return STATUS_OK;
    enum status s = check_entry(store, store_id, state->first);
    return s == STATUS_OK ? check_entry(store, store_id, state->last) : s;
}

enum status log_store_state(struct log_store *store, uint64_t store_id, struct log_state *out) {
    struct log_state state;
    enum status s = check_ends(store, store_id, &state);
    if (s == STATUS_CORRUPT) {
        /* Or a write is between its write and its commit, when state and entries differ: wait for
         * it. */
        pthread_mutex_lock(&store->writing);
        s = check_ends(store, store_id, &state);
        pthread_mutex_unlock(&store->writing);
    }
    if (s == STATUS_OK) *out = state;
    return s;
}

enum status log_store_record(struct log_store *store, uint64_t store_id, struct kv_value *out) {
    unsigned char key[LOG_KEY_MAX];
    return kv_get(store->kv, log_key_record(key, store_id), KV_ANY, out);
}

static enum status
visit_entry(struct bytes key, struct bytes value, log_visit visit, void *context) {
    const unsigned char *at = value.data;
    uint64_t store_id = key_load_u64(key.data);
    if (value.size < LOG_ENTRY_HEADER) return corrupt(store_id, "malformed entry");
    struct log_entry entry = {
        .index = key_load_u64((const unsigned char *)key.data + 9),
        .term = key_load_u64(at),
        .type = at[8],
        .data = {.data = at + LOG_ENTRY_HEADER, .size = value.size - LOG_ENTRY_HEADER},
    };
    return visit(context, &entry);
}

/* *next: the first index that was not visited, for lack of it or because visit ended it. */
static enum status
visit_entries(struct kv_cursor *cursor, uint64_t *next, log_visit visit, void *context) {
    struct bytes key, value;
    while (kv_cursor_next(cursor, &key, &value)) {
        if (key.size != LOG_KEY_MAX) return kv_fail(STATUS_CORRUPT, "log store: malformed key");
        if (key_load_u64((const unsigned char *)key.data + 9) != *next) return STATUS_OK;
        enum status s = visit_entry(key, value, visit, context);
        if (s != STATUS_OK) return s;
        ++*next;
    }
    return kv_cursor_status(cursor);
}

/* Entry `missing` was not there: was the log changed while it was read, or is it broken? */
static enum status explain_missing(struct log_store *store, uint64_t store_id, uint64_t missing) {
    pthread_mutex_lock(&store->writing);
    struct log_state state = state_of(store, store_id);
    pthread_mutex_unlock(&store->writing);
    if (missing < state.first)
        return kv_fail(STATUS_NOT_FOUND, "log %" PRIu64 ": entry %" PRIu64 " was truncated",
                       store_id, missing);
    if (missing > state.last) return STATUS_OK;
    return corrupt(store_id, "an entry is missing");
}

enum status log_store_read(struct log_store *store,
                           uint64_t store_id,
                           uint64_t from,
                           uint64_t to,
                           log_visit visit,
                           void *context) {
    struct log_state state = state_of(store, store_id);
    if (from < state.first) return explain_missing(store, store_id, from);
    if (to > state.last) to = state.last;
    if (from > to) return STATUS_OK;

    unsigned char begin[LOG_KEY_MAX], end[LOG_KEY_MAX];
    struct kv_cursor *cursor;
    enum status s = kv_cursor_open(store->kv, log_key_entry(begin, store_id, from),
                                   log_key_entry(end, store_id, to + 1), &cursor);
    if (s != STATUS_OK) return s;
    uint64_t next = from;
    s = visit_entries(cursor, &next, visit, context);
    kv_cursor_close(cursor);
    if (s == STATUS_OK && next <= to) return explain_missing(store, store_id, next);
    return s;
}

size_t log_store_ids(struct log_store *store, uint64_t *ids, size_t n) {
    pthread_mutex_lock(&store->lock);
    size_t all = store->replicas.n_items;
    for (size_t i = 0; i < all && i < n; i++)
        ids[i] = store->replicas.items[i].store_id;
    pthread_mutex_unlock(&store->lock);
    return all;
}
