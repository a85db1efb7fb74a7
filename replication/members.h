/* members: a group's configuration between our message (RaftMembers) and libraft's. Private to
 * replication/. */
#ifndef REPLICATION_MEMBERS_H
#define REPLICATION_MEMBERS_H

#include <raft.h>

#include "replication/consensus.h"
#include "runtime/buffer.h"

/* False with static words: no member, no voter, too many, an id 0 or twice, an address that is
 * empty, too long or twice. */
bool members_sound(const RaftMembers *members, const char **why);
/* *out is closed by raft_configuration_close. CORRUPT: the bytes are no sound RaftMembers. */
MUST_USE enum status members_decode(const void *data, size_t size, struct raft_configuration *out);
/* The same from a sound message. NO_MEMORY. */
MUST_USE enum status members_take(const RaftMembers *members, struct raft_configuration *out);
MUST_USE enum status members_copy(const struct raft_configuration *from,
                                  struct raft_configuration *out);
/* Appends the encoded RaftMembers. */
MUST_USE enum status members_encode(const struct raft_configuration *from, struct buffer *out);
/* The server of this id, or NULL. */
const struct raft_server *members_find(const struct raft_configuration *from, uint64_t id);
size_t members_voters(const struct raft_configuration *from);

#endif
