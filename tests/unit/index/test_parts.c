/* The parts of the index that have rules of their own: slots, ids, numbers, epoch, tail, pool. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "index/cells.h"
#include "index/epoch.h"
#include "index/ids.h"
#include "index/numbers.h"
#include "index/pool.h"
#include "index/slots.h"
#include "index/tail.h"
#include "runtime/rng.h"

Test(slots, never_move_and_start_as_zero) {
    struct slots slots;
    slots_init(&slots, 24);
    cr_assert_eq(slots_grow(&slots, 1), STATUS_OK);
    char *first = slots_at(&slots, 0);
    cr_assert_eq(slots_grow(&slots, 200000), STATUS_OK);
    cr_expect_eq(slots_at(&slots, 0), first);
    for (uint32_t slot = 0; slot < 200000; slot++) {
        static const char zero[24];
        cr_assert_arr_eq((char *)slots_at(&slots, slot), zero, 24);
        memset(slots_at(&slots, slot), (int)(slot % 251 + 1), 24);
    }
    for (uint32_t slot = 0; slot < 200000; slot++)
        cr_assert_eq(*(unsigned char *)slots_at(&slots, slot), slot % 251 + 1);
    slots_reset(&slots);
    slots_reset(&slots);
}

Test(slots, vectors_are_aligned) {
    struct slots slots;
    slots_init(&slots, 128);
    cr_assert_eq(slots_grow(&slots, 300000), STATUS_OK);
    for (uint32_t slot = 0; slot < 300000; slot += 37)
        cr_assert_eq((uintptr_t)slots_at(&slots, slot) % 64, 0);
    slots_reset(&slots);
}

/* Pages of an array's segment that are in memory. */
static size_t resident_pages(const struct slots *slots, unsigned segment) {
    enum { PAGE = 4096, MOST = 16 << 20 };
    static unsigned char map[MOST / PAGE];
    size_t bytes = slots_segment_bytes(slots, segment), n = 0;
    cr_assert_leq(bytes, MOST);
    cr_assert_eq(mincore(slots_at(slots, slots_first(segment)), bytes, map), 0);
    for (size_t i = 0; i < (bytes + PAGE - 1) / PAGE; i++)
        n += map[i] & 1;
    return n;
}

/* Huge pages are for what they are filled with; becoming one changes nothing of what is there. */
Test(slots, take_no_more_memory_than_is_used) {
    enum { N = 100 * 1000, STRIDE = 128, PAGE = 4096 };
    struct slots slots;
    slots_init(&slots, STRIDE);
    for (uint32_t slot = 0; slot < N; slot++) {
        cr_assert_eq(slots_grow(&slots, (uint64_t)slot + 1), STATUS_OK);
        memset(slots_at(&slots, slot), (int)(slot % 251 + 1), STRIDE);
    }
    unsigned last = slots_segment(N - 1);
    size_t used = (size_t)(N - slots_first(last)) * STRIDE;
    cr_assert(slots_is_mapped(&slots, last));
    cr_expect_eq(resident_pages(&slots, last), (used + PAGE - 1) / PAGE);
    for (uint32_t slot = 0; slot < N; slot++) {
        const unsigned char *bytes = slots_at(&slots, slot);
        cr_assert(bytes[0] == slot % 251 + 1 && bytes[STRIDE - 1] == bytes[0]);
    }
    slots_reset(&slots);
}

static uint32_t id_of(struct ids *ids, const char *id, size_t size) {
    uint32_t cell;
    cr_assert_eq(ids_new(ids, id, size, &cell), STATUS_OK);
    cr_assert(ids_is_valid(ids, cell, size));
    return cell;
}

Test(ids, recycle_cells_of_a_size) {
    struct ids ids;
    ids_init(&ids);
    uint32_t first = id_of(&ids, "0123456789", 10), other = id_of(&ids, "abc", 3);
    ids_recycle(&ids, first, 10);
    cr_expect_eq(id_of(&ids, "fedcba98765", 11), first);
    cr_expect_neq(id_of(&ids, "xyz", 3), first);
    cr_expect_arr_eq(ids_at(&ids, first), "fedcba98765", 11);
    cr_expect_arr_eq(ids_at(&ids, other), "abc", 3);
    for (int i = 0; i < 10000; i++)
        (void)id_of(&ids, "a longer one, to need new segments", 32);
    ids_reset(&ids);
}

