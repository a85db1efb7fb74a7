/* index: approximate nearest neighbours of one shard. Vectors in, neighbours out: no actor, no
 * RocksDB, no thread of its own.
 *
 *   append ──▶ tail (scanned exactly, bounded) ──link──▶ graph ──▶ found by search at once, always
 *   remove ──▶ invisible at once ───────────────repair─▶ slot free again, once no reader knows it
 *
 * A point is known by its point number (u64, never reused: an update is a new number and the
 * removal of the old one) and carries its external id. Slots are private.
 *
 * Threads. Three parties may run at the same time, each one thread at a time, readers any number:
 *   appender   index_append, index_remove
 *   linker     index_link_step, index_save_*
 *   readers    everything that takes a const struct index_view *
 * index_open, index_close: no other writer call may run. A view outlives index_close, the memory
 * goes with the last holder. Nothing here blocks: a step does a bounded amount of work and returns.
 *
 * Distances (lower is better everywhere): cosine 1 - cos (a zero vector gives 1), euclidean squared
 * L2, dot minus the inner product. */
#ifndef INDEX_INDEX_H
#define INDEX_INDEX_H

#ifdef __cplusplus
#include <atomic>
using std::atomic_bool;
#else
#include <stdatomic.h>
#endif
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "index/filter.h"
#include "runtime/status.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
    INDEX_COLUMNS_MAX = 64, /* payload indexes */
    INDEX_DIMENSION_MAX = 65535,
    INDEX_ID_MAX = 1024,    /* bytes of an external id */
    INDEX_TAIL_MAX = 20000, /* points scanned exactly; less for long vectors (about a 5 ms scan) */
    INDEX_K_MAX = 10000,
    INDEX_EXACT_MAX = 2 * INDEX_K_MAX, /* candidates of an exact search */
    INDEX_EF_DEFAULT = 128,            /* raised to k when k is larger */
    INDEX_EF_MAX = 20000,
    INDEX_RESCORE_MAX = 100,
};

enum index_metric { INDEX_COSINE, INDEX_EUCLIDEAN, INDEX_DOT };

/* How the vectors of linked points are kept. Codes (coder.h) begin once there are enough points to
 * learn their scale from, and are written in the background; the tail is always float32. Graphs are
 * walked on the first bits of a code; the best candidates are measured on all. */
enum index_storage {
    INDEX_AUTO, /* sq8 from 32 dimensions on, else float32 */
    INDEX_F32,
    INDEX_SQ8,    /* twelve bits a dimension, the first eight walked on */
    INDEX_SQ4,    /* eight, four */
    INDEX_RABITQ, /* five, one */
    INDEX_F16,    /* float16, all of it walked on */
    INDEX_STORAGES,
};

/* Where results are measured in float32 from, besides exact searches. */
enum index_originals {
    INDEX_ORIGINALS_NONE,   /* nowhere: distances are those of the codes */
    INDEX_ORIGINALS_RAM,    /* from the index, which keeps the vectors beside the codes */
    INDEX_ORIGINALS_MAPPED, /* from the points: the caller's, with a ruler */
    INDEX_ORIGINALS_KINDS,
};

/* A payload index: what filters ask about a key, read as a type, is answered from it. */
struct index_column {
    struct filter_text key;
    enum filter_type type;
};

struct index_options {
    uint32_t dimension; /* 1..INDEX_DIMENSION_MAX */
    enum index_metric metric;
    uint32_t M;               /* links per node above level 0 (2M at 0); 0 = 16 */
    uint32_t ef_construction; /* 0 = 128 */
    uint64_t seed;            /* levels and repairs; same seed and same calls give the same graph */
    uint32_t tail_max;        /* 0 = INDEX_TAIL_MAX */
    enum index_storage storage;
    enum index_originals originals;
    float target_recall; /* of searches that say neither ef nor another; 0: INDEX_EF_DEFAULT */
    uint32_t train_min;  /* linked points from which codes are made; 0 = 4,096 */
    uint32_t tail_extra; /* more room in the tail, for points put back at start without a file, or
                            for all of a bulk ingest, which is linked at its end (bulk.h):
                            searches scan them until they are linked */
    const struct index_column *columns; /* there from the beginning; distinct */
    uint32_t n_columns;                 /* at most INDEX_COLUMNS_MAX */
};

struct index;
struct index_view;

/* Opens an empty index, or the file at path when path is not NULL and the file exists (*applied is
 * then what the saver wrote, else 0). NOT_FOUND is not an error: it is the empty index.
 * A large file is mapped, not read: readers may go at once. The first call of the appender verifies
 * what the appender needs, index_link_step the rest, in steps; both say CORRUPT for a bad page, and
 * searches then QUARANTINED (also index_stats.damaged). A file that is cut short meanwhile is one.
 * CORRUPT: the file fails its checksums, is of another version (inspect.h tells), or belongs
 * to other options; the caller deletes it and rebuilds from the points. NO_MEMORY, IO. */
