/* watchdog: reads what lanes publish (struct lane_now): numbers and static words, so an actor that
 * dies meanwhile does no harm. The thread also gives memory back, which takes too long for a lane.
 */
#include "runtime/watchdog.h"

#include <time.h>

#include "runtime/codec.h"
#include "runtime/host.h"
#include "runtime/log.h"
#include "runtime/watermark.h"

enum { LOOK_MS = 25 };

struct told {
    uint64_t turn; /* number of the last one reported */
    uint64_t at_us;
};

/* Reports the lane's turn once. */
static void look(struct node *node, struct lane *lane, struct told *told) {
    struct lane_now *doing = &lane->doing;
    uint64_t turn = atomic_load_explicit(&doing->turn, memory_order_acquire);
    if (turn % 2 == 0 || turn == told->turn) return;
    uint64_t since = atomic_load_explicit(&doing->since_us, memory_order_acquire);
    const char *kind = atomic_load_explicit(&doing->kind, memory_order_acquire);
    actor_handle actor = atomic_load_explicit(&doing->actor, memory_order_acquire);
    uint32_t op = atomic_load_explicit(&doing->op, memory_order_acquire);
    uint64_t now = node->core.driver->now_us(&node->core);
    if (now < since + LANE_STALL_US) return;
    if (atomic_load_explicit(&doing->turn, memory_order_relaxed) != turn) return;
    if (now - told->at_us < LANE_STALL_EVERY_US) return;
    *told = (struct told){turn, now};
    const ProtobufCMessageDescriptor *type = codec_find(op);
    log_error("%s/%u#%u holds lane %u since %" PRIu64 " ms in %s", kind, handle_slot(actor),
              handle_incarnation(actor), lane->index + 1, (now - since) / 1000,
              type ? type->name : "a turn without a message");
}

static void *run(void *context) {
    struct node *node = context;
    struct told told[TABLE_LANES_MAX] = {{0}};
    const struct timespec pause = {.tv_nsec = LOOK_MS * 1000000};
    pthread_setname_np(pthread_self(), "watchdog");
    while (!atomic_load_explicit(&node->closing, memory_order_relaxed)) {
        nanosleep(&pause, NULL);
        for (uint32_t i = 0; i < node->core.n_lanes; i++)
            look(node, &node->core.lanes[i], &told[i]);
        watermark_trim();
    }
    return NULL;
}

enum status watchdog_start(struct node *node) {
    if (pthread_create(&node->watchdog, NULL, run, node) != 0) return STATUS_QUOTA;
    node->watching = true;
    return STATUS_OK;
}

void watchdog_stop(struct node *node) {
    if (!node->watching) return;
    atomic_store(&node->closing, true);
    pthread_join(node->watchdog, NULL);
    node->watching = false;
}
