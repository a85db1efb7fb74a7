/* environment: the process's variables plus what the role's files add, in the contract's order
 * (11.1): the first that exists of .env.STEM, STEM.env, env/STEM.env in each root; then the file
 * named by STEM_ENV_FILE; then the one named by VECTRON_ENV_FILE. */
#ifndef CLI_ENVIRONMENT_H
#define CLI_ENVIRONMENT_H

#include "runtime/buffer.h"
#include "runtime/status.h"

struct environment;

struct environment_options {
    char *const *process;     /* as environ */
    const char *const *roots; /* ended by NULL */
    const char *stem;         /* "worker" */
};
/* INVALID: errors says which file and line. A file named by a variable must exist. */
MUST_USE enum status environment_open(const struct environment_options *options,
                                      struct environment **out,
                                      struct buffer *warnings,
                                      struct buffer *errors);
void environment_close(struct environment *environment); /* NULL is fine */
/* NULL: not set. *from tells where it came from and is left alone then. Borrowed. */
const char *
environment_get(const struct environment *environment, const char *name, const char **from);
void environment_each(const struct environment *environment,
                      void (*visit)(void *context, const char *name, const char *from),
                      void *context);

#endif
