/* writes: upserts and deletes, as requests: cut into lots of one shard each, whose way is
 * chunks.c's, and answered when it is known of every lot what became of it. */
#include "actors/router/writes.h"

#include <inttypes.h>
#include <string.h>

#include "actors/router/session.h"
#include "runtime/assert.h"

#include "runtime/poison.h"

enum {
    POINT_BYTES = 32,       /* of an encoded operation, besides id, vector and payload */
    MEMORY_RETRY_MS = 1000, /* told to clients when a shard's memory is used up */
    WORDS_SHARDS_MAX = 16,  /* shards named in the words of a failure */
};

/* --- the answer
 * ----------------------------------------------------------------------------------------- */

/* All shards of the collection that we have written to: the last page's token covers every page. */
static const char *token(struct hub *self, const struct write *write, struct turn *turn) {
    struct buffer text;
    buffer_init(&text);
    const struct route *route = routes_find(self, write->collection);
    for (uint32_t i = 0; route && i < route->n_shards; i++) {
        const struct target *target = route->shards[i].target;
        if (target->acked > 0) session_put(&text, target->shard, target->acked);
    }
    bool fits = !text.failed && text.size < SESSION_TEXT_MAX;
    const char *copy = fits ? turn_printf(turn, "%.*s", (int)text.size, (char *)text.data) : NULL;
    buffer_free(&text);
    return copy ? copy : "";
}

static uint32_t written(const struct write *write) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < write->n_lots; i++)
        if (write->lots[i].status == STATUS_OK) n += write->lots[i].n_operations;
    return n;
}

/* What was written per shard, and why the rest was not. */
static void reject(struct write *write, const struct lot *first, struct turn *turn) {
    struct buffer text;
    buffer_init(&text);
    RouterUpserted some = ROUTER_UPSERTED__INIT;
    some.points = written(write);
    if (some.points > 0) turn_resolve_part(turn, &write->base.promise, &some.base);
    if (write->n_lots == 1) {
        buffer_printf(&text, "%s", first->words);
    } else {
        buffer_printf(&text, "%" PRIu32 " of %" PRIu32 " points written", written(write),
                      write->n_operations);
        for (uint32_t i = 0; i < write->n_lots && i < WORDS_SHARDS_MAX; i++) {
            const struct lot *lot = &write->lots[i];
            bool ok = lot->status == STATUS_OK;
            buffer_printf(&text, "; shard %" PRIu64 ": %" PRIu32 " of %" PRIu32 "%s%s", lot->shard,
                          ok ? lot->n_operations : 0, lot->n_operations, ok ? "" : " ",
                          ok ? "" : status_name(lot->status));
        }
        buffer_printf(&text, "; %s; repeating the request is safe", first->words);
    }
    turn_retry_after(turn, first->status == STATUS_NO_MEMORY ? MEMORY_RETRY_MS : 0);
    turn_reject(turn, &write->base.promise, first->status, "%.*s", (int)text.size,
                text.data ? (char *)text.data : "");
    buffer_free(&text);
}

void write_answer(struct hub *self, struct write *write, struct turn *turn) {
    const struct lot *failed = NULL;
    for (uint32_t i = 0; i < write->n_lots && !failed; i++)
        if (write->lots[i].status != STATUS_OK) failed = &write->lots[i];
    if (failed) {
        reject(write, failed, turn);
    } else if (write->deletes) {
        RouterDeleted deleted = ROUTER_DELETED__INIT;
        deleted.session = (char *)(uintptr_t)token(self, write, turn);
        turn_resolve(turn, &write->base.promise, &deleted.base);
    } else {
        RouterUpserted upserted = ROUTER_UPSERTED__INIT;
        upserted.points = write->n_operations;
        upserted.session = (char *)(uintptr_t)token(self, write, turn);
        turn_resolve(turn, &write->base.promise, &upserted.base);
    }
}

/* --- requests
 * ------------------------------------------------------------------------------------------- */

static enum status
copy_operation(struct arena *arena, const RouterPoint *point, ShardOperation *out) {
    shard_operation__init(out);
    out->id = arena_string(arena, point->id);
    out->n_vector = point->n_vector;
    out->vector = arena_alloc(arena, point->n_vector * sizeof(float) + 1);
    out->payload.len = point->payload.len;
    out->payload.data = arena_alloc(arena, point->payload.len + 1);
    if (!out->id || !out->vector || !out->payload.data) return STATUS_NO_MEMORY;
    if (point->n_vector > 0)
        memcpy((void *)out->vector, (const void *)point->vector, point->n_vector * sizeof(float));
    if (point->payload.len > 0) memcpy(out->payload.data, point->payload.data, point->payload.len);
    return STATUS_OK;
}

static size_t bytes_of(const ShardOperation *operation) {
    return strlen(operation->id) + operation->n_vector * sizeof(float) + operation->payload.len +
           POINT_BYTES;
}

/* Position of the id's shard in the route. */
static uint32_t place_of(const struct route *route, const char *id) {
    const struct target *target = route_target(route, id);
    uint32_t i = 0;
    while (route->shards[i].target != target)
        i++;
    return i;
}

/* Cuts the operations of one shard into lots. */
static void
cut(struct write *write, struct target *target, ShardOperation **operations, uint32_t n) {
    struct lot *lot = NULL;
    for (uint32_t i = 0; i < n; i++) {
        size_t bytes = bytes_of(operations[i]);
        if (!lot || lot->n_operations == ROUTER_CHUNK_POINTS ||
            lot->bytes + bytes > ROUTER_CHUNK_BYTES) {
            lot = &write->lots[write->n_lots++];
            *lot = (struct lot){.write = write,
                                .target = target,
                                .shard = target->shard,
                                .operations = operations + i};
        }
        lot->n_operations++;
        lot->bytes += bytes;
    }
}

