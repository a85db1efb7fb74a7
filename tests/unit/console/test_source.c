/* The source in the simulator: it finds every process from one, survives their loss, and asks each
 * question once at a time. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/console/answer.h"
#include "cli/console/model.h"
#include "cli/console/source.h"
#include "runtime/memory.h"
#include "runtime/sim/sim.h"

static struct sim *sim;
static struct orders orders;
static struct model model;
static size_t answers[QUESTION_COUNT];
static const char *const first[] = {"sim://2"};
static struct source_options options;

static void take(void *context, struct event *event) {
    (void)context;
    answers[event->question]++;
    model_take(&model, event);
    mem_free(event);
}

static void set_up(void) {
    model_init(&model);
    memset(answers, 0, sizeof answers);
    cr_assert_eq(orders_init(&orders), STATUS_OK);
    close(orders.wake_fd);
    orders.wake_fd = -1; /* the simulator has no descriptors */
    orders.wanted.every_ms = 1000;
    options = (struct source_options){first, 1, &orders, take, NULL};
    sim = sim_open(
        &(struct sim_options){.seed = 3, .nodes = 3, .delay_us_min = 100, .delay_us_max = 900});
    cr_assert(sim_spawn(sim, "console", &source_type, &options));
}

static void tear_down(void) {
    sim_close(&sim);
    orders_free(&orders);
    model_free(&model);
}

TestSuite(source, .init = set_up, .fini = tear_down);

Test(source, asks_on_a_timer) {
    sim_run(sim, 5500000);
    const struct process *process = model_process(&model, "sim://2");
    cr_assert(process);
    cr_expect_eq(process->status, STATUS_OK);
    cr_expect_not_null(process->report);
    cr_expect_eq(process->n_actors, 0, "nobody asked for actors");
    cr_expect_geq(answers[QUESTION_REPORT], 4);
    cr_expect_leq(answers[QUESTION_REPORT], 7);
}

Test(source, asks_what_is_wanted) {
    orders.wanted.questions = 1u << QUESTION_ACTORS | 1u << QUESTION_WAITS;
    sim_run(sim, 3500000);
    const struct process *process = model_process(&model, "sim://2");
    cr_assert(process);
    cr_expect_not_null(model_actor(process, "sys"));
    cr_expect_gt(answers[QUESTION_WAITS], 0);
    cr_expect_eq(answers[QUESTION_REPORT], 0);
}

Test(source, a_lost_process_comes_back) {
    sim_run(sim, 2500000);
    sim_cut(sim, 1, 2);
    sim_run(sim, 12000000);
    const struct process *process = model_process(&model, "sim://2");
    cr_expect_neq(process->status, STATUS_OK);
    cr_expect_not_null(process->report);
    size_t before = answers[QUESTION_REPORT];
    cr_expect_lt(before, 30, "it does not hammer");
    sim_heal(sim, 1, 2);
    sim_run(sim, 12000000);
    cr_expect_eq(model_process(&model, "sim://2")->status, STATUS_OK);
}

Test(source, single_orders_are_done_once) {
    struct once once = {.kind = ONCE_DO};
    strcpy(once.address, "sim://2");
    strcpy(once.actor, "nobody");
    strcpy(once.action, "restart");
    sim_run(sim, 1500000);
    cr_assert(orders_once(&orders, &once));
    sim_run(sim, 3500000);
    cr_expect_eq(answers[QUESTION_DO], 1);
}

Test(source, orders_are_bounded) {
    struct once once = {.kind = ONCE_UNTAP};
    for (unsigned i = 0; i < ORDERS_ONCE_MAX; i++)
        cr_expect(orders_once(&orders, &once));
    cr_expect_not(orders_once(&orders, &once));
}
