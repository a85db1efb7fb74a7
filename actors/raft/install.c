/* install: a snapshot in place of a log. The leader's message names the snapshot; the machine
 * fetches it beside the log. Until the record is written nothing of what was changes; then the
 * actor begins anew, and consensus with it, from what is durable. */
#include <string.h>

#include "actors/raft/state.h"
#include "runtime/arena.h"
#include "runtime/codec.h"
#include "runtime/memory.h"

#include "runtime/poison.h"

enum { DESCRIPTOR = 8 };

void seat_offer(struct seat *seat,
                const struct seat_snapshot *snapshot,
                uint64_t to,
                struct turn *turn) {
    struct buffer data;
    struct arena arena;
    ProtobufCMessage *members = NULL;
    struct consensus_state state;
    RaftInstall install = RAFT_INSTALL__INIT;
    if (!seat_state(seat, &state) || state.role != CONSENSUS_LEADER) return;
    buffer_init(&data);
    arena_init(&arena, 0);
    enum status s =
        consensus_members_at(seat->consensus, snapshot->index, &data, &install.members_index);
    if (s == STATUS_OK)
        s = codec_decode(&raft_members__descriptor, data.data, data.size, &arena, &members, NULL);
    if (s == STATUS_OK) {
        uint64_t number = snapshot->number;
        RaftMessage message = RAFT_MESSAGE__INIT;
        message.group = seat->options.group;
        message.from = seat->options.id;
        message.to = to;
        message.term = state.term;
        message.body_case = RAFT_MESSAGE__BODY_INSTALL;
        message.install = &install;
        install.last_index = snapshot->index;
        install.last_term = snapshot->term;
        install.members = (RaftMembers *)members;
        install.descriptor = (ProtobufCBinaryData){DESCRIPTOR, (uint8_t *)&number};
        seat_hold(seat, &message, seat->after, turn);
        seat_flush(seat, turn);
    }
    arena_free(&arena);
    buffer_free(&data);
}

void install_begin(struct seat *seat, const struct consensus_effects *effects, struct turn *turn) {
    const RaftInstall *install = effects->install;
    const char *link = seat_link_of(seat, effects->install_from);
    struct seat_snapshot *what = &seat->installing;
    *what = (struct seat_snapshot){.index = install->last_index,
                                   .term = install->last_term,
                                   .generation = seat->generation + 1};
    buffer_clear(&seat->installing_members);
    seat->installing_members_index = install->members_index;
    bool sound = install->descriptor.len == DESCRIPTOR && *link &&
                 codec_encode(&install->members->base, &seat->installing_members) == STATUS_OK;
    if (sound) memcpy(&what->number, install->descriptor.data, DESCRIPTOR);
    if (!sound) link = ""; /* the machine's first question fails, and it begins anew */
    seat->options.machine->take(seat->options.owner, what, link, turn);
}

void seat_install(struct seat *seat, struct turn *turn) {
    struct buffer record;
    const struct seat_snapshot_of what = {seat->installing.index, seat->installing.term,
                                          seat->installing_members_index,
                                          seat->installing.generation, &seat->installing_members};
    buffer_init(&record);
    enum status s = seat_encode_record(&what, &record);
    if (s == STATUS_OK)
        writing_record(seat, &record, what.index + 1, true, turn);
    else
        seat_broken(seat, s, "the snapshot's record", turn);
    buffer_free(&record);
}
