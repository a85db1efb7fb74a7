/* tuner: which ef reaches a recall. The linker searches for a sample of queries exactly, then at
 * rising ef, and leaves the curve in the view, where searches that name a recall look up their ef.
 *
 * The sample is live queries, once readers left enough of them (`tuning_note`); before, linked
 * points, each searched for as if it were not there. Those are found a little more easily than what
 * never was in the graph, so more is taken for safety then. It is done anew when the graph has doubled,
 * and once live queries are there. The truth is what the index itself finds exactly: of codes it is
 * as exact as they are, unless vectors are kept whole. */
#ifndef INDEX_TUNER_H
#define INDEX_TUNER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/status.h"

enum {
    TUNER_K = 10,
    TUNER_STEPS = 20,       /* points of the curve */
    TUNER_SAMPLES = 64,     /* queries of one */
    TUNER_LIVE_MIN = 32,    /* live queries that are enough */
    TUNER_POINTS_MIN = 512, /* linked points; of fewer everything is scanned, about */
};

/* Shared: the curve, and the last queries. */
struct tuning {
    _Atomic uint32_t recall[TUNER_STEPS]; /* in 100,000ths; 0: not measured */
    _Atomic uint64_t n_linked;            /* when it was; 0: never */
    atomic_bool live;                     /* on live queries */
    atomic_bool wanted;                   /* a search named a recall */
    _Atomic uint32_t n_searches;          /* that did */
    atomic_flag held;                     /* of the next three */
    float *queries;                       /* owned; TUNER_SAMPLES vectors */
    uint32_t n_queries, next;
};

void tuning_init(struct tuning *tuning);
void tuning_reset(struct tuning *tuning);
/* The ef for k results at a recall. Any thread. */
uint32_t tuning_ef(const struct tuning *tuning, float recall, uint32_t k);
/* The recall at 10 that an ef is known to give; 0: not known. */
float tuning_recall(const struct tuning *tuning, uint32_t ef);
/* A search that named a recall begins: one in a few leaves its vector. Any thread; never waits. */
void tuning_note(struct tuning *tuning, const void *vector, uint32_t dimension);

struct linker;
struct index_reader;

/* The linker's. */
struct tuner {
    struct index_reader *reader; /* owned; NULL between two curves */
    float *queries;              /* owned, as the next two; TUNER_SAMPLES of each */
    uint64_t *truth;             /* TUNER_K numbers each */
    uint32_t *self;              /* the slot of a sample that is a point; else SLOT_NONE */
    uint32_t n_samples, at;
    uint32_t step; /* of the curve; TUNER_STEPS: the truth is looked for */
    uint32_t found, all;
    uint32_t recall[TUNER_STEPS];
    bool live, searching;
};

void tuner_init(struct tuner *tuner);
void tuner_reset(struct tuner *tuner);
bool tuner_has_work(const struct linker *linker);
/* About `budget` distances; adds what it spent to the linker's. NO_MEMORY: try again. */
MUST_USE enum status tuner_step(struct linker *linker, size_t budget);

#endif
