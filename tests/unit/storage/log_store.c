/* log_store on both engines: each operation of a batch judged by itself, durable or not at all. */
#include "storage/log_store.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "runtime/rng.h"
#include "tests/unit/storage/place.h"

static struct log_store *open_at(struct place *place) {
    struct kv *kv = place_open(place);
    struct log_store *store = NULL;
    cr_ok(log_store_open(&kv, &store));
    cr_expect_null(kv);
    return store;
}

static void on_both(void (*body)(struct place *place, struct log_store *store)) {
    for (enum engine engine = 0; engine < N_ENGINES; engine++) {
        struct place place;
        place_make(&place, engine, true);
        body(&place, open_at(&place)); /* closes the store */
        place_remove(&place);
    }
}

/* Entries first..first+n-1 whose data is "<index>.<term>". */
static void
append(struct log_batch *batch, uint64_t id, uint64_t first, uint64_t n, uint64_t term) {
    struct log_entry entries[64];
    char data[64][32];
    for (uint64_t i = 0; i < n; i++) {
        snprintf(data[i], sizeof data[i], "%" PRIu64 ".%" PRIu64, first + i, term);
        entries[i] = (struct log_entry){
            .index = first + i, .term = term, .type = (uint8_t)i, .data = text(data[i])};
    }
    cr_ok(log_batch_append(batch, id, entries, n));
}

static enum status add_text(void *context, const struct log_entry *entry) {
    char *out = context;
    char expected[32];
    snprintf(expected, sizeof expected, "%" PRIu64 ".%" PRIu64, entry->index, entry->term);
    if (entry->data.size != strlen(expected) ||
        memcmp(entry->data.data, expected, entry->data.size) != 0)
        return STATUS_INTERNAL;
    size_t used = strlen(out);
    snprintf(out + used, 1024 - used, "%s%s", used ? " " : "", expected);
    return STATUS_OK;
}

/* "term/vote first..last: entries" */
static const char *show(struct log_store *store, uint64_t id) {
    static char out[1200];
    char entries[1024] = "";
    struct log_state state;
    cr_ok(log_store_state(store, id, &state));
    cr_ok(log_store_read(store, id, state.first, UINT64_MAX, add_text, entries));
    snprintf(out, sizeof out, "%" PRIu64 "/%" PRIu64 " %" PRIu64 "..%" PRIu64 ": %s", state.term,
             state.vote, state.first, state.last, entries);
    return out;
}

static void remembers(struct place *place, struct log_store *store) {
    const char *name = engine_name(place->engine);
    struct log_batch *batch = log_batch_new();
    cr_expect_str_eq(show(store, 7), "0/0 1..0: ", "%s", name);
    append(batch, 7, 1, 3, 1);
    cr_ok(log_batch_vote(batch, 7, 2, 9));
    append(batch, 8, 1, 1, 5);
    cr_ok(log_store_write(store, batch));
    for (int round = 0; round < 2; round++) {
        cr_expect_str_eq(show(store, 7), "2/9 1..3: 1.1 2.1 3.1", "%s", name);
        cr_expect_str_eq(show(store, 8), "0/0 1..1: 1.5", "%s", name);
        uint64_t ids[4];
        cr_expect_eq(log_store_ids(store, ids, 4), 2);
        cr_expect(ids[0] == 7 && ids[1] == 8);
        cr_expect_eq(log_store_ids(store, NULL, 0), 2);
        log_store_close(store);
        store = open_at(place);
    }
    log_batch_free(batch);
    log_store_close(store);
}
Test(log_store, remembers_logs_and_votes) {
    on_both(remembers);
}

/* A write of an earlier life, on a disk that stood still: simulator, copies-hard, seed 1381. */
static void refuses_the_late(struct place *place, struct log_store *store) {
    const char *name = engine_name(place->engine);
    struct log_batch *late = log_batch_new(), *batch = log_batch_new();
    log_batch_sign(late, log_store_writer(store));
    append(late, 7, 1, 1, 4);
    log_batch_sign(batch, log_store_writer(store));
    append(batch, 7, 1, 4, 4);
    cr_ok(log_store_write(store, batch));
    cr_expect_eq(log_store_write(store, late), STATUS_CANCELLED, "%s", name);
    cr_expect_eq(log_batch_outcome(late, 0), STATUS_CANCELLED, "%s", name);
    cr_expect_str_eq(show(store, 7), "0/0 1..4: 1.4 2.4 3.4 4.4", "%s", name);
    log_batch_clear(batch);
    append(batch, 7, 5, 1, 4);
    cr_ok(log_store_write(store, batch));
    log_batch_free(late);
    log_batch_free(batch);
    log_store_close(store);
}
Test(log_store, refuses_a_write_that_comes_behind_its_successors) {
    on_both(refuses_the_late);
}

