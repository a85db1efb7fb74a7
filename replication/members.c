/* members: our encoding on the wire and in the log, never libraft's own, so that bytes from outside
 * meet the validating codec and not its decoder (raft.md S12). */
#include "replication/members.h"

#include <string.h>

#include "runtime/codec.h"
#include "runtime/memory.h"

#include "runtime/poison.h"

static bool say(const char **why, const char *words) {
    if (why) *why = words;
    return false;
}

bool members_sound(const RaftMembers *members, const char **why) {
    size_t voters = 0;
    if (members->n_members == 0) return say(why, "a group without members");
    if (members->n_members > CONSENSUS_MEMBERS_MAX) return say(why, "more than 64 members");
    for (size_t i = 0; i < members->n_members; i++) {
        const RaftMember *member = members->members[i];
        size_t size = strlen(member->address);
        if (member->id == 0) return say(why, "a member without an id");
        if (size == 0 || size > CONSENSUS_ADDRESS_MAX)
            return say(why, "a member's address is empty or longer than 255 bytes");
        for (size_t j = 0; j < i; j++) {
            if (members->members[j]->id == member->id) return say(why, "two members of one id");
            if (strcmp(members->members[j]->address, member->address) == 0)
                return say(why, "two members at one address");
        }
        voters += member->voter ? 1 : 0;
    }
    return voters > 0 || say(why, "a group without a voter");
}

static enum status add(struct raft_configuration *out, uint64_t id, const char *address, int role) {
    return raft_configuration_add(out, id, address, role) == 0 ? STATUS_OK : STATUS_NO_MEMORY;
}

enum status members_take(const RaftMembers *members, struct raft_configuration *out) {
    raft_configuration_init(out);
    for (size_t i = 0; i < members->n_members; i++) {
        const RaftMember *member = members->members[i];
        enum status s =
            add(out, member->id, member->address, member->voter ? RAFT_VOTER : RAFT_STANDBY);
        if (s != STATUS_OK) {
            raft_configuration_close(out);
            return s;
        }
    }
    return STATUS_OK;
}

enum status members_copy(const struct raft_configuration *from, struct raft_configuration *out) {
    raft_configuration_init(out);
    for (unsigned i = 0; i < from->n; i++) {
        const struct raft_server *server = &from->servers[i];
        enum status s = add(out, server->id, server->address, server->role);
        if (s != STATUS_OK) {
            raft_configuration_close(out);
            return s;
        }
    }
    return STATUS_OK;
}

enum status members_decode(const void *data, size_t size, struct raft_configuration *out) {
    struct arena arena;
    ProtobufCMessage *message = NULL;
    arena_init(&arena, 0);
    enum status s = codec_decode(&raft_members__descriptor, data, size, &arena, &message, NULL);
    if (s == STATUS_OK && !members_sound((const RaftMembers *)message, NULL)) s = STATUS_CORRUPT;
    if (s == STATUS_INVALID) s = STATUS_CORRUPT;
    if (s == STATUS_OK) s = members_take((const RaftMembers *)message, out);
    arena_free(&arena);
    return s;
}

enum status members_encode(const struct raft_configuration *from, struct buffer *out) {
    RaftMember rows[CONSENSUS_MEMBERS_MAX];
    RaftMember *pointers[CONSENSUS_MEMBERS_MAX];
    RaftMembers members = RAFT_MEMBERS__INIT;
    if (from->n > CONSENSUS_MEMBERS_MAX) return STATUS_CORRUPT;
    for (unsigned i = 0; i < from->n; i++) {
        raft_member__init(&rows[i]);
        rows[i].id = from->servers[i].id;
        rows[i].address = from->servers[i].address;
        rows[i].voter = from->servers[i].role == RAFT_VOTER;
        pointers[i] = &rows[i];
    }
    members.n_members = from->n;
    members.members = pointers;
    return codec_encode(&members.base, out);
}

const struct raft_server *members_find(const struct raft_configuration *from, uint64_t id) {
    for (unsigned i = 0; i < from->n; i++)
        if (from->servers[i].id == id) return &from->servers[i];
    return NULL;
}

size_t members_voters(const struct raft_configuration *from) {
    size_t n = 0;
    for (unsigned i = 0; i < from->n; i++)
        n += from->servers[i].role == RAFT_VOTER;
    return n;
}
