/* feed: entries for followers. Consensus says from where to where a follower is to get them; here
 * they become messages of bounded size, from the window or read back on the pool, at most
 * SEAT_FEED_CHUNKS on their way to one follower:
 *
 *     wanted ─▶ next .. until ─ room, in the window ─▶ message ─▶ acknowledged (its match): room
 *                       └─ not in memory ─▶ read ─▶ window's place
 *
 * A heartbeat says what consensus believes to be sent already. While that is not so it would be
 * refused and the follower probed anew: so it is left out as long as entries flow. */
#include <string.h>

#include "actors/raft/state.h"
#include "runtime/memory.h"

#include "runtime/poison.h"

enum { STALLED_MS = 2 * SEAT_HEARTBEAT_MS };

static uint64_t now_ms(const struct turn *turn) {
    return turn_now_us(turn) / 1000;
}

static bool is_member(const struct seat *seat, uint64_t id) {
    struct consensus_member member;
    for (size_t i = 0; consensus_member(seat->consensus, i, &member); i++)
        if (member.id == id) return true;
    return false;
}

/* NULL: more followers than there are feeds. */
static struct feed *feed_of(struct seat *seat, uint64_t id) {
    struct feed *unused = NULL;
    for (uint32_t i = 0; i < SEAT_FEEDS; i++) {
        struct feed *feed = &seat->feeds[i];
        if (feed->id == id) return feed;
        if (!unused && (feed->id == 0 || !is_member(seat, feed->id))) unused = feed;
    }
    if (unused) *unused = (struct feed){.id = id, .next = 1, .turn = unused->turn + 1};
    return unused;
}

/* --- reading back ----------------------------------------------------------------------------- */

struct reading *reading_new(const struct seat *seat, uint64_t from, uint64_t to, size_t bytes) {
    struct reading *reading = mem_zero(1, sizeof *reading);
    if (!reading) return NULL;
    reading->log = seat->options.log;
    reading->store = seat->options.store;
    reading->from = from;
    reading->to = to;
    reading->bytes = bytes;
    return reading;
}

void reading_free(void *context) {
    struct reading *reading = context;
    proposals_free(&reading->list);
    mem_free(reading);
}

static enum status read_entry(void *context, const struct log_entry *entry) {
    struct reading *reading = context;
    if (reading->list.first && reading->list.bytes + entry->data.size > reading->bytes)
        return STATUS_CANCELLED; /* enough */
    struct buffer data;
    struct proposal *proposal;
    buffer_init(&data);
    buffer_append(&data, entry->data.data, entry->data.size);
    enum status s = data.failed ? STATUS_NO_MEMORY : proposal_new(entry->type, &data, &proposal);
    if (s != STATUS_OK) {
        buffer_free(&data);
        return s;
    }
    proposal->index = entry->index;
    proposal->term = entry->term;
    proposals_push(&reading->list, proposal);
    return STATUS_OK;
}

enum status reading_work(void *context) {
    struct reading *reading = context;
    enum status s = log_store_read(reading->log, reading->store, reading->from, reading->to,
                                   read_entry, reading);
    return s == STATUS_CANCELLED ? STATUS_OK : s;
}

/* --- sending ---------------------------------------------------------------------------------- */

/* One message with the first of these entries, as many as may travel together; returns how many. */
static uint32_t send(struct seat *seat,
                     struct feed *feed,
                     struct proposal *const *list,
                     uint32_t n,
                     struct turn *turn) {
    struct consensus_state state;
    consensus_state(seat->consensus, &state);
    /* A reading may come back to one that leads no more, or in another term: what it read is the
     * old term's, the commit that goes with it would be the new one's, of other entries. */
    if (state.role != CONSENSUS_LEADER || state.term != feed->term) return 0;
    struct consensus_entry *entries = turn_alloc(turn, n * sizeof *entries);
    RaftEntry *rows = turn_alloc(turn, n * sizeof *rows);
    RaftEntry **pointers = turn_alloc(turn, n * sizeof *pointers);
    if (!entries || !rows || !pointers) return 0;
    for (uint32_t i = 0; i < n; i++)
        entries[i] = (struct consensus_entry){list[i]->term, entry_kind_of(list[i]->type),
                                              list[i]->data.data, list[i]->data.size};
    n = consensus_split(entries, n, SEAT_APPEND_BYTES);
    for (uint32_t i = 0; i < n; i++) {
        raft_entry__init(&rows[i]);
        rows[i].term = entries[i].term;
        rows[i].kind = entries[i].kind;
        rows[i].data =
            (ProtobufCBinaryData){entries[i].size, (uint8_t *)(uintptr_t)entries[i].data};
        pointers[i] = &rows[i];
    }
    RaftAppend append = RAFT_APPEND__INIT;
    RaftMessage message = RAFT_MESSAGE__INIT;
    message.group = seat->options.group;
    message.from = seat->options.id;
    message.to = feed->id;
    message.term = feed->term;
    message.body_case = RAFT_MESSAGE__BODY_APPEND;
    message.append = &append;
    append.prev_index = feed->next - 1;
    append.prev_term = feed->prev_term;
    append.commit = state.commit;
    append.n_entries = n;
    append.entries = pointers;
    seat_hold(seat, &message, seat->after, turn);
    feed->next += n;
    feed->prev_term = entries[n - 1].term;
    feed->ends[feed->n_ends++] = feed->next - 1;
    feed->sent_ms = now_ms(turn);
    return n;
}

