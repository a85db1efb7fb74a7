/* key: builds ordered keys: big-endian numbers compare as bytes. */
#ifndef STORAGE_KEY_H
#define STORAGE_KEY_H

#include <string.h>

#include "storage/kv.h"

static inline void key_store_u64(unsigned char *at, uint64_t value) {
    for (int i = 0; i < 8; i++)
        at[i] = (unsigned char)(value >> (56 - 8 * i));
}

static inline uint64_t key_load_u64(const unsigned char *at) {
    uint64_t value = 0;
    for (int i = 0; i < 8; i++)
        value = value << 8 | at[i];
    return value;
}

/* As memcmp; of two keys with a common start the shorter comes first. */
static inline int key_compare(struct bytes a, struct bytes b) {
    size_t common = a.size < b.size ? a.size : b.size;
    int order = common ? memcmp(a.data, b.data, common) : 0;
    if (order != 0) return order;
    return a.size < b.size ? -1 : a.size > b.size;
}

#endif
