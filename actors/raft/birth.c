/* birth: from what is durable to a seat that takes part.
 *
 *     empty, a founder ─▶ the founding entry, durable ─┐
 *     a log from before there were groups ─▶ a record ─┼─▶ consensus_open
 *     anything else ───────────────────────────────────┘
 *
 * A replica that is no founder begins with nothing and waits for its leader. */
#include <string.h>

#include "actors/raft/state.h"
#include "runtime/arena.h"
#include "runtime/codec.h"
#include "runtime/memory.h"

#include "runtime/poison.h"

static const char nowhere[] = "local"; /* an address for a process that others do not reach */

static const char *address_of(const struct seat *seat) {
    const char *address = seat->options.address;
    return address && *address ? address : nowhere;
}

/* This replica alone, encoded. */
static enum status encode_alone(const struct seat *seat, struct buffer *out) {
    RaftMember member = RAFT_MEMBER__INIT;
    RaftMember *rows[] = {&member};
    RaftMembers members = RAFT_MEMBERS__INIT;
    member.id = seat->options.id;
    member.address = (char *)(uintptr_t)address_of(seat);
    member.voter = true;
    members.n_members = 1;
    members.members = rows;
    return consensus_found(&members, out, NULL);
}

/* The members that found the group, judged. */
static enum status encode_founders(const struct seat *seat, struct buffer *out) {
    const struct bytes *founders = &seat->options.founders;
    struct arena arena;
    ProtobufCMessage *members = NULL;
    if (founders->size == 0) return encode_alone(seat, out);
    arena_init(&arena, 0);
    enum status s = codec_decode(&raft_members__descriptor, founders->data, founders->size, &arena,
                                 &members, NULL);
    for (size_t i = 0; s == STATUS_OK && i < ((RaftMembers *)members)->n_members; i++) {
        RaftMember *member = ((RaftMembers *)members)->members[i];
        if (!*member->address) member->address = (char *)(uintptr_t)nowhere;
    }
    if (s == STATUS_OK) s = consensus_found((const RaftMembers *)members, out, NULL);
    arena_free(&arena);
    return s;
}

static enum status found(struct seat *seat, struct turn *turn) {
    struct buffer data;
    struct proposal *proposal;
    buffer_init(&data);
    enum status s = encode_founders(seat, &data);
    if (s == STATUS_OK) s = proposal_new(ENTRY_CHANGE, &data, &proposal);
    if (s != STATUS_OK) {
        buffer_free(&data);
        return s;
    }
    proposal->index = 1;
    proposal->term = 1;
    s = window_add(&seat->window, proposal);
    if (s != STATUS_OK) return s;
    seat->writing.from = 1;
    seat->writing.hard = true;
    seat->writing.term = 1;
    writing_pump(seat, turn);
    return STATUS_OK;
}

/* Once it is durable it is a log like any other. */
static enum status founded(struct seat *seat) {
    struct seat_facts *facts = &seat->facts;
    const struct proposal *entry = window_at(&seat->window, 1);
    facts->entries = mem_zero(1, sizeof *facts->entries);
    if (!facts->entries) return STATUS_NO_MEMORY;
    facts->entries[0] =
        (struct consensus_entry){1, CONSENSUS_CHANGE, entry->data.data, entry->data.size};
    facts->n_entries = 1;
    facts->log = (struct log_state){.term = 1, .first = 1, .last = 1};
    return STATUS_OK;
}

enum status seat_encode_record(const struct seat_snapshot_of *what, struct buffer *out) {
    struct arena arena;
    ProtobufCMessage *members = NULL;
    arena_init(&arena, 0);
    enum status s = codec_decode(&raft_members__descriptor, what->members->data,
                                 what->members->size, &arena, &members, NULL);
    RaftRecord record = RAFT_RECORD__INIT;
    record.index = what->index;
    record.term = what->term;
    record.members = (RaftMembers *)members;
    record.members_index = what->members_index;
    record.generation = what->generation;
    if (s == STATUS_OK) s = codec_encode(&record.base, out);
    arena_free(&arena);
    return s;
}

/* All that an older log has is committed, and this replica is its group. */
static enum status adopt(struct seat *seat, struct turn *turn) {
    struct seat_facts *facts = &seat->facts;
    struct buffer record;
    buffer_init(&record);
    facts->snapshot_index = facts->members_index = facts->log.last;
    facts->snapshot_term = facts->entries[facts->n_entries - 1].term;
    facts->log.term = facts->snapshot_term;
    facts->recorded = true;
    enum status s = encode_alone(seat, &facts->members);
    const struct seat_snapshot_of what = {facts->snapshot_index, facts->snapshot_term,
                                          facts->members_index, facts->generation, &facts->members};
    if (s == STATUS_OK) s = seat_encode_record(&what, &record);
    seat->writing.hard = true;
    seat->writing.term = facts->log.term;
    if (s == STATUS_OK) writing_record(seat, &record, facts->log.first, false, turn);
    buffer_free(&record);
    return s;
}

