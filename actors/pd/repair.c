/* repair: the next step of one shard. Its rows say what shall be, its leader's beat what is; the
 * first difference that may be dealt with now is. The order matters: rows follow the group before
 * anything new is begun, who comes is made a voter before who goes is removed. */
#include <string.h>

#include "actors/pd/look.h"

#include "runtime/poison.h"

static uint32_t majority(uint32_t voters) {
    return voters / 2 + 1;
}

/* It says that it is quarantined, and did for longer than the grace. */
static bool is_lost(const struct look *look, const struct catalog_replica *replica) {
    return replica->lost_us != 0 && look->in->now_us - replica->lost_us > look->in->grace_us;
}

static bool keeps_learners(const struct catalog_replica *replica) {
    return replica->worker->facts->search_only;
}

static bool collection_allowed(const struct catalog_worker *worker, const char *name) {
    const PdRegister *facts = worker->facts;
    for (size_t i = 0; i < facts->n_collections; i++)
        if (!strcmp(facts->collections[i], name)) return true;
    return facts->n_collections == 0;
}

/* It shall not be counted on: it goes, or has a reason to. */
static bool is_unfit(const struct look *look,
                     const struct catalog_shard *shard,
                     const struct catalog_replica *replica) {
    const struct catalog_worker *worker = replica->worker;
    if (replica->leaving || is_lost(look, replica)) return true;
    if (worker->state != WORKER_READY && worker->state != WORKER_JOINING) return true;
    return worker->facts->search_only && !collection_allowed(worker, shard->collection->name);
}

/* Its worker runs it, and it has its data, or will have. */
static bool is_able(const struct look *look, const struct catalog_replica *replica) {
    return replica->lost_us == 0 && replica->beat != 0 && replica->beat == replica->worker->beats &&
           catalog_heard(replica->worker, look->in->now_us);
}

void repair_facts(const struct look *look,
                  const struct catalog_shard *shard,
                  uint32_t wanted,
                  struct facts *out) {
    *out = (struct facts){.wanted = wanted};
    out->leader = catalog_leader(shard, look->in->now_us);
    if (!out->leader) return;
    uint32_t unfit_voters = 0;
    for (uint32_t i = 0; i < shard->n_replicas; i++) {
        const struct catalog_replica *replica = &shard->replicas[i];
        bool votes = replica->member == MEMBER_VOTER;
        bool unfit = is_unfit(look, shard, replica);
        if (votes && catalog_serves(replica, look->in->now_us)) out->serving++;
        if (votes && !unfit) out->good++;
        if (!votes && !unfit && !keeps_learners(replica)) out->incoming++;
        if (replica->leaving || (!unfit && replica->member == MEMBER_NONE)) out->moving = true;
        unfit_voters += votes && unfit && !replica->leaving;
        if (!votes && unfit && !replica->leaving) out->surplus = true;
    }
    if (out->incoming > 0) out->moving = true;
    if (out->good > wanted || (out->good == wanted && unfit_voters > 0)) out->surplus = true;
}

bool repair_settled(const struct look *look,
                    const struct catalog_shard *shard,
                    const struct facts *facts) {
    return facts->leader && shard->term > 0 && !facts->moving && facts->good == facts->wanted &&
           shard->stranger == 0 && !shard->busy && shard->retry_us <= look->in->now_us;
}

/* --- steps: each returns whether it found something to do
 * ---------------------------------------- */

struct step {
    struct look *look;
    const struct catalog_shard *shard;
    const struct facts *facts;
};

static bool act(const struct step *step, enum action_kind kind, uint64_t store_id) {
    look_add(step->look, &(struct action){.kind = kind,
                                          .shard = step->shard->id,
                                          .store_id = store_id,
                                          .leader = step->facts->leader->store_id});
    return true;
}

/* The rows become what the group is. */
static bool follow(const struct step *step) {
    for (uint32_t i = 0; i < step->shard->n_replicas; i++) {
        const struct catalog_replica *replica = &step->shard->replicas[i];
        bool fresh = !replica->founder && !replica->started;
        if (fresh && replica->beat != 0) return act(step, ACTION_STARTED, replica->store_id);
        if (replica->learner && replica->member == MEMBER_VOTER)
            return act(step, ACTION_VOTER, replica->store_id);
        if (replica->leaving && replica->member == MEMBER_NONE)
            return act(step, ACTION_DROP, replica->store_id);
    }
    return false;
}

/* The voters that serve are a majority, also when one that does or does not has gone. */
static bool may_lose(const struct step *step, bool serves) {
    uint32_t voters = step->shard->n_voters;
    return voters > 1 && step->facts->serving - serves >= majority(voters - 1);
}

