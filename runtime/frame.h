/* frame: what one ZeroMQ frame between two processes holds: a msgpack array, its kind first
 * (docs/protocol.md). Pure: bytes in, values out; no sockets, no memory but the parcels.
 *
 *     [1, "vectron", version, name, incarnation, session, class]     hello, and its answer
 *     [1, "vectron", …, class, link]                                 from who is reached there
 *     [2, envelope, body, envelope, body, …]                         messages
 *     [3, token, name]           lookup          [4, token, status, handle]     found
 *     [5, stamp]                 beat            [6, stamp]                     its answer
 *     [7, text]                  goodbye
 *     [8, token, name, handle]   register        [9, token, status]             registered
 *
 * Longer arrays (but for messages) are newer ones: what is behind is skipped. */
#ifndef RUNTIME_FRAME_H
#define RUNTIME_FRAME_H

#include "runtime/pack.h"
#include "runtime/parcel.h"
#include "runtime/status.h"

enum {
    FRAME_VERSION = 1,
    FRAME_NAME_MAX = 63,   /* bytes of a node's name */
    FRAME_LINK_MAX = 127,  /* bytes of a link address */
    FRAME_TEXT_MAX = 255,  /* bytes of a name looked up, and of a goodbye */
    FRAME_SMALL_MAX = 512, /* bytes of any frame but messages */
    FRAME_HEAD_SIZE = 4,   /* bytes before the first message */
};

enum frame_kind {
    FRAME_HELLO = 1,
    FRAME_MESSAGES,
    FRAME_LOOKUP,
    FRAME_FOUND,
    FRAME_BEAT,
    FRAME_BEATEN,
    FRAME_BYE,
    FRAME_REGISTER,
    FRAME_REGISTERED,
};

/* What travels on a connection. A program with one socket uses FRAME_BOTH. */
enum frame_class { FRAME_BOTH, FRAME_CONTROL, FRAME_DATA, FRAME_CLASSES };

struct frame {
    enum frame_kind kind;
    char text[FRAME_TEXT_MAX + 1]; /* the name of hello, lookup and register, the text of goodbye */
    uint64_t version;              /* hello; the rest of a hello is read only when it is ours */
    uint64_t incarnation;
    uint64_t session; /* random, the opener's: ties the connections of one peer together */
    enum frame_class class;
    char link[FRAME_LINK_MAX + 1]; /* hello: where its sender is reached; "": not told */
    uint64_t token;                /* lookup, found, register, registered; the stamp of beats */
    enum status status;
    actor_handle handle;         /* found, register; there 0 takes the name back */
    struct pack_cursor messages; /* behind the kind */
    uint64_t count;              /* of values there: two a message */
};

/* Writes any frame but messages; at most FRAME_SMALL_MAX bytes; returns how many. */
size_t frame_write(const struct frame *frame, void *out);
/* INVALID with the reason in *why (static words, may be NULL). */
MUST_USE enum status frame_read(const void *data, size_t size, struct frame *out, const char **why);
/* Takes the next message of a FRAME_MESSAGES; NULL in *out behind the last one. INVALID with *why,
 * TOO_LARGE, NO_MEMORY: the rest of the frame is lost. */
MUST_USE enum status
frame_next(struct frame *frame, uint64_t now_us, struct parcel **out, const char **why);

/* Up to FRAME_MESSAGES_MAX messages being put together. Sizes first, then bytes, so that the ZeroMQ
 * message is allocated once and exactly. */
enum { FRAME_MESSAGES_MAX = 64, FRAME_ENVELOPE_MAX = 88 };
struct frame_builder {
    size_t size; /* of the frame so far */
    uint32_t count;
    uint64_t now_us;
    struct {
        const struct parcel *parcel; /* borrowed until frame_build */
        uint32_t size;
        unsigned char bytes[FRAME_ENVELOPE_MAX];
    } messages[FRAME_MESSAGES_MAX];
};
void frame_begin(struct frame_builder *builder, uint64_t now_us);
/* What the frame would grow by. */
size_t frame_cost(const struct parcel *parcel);
/* False when it is full. */
bool frame_add(struct frame_builder *builder, const struct parcel *parcel);
/* Writes exactly builder->size bytes. */
void frame_build(const struct frame_builder *builder, void *out);

#endif
