/* consensus under faults: worlds by seed, all checks of world.h, and liveness after healing. Single
 * rules have tests of their own below. VECTRON_SEED=N runs one seed, VECTRON_SEEDS=N that many. */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/replication/world.h"

/* What tends to find what: the network for logs, slow disks under crashes for what left before it
 * was durable, standstills for leaders that do not know that they are none. */
static const struct faults profiles[] = {
    {.drop = 100,
     .twice = 100,
     .delay_ms = 20,
     .slow_ms = 2000,
     .disk_ms = 20,
     .crash_every_ms = 1500,
     .cut_every_ms = 2000,
     .change_every_ms = 700,
     .snapshot_every = 40},
    {.drop = 20,
     .twice = 20,
     .delay_ms = 5,
     .slow_ms = 200,
     .disk_ms = 300,
     .crash_every_ms = 250,
     .change_every_ms = 3000,
     .snapshot_every = 100},
    {.drop = 20,
     .twice = 50,
     .delay_ms = 10,
     .slow_ms = 3000,
     .disk_ms = 10,
     .pause_every_ms = 700,
     .cut_every_ms = 3000,
     .change_every_ms = 2000,
     .snapshot_every = 60},
};
enum { PROFILES = sizeof profiles / sizeof *profiles };

static uint64_t number(const char *name, uint64_t fallback) {
    const char *text = getenv(name);
    return text ? strtoull(text, NULL, 10) : fallback;
}

static void
run_seed(uint64_t seed, uint32_t voters, const struct faults *faults, struct world_counts *sum) {
    struct world *world = world_new(seed, voters, faults);
    world_run(world, 20000);
    bool healed = world_heal(world, 30000);
    struct world_counts counts = world_counts(world);
    cr_assert(healed, "seed %" PRIu64 ": no progress after healing", seed);
    sum->committed += counts.committed;
    sum->elections += counts.elections;
    sum->crashes += counts.crashes;
    sum->snapshots += counts.snapshots;
    sum->installs += counts.installs;
    sum->reads += counts.reads;
    sum->changes += counts.changes;
    sum->refused += counts.refused;
    sum->messages += counts.messages;
    world_free(world);
}

Test(replication, nothing_is_lost_under_faults, .timeout = 0) {
    struct world_counts sum = {0};
    uint64_t one = number("VECTRON_SEED", 0);
    bool big = number("VECTRON_LONG", 0) != 0;
    uint64_t n = number("VECTRON_SEEDS", big ? 2000 : 60);
    for (uint64_t seed = one ? one : 1; seed < (one ? one + 1 : n + 1); seed++)
        run_seed(seed, 3 + 2 * (seed % 2), &profiles[seed / 2 % PROFILES], &sum);
    printf("%" PRIu64 " committed, %" PRIu64 " elections, %" PRIu64 " crashes, %" PRIu64
           " snapshots, %" PRIu64 " installed, %" PRIu64 " reads, %" PRIu64 " changes (%" PRIu64
           " refused), %" PRIu64 " messages\n",
           sum.committed, sum.elections, sum.crashes, sum.snapshots, sum.installs, sum.reads,
           sum.changes, sum.refused, sum.messages);
    if (one) return;
    cr_expect_gt(sum.crashes, n);
    cr_expect_gt(sum.installs, 0);
    cr_expect_gt(sum.changes, 0);
    cr_expect_gt(sum.reads, n);
}

/* A group of one leads on in its old term after a restart: what it says to learners must be durable
 * before, or the same index of the same term is two entries. */
Test(replication, a_group_that_grows_from_one_loses_nothing, .timeout = 0) {
    const struct faults faults = {.drop = 50,
                                  .twice = 50,
                                  .delay_ms = 10,
                                  .slow_ms = 500,
                                  .disk_ms = 30,
                                  .crash_every_ms = 500,
                                  .change_every_ms = 500,
                                  .snapshot_every = 60};
    struct world_counts sum = {0};
    uint64_t one = number("VECTRON_SEED", 0);
    for (uint64_t seed = one ? one : 1; seed < (one ? one + 1 : 41); seed++)
        run_seed(seed, 1, &faults, &sum);
    if (one) return;
    cr_expect_gt(sum.changes, 0);
    cr_expect_gt(sum.crashes, 40);
}