static bool expel(const struct step *step) {
    uint64_t stranger = step->shard->stranger;
    if (stranger == 0 || stranger == step->facts->leader->store_id) return false;
    return (!step->shard->stranger_votes || may_lose(step, false)) &&
           act(step, ACTION_REMOVE, stranger);
}

static bool teach(const struct step *step) {
    for (uint32_t i = 0; i < step->shard->n_replicas; i++) {
        const struct catalog_replica *replica = &step->shard->replicas[i];
        if (replica->member != MEMBER_NONE || is_unfit(step->look, step->shard, replica)) continue;
        if (!replica->started && !replica->founder) continue;
        if (is_able(step->look, replica)) return act(step, ACTION_LEARN, replica->store_id);
    }
    return false;
}

static bool promote(const struct step *step) {
    const struct facts *facts = step->facts;
    if (facts->good >= facts->wanted || facts->serving + 1 < majority(step->shard->n_voters + 1))
        return false;
    for (uint32_t i = 0; i < step->shard->n_replicas; i++) {
        const struct catalog_replica *replica = &step->shard->replicas[i];
        if (replica->member != MEMBER_LEARNER || keeps_learners(replica) ||
            is_unfit(step->look, step->shard, replica))
            continue;
        if (is_able(step->look, replica)) return act(step, ACTION_PROMOTE, replica->store_id);
    }
    return false;
}

/* A shard that was quiet begins to move: so many may. */
static bool may_begin(const struct step *step) {
    if (step->facts->moving) return true;
    if (step->look->moving >= RECONCILE_REPAIRS) return false;
    step->look->moving++;
    return true;
}

static struct catalog_worker *pick(const struct step *step) {
    const struct catalog_worker *beside[CATALOG_REPLICAS_MAX];
    uint32_t n = 0;
    for (uint32_t i = 0; i < step->shard->n_replicas; i++) {
        const struct catalog_replica *replica = &step->shard->replicas[i];
        if (!is_unfit(step->look, step->shard, replica) && !keeps_learners(replica))
            beside[n++] = replica->worker;
    }
    return placement_pick(&(struct placement_query){.catalog = step->look->in->catalog,
                                                    .load = step->look->loads.replicas,
                                                    .beside = beside,
                                                    .n_beside = n,
                                                    .without = step->shard,
                                                    .now_us = step->look->in->now_us});
}

static bool add(const struct step *step, const struct catalog_worker *worker) {
    if (step->shard->n_replicas == CATALOG_REPLICAS_MAX || !may_begin(step)) return false;
    loads_add(&step->look->loads, worker, loads_replica(&step->look->loads, step->shard));
    look_add(step->look,
             &(struct action){.kind = ACTION_ADD, .shard = step->shard->id, .worker = worker->id});
    return true;
}

/* Without another worker to go to, one that lost its data makes room for its own successor. */
static bool yield_lost(const struct step *step) {
    for (uint32_t i = 0; i < step->shard->n_replicas; i++) {
        const struct catalog_replica *replica = &step->shard->replicas[i];
        bool stays = is_lost(step->look, replica) && !replica->leaving &&
                     replica->worker->state == WORKER_READY && replica != step->facts->leader;
        if (stays && may_lose(step, false) && may_begin(step))
            return act(step, ACTION_LEAVE, replica->store_id);
    }
    return false;
}

/* Whoever was to take its place is gone, and it has no other reason to go: it stays. */
static bool keep(const struct step *step) {
    for (uint32_t i = 0; i < step->shard->n_replicas; i++) {
        struct catalog_replica stays = step->shard->replicas[i];
        if (!stays.leaving || stays.member != MEMBER_VOTER) continue;
        stays.leaving = false;
        if (!is_unfit(step->look, step->shard, &stays))
            return act(step, ACTION_STAY, stays.store_id);
    }
    return false;
}

static bool complete(const struct step *step) {
    const struct facts *facts = step->facts;
    if (facts->good + facts->incoming >= facts->wanted) return false;
    if (keep(step)) return true;
    const struct catalog_worker *worker = pick(step);
    return worker ? add(step, worker) : yield_lost(step);
}

