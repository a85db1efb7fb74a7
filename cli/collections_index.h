/* collections_index: vectron collections index create | drop | list. */
#ifndef CLI_COLLECTIONS_INDEX_H
#define CLI_COLLECTIONS_INDEX_H

#include "cli/command.h"
#include "schemas/apigateway.pb-c.h"

/* words: the verb, the collection, the key. */
int collections_index(struct command_session *session, const struct args *args);
/* EXIT_OK: the words behind `index` make sense. */
int collections_index_judge(const struct args *args);
/* A table of the payload indexes. */
void collections_index_print(const Vectron__V1__GetCollectionStatusResponse *status);

#endif
