/* seat: see the header. Every event of consensus ends in carry_out, which copies what is borrowed
 * and calls the machine last: it may come back with the next event at once.
 *
 *     event ─▶ effects ─▶ window, writing ─▶ messages ─▶ ready, reads, changed ─▶ timer
 *
 * Proposals wait while an append is under way: they share the next one. A leader's timer is put on
 * a grid, so that the heartbeats of all groups of a process fall together and leave as one frame.
 */
#include "actors/raft/seat.h"

#include <stdio.h>
#include <string.h>

#include "actors/raft/state.h"
#include "runtime/arena.h"
#include "runtime/assert.h"
#include "runtime/codec.h"
#include "runtime/memory.h"

#include "runtime/poison.h"

enum {
    GRID_MS = SEAT_HEARTBEAT_MS / 2,
    SEND_BYTES = 2 * 1024 * 1024, /* of one message to the raft actor, about */
    FETCH_ENTRIES = 256,
    FETCH_BYTES = 4 * 1024 * 1024,
};

static uint64_t now_ms(const struct turn *turn) {
    return turn_now_us(turn) / 1000;
}

/* --- messages --------------------------------------------------------------------------------- */

const char *seat_link_of(const struct seat *seat, uint64_t id) {
    struct consensus_member member;
    for (uint32_t i = 0; i < seat->n_links; i++)
        if (seat->links[i].id == id) return seat->links[i].link;
    for (size_t i = 0; seat->consensus && consensus_member(seat->consensus, i, &member); i++)
        if (member.id == id) return member.address;
    return "";
}

/* Where a replica was heard from last is where it is, whatever the members say: its process may
 * have another address now, and a new replica does not know the members yet. */
static void learn_link(struct seat *seat, uint64_t id, const char *link, uint64_t ms) {
    if (!*link || strlen(link) >= SEAT_LINK_SIZE) return;
    struct seat_link *row = NULL;
    for (uint32_t i = 0; i < seat->n_links && !row; i++)
        if (seat->links[i].id == id) row = &seat->links[i];
    if (!row && seat->n_links < SEAT_LINKS_MAX) row = &seat->links[seat->n_links++];
    if (!row) row = &seat->links[seat->next_link++ % SEAT_LINKS_MAX];
    row->id = id;
    row->heard_ms = ms;
    if (strcmp(row->link, link) != 0) snprintf(row->link, sizeof row->link, "%s", link);
}

void seat_hold(struct seat *seat, const RaftMessage *message, uint64_t after, struct turn *turn) {
    const char *address = seat_link_of(seat, message->to);
    struct held *held = *address ? mem_zero(1, sizeof *held) : NULL;
    if (!held) return; /* as if it were lost on the way */
    buffer_init(&held->bytes);
    if (codec_encode(&message->base, &held->bytes) != STATUS_OK) {
        turn_note(turn, "a message was not encoded");
        buffer_free(&held->bytes);
        mem_free(held);
        return;
    }
    held->after = after;
    snprintf(held->address, sizeof held->address, "%s", address);
    if (seat->held_last)
        seat->held_last->next = held;
    else
        seat->held = held;
    seat->held_last = held;
}

static void held_drop(struct seat *seat) {
    struct held *held = seat->held;
    seat->held = held->next;
    if (!seat->held) seat->held_last = NULL;
    buffer_free(&held->bytes);
    mem_free(held);
}

/* What may leave, as one message to the raft actor: false when there was nothing. */
static bool flush_some(struct seat *seat, struct turn *turn) {
    RaftSend message = RAFT_SEND__INIT;
    size_t n = 0, bytes = 0;
    for (struct held *h = seat->held; h && h->after <= seat->writing.persisted; h = h->next) {
        if (n > 0 && bytes + h->bytes.size > SEND_BYTES) break;
        bytes += h->bytes.size;
        n++;
    }
    if (n == 0) return false;
    if (seat->raft == 0) seat->raft = turn_find(turn, "raft");
    RaftOut *rows = turn_alloc(turn, n * sizeof *rows);
    message.messages = turn_alloc(turn, n * sizeof *message.messages);
    struct held *held = seat->held;
    for (size_t i = 0; rows && message.messages && i < n; i++, held = held->next) {
        raft_out__init(&rows[i]);
        rows[i].address = held->address;
        rows[i].group = seat->options.group;
        rows[i].message = (ProtobufCBinaryData){held->bytes.size, held->bytes.data};
        message.messages[message.n_messages++] = &rows[i];
    }
    if (seat->raft != 0 && message.n_messages > 0) turn_tell(turn, seat->raft, &message.base);
    while (n-- > 0)
        held_drop(seat);
    return true;
}