MUST_USE enum status index_open(const struct index_options *options,
                                const char *path,
                                struct index **out,
                                uint64_t *applied);
/* Drops the writer's hold. NULL is fine. */
void index_close(struct index *index);

/* What the first call of the appender does, told apart: it verifies what the appender needs of a
 * file and makes what a file does not have. CORRUPT, NO_MEMORY. */
MUST_USE enum status index_wake(struct index *index);

/* Verifies all of an opened file at once. No other call may run. CORRUPT, NO_MEMORY. */
MUST_USE enum status index_verify(struct index *index);

struct index_point {
    uint64_t number;     /* never that of another point, even a removed one */
    const void *vector;  /* dimension little-endian float32, any alignment, finite; copied */
    const char *id;      /* external id, copied; not terminated */
    uint32_t id_size;    /* 1..INDEX_ID_MAX */
    const void *payload; /* a msgpack map of strings, for the columns; read here and not kept */
    size_t payload_size; /* 0: none */
};
/* Searchable when this returns. All or nothing. Numbers that are present are skipped, so a log may
 * be repeated; but their payload is taken, as an index file holds none. BUSY: the tail is full,
 * link first. INVALID: an id is empty or too long. NO_MEMORY.
 */
MUST_USE enum status
index_append(struct index *index, const struct index_point *points, size_t n_points);
/* Invisible to every search that starts after this returns. NOT_FOUND for an unknown number. */
MUST_USE enum status index_remove(struct index *index, uint64_t number);
/* Those of n numbers that no live point has go to `lacking`, which has room for n, in their order;
 * returns how many. Appender's thread; index_wake was called. */
size_t
index_lacking(const struct index *index, const uint64_t *numbers, size_t n, uint64_t *lacking);
/* Lists the numbers of the live points: at most n from slot *slot (0 at first) on; returns how
 * many, 0 at the end. Appender's thread, which may remove between two calls. What a replica
 * compares with its points after a restart. */
size_t index_numbers(const struct index_view *view, uint32_t *slot, uint64_t *numbers, size_t n);
/* Begins a column on an index that has points: filters may use it once index_column_fill was given
 * the payload of every point and index_columns_complete told so. EXISTS; QUOTA: INDEX_COLUMNS_MAX
 * are there; NO_MEMORY. Appender's thread, as the next three. */
MUST_USE enum status index_column_begin(struct index *index, const struct index_column *column);
/* NOT_FOUND: no such point, it went meanwhile. NO_MEMORY. */
MUST_USE enum status
index_column_fill(struct index *index, uint64_t number, const void *payload, size_t payload_size);
void index_columns_complete(struct index *index);
/* No filter that starts after this uses it; those under way do. Link steps give its memory back,
 * once they ended. NOT_FOUND. */
MUST_USE enum status index_column_drop(struct index *index, const struct index_column *column);
/* Points the tail can still take. Appender's thread. */
size_t index_tail_room(const struct index *index);

/* One step of background work: links tail points into the graph, once enough points were
 * removed repairs around them and frees their slots, and sorts columns that were written. Spends
 * about `budget` distance computations, at least one point's worth. *idle becomes true when there
 * is nothing to do now: removed points below a sixteenth of the graph wait for more, slots that a
 * reader may still know wait for its end. The graph depends on the order of calls only; which slots
 * are reused when also on how long readers stay. NO_MEMORY: nothing is lost, try again. */
MUST_USE enum status index_link_step(struct index *index, size_t budget, bool *idle);

/* --- reading --- */

struct index_view;
/* Counted; any thread that holds one may hold another. */
const struct index_view *index_view_hold(struct index *index);
const struct index_view *index_view_again(const struct index_view *view);
void index_view_drop(const struct index_view *view);

/* As the options said. */
enum index_originals index_view_originals(const struct index_view *view);

/* The conditions of a filter that no complete column answers, as the columns they need: at most n;
 * returns how many. EXISTS needs any of its key: a bool one does. The filter is sound
 * (filter_check). */
size_t index_columns_missing(const struct index_view *view,
                             const struct filter *filter,
                             struct index_column *out,
                             size_t n);

/* Is there such a column, complete or being filled? */
bool index_has_column(const struct index_view *view, const struct index_column *column);

/* Scratch of one reading thread (visited set, heaps), usable with any index, one search at a time.
 */
struct index_reader;
MUST_USE enum status index_reader_open(struct index_reader **out);
void index_reader_close(struct index_reader *reader);

