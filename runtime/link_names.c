/* link_names: names in this process for actors that live in a peer: of a foreign program, which has
 * no other way to be found. They are the peer's and go with it. All begin with LINK_FOREIGN, so
 * that nobody outside takes a name that an actor of ours will want. */
#include <string.h>

#include "runtime/handle.h"
#include "runtime/link_state.h"
#include "runtime/memory.h"

enum { PREFIX_SIZE = sizeof LINK_FOREIGN - 1 };

struct peer_name {
    struct peer_name *next; /* owned */
    char text[];
};

/* What points at the peer's entry of this name, or at NULL. */
static struct peer_name **entry_of(struct peer *peer, const char *name) {
    struct peer_name **at = &peer->names;
    while (*at && strcmp((*at)->text, name) != 0)
        at = &(*at)->next;
    return at;
}

static void take_back(struct link *link, struct peer *peer, struct peer_name **at) {
    struct peer_name *entry = *at;
    *at = entry->next;
    peer->n_names--;
    link->host.unname(link->host.node, entry->text);
    mem_free(entry);
}

/* The same life of a program on an earlier connection, which it gave up and we still count on. */
static void take_over(struct link *link, const struct peer *peer, const char *name) {
    for (struct peer *other = link->peers; other; other = other->next) {
        if (other->incarnation != peer->incarnation) continue;
        struct peer_name **at = entry_of(other, name);
        if (*at) take_back(link, other, at);
    }
}

static enum status add(struct link *link, struct peer *peer, const struct frame *asked) {
    size_t size = strlen(asked->text) + 1;
    if (strncmp(asked->text, LINK_FOREIGN, PREFIX_SIZE) != 0 || size <= PREFIX_SIZE + 1)
        return STATUS_INVALID;
    take_over(link, peer, asked->text);
    if (peer->n_names == LINK_NAMES_MAX) return STATUS_QUOTA;
    struct peer_name *entry = mem_alloc(sizeof *entry + size);
    if (!entry) return STATUS_NO_MEMORY;
    memcpy(entry->text, asked->text, size);
    actor_handle handle = asked->handle | (uint64_t)peer->number << 48;
    enum status s = link->host.name(link->host.node, entry->text, handle);
    if (s != STATUS_OK) {
        mem_free(entry);
        return s;
    }
    entry->next = peer->names;
    peer->names = entry;
    peer->n_names++;
    return STATUS_OK;
}

static enum status withdraw(struct link *link, struct peer *peer, const char *name) {
    struct peer_name **at = entry_of(peer, name);
    if (!*at) return STATUS_NOT_FOUND;
    take_back(link, peer, at);
    return STATUS_OK;
}

void link_register(struct link *link, struct peer *peer, unsigned i, const struct frame *asked) {
    struct frame answer = {.kind = FRAME_REGISTERED, .token = asked->token};
    answer.status = asked->handle ? add(link, peer, asked) : withdraw(link, peer, asked->text);
    link_say(link, peer, &peer->channels[i], &answer);
}

void link_names_lost(struct link *link, struct peer *peer) {
    while (peer->names)
        take_back(link, peer, &peer->names);
}
