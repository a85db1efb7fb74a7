/* link_keys: keys that change while the link is there, and what is told about them.
 *
 * ZeroMQ's listener keeps the key it was bound with, so a new one needs a new listener at the same
 * address; and the connections of a listener end with it. Outgoing connections stay. */
#include <stdio.h>
#include <string.h>

#include "runtime/assert.h"
#include "runtime/link_state.h"

enum { REBIND_MS = 2 }; /* between attempts: its I/O thread closes the old listener meanwhile */

void link_security(const struct link *link, struct link_security *out) {
    const struct guard *guard = &link->guard;
    *out = (struct link_security){
        .listens = link->router,
        .curve = guard->curve,
        .allowed_keys = guard->keyring ? keyring_count(guard->keyring) : 0,
        .refused_incoming = guard->rebuffs.incoming,
        .refused_outgoing = guard->rebuffs.outgoing,
    };
    if (guard->keyring) snprintf(out->node, sizeof out->node, "%s", keyring_name(guard->keyring));
}

const struct rebuff *link_rebuff(const struct link *link, size_t nth) {
    const struct rebuffs *rebuffs = &link->guard.rebuffs;
    return nth < rebuffs->n ? &rebuffs->rows[nth] : NULL;
}

void link_rebind(struct link *link, uint64_t now_us) {
    char bound[ENDPOINT_MAX + 1];
    if (!link->rebind_us) return;
    if (now_us >= link->rebind_us) {
        if (endpoint_bind(link->router, link->bound, bound, sizeof bound) == STATUS_OK) {
            link->rebind_us = 0;
            return;
        }
        link->rebind_us = now_us + (uint64_t)REBIND_MS * 1000;
    }
    link_sooner(link, link->rebind_us);
}

static void listen_with_new_key(struct link *link) {
    for (struct peer *peer = link->peers; peer; peer = peer->next) {
        if (!peer->opened) link_fail(link, peer, "this node has a new key");
    }
    /* Only one that was not bound again since the last change is not bound now. */
    int rc = link->rebind_us ? 0 : zmq_unbind(link->router, link->bound);
    assert(rc == 0);
    enum status s = guard_listen(&link->guard, link->router, link->bound);
    assert(s == STATUS_OK); /* there are keys */
    link->rebind_us = link_now(link);
    link_rebind(link, link->rebind_us);
}

enum keyring_change link_renew_keys(struct link *link, struct keyring *keyring) {
    enum keyring_change change = guard_renew(&link->guard, keyring);
    link_enter(link);
    for (struct peer *peer = link->peers; peer; peer = peer->next) {
        if (!guard_allows(&link->guard, peer->key))
            link_fail(link, peer, "your key is not allowed here any more");
    }
    if (change == KEYRING_NEW && link->guard.curve) listen_with_new_key(link);
    link_leave(link);
    return change;
}