/* --- single rules -------------------------------------------------------------------------------
 */

static const struct faults calm = {.delay_ms = 2, .disk_ms = 2};

static struct world *calm_world(uint32_t voters) {
    struct world *world = world_new(1, voters, &calm);
    world_run(world, 3000);
    cr_assert_lt(world_leader(world), voters);
    return world;
}

Test(replication, a_group_of_one_leads_and_commits) {
    struct world *world = calm_world(1);
    cr_expect_gt(world_counts(world).committed, 100);
    cr_expect_gt(world_counts(world).reads, 10);
    world_free(world);
}

Test(replication, a_minority_commits_nothing) {
    struct world *world = calm_world(3);
    uint32_t leader = world_leader(world);
    for (uint32_t i = 0; i < 3; i++)
        if (i != leader) world_crash(world, i);
    world_run(world, 2000);
    uint64_t committed = world_counts(world).committed;
    world_run(world, 5000);
    cr_expect_eq(world_counts(world).committed, committed);
    cr_expect_eq(world_leader(world), REPLICAS_MAX, "a leader without a majority steps down");
    cr_expect(world_heal(world, 5000));
    world_free(world);
}

Test(replication, a_cut_off_follower_does_not_disturb) {
    struct world *world = calm_world(3);
    uint32_t leader = world_leader(world), other = (leader + 1) % 3;
    for (uint32_t i = 0; i < 3; i++) {
        world_cut(world, i, other, true);
        world_cut(world, other, i, true);
    }
    world_run(world, 10000);
    struct consensus_state before, after;
    consensus_state(world_consensus(world, leader), &before);
    cr_expect(world_heal(world, 5000));
    consensus_state(world_consensus(world, leader), &after);
    cr_expect_eq(after.role, CONSENSUS_LEADER);
    cr_expect_eq(after.term, before.term, "pre-vote: its return raises no term");
    world_free(world);
}

/* Who ends breaks its connections: the others elect at once. */
Test(replication, a_leader_whose_process_ended_is_followed_soon) {
    uint64_t slow = 0;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        static const struct faults quick = {.delay_ms = 2};
        struct world *world = world_new(seed, 3, &quick);
        world_run(world, 4000);
        uint32_t leader = world_leader(world);
        world_crash(world, leader);
        for (uint32_t i = 0; i < 3; i++)
            world_lost(world, i, leader);
        world_run(world, 250);
        slow += world_leader(world) == REPLICAS_MAX;
        world_free(world);
    }
    cr_expect_leq(slow, 3, "%lu of 20 took longer than a quarter of a second", (unsigned long)slow);
}

/* … but a connection that broke while its leader lives on changes nothing, whosever it was. */
Test(replication, a_broken_connection_to_a_leader_deposes_nobody) {
    struct world *world = calm_world(3);
    uint32_t leader = world_leader(world), other = (leader + 1) % 3;
    struct consensus_state before, state;
    consensus_state(world_consensus(world, leader), &before);
    for (uint32_t i = 0; i < 200; i++) {
        world_lost(world, other, leader);
        world_lost(world, leader, other);
        world_run(world, 50);
    }
    consensus_state(world_consensus(world, leader), &state);
    cr_expect_eq(state.role, CONSENSUS_LEADER);
    cr_expect_eq(state.term, before.term);
    world_free(world);
}

Test(replication, reads_wait_for_a_majority) {
    struct world *world = calm_world(3);
    uint32_t leader = world_leader(world);
    struct consensus_effects effects;
    cr_assert_eq(consensus_read(world_consensus(world, leader), 4000, 99999, &effects), STATUS_OK);
    cr_expect_eq(effects.n_reads, 0, "nobody was asked yet");
    cr_expect_eq(effects.n_messages, 2);
    world_free(world);
}

