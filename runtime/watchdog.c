/* watchdog: reads what lanes publish (struct lane_now): numbers and static words, so an actor that
 * dies meanwhile does no harm. It counts time by its own looks, none of them for more than it is
 * long: a process that was stopped (SIGSTOP) or starved did not stall, nor did a lane whose thread
 * only waits for a core. The thread also gives memory back, which takes too long for a lane. */
#include "runtime/watchdog.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "runtime/codec.h"
#include "runtime/host.h"
#include "runtime/log.h"
#include "runtime/profile.h"
#include "runtime/stack.h"
#include "runtime/watermark.h"

enum { ALARM_CALM_US = 10 * 1000 * 1000 }; /* without a stall end the alarm */
enum { WHERE_MAX = 400 };                  /* of a stack in words */
enum { LOOK_MS = 25, LOOK_MAX_US = 4 * LOOK_MS * 1000 };

/* What is known of a lane. */
struct watched {
    uint64_t told; /* number of the last turn reported */
    uint64_t told_us;
    uint64_t seen; /* number of the turn that was running at the last look, 0 = none */
    uint64_t seen_us;
    uint64_t last;       /* number of the turn, or of the pause behind it, at the last look */
    uint64_t stalled_us; /* how long that one was seen running */
    uint64_t ran_us;     /* of its thread, when that turn was first seen */
    uint64_t waited_us;  /* of its thread, at the last look */
    bool alarmed;
};

/* Adds to the time that the same turn was seen running. */
static void measure(struct watched *watched, uint64_t turn, uint64_t now) {
    uint64_t passed = now - watched->seen_us;
    bool same = turn % 2 == 1 && turn == watched->seen;
    if (passed > LOOK_MAX_US) passed = LOOK_MAX_US;
    watched->stalled_us = same ? watched->stalled_us + passed : 0;
    watched->seen = turn % 2 == 1 ? turn : 0;
    watched->seen_us = now;
}

/* How long a turn that is `us` old by now has held its lane. A thread that is ready may be waiting
 * for a core at this moment, which the kernel counts when it has one: what it ran is what counts.
 * Of one that sleeps in its turn all counts but its waits. */
static uint64_t held_us(const struct lane *lane, const struct watched *watched, uint64_t us) {
    if (!runqueue_is_ready(&lane->queue)) return lane_held_us(lane, us);
    uint64_t ran = runqueue_read(&lane->queue).ran_us - watched->ran_us;
    return ran < us ? ran : us;
}

/* The actor cannot be taken out of its handler, so its process ends; a core file, or a debugger,
 * shows the thread that holds the lane. */
static _Noreturn void end_process(struct node *node, uint32_t lane) {
    log_error("lane %u made no progress for %" PRIu32 " ms: the process ends", lane + 1,
              node->stall_limit_ms);
    pthread_kill(node->workers[lane].thread, SIGABRT);
    nanosleep(&(struct timespec){.tv_sec = 1}, NULL);
    abort();
}

static void lane_text(const struct lane *lane, char text[16]) {
    snprintf(text, 16, "lane/%" PRIu32, lane->index + 1);
}

/* ", at memcpy < on_search < …"; "" where the thread does not tell. */
static void find_where(pthread_t thread, char where[WHERE_MAX]) {
    static const char begin[] = ", at ";
    struct stack stack;
    where[0] = '\0';
    if (!stack_ask(thread, &stack)) return;
    memcpy(where, begin, sizeof begin);
    stack_words(&stack, where + sizeof begin - 1, WHERE_MAX - sizeof begin);
}

static void raise_alarm(struct node *node,
                        const struct lane *lane,
                        struct watched *watched,
                        const char *what,
                        const char *where) {
    char subject[16];
    lane_text(lane, subject);
    watched->alarmed = true;
    alarm_raise_told(&node->core, "stalled_lane", subject, "one turn in %s for more than %d ms%s",
                     what, LANE_STALL_US / 1000, where);
}

static void end_alarm(struct node *node, const struct lane *lane, struct watched *watched) {
    char subject[16];
    lane_text(lane, subject);
    watched->alarmed = false;
    alarm_clear(&node->core, "stalled_lane", subject);
}

/* What the thread waited for a core since the look before a turn was first seen may all be that
 * turn's: a watchdog that is short of a core itself comes late. */
static void note_times(struct lane *lane, struct watched *watched, uint64_t turn) {
    if (turn == watched->last && turn % 2 == 0) return; /* it rests */
    struct runqueue_times times = runqueue_read(&lane->queue);
    if (turn != watched->last) {
        atomic_store_explicit(&lane->waited_us, watched->waited_us, memory_order_relaxed);
        watched->ran_us = times.ran_us;
    }
    watched->waited_us = times.waited_us;
    watched->last = turn;
}

/* Reports the lane's turn once. */
static void look(struct node *node, struct lane *lane, struct watched *watched) {
    struct lane_now *doing = &lane->doing;
    uint64_t turn = atomic_load_explicit(&doing->turn, memory_order_acquire);
    note_times(lane, watched, turn);
    measure(watched, turn, node->core.driver->now_us(&node->core));
    if (watched->stalled_us > 0) profile_stalled(node->workers[lane->index].thread);
    uint64_t limit_us = (uint64_t)node->stall_limit_ms * 1000;
    if (watched->stalled_us >= limit_us && held_us(lane, watched, watched->stalled_us) >= limit_us)
        end_process(node, lane->index);
    if (watched->alarmed && turn != watched->told &&
        watched->seen_us - watched->told_us > ALARM_CALM_US)
        end_alarm(node, lane, watched);
    if (turn % 2 == 0 || turn == watched->told) return;
    uint64_t since = atomic_load_explicit(&doing->since_us, memory_order_acquire);
    const char *kind = atomic_load_explicit(&doing->kind, memory_order_acquire);
    actor_handle actor = atomic_load_explicit(&doing->actor, memory_order_acquire);
    uint32_t op = atomic_load_explicit(&doing->op, memory_order_acquire);
    uint64_t now = node->core.driver->now_us(&node->core);
    if (now < since + LANE_STALL_US) return;
    if (held_us(lane, watched, now - since) < LANE_STALL_US) return; /* it had no core */
    if (atomic_load_explicit(&doing->turn, memory_order_relaxed) != turn) return;
    if (now - watched->told_us < LANE_STALL_EVERY_US) return;
    watched->told = turn;
    watched->told_us = now;
    const ProtobufCMessageDescriptor *type = codec_find(op);
    char where[WHERE_MAX];
    find_where(node->workers[lane->index].thread, where);
    log_error("%s/%u#%u holds lane %u since %" PRIu64 " ms in %s%s", kind, handle_slot(actor),
              handle_incarnation(actor), lane->index + 1, (now - since) / 1000,
              type ? type->name : "a turn without a message", where);
    raise_alarm(node, lane, watched, type ? type->name : kind, where);
}

static void *run(void *context) {
    struct node *node = context;
    struct watched watched[TABLE_LANES_MAX] = {{0}};
    const struct timespec pause = {.tv_nsec = LOOK_MS * 1000000};
    pthread_setname_np(pthread_self(), "watchdog");
    while (!atomic_load_explicit(&node->closing, memory_order_relaxed)) {
        nanosleep(&pause, NULL);
        for (uint32_t i = 0; i < node->core.n_lanes; i++)
            look(node, &node->core.lanes[i], &watched[i]);
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