static void on_read(void *actor, void *context, const struct outcome *outcome, struct turn *turn) {
    struct reading *reading = context;
    struct feed *feed = reading->feed;
    struct proposal *list[SEAT_BATCH_ENTRIES];
    uint32_t n = 0, sent = 0;
    struct seat *seat = reading->seat;
    (void)actor;
    bool current = feed->turn == reading->feed_turn && seat->consensus;
    if (current) feed->reading = false;
    for (struct proposal *p = reading->list.first; p && n < SEAT_BATCH_ENTRIES; p = p->next)
        list[n++] = p;
    if (outcome->status != STATUS_OK || !current) n = 0;
    if (n > 0 && list[n - 1]->term > feed->term) n = 0; /* another leader's, who came meanwhile */
    bool gone = n == 0;
    while (sent < n && feed->n_ends < SEAT_FEED_CHUNKS) {
        uint32_t more = send(seat, feed, list + sent, n - sent, turn);
        if (more == 0) break;
        sent += more;
    }
    reading_free(reading);
    if (!current) return;
    if (gone) feed->until = feed->next - 1; /* consensus asks again */
    feed_pump(seat, turn);
    seat_flush(seat, turn);
}

static void read_back(struct seat *seat, struct feed *feed, struct turn *turn) {
    uint64_t to = feed->until;
    if (to >= feed->next + SEAT_BATCH_ENTRIES) to = feed->next + SEAT_BATCH_ENTRIES - 1;
    if (to > seat->writing.stored) to = seat->writing.stored;
    struct reading *reading =
        to >= feed->next ? reading_new(seat, feed->next, to, SEAT_APPEND_BYTES) : NULL;
    if (!reading) return; /* the next heartbeat is refused, and it is wanted again */
    reading->seat = seat;
    reading->feed = feed;
    reading->feed_turn = feed->turn;
    feed->reading = true;
    turn_block(turn, &(struct block){.work = reading_work,
                                     .done = on_read,
                                     .abandon = reading_free,
                                     .context = reading});
}

/* Makes room: what the follower is known to have is not on its way any more. */
static void acknowledge(struct feed *feed, uint64_t match) {
    uint32_t n = 0;
    while (n < feed->n_ends && feed->ends[n] <= match)
        n++;
    feed->n_ends -= n;
    memmove(feed->ends, feed->ends + n, feed->n_ends * sizeof *feed->ends);
}

static uint64_t match_of(const struct seat *seat, uint64_t id) {
    struct consensus_member member;
    for (size_t i = 0; consensus_member(seat->consensus, i, &member); i++)
        if (member.id == id) return member.match;
    return 0;
}

static void pump_one(struct seat *seat, struct feed *feed, struct turn *turn) {
    acknowledge(feed, match_of(seat, feed->id));
    while (feed->next <= feed->until && feed->n_ends < SEAT_FEED_CHUNKS && !feed->reading) {
        struct proposal *list[SEAT_BATCH_ENTRIES];
        uint32_t n = 0;
        size_t bytes = 0;
        struct proposal *p;
        while (n < SEAT_BATCH_ENTRIES && feed->next + n <= feed->until &&
               (p = window_at(&seat->window, feed->next + n)) && bytes <= SEAT_APPEND_BYTES) {
            bytes += p->data.size;
            list[n++] = p;
        }
        if (n > 0 && list[0]->term > feed->term) return;
        if (n > 0 && send(seat, feed, list, n, turn) == 0) return;
        if (n == 0) read_back(seat, feed, turn);
        if (n == 0 && !feed->reading) return;
    }
}

void feed_pump(struct seat *seat, struct turn *turn) {
    if (!seat->consensus) return;
    for (uint32_t i = 0; i < SEAT_FEEDS; i++) {
        struct feed *feed = &seat->feeds[i];
        if (feed->id == 0 || (feed->next > feed->until && feed->n_ends == 0)) continue;
        if (seat->role != CONSENSUS_LEADER)
            feed->until = feed->next - 1;
        else
            pump_one(seat, feed, turn);
    }
}

void feed_want(struct seat *seat, const RaftMessage *message, uint32_t wanted, struct turn *turn) {
    const RaftAppend *append = message->append;
    struct feed *feed = feed_of(seat, message->to);
    if (!feed) return;
    bool flows = feed->next <= feed->until && feed->term == message->term;
    if (wanted == 0) {
        bool lags = flows && append->prev_index >= feed->next;
        if (lags && now_ms(turn) < feed->sent_ms + STALLED_MS) return;
        seat_hold(seat, message, seat->after, turn);
        return;
    }
    bool follows = feed->term == message->term && append->prev_index == feed->until;
    if (!follows) {
        feed->next = append->prev_index + 1;
        feed->prev_term = append->prev_term;
        feed->term = message->term;
        feed->n_ends = 0;
        feed->reading = false;
        feed->turn++;
    }
    feed->until = append->prev_index + wanted;
}
