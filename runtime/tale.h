/* tale: what one turn was told beyond its message (random numbers, times, whether an answer is
 * still wanted) and what it said. Written while a tap records an actor (SysTap.steps), and read
 * aloud to it again by the simulator (runtime/sim/replay.h). A lane without one pays a branch for
 * each question. On the lane. Private to runtime/. */
#ifndef RUNTIME_TALE_H
#define RUNTIME_TALE_H

#include "runtime/buffer.h"
#include "runtime/turn_state.h"

enum {
    TALE_TOLD_MAX = 65536, /* answers kept of one turn; more: the recording has a hole there */
    TALE_SENT_MAX = 4096,
    TALE_BYTES_MAX = 2 * 1024 * 1024, /* of bodies sent in one turn; later ones lose theirs */
    TALE_EXIT = UINT8_MAX,            /* kind of what is said by turn_exit: its status in words */
};

/* What a turn may ask; the letter is kept in recordings. */
enum tale_asked {
    TALE_RANDOM = 'r',
    TALE_CLOCK = 'c',  /* turn_now_us */
    TALE_WALL = 'w',   /* turn_wall_ms */
    TALE_WANTED = 'n', /* turn_wanted */
    TALE_SAW = 's',    /* turn_saw, turn_alone */
    TALE_FOUND = 'f',  /* turn_find, turn_saw_actor: was there one */
};

struct tale_told {
    char *asked;      /* owned; n letters */
    uint64_t *values; /* owned; n */
    size_t n, room;
};
struct tale_sent {
    uint8_t kind; /* enum parcel_kind, or TALE_EXIT */
    uint32_t op;
    actor_handle to;
    uint64_t correlation;
    size_t size;
    unsigned char *body; /* owned; NULL: none, or beyond TALE_BYTES_MAX */
};
struct tale {
    struct tale_told told;
    struct tale_sent *sent; /* owned */
    size_t n_sent, sent_room;
    size_t bytes;
    bool torn;           /* something found no room or no memory */
    struct buffer disk;  /* owned; of turn_keep: what the actor has on its disk … */
    const char *refused; /* … or why not, in the turn's arena */
    bool kept;           /* it was called */

    /* Of a tale that is read aloud. */
    const struct actor_type *only; /* to actors of this type; NULL: it is written, of all */
    struct tale_told script;       /* borrowed: what the running turn is told */
    size_t at;
    bool strayed;                      /* it asked for something else, or for more */
    bool holds;                        /* the actor is CELL_PAUSED from its first turn on */
    actor_handle nobody;               /* whom it meets where it met somebody that is not here */
    const struct actor_type *children; /* of this type are those that it spawns */
};

/* The answer of a question that would be `value` here and now. */
uint64_t tale_ask(struct turn *turn, enum tale_asked asked, uint64_t value);
/* The same of an actor that would be found. */
actor_handle tale_meet(struct turn *turn, actor_handle actor);
/* The turn sends this. */
void tale_say(struct turn *turn, const struct parcel *parcel);
/* It asks the runtime for something whose end has this number: a lookup (of words), a monitor (of
 * an actor), blocking work, a child that is spawned or stopped; or it exits. */
void tale_begin(
    struct turn *turn, uint8_t kind, uint64_t correlation, actor_handle of, const char *words);
/* "call", "cast", "reply", "part", "lookup", "monitor", "work", "spawn", "stop", "exit". Static. */
const char *tale_kind_name(uint8_t kind);
/* Nothing said and told, for the next turn. */
void tale_clear(struct tale *tale);
void tale_free(struct tale *tale);
void tale_sent_free(struct tale_sent *sent, size_t n);

#endif
