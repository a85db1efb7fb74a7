/* The ring of a lane and what its records hold. */
#include <criterion/criterion.h>

#include "runtime/handle.h"
#include "runtime/ring.h"
#include "runtime/rng.h"
#include "runtime/span.h"

static struct ring ring;
static uint64_t out[RING_COPY][RING_WORDS];

static void put(uint64_t n) {
    ring_put(&ring, (const uint64_t[RING_WORDS]){n, n, n, n, n, n, n, n});
}

static void set_up(void) {
    cr_assert_eq(ring_open(&ring, 1000), STATUS_OK); /* becomes 1,024 */
}

static void tear_down(void) {
    ring_close(&ring);
}

TestSuite(ring, .init = set_up, .fini = tear_down);

Test(ring, gives_what_was_put_once_and_in_order) {
    uint64_t from = 0, lost = 0;
    cr_expect_eq(ring_read(&ring, &from, out, &lost), 0);
    for (uint64_t n = 0; n < 300; n++)
        put(n);
    cr_assert_eq(ring_read(&ring, &from, out, &lost), RING_COPY);
    cr_expect_eq(out[0][0], 0);
    cr_expect_eq(out[RING_COPY - 1][7], RING_COPY - 1);
    cr_assert_eq(ring_read(&ring, &from, out, &lost), 300 - RING_COPY);
    cr_expect_eq(out[0][3], RING_COPY);
    cr_expect_eq(ring_read(&ring, &from, out, &lost), 0);
    cr_expect_eq(lost, 0);
}

/* The slot that the writer may be at is never read: one less than there is room for. */
Test(ring, counts_what_was_overwritten) {
    uint64_t from = 0, lost = 0, read = 0;
    for (uint64_t n = 0; n < 5000; n++)
        put(n);
    for (size_t n; (n = ring_read(&ring, &from, out, &lost)) > 0; read += n)
        cr_expect_eq(out[0][0], 5000 - 1023 + read);
    cr_expect_eq(read, 1023);
    cr_expect_eq(lost, 5000 - 1023);
    cr_expect_eq(from, 5000);
}

Test(ring, of_no_records_reads_as_empty) {
    struct ring none;
    uint64_t from = 0, lost = 0;
    cr_assert_eq(ring_open(&none, 0), STATUS_OK);
    cr_expect_null(none.records);
    cr_expect_eq(ring_read(&none, &from, out, &lost), 0);
    ring_close(&none);
}

static struct span_record random_record(struct rng *rng) {
    struct span_record record = {
        .trace = {rng_next(rng), rng_next(rng)},
        .span = rng_next(rng),
        .parent = rng_next(rng),
        .began_us = rng_next(rng) >> 16,
        .waited_us = rng_below(rng, 1 << 28),
        .ran_us = rng_below(rng, 1 << 28),
        .from = rng_next(rng),
        .slot = (uint32_t)rng_below(rng, 1 << HANDLE_SLOT_BITS),
        .op = (uint32_t)rng_next(rng),
        .size = (uint32_t)rng_below(rng, 4096),
        .kind = (uint8_t)rng_below(rng, SPAN_KINDS),
        .band = (uint8_t)rng_below(rng, 3),
        .outcome = (uint8_t)rng_next(rng),
        .sampled = rng_below(rng, 2),
    };
    if (record.kind == SPAN_EDGE) record.waited_us = 0, record.ran_us = rng_next(rng) >> 8;
    return record;
}

Test(span, comes_out_of_its_words_as_it_went_in) {
    struct rng rng;
    rng_init(&rng, 11);
    for (int i = 0; i < 2000; i++) {
        struct span_record in = random_record(&rng), back;
        uint64_t words[RING_WORDS];
        span_pack(&in, words);
        span_unpack(words, &back);
        cr_expect_arr_eq(in.trace, back.trace, sizeof in.trace);
        cr_expect_eq(in.span, back.span);
        cr_expect_eq(in.parent, back.parent);
        cr_expect_eq(in.began_us, back.began_us);
        cr_expect_eq(in.waited_us, back.waited_us);
        cr_expect_eq(in.ran_us, back.ran_us);
        cr_expect_eq(in.from, back.from);
        cr_expect_eq(in.slot, back.slot);
        cr_expect_eq(in.op, back.op);
        cr_expect_eq(in.size, back.size);
        cr_expect_eq(in.kind, back.kind);
        cr_expect_eq(in.band, back.band);
        cr_expect_eq(in.outcome, back.outcome);
        cr_expect_eq(in.sampled, back.sampled);
    }
}

Test(span, keeps_large_sizes_and_long_times_about_right) {
    struct span_record in = {.size = 4194303, .waited_us = UINT64_C(1) << 40}, back;
    uint64_t words[RING_WORDS];
    span_pack(&in, words);
    span_unpack(words, &back);
    cr_expect(back.size <= in.size && back.size > in.size - in.size / 2048);
    cr_expect_eq(back.waited_us, (1 << 28) - 1);
    cr_expect_eq(back.ran_us, 0);
}

Test(span, names_messages_and_other_words) {
    uint32_t op = span_name("POST /a");
    cr_expect_neq(op, 0);
    cr_expect_eq(span_name("POST /a"), op);
    cr_expect_neq(span_name("POST /b"), op);
    cr_expect_str_eq(span_op_name(op), "POST /a");
    cr_expect_str_eq(span_op_name(0x8dd31791), "Done");
    cr_expect_null(span_op_name(12345));
    cr_expect_null(span_op_name(0));
}
