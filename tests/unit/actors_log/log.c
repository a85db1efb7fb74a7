/* The log actor in a simulated node, on a simulated disk: who shares a sync, who is refused, and
 * that nobody is told Done before its entries would survive power loss. */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "actors/log/log.h"
#include "runtime/rng.h"
#include "runtime/sim/sim.h"
#include "schemas/log.pb-c.h"
#include "schemas/runtime.pb-c.h"
#include "storage/log_store.h"

static struct sim *sim;
static struct kv *disk;
static struct log_store *store;
static struct log_options options;

#define cr_ok(call) cr_assert_eq((call), STATUS_OK, "%s (%s)", #call, kv_error())

static void open_store(void) {
    struct kv *kv = kv_memory_share(disk);
    cr_ok(log_store_open(&kv, &store));
    options.store = store;
}

/* --- a writer: plays a script in one turn, so that its calls reach the log together ---------- */

static void (*script)(struct turn *turn);
static unsigned n_done;

struct writer {
    int unused;
};

static void
on_outcome(void *self, void *context, const struct outcome *outcome, struct turn *turn) {
    (void)self;
    turn_note(turn, "%s: %s%s%s", (const char *)context, status_name(outcome->status),
              *outcome->text ? " " : "", outcome->text);
    if (outcome->status == STATUS_OK) n_done++;
}

static void append(struct turn *turn,
                   const char *name,
                   uint64_t id,
                   uint64_t first,
                   unsigned n,
                   const char *data) {
    LogEntry entries[8], *pointers[8];
    for (unsigned i = 0; i < n; i++) {
        log_entry__init(&entries[i]);
        entries[i].index = first + i;
        entries[i].term = 1;
        entries[i].data = (ProtobufCBinaryData){strlen(data), (uint8_t *)data};
        pointers[i] = &entries[i];
    }
    LogAppend message = LOG_APPEND__INIT;
    message.store = id;
    message.n_entries = n;
    message.entries = pointers;
    turn_call(turn, &(struct call){.to = turn_find(turn, "log"),
                                   .message = &message.base,
                                   .done = on_outcome,
                                   .context = (void *)name});
}

static void drop(struct turn *turn, const char *name, uint64_t id) {
    LogDrop message = LOG_DROP__INIT;
    message.store = id;
    turn_call(turn, &(struct call){.to = turn_find(turn, "log"),
                                   .message = &message.base,
                                   .done = on_outcome,
                                   .context = (void *)name});
}

#define WRITER_ACCEPTS(X) X(struct writer, Done, done, on_cue)
ACTOR_HANDLERS(writer_handlers, WRITER_ACCEPTS);
static enum status on_cue(struct writer *self, const Done *message, struct turn *turn) {
    (void)self, (void)message;
    script(turn);
    return STATUS_OK;
}
static const struct actor_type writer_type = {
    .kind = "writer", .size = sizeof(struct writer), .handlers = writer_handlers};

/* The notes of both actors; what was received and sent is left out. */
static const char *play(void (*run)(struct turn *turn)) {
    static char notes[4096];
    size_t used = 0;
    script = run;
    sim_trace_clear(sim);
    sim_tell(sim, "writer", MESSAGE(Done, done));
    notes[0] = '\0';
    const char *line = sim_trace(sim);
    while (*line) {
        size_t size = strcspn(line, "\n");
        if (memmem(line, size, "   ", 3))
            used += (size_t)snprintf(notes + used, sizeof notes - used, "%.*s\n", (int)size, line);
        line += size + (line[size] == '\n');
    }
    return notes;
}

static void start(void) {
    sim = sim_open(&(struct sim_options){.seed = 1});
    cr_ok(kv_memory_open(&(struct kv_options){.wal = true}, NULL, &disk));
    open_store();
    cr_assert(sim_spawn(sim, "log", &log_type, &options));
    cr_assert(sim_spawn(sim, "writer", &writer_type, NULL));
}

static void stop(void) {
    sim_close(&sim);
    log_store_close(store);
    kv_close(disk);
    options = (struct log_options){0};
}

static uint64_t last(uint64_t id) {
    struct log_state state;
    cr_ok(log_store_state(store, id, &state));
    return state.last;
}

/* --- rows ------------------------------------------------------------------------------------ */

static void three_replicas(struct turn *turn) {
    append(turn, "a", 1, 1, 2, "x");
    append(turn, "b", 2, 1, 1, "y");
    append(turn, "c", 3, 1, 1, "z");
}
Test(log, a_burst_shares_one_sync) {
    start();
    cr_expect_str_eq(play(three_replicas), "log   synced requests=3\n"
                                           "writer   a: OK\n"
                                           "writer   b: OK\n"
                                           "writer   c: OK\n");
    cr_expect(last(1) == 2 && last(2) == 1 && last(3) == 1);
    stop();
}

