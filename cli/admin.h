/* admin: questions to the placement driver, over its link, from a command of the client role. */
#ifndef CLI_ADMIN_H
#define CLI_ADMIN_H

#include "cli/command.h"
#include "schemas/pd.pb-c.h"

struct node;

struct admin {
    struct config *config;
    struct node *node;
    char addresses[512]; /* comma separated, tried in turn */
    bool patient;        /* that nobody answers is not said: who asks tries again */
    bool unanswered;     /* the last question was not answered by anybody */
};

/* An exit code; says why on stderr. To be closed in any case. */
int admin_open(const struct args *args, struct admin *out);
void admin_close(struct admin *admin);
/* One question; NULL: it failed and said why, or is to be asked again (patient, unanswered). Freed
 * by node_reply_free. */
ProtobufCMessage *admin_ask(struct admin *admin, const ProtobufCMessage *question);
/* Every page of a list of shards; "" = of all collections. An exit code. The rows live as long as
 * `list`, which is closed in any case. */
struct admin_shards {
    ProtobufCMessage **pages;
    size_t n_pages;
    PdShards all;
};
int admin_shards(struct admin *admin, const char *collection, struct admin_shards *list);
void admin_shards_close(struct admin_shards *list);

/* admin_print.c */
void admin_print_workers(const PdWorkers *workers);
void admin_print_shards(const PdShards *shards);
void admin_print_leader(const PdLeader *leader);
void admin_print_members(const PdLeader *leader);

/* admin_pd.c: the group of placement drivers; `vectron admin pd [add ID LINK | remove ID | lead
 * ID]`. */
int admin_pd(struct admin *admin, const struct args *args);

/* admin_drain.c: drains a worker and shows how far it is. */
int admin_drain(struct admin *admin, uint64_t worker, const struct args *args);

#endif
