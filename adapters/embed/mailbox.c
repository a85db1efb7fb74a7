/* mailbox: actors' own ZeroMQ mailboxes, and the frames that are sent to them. */
#include <stdio.h>

#include "adapters/embed/embed.h"
#include "runtime/envelope.h"
#include "runtime/node.h"
#include "schemas/sys.pb-c.h"

static_assert((int)VECTRON_ENVELOPE_MAX >= (int)ENVELOPE_SIZE_MAX, "an envelope fits");
static_assert((int)VECTRON_CALL == (int)PARCEL_CALL, "kinds of messages");
static_assert((int)VECTRON_CANCEL == (int)PARCEL_CANCEL, "kinds of messages");

enum { NOBODY_YET = 1 /* the sender: the mailbox replaces it */ };

enum vectron_status
vectron_mailbox(struct vectron_node *node, const char *name, char out[VECTRON_MAILBOX_MAX]) {
    SysAskActor ask = SYS_ASK_ACTOR__INIT;
    ask.name = (char *)name;
    struct node_call call = {
        .name = "sys", .message = &ask.base, .reply = &sys_actor_view__descriptor};
    ProtobufCMessage *reply = NULL;
    enum status s = node_call(node->node, &call, &reply);
    if (s == STATUS_OK && reply->descriptor == &sys_actor_view__descriptor) {
        const SysActor *actor = ((const SysActorView *)reply)->actor;
        snprintf(out, VECTRON_MAILBOX_MAX, "%s", actor ? actor->endpoint : "");
        if (!*out) s = STATUS_NOT_FOUND;
    } else if (s == STATUS_OK) {
        s = STATUS_INTERNAL;
    }
    node_reply_free(reply);
    if (s == STATUS_OK) return VECTRON_OK;
    if (s == STATUS_NOT_FOUND) return embed_fail(s, "no actor with a mailbox is called %s", name);
    return embed_fail(s, "the node's sys actor does not answer");
}

size_t vectron_envelope_write(const struct vectron_envelope *envelope,
                              unsigned char out[VECTRON_ENVELOPE_MAX]) {
    struct envelope ours = {
        .kind = (uint8_t)envelope->kind,
        .band = BAND_DATA,
        .op = envelope->op,
        .from = NOBODY_YET,
        .correlation = envelope->correlation,
        .deadline_us = envelope->timeout_us ? envelope->timeout_us : NO_DEADLINE,
    };
    return envelope_encode(&ours, 0, out);
}

enum vectron_status
vectron_envelope_read(const void *bytes, size_t size, struct vectron_envelope *out) {
    struct pack_cursor cursor = {bytes, (const unsigned char *)bytes + size};
    struct envelope ours;
    const char *why = "";
    enum status s = envelope_decode(&cursor, 0, &ours, &why);
    if (s != STATUS_OK) return embed_fail(s, "%s", why);
    *out = (struct vectron_envelope){
        .kind = (enum vectron_envelope_kind)ours.kind,
        .op = ours.op,
        .correlation = ours.correlation,
        .timeout_us = ours.deadline_us == NO_DEADLINE ? 0 : ours.deadline_us,
    };
    return VECTRON_OK;
}
