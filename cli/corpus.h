/* corpus: where the embedder's weights of a collection lie: on the server, beside it, so that any
 * client embeds a question as the texts were. COLLECTION.idf is a collection with one point whose
 * payload is the weights. Collections without it know vectors only. */
#ifndef CLI_CORPUS_H
#define CLI_CORPUS_H

#include "cli/command.h"
#include "cli/embed.h"
#include "cli/payload_text.h"

enum { CORPUS_NAME_MAX = 160 };

/* Makes COLLECTION.idf when it is not there. EXIT_OK, or another exit code with the words said. */
int corpus_save(struct command_session *session,
                const char *collection,
                const struct embed_weights *weights);
int corpus_load(struct command_session *session, const char *collection, struct embed_weights *out);
/* Creates the collection; that it exists already is fine. */
struct corpus_collection {
    const char *name;
    uint32_t dimension;
    const char *distance;
    uint32_t shards; /* 0: the server's default */
    struct payload_text indexes;
};
int corpus_create(struct command_session *session, const struct corpus_collection *collection);

#endif
