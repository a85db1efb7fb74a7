/* trunks: the ways between the lanes of a simulated node, a queue for each pair and one from
 * outside. Each keeps its order; which of them moves next is the scheduler's choice, so a message
 * may be overtaken by any that came another way, as between threads. */
#include "runtime/assert.h"
#include "runtime/memory.h"
#include "runtime/sim/world.h"

struct sim_trunk {
    struct parcel *first; /* owned list */
    struct parcel *last;
};

static uint32_t count_trunks(const struct sim_node *node) {
    return (node->core.n_lanes + 1) * node->core.n_lanes;
}

void trunks_make(struct sim_node *node) {
    node->trunks = mem_zero(count_trunks(node), sizeof *node->trunks);
    assert(node->trunks);
}

void trunks_put(struct sim_node *node, struct lane *from, struct lane *to, struct parcel *parcel) {
    uint32_t row = from ? from->index : node->core.n_lanes;
    struct sim_trunk *trunk = &node->trunks[row * node->core.n_lanes + to->index];
    parcel->next = NULL;
    if (trunk->last) {
        trunk->last->next = parcel;
    } else {
        trunk->first = parcel;
        node->n_waiting++;
    }
    trunk->last = parcel;
}

void trunks_move(struct sim_node *node, uint32_t nth) {
    assert(nth < node->n_waiting);
    uint32_t at = 0;
    for (;; at++) {
        if (!node->trunks[at].first) continue;
        if (nth-- == 0) break;
    }
    struct sim_trunk *trunk = &node->trunks[at];
    struct parcel *parcel = trunk->first;
    trunk->first = parcel->next;
    if (!trunk->first) {
        trunk->last = NULL;
        node->n_waiting--;
    }
    parcel->next = NULL;
    lane_deliver(&node->core.lanes[at % node->core.n_lanes], parcel);
}

void trunks_free(struct sim_node *node) {
    assert(node->n_waiting == 0);
    mem_free(node->trunks);
}
