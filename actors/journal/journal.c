/* journal: see the header. Indexes are given when a batch leaves, not at push, so that rejected
 * proposals leave no hole. At most one append is under way: the log actor may therefore fail one
 * batch and store the next one without making a hole either.
 *
 * An append whose outcome is unknown (log actor restarted, mailbox full) is repeated under the same
 * indexes; messages between two actors stay in order, so an older copy can never follow a newer
 * one. */
#include "actors/journal/journal.h"

#include <string.h>

#include "runtime/assert.h"
#include "runtime/codec.h"
#include "runtime/memory.h"
#include "schemas/log.pb-c.h"

#include "runtime/poison.h"

enum {
    APPEND_TIMEOUT_US = 30 * 1000 * 1000, /* a disk this slow counts as gone, and is asked again */
    REPEAT_US = 10 * 1000,                /* pause before an append is repeated */
};

static_assert(JOURNAL_BATCH_MAX + JOURNAL_BATCH_ENTRIES * 64 < CODEC_MESSAGE_MAX,
              "a batch with its envelopes is one message");
static_assert(JOURNAL_ENTRY_MAX <= JOURNAL_BATCH_MAX, "any entry fits a batch");

enum status proposal_new(uint8_t type, struct buffer *data, struct proposal **out) {
    struct proposal *proposal = mem_zero(1, sizeof *proposal);
    if (!proposal) return STATUS_NO_MEMORY;
    proposal->type = type;
    atomic_init(&proposal->holds, 1);
    if (data) {
        proposal->data = *data;
        buffer_init(data);
    }
    *out = proposal;
    return STATUS_OK;
}

struct proposal *proposal_again(struct proposal *proposal) {
    atomic_fetch_add_explicit(&proposal->holds, 1, memory_order_relaxed);
    return proposal;
}

void proposal_free(struct proposal *proposal) {
    if (!proposal) return;
    if (atomic_fetch_sub_explicit(&proposal->holds, 1, memory_order_acq_rel) > 1) return;
    buffer_free(&proposal->data);
    mem_free(proposal);
}

void proposals_push(struct proposals *list, struct proposal *proposal) {
    proposal->next = NULL;
    if (list->last)
        list->last->next = proposal;
    else
        list->first = proposal;
    list->last = proposal;
    list->count++;
    list->weight += proposal->weight;
    list->bytes += proposal->data.size;
}

struct proposal *proposals_pop(struct proposals *list) {
    struct proposal *proposal = list->first;
    if (!proposal) return NULL;
    list->first = proposal->next;
    if (!list->first) list->last = NULL;
    list->count--;
    list->weight -= proposal->weight;
    list->bytes -= proposal->data.size;
    proposal->next = NULL;
    return proposal;
}

void proposals_move(struct proposals *to, struct proposals *from) {
    struct proposal *proposal;
    while ((proposal = proposals_pop(from)))
        proposals_push(to, proposal);
}

void proposals_free(struct proposals *list) {
    struct proposal *proposal;
    while ((proposal = proposals_pop(list)))
        proposal_free(proposal);
}

void proposals_reject(struct proposals *list,
                      enum status status,
                      const char *text,
                      struct turn *turn) {
    for (struct proposal *p = list->first; p; p = p->next) {
        if (p->owed) turn_reject(turn, &p->promise, status, "%s", text);
        p->owed = false;
    }
}

void journal_init(struct journal *journal, const struct journal_options *options) {
    *journal = (struct journal){.options = *options, .next = options->last + 1};
}

void journal_free(struct journal *journal) {
    proposals_free(&journal->waiting);
    proposals_free(&journal->writing);
}

uint32_t journal_pending(const struct journal *journal) {
    return journal->waiting.count + journal->writing.count;
}

size_t journal_pending_bytes(const struct journal *journal) {
    return journal->waiting.bytes + journal->writing.bytes;
}

void journal_push(struct journal *journal, struct proposal **proposal, struct turn *turn) {
    assert((*proposal)->data.size <= JOURNAL_ENTRY_MAX);
    proposals_push(&journal->waiting, *proposal);
    *proposal = NULL;
    journal_pump(journal, turn);
}

