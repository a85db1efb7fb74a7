/* config: the settings of one role, and where each came from. Strongest first:
 *
 *   flags > environment > ./.env.STEM, STEM.env or env/STEM.env > $STEM_ENV_FILE >
 * $VECTRON_ENV_FILE > default
 *
 * With VECTRON_ENV_OVERRIDE=1 files win over the environment, and later files over earlier ones.
 * A config does not change after it was loaded: any thread may read it. */
#ifndef CLI_CONFIG_H
#define CLI_CONFIG_H

#include "cli/args.h"

struct config;

struct config_source {
    unsigned role;
    char *const *environment; /* as environ */
    const char *const *roots; /* folders searched for the role's files, ended by NULL */
    const struct args *args;  /* NULL: none */
};
/* warnings: one line each for what is unknown, without effect or risky; errors: one line for each
 * wrong value. INVALID when there is an error; *out is then not set. */
MUST_USE enum status config_load(const struct config_source *source,
                                 struct config **out,
                                 struct buffer *warnings,
                                 struct buffer *errors);
/* The process's own environment and folders (current folder, that of the executable). Prints
 * warnings and errors on stderr; NULL: there were errors. */
struct config *config_load_process(unsigned role, const struct args *args);
void config_free(struct config *config); /* NULL is fine */

/* Values of an effective row of this role; asking for another is a bug. Borrowed. "" = unset. */
const char *config_text(const struct config *config, const char *name);
bool config_on(const struct config *config, const char *name);
double config_real(const struct config *config, const char *name);
/* Whole numbers, durations in ms, sizes in bytes. */
int64_t config_number(const struct config *config, const char *name);
unsigned config_role(const struct config *config);

/* Rows in table order, for printing. from: "default", "environment", "worker.env:3", "--link". */
struct config_row {
    const struct setting *setting;
    const char *text; /* as it counts; secrets are not hidden */
    const char *from;
};
size_t config_rows(const struct config *config);
struct config_row config_row(const struct config *config, size_t i);

#endif