/* Rows of operations on store 1. */
/* clang-format off */
enum step_kind { STEP_END, STEP_APPEND, STEP_TRUNCATE, STEP_DROP, STEP_VOTE };
struct step {
    enum step_kind kind;
    uint64_t first, n, term;
    enum status outcome;
};
enum { STEPS_MAX = 6 };
#define APPEND(from, count, of) {.kind = STEP_APPEND, .first = (from), .n = (count), .term = (of)}
#define TRUNCATE(to) {.kind = STEP_TRUNCATE, .first = (to)}
#define VOTE(of, to) {.kind = STEP_VOTE, .term = (of), .n = (to)}
#define DROP {.kind = STEP_DROP}
#define NO_APPEND(from, count, of) \
    {.kind = STEP_APPEND, .first = (from), .n = (count), .term = (of), .outcome = STATUS_INVALID}
#define NO_VOTE(of, to) \
    {.kind = STEP_VOTE, .term = (of), .n = (to), .outcome = STATUS_INVALID}

static const struct row {
    const char *name;
    struct step steps[STEPS_MAX];
    const char *expected;
} rows[] = {
    {"a conflict cuts what is behind", {APPEND(1, 9, 1), APPEND(4, 2, 2)},
     "0/0 1..5: 1.1 2.1 3.1 4.2 5.2"},
    {"a cut at the front", {APPEND(1, 5, 1), TRUNCATE(4)}, "0/0 4..5: 4.1 5.1"},
    {"an older cut does nothing", {APPEND(1, 5, 1), TRUNCATE(4), TRUNCATE(2)},
     "0/0 4..5: 4.1 5.1"},
    {"a cut of everything", {APPEND(1, 3, 1), TRUNCATE(4)}, "0/0 4..3: "},
    {"a jump behind a snapshot", {APPEND(1, 3, 1), TRUNCATE(21), APPEND(21, 2, 7)},
     "0/0 21..22: 21.7 22.7"},
    {"a hole is refused", {APPEND(1, 3, 1), NO_APPEND(5, 1, 1), APPEND(4, 1, 1)},
     "0/0 1..4: 1.1 2.1 3.1 4.1"},
    {"the truncated past is refused", {APPEND(1, 5, 1), TRUNCATE(4), NO_APPEND(3, 3, 2)},
     "0/0 4..5: 4.1 5.1"},
    {"a drop forgets", {APPEND(1, 5, 1), VOTE(3, 4), DROP}, "0/0 1..0: "},
    {"a dropped log begins anew", {APPEND(1, 5, 1), VOTE(3, 4), DROP, APPEND(1, 2, 8)},
     "0/0 1..2: 1.8 2.8"},
    {"a drop, a jump and a new log",
     {APPEND(1, 9, 1), DROP, APPEND(1, 2, 2), TRUNCATE(8), APPEND(8, 1, 3)}, "0/0 8..8: 8.3"},
    {"an older term is refused", {VOTE(3, 4), NO_VOTE(1, 3)}, "3/4 1..0: "},
    {"appends grow, shrink and grow",
     {APPEND(1, 9, 1), APPEND(3, 6, 2), APPEND(5, 1, 3), APPEND(6, 1, 4)},
     "0/0 1..6: 1.1 2.1 3.2 4.2 5.3 6.4"},
};
/* clang-format on */

static void add_step(struct log_batch *batch, const struct step *step) {
    if (step->kind == STEP_APPEND) append(batch, 1, step->first, step->n, step->term);
    if (step->kind == STEP_TRUNCATE) cr_ok(log_batch_truncate(batch, 1, step->first));
    if (step->kind == STEP_DROP) cr_ok(log_batch_drop(batch, 1));
    if (step->kind == STEP_VOTE) cr_ok(log_batch_vote(batch, 1, step->term, step->n));
}

/* The same steps one batch each, and all in one batch between other replicas' work: the same log.
 */
