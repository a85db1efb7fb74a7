/* fetch: one point by its id, from the cache in the same turn, else from the disk on the blocking
 * pool. */
#include <string.h>

#include "actors/shard/replica.h"
#include "runtime/memory.h"
#include "schemas/shard.pb-c.h"

#include "runtime/poison.h"

static void set_count(ShardPoint *point, const struct read_count *count) {
    point->term = count->term;
    point->n_others = count->n_others;
    point->others = (uint64_t *)(uintptr_t)count->others;
}

static void answer_point(const struct point_value *value,
                         const struct read_count *count,
                         const struct promise *promise,
                         struct turn *turn) {
    ShardPoint point = SHARD_POINT__INIT;
    char *id = turn_alloc(turn, value->point.id.size + 1);
    if (!id) {
        turn_reject(turn, promise, STATUS_NO_MEMORY, "get");
        return;
    }
    memcpy(id, value->point.id.data, value->point.id.size);
    point.id = id;
    point.number = value->point.number;
    point.n_vector = value->point.vector.size / sizeof(float);
    point.vector = (float *)(uintptr_t)value->point.vector.data;
    point.payload.len = value->point.payload.size;
    point.payload.data = (uint8_t *)(uintptr_t)value->point.payload.data;
    set_count(&point, count);
    turn_resolve(turn, promise, &point.base);
}

static void answer_missing(enum status s,
                           const char *id,
                           const struct read_count *count,
                           const struct promise *promise,
                           struct turn *turn) {
    ShardPoint point = SHARD_POINT__INIT;
    point.id = (char *)(uintptr_t)id;
    point.missing = true;
    set_count(&point, count);
    if (s == STATUS_NOT_FOUND && count->term > 0)
        turn_resolve(turn, promise, &point.base);
    else if (s == STATUS_NOT_FOUND)
        turn_reject(turn, promise, s, "vector with id %s not found", id);
    else
        turn_reject(turn, promise, s, "get: %s", kv_error());
}

/* A get that needs the disk. */
struct fetch {
    struct promise promise;
    struct read_count count; /* term 0: nobody counts */
    struct holding *holding; /* owned hold */
    struct point_store *points;
    struct point_value value;
    char *id; /* owned */
};

static void fetch_free(void *context) {
    struct fetch *fetch = context;
    holding_drop(fetch->holding);
    mem_free(fetch->id);
    mem_free(fetch);
}

static enum status fetch_work(void *context) {
    struct fetch *fetch = context;
    struct bytes id = {fetch->id, strlen(fetch->id)};
    return point_store_get(fetch->points, fetch->holding->store_id, id, KV_ANY, &fetch->value);
}

static void
on_fetched(void *self, void *context, const struct outcome *outcome, struct turn *turn) {
    struct fetch *fetch = context;
    (void)self;
    if (outcome->status == STATUS_OK) {
        answer_point(&fetch->value, &fetch->count, &fetch->promise, turn);
        point_value_free(&fetch->value);
    } else {
        answer_missing(outcome->status, fetch->id, &fetch->count, &fetch->promise, turn);
    }
    fetch_free(fetch);
}

static void abandon_fetch(void *context) {
    struct fetch *fetch = context;
    point_value_free(&fetch->value); /* the job may have been done already */
    fetch_free(fetch);
}

static void start_fetch(struct replica *self,
                        const char *id,
                        const struct read_count *count,
                        const struct promise *promise,
                        struct turn *turn) {
    struct fetch *fetch = mem_zero(1, sizeof *fetch);
    char *copy = mem_string(id);
    if (!fetch || !copy) {
        mem_free(fetch);
        mem_free(copy);
        turn_reject(turn, promise, STATUS_NO_MEMORY, "get");
        return;
    }
    fetch->promise = *promise;
    fetch->count = *count;
    fetch->holding = holding_again(self->holding);
    fetch->points = self->options.points;
    fetch->id = copy;
    turn_block(turn, &(struct block){.work = fetch_work,
                                     .done = on_fetched,
                                     .abandon = abandon_fetch,
                                     .context = fetch});
}

/* In a replay: what is cached here was not there, or not yet written, or the other way round. */
static enum status as_then(const struct replica *self,
                           struct bytes key,
                           enum status then,
                           enum status here,
                           struct point_value *value) {
    if (here == STATUS_OK) point_value_free(value);
    if (then != STATUS_OK) return then;
    return point_store_get(self->options.points, self->holding->store_id, key, KV_ANY, value);
}

void replica_get(struct replica *self,
                 const char *id,
                 const struct read_count *count,
                 const struct promise *promise,
                 struct turn *turn) {
    static const struct read_count nobody;
    struct point_value value;
    if (!count) count = &nobody;
    struct bytes key = {id, strlen(id)};
    struct point_store *points = self->options.points;
    enum status here = point_store_get(points, self->holding->store_id, key, KV_CACHED, &value);
    enum status s = (enum status)turn_saw(turn, here);
    if (s != here) s = as_then(self, key, s, here, &value);
    if (s == STATUS_NOT_READY) {
        start_fetch(self, id, count, promise, turn);
    } else if (s == STATUS_OK) {
        answer_point(&value, count, promise, turn);
        point_value_free(&value);
    } else {
        answer_missing(s, id, count, promise, turn);
    }
}
