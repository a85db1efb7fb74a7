/* The journal beside a log that is busy at first: what is sent again is what was sent. */
#include <criterion/criterion.h>
#include <string.h>

#include "actors/journal/journal.h"
#include "runtime/sim/sim.h"
#include "schemas/log.pb-c.h"
#include "schemas/runtime.pb-c.h"

enum { SECOND = 1000 * 1000 };

static uint32_t busy_times;
static uint64_t cut[16]; /* truncate_before of each request that came */
static uint32_t n_cuts;
static uint32_t failures;

struct nothing {
    int unused;
};

static enum status on_append(struct nothing *self, const LogAppend *msg, struct turn *turn) {
    Done done = DONE__INIT;
    (void)self;
    cut[n_cuts++] = msg->truncate_before;
    if (busy_times > 0) {
        busy_times--;
        return turn_fail(turn, STATUS_BUSY, "later");
    }
    if (msg->n_entries == 0 && msg->truncate_before == 0)
        return turn_fail(turn, STATUS_INVALID, "nothing to append and nothing to cut");
    turn_reply(turn, &done.base);
    return STATUS_OK;
}

#define LOG_ACCEPTS(X) X(struct nothing, LogAppend, log_append, on_append)
ACTOR_HANDLERS(log_handlers, LOG_ACCEPTS);
static const struct actor_type log_type = {
    .kind = "log", .size = sizeof(struct nothing), .handlers = log_handlers, .lane = LANE_IO};

struct owner {
    struct journal journal;
};

static void on_durable(void *owner, struct proposals *done, struct turn *turn) {
    (void)owner, (void)turn;
    proposals_free(done);
}

static void on_failed(void *owner, enum status status, const char *text, struct turn *turn) {
    (void)owner, (void)status, (void)text, (void)turn;
    failures++;
}

/* Cuts, then cuts further while that is under way. */
static enum status owner_open(void *actor, const void *options, struct turn *turn) {
    struct owner *self = actor;
    (void)options;
    journal_init(&self->journal, &(struct journal_options){.store_id = 16,
                                                           .last = 9,
                                                           .term = 1,
                                                           .owner = self,
                                                           .durable = on_durable,
                                                           .failed = on_failed});
    journal_truncate(&self->journal, 5, turn);
    journal_truncate(&self->journal, 7, turn);
    return STATUS_OK;
}

static void owner_close(void *actor) {
    journal_free(&((struct owner *)actor)->journal);
}

static const struct handler none[] = {{NULL, NULL}};
static const struct actor_type owner_type = {.kind = "owner",
                                             .size = sizeof(struct owner),
                                             .handlers = none,
                                             .open = owner_open,
                                             .close = owner_close,
                                             .lane = LANE_IO};

Test(journal, a_cut_that_met_a_busy_log_is_asked_for_again) {
    busy_times = 3;
    n_cuts = failures = 0;
    struct sim *sim = sim_open(&(struct sim_options){.seed = 1});
    sim_spawn(sim, "log", &log_type, NULL);
    sim_spawn(sim, "owner", &owner_type, NULL);
    sim_run(sim, 10 * SECOND);
    cr_expect_eq(failures, 0);
    cr_assert_geq(n_cuts, 4);
    for (uint32_t i = 0; i < n_cuts; i++)
        cr_expect_eq(cut[i], i == 0 ? 5 : 7, "request %u cuts before %lu", i,
                     (unsigned long)cut[i]);
    sim_close(&sim);
}