/* Whatever is long lies in one piece of memory, and what had to be skipped for it is used. */
Test(ids, of_any_length_are_in_one_piece) {
    struct ids ids;
    struct rng rng;
    char id[INDEX_ID_MAX];
    rng_init(&rng, 4);
    ids_init(&ids);
    for (int i = 0; i < 3000; i++) {
        size_t size = 1 + (size_t)rng_below(&rng, INDEX_ID_MAX);
        memset(id, 'a' + i % 26, size);
        uint32_t cell = id_of(&ids, id, size);
        cr_assert_arr_eq(ids_at(&ids, cell), id, size);
    }
    uint32_t n = atomic_load(&ids.n);
    ids_recycle_cells(&ids, 64, 64 + 20);
    (void)id_of(&ids, "x", 1);
    (void)id_of(&ids, "123456789", 9);
    cr_expect_eq(atomic_load(&ids.n), n, "a longer free run was cut");
    cr_expect_not(ids_is_valid(&ids, n, 8));
    cr_expect_not(ids_is_valid(&ids, n - 1, 16));
    cr_expect_not(ids_is_valid(&ids, 63, 16)); /* over the end of a segment */
    ids_reset(&ids);
}

Test(numbers, map_what_was_added_and_not_removed) {
    enum { N = 5000 };
    struct points points;
    struct numbers numbers;
    struct rng rng;
    bool in[N] = {false};
    rng_init(&rng, 3);
    points_init(&points, INDEX_DOT, 1);
    numbers_init(&numbers);
    cr_assert_eq(points_grow(&points, N), STATUS_OK);
    cr_expect_eq(numbers_find(&numbers, &points, 1), SLOT_NONE);
    for (int i = 0; i < 40000; i++) {
        uint32_t slot = (uint32_t)rng_below(&rng, N);
        uint64_t number = (uint64_t)slot << 20 | 5;
        cr_assert_eq(numbers_find(&numbers, &points, number), in[slot] ? slot : SLOT_NONE);
        if (in[slot]) {
            cr_assert_eq(numbers_remove(&numbers, &points, number), slot);
        } else {
            cr_assert_eq(numbers_reserve(&numbers, (uint64_t)numbers.n + 1), STATUS_OK);
            points_at(&points, slot)->number = number;
            numbers_add(&numbers, &points, slot);
        }
        in[slot] = !in[slot];
        cr_assert_eq(numbers_remove(&numbers, &points, number + 1), SLOT_NONE);
    }
    numbers_reset(&numbers);
    points_reset(&points);
}

Test(epoch, passes_when_those_inside_have_left) {
    struct epoch epoch;
    epoch_init(&epoch);
    uint64_t since = epoch_now(&epoch);
    cr_expect(epoch_passed(&epoch, since));
    uint64_t old = epoch_enter(&epoch);
    since = epoch_now(&epoch);
    cr_expect_not(epoch_passed(&epoch, since));
    uint64_t young = epoch_enter(&epoch);
    cr_expect_not(epoch_passed(&epoch, since));
    epoch_leave(&epoch, old);
    cr_expect(epoch_passed(&epoch, since), "the young one came after");
    since = epoch_now(&epoch);
    cr_expect_not(epoch_passed(&epoch, since));
    epoch_leave(&epoch, young);
    cr_expect(epoch_passed(&epoch, since));
}

Test(tail, keeps_the_order_and_its_limit_over_many_turns) {
    struct tail tail;
    static struct cell cells[20000];
    struct cell *copy[10];
    uint32_t next_in = 0, next_out = 0;
    struct rng rng;
    rng_init(&rng, 1);
    cr_assert_eq(tail_init(&tail, 10), STATUS_OK);
    for (int i = 0; i < 1000; i++) {
        struct cell *batch[10];
        size_t n = rng_below(&rng, tail_room(&tail) + 1);
        for (size_t j = 0; j < n; j++)
            batch[j] = &cells[next_in++];
        tail_push(&tail, batch, n);
        size_t n_copy = tail_copy(&tail, copy);
        cr_assert_eq(n_copy, next_in - next_out);
        for (size_t j = 0; j < n_copy; j++)
            cr_assert_eq(copy[j], &cells[next_out + j]);
        for (size_t j = rng_below(&rng, n_copy + 1); j > 0; j--) {
            cr_assert_eq(tail_first(&tail), &cells[next_out++]);
            tail_pop(&tail);
        }
    }
    tail_reset(&tail);
}

