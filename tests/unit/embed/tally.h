/* tally: the actor of the tests: adds up, waits, breaks, asks others. */
#ifndef EMBED_TALLY_H
#define EMBED_TALLY_H

#include "adapters/embed/vectron.h"
#include "tally.pb-c.h"

extern const struct vectron_actor_type tally_type;

struct vectron_node *open_tally(const struct vectron_node_options *options);
enum vectron_status ask_tally(struct vectron_node *node,
                              const char *address,
                              const ProtobufCMessage *message,
                              Tally__Total *total);

#endif
