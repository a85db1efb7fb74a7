/* relay: what comes from other processes is from outside: an envelope may claim the system band, or
 * a handle without incarnation, and gets neither. */
#include "runtime/relay.h"

#include <string.h>
#include <sys/epoll.h>

#include "runtime/host.h"
#include "runtime/keyring.h"
#include "runtime/link.h"
#include "runtime/log.h"
#include "runtime/memory.h"
#include "runtime/turn_state.h"

struct relay {
    struct node *node;      /* borrowed */
    struct link *link;      /* owned */
    struct parcel *lookups; /* owned: PARCEL_LOOKUP that the link works on */
    bool more;              /* the link has more to read */
};

/* --- what the link needs
 * ---------------------------------------------------------------------------- */

static struct lane *first_lane(struct node *node) {
    return &node->core.lanes[0];
}

static void deliver(void *host, struct parcel *parcel) {
    struct node *node = host;
    struct envelope *envelope = &parcel->envelope;
    if (envelope->kind == PARCEL_CREDIT) {
        credit_take(&node->core, parcel);
        return;
    }
    if (link_keeps_ledger(node->relay->link, handle_peer(envelope->from))) credit_mark(parcel);
    if (envelope->kind == PARCEL_CALL || envelope->kind == PARCEL_CAST)
        if (envelope->band == BAND_SYSTEM) envelope->band = BAND_CONTROL;
    if (handle_peer(envelope->to) != 0 ||
        handle_incarnation(envelope->to) == HANDLE_ANY_INCARNATION)
        core_refuse(&node->core, first_lane(node), parcel, STATUS_LOST_PEER, NULL);
    else
        core_send(&node->core, first_lane(node), parcel);
}

/* Handles of this process mean something to the asker; a third process's do not. */
static actor_handle find(void *host, const char *name) {
    struct node *node = host;
    actor_handle handle = registry_find(&node->core.registry, name);
    return handle_peer(handle) == 0 ? handle : 0;
}

static enum status name(void *host, const char *text, actor_handle handle) {
    struct node *node = host;
    return registry_add(&node->core.registry, text, handle);
}

static void unname(void *host, const char *text) {
    struct node *node = host;
    registry_remove(&node->core.registry, text);
}

static void refuse(void *host, struct parcel *parcel, enum status reason) {
    struct node *node = host;
    core_refuse(&node->core, first_lane(node), parcel, reason, NULL);
}

static void lost(void *host, uint16_t peer) {
    struct node *node = host;
    credit_lost(&node->core, peer);
    core_lost(&node->core, first_lane(node), peer);
}

static void found(void *host, uint64_t token, enum status status, actor_handle handle) {
    struct node *node = host;
    struct relay *relay = node->relay;
    struct parcel **at = &relay->lookups;
    while (*at && (uintptr_t)*at != token)
        at = &(*at)->next;
    struct parcel *asked = *at;
    if (!asked) return;
    *at = asked->next;
    struct found answer = {status, handle};
    struct parcel *parcel =
        parcel_local(PARCEL_FOUND, asked->envelope.from, &answer, sizeof answer);
    parcel->envelope.correlation = asked->envelope.correlation;
    core_refuse(&node->core, NULL, asked, status, NULL); /* frees what it carries */
    core_send(&node->core, first_lane(node), parcel);
}

static uint64_t now_us(void *host) {
    struct node *node = host;
    return node->core.driver->now_us(&node->core);
}

static void alarm_people(void *host, const char *words) {
    struct node *node = host;
    log_error("%s", words);
    alarm_raise_told(&node->core, "link_refused", "", "%s", words);
}

/* --- for the lane
 * ----------------------------------------------------------------------------------- */

static void send_unparked(struct core *core, struct parcel *parcel) {
    struct node *node = core->host;
    link_send(node->relay->link, parcel);
}

enum status relay_open(struct node *node, const struct node_options *given, struct relay **out) {
    struct relay *relay = mem_zero(1, sizeof *relay);
    if (!relay) {
        keyring_free(given->keyring);
        return STATUS_NO_MEMORY;
    }
    relay->node = node;
    node->core.credits.go = send_unparked;
    struct link_options options = {
        .zmq_context = node->context,
        .address = given->link,
        .name = node->core.name,
        .incarnation = node->core.incarnation,
        .keyring = given->keyring,
        .insecure = given->insecure,
    };
    struct link_host host = {
        .node = node,
        .deliver = deliver,
        .find = find,
        .name = name,
        .unname = unname,
        .refuse = refuse,
        .lost = lost,
        .found = found,
        .now_us = now_us,
        .alarm = alarm_people,
    };
    enum status s = link_open(&options, &host, &relay->link);
    if (s == STATUS_OK)
        s = worker_watch(&node->workers[0], link_fd(relay->link), EPOLLIN, WORKER_RELAY, 0, false);
    if (s != STATUS_OK) {
        relay_close(relay);
        return s;
    }
    *out = relay;
    return STATUS_OK;
}

void relay_close(struct relay *relay) {
    if (!relay) return;
    link_close(relay->link);
    while (relay->lookups) {
        struct parcel *parcel = relay->lookups;
        relay->lookups = parcel->next;
        core_refuse(&relay->node->core, NULL, parcel, STATUS_LOST_PEER, NULL);
    }
    mem_free(relay);
}

const char *relay_address(const struct relay *relay) {
    return link_address(relay->link);
}

void relay_send(struct relay *relay, struct parcel *parcel) {
    struct core *core = &relay->node->core;
    if (parcel->envelope.kind == PARCEL_CANCEL && credit_cancels(core, parcel)) return;
    bool ledger = link_keeps_ledger(relay->link, handle_peer(parcel->envelope.to));
    if (ledger && !credit_pays(core, parcel)) return;
    link_send(relay->link, parcel);
}

void relay_lookup(struct relay *relay, struct parcel *parcel) {
    struct seek seek;
    memcpy(&seek, parcel->room, sizeof seek);
    parcel->next = relay->lookups;
    relay->lookups = parcel;
    link_lookup(relay->link, seek.address, seek.name, (uintptr_t)parcel, seek.deadline_us);
}

void relay_wake(struct relay *relay) {
    relay->more = link_ready(relay->link);
}

bool relay_flush(struct relay *relay) {
    return link_flush(relay->link);
}

void relay_tick(struct relay *relay, uint64_t now) {
    if (relay->more) relay_wake(relay);
    if (link_due(relay->link) <= now) link_tick(relay->link);
}

uint64_t relay_due_us(const struct relay *relay) {
    return relay->more ? 0 : link_due(relay->link);
}

bool relay_peer(const struct relay *relay, size_t nth, struct link_peer *out) {
    return link_peer(relay->link, nth, out);
}

void relay_security(const struct relay *relay, struct link_security *out) {
    link_security(relay->link, out);
}

const struct rebuff *relay_rebuff(const struct relay *relay, size_t nth) {
    return link_rebuff(relay->link, nth);
}

enum keyring_change relay_renew_keys(struct relay *relay, struct keyring *keyring) {
    return link_renew_keys(relay->link, keyring);
}
