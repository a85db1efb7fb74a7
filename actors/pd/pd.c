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

/* Requests that are answered by who leads, and is ready. */
#define PD_ANSWERS(X) \
    X(PdCreateCollection, pd_create_collection, driver_create) \
    X(PdDeleteCollection, pd_delete_collection, driver_delete) \
    X(PdListCollections, pd_list_collections, driver_list) \
    X(PdRoute, pd_route, driver_route) \
    X(PdRegister, pd_register, driver_register) \
    X(PdBeat, pd_beat, driver_beat) \
    X(PdListWorkers, pd_list_workers, driver_workers) \
    X(PdListShards, pd_list_shards, driver_shards) \
    X(PdDrain, pd_drain, driver_drain) \
    X(PdRemove, pd_remove, driver_remove) \
    X(PdMove, pd_move, driver_move) \
    X(PdRebalance, pd_rebalance, driver_rebalance) \
    X(PdRegisterReranker, pd_register_reranker, driver_register_reranker) \
    X(PdRerankerBeat, pd_reranker_beat, driver_beat_reranker) \
    X(PdListRerankers, pd_list_rerankers, driver_list_rerankers) \
    X(PdPickReranker, pd_pick_reranker, driver_pick_reranker) \
    X(PdChangeMember, pd_change_member, members_change)

#define JUDGED(Type, type, answer) \
    static enum status on_##type(struct driver *self, const Type *msg, struct turn *turn) { \
        if (group_forward(self, turn)) return STATUS_OK; \
        enum status s = driver_judge(self, turn); \
        return s == STATUS_OK ? answer(self, msg, turn) : s; \
    }
PD_ANSWERS(JUDGED)

/* … and those that every member answers. */
#define PD_TELLS(X) \
    X(PdAskLeader, pd_ask_leader, driver_leader) \
    X(PdAskFounder, pd_ask_founder, founding_answer) \
    X(PdFetch, pd_fetch, courier_fetch) \
    X(RaftReceive, raft_receive, group_receive)

#define TOLD(Type, type, answer) \
    static enum status on_##type(struct driver *self, const Type *msg, struct turn *turn) { \
        return answer(self, msg, turn); \
    }
PD_TELLS(TOLD)

#define PD_ACCEPTS(X) \
    X(struct driver, PdCreateCollection, pd_create_collection, on_pd_create_collection) \
    X(struct driver, PdDeleteCollection, pd_delete_collection, on_pd_delete_collection) \
    X(struct driver, PdListCollections, pd_list_collections, on_pd_list_collections) \
    X(struct driver, PdRoute, pd_route, on_pd_route) \
    X(struct driver, PdRegister, pd_register, on_pd_register) \
    X(struct driver, PdBeat, pd_beat, on_pd_beat) \
    X(struct driver, PdListWorkers, pd_list_workers, on_pd_list_workers) \
    X(struct driver, PdListShards, pd_list_shards, on_pd_list_shards) \
    X(struct driver, PdDrain, pd_drain, on_pd_drain) \
    X(struct driver, PdRemove, pd_remove, on_pd_remove) \
    X(struct driver, PdMove, pd_move, on_pd_move) \
    X(struct driver, PdRebalance, pd_rebalance, on_pd_rebalance) \
    X(struct driver, PdRegisterReranker, pd_register_reranker, on_pd_register_reranker) \
    X(struct driver, PdRerankerBeat, pd_reranker_beat, on_pd_reranker_beat) \
    X(struct driver, PdListRerankers, pd_list_rerankers, on_pd_list_rerankers) \
    X(struct driver, PdPickReranker, pd_pick_reranker, on_pd_pick_reranker) \
    X(struct driver, PdChangeMember, pd_change_member, on_pd_change_member) \
    X(struct driver, PdAskLeader, pd_ask_leader, on_pd_ask_leader) \
    X(struct driver, PdAskFounder, pd_ask_founder, on_pd_ask_founder) \
    X(struct driver, PdFetch, pd_fetch, on_pd_fetch) \
    X(struct driver, RaftReceive, raft_receive, on_raft_receive)
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