/* Blocks live as long as a cell of them is in use, or a reader may look. */
Test(cells, blocks_go_when_their_points_and_readers_have) {
    struct cells cells;
    struct epoch epoch;
    struct cell *taken[300];
    epoch_init(&epoch);
    cells_init(&cells, 64);
    for (int round = 0; round < 20; round++) {
        size_t n = 0;
        while (n < 300) {
            cr_assert_eq(cells_reserve(&cells, 3), STATUS_OK);
            for (size_t i = 0; i < 3; i++) {
                taken[n + i] = cells_take(&cells);
                taken[n + i]->slot = (uint32_t)(n + i);
                memset(taken[n + i]->vector, (int)n, 64);
            }
            if (n % 7 == 0) {
                cells_undo(&cells);
                cr_assert_eq(cells_take(&cells), taken[n]);
                cr_assert_eq(cells_take(&cells), taken[n + 1]);
                cr_assert_eq(cells_take(&cells), taken[n + 2]);
            }
            cells_commit(&cells);
            n += 3;
        }
        uint64_t reader = epoch_enter(&epoch);
        size_t before = cells.bytes;
        for (size_t i = 0; i < n; i++) {
            cr_assert_eq(taken[i]->slot, i);
            cr_assert_eq((uintptr_t)taken[i]->vector % 64, 0);
            cells_done(&cells, taken[i], &epoch);
        }
        cells_free(&cells, &epoch);
        cr_expect_eq(cells.bytes, before, "a reader is inside");
        epoch_leave(&epoch, reader);
        cells_free(&cells, &epoch);
        cr_expect_leq(cells.bytes, 256 << 10, "the open block stays");
    }
    cells_reset(&cells);
}

Test(pool, distances_keep_their_order_as_keys) {
    static const float rising[] = {-3e38f, -1, -1e-45f, 0, 1e-45f, 0.5f, 1, 3e38f};
    for (size_t i = 0; i < sizeof rising / sizeof *rising; i++) {
        cr_expect_eq(pool_distance(pool_entry(rising[i], 7)), rising[i]);
        cr_expect_eq(pool_slot(pool_entry(rising[i], 7)), 7);
        if (i > 0) cr_expect_gt(pool_key(rising[i]), pool_key(rising[i - 1]));
    }
    cr_expect_eq(pool_key(-0.0f), pool_key(0.0f));
}

/* Beside a plain list: the ef best live entries are there, in order, with the dead before the last.
 */
Test(pool, keeps_the_best_live_entries) {
    enum { N = 400, EF = 20, BATCH = 40 };
    for (uint64_t seed = 1; seed <= 50; seed++) {
        struct pool pool;
        struct rng rng;
        uint64_t entries[N];
        rng_init(&rng, seed);
        pool_init(&pool);
        cr_assert_eq(pool_begin(&pool, EF, N), STATUS_OK);
        for (uint32_t i = 0; i < N;) {
            uint64_t batch[BATCH], end = pool_end(&pool);
            size_t n = 0, n_batch = 1 + rng_below(&rng, BATCH);
            for (size_t j = 0; j < n_batch && i < N; j++, i++) {
                uint64_t entry = pool_entry((float)rng_below(&rng, 100), i);
                entries[i] = entry | (rng_below(&rng, 3) == 0 ? POOL_DEAD : 0);
                if (entry < end) batch[n++] = entries[i];
            }
            pool_merge(&pool, batch, n);
        }
        size_t n_live = 0;
        for (size_t i = 0; i < pool.size; i++) {
            if (i > 0) cr_assert_lt(pool.entries[i - 1], pool.entries[i]);
            n_live += pool_is_live(pool.entries[i]);
        }
        cr_expect_eq(n_live, EF);
        cr_expect(pool_is_live(pool.entries[pool.size - 1]));
        for (size_t i = 0; i < N; i++) {
            bool kept = false, better = entries[i] < pool.entries[pool.size - 1];
            for (size_t j = 0; j < pool.size; j++)
                kept = kept || pool.entries[j] == entries[i];
            cr_assert(kept || !better || !pool_is_live(entries[i]), "seed %d", (int)seed);
        }
        pool_reset(&pool);
    }
}