struct index_query {
    const void *vector;  /* dimension little-endian float32, any alignment, finite */
    uint32_t k;          /* 1..INDEX_K_MAX; exact: 1..INDEX_EXACT_MAX */
    uint32_t ef;         /* 0 = by target; the list size of HNSW (Malkov 2016, alg. 5); a filtered
                            walk has one that finds 0.97 without a filter at least */
    float target_recall; /* without ef: the ef that reaches it (tuner.h); 0 = the options' */
    float rescore;       /* of each result so many candidates are measured on whole codes, of those
                            that the walk kept: 1..INDEX_RESCORE_MAX; 0: as the storage wants it */
    bool exact;          /* scan everything that matches; of codes as exactly as they are: ask for
                            more than is wanted and measure them with a ruler */
    bool ranged;  /* only points at a distance of at most `within`, k of them at most; a walk widens
                     until it is past that distance, ef is where it begins */
    float within; /* finite */
    const struct filter *filter; /* NULL, or only what it lets through; read by start alone */
    const uint64_t *bitmap; /* NULL, or one bit per slot (index_hit.slot): only set slots match */
    uint32_t bitmap_slots;  /* slots the bitmap covers; later ones do not match */
    const atomic_bool *cancel; /* NULL, or checked at every step */
};

struct index_hit {
    uint64_t number;
    float distance;
    uint32_t slot; /* stays while the point lives; for bitmaps */
    uint32_t id_size;
    const char *id; /* borrowed: valid until index_search_end */
};

/* A search is a resumable state machine: start, step until done, read the hits, end.
 *
 *     index_search_start → index_search_step … (done) → index_search_hits → index_search_end
 *
 * The query's vector is copied at start. With a filter there are k hits, or all that match; start
 * finds those: NOT_READY when a column is missing (index_columns_missing), INVALID for no sound
 * filter, or beside a bitmap. One search per reader at a time. Ends also release the
 * epoch the search holds: do not keep one open longer than its deadline. */
MUST_USE enum status index_search_start(struct index_reader *reader,
                                        const struct index_view *view,
                                        const struct index_query *query);
/* Spends about `budget` distance computations. OK with *done; CANCELLED; NO_MEMORY; QUARANTINED:
 * the file that was opened is damaged (index_open). */
MUST_USE enum status index_search_step(struct index_reader *reader, size_t budget, bool *done);
/* Best first: distance ascending, then id bytes ascending. At most k, borrowed until end. */
const struct index_hit *index_search_hits(const struct index_reader *reader, size_t *n_hits);
void index_search_end(struct index_reader *reader);

enum index_plan { INDEX_PLAN_SCAN, INDEX_PLAN_HOP, INDEX_PLAN_SWEEP, INDEX_PLAN_WALK, INDEX_PLANS };
const char *index_plan_name(enum index_plan plan);

struct index_search_stats {
    uint64_t distances;   /* computed by the last search */
    uint64_t hops;        /* graph nodes expanded */
    enum index_plan plan; /* as it began: WALK without a filter, else see plan.h */
    bool fell_back;       /* the walk found too few: everything that matches was scanned */
    uint64_t points;      /* live when it began */
    uint64_t matching;    /* … that the filter let through */
    uint32_t ef;          /* it had, chosen or given */
    float recall;         /* at 10, that this ef is known to give; 0: not known */
    bool coded;           /* distances of linked points are those of their codes */
    uint64_t within;      /* ranged: points found within the distance, also those beyond k; scans
                             find all */
    bool cut;             /* ranged: there are more within it than hits */
};
struct index_search_stats index_search_stats(const struct index_reader *reader);

/* Distances of whole vectors, whatever the index keeps of them: those of the tail and of float32
 * storage, to the bit. Of one query, which is copied; one thread at a time. Vectors: as many
 * little-endian float32 as the dimension says, any alignment, finite. NO_MEMORY. */
struct index_ruler;
MUST_USE enum status index_ruler_open(enum index_metric metric,
                                      uint32_t dimension,
                                      const void *query,
                                      struct index_ruler **out);
float index_ruler_distance(struct index_ruler *ruler, const void *vector);
/* How far what the index keeps may be from these, near a distance: what codes round, seldom more;
 * 0 of float32. As the codes are now: any thread that holds the view. */
float index_ruler_error(const struct index_ruler *ruler,
                        const struct index_view *view,
                        float distance);
void index_ruler_close(struct index_ruler *ruler); /* NULL is fine */

/* --- keeping --- */

/* A save keeps the index as it was at its start. start is the linker's; the steps may run on any
 * thread, beside appends, readers and link steps: writers keep the old image of a page for it
 * before they write to it. The first save to a path, and one after much changed, writes the whole
 * file beside the old one and renames it; others append the changed pages and then point to them. A
 * crash leaves the old state or the new one. `applied` is stored with it: every append and remove
 * up to it had returned before start; later ones are not in it. One save at a time, ended before
 * index_close. DISK_FULL, IO, NO_MEMORY; start also CORRUPT, of a file that was opened and is bad.
 */