Test(replication, changes_that_make_no_sense_are_refused) {
    struct world *world = calm_world(3);
    struct consensus *leader = world_consensus(world, world_leader(world));
    struct consensus *follower = world_consensus(world, (world_leader(world) + 1) % 3);
    struct consensus_effects effects;
    struct consensus_member self = {0};
    struct consensus_state state;
    consensus_state(leader, &state);
    for (size_t i = 0; consensus_member(leader, i, &self) && self.id != state.leader; i++) {
    }
    const struct {
        const char *what;
        struct consensus *at;
        struct consensus_change change;
        enum status wanted;
    } rows[] = {
        {"by a follower", follower, {CONSENSUS_REMOVE, self.id, NULL}, STATUS_NOT_LEADER},
        {"the leader itself", leader, {CONSENSUS_REMOVE, self.id, NULL}, STATUS_INVALID},
        {"nobody", leader, {CONSENSUS_REMOVE, 4711, NULL}, STATUS_NOT_FOUND},
        {"a voter promoted", leader, {CONSENSUS_PROMOTE, self.id, NULL}, STATUS_EXISTS},
        {"an id twice", leader, {CONSENSUS_ADD_LEARNER, self.id, "tcp://new"}, STATUS_EXISTS},
        {"an address twice", leader, {CONSENSUS_ADD_LEARNER, 900, "tcp://r101"}, STATUS_EXISTS},
        {"no id", leader, {CONSENSUS_ADD_LEARNER, 0, "tcp://new"}, STATUS_INVALID},
        {"no address", leader, {CONSENSUS_ADD_LEARNER, 900, ""}, STATUS_INVALID},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        cr_expect_eq(consensus_change(rows[i].at, 4000, &rows[i].change, &effects), rows[i].wanted,
                     "%s", rows[i].what);
    world_free(world);
}

Test(replication, an_append_is_cut_by_bytes_and_before_a_change) {
    struct consensus_entry entries[] = {
        {1, CONSENSUS_COMMAND, "", 60},
        {1, CONSENSUS_COMMAND, "", 60},
        {1, CONSENSUS_CHANGE, "", 10},
        {1, CONSENSUS_COMMAND, "", 500},
    };
    cr_expect_eq(consensus_split(entries, 4, 1000), 2, "the change begins a message");
    cr_expect_eq(consensus_split(entries, 2, 100), 1);
    cr_expect_eq(consensus_split(entries + 2, 2, 1000), 2, "with a change as the first");
    cr_expect_eq(consensus_split(entries + 3, 1, 100), 1, "one entry always fits");
    cr_expect_eq(consensus_split(entries, 0, 100), 0);
}

Test(replication, what_cannot_be_a_durable_state_is_refused) {
    struct consensus_entry wrong_term = {9, CONSENSUS_COMMAND, "x", 1};
    struct consensus_entry torn_change = {1, CONSENSUS_CHANGE, "\xff\xff", 2};
    const struct {
        const char *why;
        struct consensus_options options;
    } rows[] = {
        {"a replica without an id", {.address = "a"}},
        {"a replica without an address", {.id = 1}},
        {"a snapshot needs index and term", {.id = 1, .address = "a", .snapshot_index = 3}},
        {"a snapshot needs the members as of it",
         {.id = 1, .address = "a", .snapshot_index = 3, .snapshot_term = 1}},
        {"a gap between snapshot and log",
         {.id = 1, .address = "a", .term = 9, .first = 2, .entries = &wrong_term, .n_entries = 1}},
        {"an entry of a wrong term",
         {.id = 1, .address = "a", .term = 1, .first = 1, .entries = &wrong_term, .n_entries = 1}},
        {"",
         {.id = 1, .address = "a", .term = 1, .first = 1, .entries = &torn_change, .n_entries = 1}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct consensus *consensus = NULL;
        struct consensus_effects effects;
        const char *why = NULL;
        cr_expect_eq(consensus_open(&rows[i].options, &consensus, &effects, &why), STATUS_INVALID,
                     "%s", rows[i].why);
        cr_expect_str_eq(why, rows[i].why);
        cr_expect_null(consensus);
    }
}

/* --- one replica, spoken to ---------------------------------------------------------------------
 */

enum { SNAPSHOT = 5 };

/* Replica `id` of 1, 2, 3, which begins on a snapshot of entry SNAPSHOT. */
static struct consensus *open_one(uint64_t id, uint64_t term) {
    static char *const addresses[] = {"tcp://a", "tcp://b", "tcp://c"};
    RaftMember rows[3], *pointers[3];
    RaftMembers members = RAFT_MEMBERS__INIT;
    members.n_members = 3;
    members.members = pointers;
    for (size_t i = 0; i < 3; i++) {
        raft_member__init(&rows[i]);
        rows[i].id = i + 1;
        rows[i].address = addresses[i];
        rows[i].voter = true;
        pointers[i] = &rows[i];
    }
    struct consensus *consensus = NULL;
    struct consensus_effects effects;
    const char *why = "";
    enum status s = consensus_open(&(struct consensus_options){.group = 7,
                                                               .id = id,
                                                               .address = addresses[id - 1],
                                                               .seed = id,
                                                               .now_ms = 1,
                                                               .term = term,
                                                               .snapshot_index = SNAPSHOT,
                                                               .snapshot_term = 1,
                                                               .members = &members,
                                                               .members_index = 1},
                                   &consensus, &effects, &why);
    cr_assert_eq(s, STATUS_OK, "%s", why);
    return consensus;
}

static uint64_t term_of(const struct consensus *consensus) {
    struct consensus_state state;
    consensus_state(consensus, &state);
    return state.term;
}

static const RaftMessage *message_to(const struct consensus_effects *effects, uint64_t id) {
    for (uint32_t i = 0; i < effects->n_messages; i++)
        if (effects->messages[i]->to == id) return effects->messages[i];
    return NULL;
}

/* Else who has the newest log and the oldest term asks for ever, and nobody else may win. */
Test(replication, a_candidate_refused_for_its_term_learns_the_newer_one) {
    struct consensus *old = open_one(1, 10), *newer = open_one(2, 15);
    struct consensus_effects asked, answered, learned;
    cr_assert_eq(consensus_tick(old, 100000, &asked), STATUS_OK);
    const RaftMessage *call = message_to(&asked, 2);
    cr_assert(call && call->body_case == RAFT_MESSAGE__BODY_VOTE && call->vote->pre_vote);
    cr_assert_eq(consensus_receive(newer, 5000, call, &answered), STATUS_OK);
    const RaftMessage *refusal = message_to(&answered, 1);
    cr_assert(refusal && refusal->body_case == RAFT_MESSAGE__BODY_VOTE_RESULT);
    cr_expect_not(refusal->vote_result->granted);
    cr_assert_eq(consensus_receive(old, 100001, refusal, &learned), STATUS_OK);
    cr_expect_eq(term_of(old), 15);
    cr_expect(learned.hard && learned.term == 15, "the term is to be made durable");
    cr_expect_eq(term_of(newer), 15);
    consensus_close(old);
    consensus_close(newer);
}

/* Replica 3 leads in term 10, and has nothing new. */
static void hear_leader(struct consensus *consensus, uint64_t to) {
    struct consensus_effects effects;
    RaftAppend append = RAFT_APPEND__INIT;
    RaftMessage message = RAFT_MESSAGE__INIT;
    append.prev_index = SNAPSHOT;
    append.prev_term = 1;
    message.group = 7;
    message.from = 3;
    message.to = to;
    message.term = 10;
    message.body_case = RAFT_MESSAGE__BODY_APPEND;
    message.append = &append;
    cr_assert_eq(consensus_receive(consensus, 4999, &message, &effects), STATUS_OK);
}

/* Else who cannot hear the leader deposes it when it can: what pre-votes are there to prevent. */
Test(replication, a_candidate_refused_for_a_leader_keeps_its_term) {
    struct consensus *lost = open_one(1, 10), *follower = open_one(2, 10);
    struct consensus_effects asked, answered, learned;
    hear_leader(follower, 2);
    cr_assert_eq(consensus_tick(lost, 100000, &asked), STATUS_OK);
    const RaftMessage *call = message_to(&asked, 2);
    cr_assert(call && call->body_case == RAFT_MESSAGE__BODY_VOTE && call->vote->pre_vote);
    cr_assert_eq(consensus_receive(follower, 5000, call, &answered), STATUS_OK);
    const RaftMessage *refusal = message_to(&answered, 1);
    cr_assert(refusal && refusal->body_case == RAFT_MESSAGE__BODY_VOTE_RESULT);
    cr_expect_not(refusal->vote_result->granted);
    cr_assert_eq(consensus_receive(lost, 100001, refusal, &learned), STATUS_OK);
    cr_expect_eq(term_of(lost), 10);
    cr_expect_not(learned.hard);
    consensus_close(lost);
    consensus_close(follower);
}

/* Else the leader waits until the time of an installation is over, and its log is cut meanwhile. */
Test(replication, a_follower_that_begins_on_a_snapshot_says_that_it_has_it) {
    struct consensus *consensus = open_one(1, 10);
    struct consensus_effects effects;
    RaftAppend append = RAFT_APPEND__INIT;
    RaftMessage message = RAFT_MESSAGE__INIT;
    append.prev_index = 9;
    append.prev_term = 10;
    append.commit = 9;
    message.group = 7;
    message.from = 2;
    message.to = 1;
    message.term = 10;
    message.body_case = RAFT_MESSAGE__BODY_APPEND;
    message.append = &append;
    cr_assert_eq(consensus_receive(consensus, 2, &message, &effects), STATUS_OK);
    cr_assert_eq(effects.n_messages, 2);
    const RaftMessage *has = effects.messages[0], *refused = effects.messages[1];
    cr_assert_eq(has->body_case, RAFT_MESSAGE__BODY_APPEND_RESULT);
    cr_expect_eq(has->append_result->rejected, 0);
    cr_expect_eq(has->append_result->last_index, SNAPSHOT);
    cr_assert_eq(refused->body_case, RAFT_MESSAGE__BODY_APPEND_RESULT);
    cr_expect_eq(refused->append_result->rejected, 9);
    cr_expect_eq(refused->term, 10);
    consensus_close(consensus);
}

/* libraft leaves that field as its stack was: it went to the peer. */
Test(replication, who_refuses_an_older_term_says_nothing_of_its_log) {
    struct consensus *consensus = open_one(1, 10);
    struct consensus_effects effects;
    RaftAppend append = RAFT_APPEND__INIT;
    RaftInstall install = RAFT_INSTALL__INIT;
    RaftMembers members = RAFT_MEMBERS__INIT;
    RaftMember row = RAFT_MEMBER__INIT, *rows[] = {&row};
    RaftMessage message = RAFT_MESSAGE__INIT;
    append.prev_index = install.last_index = 9;
    append.prev_term = install.last_term = 9;
    install.members_index = 1;
    row.id = 2;
    row.address = "tcp://b";
    row.voter = true;
    members.n_members = 1;
    members.members = rows;
    install.members = &members;
    message.group = 7;
    message.from = 2;
    message.to = 1;
    message.term = 9;
    for (int i = 0; i < 2; i++) {
        message.body_case = i == 0 ? RAFT_MESSAGE__BODY_APPEND : RAFT_MESSAGE__BODY_INSTALL;
        if (i == 0)
            message.append = &append;
        else
            message.install = &install;
        cr_assert_eq(consensus_receive(consensus, 2, &message, &effects), STATUS_OK);
        cr_assert_eq(effects.n_messages, 1);
        const RaftMessage *refusal = effects.messages[0];
        cr_assert_eq(refusal->body_case, RAFT_MESSAGE__BODY_APPEND_RESULT);
        cr_expect_eq(refusal->term, 10);
        cr_expect_eq(refusal->append_result->last_index, 0);
    }
    consensus_close(consensus);
}

/* What `from` answers replica 1 in a term. */
static enum status answer_one(struct consensus *consensus,
                              uint64_t term,
                              RaftMessage__BodyCase what,
                              void *body,
                              struct consensus_effects *effects) {
    RaftMessage message = RAFT_MESSAGE__INIT;
    message.group = 7;
    message.from = 2;
    message.to = 1;
    message.term = term;
    message.body_case = what;
    message.vote = body; /* all bodies are pointers */
    return consensus_receive(consensus, 100010, &message, effects);
}

/* libraft would look for a pre-vote in what is, for a follower, its leader's address. */
Test(replication, a_vote_for_one_that_asks_no_more_changes_nothing) {
    struct consensus *consensus = open_one(1, 10);
    struct consensus_effects effects;
    RaftVoteResult refused = RAFT_VOTE_RESULT__INIT;
    cr_assert_eq(answer_one(consensus, 12, RAFT_MESSAGE__BODY_VOTE_RESULT, &refused, &effects),
                 STATUS_OK);
    cr_expect_eq(term_of(consensus), 10);
    cr_expect_not(effects.hard);
    consensus_close(consensus);
}

/* It leads in term 11, and nothing of that term is in its log. */
static struct consensus *open_leader(void) {
    struct consensus *consensus = open_one(1, 10);
    struct consensus_effects effects;
    struct consensus_state state;
    RaftVoteResult vote = RAFT_VOTE_RESULT__INIT;
    RaftAppendResult has = RAFT_APPEND_RESULT__INIT;
    cr_assert_eq(consensus_tick(consensus, 100000, &effects), STATUS_OK);
    vote.granted = vote.pre_vote = true;
    cr_assert_eq(answer_one(consensus, 11, RAFT_MESSAGE__BODY_VOTE_RESULT, &vote, &effects),
                 STATUS_OK);
    cr_assert(effects.hard);
    cr_assert_eq(consensus_persisted(consensus, 100001, effects.persist, &effects), STATUS_OK);
    vote.pre_vote = false;
    cr_assert_eq(answer_one(consensus, 11, RAFT_MESSAGE__BODY_VOTE_RESULT, &vote, &effects),
                 STATUS_OK);
    has.last_index = SNAPSHOT;
    cr_assert_eq(answer_one(consensus, 11, RAFT_MESSAGE__BODY_APPEND_RESULT, &has, &effects),
                 STATUS_OK);
    consensus_state(consensus, &state);
    cr_assert_eq(state.role, CONSENSUS_LEADER);
    cr_assert_eq(state.last, SNAPSHOT);
    return consensus;
}

/* Else the heir keeps what an older leader gave it alone, and with a longer log than that of who
 * hands over libraft's followers do not stand: the group was handed to it again and again. */
Test(replication, who_hands_over_has_an_entry_of_its_own_term) {
    struct consensus *consensus = open_leader();
    struct consensus_effects effects;
    RaftAppendResult has = RAFT_APPEND_RESULT__INIT;
    cr_assert_eq(consensus_transfer(consensus, 100020, 2, &effects), STATUS_NOT_READY);
    cr_assert_eq(effects.n_entries, 1);
    cr_expect_eq(effects.entries[0].term, 11);
    cr_assert_eq(consensus_transfer(consensus, 100021, 2, &effects), STATUS_NOT_READY);
    cr_expect_eq(effects.n_entries, 0, "one is enough");
    cr_assert_eq(consensus_persisted(consensus, 100022, UINT64_MAX, &effects), STATUS_OK);
    has.last_index = SNAPSHOT + 1;
    cr_assert_eq(answer_one(consensus, 11, RAFT_MESSAGE__BODY_APPEND_RESULT, &has, &effects),
                 STATUS_OK);
    cr_assert_eq(consensus_transfer(consensus, 100023, 2, &effects), STATUS_OK);
    const RaftMessage *now = message_to(&effects, 2);
    cr_assert(now && now->body_case == RAFT_MESSAGE__BODY_TIMEOUT_NOW);
    cr_expect_eq(now->timeout_now->last_index, SNAPSHOT + 1);
    cr_expect_eq(consensus_read(consensus, 100024, 1, &effects), STATUS_OK);
    cr_expect_eq(effects.n_reads, 0, "not before it is known who leads");
    cr_assert_eq(consensus_tick(consensus, 100100, &effects), STATUS_OK, "it goes on");
    consensus_close(consensus);
}

/* It has entries 6 and 7 of term 10; who leads in term 11 has another 7, and says that it is
 * committed before it sent it ("min(leaderCommit, index of last new entry)", Raft, figure 2). */
Test(replication, a_commit_reaches_no_further_than_what_was_compared) {
    struct consensus *consensus = open_one(1, 10);
    struct consensus_effects effects;
    RaftEntry entry = RAFT_ENTRY__INIT, *entries[] = {&entry, &entry};
    RaftAppend append = RAFT_APPEND__INIT;
    RaftMessage message = RAFT_MESSAGE__INIT;
    entry.term = 10;
    entry.kind = CONSENSUS_BARRIER;
    append.prev_index = SNAPSHOT;
    append.prev_term = 1;
    append.n_entries = 2;
    append.entries = entries;
    message.group = 7;
    message.from = 3;
    message.to = 1;
    message.term = 10;
    message.body_case = RAFT_MESSAGE__BODY_APPEND;
    message.append = &append;
    cr_assert_eq(consensus_receive(consensus, 2, &message, &effects), STATUS_OK);
    cr_assert_eq(effects.n_entries, 2);
    cr_assert_eq(consensus_persisted(consensus, 3, effects.persist, &effects), STATUS_OK);
    append.n_entries = 0;
    append.commit = SNAPSHOT + 2;
    message.from = 2;
    message.term = 11;
    cr_assert_eq(consensus_receive(consensus, 4, &message, &effects), STATUS_OK);
    cr_expect_eq(effects.apply, SNAPSHOT);
    cr_assert_eq(consensus_persisted(consensus, 5, UINT64_MAX, &effects), STATUS_OK);
    cr_expect_eq(effects.apply, SNAPSHOT);
    append.n_entries = 1;
    cr_assert_eq(consensus_receive(consensus, 6, &message, &effects), STATUS_OK);
    cr_expect_eq(effects.apply, SNAPSHOT + 1);
    consensus_close(consensus);
}

/* --- hostile peers ------------------------------------------------------------------------------
 */

static uint64_t some(struct rng *rng, uint64_t near) {
    switch (rng_below(rng, 6)) {
    case 0:
        return 0;
    case 1:
        return UINT64_MAX - rng_below(rng, 3);
    case 2:
        return rng_below(rng, 8);
    default:
        return near + rng_below(rng, 5) - (near > 2 ? 2 : 0);
    }
}

struct hostile {
    RaftMessage message;
    RaftVote vote;
    RaftVoteResult vote_result;
    RaftAppend append;
    RaftAppendResult append_result;
    RaftInstall install;
    RaftTimeoutNow timeout_now;
    RaftRead read;
    RaftReadResult read_result;
    RaftEntry rows[4], *entries[4];
    RaftMember member_rows[2], *member_pointers[2];
    RaftMembers members;
};

static void
invent_entries(struct hostile *h, struct rng *rng, const struct consensus_state *state) {
    h->append.n_entries = rng_below(rng, 5);
    h->append.entries = h->entries;
    for (size_t i = 0; i < h->append.n_entries; i++) {
        raft_entry__init(&h->rows[i]);
        h->rows[i].term = some(rng, state->term);
        h->rows[i].kind = (uint32_t)rng_below(rng, 5);
        h->rows[i].data.data = (uint8_t *)"\x81\x01\x90garbage";
        h->rows[i].data.len = rng_below(rng, 8);
        h->entries[i] = &h->rows[i];
    }
}

static void invent_members(struct hostile *h, struct rng *rng) {
    raft_members__init(&h->members);
    h->members.n_members = rng_below(rng, 3);
    h->members.members = h->member_pointers;
    for (size_t i = 0; i < 2; i++) {
        raft_member__init(&h->member_rows[i]);
        h->member_rows[i].id = some(rng, 101);
        h->member_rows[i].address = rng_below(rng, 4) ? (i ? "tcp://a" : "tcp://b") : "";
        h->member_rows[i].voter = rng_below(rng, 2) != 0;
        h->member_pointers[i] = &h->member_rows[i];
    }
}

static void
invent(struct hostile *h, struct rng *rng, uint64_t to, const struct consensus_state *state) {
    raft_message__init(&h->message);
    raft_vote__init(&h->vote);
    raft_vote_result__init(&h->vote_result);
    raft_append__init(&h->append);
    raft_append_result__init(&h->append_result);
    raft_install__init(&h->install);
    raft_timeout_now__init(&h->timeout_now);
    raft_read__init(&h->read);
    raft_read_result__init(&h->read_result);
    h->message.group = rng_below(rng, 50) ? 7 : 8;
    h->message.from = 101 + rng_below(rng, 4);
    h->message.to = rng_below(rng, 50) ? to : 5;
    h->message.term = some(rng, state->term);
    h->vote = (RaftVote){h->vote.base, some(rng, state->last), some(rng, state->term),
                         rng_below(rng, 2) != 0, rng_below(rng, 2) != 0};
    h->vote_result.granted = h->vote_result.pre_vote = rng_below(rng, 2) != 0;
    h->vote_result.own_term = rng_below(rng, 2) != 0;
    h->append.prev_index = some(rng, state->last);
    h->append.prev_term = some(rng, state->term);
    h->append.commit = some(rng, state->commit);
    invent_entries(h, rng, state);
    h->append_result.rejected = some(rng, state->last);
    h->append_result.last_index = some(rng, state->last);
    invent_members(h, rng);
    h->install.last_index = some(rng, state->last);
    h->install.last_term = some(rng, state->term);
    h->install.members = rng_below(rng, 4) ? &h->members : NULL;
    h->install.members_index = some(rng, state->last);
    h->timeout_now.last_index = some(rng, state->last);
    h->timeout_now.last_term = some(rng, state->term);
    h->message.body_case = (RaftMessage__BodyCase)(RAFT_MESSAGE__BODY_VOTE + rng_below(rng, 8));
    void *const bodies[] = {&h->vote,    &h->vote_result, &h->append, &h->append_result,
                            &h->install, &h->timeout_now, &h->read,   &h->read_result};
    h->message.vote = bodies[h->message.body_case - RAFT_MESSAGE__BODY_VOTE];
}

/* A peer that lies may stop the group, never break the process. A replica that was led to
 * contradict itself says CORRUPT and stays so. */
Test(replication, a_hostile_peer_breaks_nothing, .timeout = 0) {
    uint64_t told[STATUS_COUNT] = {0};
    for (uint64_t seed = 1; seed <= 40; seed++) {
        struct world *world = world_new(seed, 3, &calm);
        struct rng rng;
        rng_init(&rng, seed);
        world_run(world, 1500);
        uint32_t slot = (uint32_t)rng_below(&rng, 3);
        struct consensus *consensus = world_consensus(world, slot);
        for (uint64_t i = 0; i < 500; i++) {
            struct hostile hostile;
            struct consensus_effects effects;
            struct consensus_state state;
            consensus_state(consensus, &state);
            invent(&hostile, &rng, 101 + slot, &state);
            enum status s = consensus_receive(consensus, 2500 + i, &hostile.message, &effects);
            told[s]++;
            if (s != STATUS_OK) continue;
            if (effects.persist && rng_below(&rng, 2))
                told[consensus_persisted(consensus, 2500 + i, effects.persist, &effects)]++;
            if (rng_below(&rng, 4) == 0) told[consensus_tick(consensus, 2500 + i, &effects)]++;
        }
        world_free(world);
    }
    cr_expect_gt(told[STATUS_INVALID], 1000);
    cr_expect_gt(told[STATUS_OK], 1000);
    for (int s = 0; s < STATUS_COUNT; s++)
        if (told[s]) printf("%s %" PRIu64 "\n", status_name((enum status)s), told[s]);
}