void seat_flush(struct seat *seat, struct turn *turn) {
    while (flush_some(seat, turn)) {
    }
}

static void
send_messages(struct seat *seat, const struct consensus_effects *effects, struct turn *turn) {
    if (effects->messages) seat->after = effects->after; /* a call that refused says nothing */
    for (uint32_t i = 0; i < effects->n_messages; i++) {
        const RaftMessage *message = effects->messages[i];
        if (message->body_case == RAFT_MESSAGE__BODY_APPEND)
            feed_want(seat, message, effects->wanted[i], turn);
        else if (message->body_case == RAFT_MESSAGE__BODY_INSTALL)
            seat->options.machine->offer(seat->options.owner, message->to, turn);
        else
            seat_hold(seat, message, effects->after, turn);
    }
}

/* --- effects ---------------------------------------------------------------------------------- */

static void
reject_one(struct proposal *proposal, enum status status, const char *text, struct turn *turn) {
    if (proposal->owed) turn_reject(turn, &proposal->promise, status, "%s", text);
    proposal->owed = false;
}

/* What is overwritten will not be applied. */
static void cut_window(struct seat *seat, uint64_t first, struct turn *turn) {
    struct window *window = &seat->window;
    struct proposal *proposal;
    writing_cut(&seat->writing, first);
    while (window->last >= first && (proposal = window_pop(window))) {
        reject_one(proposal, STATUS_NOT_LEADER, "another leader's entry took its place", turn);
        if (seat->options.machine->dropped && proposal->weight > 0)
            seat->options.machine->dropped(seat->options.owner, proposal);
        proposal_free(proposal);
    }
    if (first < window->first) { /* what is overwritten was on the disk only */
        window->first = first;
        window->last = first - 1;
    }
}

/* An entry of ours is the proposal it came from, others are copied. */
static enum status
take_entry(const struct consensus_entry *entry, struct proposals *own, struct proposal **out) {
    if (own && own->first && own->first->data.data == entry->data &&
        entry->kind == CONSENSUS_COMMAND) {
        *out = proposals_pop(own);
        return STATUS_OK;
    }
    struct buffer data;
    buffer_init(&data);
    if (entry->size > 0) buffer_append(&data, entry->data, entry->size);
    enum status s =
        data.failed ? STATUS_NO_MEMORY : proposal_new(entry_type_of(entry->kind), &data, out);
    if (s != STATUS_OK) buffer_free(&data);
    return s;
}

static enum status take_entries(struct seat *seat,
                                const struct consensus_effects *effects,
                                struct proposals *own,
                                struct turn *turn) {
    if (effects->n_entries > 0) cut_window(seat, effects->first, turn);
    enum status s = STATUS_OK;
    for (uint32_t i = 0; s == STATUS_OK && i < effects->n_entries; i++) {
        struct proposal *proposal;
        s = take_entry(&effects->entries[i], own, &proposal);
        if (s != STATUS_OK) break;
        proposal->index = effects->first + i;
        proposal->term = effects->entries[i].term;
        s = window_add(&seat->window, proposal);
    }
    if (s == STATUS_OK) writing_add(seat, effects);
    return s;
}

/* Memory is for what is not durable, not taken, or wanted by followers soon. */
static void evict(struct seat *seat) {
    struct window *window = &seat->window;
    uint64_t have = seat->writing.stored;
    struct consensus_member member;
    if (seat->role == CONSENSUS_LEADER)
        for (size_t i = 0; consensus_member(seat->consensus, i, &member); i++)
            if (member.id != seat->options.id && member.match < have) have = member.match;
    while (window->last >= window->first && window->first <= seat->writing.stored) {
        bool wanted = window->first > have || window->first > seat->taken;
        if (wanted && window->bytes <= SEAT_CACHE_BYTES) return;
        window_shift(window);
    }
}

