/* zactor: a node as a CZMQ actor. CZMQ's functions are weak here: whoever has a pipe to call this
 * with has CZMQ, and nobody else has to. */
#include <czmq.h>
#include <errno.h>

#include "adapters/embed/embed.h"

#pragma weak zsock_signal
#pragma weak zsock_set_rcvtimeo
#pragma weak zstr_recv
#pragma weak zstr_send
#pragma weak zstr_free
#pragma weak zsys_init

enum { LOOK_MS = 200 };

static enum vectron_status start(struct vectron_zactor *self, struct vectron_node **node) {
    struct vectron_node_options options;
    if (self->size < sizeof *self || !self->node ||
        !embed_take(&options, sizeof options, self->node))
        return embed_fail(STATUS_INVALID, "struct vectron_zactor: a size is not sizeof");
    options.size = sizeof options;
    options.zmq_context = zsys_init();
    enum vectron_status s = vectron_node_open(&options, node);
    return s == VECTRON_OK && self->setup ? self->setup(*node, self->context) : s;
}

/* Until the pipe says $TERM, or the program was interrupted. */
static void serve(zsock_t *pipe, const struct vectron_node *node) {
    bool told = false;
    zsock_set_rcvtimeo(pipe, LOOK_MS);
    for (;;) {
        char *word = zstr_recv(pipe);
        bool over = word ? strcmp(word, "$TERM") == 0 : errno != EAGAIN;
        zstr_free(&word);
        if (over) return;
        if (told || !vectron_node_failed(node)) continue;
        zstr_send(pipe, "FAILED");
        told = true;
    }
}

void vectron_zactor(zsock_t *pipe, void *args) {
    struct vectron_zactor *self = args;
    struct vectron_node *node = NULL;
    self->status = start(self, &node);
    snprintf(self->error, sizeof self->error, "%s", self->status ? vectron_error() : "");
    bool good = self->status == VECTRON_OK;
    self->open = good ? node : NULL;
    zsock_signal(pipe, good ? 0 : 1);
    if (good) serve(pipe, node);
    vectron_node_close(node);
}
