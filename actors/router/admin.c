/* admin: collections: one question, one answer. */
#include <inttypes.h>
#include <string.h>

#include "actors/router/hub.h"
#include "runtime/codec.h"
#include "schemas/runtime.pb-c.h"

#include "runtime/poison.h"

enum {
    PD_PATIENCE_US = 3 * 1000 * 1000,  /* for a cluster that starts: no worker is ready yet */
    PDS_PATIENCE_US = 6 * 1000 * 1000, /* … and for placement drivers that elect one */
};

/* A request that is one question. */
struct errand {
    struct request base; /* first */
    struct ask ask;
    union {
        ProtobufCMessage base;
        PdCreateCollection create;
        PdDeleteCollection remove;
        PdListCollections list;
        PdChangeColumn column;
    } message;
    char *name; /* of the collection; in the arena */
};

/* NULL: the promise was rejected. */
static struct errand *
errand_new(struct hub *self, const char *name, const struct promise *promise, struct turn *turn) {
    struct errand *errand = request_new(self, sizeof *errand, promise, turn);
    if (!errand) return NULL;
    errand->name = arena_string(&errand->base.arena, name);
    if (errand->name) return errand;
    turn_reject(turn, promise, STATUS_NO_MEMORY, "request");
    request_end(self, &errand->base);
    return NULL;
}

typedef void (*done_fn)(struct hub *self,
                        struct ask *ask,
                        const struct outcome *outcome,
                        struct turn *turn);

static void errand_start(struct hub *self,
                         struct errand *errand,
                         struct target *target,
                         uint64_t patience_us,
                         done_fn done,
                         struct turn *turn) {
    uint64_t now = turn_now_us(turn);
    uint64_t deadline = errand->base.promise.deadline_us;
    errand->ask.target = target;
    errand->ask.message = &errand->message.base;
    errand->ask.deadline_us = deadline == NO_DEADLINE ? now + CALL_DEFAULT_US : deadline;
    errand->ask.patience_us = now + patience_us;
    errand->ask.done = done;
    errand->ask.context = errand;
    ask_start(self, &errand->ask, turn);
}

/* To the placement driver that leads. */
static void ask_pd(struct hub *self, struct errand *errand, done_fn done, struct turn *turn) {
    uint64_t patience_us = self->pd->seats->next ? PDS_PATIENCE_US : PD_PATIENCE_US;
    errand_start(self, errand, self->pd, patience_us, done, turn);
}

/* --- the placement driver's business
 * -------------------------------------------------------------------- */

static void reject(const struct errand *errand, const struct outcome *outcome, struct turn *turn) {
    bool away = outcome->status == STATUS_LOST_PEER || outcome->status == STATUS_UNIMPLEMENTED;
    if (away)
        turn_reject(turn, &errand->base.promise, STATUS_LOST_PEER,
                    "placement driver is not reachable: %s", outcome->text);
    else
        turn_reject(turn, &errand->base.promise,
                    outcome->status == STATUS_OK ? STATUS_INTERNAL : outcome->status, "%s",
                    outcome->text);
}

static void
on_created(struct hub *self, struct ask *ask, const struct outcome *outcome, struct turn *turn) {
    struct errand *errand = ask->context;
    if (outcome->status == STATUS_OK) {
        Done done = DONE__INIT;
        routes_remove(self, errand->name); /* of an earlier collection of this name */
        route_fetch(self, errand->name, turn);
        turn_resolve(turn, &errand->base.promise, &done.base);
    } else {
        reject(errand, outcome, turn);
    }
    request_end(self, &errand->base);
}

/* What is not asked for is no bytes. */
static bool
pack_columns(const RouterCreateCollection *msg, struct arena *arena, ProtobufCBinaryData *out) {
    PayloadColumns columns = PAYLOAD_COLUMNS__INIT;
    size_t size;
    columns.n_columns = msg->n_payload_indexes;
    columns.columns = msg->payload_indexes;
    enum index_storage storage;
    enum index_originals originals;
    if (index_storage_parse(msg->storage, &storage) != STATUS_OK ||
        index_originals_parse(msg->originals, &originals) != STATUS_OK)
        return false;
    columns.storage = storage;
    columns.originals = originals;
    columns.target_recall = msg->target_recall;
    columns.exact = msg->exact;
    columns.rescore = msg->rescore;
    if (columns.n_columns == 0 && storage == INDEX_AUTO && originals == INDEX_ORIGINALS_NONE &&
        msg->target_recall == 0 && !msg->exact && msg->rescore == 0)
        return true;
    if (codec_measure(&columns.base, &size) != STATUS_OK) return false;
    out->data = arena_alloc(arena, size);
    if (!out->data) return false;
    codec_write(&columns.base, out->data);
    out->len = size;
    return true;
}