static void run_row(struct place *place, const struct row *row, bool one_batch) {
    struct log_store *store = open_at(place);
    struct log_batch *batch = log_batch_new();
    size_t numbers[STEPS_MAX], n = 0;
    for (const struct step *step = row->steps; step->kind != STEP_END; step++) {
        if (one_batch) append(batch, 100 + n, 1, 3, 1);
        numbers[n++] = log_batch_count(batch);
        add_step(batch, step);
        if (one_batch) continue;
        cr_ok(log_store_write(store, batch));
        cr_expect_eq(log_batch_outcome(batch, 0), step->outcome, "%s, step %zu", row->name, n);
        log_batch_clear(batch);
    }
    if (one_batch) {
        cr_ok(log_store_write(store, batch));
        for (size_t i = 0; i < n; i++) {
            cr_expect_eq(log_batch_outcome(batch, numbers[i]), row->steps[i].outcome, "%s",
                         row->name);
            cr_expect_str_eq(show(store, 100 + i), "0/0 1..3: 1.1 2.1 3.1", "%s", row->name);
        }
    }
    cr_expect_str_eq(show(store, 1), row->expected, "%s", row->name);
    log_store_close(store);
    store = open_at(place);
    cr_expect_str_eq(show(store, 1), row->expected, "%s, reopened", row->name);
    log_batch_free(batch);
    log_store_close(store);
}

Test(log_store, judges_each_operation) {
    for (enum engine engine = 0; engine < N_ENGINES; engine++) {
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
            for (int one_batch = 0; one_batch < 2; one_batch++) {
                struct place place;
                place_make(&place, engine, true);
                run_row(&place, &rows[i], one_batch);
                place_remove(&place);
            }
        }
    }
}

static void takes_back(struct place *place, struct log_store *store) {
    struct log_batch *batch = log_batch_new();
    append(batch, 1, 1, 2, 1);
    append(batch, 1, 3, 2, 1);
    append(batch, 2, 1, 1, 1);
    log_batch_cut(batch, 1);
    log_batch_cut(batch, 1);
    append(batch, 3, 1, 1, 1);
    cr_ok(log_store_write(store, batch));
    cr_expect_eq(log_batch_count(batch), 2);
    cr_expect_str_eq(show(store, 1), "0/0 1..2: 1.1 2.1", "%s", engine_name(place->engine));
    cr_expect_eq(log_store_ids(store, NULL, 0), 2);
    log_batch_free(batch);
    log_store_close(store);
}
Test(log_store, takes_operations_back) {
    on_both(takes_back);
}

static void refuses_holes(struct place *place, struct log_store *store) {
    (void)place;
    struct log_batch *batch = log_batch_new();
    struct log_entry entries[] = {{.index = 1}, {.index = 3}};
    cr_status(log_batch_append(batch, 1, entries, 2), STATUS_INVALID);
    cr_status(log_batch_append(batch, 1, entries, 0), STATUS_INVALID);
    entries[0].index = 0;
    cr_status(log_batch_append(batch, 1, entries, 1), STATUS_INVALID);
    cr_expect_eq(log_batch_count(batch), 0);
    cr_ok(log_store_write(store, batch));
    cr_expect_eq(log_store_ids(store, NULL, 0), 0);
    log_batch_free(batch);
    log_store_close(store);
}
Test(log_store, refuses_entries_with_a_hole_at_once) {
    on_both(refuses_holes);
}

static enum status stop_at_2(void *context, const struct log_entry *entry) {
    ++*(int *)context;
    return entry->index == 2 ? STATUS_CANCELLED : STATUS_OK;
}
static void reads_ranges(struct place *place, struct log_store *store) {
    struct log_batch *batch = log_batch_new();
    append(batch, 1, 1, 9, 1);
    cr_ok(log_batch_truncate(batch, 1, 2));
    cr_ok(log_store_write(store, batch));
    char out[1024] = "";
    cr_ok(log_store_read(store, 1, 3, 4, add_text, out));
    cr_expect_str_eq(out, "3.1 4.1", "%s", engine_name(place->engine));
    cr_ok(log_store_read(store, 1, 10, 99, add_text, out));
    cr_ok(log_store_read(store, 1, 4, 3, add_text, out));
    cr_expect_str_eq(out, "3.1 4.1");
    cr_status(log_store_read(store, 1, 1, 9, add_text, out), STATUS_NOT_FOUND);
    int n = 0;
    cr_status(log_store_read(store, 1, 2, 9, stop_at_2, &n), STATUS_CANCELLED);
    cr_expect_eq(n, 1);
    log_batch_free(batch);
    log_store_close(store);
}
Test(log_store, reads_what_it_is_asked_for) {
    on_both(reads_ranges);
}

