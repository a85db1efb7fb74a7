#include "actors/router/merge.h"

#include <stdlib.h>
#include <string.h>

#include "actors/router/hash.h"
#include "runtime/memory.h"

#include "runtime/poison.h"

enum { ROOM_MIN = 64 };

void merge_init(struct merge *merge, uint32_t k) {
    *merge = (struct merge){.k = k};
}

static void drop(struct merge *merge, struct merge_hit *hit) {
    merge->bytes -= hit->id_size + hit->payload_size + hit->n_vector * sizeof(float);
    mem_free(hit->id);
}

void merge_free(struct merge *merge) {
    for (size_t i = 0; i < merge->n; i++)
        drop(merge, &merge->hits[i]);
    mem_free(merge->hits);
    merge_init(merge, merge->k);
}

static enum status make_room(struct merge *merge) {
    if (merge->n < merge->room) return STATUS_OK;
    if (merge->n >= 2 * (size_t)merge->k + ROOM_MIN) {
        enum status s = merge_settle(merge);
        if (s != STATUS_OK || merge->n < merge->room) return s;
    }
    size_t room = merge->room ? 2 * merge->room : ROOM_MIN;
    struct merge_hit *hits = mem_resize(merge->hits, room * sizeof *hits);
    if (!hits) return STATUS_NO_MEMORY;
    merge->hits = hits;
    merge->room = room;
    return STATUS_OK;
}

enum status merge_add(struct merge *merge, const struct hit *hit) {
    enum status s = make_room(merge);
    if (s != STATUS_OK) return s;
    size_t vector_size = hit->n_vector * sizeof(float);
    char *memory = mem_alloc(hit->id_size + 1 + hit->payload.len + vector_size);
    if (!memory) return STATUS_NO_MEMORY;
    struct merge_hit *own = &merge->hits[merge->n++];
    *own = (struct merge_hit){.distance = hit->distance,
                              .id_size = (uint32_t)hit->id_size,
                              .payload_size = (uint32_t)hit->payload.len,
                              .n_vector = (uint32_t)hit->n_vector,
                              .id = memory,
                              .payload = memory + hit->id_size + 1,
                              .vector =
                                  (float *)(void *)(memory + hit->id_size + 1 + hit->payload.len)};
    memcpy(memory, hit->id, hit->id_size + 1);
    if (hit->payload.len > 0) memcpy(own->payload, hit->payload.data, hit->payload.len);
    if (vector_size > 0) memcpy((void *)own->vector, (const void *)hit->vector, vector_size);
    merge->bytes += hit->id_size + hit->payload.len + vector_size;
    return STATUS_OK;
}

static int compare(const void *a, const void *b) {
    const struct merge_hit *left = a;
    const struct merge_hit *right = b;
    if (left->distance != right->distance) return left->distance < right->distance ? -1 : 1;
    return strcmp(left->id, right->id);
}

enum status merge_settle(struct merge *merge) {
    if (merge->n == 0) return STATUS_OK;
    qsort(merge->hits, merge->n, sizeof *merge->hits, compare);
    size_t size = 16;
    while (size < 2 * merge->n)
        size *= 2;
    uint32_t *table = mem_zero(size, sizeof *table); /* place of the hit + 1, by id */
    if (!table) return STATUS_NO_MEMORY;
    size_t kept = 0;
    for (size_t i = 0; i < merge->n; i++) {
        struct merge_hit hit = merge->hits[i];
        size_t at = hash_id(hit.id, strlen(hit.id)) & (size - 1);
        while (table[at] && strcmp(merge->hits[table[at] - 1].id, hit.id) != 0)
            at = (at + 1) & (size - 1);
        if (table[at] || kept == merge->k) {
            merge->cut |= !table[at];
            drop(merge, &hit);
            continue;
        }
        table[at] = (uint32_t)kept + 1;
        merge->hits[kept++] = hit;
    }
    merge->n = kept;
    mem_free(table);
    return STATUS_OK;
}
