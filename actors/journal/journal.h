/* journal: one replicated log as its owner writes it. Proposals get log indexes in the order of
 * pushing, go to the log actor one batch at a time (what comes meanwhile is the next batch: group
 * commit), and come back durable in order. With one replica, durable is committed.
 *
 *     journal_push ─▶ waiting ─▶ one LogAppend under way ─▶ durable(proposals) | failed(status)
 *
 * Part of an actor: used in its turns only. A refused batch keeps its proposals and their indexes:
 * repeating it is idempotent, as an append replaces everything at and after its first index. */
#ifndef ACTORS_JOURNAL_JOURNAL_H
#define ACTORS_JOURNAL_JOURNAL_H

#include <stdatomic.h>

#include "runtime/buffer.h"
#include "runtime/turn.h"

enum {
    JOURNAL_ENTRY_MAX = 2 * 1024 * 1024, /* bytes of one entry */
    JOURNAL_BATCH_MAX = 3 * 1024 * 1024, /* bytes of one append; the first entry always fits */
    JOURNAL_BATCH_ENTRIES = 512,
};

/* Meanings of an entry's type. */
enum entry_type {
    ENTRY_NOTHING = 1, /* proves that the log can be written; applied as nothing */
    ENTRY_DATA = 2,    /* the owner's message */
    ENTRY_CHANGE = 3,  /* of a group's members; applied as nothing */
};

struct proposal {
    struct proposal *next;
    struct promise promise; /* owed to the writer */
    bool owed;
    uint8_t type;       /* enum entry_type */
    uint32_t weight;    /* the owner's: points it will add */
    uint64_t index;     /* given when it is logged */
    uint64_t term;      /* the same, in a group */
    struct buffer data; /* owned: the entry */
    atomic_uint holds;  /* a group's log and whoever applies it may hold the same one */
};
/* NO_MEMORY. An empty buffer is fine with ENTRY_NOTHING. Takes data. */
MUST_USE enum status proposal_new(uint8_t type, struct buffer *data, struct proposal **out);
struct proposal *proposal_again(struct proposal *proposal);
/* Gives up a hold; the last one frees it, on any thread. The promise must be settled before. NULL
 * is fine. */
void proposal_free(struct proposal *proposal);

/* First in, first out. */
struct proposals {
    struct proposal *first;
    struct proposal *last;
    uint32_t count;
    uint32_t weight;
    size_t bytes;
};
void proposals_push(struct proposals *list, struct proposal *proposal);
struct proposal *proposals_pop(struct proposals *list); /* NULL: empty */
/* Moves all of `from` behind `to`. */
void proposals_move(struct proposals *to, struct proposals *from);
void proposals_free(struct proposals *list);
/* Rejects every owed promise; the proposals stay. */
void proposals_reject(struct proposals *list,
                      enum status status,
                      const char *text,
                      struct turn *turn);

struct journal_options {
    uint64_t store_id;
    uint64_t last; /* last index in the log; the next is last + 1 */
    uint64_t term;
    void *owner; /* the actor's state */
    /* In order and durable; the owner takes them off the list. */
    void (*durable)(void *owner, struct proposals *done, struct turn *turn);
    /* The log refused. Nothing is sent until journal_abandon or journal_resume. */
    void (*failed)(void *owner, enum status status, const char *text, struct turn *turn);
    /* True while the next proposal may not be logged yet (no room where it is applied). NULL:
     * never. */
    bool (*gate)(void *owner, const struct proposal *next);
};

struct journal {
    struct journal_options options;
    actor_handle log;
    struct proposals waiting;
    struct proposals writing;
    uint64_t next;            /* index of the next proposal that is logged */
    uint64_t truncate_before; /* goes with the next append; 0 = nothing to forget */
    uint64_t cutting;         /* … with the one under way */
    bool busy;                /* an append is under way or will be repeated by a timer */
    bool stopped;             /* failed, until resume */
};

void journal_init(struct journal *journal, const struct journal_options *options);
/* Frees what is left; promises of a stopping actor are the runtime's. */
void journal_free(struct journal *journal);
/* Takes the proposal. */
void journal_push(struct journal *journal, struct proposal **proposal, struct turn *turn);
/* Starts an append when there is something to write and nothing in the way. */
void journal_pump(struct journal *journal, struct turn *turn);
/* Forgets entries below `first`, with the next append or one of its own. */
void journal_truncate(struct journal *journal, uint64_t first, struct turn *turn);
/* After `failed`: forgets what was not durable (reject it first: journal_reject); its indexes are
 * given again, to the next proposals. */
void journal_abandon(struct journal *journal);
void journal_reject(struct journal *journal,
                    enum status status,
                    const char *text,
                    struct turn *turn);
/* Frees what is not on its way yet. */
void journal_forget(struct journal *journal);
/* After `failed`: tries again with what there is. */
void journal_resume(struct journal *journal, struct turn *turn);
/* Proposals not durable yet. */
uint32_t journal_pending(const struct journal *journal);
size_t journal_pending_bytes(const struct journal *journal);

#endif
