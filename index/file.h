/* file: the format of an index on disk, a stream of checksummed blocks (stream.h), little-endian:
 *
 *     header    struct file_header
 *     tail      u32 slot, n_tail times: the order in which points wait to be linked
 *     slots     u8, n_slots times: flags and level; 0 is a free slot
 *     records   for every slot that is not free, in order:
 *                 u64 number
 *                 u32 parent     slot + 1 in the tree, 0: none
 *                 u16 id size, id
 *                 u32 row        2M edges, slot + 1, 0 ends      \ linked ones only
 *                 u32 row        M edges, `level` times          /
 *                 f32 vector     padded to a multiple of 16
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
    FILE_VERSION = 1,
    FILE_LEVEL = 0x0f, /* mask */
    FILE_LINKED = 0x10,
    FILE_TAIL = 0x20,
    FILE_LIVE = 0x40, /* a tail slot always is; a linked one may be removed */
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
};

/* Fills an index whose view is empty. Dimension, metric and M must be those of the options.
 * NOT_FOUND: no such file. CORRUPT, NO_MEMORY, IO: the index is of no use any more. */
MUST_USE enum status file_load(struct index *index, const char *path, uint64_t *applied);

#endif
