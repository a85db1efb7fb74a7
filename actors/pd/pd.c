/* pd: what the placement driver accepts. One state machine (catalog.c) behind one replicated log:
 *
 *     LOADING (replay on the blocking pool) ─▶ a seat in the group ─▶ leads ─▶ ready
 *     request ─▶ judged ─▶ command to the seat ─▶ committed ─▶ catalog_apply ─▶ answer
 *
 * Random numbers and times are put into the command by whoever proposes it. What workers say about
 * themselves every few seconds is not logged: the leader alone hears it. After PD_SNAPSHOT_ENTRIES
 * entries the state itself is kept beside the log, and the log cut: it stays bounded. */
#include "actors/pd/pd.h"

#include "actors/pd/driver.h"

#include "runtime/poison.h"

/* Requests that are answered by who leads, and is ready. Y is handed on to X. */
#define PD_ANSWERS(X, Y) \
    X(Y, PdCreateCollection, pd_create_collection, driver_create) \
    X(Y, PdDeleteCollection, pd_delete_collection, driver_delete) \
    X(Y, PdChangeColumn, pd_change_column, driver_change_column) \
    X(Y, PdListCollections, pd_list_collections, driver_list) \
    X(Y, PdRoute, pd_route, driver_route) \
    X(Y, PdRegister, pd_register, driver_register) \
    X(Y, PdBeat, pd_beat, driver_beat) \
    X(Y, PdListWorkers, pd_list_workers, driver_workers) \
    X(Y, PdListShards, pd_list_shards, driver_shards) \
    X(Y, PdDrain, pd_drain, driver_drain) \
    X(Y, PdRemove, pd_remove, driver_remove) \
    X(Y, PdMove, pd_move, driver_move) \
    X(Y, PdRebalance, pd_rebalance, driver_rebalance) \
    X(Y, PdRegisterReranker, pd_register_reranker, driver_register_reranker) \
    X(Y, PdRerankerBeat, pd_reranker_beat, driver_beat_reranker) \
    X(Y, PdListRerankers, pd_list_rerankers, driver_list_rerankers) \
    X(Y, PdPickReranker, pd_pick_reranker, driver_pick_reranker) \
    X(Y, PdChangeMember, pd_change_member, members_change)

/* … and those that every member answers. */
#define PD_TELLS(X, Y) \
    X(Y, PdAskLeader, pd_ask_leader, driver_leader) \
    X(Y, PdAskFounder, pd_ask_founder, founding_answer) \
    X(Y, PdFetch, pd_fetch, courier_fetch) \
    X(Y, RaftReceive, raft_receive, group_receive)

#define ANSWERED(Y, Type, type, answer) \
    static enum status on_##type(struct driver *self, const Type *msg, struct turn *turn) { \
        if (group_forward(self, turn)) return STATUS_OK; \
        enum status s = driver_judge(self, turn); \
        return s == STATUS_OK ? answer(self, msg, turn) : s; \
    }
PD_ANSWERS(ANSWERED, )

#define TOLD(Y, Type, type, answer) \
    static enum status on_##type(struct driver *self, const Type *msg, struct turn *turn) { \
        return answer(self, msg, turn); \
    }
PD_TELLS(TOLD, )

#define ACCEPTED(Y, Type, type, answer) Y(struct driver, Type, type, on_##type)
#define PD_ACCEPTS(X)                   PD_ANSWERS(ACCEPTED, X) PD_TELLS(ACCEPTED, X)
ACTOR_HANDLERS(pd_handlers, PD_ACCEPTS);

static enum status pd_open(void *actor, const void *options, struct turn *turn) {
    struct driver *self = actor;
    const char *why = "";
    self->options = *(const struct pd_options *)options;
    if (self->options.member == 0) self->options.member = 1;
    catalog_init(&self->catalog);
    buffer_init(&self->founders);
    self->founder = true;
    const char *founders = self->options.founders ? self->options.founders : "";
    enum status s =
        pd_founders(founders, self->options.member, &self->founders, &self->founder, &why);
    if (s != STATUS_OK) return turn_fail(turn, s, "members of the placement driver: %s", why);
    restore_start(self, turn);
    return STATUS_OK;
}

static void pd_close(void *actor) {
    struct driver *self = actor;
    seat_close(self->seat);
    restore_free(self->restore);
    slots_free(self);
    courier_free(self);
    collections_free(self);
    rerankers_free(self);
    catalog_reset(&self->catalog);
    buffer_free(&self->founders);
}

const struct actor_type pd_type = {
    .kind = "pd",
    .size = sizeof(struct driver),
    .handlers = pd_handlers,
    .open = pd_open,
    .close = pd_close,
    .lane = LANE_IO,
};
