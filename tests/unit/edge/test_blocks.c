/* Memory that sessions take and give back, against a table of what was written into it. */
#include <criterion/criterion.h>
#include <string.h>

#include "adapters/edge/blocks.h"
#include "runtime/memory.h"
#include "runtime/rng.h"

enum { HELD = 64, ROUNDS = 20000, SIZE_MAX_TRIED = 3000 };

static struct blocks blocks;
static struct {
    unsigned char *memory;
    size_t size;
    unsigned char byte;
} held[HELD];

static void check(size_t i) {
    for (size_t at = 0; at < held[i].size; at++)
        cr_assert_eq(held[i].memory[at], held[i].byte);
}

static void write_to(size_t i, void *memory, size_t size, unsigned char byte) {
    cr_assert(memory);
    cr_assert_eq((uintptr_t)memory % 16, 0);
    held[i].memory = memset(memory, byte, size);
    held[i].size = size;
    held[i].byte = byte;
}

static void resize(size_t i, size_t size) {
    size_t kept = held[i].size < size ? held[i].size : size;
    held[i].memory = blocks_resize(&blocks, held[i].memory, size);
    held[i].size = kept;
    check(i);
    write_to(i, held[i].memory, size, held[i].byte);
}

Test(blocks, nobody_writes_into_the_memory_of_another) {
    uint64_t before = mem_counted().alive;
    struct rng rng;
    rng_init(&rng, 4711);
    for (int round = 0; round < ROUNDS; round++) {
        size_t i = rng_next(&rng) % HELD, size = rng_next(&rng) % SIZE_MAX_TRIED;
        unsigned char byte = (unsigned char)round;
        check(i);
        switch (rng_next(&rng) % 4) {
        case 0:
            blocks_free(&blocks, held[i].memory);
            write_to(i, blocks_alloc(&blocks, size), size, byte);
            break;
        case 1:
            blocks_free(&blocks, held[i].memory);
            held[i].memory = blocks_zero(&blocks, size, 1);
            held[i].size = size;
            held[i].byte = 0;
            check(i);
            write_to(i, held[i].memory, size, byte);
            break;
        case 2:
            resize(i, size);
            break;
        default:
            blocks_free(&blocks, held[i].memory);
            held[i].memory = NULL;
            held[i].size = 0;
        }
    }
    for (size_t i = 0; i < HELD; i++)
        blocks_free(&blocks, held[i].memory);
    cr_expect_leq(blocks.kept, BLOCKS_KEPT_MAX);
    blocks_close(&blocks);
    cr_expect_eq(mem_counted().alive, before);
}

Test(blocks, what_is_kept_is_bounded) {
    enum { MANY = 2000 };
    static void *all[MANY];
    for (size_t i = 0; i < MANY; i++)
        cr_assert(all[i] = blocks_alloc(&blocks, 1200));
    for (size_t i = 0; i < MANY; i++)
        blocks_free(&blocks, all[i]);
    cr_expect_leq(blocks.kept, BLOCKS_KEPT_MAX);
    cr_expect_leq(mem_counted().alive, BLOCKS_KEPT_MAX / 1200);
    blocks_close(&blocks);
    cr_expect_eq(mem_counted().alive, 0);
}

Test(blocks, sizes_that_overflow_are_refused) {
    cr_expect_null(blocks_alloc(&blocks, SIZE_MAX));
    cr_expect_null(blocks_zero(&blocks, SIZE_MAX / 2, 3));
}
