/* hash: which shard an id belongs to. Part of the data format: it must never change. */
#ifndef ACTORS_ROUTER_HASH_H
#define ACTORS_ROUTER_HASH_H

#include <stddef.h>
#include <stdint.h>

/* FNV-1a 64 with the 64-bit finaliser of MurmurHash3 (fmix64): plain FNV leaves the high bits of
 * short ids nearly constant, and ranges are cut by the high bits. */
uint64_t hash_id(const char *id, size_t size);

#endif
