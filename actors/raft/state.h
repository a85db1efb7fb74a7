/* state: what is behind struct seat, shared by the files that make it up. Nobody else includes it.
 *
 *   seat.c     open, events, effects carried out
 *   window.c   the end of the log, in memory
 *   writing.c  the log actor: one append under way
 *   feed.c     followers get their entries
 *   facts.c    what is durable
 *   install.c  a snapshot in place of a log
 *   birth.c    from there to a seat that takes part; snapshots recorded */
#ifndef ACTORS_RAFT_STATE_H
#define ACTORS_RAFT_STATE_H

#include "actors/raft/seat.h"
#include "runtime/turn.h"
#include "schemas/raft.pb-c.h"

enum {
    SEAT_MARKS = 64,
    SEAT_FEEDS = 16,      /* followers of one leader */
    SEAT_FEED_CHUNKS = 8, /* messages with entries on their way to one follower */
    SEAT_LINK_SIZE = CONSENSUS_ADDRESS_MAX + 1,
    SEAT_LINKS_MAX = 16, /* learned from messages */
    SEAT_BATCH_BYTES = 3 * 1024 * 1024,
    SEAT_BATCH_ENTRIES = 512,
};

/* Entries first .. last, all that is not durable among them. */
struct window {
    struct proposal **ring; /* owned, with a hold on each */
    uint32_t capacity;      /* a power of two, or 0 */
    uint32_t head;
    uint64_t first, last; /* last = first - 1: empty */
    size_t bytes;
};

/* A write of consensus and the last index it put into the log, as far as that is still there. */
struct mark {
    uint64_t number;
    uint64_t last;
};

struct writing {
    bool busy;
    bool refused; /* what is busy came back, and is to be tried again */
    /* under way */
    uint64_t first, last; /* entries; last < first: none */
    uint32_t n_marks;     /* marks that are complete with it, if their entries are */
    bool sent_hard;
    bool sent_record;
    /* next */
    uint64_t from; /* entries from here on are not on their way; 0: none */
    bool hard;
    uint64_t term, vote;
    struct buffer record; /* encoded RaftRecord, or nothing */
    uint64_t cut;         /* entries below it go with it */
    bool reset;
    struct mark marks[SEAT_MARKS];
    uint32_t first_mark, count;
    bool open;          /* the newest mark was not under way yet */
    uint64_t stored;    /* entries up to here are durable and the log's */
    uint64_t persisted; /* number of the last write that is */
};

/* Entries that consensus wants a follower to get. */
struct feed {
    uint64_t id; /* 0: free */
    uint64_t next, until;
    uint64_t prev_term; /* of entry next - 1 */
    uint64_t term;      /* in which it is wanted */
    uint64_t turn;      /* of the feed: a read of an older one is thrown away */
    bool reading;
    uint64_t ends[SEAT_FEED_CHUNKS]; /* last entry of each message on its way */
    uint32_t n_ends;
    uint64_t sent_ms;
};

/* A message that leaves once write `after` is durable. */
struct held {
    struct held *next;
    uint64_t after;
    char address[SEAT_LINK_SIZE];
    struct buffer bytes;
};

struct seat_link {
    uint64_t id;
    uint64_t heard_ms;
    char link[SEAT_LINK_SIZE];
};

struct seat {
    struct seat_options options;
    struct consensus *consensus; /* owned; NULL: not open, or left */
    bool left;
    actor_handle log, raft;
    struct seat_facts facts; /* until it is open */
    uint64_t generation;
    uint64_t snapshot_index;
    struct seat_snapshot installing; /* index 0: none */
    uint64_t installing_members_index;
    struct buffer installing_members; /* encoded RaftMembers */
    struct proposals waiting;
    struct window window;
    struct writing writing;
    struct feed feeds[SEAT_FEEDS];
    uint64_t after; /* messages of ours wait for this write */
    struct held *held, *held_last;
    struct seat_link links[SEAT_LINKS_MAX];
    uint32_t n_links, next_link;
    uint64_t apply; /* committed and durable here */
    uint64_t taken;
    struct proposals fetched; /* owned: read back for the machine, the next to take first */
    bool fetching;
    uint64_t due_ms; /* the timer's */
    uint64_t timer;
    enum consensus_role role;
};

uint8_t entry_type_of(enum consensus_kind kind);
enum consensus_kind entry_kind_of(uint8_t type);

/* window.c */
MUST_USE enum status window_add(struct window *window, struct proposal *proposal /* taken */);
struct proposal *window_at(const struct window *window, uint64_t index); /* NULL: not there */
/* Takes the newest out; NULL: empty. */
struct proposal *window_pop(struct window *window);
/* Lets the oldest go. */
void window_shift(struct window *window);
void window_free(struct window *window);

/* writing.c */
/* Entries from `first` on (0: none), with term and vote as effects say. */
void writing_add(struct seat *seat, const struct consensus_effects *effects);
/* Entries from index on are others now. */
void writing_cut(struct writing *writing, uint64_t index);
void writing_pump(struct seat *seat, struct turn *turn);
/* Writes the record, and cuts the log below. */
void writing_record(
    struct seat *seat, const struct buffer *record, uint64_t cut, bool reset, struct turn *turn);
/* Tries again what failed. */
void writing_repeat(struct seat *seat, struct turn *turn);

/* feed.c */
/* What consensus wants to be sent: an append, whose entries come from here. */
void feed_want(struct seat *seat, const RaftMessage *message, uint32_t wanted, struct turn *turn);
void feed_pump(struct seat *seat, struct turn *turn);

/* seat.c */
/* Where a replica is reached; "": not known. */
const char *seat_link_of(const struct seat *seat, uint64_t id);
/* Puts it among those that leave; `to` is a replica. */
void seat_hold(struct seat *seat, const RaftMessage *message, uint64_t after, struct turn *turn);
void seat_flush(struct seat *seat, struct turn *turn);
void seat_persisted(struct seat *seat, uint64_t number, struct turn *turn);
void seat_broken(struct seat *seat, enum status status, const char *text, struct turn *turn);
/* Founding is durable. */
void seat_begin(struct seat *seat, struct turn *turn);
void seat_carry_out(struct seat *seat, const struct consensus_effects *effects, struct turn *turn);

/* install.c */
void install_begin(struct seat *seat, const struct consensus_effects *effects, struct turn *turn);

/* birth.c */
struct seat_snapshot_of {
    uint64_t index, term, members_index, generation;
    const struct buffer *members; /* encoded RaftMembers */
};
MUST_USE enum status seat_encode_record(const struct seat_snapshot_of *what, struct buffer *out);

/* Entries read back on the pool: from .. to, at most bytes. */
struct reading {
    struct log_store *log;
    uint64_t store;
    uint64_t from, to;
    size_t bytes;
    struct proposals list; /* owned */
    struct seat *seat;
    struct feed *feed; /* NULL: for the machine */
    uint64_t feed_turn;
};
struct reading *reading_new(const struct seat *seat, uint64_t from, uint64_t to, size_t bytes);
void reading_free(void *context);
enum status reading_work(void *context);

#endif