/* Of the good voters, or of those that come, the one that is missed least. */
static const struct catalog_replica *spare(const struct step *step, bool voter) {
    const struct catalog_replica *worst = NULL;
    uint64_t worst_rank = 0;
    for (uint32_t i = 0; i < step->shard->n_replicas; i++) {
        const struct catalog_replica *replica = &step->shard->replicas[i];
        if ((replica->member == MEMBER_VOTER) != voter || keeps_learners(replica) ||
            is_unfit(step->look, step->shard, replica))
            continue;
        uint64_t closeness = 0;
        for (uint32_t j = 0; j < step->shard->n_replicas; j++)
            if (j != i && !step->shard->replicas[j].leaving)
                closeness += placement_closeness(replica->worker, step->shard->replicas[j].worker);
        uint64_t load = step->look->loads.replicas[replica->worker->nth];
        if (load > UINT32_MAX / 2) load = UINT32_MAX / 2;
        uint64_t rank = closeness << 32 | load << 1 | (replica != step->facts->leader);
        if (worst && rank <= worst_rank) continue;
        worst = replica;
        worst_rank = rank;
    }
    return worst;
}

/* Who is to go is told so: those with a reason, once the others are enough, and what is too much.
 */
static bool retire(const struct step *step) {
    const struct facts *facts = step->facts;
    const struct catalog_replica *leaves = NULL;
    bool enough = facts->good >= facts->wanted;
    for (uint32_t i = 0; !leaves && i < step->shard->n_replicas; i++) {
        const struct catalog_replica *replica = &step->shard->replicas[i];
        if (replica->leaving || !is_unfit(step->look, step->shard, replica)) continue;
        if (replica->member != MEMBER_VOTER || enough) leaves = replica;
    }
    if (!leaves && enough && facts->incoming > 0) leaves = spare(step, false);
    if (!leaves && facts->good > facts->wanted) leaves = spare(step, true);
    return leaves && may_begin(step) && act(step, ACTION_LEAVE, leaves->store_id);
}

static bool hand_over(const struct step *step) {
    const struct catalog_replica *heir = NULL;
    for (uint32_t i = 0; i < step->shard->n_replicas; i++) {
        const struct catalog_replica *replica = &step->shard->replicas[i];
        if (replica == step->facts->leader || replica->member != MEMBER_VOTER ||
            is_unfit(step->look, step->shard, replica) ||
            !catalog_serves(replica, step->look->in->now_us) ||
            step->look->in->now_us - replica->worker->heard_us > LOOK_FRESH_US)
            continue;
        const uint64_t *leaders = step->look->loads.leaders;
        if (!heir || leaders[replica->worker->nth] < leaders[heir->worker->nth]) heir = replica;
    }
    return heir && act(step, ACTION_TRANSFER, heir->store_id);
}

static bool release(const struct step *step) {
    const struct facts *facts = step->facts;
    for (uint32_t i = 0; i < step->shard->n_replicas; i++) {
        const struct catalog_replica *replica = &step->shard->replicas[i];
        if (!replica->leaving || replica->member == MEMBER_NONE) continue;
        if (replica->member == MEMBER_LEARNER) return act(step, ACTION_REMOVE, replica->store_id);
        bool useless = is_lost(step->look, replica) && facts->incoming == 0;
        bool serves = catalog_serves(replica, step->look->in->now_us);
        if ((facts->good < facts->wanted && !useless) || !may_lose(step, serves)) continue;
        if (replica != facts->leader) return act(step, ACTION_REMOVE, replica->store_id);
        if (hand_over(step)) return true;
    }
    return false;
}

/* Workers that only search keep a learner of everything they may. */
static bool extend(const struct step *step) {
    const struct catalog *catalog = step->look->in->catalog;
    if (step->shard->n_replicas + CATALOG_FACTOR_MAX >= CATALOG_REPLICAS_MAX) return false;
    for (uint32_t i = 0; i < catalog->n_workers; i++) {
        const struct catalog_worker *worker = catalog->workers[i];
        bool there = worker->state == WORKER_READY &&
                     catalog_heard(worker, step->look->in->now_us) &&
                     worker->n_shards < CATALOG_WORKER_SHARDS_MAX;
        if (worker->facts->search_only && there && !catalog_replica_on(step->shard, worker) &&
            collection_allowed(worker, step->shard->collection->name))
            return add(step, worker);
    }
    return false;
}

void repair_shard(struct look *look, const struct catalog_shard *shard, const struct facts *facts) {
    /* Alone, it is no group whose members could change. */
    if (!facts->leader || shard->term == 0) return;
    const struct step step = {look, shard, facts};
    bool busy = shard->busy || shard->retry_us > look->in->now_us || follow(&step) ||
                expel(&step) || teach(&step) || promote(&step) || complete(&step) ||
                retire(&step) || release(&step) || extend(&step);
    look->out->begun += busy && !facts->moving;
}