static enum status
open_consensus(struct seat *seat, struct consensus_effects *effects, struct turn *turn) {
    struct seat_facts *facts = &seat->facts;
    struct arena arena;
    ProtobufCMessage *members = NULL;
    enum status s = STATUS_OK;
    arena_init(&arena, 0);
    if (facts->recorded)
        s = codec_decode(&raft_members__descriptor, facts->members.data, facts->members.size,
                         &arena, &members, NULL);
    const struct consensus_options options = {
        .group = seat->options.group,
        .id = seat->options.id,
        .address = address_of(seat),
        .seed = turn_random(turn),
        .election_ms = SEAT_ELECTION_MS,
        .heartbeat_ms = SEAT_HEARTBEAT_MS,
        .install_ms = SEAT_INSTALL_MS,
        .now_ms = turn_now_us(turn) / 1000,
        .term = facts->log.term,
        .vote = facts->log.vote,
        .snapshot_index = facts->snapshot_index,
        .snapshot_term = facts->snapshot_term,
        .members = (RaftMembers *)members,
        .members_index = facts->members_index,
        .first = facts->n_entries ? facts->log.first : 0,
        .entries = facts->entries,
        .n_entries = facts->n_entries,
    };
    const char *why = "";
    if (s == STATUS_OK) s = consensus_open(&options, &seat->consensus, effects, &why);
    if (s != STATUS_OK) turn_note(turn, "consensus %s %s", status_name(s), why);
    arena_free(&arena);
    return s == STATUS_INVALID ? STATUS_CORRUPT : s;
}

void seat_begin(struct seat *seat, struct turn *turn) {
    struct seat_facts *facts = &seat->facts;
    struct consensus_effects effects;
    enum status s = STATUS_OK;
    if (facts->n_entries == 0 && seat->window.last == 1 && facts->empty) s = founded(seat);
    if (s == STATUS_OK) s = open_consensus(seat, &effects, turn);
    seat->snapshot_index = facts->snapshot_index;
    seat->apply = facts->snapshot_index;
    seat_facts_free(facts);
    if (s != STATUS_OK) {
        seat_broken(seat, s, "its log does not make sense", turn);
        return;
    }
    seat->options.machine->opened(seat->options.owner, turn);
    seat_carry_out(seat, &effects, turn);
}

enum status seat_open(const struct seat_options *options,
                      struct seat_facts *facts,
                      struct turn *turn,
                      struct seat **out) {
    struct seat *seat = mem_zero(1, sizeof *seat);
    if (!seat) return STATUS_NO_MEMORY;
    seat->options = *options;
    if (seat->options.store == 0) seat->options.store = options->id;
    seat->facts = *facts;
    *facts = (struct seat_facts){0};
    seat->generation = seat->facts.generation;
    seat->taken = options->applied;
    seat->window.last = seat->writing.stored = seat->facts.log.last;
    seat->window.first = seat->window.last + 1;
    seat->writing.first = 1;
    buffer_init(&seat->writing.record);
    buffer_init(&seat->installing_members);
    *out = seat;
    enum status s = STATUS_OK;
    if (seat->facts.legacy)
        s = adopt(seat, turn);
    else if (seat->facts.empty && options->founder)
        s = found(seat, turn);
    else
        seat_begin(seat, turn);
    if (s != STATUS_OK) seat_broken(seat, s, "its group cannot be founded", turn);
    return STATUS_OK;
}

void seat_close(struct seat *seat) {
    if (!seat) return;
    seat_leave(seat);
    seat_facts_free(&seat->facts);
    proposals_free(&seat->waiting);
    proposals_free(&seat->fetched);
    window_free(&seat->window);
    buffer_free(&seat->writing.record);
    buffer_free(&seat->installing_members);
    mem_free(seat);
}

/* A follower that is behind gets what was written since the cut before; beyond that, a snapshot. */
void seat_snapshot(struct seat *seat, uint64_t index, uint64_t term, struct turn *turn) {
    struct consensus_effects effects;
    struct buffer members, record;
    struct seat_snapshot_of what = {
        .index = index, .term = term, .generation = seat->generation, .members = &members};
    if (!seat->consensus || index <= seat->snapshot_index) return;
    uint64_t trailing = seat_alone(seat) ? 0 : index - seat->snapshot_index;
    if (trailing > SEAT_TRAILING_MAX) trailing = SEAT_TRAILING_MAX;
    buffer_init(&members);
    buffer_init(&record);
    enum status s = consensus_members_at(seat->consensus, index, &members, &what.members_index);
    if (s == STATUS_OK) s = seat_encode_record(&what, &record);
    if (s == STATUS_OK)
        s = consensus_snapshot(seat->consensus, turn_now_us(turn) / 1000, index, term,
                               (uint32_t)trailing, &effects);
    if (s == STATUS_OK) {
        seat->snapshot_index = index;
        writing_record(seat, &record, index + 1 - trailing, false, turn);
        seat_carry_out(seat, &effects, turn);
    } else {
        turn_note(turn, "snapshot of %llu %s", (unsigned long long)index, status_name(s));
    }
    buffer_free(&members);
    buffer_free(&record);
}
