/* facts: what the log store knows of a replica, in the form that consensus opens with. */
#include <string.h>

#include "actors/raft/state.h"
#include "runtime/arena.h"
#include "runtime/codec.h"
#include "runtime/memory.h"

#include "runtime/poison.h"

uint8_t entry_type_of(enum consensus_kind kind) {
    switch (kind) {
    case CONSENSUS_COMMAND:
        return ENTRY_DATA;
    case CONSENSUS_CHANGE:
        return ENTRY_CHANGE;
    default:
        return ENTRY_NOTHING;
    }
}

enum consensus_kind entry_kind_of(uint8_t type) {
    switch (type) {
    case ENTRY_DATA:
        return CONSENSUS_COMMAND;
    case ENTRY_CHANGE:
        return CONSENSUS_CHANGE;
    default:
        return CONSENSUS_BARRIER;
    }
}

static enum status add_entry(void *context, const struct log_entry *entry) {
    struct seat_facts *facts = context;
    if (facts->n_entries == facts->room) {
        uint32_t room = facts->room ? 2 * facts->room : 64;
        struct consensus_entry *entries = mem_resize(facts->entries, room * sizeof *entries);
        if (!entries) return STATUS_NO_MEMORY;
        facts->entries = entries;
        facts->room = room;
    }
    struct consensus_entry *out = &facts->entries[facts->n_entries++];
    *out = (struct consensus_entry){.term = entry->term, .kind = entry_kind_of(entry->type)};
    if (out->kind != CONSENSUS_CHANGE) return STATUS_OK;
    out->size = entry->data.size;
    buffer_append(&facts->changes, entry->data.data, entry->data.size);
    return facts->changes.failed ? STATUS_NO_MEMORY : STATUS_OK;
}

/* Their data lies in one buffer, which grew meanwhile. */
static void place_changes(struct seat_facts *facts) {
    const unsigned char *at = facts->changes.data;
    for (uint32_t i = 0; i < facts->n_entries; i++) {
        if (facts->entries[i].kind != CONSENSUS_CHANGE) continue;
        facts->entries[i].data = at;
        at += facts->entries[i].size;
    }
}

static enum status take_record(struct seat_facts *facts, const struct kv_value *value) {
    struct arena arena;
    ProtobufCMessage *message = NULL;
    arena_init(&arena, 0);
    enum status s =
        codec_decode(&raft_record__descriptor, value->data, value->size, &arena, &message, NULL);
    const RaftRecord *record = (const RaftRecord *)message;
    if (s == STATUS_OK && (!record->members || record->index == 0)) s = STATUS_CORRUPT;
    if (s == STATUS_OK) {
        facts->recorded = true;
        facts->snapshot_index = record->index;
        facts->snapshot_term = record->term;
        facts->members_index = record->members_index;
        facts->generation = record->generation;
        s = codec_encode(&record->members->base, &facts->members);
    }
    arena_free(&arena);
    return s == STATUS_INVALID ? STATUS_CORRUPT : s;
}

/* Are the newest members this replica alone? */
static bool is_alone(const struct seat_facts *facts, uint64_t id) {
    struct bytes newest = {facts->members.data, facts->members.size};
    for (uint32_t i = 0; i < facts->n_entries; i++)
        if (facts->entries[i].kind == CONSENSUS_CHANGE)
            newest = (struct bytes){facts->entries[i].data, facts->entries[i].size};
    struct arena arena;
    ProtobufCMessage *message = NULL;
    arena_init(&arena, 0);
    bool alone = false;
    if (newest.size > 0 && codec_decode(&raft_members__descriptor, newest.data, newest.size, &arena,
                                        &message, NULL) == STATUS_OK) {
        const RaftMembers *members = (const RaftMembers *)message;
        size_t others = 0;
        for (size_t i = 0; i < members->n_members; i++) {
            if (!members->members[i]->voter) continue;
            if (members->members[i]->id == id)
                alone = true;
            else
                others++;
        }
        alone = alone && others == 0;
    }
    arena_free(&arena);
    return alone;
}

enum status
seat_facts_read(struct seat_facts *facts, struct log_store *log, uint64_t store_id, uint64_t id) {
    *facts = (struct seat_facts){0};
    buffer_init(&facts->members);
    buffer_init(&facts->changes);
    struct kv_value value = {0};
    enum status s = log_store_state(log, store_id, &facts->log);
    if (s != STATUS_OK) return s;
    s = log_store_record(log, store_id, &value);
    if (s == STATUS_OK) s = take_record(facts, &value);
    kv_value_free(&value);
    if (s == STATUS_NOT_FOUND) s = STATUS_OK;
    if (s == STATUS_OK && facts->log.last >= facts->log.first)
        s = log_store_read(log, store_id, facts->log.first, facts->log.last, add_entry, facts);
    if (s != STATUS_OK) return s;
    place_changes(facts);
    facts->empty = facts->log.last == 0 && facts->log.term == 0 && !facts->recorded;
    facts->legacy = facts->log.last > 0 && facts->log.term == 0 && !facts->recorded;
    facts->alone = facts->legacy || is_alone(facts, id);
    return STATUS_OK;
}

void seat_facts_free(struct seat_facts *facts) {
    buffer_free(&facts->members);
    buffer_free(&facts->changes);
    mem_free(facts->entries);
    facts->entries = NULL;
}
