/* id_map: linear probing at a load of at most one half. Nothing is ever taken out but everything at
 * once. */
#include "storage/id_map.h"

#include <string.h>

#include "runtime/memory.h"
#include "runtime/rng.h"

#include "runtime/poison.h"

enum { SLOTS_MIN = 64, SLOTS_KEPT_MAX = 4096 };

struct id_slot {
    uint64_t hash;
    uint64_t number;
    size_t at; /* of the id in map->ids */
    size_t size;
    bool used;
};

/* FNV-1a, then mixed: its low bits alone are poor for short ids. */
static uint64_t hash_of(struct bytes id) {
    const unsigned char *at = id.data;
    uint64_t hash = 0xcbf29ce484222325u;
    for (size_t i = 0; i < id.size; i++)
        hash = (hash ^ at[i]) * 0x100000001b3u;
    return rng_mix(hash);
}

static struct id_slot *find(const struct id_map *map, struct bytes id, uint64_t hash) {
    size_t mask = map->n_slots - 1;
    for (size_t i = (size_t)hash & mask;; i = (i + 1) & mask) {
        struct id_slot *slot = &map->slots[i];
        if (!slot->used) return slot;
        if (slot->hash == hash && slot->size == id.size &&
            memcmp(map->ids.data + slot->at, id.data, id.size) == 0)
            return slot;
    }
}

uint64_t *id_map_get(const struct id_map *map, struct bytes id) {
    if (map->n_used == 0) return NULL;
    struct id_slot *slot = find(map, id, hash_of(id));
    return slot->used ? &slot->number : NULL;
}

static bool grow(struct id_map *map) {
    size_t n = map->n_slots ? map->n_slots * 2 : SLOTS_MIN;
    struct id_slot *slots = mem_zero(n, sizeof *slots);
    if (!slots) return false;
    for (size_t i = 0; i < map->n_slots; i++) {
        if (!map->slots[i].used) continue;
        size_t to = (size_t)map->slots[i].hash & (n - 1);
        while (slots[to].used)
            to = (to + 1) & (n - 1);
        slots[to] = map->slots[i];
    }
    mem_free(map->slots);
    map->slots = slots;
    map->n_slots = n;
    return true;
}

bool id_map_set(struct id_map *map, struct bytes id, uint64_t number) {
    if (map->n_used * 2 >= map->n_slots && !grow(map)) return false;
    uint64_t hash = hash_of(id);
    struct id_slot *slot = find(map, id, hash);
    if (!slot->used) {
        size_t at = map->ids.size;
        buffer_append(&map->ids, id.data, id.size);
        if (map->ids.failed) {
            map->ids.failed = false;
            return false;
        }
        *slot = (struct id_slot){.hash = hash, .at = at, .size = id.size, .used = true};
        map->n_used++;
    }
    slot->number = number;
    return true;
}

void id_map_clear(struct id_map *map) {
    if (map->n_slots > SLOTS_KEPT_MAX) {
        id_map_free(map);
        return;
    }
    if (map->slots) memset(map->slots, 0, map->n_slots * sizeof *map->slots);
    map->n_used = 0;
    buffer_clear(&map->ids);
}

void id_map_free(struct id_map *map) {
    mem_free(map->slots);
    buffer_free(&map->ids);
    *map = (struct id_map){0};
}