/* Moves the next batch from waiting to writing and numbers it. */
static void take_batch(struct journal *journal) {
    while (journal->waiting.first && journal->writing.count < JOURNAL_BATCH_ENTRIES) {
        const struct proposal *next = journal->waiting.first;
        size_t bytes = journal->writing.bytes + next->data.size;
        if (journal->writing.count > 0 && bytes > JOURNAL_BATCH_MAX) return;
        if (journal->options.gate && journal->options.gate(journal->options.owner, next)) return;
        struct proposal *proposal = proposals_pop(&journal->waiting);
        proposal->index = journal->next++;
        proposals_push(&journal->writing, proposal);
    }
}

static void send_batch(struct journal *journal, struct turn *turn);

static void repeat(void *self, void *context, struct turn *turn) {
    (void)self;
    send_batch(context, turn);
}

/* Done, or given up: a later cut takes the same entries. */
static void cut_over(struct journal *journal) {
    if (journal->truncate_before == journal->cutting) journal->truncate_before = 0;
}

static void
on_appended(void *self, void *context, const struct outcome *outcome, struct turn *turn) {
    struct journal *journal = context;
    (void)self;
    switch (outcome->status) {
    case STATUS_OK:
        break;
    case STATUS_BUSY:
    case STATUS_LOST_PEER:
    case STATUS_EXPIRED:
    case STATUS_NO_MEMORY:
        journal->log = 0; /* it may be back under a new incarnation */
        turn_timer(turn, REPEAT_US, repeat, journal);
        return;
    default:
        journal->busy = false;
        cut_over(journal);
        journal->stopped = true;
        journal->options.failed(journal->options.owner, outcome->status, outcome->text, turn);
        return;
    }
    journal->busy = false;
    cut_over(journal);
    struct proposals done = {0};
    proposals_move(&done, &journal->writing);
    if (done.count > 0) journal->options.durable(journal->options.owner, &done, turn);
    assert(done.count == 0);
    journal_pump(journal, turn);
}

static void send_batch(struct journal *journal, struct turn *turn) {
    uint32_t n = journal->writing.count;
    if (journal->log == 0) journal->log = turn_find(turn, "log");
    LogAppend *append = turn_new(turn, LogAppend, log_append);
    LogEntry **entries = turn_alloc(turn, (n + 1) * sizeof *entries);
    LogEntry *rows = turn_alloc(turn, (n + 1) * sizeof *rows);
    if (!append || !entries || !rows || journal->log == 0) {
        turn_timer(turn, REPEAT_US, repeat, journal);
        return;
    }
    uint32_t i = 0;
    for (struct proposal *p = journal->writing.first; p; p = p->next, i++) {
        log_entry__init(&rows[i]);
        rows[i].index = p->index;
        rows[i].term = journal->options.term;
        rows[i].type = p->type;
        rows[i].data = (ProtobufCBinaryData){.len = p->data.size, .data = p->data.data};
        entries[i] = &rows[i];
    }
    append->store = journal->options.store_id;
    append->n_entries = n;
    append->entries = entries;
    append->truncate_before = journal->truncate_before;
    journal->cutting = journal->truncate_before;
    turn_call(turn, &(struct call){.to = journal->log,
                                   .message = &append->base,
                                   .done = on_appended,
                                   .context = journal,
                                   .deadline_us = turn_now_us(turn) + APPEND_TIMEOUT_US});
}

void journal_pump(struct journal *journal, struct turn *turn) {
    if (journal->busy || journal->stopped) return;
    take_batch(journal);
    if (journal->writing.count == 0 && journal->truncate_before == 0) return;
    journal->busy = true;
    send_batch(journal, turn);
}

void journal_truncate(struct journal *journal, uint64_t first, struct turn *turn) {
    if (first > journal->truncate_before) journal->truncate_before = first;
    journal_pump(journal, turn);
}

void journal_reject(struct journal *journal,
                    enum status status,
                    const char *text,
                    struct turn *turn) {
    proposals_reject(&journal->writing, status, text, turn);
    proposals_reject(&journal->waiting, status, text, turn);
}

void journal_abandon(struct journal *journal) {
    assert(!journal->busy);
    journal->next -= journal->writing.count;
    proposals_free(&journal->writing);
}

void journal_forget(struct journal *journal) {
    proposals_free(&journal->waiting);
}

void journal_resume(struct journal *journal, struct turn *turn) {
    journal->stopped = false;
    journal_pump(journal, turn);
}