enum status admin_create(struct hub *self, const RouterCreateCollection *msg, struct turn *turn) {
    struct promise promise = turn_defer(turn);
    struct errand *errand = errand_new(self, msg->name, &promise, turn);
    if (!errand) return STATUS_OK;
    PdCreateCollection *create = &errand->message.create;
    pd_create_collection__init(create);
    create->name = errand->name;
    create->dimension = msg->dimension;
    create->distance = arena_string(&errand->base.arena, msg->distance);
    create->shards = msg->shards;
    create->replicas = msg->replicas;
    create->token = turn_random(turn) | 1;
    bool packed = pack_columns(msg, &errand->base.arena, &create->payload_indexes);
    if (!create->distance || !packed) {
        turn_reject(turn, &promise, STATUS_NO_MEMORY, "create");
        request_end(self, &errand->base);
        return STATUS_OK;
    }
    ask_pd(self, errand, on_created, turn);
    return STATUS_OK;
}

static void
on_removed(struct hub *self, struct ask *ask, const struct outcome *outcome, struct turn *turn) {
    struct errand *errand = ask->context;
    bool gone = outcome->status == STATUS_NOT_FOUND;
    if (outcome->status == STATUS_OK || gone) routes_remove(self, errand->name);
    if (outcome->status == STATUS_OK || (gone && ask->unsure)) { /* it was this one's doing */
        Done done = DONE__INIT;
        turn_resolve(turn, &errand->base.promise, &done.base);
    } else {
        reject(errand, outcome, turn);
    }
    request_end(self, &errand->base);
}

enum status admin_delete(struct hub *self, const RouterDeleteCollection *msg, struct turn *turn) {
    struct promise promise = turn_defer(turn);
    struct errand *errand = errand_new(self, msg->name, &promise, turn);
    if (!errand) return STATUS_OK;
    pd_delete_collection__init(&errand->message.remove);
    errand->message.remove.name = errand->name;
    errand->message.remove.token = turn_random(turn) | 1;
    ask_pd(self, errand, on_removed, turn);
    return STATUS_OK;
}

static void on_column_changed(struct hub *self,
                              struct ask *ask,
                              const struct outcome *outcome,
                              struct turn *turn) {
    struct errand *errand = ask->context;
    bool drop = errand->message.column.drop;
    bool is_so = outcome->status == (drop ? STATUS_NOT_FOUND : STATUS_EXISTS);
    if (outcome->status == STATUS_OK || (is_so && ask->unsure)) { /* it was this one's doing */
        Done done = DONE__INIT;
        turn_resolve(turn, &errand->base.promise, &done.base);
    } else {
        reject(errand, outcome, turn);
    }
    request_end(self, &errand->base);
}

enum status
admin_change_column(struct hub *self, const RouterChangeColumn *msg, struct turn *turn) {
    if (!msg->column) return turn_fail(turn, STATUS_INVALID, "a payload index needs a key");
    struct promise promise = turn_defer(turn);
    struct errand *errand = errand_new(self, msg->collection, &promise, turn);
    if (!errand) return STATUS_OK;
    struct arena *arena = &errand->base.arena;
    PdChangeColumn *change = &errand->message.column;
    pd_change_column__init(change);
    change->name = errand->name;
    change->drop = msg->drop;
    change->column = arena_alloc(arena, sizeof *change->column);
    char *key = arena_string(arena, msg->column->key);
    if (!change->column || !key) {
        turn_reject(turn, &promise, STATUS_NO_MEMORY, "payload index");
        request_end(self, &errand->base);
        return STATUS_OK;
    }
    payload_column__init(change->column);
    change->column->key = key;
    change->column->type = msg->column->type;
    ask_pd(self, errand, on_column_changed, turn);
    return STATUS_OK;
}

static void
on_listed(struct hub *self, struct ask *ask, const struct outcome *outcome, struct turn *turn) {
    struct errand *errand = ask->context;
    const PdCollections *listed = outcome_as(outcome, PdCollections, pd_collections);
    if (listed) {
        RouterCollections answer = ROUTER_COLLECTIONS__INIT;
        answer.n_names = listed->n_names;
        answer.names = listed->names;
        turn_resolve(turn, &errand->base.promise, &answer.base);
    } else {
        reject(errand, outcome, turn);
    }
    request_end(self, &errand->base);
}

enum status admin_list(struct hub *self, const RouterListCollections *msg, struct turn *turn) {
    (void)msg;
    struct promise promise = turn_defer(turn);
    struct errand *errand = errand_new(self, "", &promise, turn);
    if (!errand) return STATUS_OK;
    pd_list_collections__init(&errand->message.list);
    ask_pd(self, errand, on_listed, turn);
    return STATUS_OK;
}