static void on_timer(void *actor, void *context, struct turn *turn);

/* One timer a seat. A follower's deadline moves with each message: it is looked at when the timer
 * fires. */
static void arm(struct seat *seat, struct turn *turn) {
    if (!seat->consensus) return;
    uint64_t now = now_ms(turn), due = consensus_due(seat->consensus);
    if (seat->role == CONSENSUS_LEADER) due = (due + GRID_MS - 1) / GRID_MS * GRID_MS;
    if (seat->timer && seat->due_ms <= due) return;
    if (seat->timer) turn_timer_cancel(turn, seat->timer);
    seat->due_ms = due;
    seat->timer =
        turn_timer(turn, due > now ? due * 1000 - turn_now_us(turn) : 1000, on_timer, seat);
}

/* The role changed: what is owed by a leader that is none any more is for the new one. */
static void note_role(struct seat *seat, struct turn *turn) {
    struct consensus_state state;
    consensus_state(seat->consensus, &state);
    bool lost = seat->role == CONSENSUS_LEADER && state.role != CONSENSUS_LEADER;
    seat->role = state.role;
    if (lost) seat_reject(seat, STATUS_NOT_LEADER, "this replica leads no more", turn);
}

static void
end_reads(struct seat *seat, const struct consensus_read *reads, uint32_t n, struct turn *turn) {
    for (uint32_t i = 0; i < n; i++)
        seat->options.machine->read(seat->options.owner, reads[i].token, reads[i].status,
                                    reads[i].index, turn);
}

static void carry_out(struct seat *seat,
                      enum status s,
                      const struct consensus_effects *effects,
                      struct proposals *own,
                      struct turn *turn) {
    const struct seat_machine *machine = seat->options.machine;
    void *owner = seat->options.owner;
    if (s == STATUS_OK) s = take_entries(seat, effects, own, turn);
    if (s != STATUS_OK) {
        seat_broken(seat, s, "the replica's consensus stopped", turn);
        return;
    }
    struct consensus_read *reads = turn_alloc(turn, (effects->n_reads + 1) * sizeof *reads);
    uint32_t n_reads = reads ? effects->n_reads : 0;
    if (n_reads > 0) memcpy(reads, effects->reads, n_reads * sizeof *reads);
    bool changed = effects->changed, ready = effects->apply > seat->apply;
    seat->apply = effects->apply > seat->apply ? effects->apply : seat->apply;
    note_role(seat, turn);
    send_messages(seat, effects, turn);
    feed_pump(seat, turn);
    seat_flush(seat, turn);
    writing_pump(seat, turn);
    evict(seat);
    arm(seat, turn);
    if (effects->install) install_begin(seat, effects, turn);
    if (ready) machine->ready(owner, turn);
    end_reads(seat, reads, n_reads, turn);
    if (changed && machine->changed) machine->changed(owner, turn);
    seat_pump(seat, turn);
}

void seat_carry_out(struct seat *seat, const struct consensus_effects *effects, struct turn *turn) {
    carry_out(seat, STATUS_OK, effects, NULL, turn);
}

static void on_timer(void *actor, void *context, struct turn *turn) {
    struct seat *seat = context;
    (void)actor;
    seat->timer = 0;
    if (!seat->consensus) return;
    struct consensus_effects effects;
    if (consensus_due(seat->consensus) > now_ms(turn)) {
        arm(seat, turn);
        return;
    }
    enum status s = consensus_tick(seat->consensus, now_ms(turn), &effects);
    carry_out(seat, s, &effects, NULL, turn);
}

void seat_persisted(struct seat *seat, uint64_t number, struct turn *turn) {
    struct consensus_effects effects;
    if (number > seat->writing.persisted) seat->writing.persisted = number;
    enum status s = consensus_persisted(seat->consensus, now_ms(turn), number, &effects);
    carry_out(seat, s, &effects, NULL, turn);
}

