/* What arenas of one thread leave to each other. */
#include "runtime/arena.h"

#include <criterion/criterion.h>
#include <string.h>

#include "runtime/memory.h"

static struct arena_stash stash;

static void *fill(struct arena *arena, size_t size) {
    void *memory = arena_alloc(arena, size);
    cr_assert(memory);
    return memset(memory, 7, size);
}

Test(arena, a_first_chunk_goes_to_the_next_arena) {
    struct arena arena;
    arena_stash_enter(&stash);
    uint64_t before = mem_counted().alive;
    for (int round = 0; round < 3; round++) {
        arena_init(&arena, 0);
        fill(&arena, 100);
        fill(&arena, 100000); /* a chunk that is not kept */
        arena_free(&arena);
        cr_expect_leq(stash.n, 1);
        cr_expect_eq(mem_counted().alive - before, stash.n);
    }
    arena_stash_enter(NULL);
    arena_stash_close(&stash);
    cr_expect_eq(mem_counted().alive, before);
}

Test(arena, a_stash_is_bounded) {
    enum { MANY = 1000 };
    static struct arena arenas[MANY];
    uint64_t before = mem_counted().alive;
    arena_stash_enter(&stash);
    for (size_t i = 0; i < MANY; i++) {
        arena_init(&arenas[i], 0);
        fill(&arenas[i], 1);
    }
    for (size_t i = 0; i < MANY; i++)
        arena_free(&arenas[i]);
    cr_expect_lt(stash.n, MANY);
    cr_expect_eq(mem_counted().alive - before, stash.n);
    arena_stash_enter(NULL);
    arena_stash_close(&stash);
    cr_expect_eq(mem_counted().alive, before);
}

Test(arena, one_of_a_thread_without_a_stash_may_end_in_one_with) {
    struct arena arena;
    arena_init(&arena, 0);
    fill(&arena, 10);
    arena_stash_enter(&stash);
    arena_free(&arena);
    arena_init(&arena, 8192);
    fill(&arena, 5000);
    cr_expect_null(arena_alloc(&arena, 4000), "the limit holds for kept chunks too");
    arena_stash_enter(NULL);
    arena_free(&arena);
    arena_stash_close(&stash);
}
