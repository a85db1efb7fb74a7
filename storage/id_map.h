/* id_map: external id → point number for the ids one batch touched. Ids are copied. Private to
 * storage/. */
#ifndef STORAGE_ID_MAP_H
#define STORAGE_ID_MAP_H

#include "runtime/buffer.h"
#include "storage/kv.h"

struct id_slot;
struct id_map {
    struct id_slot *slots; /* owned; a power of two, open addressing */
    size_t n_slots;
    size_t n_used;
    struct buffer ids; /* the bytes of all ids */
};

/* NULL: unknown. Valid until the next set. */
uint64_t *id_map_get(const struct id_map *map, struct bytes id);
/* Adds or replaces. false: no memory, nothing changed. */
MUST_USE bool id_map_set(struct id_map *map, struct bytes id, uint64_t number);
void id_map_clear(struct id_map *map); /* keeps the memory */
void id_map_free(struct id_map *map);

#endif