void seat_broken(struct seat *seat, enum status status, const char *text, struct turn *turn) {
    if (status != STATUS_DISK_FULL) seat_leave(seat);
    seat->options.machine->failed(seat->options.owner, status, text, turn);
}

/* --- proposing -------------------------------------------------------------------------------- */

void seat_push(struct seat *seat, struct proposal **proposal, struct turn *turn) {
    proposals_push(&seat->waiting, *proposal);
    *proposal = NULL;
    seat_pump(seat, turn);
}

static void take_batch(struct seat *seat, struct proposals *batch, struct turn *turn) {
    const struct seat_machine *machine = seat->options.machine;
    const struct proposal *next;
    while ((next = seat->waiting.first) && batch->count < SEAT_BATCH_ENTRIES) {
        if (batch->count > 0 && batch->bytes + next->data.size > SEAT_BATCH_BYTES) return;
        if (machine->gate && machine->gate(seat->options.owner, next, turn)) return;
        proposals_push(batch, proposals_pop(&seat->waiting));
    }
}

static void refuse(struct seat *seat, struct proposals *list, enum status s, struct turn *turn) {
    struct proposal *proposal;
    char words[SEAT_LINK_SIZE + 32];
    if (!list->first) return;
    const char *leader = seat_leader(seat);
    snprintf(words, sizeof words, *leader ? "the leader is at %s" : "no leader is known%s", leader);
    while ((proposal = proposals_pop(list))) {
        reject_one(proposal, s, s == STATUS_NOT_LEADER ? words : "the log takes no more", turn);
        if (seat->options.machine->dropped && proposal->weight > 0)
            seat->options.machine->dropped(seat->options.owner, proposal);
        proposal_free(proposal);
    }
}

static void propose(struct seat *seat, struct proposals *batch, struct turn *turn) {
    struct consensus_entry *entries = turn_alloc(turn, batch->count * sizeof *entries);
    struct consensus_effects effects;
    uint64_t first = 0;
    uint32_t n = 0;
    if (!entries) {
        refuse(seat, batch, STATUS_NO_MEMORY, turn);
        return;
    }
    for (struct proposal *p = batch->first; p; p = p->next)
        entries[n++] = (struct consensus_entry){
            .kind = CONSENSUS_COMMAND, .data = p->data.data, .size = p->data.size};
    enum status s = consensus_propose(seat->consensus, now_ms(turn), entries, n, &first, &effects);
    bool refused = s == STATUS_NOT_LEADER || s == STATUS_BUSY;
    if (refused) refuse(seat, batch, s, turn);
    carry_out(seat, refused ? STATUS_OK : s, &effects, batch, turn);
    /* CORRUPT is this replica's, and it is given up; what was asked is not at fault. */
    refuse(seat, batch,
           s == STATUS_OK        ? STATUS_INTERNAL
           : s == STATUS_CORRUPT ? STATUS_QUARANTINED
                                 : s,
           turn);
}

void seat_pump(struct seat *seat, struct turn *turn) {
    if (!seat->consensus || seat->writing.busy || !seat->waiting.first) return;
    if (seat->role != CONSENSUS_LEADER) {
        struct proposals all = {0};
        struct proposal *proposal;
        while ((proposal = proposals_pop(&seat->waiting))) {
            proposal->weight = 0; /* it did not pass the gate */
            proposals_push(&all, proposal);
        }
        refuse(seat, &all, STATUS_NOT_LEADER, turn);
        return;
    }
    struct proposals batch = {0};
    take_batch(seat, &batch, turn);
    if (batch.count > 0) propose(seat, &batch, turn);
}

const struct proposals *seat_waiting(const struct seat *seat) {
    return &seat->waiting;
}

static uint32_t uncommitted(const struct seat *seat) {
    uint64_t last = seat->window.last, sure = seat->apply > seat->taken ? seat->apply : seat->taken;
    return last > sure ? (uint32_t)(last - sure) : 0;
}

