/* file: the format of an index on disk, a stream of checksummed blocks (stream.h), little-endian:
 *
 *     header    struct file_header
 *     centre    f32, dimension times: of the codes (coder.h); not with float32
 *     slots     u8, n_slots times: flags and level; 0 is a free slot
 *     linked    for every linked slot, in order:
 *                 u64 number
 *                 u16 id size, id
 *                 u32 parent     slot + 1 in the tree, 0: none
 *                 u32 row        2M edges, slot + 1, 0 ends
 *                 u32 row        M edges, `level` times
 *                 f32 vector, padded to a multiple of 16; or u8 code: coarse, square, fine
 * (store.h) f32 vector     with FILE_KEPT, besides the code (store.h) waiting   for every tail
 * slot, in the order in which they will be linked: u32 slot u64 number u16 id size, id f32 vector
 *
 * Every append and remove that had returned before index_save_start is in it; of later ones, any.
 * So they are repeated, in order: index_append skips the numbers it has, index_remove of one that
 * is gone says NOT_FOUND, and both end at the same state. Points linked while the save ran are in
 * it as tail. Rows are taken one by one while linking goes on, without the edges to points that
 * were not linked at the start; the tree over the others stands still meanwhile, so what is read
 * back is valid and connected.
 *
 * save.c writes it, load.c reads and judges it. */
#ifndef INDEX_FILE_H
#define INDEX_FILE_H

#include <stdint.h>

#include "index/writer.h"

#define FILE_MAGIC "VECTRIDX"

enum {
    FILE_VERSION = 3,  /* 1 had no codes, 2 other ones */
    FILE_LEVEL = 0x0f, /* mask */
    FILE_LINKED = 0x10,
    FILE_TAIL = 0x20,
    FILE_LIVE = 0x40, /* a tail slot always is; a linked one may be removed */
    FILE_KEPT = 0x80,
};

struct file_header {
    char magic[8];
    uint32_t version;
    uint32_t dimension;
    uint32_t metric;
    uint32_t M;
    uint64_t applied;
    uint32_t n_slots;
    uint32_t n_tail;
    uint32_t entry; /* slot + 1; 0: nothing is linked */
    uint32_t root;  /* slot + 1 */
    uint32_t store; /* enum store_kind */
    float bound;    /* of the codes, as the next three */
    uint64_t seed;
    uint64_t n_trained;
    uint32_t n_zero;
    uint32_t unused;
};

/* Fills an index whose view is empty. Dimension, metric and M must be those of the options.
 * NOT_FOUND: no such file. CORRUPT, NO_MEMORY, IO: the index is of no use any more. */
MUST_USE enum status file_load(struct index *index, const char *path, uint64_t *applied);

#endif
