/* votes: what libraft leaves open: when to stand, and who votes.
 *
 * Whose turn it is. A follower waits for its election timer, of random length, and votes for nobody
 * before it ended: right for a leader that is silent, long for one that is known to be gone.
 *
 * A learner's vote. Whoever counts a vote says whose counts, by its own log; a server grants it
 * by its own term, vote and log alone (dissertation, 4.1 and 4.2.2). libraft refuses for one that
 * is no voter in its own log: a leader of one that promotes a learner and falls before the learner
 * hears of it would then never be followed again, as it needs exactly this vote. So a refusal is
 * looked at once more here.
 *
 * Safe, as one vote a term stays: it is kept in libraft and made durable like any other, before the
 * answer leaves. */
#include "replication/state.h"
#include "runtime/rng.h"

#include "runtime/poison.h"

/* The answer among the messages of this call. */
static RaftVoteResult *answer_to(struct consensus *self, uint64_t id) {
    for (uint32_t i = self->n_messages; i > 0; i--) {
        struct outgoing *out = &self->outgoing[i - 1];
        if (out->message.to == id && out->message.body_case == RAFT_MESSAGE__BODY_VOTE_RESULT)
            return &out->vote_result;
    }
    return NULL;
}

static bool log_is_whole(const struct consensus *self, const RaftVote *vote) {
    uint64_t last = raft_last_index((struct raft *)&self->raft); /* not const in libraft */
    return vote->last_term > self->last_term ||
           (vote->last_term == self->last_term && vote->last_index >= last);
}

static void forget_leader(struct consensus *self) {
    raft_free(self->raft.follower_state.current_leader.address);
    self->raft.follower_state.current_leader.address = NULL;
    self->raft.follower_state.current_leader.id = 0;
}

/* Those who may follow a leader (0: the first one) come one after the other, a heartbeat apart, so
 * that one has won before the next stands against it. Their order is another one with each term:
 * who leads much is followed by many. */
static uint64_t turn_of(const struct consensus *self, uint64_t leader) {
    const struct raft_configuration *members = &self->raft.configuration;
    uint64_t mine = rng_mix(self->id ^ rng_mix(self->raft.current_term)), before = 0;
    for (unsigned i = 0; i < members->n; i++) {
        const struct raft_server *other = &members->servers[i];
        if (other->role != RAFT_VOTER || other->id == leader || other->id == self->id) continue;
        before += rng_mix(other->id ^ rng_mix(self->raft.current_term)) < mine;
    }
    return before * self->heartbeat_ms;
}

/* Patience ends so soon, if it lasts longer: as if the timer had begun earlier. */
static void shorten(struct consensus *self, uint64_t wait_ms) {
    uint64_t patience = self->raft.follower_state.randomized_election_timeout;
    uint64_t end = self->now_ms + wait_ms;
    if (end >= patience && end - patience < self->raft.election_timer_start)
        self->raft.election_timer_start = end - patience;
}

/* A process that ended breaks its connections at once. Pre-votes are granted by those who lost it,
 * too, and by nobody else: one whose connection alone broke disturbs nobody. A leader that lives is
 * heard before the first one's turn, and gives all patience back. */
void consensus_lost(struct consensus *self, uint64_t now_ms, uint64_t id) {
    raft_id leader = 0;
    const char *address = NULL;
    if (self->fatal || raft_state(&self->raft) != RAFT_FOLLOWER) return;
    raft_leader(&self->raft, &leader, &address);
    if (leader == 0 || leader != id || self->raft.snapshot.installing) return;
    if (now_ms > self->now_ms) self->now_ms = now_ms;
    forget_leader(self);
    shorten(self, self->heartbeat_ms * 3 / 2 + turn_of(self, id));
}

/* Who founds a group has no leader to wait for, only the others to be there. */
void votes_first(struct consensus *self) {
    if (raft_state(&self->raft) == RAFT_FOLLOWER)
        shorten(self, self->heartbeat_ms / 2 + turn_of(self, 0));
}

/* libraft forgets a leader by its election timer, which a learner has not. */
void votes_look(struct consensus *self, const RaftMessage *message) {
    raft_id leader = 0;
    const char *address = NULL;
    if (raft_state(&self->raft) != RAFT_FOLLOWER || raft_role(&self->raft) == RAFT_VOTER) return;
    raft_leader(&self->raft, &leader, &address);
    bool silent = self->now_ms >= self->heard_ms + self->election_ms;
    if (leader == 0 || (leader != message->from && !silent)) return;
    forget_leader(self);
}

void votes_of_learner(struct consensus *self,
                      const RaftMessage *message,
                      struct consensus_effects *effects) {
    const RaftVote *vote = message->vote;
    RaftVoteResult *answer = answer_to(self, message->from);
    raft_id leader = 0;
    const char *address = NULL;
    raft_leader(&self->raft, &leader, &address);
    if (!answer || answer->granted || raft_state(&self->raft) != RAFT_FOLLOWER) return;
    if (raft_role(&self->raft) == RAFT_VOTER || self->raft.snapshot.installing) return;
    if ((leader != 0 && !vote->disrupt) || !log_is_whole(self, vote)) return;
    if (vote->pre_vote) {
        answer->granted = message->term > self->raft.current_term;
        return;
    }
    bool unbound = self->raft.voted_for == 0 || self->raft.voted_for == message->from;
    if (message->term != self->raft.current_term || !unbound) return;
    self->raft.voted_for = message->from;
    effects->hard = true;
    answer->granted = true;
}

/* A pre-vote is refused in the asker's own words: it never learns that its term is the reason. One
 * that has the newest log and an older term would ask for ever, and nobody else can win (9.6). So
 * the refusal carries our term, and says so: the asker's own words are a term above its own, too,
 * and taken for ours they would raise its term with each refusal, which pre-votes are to prevent …
 */
void votes_refused(struct consensus *self, const RaftMessage *message) {
    if (!message->vote->pre_vote || self->raft.current_term < message->term) return;
    for (uint32_t i = self->n_messages; i > 0; i--) {
        struct outgoing *out = &self->outgoing[i - 1];
        if (out->message.to != message->from ||
            out->message.body_case != RAFT_MESSAGE__BODY_VOTE_RESULT)
            continue;
        if (out->vote_result.granted) return;
        out->message.term = self->raft.current_term;
        out->vote_result.own_term = true;
        return;
    }
}

bool votes_too_old(const struct consensus *self, const RaftMessage *message) {
    return message->body_case == RAFT_MESSAGE__BODY_VOTE_RESULT && message->vote_result->pre_vote &&
           message->vote_result->own_term && !message->vote_result->granted &&
           message->term > self->raft.current_term;
}

/* … and is taken like a candidate's call in that term, with a log that nobody votes for. */
void votes_take_term(const RaftMessage *message, struct raft_message *out) {
    out->type = RAFT_REQUEST_VOTE;
    out->request_vote = (struct raft_request_vote){
        .version = 2, .term = message->term, .candidate_id = message->from};
}