uint32_t seat_pending(const struct seat *seat) {
    return seat->waiting.count + uncommitted(seat);
}

size_t seat_pending_bytes(const struct seat *seat) {
    size_t bytes = seat->waiting.bytes;
    for (uint64_t i = seat->window.last; i > seat->apply && i >= seat->window.first; i--)
        bytes += window_at(&seat->window, i)->data.size;
    return bytes;
}

bool seat_writing(const struct seat *seat) {
    return seat->writing.busy;
}

void seat_reject(struct seat *seat, enum status status, const char *text, struct turn *turn) {
    proposals_reject(&seat->waiting, status, text, turn);
    proposals_free(&seat->waiting);
    for (uint64_t i = seat->window.first; i <= seat->window.last; i++)
        if (i > seat->taken) reject_one(window_at(&seat->window, i), status, text, turn);
}

void seat_retry(struct seat *seat, struct turn *turn) {
    writing_repeat(seat, turn);
}

void seat_leave(struct seat *seat) {
    seat->left = true;
    consensus_close(seat->consensus);
    seat->consensus = NULL;
    seat->role = CONSENSUS_FOLLOWER;
    while (seat->held)
        held_drop(seat);
}

/* --- what is committed ------------------------------------------------------------------------ */

static void
on_fetched(void *actor, void *context, const struct outcome *outcome, struct turn *turn) {
    struct reading *reading = context;
    struct seat *seat = reading->seat;
    (void)actor;
    seat->fetching = false;
    enum status s = outcome->status;
    if (s == STATUS_OK && reading->list.first) proposals_move(&seat->fetched, &reading->list);
    bool got = seat->fetched.first != NULL;
    reading_free(reading);
    if (s == STATUS_OK && got)
        seat->options.machine->ready(seat->options.owner, turn);
    else if (!seat->left)
        seat_broken(seat, s == STATUS_OK ? STATUS_CORRUPT : s, "committed entries are not there",
                    turn);
}

static void fetch(struct seat *seat, struct turn *turn) {
    uint64_t to = seat->apply;
    if (seat->fetching) return;
    if (to > seat->taken + FETCH_ENTRIES) to = seat->taken + FETCH_ENTRIES;
    struct reading *reading = reading_new(seat, seat->taken + 1, to, FETCH_BYTES);
    if (!reading) return; /* asked again with the next entry */
    reading->seat = seat;
    seat->fetching = true;
    turn_block(turn, &(struct block){.work = reading_work,
                                     .done = on_fetched,
                                     .abandon = reading_free,
                                     .context = reading});
}

/* The next entry, in a hold of the taker. NULL: it is to be read back. */
static struct proposal *next_entry(struct seat *seat) {
    struct proposal *proposal = window_at(&seat->window, seat->taken + 1);
    while (seat->fetched.first && seat->fetched.first->index <= seat->taken)
        proposal_free(proposals_pop(&seat->fetched));
    if (proposal) return proposal_again(proposal);
    return seat->fetched.first ? proposals_pop(&seat->fetched) : NULL;
}

void seat_take(
    struct seat *seat, uint32_t n, size_t bytes, struct proposals *out, struct turn *turn) {
    while (seat->taken < seat->apply && out->count < n && out->bytes < bytes) {
        struct proposal *proposal = next_entry(seat);
        if (!proposal) {
            if (out->count == 0) fetch(seat, turn);
            return;
        }
        assert(proposal->index == seat->taken + 1);
        seat->taken++;
        proposals_push(out, proposal);
    }
}

/* --- receiving -------------------------------------------------------------------------------- */

static void receive_one(struct seat *seat,
                        const ProtobufCBinaryData *bytes,
                        const char *link,
                        struct turn *turn) {
    struct arena arena;
    ProtobufCMessage *decoded = NULL;
    struct consensus_effects effects;
    arena_init(&arena, 0);
    enum status s =
        codec_decode(&raft_message__descriptor, bytes->data, bytes->len, &arena, &decoded, NULL);
    const RaftMessage *message = (const RaftMessage *)decoded;
    if (s == STATUS_OK) s = consensus_receive(seat->consensus, now_ms(turn), message, &effects);
    if (s == STATUS_OK) learn_link(seat, message->from, link, now_ms(turn));
    if (s != STATUS_INVALID) carry_out(seat, s, &effects, NULL, turn);
    arena_free(&arena);
}

