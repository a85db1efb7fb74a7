/* plant: see plant.h. */
#include "tests/sim/cluster/plant.h"

#include <stddef.h>
#include <string.h>

#include "actors/router/tally.h"
#include "actors/shard/replica.h"
#include "index/index.h"
#include "replication/consensus.h"
#include "storage/kv.h"
#include "storage/log_store.h"
#include "storage/point_store.h"

enum bug {
    NONE,
    SKIP_SYNC,
    APPLY_TWICE,
    SHORT_WINDOW,
    FORGET_TOMBSTONE,
    LOSE_APPEND,
    CUT_UNFLUSHED,
    LOSE_LOG,
    READ_UNASKED,
    READ_UNCOUNTED,
    EARLY_ACK,
    OLD_TERM,
    FORGET_VOTE,
    REUSE_ID,
    DROP_RANGE,
    STALE_EPOCH,
    HALF_SNAPSHOT,
};

static const struct plant plants[] = {
    [NONE] = {"none", "", "calm", 60},
    [SKIP_SYNC] = {"skip-sync", "a synced write is not synced", "power", 60},
    [APPLY_TWICE] = {"apply-twice", "a delayed duplicate is applied again", "network", 60},
    [SHORT_WINDOW] = {"short-window", "only the last router's writes are known", "network", 60},
    [FORGET_TOMBSTONE] = {"forget-tombstone", "a delete leaves the point there", "calm", 60},
    [LOSE_APPEND] = {"lose-append", "one of 200 points is not in the index", "calm", 60},
    [CUT_UNFLUSHED] = {"cut-unflushed", "the log is cut before points are flushed", "rare", 240},
    [LOSE_LOG] = {"lose-log", "one of 100 batches is not in the log", "power", 60},
    [READ_UNASKED] = {"read-unasked", "a leader serves reads without asking", "copies-leaders", 60},
    [READ_UNCOUNTED] = {"read-uncounted", "a leader's word is believed whatever its voters say",
                        "copies-frozen", 60},
    [EARLY_ACK] = {"early-ack", "a leader applies before a majority has it", "copies-cuts", 60},
    [OLD_TERM] = {"old-term", "a leader commits an older term's entry by counting its replicas",
                  "copies-leaders", 60},
    [FORGET_VOTE] = {"forget-vote", "a vote is not in the log", "copies-leaders", 60},
    [REUSE_ID] = {"reuse-id", "a lost disk's replica comes back under its old id", "copies-power",
                  60},
    [DROP_RANGE] = {"drop-range", "a snapshot lacks a range of its keys", "copies-power", 60},
    [STALE_EPOCH] = {"stale-epoch", "a route of before the members changed is good", "copies-power",
                     60},
    [HALF_SNAPSHOT] = {"half-snapshot", "half a snapshot is served", "copies-power", 60},
};

static enum bug chosen;
static uint32_t turns;

const struct plant *plant_nth(uint32_t n) {
    return n + 1 < sizeof plants / sizeof *plants ? &plants[n + 1] : NULL;
}

bool plant_choose(const char *name) {
    for (size_t i = 0; i < sizeof plants / sizeof *plants; i++)
        if (strcmp(plants[i].name, name) == 0) {
            chosen = (enum bug)i;
            return true;
        }
    return false;
}

/* --- the calls: of the types that their headers give them, so that none is called as it was once
 * -- */

__typeof__(kv_write) __real_kv_write, __wrap_kv_write;
enum status __wrap_kv_write(struct kv *kv, const struct kv_batch *batch, bool sync) {
    return __real_kv_write(kv, batch, sync && chosen != SKIP_SYNC);
}

__typeof__(point_store_applied) __real_point_store_applied, __wrap_point_store_applied;
enum status __wrap_point_store_applied(struct point_store *store,
                                       uint64_t store_id,
                                       enum kv_tier tier,
                                       struct point_applied *out) {
    return __real_point_store_applied(store, store_id, chosen == CUT_UNFLUSHED ? KV_ANY : tier,
                                      out);
}

__typeof__(log_store_write) __real_log_store_write, __wrap_log_store_write;
enum status __wrap_log_store_write(struct log_store *store, struct log_batch *batch) {
    return chosen == LOSE_LOG && ++turns % 100 == 0 ? STATUS_OK
                                                    : __real_log_store_write(store, batch);
}

__typeof__(window_slot) __real_window_slot, __wrap_window_slot;
uint32_t __wrap_window_slot(const struct window *window, uint64_t router) {
    return chosen == SHORT_WINDOW ? 0 : __real_window_slot(window, router);
}

__typeof__(window_find) __real_window_find, __wrap_window_find;
const struct window_row *__wrap_window_find(const struct window *window, uint64_t router) {
    return chosen == APPLY_TWICE ? NULL : __real_window_find(window, router);
}

__typeof__(point_batch_delete) __real_point_batch_delete, __wrap_point_batch_delete;
enum status __wrap_point_batch_delete(struct point_batch *batch, struct bytes id, uint64_t *old) {
    if (chosen != FORGET_TOMBSTONE) return __real_point_batch_delete(batch, id, old);
    *old = 0;
    return STATUS_OK;
}

__typeof__(index_append) __real_index_append, __wrap_index_append;
enum status
__wrap_index_append(struct index *index, const struct index_point *points, size_t n_points) {
    bool lost = chosen == LOSE_APPEND && ++turns % 200 == 0;
    return __real_index_append(index, points, lost ? n_points - 1 : n_points);
}

/* --- of snapshots --- */

enum { PIECE_BYTES = 400 }; /* also with nothing planted: a small store has several pieces, too */