/* Damage done through the kv itself is named, not repaired. */
static void finds_damage(struct place *place, struct log_store *store) {
    struct log_batch *batch = log_batch_new();
    append(batch, 1, 1, 5, 1);
    append(batch, 2, 1, 5, 1);
    cr_ok(log_store_write(store, batch));
    log_batch_free(batch);
    log_store_close(store);

    struct kv *kv = place_open(place);
    struct kv_batch *writes = kv_batch_new();
    static const unsigned char third[] = "\0\0\0\0\0\0\0\1e\0\0\0\0\0\0\0\3";
    static const unsigned char last[] = "\0\0\0\0\0\0\0\2e\0\0\0\0\0\0\0\5";
    kv_batch_delete(writes, (struct bytes){third, sizeof third - 1});
    kv_batch_delete(writes, (struct bytes){last, sizeof last - 1});
    cr_ok(kv_write(kv, writes, true));
    cr_ok(log_store_open(&kv, &store));
    char out[1024] = "";
    struct log_state state;
    cr_status(log_store_read(store, 1, 1, 5, add_text, out), STATUS_CORRUPT);
    cr_status(log_store_state(store, 2, &state), STATUS_CORRUPT);
    cr_expect(strstr(kv_error(), "log 2"), "%s", kv_error());
    log_store_close(store);

    kv = place_open(place);
    kv_batch_clear(writes);
    kv_batch_put(writes, (struct bytes){"\0\0\0\0\0\0\0\1h", 9}, text("short"));
    cr_ok(kv_write(kv, writes, true));
    kv_batch_free(writes);
    cr_status(log_store_open(&kv, &store), STATUS_CORRUPT);
    cr_expect_null(kv);
}
Test(log_store, names_damage) {
    on_both(finds_damage);
}

static void keeps_all_after_failure(struct place *place, struct log_store *store) {
    if (place->engine != MEMORY) {
        log_store_close(store);
        return;
    }
    struct log_batch *batch = log_batch_new();
    append(batch, 1, 1, 2, 1);
    cr_ok(log_store_write(store, batch));
    log_batch_clear(batch);
    append(batch, 1, 3, 1, 1);
    cr_ok(log_batch_drop(batch, 2));
    kv_memory_set_faults(place->disk, &(struct kv_faults){.fail_write_ppm = 1000000});
    cr_status(log_store_write(store, batch), STATUS_IO);
    cr_expect_eq(log_batch_outcome(batch, 0), STATUS_IO);
    cr_expect_str_eq(show(store, 1), "0/0 1..2: 1.1 2.1");
    kv_memory_set_faults(place->disk, NULL);
    log_batch_clear(batch);
    append(batch, 1, 3, 1, 2);
    cr_ok(log_store_write(store, batch));
    cr_expect_str_eq(show(store, 1), "0/0 1..3: 1.1 2.1 3.2");
    log_batch_free(batch);
    log_store_close(store);
}
Test(log_store, a_failed_write_changes_nothing) {
    on_both(keeps_all_after_failure);
}

/* Power is lost at random moments: what was answered OK is there, and no log has a hole. */
enum { N_STORES = 5 };
static void survive(uint64_t seed) {
    struct place place;
    struct rng rng;
    struct log_state known[N_STORES];
    rng_init(&rng, seed);
    place_make(&place, MEMORY, true);
    for (int i = 0; i < N_STORES; i++)
        known[i] = (struct log_state){.first = 1};
    struct log_store *store = open_at(&place);
    struct log_batch *batch = log_batch_new();
    for (int step = 0; step < 60; step++) {
        kv_memory_set_faults(place.disk,
                             &(struct kv_faults){.seed = rng_next(&rng), .fail_write_ppm = 200000});
        struct log_state next[N_STORES];
        memcpy(next, known, sizeof next);
        log_batch_clear(batch);
        for (uint64_t n = 1 + rng_below(&rng, 5); n > 0; n--) {
            uint64_t id = rng_below(&rng, N_STORES);
            struct log_state *state = &next[id];
            if (rng_below(&rng, 5) == 0) {
                state->first += rng_below(&rng, 4);
                if (state->last + 1 < state->first) state->last = state->first - 1;
                cr_ok(log_batch_truncate(batch, id, state->first));
                continue;
            }
            uint64_t length = state->last + 1 - state->first;
            uint64_t first = state->first + length - rng_below(&rng, length < 3 ? length + 1 : 3);
            uint64_t size = 1 + rng_below(&rng, 4);
            append(batch, id, first, size, 1);
            state->last = first + size - 1;
        }
        if (log_store_write(store, batch) == STATUS_OK) memcpy(known, next, sizeof next);
        if (rng_below(&rng, 4)) continue;
        kv_memory_crash(place.disk);
        log_store_close(store);
        store = open_at(&place);
        for (uint64_t id = 0; id < N_STORES; id++) {
            struct log_state state;
            char out[1024] = "";
            cr_ok(log_store_state(store, id, &state));
            cr_assert(state.first == known[id].first && state.last == known[id].last,
                      "seed %" PRIu64, seed);
            cr_ok(log_store_read(store, id, state.first, state.last, add_text, out));
        }
    }
    log_batch_free(batch);
    log_store_close(store);
    place_remove(&place);
}
Test(log_store, survives_power_loss) {
    for (uint64_t seed = 1; seed <= 100; seed++)
        survive(seed);
}