/* Groups by shard, in the order of the request: of two equal ids the later wins. */
static enum status
group(struct write *write, const struct route *route, ShardOperation *operations, uint32_t n) {
    struct arena *arena = &write->base.arena;
    uint32_t *places = arena_alloc(arena, n * sizeof *places);
    uint32_t *ends = arena_zero(arena, (route->n_shards + 1) * sizeof *ends);
    ShardOperation **sorted = arena_alloc(arena, n * sizeof *sorted);
    write->lots = arena_alloc(arena, n * sizeof *write->lots);
    if (!places || !ends || !sorted || !write->lots) return STATUS_NO_MEMORY;
    for (uint32_t i = 0; i < n; i++) {
        places[i] = place_of(route, operations[i].id);
        ends[places[i] + 1]++;
    }
    for (uint32_t i = 0; i < route->n_shards; i++)
        ends[i + 1] += ends[i];
    for (uint32_t i = 0; i < n; i++)
        sorted[ends[places[i]]++] = &operations[i];
    uint32_t start = 0;
    for (uint32_t i = 0; i < route->n_shards; i++) {
        cut(write, route->shards[i].target, sorted + start, ends[i] - start);
        start = ends[i];
    }
    return STATUS_OK;
}

/* The request and its operations; NULL: the promise was rejected. */
static struct write *write_new(struct hub *self,
                               const char *collection,
                               size_t bytes,
                               const struct promise *promise,
                               struct turn *turn) {
    struct write *write = request_new(self, sizeof *write, promise, turn);
    if (!write) return NULL;
    write->collection = arena_string(&write->base.arena, collection);
    enum status s = write->collection ? STATUS_OK : STATUS_NO_MEMORY;
    if (s == STATUS_OK && !request_keep(self, &write->base, bytes)) s = STATUS_BUSY;
    if (s == STATUS_OK) return write;
    turn_reject(turn, promise, s, "the router keeps too much for requests under way");
    request_end(self, &write->base);
    return NULL;
}

static void start_write(struct hub *self,
                        struct write *write,
                        const struct route *route,
                        RouterPoint *const *points,
                        size_t n,
                        struct turn *turn) {
    ShardOperation *operations = arena_alloc(&write->base.arena, n * sizeof *operations);
    enum status s = operations ? STATUS_OK : STATUS_NO_MEMORY;
    for (size_t i = 0; s == STATUS_OK && i < n; i++) {
        s = copy_operation(&write->base.arena, points[i], &operations[i]);
        if (s == STATUS_OK) operations[i].remove = write->deletes;
    }
    if (s == STATUS_OK) s = group(write, route, operations, (uint32_t)n);
    if (s != STATUS_OK) {
        turn_reject(turn, &write->base.promise, s, "write of %zu points", n);
        request_end(self, &write->base);
        return;
    }
    write->n_operations = (uint32_t)n;
    lots_enqueue(self, write, turn);
}

bool start_upsert(struct hub *self,
                  const void *message,
                  const struct promise *promise,
                  struct route *route,
                  bool fresh,
                  struct turn *turn) {
    const RouterUpsert *msg = message;
    size_t bytes = 0;
    if (msg->n_points == 0) {
        turn_reject(turn, promise, STATUS_INVALID, "at least one point is required for upsert");
        return true;
    }
    for (size_t i = 0; i < msg->n_points; i++) {
        const RouterPoint *point = msg->points[i];
        if (point->n_vector != route->dimension) {
            if (!fresh) return false; /* the collection may be another one by now */
            turn_reject(turn, promise, STATUS_INVALID,
                        "vector dimension %zu does not match index dimension %" PRIu32
                        " of collection \"%s\"",
                        point->n_vector, route->dimension, route->name);
            return true;
        }
        size_t id_size = strlen(point->id);
        if (id_size == 0 || id_size > INDEX_ID_MAX) {
            turn_reject(turn, promise, STATUS_INVALID, "point id has %zu bytes, not 1 to %d",
                        id_size, INDEX_ID_MAX);
            return true;
        }
        bytes +=
            id_size + point->n_vector * sizeof(float) + point->payload.len + sizeof(ShardOperation);
    }
    struct write *write = write_new(self, msg->collection, bytes, promise, turn);
    if (!write) return true;
    write->bulk = msg->bulk;
    start_write(self, write, route, msg->points, msg->n_points, turn);
    return true;
}

bool start_delete(struct hub *self,
                  const void *message,
                  const struct promise *promise,
                  struct route *route,
                  bool fresh,
                  struct turn *turn) {
    const RouterDelete *msg = message;
    size_t id_size = strlen(msg->id);
    (void)fresh;
    if (id_size == 0 || id_size > INDEX_ID_MAX) {
        turn_reject(turn, promise, STATUS_INVALID, "point id has %zu bytes, not 1 to %d", id_size,
                    INDEX_ID_MAX);
        return true;
    }
    struct write *write = write_new(self, msg->collection, id_size, promise, turn);
    if (!write) return true;
    write->deletes = true;
    RouterPoint point = ROUTER_POINT__INIT;
    point.id = msg->id;
    RouterPoint *points[] = {&point};
    start_write(self, write, route, points, 1, turn);
    return true;
}
