/* credit: accounts in a hash table (only those that are not full), debts in a list of each actor
 * (one a process that writes to it). */
#include "runtime/credit.h"

#include "runtime/assert.h"
#include "runtime/cell.h"
#include "runtime/memory.h"
#include "runtime/rng.h"
#include "runtime/turn_state.h"

/* --- accounts
 * ------------------------------------------------------------------------------------------- */

struct account {
    struct account *next; /* owned */
    actor_handle to;
    uint32_t left;
    uint32_t n_parked;
    struct parcel *first; /* owned: parked */
    struct parcel *last;
    size_t bytes;
    struct mutes muted; /* senders that wait until nothing is parked */
    uint64_t heard_us;  /* when it became empty, a credit came, or a message went without */
};

static struct account **find(struct credits *credits, actor_handle to) {
    struct account **at = &credits->buckets[rng_mix(to) % CREDIT_BUCKETS];
    while (*at && (*at)->to != to)
        at = &(*at)->next;
    return at;
}

static void close_account(struct credits *credits, struct account **at) {
    struct account *account = *at;
    *at = account->next;
    credits->n_accounts--;
    mutes_free(&account->muted);
    mem_free(account);
}

/* At rest: nothing waits, and as many may go as with a new one. */
static void forget_resting(struct credits *credits, struct account **at) {
    while (*at) {
        if (!(*at)->first && (*at)->left >= CREDIT_INITIAL)
            close_account(credits, at);
        else
            at = &(*at)->next;
    }
}

static struct account *account_of(struct core *core, actor_handle to) {
    struct credits *credits = &core->credits;
    struct account **at = find(credits, to);
    if (*at) return *at;
    if (credits->n_accounts >= CREDIT_ACCOUNTS_MAX) {
        forget_resting(credits, &credits->buckets[rng_mix(to) % CREDIT_BUCKETS]);
        at = find(credits, to);
    }
    struct account *account = mem_zero(1, sizeof *account);
    if (!account) return NULL;
    account->to = to;
    account->left = CREDIT_INITIAL;
    *at = account;
    credits->n_accounts++;
    return account;
}

static void park(struct core *core, struct account *account, struct parcel *parcel) {
    struct credits *credits = &core->credits;
    if (account->n_parked >= CREDIT_PARKED_MESSAGES ||
        account->bytes + parcel->size > CREDIT_PARKED_BYTES ||
        credits->bytes + parcel->size > CREDIT_PARKED_ALL) {
        core_refuse(core, core->lanes, parcel, STATUS_BUSY,
                    "the actor's process is behind, and too much waits for it here");
        return;
    }
    parcel->next = NULL;
    if (account->last)
        account->last->next = parcel;
    else
        account->first = parcel;
    account->last = parcel;
    account->n_parked++;
    account->bytes += parcel->size;
    credits->bytes += parcel->size;
    credits->parked++;
    if (parcel->envelope.flags & PARCEL_MUTES)
        mutes_add(&account->muted, core->lanes, &parcel->envelope);
}

static struct parcel *unpark(struct credits *credits, struct account *account) {
    struct parcel *parcel = account->first;
    account->first = parcel->next;
    if (!account->first) account->last = NULL;
    parcel->next = NULL;
    account->n_parked--;
    account->bytes -= parcel->size;
    credits->bytes -= parcel->size;
    return parcel;
}

/* Those whose time is over stay here. */
static void send_parked(struct core *core, struct account *account, uint64_t now_us) {
    while (account->first && account->left > 0) {
        struct parcel *parcel = unpark(&core->credits, account);
        if (parcel->envelope.deadline_us <= now_us) {
            core_refuse(core, core->lanes, parcel, STATUS_EXPIRED, NULL);
            continue;
        }
        account->left--;
        core->credits.go(core, parcel);
    }
    if (!account->first && account->muted.first)
        mutes_end(&account->muted, core->lanes, account->to);
}

