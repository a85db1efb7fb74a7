/* loader: slots of batches. A slot sends a range of its batch; when the server refuses a range as
 * malformed the range is halved until the bad points stand alone. */
#include "cli/loader.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "runtime/arena.h"
#include "runtime/assert.h"
#include "runtime/memory.h"
#include "runtime/rng.h"
#include "schemas/apigateway.pb-c.h"

enum {
    RANGES_MAX = 32, /* halving a batch of 2^31 */
    BACKOFF_MS = 50,
    BACKOFF_MAX_MS = 5000,
    CODE_INVALID = 3,
};

enum slot_state { SLOT_FREE, SLOT_FILLING, SLOT_FLYING, SLOT_WAITING };

struct range {
    size_t begin, end;
};

struct slot {
    struct loader *loader;
    enum slot_state state;
    struct arena arena; /* of the points */
    Vectron__V1__Point **points;
    uint64_t *rows;
    size_t n;
    size_t bytes;
    struct range ranges[RANGES_MAX]; /* still to be sent, the last one first */
    size_t n_ranges;
    uint32_t attempt;
    uint64_t since_ms; /* of the first attempt of the range */
    uint64_t wake_ms;  /* while waiting */
};

struct loader {
    struct loader_options options;
    struct slot *slots;   /* owned, options.concurrency of them */
    struct slot *filling; /* NULL: none */
    struct rng rng;
    uint64_t retries;
    enum status status; /* the first failure */
    char words[LOADER_WORDS_MAX];
};

static uint64_t now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void fail(struct loader *loader, enum status status, const char *text) {
    if (loader->status != STATUS_OK) return;
    loader->status = status;
    snprintf(loader->words, sizeof loader->words, "%s", text);
}

static void finished(void *context, struct client_result *result);

static void send_range(struct slot *slot) {
    struct loader *loader = slot->loader;
    const struct range *range = &slot->ranges[slot->n_ranges - 1];
    Vectron__V1__UpsertRequest request = VECTRON__V1__UPSERT_REQUEST__INIT;
    request.collection = (char *)loader->options.collection;
    request.points = slot->points + range->begin;
    request.n_points = range->end - range->begin;
    struct client_call call = {"Upsert", &request.base, &vectron__v1__upsert_response__descriptor};
    slot->state = SLOT_FLYING;
    if (slot->attempt == 0) slot->since_ms = now_ms();
    slot->attempt++;
    enum status status = client_start(loader->options.client, &call, finished, slot);
    if (status != STATUS_OK) fail(loader, status, "out of memory");
}

/* The next range of the batch, or the slot is free again. */
static void go_on(struct slot *slot) {
    slot->attempt = 0;
    if (--slot->n_ranges > 0)
        send_range(slot);
    else
        slot->state = SLOT_FREE;
}

static void take_acked(struct slot *slot) {
    const struct range *range = &slot->ranges[slot->n_ranges - 1];
    struct loader *loader = slot->loader;
    if (loader->options.acked)
        loader->options.acked(loader->options.context, slot->rows + range->begin,
                              range->end - range->begin);
    go_on(slot);
}

static void take_refused(struct slot *slot, const char *text) {
    struct loader *loader = slot->loader;
    struct range range = slot->ranges[slot->n_ranges - 1];
    if (range.end - range.begin == 1) {
        bool on = loader->options.refused &&
                  loader->options.refused(loader->options.context, slot->rows[range.begin], text);
        if (on)
            go_on(slot);
        else
            fail(loader, STATUS_INVALID, text);
        return;
    }
    size_t middle = range.begin + (range.end - range.begin) / 2;
    assert(slot->n_ranges < RANGES_MAX);
    slot->ranges[slot->n_ranges - 1] = (struct range){middle, range.end};
    slot->ranges[slot->n_ranges++] = (struct range){range.begin, middle};
    slot->attempt = 0;
    send_range(slot);
}

static void wait_a_while(struct slot *slot, uint32_t told_ms) {
    uint64_t backoff = (uint64_t)BACKOFF_MS << (slot->attempt < 7 ? slot->attempt : 7);
    if (backoff > BACKOFF_MAX_MS) backoff = BACKOFF_MAX_MS;
    backoff = backoff / 2 + rng_below(&slot->loader->rng, backoff / 2 + 1);
    if (backoff < told_ms) backoff = told_ms;
    slot->wake_ms = now_ms() + backoff;
    slot->state = SLOT_WAITING;
    slot->loader->retries++;
}

static void finished(void *context, struct client_result *result) {
    struct slot *slot = context;
    struct loader *loader = slot->loader;
    client_reply_free(result->reply);
    if (loader->status != STATUS_OK) return;
    if (result->code == 0) {
        take_acked(slot);
    } else if (result->code == CODE_INVALID) {
        take_refused(slot, result->text);
    } else if (client_code_passes(result->code) &&
               now_ms() - slot->since_ms < loader->options.patience_ms) {
        wait_a_while(slot, result->retry_after_ms);
    } else {
        char text[LOADER_WORDS_MAX];
        snprintf(text, sizeof text, "%s: %s", client_code_name(result->code), result->text);
        fail(loader, STATUS_INTERNAL, text);
    }
}

/* Moves everything on by one step; waits when nothing is ready. */
static void step(struct loader *loader) {
    uint64_t now = now_ms(), wake = now + 200;
    for (uint32_t i = 0; i < loader->options.concurrency; i++) {
        struct slot *slot = &loader->slots[i];
        if (slot->state != SLOT_WAITING) continue;
        if (slot->wake_ms <= now)
            send_range(slot);
        else if (slot->wake_ms < wake)
            wake = slot->wake_ms;
    }
    if (client_wait(loader->options.client, (unsigned)(wake - now)) > 0 || wake <= now) return;
    struct timespec pause = {.tv_nsec = (long)((wake - now) % 1000) * 1000000};
    bool waiting = false;
    for (uint32_t i = 0; i < loader->options.concurrency; i++)
        waiting |= loader->slots[i].state == SLOT_WAITING;
    if (waiting) nanosleep(&pause, NULL);
}

