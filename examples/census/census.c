/* census: a process of its own whose actor joins a running Vectron: it finds the router there by
 * name, asks it, and is called by others through its own link.
 *
 *     census ROUTER-LINK OWN-LINK        census ipc://vectron-data/link.ipc tcp://127.0.0.1:9300 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <vectron.h>

#include "census.pb-c.h"
#include "router.pb-c.h"

struct census {
    const char *link;      /* of the router's process */
    vectron_handle router; /* 0: not known */
    uint32_t asked;
};

/* What one Count waits for: the promise is all that is needed later, and the router answers fast.
 */
struct count {
    struct vectron_promise promise;
};

static void listed(void *self,
                   void *context,
                   const struct vectron_outcome *outcome,
                   struct vectron_turn *turn) {
    struct census *census = self;
    struct count *count = context;
    if (outcome->status != VECTRON_OK) {
        if (outcome->status == VECTRON_LOST_PEER) census->router = 0; /* look it up again */
        vectron_reject(turn, &count->promise, outcome->status, "router: %s", outcome->text);
    } else {
        const RouterCollections *list = (const RouterCollections *)outcome->message;
        Census__Counted counted = CENSUS__COUNTED__INIT;
        counted.collections = (uint32_t)list->n_names;
        counted.names = list->names;
        counted.n_names = list->n_names;
        counted.asked = census->asked;
        vectron_resolve(turn, &count->promise, &counted.base);
    }
    free(count);
}

static void ask_router(struct census *census, struct count *count, struct vectron_turn *turn) {
    RouterListCollections list = ROUTER_LIST_COLLECTIONS__INIT;
    vectron_call(turn, &(struct vectron_call){.size = sizeof(struct vectron_call),
                                              .to = census->router,
                                              .message = &list.base,
                                              .reply = &router_collections__descriptor,
                                              .done = listed,
                                              .context = count,
                                              .timeout_us = 2000000});
}

static void
found(void *self, void *context, const struct vectron_outcome *outcome, struct vectron_turn *turn) {
    struct census *census = self;
    struct count *count = context;
    if (outcome->status == VECTRON_OK) {
        census->router = outcome->handle;
        ask_router(census, count, turn);
        return;
    }
    vectron_reject(turn, &count->promise, outcome->status, "no router: %s", outcome->text);
    free(count);
}

static enum vectron_status
on_count(void *self, const ProtobufCMessage *message, struct vectron_turn *turn) {
    struct census *census = self;
    (void)message;
    struct count *count = malloc(sizeof *count);
    if (!count) return vectron_fail(turn, VECTRON_NO_MEMORY, "no memory to count");
    census->asked++;
    count->promise = vectron_defer(turn);
    if (census->router)
        ask_router(census, count, turn);
    else
        vectron_lookup(turn, &(struct vectron_lookup){.size = sizeof(struct vectron_lookup),
                                                      .address = census->link,
                                                      .name = "router",
                                                      .done = found,
                                                      .context = count});
    return VECTRON_OK;
}

static void answered(void *self,
                     void *context,
                     const struct vectron_outcome *outcome,
                     struct vectron_turn *turn) {
    struct count *count = context;
    (void)self;
    if (outcome->status == VECTRON_OK)
        vectron_resolve(turn, &count->promise, outcome->message);
    else
        vectron_reject(turn, &count->promise, outcome->status, "%s", outcome->text);
    free(count);
}

/* Anybody who has a name here: an actor of this program, or one that a foreign program registered.
 */
static enum vectron_status
on_ask(void *self, const ProtobufCMessage *message, struct vectron_turn *turn) {
    const char *name = ((const Census__Ask *)message)->name;
    vectron_handle to = vectron_find(turn, name);
    (void)self;
    if (!to) return vectron_fail(turn, VECTRON_NOT_FOUND, "nobody is called %s here", name);
    struct count *count = malloc(sizeof *count);
    if (!count) return vectron_fail(turn, VECTRON_NO_MEMORY, "no memory to ask");
    count->promise = vectron_defer(turn);
    Census__Count ask = CENSUS__COUNT__INIT;
    vectron_call(turn, &(struct vectron_call){.size = sizeof(struct vectron_call),
                                              .to = to,
                                              .message = &ask.base,
                                              .reply = &census__counted__descriptor,
                                              .done = answered,
                                              .context = count});
    return VECTRON_OK;
}

static enum vectron_status census_open(void *self, const void *link, struct vectron_turn *turn) {
    (void)turn;
    ((struct census *)self)->link = link;
    return VECTRON_OK;
}

static const struct vectron_handler handlers[] = {
    {&census__count__descriptor, on_count},
    {&census__ask__descriptor, on_ask},
    {NULL, NULL},
};
static const struct vectron_actor_type census_type = {.size = sizeof(struct vectron_actor_type),
                                                      .kind = "census",
                                                      .state_size = sizeof(struct census),
                                                      .handlers = handlers,
                                                      .open = census_open};

int main(int n, char **words) {
    if (n != 3) return fprintf(stderr, "census ROUTER-LINK OWN-LINK\n"), 2;
    sigset_t stop;
    sigemptyset(&stop);
    sigaddset(&stop, SIGTERM);
    sigaddset(&stop, SIGINT);
    sigprocmask(SIG_BLOCK, &stop, NULL);

    struct vectron_node *node = NULL;
    struct vectron_node_options options = {
        .size = sizeof options, .name = "census", .compute_lanes = 1, .link = words[2]};
    struct vectron_spawn spawn = {
        .size = sizeof spawn, .type = &census_type, .name = "census", .options = words[1]};
    if (vectron_node_open(&options, &node) != VECTRON_OK ||
        vectron_node_spawn(node, &spawn, NULL) != VECTRON_OK)
        return fprintf(stderr, "census: %s\n", vectron_error()), 1;
    printf("ready at %s\n", vectron_node_link(node));
    fflush(stdout);
    int signal;
    sigwait(&stop, &signal);
    vectron_node_close(node);
    return 0;
}
