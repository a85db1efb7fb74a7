/* inspect: an index from inside, for tools and tests: what a file says of itself, the shape of the
 * graph, some of its vectors. */
#ifndef INDEX_INSPECT_H
#define INDEX_INSPECT_H

#include "index/index.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { INDEX_LEVELS = 16, INDEX_ROW_MAX = 256 };

/* The head of a file: enough to open it with index_open. */
struct index_file_info {
    uint32_t version;
    struct index_options options; /* dimension, metric, M, storage */
    uint64_t applied;
    uint64_t slots; /* of the file: live, removed and free ones */
    uint64_t tail;  /* of these, not linked when it was saved */
    uint64_t bytes;
};
/* NOT_FOUND: no such file. CORRUPT: no index, or damaged. UNIMPLEMENTED: an index of another
 * version, which is filled in. IO, NO_MEMORY. */
MUST_USE enum status index_file_info(const char *path, struct index_file_info *out);

struct index_shape {
    uint64_t linked;                     /* slots with edges, live or not */
    uint64_t levels[INDEX_LEVELS];       /* … by their highest level */
    uint64_t degrees[INDEX_ROW_MAX + 1]; /* … by their edges at level 0 */
    uint32_t degree_max;                 /* that a row has room for */
};
/* No writer call may run meanwhile. */
void index_shape(const struct index_view *view, struct index_shape *out);

/* At most n of the linked points, chosen by the seed, each at most once, in the order of their
 * slots: their numbers, and their vectors as the index keeps them (dimension floats each; of
 * cosine, of length one). Returns how many. NO_MEMORY: 0. */
struct index_sample {
    uint64_t seed;
    size_t n;
    uint64_t *numbers; /* room for n */
    float *vectors;    /* room for n * dimension */
};
size_t index_sample(const struct index_view *view, const struct index_sample *sample);

#ifdef __cplusplus
}
#endif

#endif
