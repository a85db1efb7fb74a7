/* trial: queries against an open index, with what they should find: recall and speed at an ef.
 *
 * Queries come from a file, or are points of the index itself, which are then no results of their
 * own search. What is true comes from a file of row numbers, from an exact scan of the data, or of
 * the index. One thread. */
#ifndef CLI_INDEX_TRIAL_H
#define CLI_INDEX_TRIAL_H

#include "cli/index/opened.h"
#include "index/batch.h"

enum { TRIAL_QUERIES_MAX = 100000, TRIAL_SAMPLE = 200, TRIAL_K_MAX = 1000, TRIAL_BATCH = 256 };

/* FILE in words of rows.h is that of --queries. */
#define TRIAL_FLAGS \
    {"queries", "FILE", \
     "query vectors, as import reads them (default: points of the index, each without itself)"}, \
        {"limit", "N", "at most so many queries (default 1000; of the index's own points 200)"}, \
        {"truth", "FILE", "rows of the nearest of each query, from 0, as .ivecs or .npy"}, \
        {"data", "FILE", \
         "the data of the index: the truth is found in it by an exact scan in float32"}, \
        {"k", "N", "neighbours that are looked for, 1 to 1000 (default 10)"}, { \
        "seed", "N", "chooses the index's own points (default 1)" \
    }

struct trial {
    uint32_t k;
    uint32_t dimension;
    size_t n;
    float *queries;  /* owned */
    uint64_t *self;  /* owned; numbers of the points that the queries are; NULL: they are none */
    uint64_t *truth; /* owned; k a query, 0: there are no more; NULL: not known */
    float *farthest; /* owned; distance of the last of them; NULL: not known */
    const char *against;         /* where the truth is from */
    const struct filter *filter; /* borrowed; NULL, or only what it lets through is true */
    struct index_reader *reader;
};

/* Reads the queries, as the flags of TRIAL_FLAGS say; returns an exit code, what is wrong is said.
 * Close it in any case. */
int trial_open(struct trial *trial, const char *command, const struct args *args);
/* The same for an open index: takes queries from it when there is no file, and checks those of the
 * file. */
int trial_fit(struct trial *trial, const struct args *args, const struct opened *opened);
/* Finds out what is true, if it is not known yet. */
int trial_judge(struct trial *trial, const struct args *args, const struct opened *opened);
void trial_close(struct trial *trial);

struct trial_point {
    uint32_t ef;
    double recall;             /* negative: not known */
    double qps;                /* of one thread, by its CPU time */
    double median_us, late_us; /* 50 and 99 of 100 are not slower */
    double distances, hops;    /* a search, on average */
};
/* Runs all queries with this ef, for some time. */
int trial_run(struct trial *trial,
              const struct opened *opened,
              uint32_t ef,
              struct trial_point *out);

/* One search; hits are borrowed until trial_end. */
int trial_search(struct trial *trial,
                 const struct opened *opened,
                 const struct index_query *query,
                 const struct index_hit **hits,
                 size_t *n);
void trial_end(struct trial *trial);
/* An exact search for the queries from `from` on, as many as trial_batch_size says, in one scan of
 * the index; done, to be closed by the caller. */
int trial_batch(struct trial *trial,
                const struct opened *opened,
                size_t from,
                struct index_batch **out);
uint32_t trial_batch_size(const struct trial *trial, size_t from);
/* Adds how many of the k nearest the hits have, and how many there are. */
void trial_count(const struct trial *trial,
                 size_t query,
                 const struct index_hit *hits,
                 size_t n,
                 uint64_t *found,
                 uint64_t *wanted);

struct trial_curve {
    struct trial_point points[16];
    size_t n;
};
/* Points of rising ef until nearly everything is found. */
int trial_curve(struct trial *trial, const struct opened *opened, struct trial_curve *out);
/* The smallest ef that reaches this recall, found between two points of the curve; NOT reached:
 * out->recall is below it. */
int trial_tune(struct trial *trial,
               const struct opened *opened,
               double target,
               const struct trial_curve *curve,
               struct trial_point *out);

#endif