bool credit_pays(struct core *core, struct parcel *parcel) {
    const struct envelope *envelope = &parcel->envelope;
    bool request = envelope->kind == PARCEL_CALL || envelope->kind == PARCEL_CAST;
    if (!request || envelope->band != BAND_DATA) return true;
    struct account *account = account_of(core, envelope->to);
    if (!account) return true; /* without memory for an account it goes unpaid */
    if (account->left > 0 && !account->first) {
        account->left--;
        if (account->left == 0) account->heard_us = lane_time(core->lanes);
        return true;
    }
    park(core, account, parcel);
    uint64_t now = lane_time(core->lanes);
    if (now - account->heard_us >= CREDIT_STALE_US) {
        account->left++;
        account->heard_us = now;
        send_parked(core, account, now);
    }
    return false;
}

void credit_take(struct core *core, struct parcel *parcel) {
    struct account *account = *find(&core->credits, parcel->envelope.from);
    uint64_t more = parcel->envelope.correlation;
    parcel_free(parcel);
    if (!account) return;
    if (more > CREDIT_MAX) more = CREDIT_MAX;
    account->left += (uint32_t)more;
    if (account->left > CREDIT_MAX) account->left = CREDIT_MAX;
    account->heard_us = lane_time(core->lanes);
    send_parked(core, account, account->heard_us);
}

bool credit_cancels(struct core *core, struct parcel *parcel) {
    const struct envelope *asked = &parcel->envelope;
    struct account *account = *find(&core->credits, asked->to);
    struct parcel *before = NULL, *call = account ? account->first : NULL;
    for (; call; before = call, call = call->next)
        if (call->envelope.kind == PARCEL_CALL && call->envelope.from == asked->from &&
            call->envelope.correlation == asked->correlation)
            break;
    if (!call) return false;
    if (!before) {
        unpark(&core->credits, account);
    } else {
        before->next = call->next;
        if (account->last == call) account->last = before;
        account->n_parked--;
        account->bytes -= call->size;
        core->credits.bytes -= call->size;
    }
    parcel_free(call); /* its caller has the outcome already */
    parcel_free(parcel);
    return true;
}

uint64_t credit_parked(const struct core *core, uint16_t peer) {
    uint64_t n = 0;
    for (size_t i = 0; i < CREDIT_BUCKETS; i++)
        for (const struct account *at = core->credits.buckets[i]; at; at = at->next)
            if (handle_peer(at->to) == peer) n += at->n_parked;
    return n;
}

static void refuse_parked(struct core *core, struct account *account) {
    while (account->first) {
        struct parcel *parcel = unpark(&core->credits, account);
        core_refuse(core, core->lanes, parcel, STATUS_LOST_PEER,
                    "the link to its process was lost");
    }
    mutes_end(&account->muted, core->lanes, account->to);
}

void credit_lost(struct core *core, uint16_t peer) {
    for (size_t i = 0; i < CREDIT_BUCKETS; i++)
        for (struct account **at = &core->credits.buckets[i]; *at;) {
            if (handle_peer((*at)->to) != peer) {
                at = &(*at)->next;
                continue;
            }
            refuse_parked(core, *at);
            close_account(&core->credits, at);
        }
}

void credits_free(struct credits *credits) {
    for (size_t i = 0; i < CREDIT_BUCKETS; i++)
        while (credits->buckets[i]) {
            while (credits->buckets[i]->first)
                parcel_free(unpark(credits, credits->buckets[i]));
            close_account(credits, &credits->buckets[i]);
        }
}

/* --- debts
 * ------------------------------------------------------------------------------------------- */

struct debt {
    struct debt *next; /* owned */
    actor_handle to;   /* somebody in that process: its credits go there */
    uint32_t owed;
    uint32_t window; /* how many may be on their way from there */
};

void credit_mark(struct parcel *parcel) {
    const struct envelope *envelope = &parcel->envelope;
    bool request = envelope->kind == PARCEL_CALL || envelope->kind == PARCEL_CAST;
    if (request && envelope->band == BAND_DATA && envelope->from)
        parcel->envelope.flags |= PARCEL_OWES;
}

