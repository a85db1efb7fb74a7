/* wait: chunks of records that never move. id = use << 24 | place; the use number of a place counts
 * up, so an id comes back after 2^40 uses of one place. It begins at lane << 32, so that a record
 * which comes along from another lane can keep its id beside those that are made here. */
#include "runtime/wait.h"

#include <string.h>

#include "runtime/assert.h"
#include "runtime/cell.h"
#include "runtime/memory.h"
#include "runtime/rng.h"

enum { PLACE_BITS = 24, LANE_SHIFT = 56 };
static_assert(WAIT_CHUNK * WAIT_CHUNKS_MAX <= 1 << PLACE_BITS, "a place fits its bits");

struct wait_chunk {
    struct wait records[WAIT_CHUNK];
};

void waits_init(struct waits *waits, uint32_t lane) {
    *waits = (struct waits){.lane = lane};
}

void waits_free(struct waits *waits) {
    for (uint32_t i = 0; i < waits->n_chunks; i++)
        mem_free(waits->chunks[i]);
    mem_free(waits->chunks);
    waits_init(waits, waits->lane);
}

static void add_chunk(struct waits *waits) {
    assert(waits->n_chunks < WAIT_CHUNKS_MAX);
    struct wait_chunk **chunks =
        mem_resize(waits->chunks, (waits->n_chunks + 1) * sizeof(struct wait_chunk *));
    assert(chunks);
    waits->chunks = chunks;
    struct wait_chunk *chunk = mem_zero(1, sizeof *chunk);
    assert(chunk);
    uint64_t first = (uint64_t)waits->lane << LANE_SHIFT | (uint64_t)waits->n_chunks * WAIT_CHUNK;
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
    wait->since_us = cell->lane->now_us;
    wait->next = cell->waits;
    if (wait->next) wait->next->previous = wait;
    cell->waits = wait;
    waits->alive++;
    waits->calls += kind == WAIT_CALL;
    cell->calls += kind == WAIT_CALL;
    return wait;
}

static size_t bucket_of(actor_handle caller, uint64_t correlation) {
    return rng_mix(caller ^ rng_mix(correlation)) % WAIT_SERVED_BUCKETS;
}

void wait_ask(struct wait *served, struct wait *call) {
    call->behalf = wait_name(served);
    call->next_asked = served->asked;
    call->at_asked = &served->asked;
    if (served->asked) served->asked->at_asked = &call->next_asked;
    served->asked = call;
}

static void unask(struct wait *call) {
    *call->at_asked = call->next_asked;
    if (call->next_asked) call->next_asked->at_asked = call->at_asked;
}

/* The request is over; calls that were made for it go on. */
static void forget_asked(struct wait *served) {
    for (struct wait *call = served->asked; call; call = call->next_asked)
        call->at_asked = NULL;
}

static void unserve(struct waits *waits, struct wait *wait) {
    forget_asked(wait);
    struct wait **at = &waits->served[bucket_of(wait->peer, wait->correlation)];
    while (*at != wait)
        at = &(*at)->next_served;
    *at = wait->next_served;
}

/* --- records from other lanes
 * ------------------------------------------------------------------------------------------- */

static struct wait **alias_bucket(struct waits *waits, uint64_t alias) {
    return &waits->aliases[rng_mix(alias) % WAIT_ALIAS_BUCKETS];
}

static void forget_alias(struct waits *waits, struct wait *wait) {
    struct wait **at = alias_bucket(waits, wait->alias);
    while (*at != wait)
        at = &(*at)->next_alias;
    *at = wait->next_alias;
    waits->n_aliases--;
}

struct wait *wait_adopt(struct waits *waits, struct cell *cell, const struct wait *was) {
    struct wait *wait = wait_new(waits, cell, was->kind);
    struct wait made = *wait;
    *wait = *was;
    wait->timer = made.timer;
    wait->id = made.id;
    wait->cell = cell;
    wait->next = made.next;
    wait->previous = made.previous;
    wait->alias = wait_name(was);
    wait->asked = wait->next_asked = NULL; /* of the other lane */
    wait->at_asked = NULL;
    struct wait **bucket = alias_bucket(waits, wait->alias);
    wait->next_alias = *bucket;
    *bucket = wait;
    waits->n_aliases++;
    if (wait->kind == WAIT_SERVE) wait_serve(waits, wait, was->peer, was->correlation);
    return wait;
}

static struct wait *find_alias(const struct waits *waits, const struct cell *cell, uint64_t id) {
    struct wait *wait = waits->aliases[rng_mix(id) % WAIT_ALIAS_BUCKETS];
    while (wait && (wait->alias != id || wait->cell != cell))
        wait = wait->next_alias;
    return wait;
}

void wait_free(struct waits *waits, struct wait *wait) {
    assert(wait->kind != WAIT_FREE && wait->timer.place == 0);
    if (wait->kind == WAIT_SERVE) unserve(waits, wait);
    if (wait->alias) forget_alias(waits, wait);
    if (wait->at_asked) unask(wait);
    if (wait->previous)
        wait->previous->next = wait->next;
    else
        wait->cell->waits = wait->next;
    if (wait->next) wait->next->previous = wait->previous;
    waits->calls -= wait->kind == WAIT_CALL;
    wait->cell->calls -= wait->kind == WAIT_CALL;
    waits->alive--;
    wait->kind = WAIT_FREE;
    wait->next = waits->free;
    waits->free = wait;
}

struct wait *wait_find(const struct waits *waits, const struct cell *cell, uint64_t id) {
    uint64_t place = id & (((uint64_t)1 << PLACE_BITS) - 1);
    if (place < (uint64_t)waits->n_chunks * WAIT_CHUNK) {
        struct wait *wait = &waits->chunks[place / WAIT_CHUNK]->records[place % WAIT_CHUNK];
        if (wait->id == id && wait->kind != WAIT_FREE && wait->cell == cell) return wait;
    }
    return waits->n_aliases > 0 ? find_alias(waits, cell, id) : NULL;
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

void waits_look(const struct waits *waits,
                enum wait_kind kind,
                uint32_t n,
                void (*visit)(const struct wait *, void *),
                void *context) {
    for (uint32_t i = 0; i < waits->n_chunks && n > 0; i++)
        for (size_t j = 0; j < WAIT_CHUNK && n > 0; j++) {
            const struct wait *wait = &waits->chunks[i]->records[j];
            if (wait->kind != kind) continue;
            visit(wait, context);
            n--;
        }
}

size_t waits_bytes(const struct waits *waits) {
    return waits->n_chunks * sizeof(struct wait_chunk);
}
