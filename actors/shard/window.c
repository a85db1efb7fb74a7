/* window: a fact is "window/<slot>": router, sequence, index u64 and operations u32, little endian.
 */
#include "actors/shard/window.h"

#include <stdio.h>
#include <string.h>

#include "runtime/assert.h"

#include "runtime/poison.h"

enum { ROW_BYTES = 28 };

const struct window_row *window_find(const struct window *window, uint64_t router) {
    for (uint32_t i = 0; i < WINDOW_ROUTERS; i++)
        if (window->rows[i].router == router) return &window->rows[i];
    return NULL;
}

uint32_t window_slot(const struct window *window, uint64_t router) {
    uint32_t slot = 0;
    for (uint32_t i = 0; i < WINDOW_ROUTERS; i++) {
        if (window->rows[i].router == router) return i;
        /* A free row has index 0 and goes first; else the one applied longest ago. */
        if (window->rows[i].index < window->rows[slot].index) slot = i;
    }
    return slot;
}

static void put64(unsigned char *at, uint64_t value) {
    for (int i = 0; i < 8; i++)
        at[i] = (unsigned char)(value >> (8 * i));
}

static uint64_t get64(const unsigned char *at) {
    uint64_t value = 0;
    for (int i = 0; i < 8; i++)
        value |= (uint64_t)at[i] << (8 * i);
    return value;
}

static void name_of(uint32_t slot, char name[WINDOW_NAME_SIZE]) {
    snprintf(name, WINDOW_NAME_SIZE, "window/%u", slot);
}

void window_fact(const struct window_row *row, uint32_t slot, struct point_batch *batch) {
    unsigned char bytes[ROW_BYTES];
    put64(bytes, row->router);
    put64(bytes + 8, row->sequence);
    put64(bytes + 16, row->index);
    for (int i = 0; i < 4; i++)
        bytes[24 + i] = (unsigned char)(row->operations >> (8 * i));
    char name[WINDOW_NAME_SIZE];
    name_of(slot, name);
    point_batch_fact(batch, name, (struct bytes){bytes, sizeof bytes});
}

enum status window_load(struct window *window, struct point_store *store, uint64_t store_id) {
    memset(window, 0, sizeof *window);
    for (uint32_t i = 0; i < WINDOW_ROUTERS; i++) {
        char name[WINDOW_NAME_SIZE];
        name_of(i, name);
        struct kv_value value;
        enum status s = point_store_fact(store, store_id, name, &value);
        if (s == STATUS_NOT_FOUND) continue;
        if (s != STATUS_OK) return s;
        const unsigned char *bytes = value.data;
        bool whole = value.size == ROW_BYTES;
        if (whole) {
            uint32_t operations = 0;
            for (int b = 0; b < 4; b++)
                operations |= (uint32_t)bytes[24 + b] << (8 * b);
            window->rows[i] = (struct window_row){.router = get64(bytes),
                                                  .sequence = get64(bytes + 8),
                                                  .index = get64(bytes + 16),
                                                  .operations = operations};
        }
        kv_value_free(&value);
        if (!whole) return STATUS_CORRUPT;
    }
    return STATUS_OK;
}
