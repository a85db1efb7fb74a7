/* service_worker_store: batches of any size become chunks of one shard, one under way at a time, so
 * that of equal ids the later wins. A stream's messages wait in line, encoded, in bounded memory:
 *
 *     message ─▶ line ─▶ batch ─▶ chunk ─ShardWritten─▶ next chunk ─▶ next batch ─▶ … ─▶ {stored}
 */
#include <stdio.h>
#include <string.h>

#include "actors/shard/shard.h"
#include "adapters/edge/proto.h"
#include "adapters/edge/service_worker.h"
#include "runtime/memory.h"

#include "runtime/poison.h"

enum {
    CHUNK_BYTES = 512 * 1024, /* of floats and metadata: well below a message */
    LINE_BYTES_MAX = 32 * 1024 * 1024,
    STORED_MAX = INT32_MAX,
};

#define V1(Type) WORKER_V1(Type)

struct waiting {
    struct waiting *next;
    size_t size;
    uint8_t bytes[];
};

struct store {
    struct question question; /* first */
    char name[WORKER_SHARD_NAME];
    const V1(BatchStoreVectorRequest) * batch; /* under way; NULL: none */
    size_t next;                               /* vector of it that is not sent */
    size_t sent;                               /* in the chunk under way */
    uint64_t stored;
    struct arena arena; /* of the chunk, and of a stream's batch */
    bool streams;
    bool finished; /* the client has said all */
    bool over;
    struct waiting *first, **last; /* owned */
    size_t line_bytes;
};

static void on_free(void *context) {
    struct store *store = context;
    while (store->first) {
        struct waiting *waiting = store->first;
        store->first = waiting->next;
        mem_free(waiting);
    }
    arena_free(&store->arena);
}

static void on_chunk(struct question *question, const struct outcome *outcome, struct turn *turn);

/* The call may be freed then: nothing is touched after it. */
static void fail(struct store *store, enum status s, const char *words, struct turn *turn) {
    store->over = true;
    edge_fail(store->question.call, s, words, turn);
}

/* The call's own: between two questions a stream has none that could be cancelled. */
static void on_cancel(void *context, struct turn *turn) {
    struct store *store = context;
    if (store->question.under_way)
        question_cancel(&store->question, turn); /* its outcome ends the call */
    else if (!store->over)
        fail(store, STATUS_CANCELLED, NULL, turn);
}

/* NULL: the call is failed. */
static struct store *store_new(struct edge_call *call, bool streams, struct turn *turn) {
    struct store *store = question_new(call, sizeof *store, turn);
    if (!store) return NULL;
    store->question = (struct question){.call = call, .done = on_chunk, .to = store->name};
    store->streams = streams;
    store->last = &store->first;
    arena_init(&store->arena, 0);
    edge_call_on_free(call, on_free, store);
    edge_call_on_cancel(call, on_cancel, store);
    return store;
}

/* As many operations as a chunk takes, from store->next on. */
static enum status build(struct store *store,
                         ShardOperation **list,
                         size_t *n,
                         struct arena *arena,
                         struct check *check) {
    size_t bytes = 0;
    ShardOperation *rows = arena_alloc(arena, SHARD_OPERATIONS_MAX * sizeof *rows);
    if (!rows) return STATUS_NO_MEMORY;
    *n = 0;
    while (*n < SHARD_OPERATIONS_MAX && store->next + *n < store->batch->n_vectors) {
        const V1(Vector) *vector = store->batch->vectors[store->next + *n];
        bytes += vector->n_vector * sizeof(float) + vector->metadata.len + strlen(vector->id);
        if (*n > 0 && bytes > CHUNK_BYTES) break;
        enum status s = worker_operation(vector, arena, &rows[*n], check);
        if (s != STATUS_OK) return s;
        list[*n] = &rows[*n];
        (*n)++;
    }
    return STATUS_OK;
}

static void send_chunk(struct store *store, struct turn *turn) {
    struct arena arena;
    struct check check = {0};
    ShardOperation *list[SHARD_OPERATIONS_MAX];
    ShardWrite write = SHARD_WRITE__INIT;
    arena_init(&arena, 0);
    enum status s = build(store, list, &store->sent, &arena, &check);
    if (s != STATUS_OK) {
        fail(store, s, check.words, turn);
    } else {
        worker_number(store->question.call, &write, turn);
        write.epoch = store->batch->shard_epoch;
        write.n_operations = store->sent;
        write.operations = list;
        if (!question_send(&store->question, &write.base, turn))
            fail(store, STATUS_NOT_READY, "the shard has left this worker", turn);
    }
    arena_free(&arena);
}

