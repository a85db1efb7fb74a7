/* wait: chunks of records that never move. id = use << 24 | place; the use number of a place counts
 * up, so an id comes back after 2^40 uses of one place. */
#include "runtime/wait.h"

#include <string.h>

#include "runtime/assert.h"
#include "runtime/cell.h"
#include "runtime/memory.h"
#include "runtime/rng.h"

enum { PLACE_BITS = 24 };
static_assert(WAIT_CHUNK * WAIT_CHUNKS_MAX <= 1 << PLACE_BITS, "a place fits its bits");

struct wait_chunk {
    struct wait records[WAIT_CHUNK];
};

void waits_init(struct waits *waits) {
    *waits = (struct waits){0};
}

void waits_free(struct waits *waits) {
    for (uint32_t i = 0; i < waits->n_chunks; i++)
        mem_free(waits->chunks[i]);
    mem_free(waits->chunks);
    waits_init(waits);
}

static void add_chunk(struct waits *waits) {
    assert(waits->n_chunks < WAIT_CHUNKS_MAX);
    struct wait_chunk **chunks =
        mem_resize(waits->chunks, (waits->n_chunks + 1) * sizeof(struct wait_chunk *));
    assert(chunks);
    waits->chunks = chunks;
    struct wait_chunk *chunk = mem_zero(1, sizeof *chunk);
    assert(chunk);
    uint64_t first = (uint64_t)waits->n_chunks * WAIT_CHUNK;
    for (size_t i = WAIT_CHUNK; i-- > 0;) {
        chunk->records[i].id = first + i;
        chunk->records[i].next = waits->free;
        waits->free = &chunk->records[i];
    }
    chunks[waits->n_chunks++] = chunk;
}

struct wait *wait_new(struct waits *waits, struct cell *cell, enum wait_kind kind) {
    if (!waits->free) add_chunk(waits);
    struct wait *wait = waits->free;
    waits->free = wait->next;
    *wait = (struct wait){.id = wait->id + ((uint64_t)1 << PLACE_BITS), .kind = kind, .cell = cell};
    wait->next = cell->waits;
    if (wait->next) wait->next->previous = wait;
    cell->waits = wait;
    waits->alive++;
    waits->calls += kind == WAIT_CALL;
    return wait;
}

static size_t bucket_of(actor_handle caller, uint64_t correlation) {
    return rng_mix(caller ^ rng_mix(correlation)) % WAIT_SERVED_BUCKETS;
}

static void unserve(struct waits *waits, struct wait *wait) {
    struct wait **at = &waits->served[bucket_of(wait->peer, wait->correlation)];
    while (*at != wait)
        at = &(*at)->next_served;
    *at = wait->next_served;
}

void wait_free(struct waits *waits, struct wait *wait) {
    assert(wait->kind != WAIT_FREE && wait->timer.place == 0);
    if (wait->kind == WAIT_SERVE) unserve(waits, wait);
    if (wait->previous)
        wait->previous->next = wait->next;
    else
        wait->cell->waits = wait->next;
    if (wait->next) wait->next->previous = wait->previous;
    waits->calls -= wait->kind == WAIT_CALL;
    waits->alive--;
    wait->kind = WAIT_FREE;
    wait->next = waits->free;
    waits->free = wait;
}

struct wait *wait_find(const struct waits *waits, const struct cell *cell, uint64_t id) {
    uint64_t place = id & (((uint64_t)1 << PLACE_BITS) - 1);
    if (place >= (uint64_t)waits->n_chunks * WAIT_CHUNK) return NULL;
    struct wait *wait = &waits->chunks[place / WAIT_CHUNK]->records[place % WAIT_CHUNK];
    return wait->id == id && wait->kind != WAIT_FREE && wait->cell == cell ? wait : NULL;
}

void wait_serve(struct waits *waits, struct wait *wait, actor_handle caller, uint64_t correlation) {
    wait->peer = caller;
    wait->correlation = correlation;
    struct wait **bucket = &waits->served[bucket_of(caller, correlation)];
    wait->next_served = *bucket;
    *bucket = wait;
}

struct wait *wait_served(const struct waits *waits,
                         const struct cell *cell,
                         actor_handle caller,
                         uint64_t correlation) {
    struct wait *wait = waits->served[bucket_of(caller, correlation)];
    while (wait && (wait->cell != cell || wait->peer != caller || wait->correlation != correlation))
        wait = wait->next_served;
    return wait;
}

void waits_each(struct waits *waits, void (*visit)(struct wait *, void *), void *context) {
    for (uint32_t i = 0; i < waits->n_chunks; i++)
        for (size_t j = 0; j < WAIT_CHUNK; j++)
            if (waits->chunks[i]->records[j].kind != WAIT_FREE)
                visit(&waits->chunks[i]->records[j], context);
}
