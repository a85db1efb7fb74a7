/* rebuff: see the header. */
#include "runtime/rebuff.h"

#include <inttypes.h>
#include <string.h>

static bool same(const struct rebuff *a, const struct rebuff *b) {
    return a->incoming == b->incoming && a->cause == b->cause && a->curve == b->curve &&
           strcmp(a->address, b->address) == 0 && strcmp(a->key, b->key) == 0;
}

/* The row of this kind, a free one, or the one that is longest ago. */
static struct rebuff *row_for(struct rebuffs *rebuffs, const struct rebuff *what) {
    struct rebuff *oldest = &rebuffs->rows[0];
    for (unsigned i = 0; i < rebuffs->n; i++) {
        struct rebuff *row = &rebuffs->rows[i];
        if (same(row, what)) return row;
        if (row->last_us < oldest->last_us) oldest = row;
    }
    struct rebuff *row = rebuffs->n < REBUFFS_MAX ? &rebuffs->rows[rebuffs->n++] : oldest;
    *row = *what;
    row->count = row->told_us = 0;
    return row;
}

static bool may_tell(struct rebuffs *rebuffs, uint64_t now_us) {
    if (rebuffs->told == 0 || now_us - rebuffs->window_us >= REBUFF_TELL_US) {
        rebuffs->window_us = now_us;
        rebuffs->told = 0;
    }
    return rebuffs->told < REBUFFS_TOLD_MAX;
}

const struct rebuff *
rebuffs_add(struct rebuffs *rebuffs, const struct rebuff *what, uint64_t now_us) {
    struct rebuff *row = row_for(rebuffs, what);
    *(what->incoming ? &rebuffs->incoming : &rebuffs->outgoing) += 1;
    row->count++;
    row->last_us = now_us;
    bool news = row->told_us == 0 || now_us - row->told_us >= REBUFF_TELL_US;
    if (!news || !may_tell(rebuffs, now_us)) return NULL;
    rebuffs->told++;
    row->told_us = now_us;
    return row;
}

const struct rebuff *
rebuffs_last(const struct rebuffs *rebuffs, bool incoming, const char *address) {
    const struct rebuff *last = NULL;
    for (unsigned i = 0; i < rebuffs->n; i++) {
        const struct rebuff *row = &rebuffs->rows[i];
        if (row->incoming != incoming || (address && strcmp(row->address, address) != 0)) continue;
        if (!last || row->last_us > last->last_us) last = row;
    }
    return last;
}

uint64_t rebuffs_count(const struct rebuffs *rebuffs, bool incoming, const char *address) {
    uint64_t count = 0;
    for (unsigned i = 0; i < rebuffs->n; i++) {
        const struct rebuff *row = &rebuffs->rows[i];
        if (row->incoming == incoming && strcmp(row->address, address) == 0) count += row->count;
    }
    return count;
}

const char *rebuff_cause_name(enum rebuff_cause cause) {
    static const char *const names[REBUFF_CAUSES] = {
        [REBUFF_KEY] = "key not allowed",    [REBUFF_MECHANISM] = "security differs",
        [REBUFF_CRYPTO] = "wrong key",       [REBUFF_BROKEN] = "handshake broken off",
        [REBUFF_UNKNOWN] = "no key of node", [REBUFF_OPEN] = "open network without keys",
    };
    return names[cause];
}

static void incoming_words(const struct rebuff *r, struct buffer *out) {
    buffer_printf(out, "a peer%s%s was refused: ", r->address[0] ? " from " : "", r->address);
    switch (r->cause) {
    case REBUFF_KEY:
        buffer_printf(out,
                      "its key %s is not allowed here; if it should be, add `NAME KEY` to "
                      "VECTRON_ALLOWED_KEYS and send SIGHUP",
                      r->key);
        break;
    case REBUFF_MECHANISM:
        buffer_printf(out, r->curve
                               ? "it does not speak CURVE; it needs a key, and this address as "
                                 "NAME@HOST:PORT"
                               : "it speaks CURVE and this link is plain; VECTRON_KEY_FILE and "
                                 "VECTRON_ALLOWED_KEYS are not set here");
        break;
    case REBUFF_CRYPTO:
        buffer_printf(out, "it takes this process for another; our public key in its "
                           "VECTRON_ALLOWED_KEYS, or the name in the address, is wrong");
        break;
    default:
        buffer_printf(out, "the handshake was broken off; %s",
                      r->curve
                          ? "perhaps it does not speak CURVE, or takes this process for another"
                          : "perhaps it speaks CURVE and this link is plain");
    }
}

static void
outgoing_words(const struct rebuff *r, const struct keyring *keyring, struct buffer *out) {
    buffer_printf(out, "link to %s failed: ", r->address);
    switch (r->cause) {
    case REBUFF_KEY:
        buffer_printf(out,
                      "our key is not allowed there; add `%s %s` to its VECTRON_ALLOWED_KEYS and "
                      "send it SIGHUP",
                      keyring ? keyring_name(keyring) : "NAME",
                      keyring ? keyring_public(keyring) : "KEY");
        break;
    case REBUFF_MECHANISM:
        buffer_printf(out, r->curve ? "it is a plain link, without keys; refused"
                                    : "it demands CURVE: VECTRON_KEY_FILE, VECTRON_ALLOWED_KEYS, "
                                      "and the address as NAME@HOST:PORT");
        break;
    case REBUFF_UNKNOWN:
        buffer_printf(out, keyring ? "VECTRON_ALLOWED_KEYS has no key of the node in the address"
                                   : "the address names a node, and VECTRON_KEY_FILE and "
                                     "VECTRON_ALLOWED_KEYS are not set");
        break;
    case REBUFF_OPEN:
        buffer_printf(out, "it is not on this machine and has no keys; write NAME@HOST:PORT with "
                           "VECTRON_KEY_FILE and VECTRON_ALLOWED_KEYS set, or VECTRON_INSECURE=1");
        break;
    default:
        buffer_printf(out, "the handshake was broken off; %s",
                      r->curve ? "is its public key in our VECTRON_ALLOWED_KEYS the right one, "
                                 "or is it a plain link?"
                               : "perhaps it demands CURVE, or is no Vectron link");
    }
}

void rebuff_words(const struct rebuff *rebuff, const struct keyring *keyring, struct buffer *out) {
    if (rebuff->incoming)
        incoming_words(rebuff, out);
    else
        outgoing_words(rebuff, keyring, out);
    if (rebuff->count > 1) buffer_printf(out, " (%" PRIu64 " times)", rebuff->count);
}
