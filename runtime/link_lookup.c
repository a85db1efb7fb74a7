/* link_lookup: names asked of peers. A lookup waits for its peer to open, is asked once, and ends
 * exactly once: answered, lost with its peer, or out of time. */
#include <string.h>

#include "runtime/handle.h"
#include "runtime/link_state.h"
#include "runtime/memory.h"
#include "runtime/text.h"

/* Unlinked before host.found runs: it may look up again. */
static void end(struct link *link, struct lookup *lookup, enum status status, actor_handle handle) {
    struct lookup **at = &link->lookups;
    while (*at != lookup)
        at = &(*at)->next;
    *at = lookup->next;
    uint64_t token = lookup->token;
    mem_free(lookup);
    link->host.found(link->host.node, token, status, handle);
}

static void ask(struct link *link, struct lookup *lookup) {
    struct frame frame = {.kind = FRAME_LOOKUP, .token = lookup->id};
    memcpy(frame.text, lookup->name, sizeof frame.text);
    lookup->asked = true;
    link_say(link, lookup->peer, &lookup->peer->channels[PEER_CONTROL], &frame);
}

void link_ask(struct link *link, struct peer *peer) {
    for (struct lookup *l = link->lookups; l; l = l->next) {
        if (l->peer == peer && !l->asked) ask(link, l);
    }
}

void link_answered(struct link *link, struct peer *peer, const struct frame *found) {
    struct lookup *lookup = link->lookups;
    while (lookup && !(lookup->peer == peer && lookup->asked && lookup->id == found->token)) {
        lookup = lookup->next;
    }
    if (!lookup) return; /* its time was over */
    enum status status = found->status;
    actor_handle handle = found->handle | (uint64_t)peer->number << 48;
    end(link, lookup, status, status == STATUS_OK ? handle : 0);
}

/* The list may change under host.found, so each search starts anew. */
static struct lookup *of_peer(const struct link *link, const struct peer *peer) {
    struct lookup *lookup = link->lookups;
    while (lookup && lookup->peer != peer)
        lookup = lookup->next;
    return lookup;
}

void link_lookups_lost(struct link *link, struct peer *peer) {
    struct lookup *lookup;
    while ((lookup = of_peer(link, peer)))
        end(link, lookup, STATUS_LOST_PEER, 0);
}

bool link_is_looked_up(const struct link *link, const struct peer *peer) {
    return of_peer(link, peer);
}

/* When it ends unanswered, and how. */
static uint64_t last_moment(const struct lookup *lookup, enum status *status) {
    if (!lookup->peer) {
        *status = lookup->failure;
        return 0;
    }
    *status = lookup->asked          ? STATUS_EXPIRED
              : lookup->peer->denied ? STATUS_DENIED
                                     : STATUS_LOST_PEER;
    uint64_t patience = lookup->begun_us + (uint64_t)LINK_REACH_MS * 1000;
    bool waits_for_peer = !lookup->asked && patience < lookup->deadline_us;
    return waits_for_peer ? patience : lookup->deadline_us;
}

void link_lookups_tick(struct link *link, uint64_t now_us) {
    uint64_t newest = link->last_lookup; /* what host.found starts is not for this tick */
    struct lookup *lookup = link->lookups;
    while (lookup) {
        enum status status;
        uint64_t moment = last_moment(lookup, &status);
        if (moment <= now_us && lookup->id <= newest) {
            end(link, lookup, status, 0);
            lookup = link->lookups;
            continue;
        }
        link_sooner(link, moment);
        lookup = lookup->next;
    }
}

void link_lookups_free(struct link *link) {
    while (link->lookups) {
        struct lookup *next = link->lookups->next;
        mem_free(link->lookups);
        link->lookups = next;
    }
}

static struct peer *opened_at(const struct link *link, const char *address) {
    struct peer *peer = link->peers;
    while (peer && !(peer->opened && peer->state != PEER_DEAD && !strcmp(peer->address, address))) {
        peer = peer->next;
    }
    return peer;
}

/* The peer at the address, known or new. */
static enum status reach(struct link *link, const char *address, struct peer **out) {
    size_t size = strnlen(address, ENDPOINT_MAX + 1);
    if (size == 0 || size > ENDPOINT_MAX) return STATUS_INVALID;
    struct peer *peer = opened_at(link, address);
    if (!peer) {
        if (link->n_peers == LINK_PEERS_MAX) return STATUS_BUSY;
        peer = link_new_peer(link);
        if (!peer) return STATUS_NO_MEMORY;
        peer->opened = true;
        memcpy(peer->address, address, size + 1);
        enum status s = peer_connect(peer, &link->self, &link->bells, link_now(link));
        if (s != STATUS_OK) {
            link_fail(link, peer, NULL);
            return s;
        }
        link_sooner(link, link_now(link) + (uint64_t)LINK_HELLO_MS * 1000);
        link_mark_busy(link, peer);
    }
    *out = peer;
    return STATUS_OK;
}

void link_lookup(struct link *link,
                 const char *address,
                 const char *name,
                 uint64_t token,
                 uint64_t deadline_us) {
    struct lookup *lookup = mem_zero(1, sizeof *lookup);
    if (!lookup) {
        /* Nothing to remember it by: the one outcome that comes at once. */
        link->host.found(link->host.node, token, STATUS_NO_MEMORY, 0);
        return;
    }
    link_enter(link);
    size_t size = strnlen(name, LINK_NAME_MAX + 1);
    lookup->token = token;
    lookup->id = ++link->last_lookup;
    lookup->begun_us = link_now(link);
    lookup->deadline_us = deadline_us;
    lookup->next = link->lookups;
    link->lookups = lookup;
    lookup->failure = STATUS_INVALID;
    if (size > 0 && size <= LINK_NAME_MAX && text_valid(name, size)) {
        memcpy(lookup->name, name, size);
        lookup->failure = reach(link, address, &lookup->peer);
    }
    if (lookup->peer && lookup->peer->state == PEER_OPEN) ask(link, lookup);
    enum status status;
    link_sooner(link, last_moment(lookup, &status));
    link_leave(link);
}