static void reply(struct store *store, struct turn *turn) {
    V1(BatchStoreVectorResponse) response = VECTRON__WORKER__V1__BATCH_STORE_VECTOR_RESPONSE__INIT;
    struct edge_call *call = store->question.call;
    response.stored = store->stored < STORED_MAX ? (int32_t)store->stored : STORED_MAX;
    store->over = true;
    if (!store->streams) {
        edge_reply(call, &response.base, turn);
        return;
    }
    edge_part(call, &response.base, turn);
    edge_end(call, turn);
}

static void advance(struct store *store, struct turn *turn);

static void
begin(struct store *store, const V1(BatchStoreVectorRequest) * batch, struct turn *turn) {
    const struct worker_lease lease = {batch->shard_id, batch->shard_epoch,
                                       batch->lease_expiry_unix_ms};
    store->batch = batch;
    store->next = 0;
    store->over = true; /* the call may be freed with the judgement */
    if (!worker_judge(store->question.call, &lease, store->name, turn)) return;
    store->over = false;
    advance(store, turn);
}

/* The next batch in line; false: there is none. */
static bool take(struct store *store, struct turn *turn) {
    struct waiting *waiting = store->first;
    ProtobufCMessage *message;
    const char *why = "";
    if (!waiting) return false;
    arena_reset(&store->arena);
    enum status s = proto_read(&vectron__worker__v1__batch_store_vector_request__descriptor,
                               waiting->bytes, waiting->size, &store->arena, &message, &why);
    store->first = waiting->next;
    if (!store->first) store->last = &store->first;
    store->line_bytes -= waiting->size;
    mem_free(waiting);
    if (s == STATUS_OK)
        begin(store, (const void *)message, turn);
    else
        fail(store, s, why, turn);
    return true;
}

static void advance(struct store *store, struct turn *turn) {
    if (store->over) return;
    if (store->batch && store->next < store->batch->n_vectors) {
        send_chunk(store, turn);
        return;
    }
    store->batch = NULL;
    if (take(store, turn)) return;
    if (!store->streams || store->finished) reply(store, turn);
}

static void on_chunk(struct question *question, const struct outcome *outcome, struct turn *turn) {
    struct store *store = (struct store *)question;
    if (!outcome_as(outcome, ShardWritten, shard_written)) {
        store->over = true;
        worker_fail(question->call, outcome, turn);
        return;
    }
    store->next += store->sent;
    store->stored += store->sent;
    advance(store, turn);
}

void worker_batch_store(void *self, struct edge_call *call, struct turn *turn) {
    (void)self;
    struct store *store = store_new(call, false, turn);
    if (store) begin(store, (const void *)edge_call_request(call), turn);
}

/* --- streams --------------------------------------------------------------------------------- */

static void wait_in_line(struct store *store, const ProtobufCMessage *message, struct turn *turn) {
    size_t size = protobuf_c_message_get_packed_size(message);
    if (size > LINE_BYTES_MAX - store->line_bytes) {
        fail(store, STATUS_BUSY,
             "32 MiB of this stream wait for the shard already: send more slowly, or in several "
             "streams",
             turn);
        return;
    }
    struct waiting *waiting = mem_alloc(sizeof *waiting + size);
    if (!waiting) {
        fail(store, STATUS_NO_MEMORY, NULL, turn);
        return;
    }
    waiting->next = NULL;
    waiting->size = protobuf_c_message_pack(message, waiting->bytes);
    *store->last = waiting;
    store->last = &waiting->next;
    store->line_bytes += size;
    if (!store->batch) advance(store, turn);
}

void worker_stream_store(void *self, struct edge_call *call, struct turn *turn) {
    (void)self;
    struct store *store = edge_call_kept(call);
    if (!store) {
        store = store_new(call, true, turn);
        if (!store) return;
        edge_call_keep(call, store);
    }
    if (!store->over) wait_in_line(store, edge_call_request(call), turn);
}

void worker_stream_stored(void *self, struct edge_call *call, struct turn *turn) {
    (void)self;
    struct store *store = edge_call_kept(call);
    if (!store) {
        edge_fail(call, STATUS_INVALID, "a stream without a message", turn);
        return;
    }
    store->finished = true;
    if (!store->batch) advance(store, turn);
}
