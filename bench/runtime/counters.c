/* counters: what a turn writes into counters and histograms (turn_send, request_turn, turn_end), in
 * a loop of its own. The times that go into the histograms are read for deadlines and stalls
 * anyway. */
#include "bench/runtime/measure.h"
#include "runtime/lane.h"
#include "runtime/memory.h"

/* What is not kept back here was not done: the compiler may not merge two rounds. */
static inline void done(void *memory) {
    __asm__ volatile("" : : "r"(memory) : "memory");
}

double ours_counters(const struct load *load) {
    struct actor_stats *sender = mem_zero(1, sizeof *sender);
    struct actor_stats *stats = mem_zero(1, sizeof *stats);
    struct lane *lane = mem_zero(1, sizeof *lane);
    if (!sender || !stats || !lane) return 0;
    uint64_t began = measure_cpu_ns();
    for (uint64_t i = 0; i < load->messages; i++) {
        uint64_t spent = i & 7, waited = i & 1023;
        sender->sent++;
        done(sender);
        stats->received++;
        histogram_add(&stats->mailbox, waited);
        done(stats);
        stats->busy_us += spent;
        histogram_add(&stats->handler, spent);
        lane->turns++;
        lane->busy_us += spent;
        if (spent > lane->stall_max_us) lane->stall_max_us = spent;
        done(stats);
        done(lane);
    }
    uint64_t took = measure_cpu_ns() - began;
    mem_free(sender);
    mem_free(stats);
    mem_free(lane);
    return (double)took / (double)load->messages;
}

double ours_fiftieth_of_a_hop(const struct load *load) {
    return ours_untraced_cpu(load) / 50;
}