/* What lies on the disk, with one thing about it that is wrong; and its verdict: of opening, or of
 * reading. */
static void put_raw(struct kv *kv, const char *kind, size_t tail, const void *value, size_t size) {
    unsigned char key[8 + 1 + 9] = {0, 0, 0, 0, 0, 0, 0, 5, (unsigned char)*kind};
    if (tail >= 8) key[16] = 1; /* entry 1 */
    struct kv_batch *batch = kv_batch_new();
    kv_batch_put(batch, (struct bytes){key, 9 + tail}, (struct bytes){value, size});
    cr_ok(kv_write(kv, batch, true));
    kv_batch_free(batch);
}

static enum status verdict(struct place *place) {
    struct kv *kv = place_open(place);
    struct log_store *store = NULL;
    struct log_state state;
    char entries[1024] = "";
    enum status s = log_store_open(&kv, &store);
    if (s != STATUS_OK) return s;
    s = log_store_state(store, 5, &state);
    if (s == STATUS_OK) s = log_store_read(store, 5, 1, 9, add_text, entries);
    log_store_close(store);
    return s;
}

Test(log_store, says_what_is_malformed) {
    static const unsigned char one[32] = {[23] = 1, [31] = 1}; /* first 1, last 1 */
    static const unsigned char nowhere[32] = {[31] = 1};
    static const unsigned char backwards[32] = {[23] = 5, [31] = 1};
    static const unsigned char endless[32] = {
        [23] = 1,   [24] = 255, [25] = 255, [26] = 255, [27] = 255,
        [28] = 255, [29] = 255, [30] = 255, [31] = 255};
    static const char entry[] = "\0\0\0\0\0\0\0\2\0"
                                "1.2";
    static const struct {
        const char *what;
        const void *state;
        size_t state_size, entry_tail, entry_size; /* tail: of its key; 0: there is none */
        enum status status;
    } odd[] = {
        {"nothing", one, 32, 8, 12, STATUS_OK},
        {"no state", NULL, 0, 8, 12, STATUS_CORRUPT},
        {"a short state", one, 31, 8, 12, STATUS_CORRUPT},
        {"a long state", one, 33, 8, 12, STATUS_CORRUPT},
        {"a log from 0", nowhere, 32, 8, 12, STATUS_CORRUPT},
        {"an end before the beginning", backwards, 32, 8, 12, STATUS_CORRUPT},
        {"an end at the largest number", endless, 32, 8, 12, STATUS_CORRUPT},
        {"an entry that is not there", one, 32, 0, 0, STATUS_CORRUPT},
        {"an entry without its term", one, 32, 8, 8, STATUS_CORRUPT},
        {"an entry's key that is too long", one, 32, 9, 12, STATUS_CORRUPT},
    };
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        struct place place;
        place_make(&place, MEMORY, true);
        unsigned char state[33] = {0};
        struct kv *kv = place_open(&place);
        if (odd[i].state) memcpy(state, odd[i].state, 32);
        if (odd[i].state) put_raw(kv, "h", 0, state, odd[i].state_size);
        if (odd[i].entry_tail) put_raw(kv, "e", odd[i].entry_tail, entry, odd[i].entry_size);
        kv_close(kv);
        enum status s = verdict(&place);
        cr_expect_eq(s, odd[i].status, "%s: %s", odd[i].what, status_name(s));
        place_remove(&place);
    }
}

Test(log_store, refuses_numbers_that_no_log_can_have) {
    struct log_batch *batch = log_batch_new();
    struct log_entry last = {.index = UINT64_MAX};
    cr_status(log_batch_reset(batch, 1, 0), STATUS_INVALID);
    cr_status(log_batch_append(batch, 1, &last, 1), STATUS_INVALID);
    cr_expect_eq(log_batch_count(batch), 0);
    log_batch_free(batch);
}