static void
say(struct core *core, struct lane *lane, actor_handle actor, actor_handle to, uint32_t n) {
    struct parcel *parcel = parcel_local(PARCEL_CREDIT, to, NULL, 0);
    parcel->envelope.from = actor;
    parcel->envelope.correlation = n;
    parcel->envelope.band = BAND_CONTROL;
    core_send(core, lane, parcel);
}

static struct debt *debt_to(struct cell *cell, actor_handle to) {
    struct debt *debt = cell->debts;
    while (debt && handle_peer(debt->to) != handle_peer(to))
        debt = debt->next;
    if (debt) return debt;
    debt = mem_zero(1, sizeof *debt);
    if (!debt) return NULL;
    debt->to = to;
    debt->window = CREDIT_INITIAL;
    debt->next = cell->debts;
    cell->debts = debt;
    return debt;
}

void credit_give_back(struct core *core,
                      struct lane *lane,
                      struct cell *cell,
                      struct parcel *parcel) {
    struct envelope *envelope = &parcel->envelope;
    envelope->flags &= (uint8_t)~PARCEL_OWES;
    struct debt *debt = cell ? debt_to(cell, envelope->from) : NULL;
    if (!debt) {
        say(core, lane, envelope->to, envelope->from, 1);
        return;
    }
    debt->owed++;
}

void credit_move(struct cell *cell) {
    for (struct parcel *parcel = cell->mailbox.bands[BAND_DATA].first; parcel;
         parcel = parcel->next)
        credit_owe(cell->core, cell->lane, NULL, parcel);
    credit_close(cell);
}

/* As many as the mailbox has room for, shared by the processes that write to it. */
static uint32_t window_max(const struct cell *cell) {
    uint32_t shares = 1;
    for (const struct debt *debt = cell->debts; debt; debt = debt->next)
        shares++;
    uint32_t max = cell->mailbox.messages_max / shares;
    if (max > CREDIT_MAX) max = CREDIT_MAX;
    return max > CREDIT_INITIAL ? max : CREDIT_INITIAL;
}

static uint32_t lesser(uint32_t a, uint32_t b) {
    return a < b ? a : b;
}

/* More than it owes while the actor keeps up, less while its mailbox is half full. */
static uint32_t judge(const struct cell *cell, struct debt *debt) {
    uint32_t waiting = cell->mailbox.bands[BAND_DATA].count, max = window_max(cell);
    uint32_t most = debt->owed; /* of a change */
    if (waiting == 0 && debt->window < max) {
        uint32_t more = lesser(max - debt->window, most);
        debt->window += more;
        return debt->owed + more;
    }
    bool full = waiting > cell->mailbox.messages_max / 2 || debt->window > max;
    if (!full || debt->window <= CREDIT_INITIAL) return debt->owed;
    uint32_t less = lesser(debt->window - CREDIT_INITIAL, most);
    debt->window -= less;
    return debt->owed - less;
}

void credit_settle(struct cell *cell) {
    for (struct debt *debt = cell->debts; debt; debt = debt->next) {
        bool due = cell->mailbox.bands[BAND_DATA].count == 0 || debt->owed >= CREDIT_LOT;
        if (debt->owed == 0 || !due) continue;
        uint32_t give = judge(cell, debt);
        debt->owed = 0;
        if (give > 0) say(cell->core, cell->lane, cell->handle, debt->to, give);
    }
}

static void drop(struct debt **at) {
    struct debt *debt = *at;
    *at = debt->next;
    mem_free(debt);
}

void credit_close(struct cell *cell) {
    while (cell->debts) {
        const struct debt *debt = cell->debts;
        if (debt->owed) say(cell->core, cell->lane, cell->handle, debt->to, debt->owed);
        drop(&cell->debts);
    }
}

void credit_forget(struct cell *cell, uint16_t peer) {
    for (struct debt **at = &cell->debts; *at;) {
        if (handle_peer((*at)->to) == peer)
            drop(at);
        else
            at = &(*at)->next;
    }
}
