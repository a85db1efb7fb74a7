/* luggage: what an actor was opened with and had on its disk then, packed for whoever records it
 * (turn_keep), and unpacked for a replay into stores of a scratch folder. All of it blocks: it
 * belongs on the blocking pool, or into a tool. */
#ifndef ACTORS_LUGGAGE_H
#define ACTORS_LUGGAGE_H

#include "runtime/arena.h"
#include "runtime/buffer.h"
#include "schemas/luggage.pb-c.h"
#include "storage/log_store.h"
#include "storage/point_store.h"

enum { LUGGAGE_WHY_SIZE = 256 };

struct luggage {
    struct buffer bytes; /* owned */
    uint64_t max;        /* bytes; beyond it nothing is carried at all */
    enum status status;  /* the first failure; the bytes are gone then */
    char why[LUGGAGE_WHY_SIZE];
};

void luggage_init(struct luggage *luggage, uint64_t max);
void luggage_free(struct luggage *luggage);
/* Each adds something, unless something failed before. */
void luggage_add(struct luggage *luggage, const LuggagePiece *piece);
void luggage_add_log(struct luggage *luggage, struct log_store *log, uint64_t store);
void luggage_add_points(struct luggage *luggage, struct point_store *points, uint64_t store);
/* No such file: nothing. */
enum luggage_file { LUGGAGE_INDEX, LUGGAGE_COLUMNS };
void luggage_add_file(struct luggage *luggage, enum luggage_file file, const char *path);

/* The first piece, in the arena. INVALID, NO_MEMORY. */
MUST_USE enum status luggage_look(struct bytes bytes, struct arena *arena, LuggagePiece **out);
struct luggage_place {
    struct log_store *log;
    struct point_store *points;
    const char *file; /* path, as the next */
    const char *columns;
};
/* Puts all of it there. INVALID: it is no luggage, or cut off; IO and all that stores may say. */
MUST_USE enum status luggage_unpack(struct bytes bytes, const struct luggage_place *place);

#endif