struct index_save;
MUST_USE enum status
index_save_start(struct index *index, const char *path, uint64_t applied, struct index_save **out);
/* Writes about `bytes`. May block on the disk: run it on the blocking pool. */
MUST_USE enum status index_save_step(struct index_save *save, size_t bytes, bool *done);
struct index_save_stats {
    bool whole;            /* the file was written anew */
    uint64_t pages, bytes; /* written */
};
struct index_save_stats index_save_stats(const struct index_save *save);
void index_save_end(struct index_save *save);

/* Payload indexes have a file of their own beside the index file (docs/index-file.md). A save
 * writes what the live points have in complete columns, whole, beside the old file, and renames it;
 * any thread that holds the view, beside all others; it blocks. Points that come meanwhile may be
 * missing. CANCELLED: *cancel became true (NULL: it cannot), or a column was dropped. DISK_FULL,
 * IO, NO_MEMORY. */
MUST_USE enum status
index_columns_save(const struct index_view *view, const char *path, const atomic_bool *cancel);
/* Fills the columns of an index that was just opened, with the points it has: steps until done, and
 * then append those that it does not know once more, with their payloads. NOT_FOUND: no such file,
 * or it lacks one of the columns. CORRUPT, also of a step: what was filled so far counts for
 * nothing, append all. NO_MEMORY, IO. Appender; it blocks. */
struct index_columns_load;
MUST_USE enum status
index_columns_load_open(struct index *index, const char *path, struct index_columns_load **out);
MUST_USE enum status index_columns_load_step(struct index_columns_load *load, bool *done);
bool index_columns_load_knew(const struct index_columns_load *load, uint64_t number);
void index_columns_load_close(struct index_columns_load *load); /* NULL is fine */

/* Checks every invariant of graph and maps: edges in range, levels, no edge to a free slot, the
 * tree (tree.h), every linked point reachable at level 0, every live one there or in the tail.
 * `text` (may be NULL) says what is wrong. No writer call may run meanwhile. Slow; for tests.
 * CORRUPT, NO_MEMORY. */
MUST_USE enum status index_validate(const struct index_view *view, char *text, size_t text_size);

struct index_stats {
    uint64_t points;            /* live */
    uint64_t tail;              /* not linked yet, live or not */
    uint64_t removed;           /* removed, slot not free yet */
    uint64_t slots;             /* ever used: live + removed + free */
    uint64_t memory_bytes;      /* resident estimate: vectors, graph, ids, maps, columns */
    enum index_storage storage; /* what linked points are kept as now */
    float target_recall;        /* of the options */
    uint32_t target_ef;         /* that reaches it */
    float recall;     /* at 10, as measured at that ef, or at the default; 0: not yet (tuner.h) */
    bool recall_live; /* … on live queries, not on points of its own */
    uint32_t max_level;
    uint32_t columns;      /* payload indexes */
    uint64_t column_bytes; /* theirs, of memory_bytes */
    uint64_t unread;       /* values written to them that did not read as their type */
    bool unsorted;         /* they are behind: index_link_step has work */
    uint64_t unverified;   /* bytes mapped from the file that nobody has compared with their sums */
    bool damaged;          /* a page of the file was bad: close, delete it, rebuild */
};
struct index_stats index_stats(const struct index_view *view);

struct index_column_stats {
    struct index_column column; /* its key is borrowed from the view */
    bool complete;   /* filters may use it: it was there from the beginning, or is filled */
    uint64_t values; /* points that have one of the type; those that were removed count until their
                        slots are used again */
    uint64_t unread; /* values written that did not read as the type */
    uint64_t texts;  /* of keywords: different ones so far */
    uint64_t bytes;  /* of memory */
};
/* The payload indexes, at most n; returns how many. Keys are good until the appender drops one: any
 * thread where none is dropped, else the appender's. */
size_t index_columns(const struct index_view *view, struct index_column_stats *out, size_t n);

/* "auto" (also ""), "f32", "sq8", "sq4", "rabitq"; "none" (also ""), "ram", "mapped"; any case.
 * INVALID for others. */
MUST_USE enum status index_storage_parse(const char *text, enum index_storage *out);
const char *index_storage_name(enum index_storage storage);
MUST_USE enum status index_originals_parse(const char *text, enum index_originals *out);
const char *index_originals_name(enum index_originals originals);

/* "cosine", "euclidean" (also "" and "l2"), "dot", any case. INVALID for others. */
MUST_USE enum status index_metric_parse(const char *text, enum index_metric *out);
const char *index_metric_name(enum index_metric metric);

#ifdef __cplusplus
}
#endif

#endif
