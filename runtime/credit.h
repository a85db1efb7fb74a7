/* credit: how many requests of the data band may be on their way to an actor of another process.
 * Without it a slow actor there drops what it cannot hold; with it, what it cannot take waits here,
 * with the sender's process, and only when that is full, too, is the sender told (BUSY).
 *
 *     here                                            there
 *     ledger: an account an actor        ── CALL ──▶  mailbox
 *     account empty: messages park                      │ taken out, refused, or cancelled
 *     account filled, parked ones go     ◀── CREDIT ──  owed: said in lots, or when nothing waits
 *
 * An account begins with CREDIT_INITIAL. While the actor there keeps up, it gives back more than it
 * took, up to CREDIT_MAX on their way and its share of the mailbox; when that fills, less. Credits
 * ride in the next frame to that process. Only between processes that both keep ledgers: not with
 * foreign programs. Private to runtime/. */
#ifndef RUNTIME_CREDIT_H
#define RUNTIME_CREDIT_H

#include "runtime/parcel.h"

struct cell;
struct core;
struct lane;

enum {
    CREDIT_INITIAL = 64,
    CREDIT_MAX = 1024,
    CREDIT_LOT = 16,               /* said at the latest when so many are owed */
    CREDIT_PARKED_MESSAGES = 1024, /* for one actor */
    CREDIT_PARKED_BYTES = 8 * 1024 * 1024,
    CREDIT_PARKED_ALL = 64 * 1024 * 1024, /* bytes for all actors */
    CREDIT_ACCOUNTS_MAX = 4096,           /* beyond it those at rest are forgotten */
    CREDIT_STALE_US = 1000 * 1000, /* silence after which a message goes without credit: whoever
                                      should have given it may have lost it */
};

/* --- the sender's side: on the lane of the link --- */

struct account;
enum { CREDIT_BUCKETS = 256 };
struct credits {
    struct account *buckets[CREDIT_BUCKETS]; /* owned; by the actor's handle */
    uint32_t n_accounts;
    size_t bytes;                                         /* parked */
    uint64_t parked;                                      /* messages, ever */
    void (*go)(struct core *core, struct parcel *parcel); /* the driver's: sends what may go now */
};
/* Frees accounts, and what is parked. */
void credits_free(struct credits *credits);

/* Pays for the parcel; it may go. False: it was taken: parked, or refused. Only for requests of the
 * data band, else it is free. */
bool credit_pays(struct core *core, struct parcel *parcel);
/* Takes a PARCEL_CREDIT; what was parked goes. */
void credit_take(struct core *core, struct parcel *parcel);
/* A PARCEL_CANCEL for a parked call takes it out, and is taken itself. */
bool credit_cancels(struct core *core, struct parcel *parcel);
/* Messages that wait here for credit of that process's actors. */
uint64_t credit_parked(const struct core *core, uint16_t peer);
/* The process is lost: what was parked for it is refused. */
void credit_lost(struct core *core, uint16_t peer);

/* --- the receiver's side: on the actor's lane --- */

/* A request that came from a process with a ledger: somebody will owe it a credit. */
void credit_mark(struct parcel *parcel);
/* The request leaves the mailbox of the actor, or does not get there: its credit goes back. NULL
 * cell: at once. */
void credit_give_back(struct core *core,
                      struct lane *lane,
                      struct cell *cell,
                      struct parcel *parcel);
static inline void
credit_owe(struct core *core, struct lane *lane, struct cell *cell, struct parcel *parcel) {
    if (parcel->envelope.flags & PARCEL_OWES) credit_give_back(core, lane, cell, parcel);
}
/* The actor goes on under another handle: what waits for it was addressed to this one. */
void credit_move(struct cell *cell);
/* Says what is owed, if nothing waits any more; else when it is a lot. */
void credit_settle(struct cell *cell);
/* Says all that is owed: the life ends. */
void credit_close(struct cell *cell);
/* To a lost process nothing is owed. */
void credit_forget(struct cell *cell, uint16_t peer);

#endif
