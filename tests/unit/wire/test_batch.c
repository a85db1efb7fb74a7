/* Batches: what a lane hands to another comes out as it went in, in order, whole. */
#include <criterion/criterion.h>
#include <string.h>

#include "runtime/batch.h"
#include "runtime/memory.h"
#include "runtime/rng.h"
#include "runtime/turn.h"

enum { ROUNDS = 300, PARCELS_MAX = 200 };

/* Sizes around the bound of what travels by value are as likely as small ones. */
static struct parcel *random_parcel(struct rng *rng) {
    size_t size =
        rng_below(rng, 8) ? rng_below(rng, PARCEL_INLINE + 2) : rng_below(rng, 3 * PARCEL_PAGE);
    struct parcel *parcel = parcel_new(size);
    cr_assert(parcel);
    struct envelope *e = &parcel->envelope;
    e->kind = (uint8_t)rng_below(rng, PARCEL_LOST + 1);
    e->band = (uint8_t)rng_below(rng, BAND_COUNT);
    e->flags = (uint8_t)rng_next(rng);
    e->op = (uint32_t)rng_next(rng);
    e->to = rng_next(rng);
    e->from = rng_next(rng);
    if (rng_below(rng, 2)) e->correlation = rng_next(rng);
    if (rng_below(rng, 2)) e->deadline_us = rng_next(rng);
    if (rng_below(rng, 2)) e->trace[rng_below(rng, 2)] = rng_next(rng);
    if (rng_below(rng, 2)) e->span = rng_next(rng);
    if (rng_below(rng, 3) == 0) e->parent = rng_next(rng);
    for (size_t i = 0; i < size; i++)
        parcel->body[i] = (unsigned char)rng_next(rng);
    return parcel;
}

static struct parcel *copy_of(const struct parcel *parcel) {
    struct parcel *copy = parcel_new(parcel->size);
    cr_assert(copy);
    copy->envelope = parcel->envelope;
    memcpy(copy->body, parcel->body, parcel->size);
    return copy;
}

static void expect_same(const struct parcel *a, const struct parcel *b) {
    cr_assert_eq(memcmp(&a->envelope, &b->envelope, sizeof a->envelope), 0);
    cr_assert_eq(a->size, b->size);
    cr_assert_eq(memcmp(a->body, b->body, a->size), 0);
}

static void one_batch(struct rng *rng) {
    struct parcel *wanted[PARCELS_MAX], *parcel, *got;
    struct parcel *batch = batch_new();
    size_t n = 0, at = 0;
    cr_assert(batch);
    for (; n < PARCELS_MAX; n++) {
        parcel = random_parcel(rng);
        wanted[n] = copy_of(parcel);
        if (batch_put(batch, parcel)) continue;
        parcel_free(parcel); /* full */
        parcel_free(wanted[n]);
        break;
    }
    cr_assert_geq(n, PARCEL_PAGE / 256);
    for (size_t i = 0; i < n; i++) {
        got = batch_next(batch, &at);
        cr_assert(got);
        expect_same(wanted[i], got);
        parcel_free(got);
        parcel_free(wanted[i]);
    }
    cr_assert_null(batch_next(batch, &at));
    parcel_free(batch);
}

Test(batch, gives_back_what_was_put_in_order) {
    struct rng rng;
    rng_init(&rng, 7);
    int64_t alive = parcel_alive();
    for (int i = 0; i < ROUNDS; i++)
        one_batch(&rng);
    cr_assert_eq(parcel_alive(), alive);
}

Test(batch, a_large_body_travels_by_pointer) {
    struct parcel *batch = batch_new(), *parcel = parcel_new(100000);
    size_t at = 0;
    cr_assert(batch && parcel);
    cr_assert(batch_put(batch, parcel));
    cr_assert_eq(batch_next(batch, &at), parcel);
    parcel_free(parcel);
    parcel_free(batch);
}
