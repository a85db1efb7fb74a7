/* reader: what a search keeps between its steps; for the files that are one (search.c says how a
 * search goes, search_start.c how it begins). */
#ifndef INDEX_READER_H
#define INDEX_READER_H

#include "index/best.h"
#include "index/hop.h"
#include "index/match.h"
#include "index/view.h"
#include "index/walk.h"

enum search_phase {
    SEARCH_TAIL,
    SEARCH_DESCEND,
    SEARCH_GRAPH,
    SEARCH_RANK,
    SEARCH_SCAN,
    SEARCH_LIST,
    SEARCH_DONE
};

struct index_reader {
    const struct index_view *view; /* borrowed; NULL between searches */
    uint64_t ticket;               /* of the epoch */
    enum search_phase phase;
    uint32_t k;
    bool exact;
    const atomic_bool *cancel; /* borrowed */
    uint64_t n_matching;       /* live points the filter lets through, as planned */
    const struct store *store; /* borrowed; current when the search began */
    struct probe probe;
    struct cell **tail; /* owned; the copy of the tail */
    size_t tail_room, n_tail, tail_at;
    bool scans;  /* after the tail, instead of walking */
    bool lists;  /* … the matches' list, instead of everything */
    bool coarse; /* the scan ranks its candidates in the end */
    float rescore;
    size_t rank_at, rank_left;
    uint32_t scan_word, scan_words; /* of live bits */
    bool ranged;                    /* only what is within a distance */
    float within;                   /* that distance */
    uint32_t ef;                    /* of this walk */
    struct walk walk;
    struct match match;
    struct hop hop;
    uint64_t list_at; /* next of the match's list */
    struct index_search_stats stats;
    struct best best;
    struct index_hit *hits; /* owned */
    size_t hits_room, n_hits;
};

/* Begins with the tail, anew too: its slots are met here, and nowhere else. */
MUST_USE enum status search_begin_tail(struct index_reader *reader, bool scans);
/* Dead candidates that may lie between ef live ones: as many as the filter's share makes likely. */
size_t search_pool_limit(const struct index_reader *reader, size_t ef);
/* Candidates of a walk that the k best are surely among: the shorter what it measures, the more. */
size_t search_rank_depth(const struct index_reader *reader);
/* Candidates that are measured whole in the end. */
size_t search_rank_count(const struct index_reader *reader);

#endif
