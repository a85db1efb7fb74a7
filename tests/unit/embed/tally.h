/* tally: the actor of the tests: adds up, waits, breaks, asks others. */
#ifndef EMBED_TALLY_H
#define EMBED_TALLY_H

#include "adapters/embed/vectron.h"
#include "tally.pb-c.h"

struct tally {
    int64_t sum;
    uint32_t adds;
    uint32_t life;
    struct vectron_promise owed;
};
extern const struct vectron_actor_type tally_type;
/* Its handler of Tally__Add. */
enum vectron_status
tally_add(void *state, const ProtobufCMessage *message, struct vectron_turn *turn);
/* Of all tallies of the test: opened, and closed. */
extern _Atomic unsigned tally_lives, tally_gone;

/* A logger that drops all. */
void no_log(void *context, enum vectron_log_level level, const char *line);
/* A node with the actor "tally"; of this name, on this link (NULL: none). */
struct vectron_node *open_named(const char *name, const char *link);
struct vectron_node *open_tally(const struct vectron_node_options *options);
enum vectron_status ask_tally(struct vectron_node *node,
                              const char *address,
                              const ProtobufCMessage *message,
                              Tally__Total *total);

#endif
