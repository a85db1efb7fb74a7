/* search_batch: many queries out of a file. */
#ifndef CLI_SEARCH_BATCH_H
#define CLI_SEARCH_BATCH_H

#include "cli/command.h"
#include "schemas/apigateway.pb-c.h"

struct search_batch {
    const char *collection;
    const char *path;
    const char *format;                 /* NULL: found out */
    Vectron__V1__SearchRequest request; /* of each, but for the vector */
    bool partial, json;
};

/* Prints what comes, and says on stderr which queries failed; then EXIT_FAILED. */
int search_batch_run(struct command_session *session, const struct search_batch *options);

#endif
