/* mailbox: three linked lists and their sums. Invariant: depth and bytes are those of the lists; a
 * band's count and bytes are those of its parcels without PARCEL_RESERVED. */
#include "runtime/mailbox.h"

#include "runtime/assert.h"

void mailbox_init(struct mailbox *mailbox, uint32_t messages_max, size_t bytes_max) {
    *mailbox = (struct mailbox){
        .messages_max = messages_max ? messages_max : MAILBOX_MESSAGES,
        .bytes_max = bytes_max ? bytes_max : MAILBOX_BYTES,
    };
}

static bool fits(const struct mailbox *mailbox, enum parcel_band band, size_t size) {
    const struct mailbox_band *at = &mailbox->bands[band];
    if (band == BAND_SYSTEM || at->count == 0) return true;
    bool control = band == BAND_CONTROL;
    uint32_t messages = control ? MAILBOX_CONTROL_MESSAGES : mailbox->messages_max;
    size_t bytes = control ? MAILBOX_CONTROL_BYTES : mailbox->bytes_max;
    return at->count < messages && at->bytes + size <= bytes;
}

bool mailbox_push(struct mailbox *mailbox, struct parcel *parcel, bool reserved) {
    assert(parcel->envelope.band < BAND_COUNT);
    struct mailbox_band *band = &mailbox->bands[parcel->envelope.band];
    parcel->envelope.flags &= (uint8_t)~PARCEL_RESERVED;
    if (reserved) {
        parcel->envelope.flags |= PARCEL_RESERVED;
    } else {
        if (!fits(mailbox, parcel->envelope.band, parcel->size)) return false;
        band->count++;
        band->bytes += parcel->size;
    }
    parcel->next = NULL;
    if (band->last)
        band->last->next = parcel;
    else
        band->first = parcel;
    band->last = parcel;
    mailbox->bytes += parcel->size;
    if (++mailbox->depth > mailbox->depth_max) mailbox->depth_max = mailbox->depth;
    return true;
}

/* Accounts for a parcel that left its list. */
static struct parcel *left(struct mailbox *mailbox, struct parcel *parcel) {
    struct mailbox_band *band = &mailbox->bands[parcel->envelope.band];
    if (!(parcel->envelope.flags & PARCEL_RESERVED)) {
        band->count--;
        band->bytes -= parcel->size;
    }
    mailbox->depth--;
    mailbox->bytes -= parcel->size;
    parcel->next = NULL;
    return parcel;
}

struct parcel *mailbox_pop(struct mailbox *mailbox) {
    for (int i = 0; i < BAND_COUNT; i++) {
        struct mailbox_band *band = &mailbox->bands[i];
        struct parcel *parcel = band->first;
        if (!parcel) continue;
        band->first = parcel->next;
        if (!band->first) band->last = NULL;
        parcel_prefetch(band->first); /* the next turn's, while this one's is worked on */
        return left(mailbox, parcel);
    }
    return NULL;
}

/* Takes out the one behind before; NULL: the first. */
static struct parcel *
unlink_behind(struct mailbox *mailbox, struct mailbox_band *band, struct parcel *before) {
    struct parcel *parcel = before ? before->next : band->first;
    if (before)
        before->next = parcel->next;
    else
        band->first = parcel->next;
    if (band->last == parcel) band->last = before;
    return left(mailbox, parcel);
}

static bool waits_for_unmute(const struct parcel *parcel) {
    uint8_t kind = parcel->envelope.kind;
    return kind == PARCEL_CALL || kind == PARCEL_CAST || kind == PARCEL_LATER;
}

struct parcel *mailbox_pop_muted(struct mailbox *mailbox) {
    struct mailbox_band *data = &mailbox->bands[BAND_DATA];
    if (mailbox->bands[BAND_SYSTEM].first || mailbox->bands[BAND_CONTROL].first)
        return mailbox_pop(mailbox);
    struct parcel *before = NULL;
    for (struct parcel *parcel = data->first; parcel; before = parcel, parcel = parcel->next)
        if (!waits_for_unmute(parcel)) return unlink_behind(mailbox, data, before);
    return NULL;
}

struct parcel *mailbox_take_call(struct mailbox *mailbox, actor_handle from, uint64_t correlation) {
    for (int i = BAND_CONTROL; i < BAND_COUNT; i++) {
        struct mailbox_band *band = &mailbox->bands[i];
        struct parcel *before = NULL;
        for (struct parcel *parcel = band->first; parcel; before = parcel, parcel = parcel->next) {
            const struct envelope *envelope = &parcel->envelope;
            if (envelope->kind == PARCEL_CALL && envelope->from == from &&
                envelope->correlation == correlation)
                return unlink_behind(mailbox, band, before);
        }
    }
    return NULL;
}

struct parcel *
mailbox_take_kind(struct mailbox *mailbox, enum parcel_kind kind, uint64_t correlation) {
    for (int i = 0; i < BAND_COUNT; i++) {
        struct mailbox_band *band = &mailbox->bands[i];
        struct parcel *before = NULL;
        for (struct parcel *parcel = band->first; parcel; before = parcel, parcel = parcel->next)
            if (parcel->envelope.kind == kind &&
                (correlation == 0 || parcel->envelope.correlation == correlation))
                return unlink_behind(mailbox, band, before);
    }
    return NULL;
}

uint64_t mailbox_oldest_us(const struct mailbox *mailbox) {
    uint64_t oldest = 0;
    for (int i = 0; i < BAND_COUNT; i++) {
        const struct parcel *first = mailbox->bands[i].first;
        if (first && (oldest == 0 || first->queued_us < oldest)) oldest = first->queued_us;
    }
    return oldest;
}
