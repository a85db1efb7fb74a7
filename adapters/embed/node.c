/* node: a node in a program, for the program's own threads. */
#include <string.h>

#include "actors/role.h"
#include "adapters/embed/embed.h"
#include "runtime/keyring.h"
#include "runtime/memory.h"
#include "runtime/node.h"
#include "runtime/raw.h"

static enum vectron_status without_size(const char *what) {
    return embed_fail(
        STATUS_INVALID,
        "struct %s: size is not sizeof, or it asks for what this version does not know", what);
}

static enum status load_keys(const struct vectron_node_options *options, struct keyring **out) {
    if (!options->key_file && !options->allowed_keys) return STATUS_OK;
    if (!options->key_file || !options->allowed_keys)
        return (enum status)embed_fail(STATUS_INVALID, "key_file and allowed_keys go together");
    struct buffer why;
    buffer_init(&why);
    struct keyring_paths paths = {options->key_file, options->allowed_keys};
    enum status s = keyring_load(&paths, out, &why);
    if (s != STATUS_OK)
        s = (enum status)embed_fail(s, "%.*s", (int)why.size, (const char *)why.data);
    buffer_free(&why);
    return s;
}

enum vectron_status vectron_node_open(const struct vectron_node_options *options,
                                      struct vectron_node **out) {
    struct vectron_node_options taken;
    if (!embed_take(&taken, sizeof taken, options)) return without_size("vectron_node_options");
    struct vectron_node *node = mem_zero(1, sizeof *node);
    if (!node) return embed_fail(STATUS_NO_MEMORY, "no memory for a node");
    struct node_options ours = {
        .name = taken.name ? taken.name : "embedded",
        .role = "embedded",
        .io_lanes = taken.io_lanes,
        .compute_lanes = taken.compute_lanes,
        .blocking = taken.blocking,
        .link = taken.link,
        .zmq_context = taken.zmq_context,
        .stall_limit_ms = taken.stall_limit_ms,
        .insecure = taken.insecure,
    };
    enum status s = load_keys(&taken, &ours.keyring);
    if (s != STATUS_OK) {
        mem_free(node);
        return (enum vectron_status)s;
    }
    sigset_t before;
    embed_block_signals(&before);
    s = node_open(&ours, &node->node);
    embed_restore_signals(&before);
    if (s != STATUS_OK) {
        mem_free(node);
        return embed_fail(s, "%s", node_error());
    }
    *out = node;
    return VECTRON_OK;
}

void vectron_node_close(struct vectron_node *node) {
    if (!node) return;
    node_close(node->node);
    embed_database_close(node);
    mem_free(node);
}

enum vectron_status vectron_node_spawn(struct vectron_node *node,
                                       const struct vectron_spawn *spawn,
                                       vectron_handle *out) {
    struct spawn taken;
    actor_handle handle = 0;
    if (!embed_spawn(spawn, &taken)) return without_size("vectron_spawn or vectron_actor_type");
    enum status s = node_spawn(node->node, &taken, &handle);
    if (s != STATUS_OK) return embed_fail(s, "%s", node_error());
    if (out) *out = handle;
    return VECTRON_OK;
}

static void stop_now(void *self, void *context, struct turn *turn) {
    (void)self;
    turn_stop(turn, *(actor_handle *)context);
}

void vectron_node_stop(struct vectron_node *node, vectron_handle actor) {
    node_run(node->node, stop_now, &actor);
}

enum vectron_status vectron_node_call(struct vectron_node *node,
                                      const struct vectron_node_call *call,
                                      ProtobufCMessage **reply) {
    struct vectron_node_call taken;
    if (!embed_take(&taken, sizeof taken, call)) return without_size("vectron_node_call");
    char text[512] = "";
    struct node_call ours = {
        .address = taken.address,
        .name = taken.name,
        .message = taken.message,
        .timeout_ms = taken.timeout_ms,
        .text = text,
        .text_size = sizeof text,
        .reply = taken.reply ? taken.reply : &raw__descriptor,
        .part = taken.part,
        .context = taken.context,
    };
    ProtobufCMessage *message = NULL;
    enum status s = node_call(node->node, &ours, &message);
    if (s != STATUS_OK) return embed_fail(s, "%s", *text ? text : status_text(s));
    if (reply)
        *reply = message;
    else
        node_reply_free(message);
    return VECTRON_OK;
}

void vectron_reply_free(ProtobufCMessage *reply) {
    node_reply_free(reply);
}

enum vectron_status vectron_decode(const ProtobufCMessageDescriptor *type,
                                   const void *bytes,
                                   size_t size,
                                   ProtobufCMessage **out) {
    enum status s = node_decode(type, bytes, size, out);
    return s == STATUS_OK ? VECTRON_OK : embed_fail(s, "no sound %s", type->name);
}

struct telling {
    const char *name;
    const ProtobufCMessage *message;
    enum status status;
};

static void tell_now(void *self, void *context, struct turn *turn) {
    (void)self;
    struct telling *telling = context;
    actor_handle to = turn_find(turn, telling->name);
    telling->status = to ? STATUS_OK : STATUS_NOT_FOUND;
    if (to) turn_tell(turn, to, telling->message);
}

enum vectron_status
vectron_node_tell(struct vectron_node *node, const char *name, const ProtobufCMessage *message) {
    struct telling telling = {name, message, STATUS_OK};
    node_run(node->node, tell_now, &telling);
    if (telling.status == STATUS_OK) return VECTRON_OK;
    return embed_fail(telling.status, "no actor is called %s", name);
}

void vectron_node_run(struct vectron_node *node, vectron_turn_fn run, void *context) {
    node_run(node->node, (turn_fn)(void (*)(void))run, context);
}

bool vectron_node_failed(const struct vectron_node *node) {
    return node_failed(node->node);
}

const char *vectron_node_link(const struct vectron_node *node) {
    return node_link(node->node);
}

void *vectron_node_zmq_context(struct vectron_node *node) {
    return node_zmq_context(node->node);
}