__typeof__(point_export_next) __real_point_export_next, __wrap_point_export_next;
enum status __wrap_point_export_next(struct point_export *export,
                                     size_t bytes,
                                     struct buffer *out,
                                     bool *last) {
    (void)bytes;
    enum status s = __real_point_export_next(export, PIECE_BYTES, out, last);
    if (chosen == DROP_RANGE && s == STATUS_OK && !*last && ++turns % 2 == 0) {
        buffer_clear(out);
        s = __real_point_export_next(export, PIECE_BYTES, out, last);
    }
    if (chosen == HALF_SNAPSHOT && ++turns % 4 == 0) *last = true;
    return s;
}

/* Did the replica have a log in this world? */
static bool was_there(uint64_t store_id, bool empty) {
    static uint64_t known[1024];
    static size_t n_known;
    for (size_t i = 0; i < n_known; i++)
        if (known[i] == store_id) return true;
    if (!empty && n_known < sizeof known / sizeof *known) known[n_known++] = store_id;
    return false;
}

__typeof__(seat_facts_read) __real_seat_facts_read, __wrap_seat_facts_read;
enum status __wrap_seat_facts_read(struct seat_facts *facts,
                                   struct log_store *log,
                                   uint64_t store_id,
                                   uint64_t id) {
    enum status s = __real_seat_facts_read(facts, log, store_id, id);
    if (s == STATUS_OK && chosen == REUSE_ID && was_there(store_id, facts->empty))
        facts->empty = false;
    return s;
}

__typeof__(peers_epoch) __real_peers_epoch, __wrap_peers_epoch;
enum status __wrap_peers_epoch(const struct replica *self, uint64_t epoch, struct turn *turn) {
    return chosen == STALE_EPOCH ? STATUS_OK : __real_peers_epoch(self, epoch, turn);
}

/* --- of consensus --- */

/* Terms travel apart, also with nothing planted: what one of them has may arrive alone. */
__typeof__(consensus_split) __real_consensus_split, __wrap_consensus_split;
uint32_t
__wrap_consensus_split(const struct consensus_entry *entries, uint32_t n, size_t max_bytes) {
    uint32_t same = 1;
    while (same < n && entries[same].term == entries[0].term)
        same++;
    return __real_consensus_split(entries, same, max_bytes);
}

__typeof__(log_batch_vote) __real_log_batch_vote, __wrap_log_batch_vote;
enum status
__wrap_log_batch_vote(struct log_batch *batch, uint64_t store_id, uint64_t term, uint64_t vote) {
    return __real_log_batch_vote(batch, store_id, term, chosen == FORGET_VOTE ? 0 : vote);
}

/* The last index that a majority of the voters is known to have, of whatever term. */
static uint64_t counted(const struct consensus *consensus) {
    struct consensus_member member;
    uint64_t best = 0;
    for (size_t i = 0; consensus_member(consensus, i, &member); i++) {
        uint64_t index = member.match;
        size_t voters = 0, have = 0;
        for (size_t j = 0; consensus_member(consensus, j, &member); j++) {
            voters += member.voter;
            have += member.voter && member.match >= index;
        }
        if (have > voters / 2 && index > best) best = index;
    }
    return best;
}

/* Figure 8 of the paper: replicas of an older term's entry are no commitment. */
static void commit_older(struct consensus *consensus, struct consensus_effects *effects) {
    struct consensus_state state;
    consensus_state(consensus, &state);
    if (chosen != OLD_TERM || state.role != CONSENSUS_LEADER) return;
    uint64_t index = counted(consensus);
    if (index > state.durable) index = state.durable;
    if (index > effects->apply) effects->apply = index;
}

__typeof__(consensus_receive) __real_consensus_receive, __wrap_consensus_receive;
enum status __wrap_consensus_receive(struct consensus *consensus,
                                     uint64_t now_ms,
                                     const RaftMessage *message,
                                     struct consensus_effects *effects) {
    enum status s = __real_consensus_receive(consensus, now_ms, message, effects);
    if (s == STATUS_OK) commit_older(consensus, effects);
    return s;
}

/* The answer is there at once: up to here everything is committed, as far as it knows. */
__typeof__(consensus_read) __real_consensus_read, __wrap_consensus_read;
enum status __wrap_consensus_read(struct consensus *consensus,
                                  uint64_t now_ms,
                                  uint64_t token,
                                  struct consensus_effects *effects) {
    static struct consensus_read read;
    struct consensus_state state;
    consensus_state(consensus, &state);
    if (chosen != READ_UNASKED || state.role != CONSENSUS_LEADER)
        return __real_consensus_read(consensus, now_ms, token, effects);
    read = (struct consensus_read){.token = token, .status = STATUS_OK, .index = state.commit};
    *effects = (struct consensus_effects){.apply = state.commit, .reads = &read, .n_reads = 1};
    return STATUS_OK;
}

__typeof__(tally_judge) __real_tally_judge, __wrap_tally_judge;
enum tally_verdict __wrap_tally_judge(const struct tally *tally, const ShardPoint *point) {
    return chosen == READ_UNCOUNTED ? TALLY_STANDS : __real_tally_judge(tally, point);
}

__typeof__(consensus_persisted) __real_consensus_persisted, __wrap_consensus_persisted;
enum status __wrap_consensus_persisted(struct consensus *consensus,
                                       uint64_t now_ms,
                                       uint64_t persist,
                                       struct consensus_effects *effects) {
    struct consensus_state state;
    enum status s = __real_consensus_persisted(consensus, now_ms, persist, effects);
    if (s == STATUS_OK) commit_older(consensus, effects);
    consensus_state(consensus, &state);
    if (chosen == EARLY_ACK && s == STATUS_OK && state.role == CONSENSUS_LEADER)
        effects->apply = state.durable;
    return s;
}