static void start(struct loader *loader) {
    struct slot *slot = loader->filling;
    loader->filling = NULL;
    slot->ranges[0] = (struct range){0, slot->n};
    slot->n_ranges = 1;
    slot->attempt = 0;
    send_range(slot);
}

static struct slot *free_slot(struct loader *loader) {
    for (uint32_t i = 0; i < loader->options.concurrency; i++)
        if (loader->slots[i].state == SLOT_FREE) return &loader->slots[i];
    return NULL;
}

static enum status begin_batch(struct loader *loader) {
    struct slot *slot;
    while (!(slot = free_slot(loader)) && loader->status == STATUS_OK)
        step(loader);
    if (loader->status != STATUS_OK) return loader->status;
    arena_reset(&slot->arena);
    slot->n = slot->bytes = 0;
    slot->state = SLOT_FILLING;
    loader->filling = slot;
    return STATUS_OK;
}

static char *copied(struct slot *slot, const char *text) {
    size_t size = strlen(text) + 1;
    char *copy = arena_alloc(&slot->arena, size);
    if (copy) memcpy(copy, text, size);
    slot->bytes += size;
    return copy;
}

static bool
copy_payload(struct slot *slot, const struct loader_point *from, Vectron__V1__Point *to) {
    if (from->n_pairs == 0) return true;
    to->payload = arena_alloc(&slot->arena, from->n_pairs * sizeof *to->payload);
    if (!to->payload) return false;
    for (size_t i = 0; i < from->n_pairs; i++) {
        Vectron__V1__Point__PayloadEntry *entry = arena_alloc(&slot->arena, sizeof *entry);
        if (!entry) return false;
        vectron__v1__point__payload_entry__init(entry);
        entry->key = copied(slot, from->pairs[i].key);
        entry->value = copied(slot, from->pairs[i].value);
        if (!entry->key || !entry->value) return false;
        to->payload[to->n_payload++] = entry;
    }
    return true;
}

static bool copy_point(struct slot *slot, const struct loader_point *from) {
    Vectron__V1__Point *point = arena_alloc(&slot->arena, sizeof *point);
    if (!point) return false;
    vectron__v1__point__init(point);
    size_t size = from->dimension * sizeof *point->vector;
    point->id = copied(slot, from->id);
    point->vector = arena_alloc(&slot->arena, size);
    if (!point->id || !point->vector || !copy_payload(slot, from, point)) return false;
    memcpy(point->vector, from->vector, size);
    point->n_vector = from->dimension;
    slot->bytes += size;
    slot->points[slot->n] = point;
    slot->rows[slot->n++] = from->row;
    return true;
}

enum status loader_add(struct loader *loader, const struct loader_point *point) {
    if (loader->status == STATUS_OK && !loader->filling) loader->status = begin_batch(loader);
    if (loader->status != STATUS_OK) return loader->status;
    struct slot *slot = loader->filling;
    if (!copy_point(slot, point))
        fail(loader, STATUS_NO_MEMORY, "out of memory");
    else if (slot->n == loader->options.batch || slot->bytes >= LOADER_BATCH_BYTES)
        start(loader);
    if (loader->status == STATUS_OK) client_wait(loader->options.client, 0);
    return loader->status;
}

static bool busy(const struct loader *loader) {
    for (uint32_t i = 0; i < loader->options.concurrency; i++)
        if (loader->slots[i].state != SLOT_FREE) return true;
    return false;
}

enum status loader_finish(struct loader *loader) {
    if (loader->filling && loader->status == STATUS_OK) start(loader);
    while (loader->status == STATUS_OK && busy(loader))
        step(loader);
    return loader->status;
}

enum status loader_open(const struct loader_options *options, struct loader **out) {
    assert(options->batch >= 1 && options->batch <= LOADER_BATCH_MAX);
    assert(options->concurrency >= 1 && options->concurrency <= LOADER_CONCURRENCY_MAX);
    struct loader *loader = mem_zero(1, sizeof *loader);
    if (!loader) return STATUS_NO_MEMORY;
    loader->options = *options;
    rng_init(&loader->rng, now_ms());
    loader->slots = mem_zero(options->concurrency, sizeof *loader->slots);
    for (uint32_t i = 0; loader->slots && i < options->concurrency; i++) {
        struct slot *slot = &loader->slots[i];
        slot->loader = loader;
        arena_init(&slot->arena, 0);
        slot->points = mem_alloc(options->batch * sizeof *slot->points);
        slot->rows = mem_alloc(options->batch * sizeof *slot->rows);
        if (slot->points && slot->rows) continue;
        loader_close(loader);
        return STATUS_NO_MEMORY;
    }
    if (!loader->slots) {
        loader_close(loader);
        return STATUS_NO_MEMORY;
    }
    *out = loader;
    return STATUS_OK;
}

void loader_close(struct loader *loader) {
    if (!loader) return;
    for (uint32_t i = 0; loader->slots && i < loader->options.concurrency; i++) {
        arena_free(&loader->slots[i].arena);
        mem_free(loader->slots[i].points);
        mem_free(loader->slots[i].rows);
    }
    mem_free(loader->slots);
    mem_free(loader);
}

const char *loader_words(const struct loader *loader) {
    return loader->words;
}

uint64_t loader_retries(const struct loader *loader) {
    return loader->retries;
}