/* Nobody is there any more who leads from that process. */
static void lose(struct seat *seat, const char *link, struct turn *turn) {
    struct consensus_state state;
    if (!seat_state(seat, &state) || state.role != CONSENSUS_FOLLOWER || state.leader == 0) return;
    if (!*link || strcmp(seat_link_of(seat, state.leader), link) != 0) return;
    turn_note(turn, "the leader's process is lost");
    consensus_lost(seat->consensus, now_ms(turn), state.leader);
    arm(seat, turn);
}

void seat_receive(struct seat *seat, const RaftReceive *message, struct turn *turn) {
    if (message->lost) lose(seat, message->link, turn);
    for (size_t i = 0; i < message->n_messages && seat->consensus; i++)
        receive_one(seat, &message->messages[i], message->link, turn);
}

/* --- asking ----------------------------------------------------------------------------------- */

enum status seat_read(struct seat *seat, uint64_t token, struct turn *turn) {
    struct consensus_effects effects;
    if (!seat->consensus) return STATUS_NOT_LEADER;
    enum status s = consensus_read(seat->consensus, now_ms(turn), token, &effects);
    if (s == STATUS_NOT_LEADER || s == STATUS_BUSY) return s;
    carry_out(seat, s, &effects, NULL, turn);
    return STATUS_OK;
}

bool seat_unasked(const struct seat *seat, uint64_t *index) {
    return seat->consensus && consensus_unasked(seat->consensus, index);
}

bool seat_alone(const struct seat *seat) {
    struct consensus_member member;
    if (!seat->consensus || seat->role != CONSENSUS_LEADER) return false;
    for (size_t i = 0; consensus_member(seat->consensus, i, &member); i++)
        if (member.voter && member.id != seat->options.id) return false;
    return true;
}

bool seat_state(const struct seat *seat, struct consensus_state *out) {
    if (!seat->consensus) return false;
    consensus_state(seat->consensus, out);
    return true;
}

bool seat_member(const struct seat *seat, size_t nth, struct consensus_member *out) {
    return seat->consensus && consensus_member(seat->consensus, nth, out);
}

uint64_t seat_heard_us(const struct seat *seat, uint64_t id) {
    for (uint32_t i = 0; i < seat->n_links; i++)
        if (seat->links[i].id == id) return seat->links[i].heard_ms * 1000;
    return 0;
}

const char *seat_leader(const struct seat *seat) {
    struct consensus_state state;
    if (!seat_state(seat, &state) || state.leader == 0) return "";
    return seat_link_of(seat, state.leader);
}

enum status
seat_change(struct seat *seat, const struct consensus_change *change, struct turn *turn) {
    struct consensus_effects effects;
    if (!seat->consensus) return STATUS_NOT_LEADER;
    enum status s = consensus_change(seat->consensus, now_ms(turn), change, &effects);
    if (s != STATUS_CORRUPT && s != STATUS_NO_MEMORY)
        carry_out(seat, STATUS_OK, &effects, NULL, turn);
    else
        carry_out(seat, s, &effects, NULL, turn);
    return s;
}

enum status seat_transfer(struct seat *seat, uint64_t id, struct turn *turn) {
    struct consensus_effects effects;
    if (!seat->consensus) return STATUS_NOT_LEADER;
    enum status s = consensus_transfer(seat->consensus, now_ms(turn), id, &effects);
    bool broken = s == STATUS_CORRUPT || s == STATUS_NO_MEMORY;
    carry_out(seat, broken ? s : STATUS_OK, &effects, NULL, turn);
    return s;
}

uint64_t seat_heir(const struct seat *seat) {
    struct consensus_member member, best = {0};
    for (size_t i = 0; seat_member(seat, i, &member); i++)
        if (member.voter && member.id != seat->options.id &&
            (best.id == 0 || member.match > best.match))
            best = member;
    return best.id;
}