static void one_with_a_hole(struct turn *turn) {
    append(turn, "good", 1, 1, 1, "x");
    append(turn, "hole", 2, 5, 1, "y");
    append(turn, "behind", 1, 2, 1, "z");
}
Test(log, a_mistake_is_its_senders_alone) {
    start();
    cr_expect_str_eq(play(one_with_a_hole),
                     "log   synced requests=3\n"
                     "writer   good: OK\n"
                     "writer   hole: INVALID entries do not follow the log that is stored\n"
                     "writer   behind: OK\n");
    cr_expect_eq(last(1), 2);
    cr_expect_eq(log_store_ids(store, NULL, 0), 1);
    stop();
}

static void malformed(struct turn *turn) {
    append(turn, "empty", 1, 1, 0, "");
    append(turn, "zero", 1, 0, 1, "");
    LogEntry entry = LOG_ENTRY__INIT, *entries[] = {&entry};
    LogAppend message = LOG_APPEND__INIT;
    entry.index = 1;
    entry.type = 256;
    message.entries = entries;
    message.n_entries = 1;
    turn_call(turn, &(struct call){.to = turn_find(turn, "log"),
                                   .message = &message.base,
                                   .done = on_outcome,
                                   .context = "type"});
    append(turn, "good", 1, 1, 1, "x");
}
Test(log, refuses_what_makes_no_sense) {
    start();
    cr_expect_str_eq(play(malformed),
                     "writer   empty: INVALID nothing to append, to keep or to cut\n"
                     "writer   zero: INVALID log entries to append have a hole\n"
                     "writer   type: INVALID entry type 256 is above 255\n"
                     "log   synced requests=1\n"
                     "writer   good: OK\n");
    stop();
}

static void full(struct turn *turn) {
    append(turn, "a", 1, 1, 1, "too large for this disk");
    append(turn, "b", 2, 1, 1, "x");
}
static void small(struct turn *turn) {
    append(turn, "a", 1, 1, 1, "x");
}
Test(log, a_full_disk_fails_the_round_and_no_more) {
    start();
    kv_memory_set_faults(disk, &(struct kv_faults){.capacity_bytes = 10});
    cr_expect_str_eq(play(full), "log   failed requests=2 simulated disk of 10 bytes is full\n"
                                 "writer   a: DISK_FULL simulated disk of 10 bytes is full\n"
                                 "writer   b: DISK_FULL simulated disk of 10 bytes is full\n");
    cr_expect_eq(log_store_ids(store, NULL, 0), 0);
    kv_memory_set_faults(disk, NULL);
    cr_expect_str_eq(play(small), "log   synced requests=1\n"
                                  "writer   a: OK\n");
    stop();
}

static void too_many(struct turn *turn) {
    append(turn, "a", 1, 1, 1, "x");
    append(turn, "b", 1, 2, 1, "x");
    append(turn, "c", 1, 3, 1, "x");
}
Test(log, refuses_more_requests_than_may_wait) {
    options.waiting_requests = 2;
    start();
    const char *notes = play(too_many);
    cr_expect(strstr(notes, "writer   c: BUSY 2 requests with"), "%s", notes);
    cr_expect(strstr(notes, "log   synced requests=2\n"), "%s", notes);
    cr_expect_eq(last(1), 2);
    stop();
}

static void too_large(struct turn *turn) {
    static char data[2000];
    memset(data, 'x', sizeof data - 1);
    append(turn, "a", 1, 1, 4, data);
    append(turn, "b", 1, 5, 1, data);
}
Test(log, refuses_more_bytes_than_may_wait_but_takes_any_first_one) {
    options.waiting_bytes = 1000;
    start();
    const char *notes = play(too_large);
    cr_expect(strstr(notes, "writer   a: OK"), "%s", notes);
    cr_expect(strstr(notes, "writer   b: BUSY"), "%s", notes);
    stop();
}

