/* search: one search on one shard as a state machine, from the index's hits to pages of ShardHits.
 *
 *     SEARCHING ─▶ FILLING ─▶ page … page ─▶ ended
 *         ▲           │  ▲ └─▶ FETCHING (blocking pool, what the cache did not have)
 *         └───────────┘  └───────────┘
 *          a hit whose point is gone: look again
 *
 * Exact searches that came together may be SCANNING together first (scan.h). An exact search of
 * codes measures its candidates in between (measure.h), with the same fetches.
 *
 * Used by the searcher actor only; while FETCHING the object belongs to the blocking job. */
#ifndef ACTORS_SEARCHER_SEARCH_H
#define ACTORS_SEARCHER_SEARCH_H

#include "actors/filters.h"
#include "actors/searcher/measure.h"
#include "actors/shelf.h"
#include "runtime/arena.h"
#include "runtime/turn.h"
#include "schemas/shard.pb-c.h"
#include "storage/point_store.h"

enum {
    SEARCH_PAGE_BYTES = 1024 * 1024, /* of hits in one part of the answer, plus the last one */
    SEARCH_ATTEMPTS = 16,            /* looks at the index, when hits were replaced meanwhile */
};

enum search_stage {
    SEARCH_WAITING,
    SEARCH_SEARCHING,
    SEARCH_SCANNING, /* with others, in one scan */
    SEARCH_MEASURING,
    SEARCH_FILLING,
    SEARCH_FETCHING
};

struct search_hit {
    uint64_t number;
    const char *id; /* in the arena */
    uint32_t id_size;
    float distance; /* as the index gave it; of its own vector once it was measured */
    bool dropped;   /* an older version of the same id, or gone before it was measured */
};

/* Hits to be sent, in the columns of ShardHits. In an arena of its own. */
struct search_page {
    char *ids; /* with their NULs */
    size_t ids_size;
    float *distances;    /* NULL: there is no page yet */
    ShardValue **values; /* NULL: neither payload nor vectors were asked for */
    const char **names;  /* the ids once more, in the search's arena */
    size_t n;
    size_t bytes; /* as sent, about */
};

struct bundle;
struct scan;

struct search {
    struct search *next;   /* the searcher's ring; its bundle's, its scan's */
    struct bundle *bundle; /* it is one of many of a request; NULL: alone */
    uint32_t place;        /* in the bundle's request */
    struct scan *scan;     /* owned: it does the scan for others too; NULL: it does not */
    enum search_stage stage;
    struct promise promise;
    struct holding *holding;     /* owned hold */
    struct point_store *points;  /* borrowed */
    struct index_reader *reader; /* borrowed from the searcher while SEARCHING */
    uint32_t k;
    uint32_t ef;
    float target_recall;
    float rescore;
    bool mapped; /* candidates of a walk are measured on the points, too */
    bool exact;
    bool measures; /* its candidates, now */
    struct measure measure;
    bool with_vectors;
    bool with_payload;
    bool explain;
    bool ranged;
    float within;         /* of a ranged one */
    struct filter filter; /* in the arena; no nodes: none */
    struct search_times {
        uint64_t match_us; /* of all attempts, as the rest */
        uint64_t search_us;
        uint64_t fill_us;
        uint64_t fetch_at_us; /* handed to the blocking pool */
    } times;
    struct index_search_stats stats; /* of the last attempt */
    float *vector;                   /* owned copy, dimension floats */
    uint64_t applied;                /* of the shard when the search began */
    uint32_t phase;                  /* of the holding's grace, while there is a reader */

    struct arena arena; /* hits and ids of all attempts */
    struct search_hit *hits;
    size_t n_hits;
    size_t next_hit;
    uint32_t attempts;
    uint64_t need;    /* log index that must be in the index before the next look */
    uint32_t waits;   /* for it */
    bool unsettled;   /* in this attempt a hit had a successor */
    uint32_t extra;   /* hits that did not count so far: so many more are asked for */
    uint32_t asked;   /* hits of this attempt at most */
    const char **ids; /* open table of what was sent; in the arena */
    size_t ids_mask;

    struct arena page_arena;
    struct search_page page;
    uint32_t n_sent; /* hits in earlier pages */
    enum status status;
    const char *words; /* of a failure; static, NULL: none */
};

/* Takes the hold. NO_MEMORY: the hold stays the caller's. */
MUST_USE enum status search_new(const ShardSearch *query,
                                struct holding *holding,
                                struct point_store *points,
                                struct search **out);
void search_free(struct search *search); /* NULL is fine; not while FETCHING */

/* Gives the search a reader and starts it. */
MUST_USE enum status search_start(struct search *search, struct index_reader *reader);

/* The hits of an attempt, whose stats are set: they are copied. NO_MEMORY. */
MUST_USE enum status search_found(struct search *search, const struct index_hit *hits, size_t n);

enum search_want {
    SEARCH_MORE,  /* call search_step again */
    SEARCH_FETCH, /* run search_fetch on the blocking pool, then step again */
    SEARCH_PAGE,  /* send search_page, more follow */
    SEARCH_LAST,  /* send search_page, that was it */
    SEARCH_FAIL,  /* status says why */
};
/* The hit's point is gone: when its id has a newer one, the index must have it before the next
 * look. For measure.h. */
MUST_USE enum status
search_note_gone(struct search *search, const struct search_hit *hit, enum kv_tier tier);
/* Of a ranged search: leaves out the hits beyond the distance; they are sorted. For measure.h. */
void search_trim(struct search *search);
/* At most about 1 ms of work. */
enum search_want search_step(struct search *search);
/* Fills the page from the disk. Blocks; any thread. */
enum status search_fetch(void *search);
/* The hits of the page: to be sent, then given up by search_page_sent. */
void search_page(struct search *search, bool last, ShardHits *out);
void search_page_sent(struct search *search);
/* False while a look now would miss what is just being applied; a few times at most. */
bool search_ready(struct search *search);
/* Not OK: it would wait for ever, for a payload index that nobody builds. INVALID, with words: the
 * shard has as many as it may. NOT_READY: it was dropped just now, whoever asks again gets it. */
enum status search_hopeless(struct search *search);
/* The reader when the search no longer needs it: give it to another. NULL: it still does. */
struct index_reader *search_release(struct search *search);

#endif
