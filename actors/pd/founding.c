/* founding: a founder that finds no log is new, or has lost its disk: then it must not vote, since
 * it has forgotten whom it voted for and what it acknowledged. The others know (catalog_peer): the
 * group's log says who has taken part.
 *
 *     no log ─▶ every other founder is asked ─▶ all say that it is new ─▶ it founds the group
 *                                          └─▶ one says that it is not ─▶ it stays out
 *
 * So the members of a new group are all to be up at the same time once. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "actors/pd/driver.h"
#include "runtime/arena.h"
#include "runtime/codec.h"

#include "runtime/poison.h"

enum {
    ASK_US = 2 * 1000 * 1000,
    AGAIN_US = 200 * 1000,
    ROUNDS_QUIET = 25, /* then people are told what is missing */
};

/* --- who they are ----------------------------------------------------------------------------- */

/* "ID:LINK" of this length, copied. */
static bool read_member(const char *text, size_t size, RaftMember *out, struct arena *arena) {
    char *copy = arena_alloc(arena, size + 1);
    if (!copy) return false;
    memcpy(copy, text, size);
    copy[size] = '\0';
    char *link = strchr(copy, ':');
    if (!link || copy[0] < '0' || copy[0] > '9') return false;
    *link++ = '\0';
    char *end;
    out->id = strtoull(copy, &end, 10);
    out->address = link;
    out->voter = true;
    return *end == '\0' && out->id != 0 && *link && strlen(link) <= CONSENSUS_ADDRESS_MAX;
}

static int by_id(const void *a, const void *b) {
    const RaftMember *left = *(RaftMember *const *)a, *right = *(RaftMember *const *)b;
    return (left->id > right->id) - (left->id < right->id);
}

static enum status read_members(const char *text, RaftMembers *out, struct arena *arena) {
    RaftMember *rows = arena_alloc(arena, PD_FOUNDERS_MAX * sizeof *rows);
    out->members = arena_alloc(arena, PD_FOUNDERS_MAX * sizeof *out->members);
    if (!rows || !out->members) return STATUS_NO_MEMORY;
    while (*text) {
        size_t size = strcspn(text, ",");
        if (out->n_members == PD_FOUNDERS_MAX) return STATUS_TOO_LARGE;
        RaftMember *row = &rows[out->n_members];
        raft_member__init(row);
        if (!read_member(text, size, row, arena)) return STATUS_INVALID;
        out->members[out->n_members++] = row;
        text += size + (text[size] == ',');
    }
    qsort(out->members, out->n_members, sizeof *out->members, by_id);
    return STATUS_OK;
}

enum status
pd_founders(const char *text, uint64_t member, struct buffer *out, bool *among, const char **why) {
    RaftMembers members = RAFT_MEMBERS__INIT;
    struct arena arena;
    *among = true;
    if (!*text) return STATUS_OK;
    arena_init(&arena, 0);
    enum status s = read_members(text, &members, &arena);
    if (s == STATUS_TOO_LARGE) *why = "more than 5: name 1, 3 or 5";
    if (s == STATUS_INVALID) *why = "not a list of ID:HOST:PORT, separated by commas";
    if (s == STATUS_OK) s = consensus_found(&members, out, why);
    *among = false;
    for (size_t i = 0; i < members.n_members; i++)
        *among = *among || members.members[i]->id == member;
    arena_free(&arena);
    return s == STATUS_TOO_LARGE ? STATUS_INVALID : s;
}

/* --- asking them ------------------------------------------------------------------------------ */

/* The context of a question is the place of whom it is asked. */
static void
on_answer(void *actor, void *context, const struct outcome *outcome, struct turn *turn) {
    struct driver *self = actor;
    const PdFounder *answer = outcome_as(outcome, PdFounder, pd_founder);
    if (outcome->status == STATUS_INVALID) turn_raise(turn, "founding", "%s", outcome->text);
    if (!answer || !self->restore) return;
    self->founders_heard |= UINT32_C(1) << (uintptr_t)context;
    if (!answer->started) return;
    restore_free(self->restore);
    self->restore = NULL;
    const char *words = turn_printf(turn,
                                    "the data that member %" PRIu64
                                    " had is gone: forget it (vectron admin pd remove %" PRIu64
                                    ") and start it with another --node-id, then add that one",
                                    self->options.member, self->options.member);
    group_fail(self, STATUS_QUARANTINED, words ? words : "its data is gone", turn);
}

static void on_found(void *actor, void *context, const struct outcome *outcome, struct turn *turn) {
    struct driver *self = actor;
    if (outcome->status != STATUS_OK) return;
    PdAskFounder ask = PD_ASK_FOUNDER__INIT;
    ask.member = self->options.member;
    ask.asked = self->founder_ids[(uintptr_t)context];
    turn_call(turn, &(struct call){.to = outcome->handle,
                                   .message = &ask.base,
                                   .done = on_answer,
                                   .context = context,
                                   .deadline_us = turn_now_us(turn) + ASK_US});
}

static void
ask_one(struct driver *self, const RaftMember *member, uint32_t nth, struct turn *turn) {
    self->founder_ids[nth] = member->id;
    turn_lookup(turn, &(struct lookup){.address = member->address,
                                       .name = "pd",
                                       .done = on_found,
                                       .context = (void *)(uintptr_t)nth,
                                       .deadline_us = turn_now_us(turn) + ASK_US});
}

static void ask_all(void *actor, void *context, struct turn *turn) {
    struct driver *self = actor;
    struct arena arena;
    ProtobufCMessage *message = NULL;
    (void)context;
    if (!self->restore) return;
    arena_init(&arena, 0);
    enum status s = codec_decode(&raft_members__descriptor, self->founders.data,
                                 self->founders.size, &arena, &message, NULL);
    const RaftMembers *members = (const RaftMembers *)message;
    uint32_t missing = 0;
    for (uint32_t i = 0; s == STATUS_OK && i < members->n_members; i++) {
        if (members->members[i]->id == self->options.member) continue;
        if (self->founders_heard & UINT32_C(1) << i) continue;
        missing++;
        ask_one(self, members->members[i], i, turn);
    }
    arena_free(&arena);
    if (missing == 0 && s == STATUS_OK) {
        turn_clear(turn, "founding");
        restore_join(self, turn);
        return;
    }
    if (++self->founding_rounds == ROUNDS_QUIET)
        turn_raise(turn, "founding",
                   "%" PRIu32 " placement drivers of the new group do not answer: each has to be "
                   "up once (--initial-members)",
                   missing);
    turn_timer(turn, AGAIN_US, ask_all, NULL);
}

void founding_start(struct driver *self, struct turn *turn) {
    self->founders_heard = 0;
    ask_all(self, NULL, turn);
}

enum status founding_answer(struct driver *self, const PdAskFounder *msg, struct turn *turn) {
    const struct catalog_peer *peer = catalog_peer(&self->catalog, msg->member);
    PdFounder answer = PD_FOUNDER__INIT;
    if (msg->asked != self->options.member)
        return turn_fail(turn, STATUS_INVALID,
                         "the placement driver at %s is member %" PRIu64 ", not %" PRIu64
                         ": --node-id and --initial-members do not fit",
                         self->options.link ? self->options.link : "", self->options.member,
                         msg->asked);
    if (!self->seat && !self->restore)
        return turn_fail(turn, STATUS_NOT_READY, "placement driver is starting");
    answer.started = peer && peer->started;
    turn_reply(turn, &answer.base);
    return STATUS_OK;
}