static void cut_and_drop(struct turn *turn) {
    append(turn, "a", 1, 1, 5, "x");
    LogAppend message = LOG_APPEND__INIT;
    message.store = 1;
    message.truncate_before = 4;
    turn_call(turn, &(struct call){.to = turn_find(turn, "log"),
                                   .message = &message.base,
                                   .done = on_outcome,
                                   .context = "cut"});
    append(turn, "b", 2, 1, 1, "x");
    drop(turn, "drop", 2);
    drop(turn, "unknown", 3);
}
Test(log, cuts_and_drops) {
    start();
    cr_expect_str_eq(play(cut_and_drop), "log   synced requests=5\n"
                                         "writer   a: OK\n"
                                         "writer   cut: OK\n"
                                         "writer   b: OK\n"
                                         "writer   drop: OK\n"
                                         "writer   unknown: OK\n");
    struct log_state state;
    cr_ok(log_store_state(store, 1, &state));
    cr_expect(state.first == 4 && state.last == 5);
    cr_expect_eq(log_store_ids(store, NULL, 0), 1);
    stop();
}

/* What comes while a round is being written shares the next one. */
static void in_a_row(struct turn *turn) {
    append(turn, "a", 1, 1, 1, "x");
}
static void behind(struct turn *turn) {
    append(turn, "b", 1, 2, 1, "x");
    append(turn, "c", 1, 3, 1, "x");
}
Test(log, gathers_while_it_writes) {
    start();
    sim_close(&sim);
    sim = sim_open(&(struct sim_options){.seed = 1, .block_us = 1000});
    cr_assert(sim_spawn(sim, "log", &log_type, &options));
    cr_assert(sim_spawn(sim, "writer", &writer_type, NULL));
    cr_expect_str_eq(play(in_a_row), "");
    cr_expect_str_eq(play(behind), "");
    cr_expect_eq(n_done, 0);
    sim_run(sim, 1500);
    cr_expect_eq(n_done, 1);
    sim_run(sim, 1000);
    cr_expect_eq(n_done, 3);
    cr_expect_eq(last(1), 3);

    play(in_a_row); /* stopped with a round under way: nothing is kept, nothing answered */
    sim_stop(sim, "log");
    sim_run(sim, 10000);
    cr_expect_eq(n_done, 3);
    stop();
}

/* Random writers, failing writes and power losses: what was answered Done is there. */
static struct rng rng;
enum { N_LOGS = 4 };
static uint64_t next_index[N_LOGS], promised[N_LOGS];
static void on_random(void *self, void *context, const struct outcome *outcome, struct turn *turn) {
    (void)self, (void)turn;
    uint64_t packed = (uint64_t)(uintptr_t)context, id = packed % N_LOGS, upto = packed / N_LOGS;
    if (outcome->status == STATUS_OK && upto > promised[id]) promised[id] = upto;
}
static void random_writes(struct turn *turn) {
    for (uint64_t n = 1 + rng_below(&rng, 8); n > 0; n--) {
        uint64_t id = rng_below(&rng, N_LOGS);
        LogEntry entry = LOG_ENTRY__INIT, *entries[] = {&entry};
        LogAppend message = LOG_APPEND__INIT;
        entry.index = next_index[id]++;
        message.store = id;
        message.entries = entries;
        message.n_entries = 1;
        turn_call(turn, &(struct call){.to = turn_find(turn, "log"),
                                       .message = &message.base,
                                       .done = on_random,
                                       .context = (void *)(uintptr_t)(entry.index * N_LOGS + id)});
    }
}
static void live_and_die(uint64_t seed) {
    rng_init(&rng, seed);
    memset(promised, 0, sizeof promised);
    cr_ok(kv_memory_open(&(struct kv_options){.wal = true}, NULL, &disk));
    open_store();
    for (int life = 0; life < 10; life++) {
        for (uint64_t id = 0; id < N_LOGS; id++) {
            cr_assert_geq(last(id), promised[id], "seed %" PRIu64, seed);
            next_index[id] = last(id) + 1;
        }
        kv_memory_set_faults(disk,
                             &(struct kv_faults){.seed = rng_next(&rng), .fail_write_ppm = 100000});
        sim = sim_open(&(struct sim_options){
            .seed = rng_next(&rng), .shuffle = true, .block_us = (uint32_t)rng_below(&rng, 2000)});
        cr_assert(sim_spawn(sim, "log", &log_type, &options));
        cr_assert(sim_spawn(sim, "writer", &writer_type, NULL));
        script = random_writes;
        for (uint64_t n = rng_below(&rng, 20); n > 0; n--) {
            sim_tell(sim, "writer", MESSAGE(Done, done));
            sim_run(sim, rng_below(&rng, 1500));
        }
        kv_memory_crash(disk);
        sim_close(&sim);
        log_store_close(store);
        open_store();
    }
    log_store_close(store);
    kv_close(disk);
}
Test(log, survives_power_loss) {
    for (uint64_t seed = 1; seed <= 60; seed++)
        live_and_die(seed);
}
