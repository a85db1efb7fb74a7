/* trunk: a list that grows at one end and is taken as a whole, so that neither side ever waits:
 *
 *     outbox, newest first ──one compare-and-swap──▶ inbox.newest
 *                                                        │ one exchange, turned round
 *                                  trunks_take ◀── inbox.taken, oldest first
 *
 * A lane that is about to sleep says so (asleep) and looks once more; a sender pushes and then
 * looks whether it sleeps. Both orders are sequentially consistent, so one of them sees the other,
 * and a lane that is awake costs its senders no system call. Only who pushed to an empty list has
 * to look: the list was empty when the lane looked, or the lane did not sleep. */
#include "runtime/trunk.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include "runtime/assert.h"
#include "runtime/batch.h"
#include "runtime/memory.h"

/* --- receiving
 * ------------------------------------------------------------------------------------- */

enum status trunks_open(struct trunks *trunks, uint32_t n) {
    *trunks = (struct trunks){.in = mem_aligned(_Alignof(struct inbox), n * sizeof(struct inbox))};
    if (!trunks->in) return STATUS_NO_MEMORY;
    for (; trunks->n < n; trunks->n++) {
        struct inbox *inbox = &trunks->in[trunks->n];
        *inbox = (struct inbox){.bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
        if (inbox->bell < 0) return STATUS_QUOTA;
    }
    return STATUS_OK;
}

int trunks_bell(const struct trunks *trunks, uint32_t lane) {
    return trunks->in[lane].bell;
}

static struct parcel *turn_round(struct parcel *newest) {
    struct parcel *oldest = NULL;
    while (newest) {
        struct parcel *next = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    return oldest;
}

bool trunks_take(struct trunks *trunks, uint32_t lane, struct parcel **batch) {
    struct inbox *inbox = &trunks->in[lane];
    if (!inbox->taken) {
        if (!trunks_wait(trunks, lane)) return false;
        bool ended = atomic_load_explicit(&inbox->ended, memory_order_acquire);
        inbox->taken =
            turn_round(atomic_exchange_explicit(&inbox->newest, NULL, memory_order_acquire));
        if (!inbox->taken) {
            if (ended) atomic_store_explicit(&inbox->ended, false, memory_order_relaxed);
            *batch = NULL;
            return ended;
        }
    }
    *batch = inbox->taken;
    inbox->taken = (*batch)->next;
    (*batch)->next = NULL;
    batch_prefetch(inbox->taken);
    atomic_fetch_sub_explicit(&inbox->count, 1, memory_order_relaxed);
    return true;
}

bool trunks_sleep(struct trunks *trunks, uint32_t lane) {
    struct inbox *inbox = &trunks->in[lane];
    atomic_store(&inbox->asleep, true);
    if (!inbox->taken && !atomic_load(&inbox->newest) && !atomic_load(&inbox->ended)) return true;
    trunks_woke(trunks, lane);
    return false;
}

void trunks_woke(struct trunks *trunks, uint32_t lane) {
    atomic_store_explicit(&trunks->in[lane].asleep, false, memory_order_relaxed);
}

static void
refuse_batches(struct parcel *batch, void (*refuse)(void *, struct parcel *), void *node) {
    while (batch) {
        struct parcel *next = batch->next;
        struct parcel *parcel;
        size_t at = 0;
        while ((parcel = batch_next(batch, &at)))
            refuse(node, parcel);
        parcel_free(batch);
        batch = next;
    }
}

void trunks_close(struct trunks *trunks, void (*refuse)(void *, struct parcel *), void *node) {
    for (uint32_t i = 0; i < trunks->n; i++) {
        struct parcel *batch = NULL;
        while (trunks_take(trunks, i, &batch))
            refuse_batches(batch, refuse, node);
        close(trunks->in[i].bell);
    }
    mem_free(trunks->in);
    *trunks = (struct trunks){0};
}

/* --- sending
 * --------------------------------------------------------------------------------------- */

enum status trunk_open(struct trunk *trunk, const struct trunks *trunks) {
    *trunk = (struct trunk){.trunks = trunks, .n = trunks->n};
    trunk->boxes = mem_zero(trunks->n, sizeof(struct outbox));
    if (trunk->boxes) return STATUS_OK;
    trunk->n = 0;
    return STATUS_NO_MEMORY;
}

void trunk_close(struct trunk *trunk, void (*refuse)(void *, struct parcel *), void *node) {
    for (uint32_t i = 0; i < trunk->n; i++)
        refuse_batches(turn_round(trunk->boxes[i].newest), refuse, node);
    mem_free(trunk->boxes);
    *trunk = (struct trunk){0};
}

static struct parcel *add_batch(struct outbox *box) {
    struct parcel *batch = batch_new();
    assert(batch);
    batch->next = box->newest;
    box->newest = batch;
    if (!box->oldest) box->oldest = batch;
    box->batches++;
    return batch;
}

bool trunk_put(struct trunk *trunk, uint32_t lane, struct parcel *parcel) {
    struct outbox *box = &trunk->boxes[lane];
    uint8_t kind = parcel->envelope.kind;
    bool refusable = kind == PARCEL_CAST || kind == PARCEL_CALL;
    if (box->count >= TRUNK_WAITING && refusable) return false;
    if (!box->newest || !batch_put(box->newest, parcel)) {
        bool put = batch_put(add_batch(box), parcel);
        assert(put);
    }
    box->count++;
    trunk->waiting++;
    return true;
}

static void ring(struct inbox *inbox) {
    if (!atomic_load(&inbox->asleep) || !atomic_exchange(&inbox->asleep, false)) return;
    ssize_t n = write(inbox->bell, &(uint64_t){1}, sizeof(uint64_t));
    assert(n == sizeof(uint64_t)); /* its count never gets near 2^64 */
}

/* False: the inbox is full. */
static bool push(struct inbox *inbox, const struct outbox *box) {
    if (atomic_load_explicit(&inbox->count, memory_order_relaxed) >= TRUNK_BATCHES) return false;
    atomic_fetch_add_explicit(&inbox->count, box->batches, memory_order_relaxed);
    struct parcel *top = atomic_load_explicit(&inbox->newest, memory_order_relaxed);
    do
        box->oldest->next = top;
    while (!atomic_compare_exchange_weak(&inbox->newest, &top, box->newest));
    if (!top) ring(inbox);
    return true;
}

bool trunk_flush(struct trunk *trunk) {
    if (trunk->waiting == 0) return true;
    bool all = true;
    for (uint32_t i = 0; i < trunk->n; i++) {
        struct outbox *box = &trunk->boxes[i];
        if (!box->newest) continue;
        if (!push(&trunk->trunks->in[i], box)) {
            all = false;
            continue;
        }
        trunk->waiting -= box->count;
        *box = (struct outbox){0};
    }
    return all;
}

void trunk_end(struct trunk *trunk, uint32_t lane) {
    struct inbox *inbox = &trunk->trunks->in[lane];
    atomic_store(&inbox->ended, true);
    ring(inbox);
}
