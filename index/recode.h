/* recode: from one store to the next, beside readers, in steps.
 *
 *     REST ─▶ LENGTH ─▶ CENTRE ─▶ BOUND ─▶ WRITE ─▶ (published) ─▶ GRACE ─▶ REST
 *
 *     LENGTH  how long the vectors of a sample of the linked points are
 *     CENTRE  the mean of those that are not much longer than most: one wild vector would move it
 *             so far that nothing were left of the others in float32
 *     BOUND   their farthest coordinate around it; a sample codes cannot be made of ends it here
 *     WRITE   each linked point into the next store; what is linked meanwhile goes into both
 *     GRACE   the old store goes, still written to, once no reader can have it
 *
 * A collection begins as float32. Codes begin with enough points to learn a scale from, and are
 * made anew when the graph has grown fourfold, or when too many points lie beyond their bound:
 * those are kept as float32 besides (`kept`), so that nothing is lost by then. Linker. */
#ifndef INDEX_RECODE_H
#define INDEX_RECODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "index/coder.h"
#include "index/store.h"
#include "runtime/status.h"

struct linker;

enum recode_phase {
    RECODE_REST,
    RECODE_LENGTH,
    RECODE_CENTRE,
    RECODE_BOUND,
    RECODE_WRITE,
    RECODE_GRACE,
};

struct recode {
    enum recode_phase phase;
    struct coder coder; /* in training */
    struct store *next; /* owned; NULL, or written to besides the current one */
    struct store *old;  /* owned; GRACE */
    uint64_t epoch;     /* GRACE: when it was replaced */
    uint32_t cursor;    /* next slot */
    uint32_t stride;    /* of the sample */
    double *sum;        /* owned; CENTRE */
    float *reaches;     /* owned; LENGTH: squares; BOUND */
    float square_max;   /* CENTRE: of vectors that count */
    size_t n_sampled;
    float *vector, *scratch; /* owned; one each */
    uint64_t n_trained;      /* linked points when codes were tried last; 0: never */
    uint32_t n_kept_trained; /* the same, points kept whole */
};

/* What points become once there are enough; STORE_F32: codes never. */
enum store_kind recode_kind(const struct index_options *options);

void recode_init(struct recode *recode);
void recode_reset(struct recode *recode);
/* Is there something a step could do now? */
bool recode_has_work(struct linker *linker);
/* Some points' worth of work. NO_MEMORY: nothing is lost, try again. */
MUST_USE enum status recode_step(struct linker *linker);

/* Writes the vector of a slot that is about to be linked into every store there is. */
MUST_USE enum status recode_place(struct linker *linker, uint32_t slot, const float *prepared);
/* The slot is about to be free. */
void recode_forget(struct linker *linker, uint32_t slot);
#endif
