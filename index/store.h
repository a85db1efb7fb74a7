/* store: the vectors of linked points, by slot, as float32 or as codes (coder.h, packed.h), of
 * which halves are one kind. Written
 * by the linker before the first edge to a slot; constant for readers until the slot is free. Which
 * store is current changes when the linker has written another (recode.h): a reader keeps to the
 * one it found when its search began.
 *
 * Two measures. `near`: the one graphs are walked and pruned by; lower is nearer and no more, its
 * unit is the store's own. `whole`: the metric's distance as exactly as the store knows it. Of
 * float32 both are the same, and of halves the one is as exact as the other. Two points have a
 * `pair` distance, which graphs are built by: of the whole codes where their tops are short, else
 * the near one. */
#ifndef INDEX_STORE_H
#define INDEX_STORE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "index/coder.h"
#include "index/metric.h"
#include "index/prefetch.h"
#include "index/probe.h"
#include "index/slots.h"

enum { STORE_BATCH = 64 };
enum store_kind { STORE_F32, STORE_SQ8, STORE_SQ4, STORE_RABITQ, STORE_F16, STORE_KINDS };

/* Behind a row of dot, and a query: -2 q·x comes out of a squared distance by the squares of what
 * the codes of both stand for; a long vector's own differs from its code's by more than a short
 * query's product. A query is stretched to all levels there are. So the near distance is (gap - the
 * row's square) / scale + shift. */
struct store_dot {
    float near_square, whole_square; /* of a row */
    float scale, shift;              /* 1 and -near_square of a row that is the query */
};

struct store {
    enum store_kind kind;
    struct metric metric;
    const struct kernel *kernel;
    struct slots rows; /* floats, or tops of codes; of dot with struct store_dot behind */
    struct slots fine; /* codes: the last four bits; not of bits, which have them in their rows, nor
                          of halves, which are whole */
    struct slots kept; /* codes: pointers to vectors kept whole; owned */
    size_t near_bytes; /* of a row, that `near` reads */
    bool keeps_all;    /* not only vectors beyond the bound */
    struct coder coder;
    float *scratch;  /* owned; codes: one vector, the linker's */
    uint8_t *tops;   /* owned; codes: of one vector, the linker's */
    float *stand_in; /* owned; codes of cosine: of the zero vector, the linker's */
    _Atomic uint32_t n_kept;
    uint32_t kept_end; /* after the last kept slot */
};

/* Of float32. NO_MEMORY. */
MUST_USE enum status store_new(const struct metric *metric, struct store **out);
/* Of codes; takes the coder, which is trained for store_bits, when OK. Of dot its centre is 0. */
MUST_USE enum status store_new_codes(const struct metric *metric,
                                     enum store_kind kind,
                                     struct coder *coder,
                                     struct store **out);
enum index_storage store_storage(enum store_kind kind);
/* Bits of a code. */
unsigned store_bits(enum store_kind kind);
void store_free(struct store *store); /* NULL is fine */

/* Linker. Memory for n slots in all. */
MUST_USE enum status store_grow(struct store *store, uint64_t n);
/* A vector that lies far beyond the bound of the codes is kept whole besides, or each. NO_MEMORY.
 */
MUST_USE enum status store_write(struct store *store, uint32_t slot, const float *prepared);
/* The slot is free. */
void store_forget(struct store *store, uint32_t slot);
/* What is stored, as a prepared vector; `out` has room for metric.n_floats and for coder.n. */
void store_read(const struct store *store, uint32_t slot, float *out);
static inline bool store_is_coded(const struct store *store) {
    return store->kind != STORE_F32;
}

/* Bytes of a slot, without what is kept whole. */
size_t store_stride(const struct store *store);

/* A vector kept whole: readers may load it while it goes. */
typedef _Atomic(float *) store_whole_vector;
/* The vector, when it is kept whole; else NULL. */
const float *store_kept(const struct store *store, uint32_t slot);
/* Keeps one. Linker, and load. NO_MEMORY. */
MUST_USE enum status store_keep(struct store *store, uint32_t slot, const float *prepared);

/* Its tracked arrays (slots.h), by slot: what a file keeps of it besides the coder and the vectors
 * kept whole. Gives their number. */
enum { STORE_ARRAYS_MAX = 4 };
unsigned store_arrays(struct store *store, struct slots **out);

/* Of codes, for many queries: the coordinates that a code, or a probe, stands for, coder.n of them;
 * and the whole distances of a probe to some codes, at most STORE_BATCH. */
void store_coordinates(const struct store *store, uint32_t slot, float *out);
void store_probe_coordinates(const struct store *store, const struct probe *probe, float *out);
struct store_spread {
    const float *query; /* its coordinates */
    const uint32_t *slots;
    const float *const *rows; /* theirs */
    size_t n;
};
void store_whole_spread(const struct store *store,
                        const struct probe *probe,
                        const struct store_spread *spread,
                        float *out);

/* May a row of a file be one of this store? */
bool store_row_is_valid(const struct store *store, uint32_t slot);

static inline const void *store_row(const struct store *store, uint32_t slot) {
    return slots_at(&store->rows, slot);
}

/* A scan comes to the rows from this slot on next, which are there: the beginning of what the
 * walked-on parts fill is asked for, as the processor's own looking ahead ends with a page. */
static inline void store_ask(const struct store *store, uint32_t slot) {
    enum { AHEAD = 1536 };
    prefetch_bytes(store_row(store, slot), AHEAD);
}

/* The last bits of a code; halves have none. */
static inline uint8_t *store_fine(const struct store *store, uint32_t slot) {
    if (store->kind != STORE_RABITQ) return slots_at(&store->fine, slot);
    return (uint8_t *)slots_at(&store->rows, slot) + store->near_bytes;
}

/* Rows in the order of kernel functions; the query is the `near` of a probe. */
void store_near(
    const struct store *store, const void *query, const void *const *rows, size_t n, float *out);
/* The same for who wants no distance above `limit`: what is surely above may come out as FLT_MAX,
 * seen from a part of its code. */
void store_near_below(const struct store *store,
                      const void *query,
                      const void *const *rows,
                      size_t n,
                      float limit,
                      float *out);
/* What store_near gave, as a distance of the metric: of codes, nearly. */
float store_near_distance(const struct store *store, float near);
/* How far a whole distance may be from the vector's own, near a distance of the query (prepared):
 * rounding, not what is cut off at the bound; 0 of float32. */
float store_error(const struct store *store, const float *query, float distance);
/* Between a point and others. */
void store_pair(
    const struct store *store, uint32_t slot, const uint32_t *slots, size_t n, float *out);
/* Completes the probe for this store. */
void store_probe(const struct store *store, struct probe *probe);
/* Leaves only slots whose whole distance may be `limit` or below, in their order, by what can be
 * seen from the first bits alone; gives their number. At most STORE_BATCH. */
size_t
store_sift(const struct store *store, struct probe *probe, uint32_t *slots, size_t n, float limit);
/* At most STORE_BATCH. */
void store_whole(const struct store *store,
                 const struct probe *probe,
                 const uint32_t *slots,
                 size_t n,
                 float *out);

#endif
